/* The exported functions: jobs wait in order, some threads work them off, results wait in order. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libavutil/avutil.h>
#include <libavutil/time.h>

#include "internal.h"

#define PROVIDER_BYTES_MAX 1024u
/* Between two segments of a stream memory is kept: getting it again costs more than a small segment does. */
#define IDLE_TRIM_MS 400L
#define COMMENT_PREFIX "Processed by "

typedef struct entry {
    struct entry *next;
    rp_task task;
} entry;

typedef struct line {
    entry *first, *last;
} line;

struct reprise_codec {
    pthread_mutex_t lock;
    pthread_cond_t work;
    line waiting, running, done;
    rp_device device;
    reprise_notify notify;
    uint32_t threads;
    uint32_t runner_count;
    bool closing;
    pthread_t runners[REPRISE_JOBS_MAX];
};

static void line_push(line *line, entry *item) {
    item->next = NULL;
    if (line->last) {
        line->last->next = item;
    } else {
        line->first = item;
    }
    line->last = item;
}

static bool line_remove(line *line, const entry *item) {
    entry *previous = NULL;
    for (entry *at = line->first; at; previous = at, at = at->next) {
        if (at != item) continue;
        if (previous) {
            previous->next = at->next;
        } else {
            line->first = at->next;
        }
        if (line->last == at) line->last = previous;
        return true;
    }
    return false;
}

static entry *line_find(const line *line, uint32_t id) {
    entry *at = line->first;
    while (at && at->task.job.id != id) at = at->next;
    return at;
}

static void free_entry(entry *item) {
    if (item->task.result) reprise_release(item->task.result);
    free(item->task.tag);
    free(item->task.comment);
    free(item);
}

/* Sleeps until there may be work; when no job has run for a short time, memory goes back, once. */
static bool wait_for_work(reprise_codec *codec, bool is_trimmed) {
    if (is_trimmed) {
        pthread_cond_wait(&codec->work, &codec->lock);
        return true;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += IDLE_TRIM_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (pthread_cond_timedwait(&codec->work, &codec->lock, &until) != ETIMEDOUT) return false;
    if (codec->running.first) return false;
    pthread_mutex_unlock(&codec->lock);
    rp_memory_trim();
    pthread_mutex_lock(&codec->lock);
    return true;
}

static void *work(void *argument) {
    reprise_codec *codec = argument;
    bool is_trimmed = true;
    pthread_mutex_lock(&codec->lock);
    for (;;) {
        while (!codec->waiting.first && !codec->closing) is_trimmed = wait_for_work(codec, is_trimmed);
        entry *item = codec->waiting.first;
        if (!item) break;
        line_remove(&codec->waiting, item);
        line_push(&codec->running, item);
        pthread_mutex_unlock(&codec->lock);

        rp_transcode(&item->task);
        is_trimmed = rp_memory_after_job();

        uint32_t id = item->task.job.id;
        pthread_mutex_lock(&codec->lock);
        line_remove(&codec->running, item);
        line_push(&codec->done, item);
        bool tell = codec->notify && !codec->closing;
        pthread_mutex_unlock(&codec->lock);
        if (tell) codec->notify(id);
        pthread_mutex_lock(&codec->lock);
    }
    pthread_mutex_unlock(&codec->lock);
    return NULL;
}

uint32_t reprise_abi_version(void) {
    return REPRISE_ABI_VERSION;
}

const char *reprise_libraries(void) {
    static char text[256];
    unsigned codec = avcodec_version(), format = avformat_version(), filter = avfilter_version();
    snprintf(text, sizeof text, "libavcodec %u.%u.%u\nlibavformat %u.%u.%u\nlibavfilter %u.%u.%u",
             AV_VERSION_MAJOR(codec), AV_VERSION_MINOR(codec), AV_VERSION_MICRO(codec),
             AV_VERSION_MAJOR(format), AV_VERSION_MINOR(format), AV_VERSION_MICRO(format),
             AV_VERSION_MAJOR(filter), AV_VERSION_MINOR(filter), AV_VERSION_MICRO(filter));
    return text;
}

reprise_codec *reprise_open(const reprise_options *options, reprise_notify notify) {
    if (!options || options->abi_version != REPRISE_ABI_VERSION) return NULL;
    if (options->jobs_max < 1 || options->jobs_max > REPRISE_JOBS_MAX) return NULL;
    reprise_codec *codec = calloc(1, sizeof *codec);
    if (!codec) return NULL;
    rp_memory_tune();
    av_log_set_level(options->log_level);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    codec->threads = options->threads ? FFMIN(options->threads, 64) : (uint32_t)av_clip(processors, 1, 64);
    codec->notify = notify;
    rp_device_open(&codec->device, options->device, options->encoders);
    pthread_mutex_init(&codec->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&codec->work, &clock);
    pthread_condattr_destroy(&clock);
    while (codec->runner_count < options->jobs_max) {
        if (pthread_create(&codec->runners[codec->runner_count], NULL, work, codec) != 0) break;
        codec->runner_count++;
    }
    if (codec->runner_count == options->jobs_max) return codec;
    reprise_close(codec);
    return NULL;
}

const char *reprise_encoder_name(const reprise_codec *codec, uint32_t encoder) {
    if (!codec || encoder >= REPRISE_ENCODERS || !codec->device.encoders[encoder]) return NULL;
    return codec->device.encoders[encoder]->name;
}

static bool valid(const reprise_job *job) {
    if (!job || job->id == 0) return false;
    if ((!job->media && job->media_length > 0) || job->media_length > INT64_MAX) return false;
    if (!job->profiles && job->profile_count > 0) return false;
    return job->provider_length <= PROVIDER_BYTES_MAX && (job->provider || job->provider_length == 0);
}

static bool copy_tags(rp_task *task) {
    uint32_t length = task->job.provider_length;
    if (length == 0) return true;
    task->tag = calloc(1, length + 1);
    task->comment = calloc(1, length + sizeof COMMENT_PREFIX);
    if (!task->tag || !task->comment) return false;
    memcpy(task->tag, task->job.provider, length);
    memcpy(task->comment, COMMENT_PREFIX, sizeof COMMENT_PREFIX - 1);
    memcpy(task->comment + sizeof COMMENT_PREFIX - 1, task->job.provider, length);
    return true;
}

int32_t reprise_submit(reprise_codec *codec, const reprise_job *job) {
    if (!codec || !valid(job)) return REPRISE_REFUSED_ARGUMENT;
    entry *item = calloc(1, sizeof *item);
    if (!item) return REPRISE_REFUSED_MEMORY;
    rp_task *task = &item->task;
    task->job = *job;
    task->result = calloc(1, sizeof *task->result);
    task->device = &codec->device;
    task->threads = codec->threads;
    task->deadline_us = INT64_MAX;
    if (job->time_limit_ms > 0) {
        task->deadline_us = av_gettime_relative() + job->time_limit_ms * INT64_C(1000);
    }
    atomic_init(&task->cancelled, false);
    atomic_init(&task->failure, 0);
    if (!task->result || !copy_tags(task)) {
        free_entry(item);
        return REPRISE_REFUSED_MEMORY;
    }
    task->result->id = job->id;
    uint32_t count = FFMIN(job->profile_count, REPRISE_OUTPUTS_MAX);
    if (count > 0) memcpy(task->profiles, job->profiles, count * sizeof *job->profiles);
    task->job.profiles = NULL;
    task->job.provider = NULL;

    pthread_mutex_lock(&codec->lock);
    bool closing = codec->closing;
    if (!closing) line_push(&codec->waiting, item);
    pthread_cond_signal(&codec->work);
    pthread_mutex_unlock(&codec->lock);
    if (closing) free_entry(item);
    return closing ? REPRISE_REFUSED_CLOSED : REPRISE_SUBMITTED;
}

reprise_result *reprise_poll(reprise_codec *codec) {
    if (!codec) return NULL;
    pthread_mutex_lock(&codec->lock);
    entry *item = codec->done.first;
    if (item) line_remove(&codec->done, item);
    pthread_mutex_unlock(&codec->lock);
    if (!item) return NULL;
    reprise_result *result = item->task.result;
    item->task.result = NULL;
    free_entry(item);
    return result;
}

int32_t reprise_cancel(reprise_codec *codec, uint32_t id) {
    if (!codec) return 0;
    pthread_mutex_lock(&codec->lock);
    entry *item = line_find(&codec->waiting, id);
    if (!item) item = line_find(&codec->running, id);
    if (item) atomic_store(&item->task.cancelled, true);
    pthread_mutex_unlock(&codec->lock);
    return item != NULL;
}

void reprise_release(reprise_result *result) {
    if (!result) return;
    rp_result_clear(result);
    free(result);
}

static void cancel_all(const line *line) {
    for (entry *at = line->first; at; at = at->next) atomic_store(&at->task.cancelled, true);
}

void reprise_close(reprise_codec *codec) {
    if (!codec) return;
    pthread_mutex_lock(&codec->lock);
    codec->closing = true;
    cancel_all(&codec->waiting);
    cancel_all(&codec->running);
    pthread_cond_broadcast(&codec->work);
    pthread_mutex_unlock(&codec->lock);
    for (uint32_t i = 0; i < codec->runner_count; i++) pthread_join(codec->runners[i], NULL);
    while (codec->done.first) {
        entry *item = codec->done.first;
        line_remove(&codec->done, item);
        free_entry(item);
    }
    rp_device_close(&codec->device);
    pthread_cond_destroy(&codec->work);
    pthread_mutex_destroy(&codec->lock);
    free(codec);
}

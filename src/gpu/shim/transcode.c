/* One job from its bytes to its result: decode once, make every rendition. */
#include <stdio.h>
#include <string.h>

#include <libavutil/time.h>

#include "internal.h"

typedef struct error_text {
    int error;
    const char *text;
} error_text;

/* What a gateway compares word for word (video sheet 8.3). */
static const error_text TEXTS[] = {
    {RP_ERROR_NO_KEYFRAMES, "No keyframes in input"},
    {RP_ERROR_VIDEO, "TranscoderInvalidVideo"},
    {RP_ERROR_DURATION, "TranscoderInvalidDuration"},
    {RP_ERROR_OUTPUTS, "Too many outputs"},
    {RP_ERROR_GOP, "TranscoderInvalidGOP"},
    {RP_ERROR_CLIP, "TranscoderInvalidClipConfig"},
    {RP_ERROR_RUNAWAY, "Encoded frames runaway"},
    {RP_ERROR_EMPTY, "ZeroSegments"},
    {RP_ERROR_STOPPED, "TranscoderStopped"},
    {RP_ERROR_PROFILE, "TranscoderUnrecognizedProfile"},
    {RP_ERROR_FORMAT, "TranscoderUnrecognizedFormat"},
    {RP_ERROR_FILTERS, "Error initializing filtergraph"},
    {RP_ERROR_PIXEL_FORMAT, "Unsupported input pixel format"},
};

void rp_error_text(int error, char *text, size_t capacity) {
    for (size_t i = 0; i < FF_ARRAY_ELEMS(TEXTS); i++) {
        if (TEXTS[i].error == error) {
            snprintf(text, capacity, "%s", TEXTS[i].text);
            return;
        }
    }
    if (av_strerror(error, text, capacity) < 0) snprintf(text, capacity, "Unknown error occurred");
}

void rp_task_fail(rp_task *task, int error) {
    int none = 0;
    atomic_compare_exchange_strong(&task->failure, &none, error);
}

int rp_task_check(const rp_task *task) {
    int failure = atomic_load_explicit(&task->failure, memory_order_relaxed);
    if (failure) return failure;
    if (atomic_load_explicit(&task->cancelled, memory_order_relaxed)) return RP_ERROR_STOPPED;
    if (task->deadline_us != INT64_MAX && av_gettime_relative() > task->deadline_us) return RP_ERROR_STOPPED;
    return 0;
}

/* The highest number of milliseconds that still fits the peer's nanoseconds. */
#define CLIP_MS_MAX (INT64_MAX / 1000000)

static int check_profiles(const rp_task *task) {
    const reprise_job *job = &task->job;
    bool bounded = job->clip_from_ms <= CLIP_MS_MAX && job->clip_to_ms <= CLIP_MS_MAX;
    bool backwards = job->clip_from_ms > 0 && job->clip_to_ms > 0 && job->clip_to_ms < job->clip_from_ms;
    if (job->profile_count > 0 && (job->clip_from_ms < 0 || job->clip_to_ms < 0 || !bounded || backwards)) {
        return RP_ERROR_CLIP;
    }
    for (uint32_t i = 0; i < job->profile_count && i < REPRISE_OUTPUTS_MAX; i++) {
        const reprise_profile *profile = &task->profiles[i];
        if (profile->profile > REPRISE_PROFILE_CONSTRAINED_HIGH) return RP_ERROR_PROFILE;
        if (profile->gop_ms < -1) return RP_ERROR_GOP;
        if (profile->format > REPRISE_MP4) return RP_ERROR_FORMAT;
        if (profile->encoder >= REPRISE_ENCODERS) return AVERROR(EINVAL);
        if (!task->device->encoders[profile->encoder]) return AVERROR(EINVAL);
        if (profile->fps > INT32_MAX || profile->fps_den > INT32_MAX) return AVERROR(EINVAL);
    }
    return job->profile_count > REPRISE_OUTPUTS_MAX ? RP_ERROR_OUTPUTS : 0;
}

/* Sound that comes before the first picture waits here: outputs are opened by pictures. */
typedef struct waiting_room {
    AVPacket **packets;
    size_t count, capacity;
} waiting_room;

static int wait_for_picture(waiting_room *room, AVPacket *packet) {
    if (room->count == room->capacity) {
        size_t capacity = room->capacity ? room->capacity * 2 : 64;
        AVPacket **packets = realloc(room->packets, capacity * sizeof *packets);
        if (!packets) return AVERROR(ENOMEM);
        room->packets = packets;
        room->capacity = capacity;
    }
    AVPacket *copy = av_packet_alloc();
    if (!copy) return AVERROR(ENOMEM);
    av_packet_move_ref(copy, packet);
    room->packets[room->count++] = copy;
    return 0;
}

static void empty_room(waiting_room *room) {
    for (size_t i = 0; i < room->count; i++) av_packet_free(&room->packets[i]);
    free(room->packets);
    *room = (waiting_room){0};
}

typedef struct run {
    rp_task *task;
    rp_input input;
    rp_output outputs[REPRISE_OUTPUTS_MAX];
    rp_lane lanes[REPRISE_OUTPUTS_MAX];
    uint32_t output_count;
    bool opened, ended;
    waiting_room room;
    AVPacket *audio;
    AVFrame *frame;
} run;

/* Pictures smaller than this are encoded faster than a thread is started. */
#define LANE_PIXELS_MIN (400 * 225)

static int send_all(run *run, enum rp_item kind, AVFrame *frame, const AVPacket *packet) {
    int error = 0;
    for (uint32_t i = 0; i < run->output_count && error >= 0; i++) {
        error = rp_lane_send(&run->lanes[i], kind, frame, packet, run->input.frames);
    }
    return error;
}

/* All outputs are opened before the first lane starts: opening reads the decoder's state. */
static int open_outputs(run *run, reprise_rendition *renditions) {
    for (uint32_t i = 0; i < run->output_count; i++) {
        rp_output *output = &run->outputs[i];
        const reprise_profile *profile = &run->task->profiles[i];
        output->profile = profile;
        output->task = run->task;
        output->input = &run->input;
        if (profile->fps > 0) {
            int64_t den = profile->fps_den ? profile->fps_den : 1;
            av_reduce(&output->fps.num, &output->fps.den, profile->fps, den, INT32_MAX);
        }
        int error = rp_output_open(output, run->frame);
        if (error < 0) return error;
    }
    bool threaded = run->task->threads > 1 && run->frame->width * run->frame->height >= LANE_PIXELS_MIN;
    for (uint32_t i = 0; i < run->output_count; i++) {
        rp_lane_start(&run->lanes[i], &run->outputs[i], &renditions[i], threaded);
    }
    run->opened = true;
    int error = 0;
    for (size_t i = 0; i < run->room.count && error >= 0; i++) {
        error = send_all(run, RP_ITEM_AUDIO, NULL, run->room.packets[i]);
    }
    empty_room(&run->room);
    return error;
}

static int picture(run *run, reprise_rendition *renditions) {
    reprise_result *result = run->task->result;
    result->decoded_frames++;
    result->decoded_pixels += (int64_t)run->frame->width * run->frame->height;
    int error = run->opened ? 0 : open_outputs(run, renditions);
    return error < 0 ? error : send_all(run, RP_ITEM_FRAME, run->frame, NULL);
}

static int read_all(run *run, reprise_rendition *renditions) {
    for (;;) {
        int item = rp_input_next(&run->input, run->task, run->audio, run->frame);
        if (item < 0) return item;
        if (item == RP_ITEM_END) break;
        int error;
        if (item == RP_ITEM_FRAME) {
            error = picture(run, renditions);
        } else if (run->opened) {
            error = send_all(run, RP_ITEM_AUDIO, NULL, run->audio);
        } else {
            error = wait_for_picture(&run->room, run->audio);
        }
        av_packet_unref(run->audio);
        av_frame_unref(run->frame);
        if (error < 0) return error;
    }
    int error = send_all(run, RP_ITEM_END, NULL, NULL);
    run->ended = error >= 0;
    return error;
}

static int run_all(run *run, reprise_rendition *renditions) {
    run->audio = av_packet_alloc();
    run->frame = av_frame_alloc();
    if (!run->audio || !run->frame) return AVERROR(ENOMEM);
    int error = rp_input_open(&run->input, run->task);
    if (error >= 0) error = check_profiles(run->task);
    if (error >= 0) error = read_all(run, renditions);
    /* Lanes must not outlive this function, and stop early when something went wrong anywhere. */
    if (error < 0) rp_task_fail(run->task, error);
    for (uint32_t i = 0; i < run->output_count; i++) rp_lane_join(&run->lanes[i], !run->ended);
    int failure = atomic_load(&run->task->failure);
    return failure ? failure : error;
}

void rp_transcode(rp_task *task) {
    reprise_result *result = task->result;
    int64_t started_us = av_gettime_relative();
    run *state = calloc(1, sizeof *state);
    reprise_rendition *renditions = calloc(REPRISE_OUTPUTS_MAX, sizeof *renditions);
    int error = state && renditions ? rp_task_check(task) : AVERROR(ENOMEM);
    if (error >= 0) {
        state->task = task;
        state->output_count = FFMIN(task->job.profile_count, REPRISE_OUTPUTS_MAX);
        error = run_all(state, renditions);
        result->decode_errors = state->input.decode_errors;
    }
    if (state) {
        for (uint32_t i = 0; i < REPRISE_OUTPUTS_MAX; i++) {
            if (state->outputs[i].task) rp_output_close(&state->outputs[i]);
        }
        empty_room(&state->room);
        rp_input_close(&state->input);
        av_packet_free(&state->audio);
        av_frame_free(&state->frame);
        free(state);
    }
    result->renditions = renditions;
    result->rendition_count = FFMIN(task->job.profile_count, REPRISE_OUTPUTS_MAX);
    result->ok = error >= 0;
    if (error < 0) {
        rp_error_text(error, result->text, sizeof result->text);
        rp_result_clear(result);
    }
    result->elapsed_us = av_gettime_relative() - started_us;
}

void rp_result_clear(reprise_result *result) {
    reprise_rendition *renditions = (reprise_rendition *)result->renditions;
    for (uint32_t i = 0; renditions && i < result->rendition_count; i++) {
        free((void *)renditions[i].bytes);
        free((void *)renditions[i].signature);
    }
    free(renditions);
    result->renditions = NULL;
    result->rendition_count = 0;
}

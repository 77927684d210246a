/*
 * A lane makes one rendition on a thread of its own, fed through a short queue: renditions run beside each
 * other and beside the decoder. It matters most at the end of a segment, when every encoder still holds the
 * pictures that it looks ahead at, which is most of them. What a lane sees, and in which order, is the same
 * as without a thread.
 */
#include <string.h>

#include "internal.h"

/* Runs in the lane, or at once when the lane has no thread. */
static int process(rp_lane *lane, const rp_lane_item *item) {
    rp_output *output = lane->output;
    output->decoded_frames = item->decoded_frames;
    switch (item->kind) {
    case RP_ITEM_FRAME:
        return rp_output_frame(output, item->frame);
    case RP_ITEM_AUDIO:
        return rp_output_audio(output, item->packet);
    default:
        return rp_output_finish(output, lane->rendition);
    }
}

static void drop(rp_lane_item *item) {
    av_frame_free(&item->frame);
    av_packet_free(&item->packet);
}

static void *run_lane(void *argument) {
    rp_lane *lane = argument;
    bool ended = false;
    while (!ended) {
        pthread_mutex_lock(&lane->lock);
        while (lane->count == 0) pthread_cond_wait(&lane->changed, &lane->lock);
        rp_lane_item item = lane->items[lane->first];
        lane->first = (lane->first + 1) % RP_LANE_ITEMS;
        lane->count--;
        pthread_cond_signal(&lane->changed);
        pthread_mutex_unlock(&lane->lock);
        ended = item.kind == RP_ITEM_END || item.kind == RP_ITEM_NONE;
        /* After a failure, here or in another lane, the rest is only taken off the queue. */
        if (item.kind != RP_ITEM_NONE && rp_task_check(lane->output->task) >= 0) {
            int error = process(lane, &item);
            if (error < 0) rp_task_fail(lane->output->task, error);
        }
        drop(&item);
    }
    return NULL;
}

void rp_lane_start(rp_lane *lane, rp_output *output, reprise_rendition *rendition, bool threaded) {
    memset(lane, 0, sizeof *lane);
    lane->output = output;
    lane->rendition = rendition;
    if (!threaded) return;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->changed, NULL);
    /* Without a thread the lane works all the same, in its caller's. */
    lane->running = pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
    if (lane->running) return;
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
}

static void push(rp_lane *lane, rp_lane_item item) {
    pthread_mutex_lock(&lane->lock);
    while (lane->count == RP_LANE_ITEMS) pthread_cond_wait(&lane->changed, &lane->lock);
    lane->items[(lane->first + lane->count) % RP_LANE_ITEMS] = item;
    lane->count++;
    pthread_cond_signal(&lane->changed);
    pthread_mutex_unlock(&lane->lock);
}

int rp_lane_send(rp_lane *lane, enum rp_item kind, AVFrame *frame, const AVPacket *packet, int64_t decoded) {
    rp_lane_item item = {.kind = kind, .decoded_frames = decoded};
    if (frame) item.frame = av_frame_clone(frame);
    if (packet) item.packet = av_packet_clone(packet);
    if ((frame && !item.frame) || (packet && !item.packet)) {
        drop(&item);
        return AVERROR(ENOMEM);
    }
    if (lane->running) {
        push(lane, item);
        return rp_task_check(lane->output->task);
    }
    int error = process(lane, &item);
    drop(&item);
    return error;
}

void rp_lane_join(rp_lane *lane, bool abandoned) {
    if (!lane->running) return;
    if (abandoned) push(lane, (rp_lane_item){.kind = RP_ITEM_NONE});
    pthread_join(lane->thread, NULL);
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
    lane->running = false;
}

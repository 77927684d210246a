/* One rendition: scaled, brought to its frame rate, clipped, hashed, encoded, packed. */
#include <stdio.h>
#include <string.h>

#include "../../native/keccak.h"
#include "internal.h"

/* Marks copies that only push the last real picture out of the frame rate filter. */
#define FILLER ((void *)(intptr_t)0x52455052)
#define FILLERS_MAX 8

static int open_filter(rp_output *output, const AVFrame *frame) {
    const reprise_profile *profile = output->profile;
    rp_size source = {frame->width, frame->height};
    rp_size size = rp_scaled_size(profile->encoder, profile->width, profile->height, source);
    /* The peer's encoder refuses such pictures with the same text, after scaling them. */
    if (size.width < 2 || size.height < 2 || size.width > RP_SIDE_MAX || size.height > RP_SIDE_MAX) {
        return AVERROR_EXTERNAL;
    }
    char rate[64] = "", description[256];
    if (output->fps.num > 0) snprintf(rate, sizeof rate, ",fps=%d/%d", output->fps.num, output->fps.den);
    if (frame->hw_frames_ctx) {
        bool npp = avfilter_get_by_name("scale_npp") != NULL;
        snprintf(description, sizeof description, "%s=w=%d:h=%d%s%s", npp ? "scale_npp" : "scale_cuda",
                 size.width, size.height, npp ? ":interp_algo=super" : "", rate);
    } else {
        snprintf(description, sizeof description, "scale=w=%d:h=%d%s,format=yuv420p", size.width, size.height,
                 rate);
    }
    return rp_filter_open(&output->filter, frame, output->input->video->time_base, description);
}

static void open_windows(rp_output *output) {
    const reprise_job *job = &output->task->job;
    AVRational milliseconds = {1, 1000}, base = output->filter.time_base;
    output->clip_from = av_rescale_q(job->clip_from_ms, milliseconds, base);
    output->clip_to = av_rescale_q(job->clip_to_ms, milliseconds, base);
    if (output->profile->fps == 0 && output->profile->gop_ms > 0) {
        output->gop_length = av_rescale_q(output->profile->gop_ms, milliseconds, base);
    }
}

int rp_output_open(rp_output *output, const AVFrame *frame) {
    output->signature.descriptor = -1;
    output->last_encoder_pts = output->last_video_dts = output->last_audio_dts = AV_NOPTS_VALUE;
    output->filtered = av_frame_alloc();
    output->last_frame = av_frame_alloc();
    output->packet = av_packet_alloc();
    if (!output->filtered || !output->last_frame || !output->packet) return AVERROR(ENOMEM);
    /* Filters before encoders: the filter knows the size and form of the pictures to come. */
    int error = open_filter(output, frame);
    if (error < 0) return error;
    AVFrame *form = output->filtered;
    error = rp_filter_describe(&output->filter, form);
    if (error >= 0) error = rp_encoder_open(output, form, false);
    av_frame_unref(form);
    if (error < 0) return error;
    open_windows(output);
    return rp_mux_open(output);
}

/* Whether a picture lies in the clip window; moves it onto the clip's time line. */
static bool clip(rp_output *output, AVFrame *frame) {
    const reprise_job *job = &output->task->job;
    if (!output->clip_start_known) {
        output->clip_start = frame->pts;
        output->clip_start_known = true;
    }
    if (job->clip_to_ms > 0 && frame->pts > output->clip_to + output->clip_start) return false;
    if (job->clip_from_ms <= 0) return true;
    if (frame->pts < output->clip_from + output->clip_start) return false;
    frame->pts -= output->clip_from + output->clip_start;
    output->clip_started = true;
    return true;
}

/* With source time stamps the group of pictures is counted in time, not in pictures. */
static void force_key(rp_output *output, AVFrame *frame) {
    if (output->gop_length <= 0) return;
    if (output->gop_started && frame->pts < output->next_key) return;
    frame->pict_type = AV_PICTURE_TYPE_I;
    output->gop_started = true;
    output->next_key = frame->pts + output->gop_length;
}

static int take_filtered(rp_output *output, AVFrame *frame, bool sign) {
    frame->pict_type = AV_PICTURE_TYPE_NONE;
    if (!clip(output, frame)) return 0;
    force_key(output, frame);
    if (output->frames + 1 > RP_RUNAWAY_RATIO * output->decoded_frames) return RP_ERROR_RUNAWAY;
    if (sign && (output->task->job.flags & REPRISE_JOB_SIGNATURE)) {
        int error = rp_signature_add(&output->signature, frame, output->video->time_base);
        if (error < 0) return error;
    }
    return rp_encode(output, frame);
}

/* Encodes what the filter has ready. `*filler_seen` tells that a filler came out. */
static int drain_filter(rp_output *output, bool sign, bool *filler_seen) {
    for (;;) {
        int error = rp_filter_read(&output->filter, output->filtered);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return 0;
        if (error < 0) return error;
        error = rp_task_check(output->task);
        if (error < 0) return error;
        if (output->filtered->opaque == FILLER) {
            *filler_seen = true;
            continue;
        }
        error = take_filtered(output, output->filtered, sign);
        if (error < 0) return error;
    }
}

static bool source_changed(const rp_filter *filter, const AVFrame *frame) {
    const AVBufferRef *now = frame->hw_frames_ctx, *before = filter->hardware_frames;
    if (now && before && now->data != before->data) return true;
    /* One side alone keeps the old box, as the network's reference does (video sheet 11.4). */
    return frame->width != filter->source_size.width && frame->height != filter->source_size.height;
}

int rp_output_frame(rp_output *output, AVFrame *frame) {
    bool filler_seen = false;
    if (source_changed(&output->filter, frame)) {
        int error = rp_filter_finish(&output->filter);
        /* The reference leaves the pictures of this moment out of the hash; hashes must stay comparable. */
        if (error >= 0) error = drain_filter(output, false, &filler_seen);
        if (error >= 0) error = open_filter(output, frame);
        if (error < 0) return error;
    }
    frame->opaque = NULL;
    av_frame_unref(output->last_frame);
    int error = av_frame_ref(output->last_frame, frame);
    if (error >= 0) error = rp_filter_write(&output->filter, frame);
    return error < 0 ? error : drain_filter(output, true, &filler_seen);
}

int rp_output_audio(rp_output *output, const AVPacket *source) {
    const reprise_job *job = &output->task->job;
    if (!output->audio || source->pts == AV_NOPTS_VALUE) return 0;
    if (!output->audio_clip_start_known) {
        output->audio_clip_start = source->pts;
        output->audio_clip_start_known = true;
    }
    int64_t start = output->audio_clip_start;
    if (job->clip_to_ms > 0 && source->pts > output->audio_clip_to + start) return 0;
    /* A clip starts with a picture. */
    bool early = !output->clip_started || source->pts < output->audio_clip_from + start;
    if (job->clip_from_ms > 0 && early) return 0;
    int error = av_packet_ref(output->packet, source);
    if (error < 0) return error;
    if (job->clip_from_ms > 0) {
        output->packet->pts -= output->audio_clip_from + start;
        if (output->packet->dts != AV_NOPTS_VALUE) output->packet->dts -= output->audio_clip_from + start;
    }
    error = rp_mux_audio(output, output->packet, output->input->audio->time_base);
    av_packet_unref(output->packet);
    return error;
}

/* Very short or slow streams end before the frame rate filter has let one picture go. */
static int push_short_stream(rp_output *output) {
    AVFrame *filler = output->last_frame;
    if (output->frames > 0 || !filler->buf[0]) return 0;
    int64_t step = rp_frame_duration(filler);
    if (output->fps.num > 0) step = av_rescale_q(1, av_inv_q(output->fps), output->filter.source_time_base);
    filler->opaque = FILLER;
    bool filler_seen = false;
    for (int i = 0; i < FILLERS_MAX && !filler_seen; i++) {
        filler->pts = output->filter.last_pts + FFMAX(step, 1);
        int error = rp_filter_write(&output->filter, filler);
        if (error >= 0) error = drain_filter(output, true, &filler_seen);
        if (error < 0) return error;
    }
    return 0;
}

int rp_output_finish(rp_output *output, reprise_rendition *rendition) {
    bool filler_seen = false;
    int error = push_short_stream(output);
    if (error >= 0) error = rp_filter_finish(&output->filter);
    if (error >= 0) error = drain_filter(output, true, &filler_seen);
    if (error >= 0 && output->frames == 0) error = RP_ERROR_EMPTY;
    if (error >= 0) error = rp_encode(output, NULL);
    if (error >= 0) error = rp_mux_finish(output);
    if (error < 0) return error;
    uint8_t *signature;
    error = rp_signature_finish(&output->signature, &signature, &rendition->signature_length);
    if (error < 0) return error;
    rendition->signature = signature;
    rendition->bytes = output->buffer.data;
    rendition->length = output->buffer.size;
    rendition->frames = output->frames;
    rendition->pixels = output->pixels;
    rp_keccak256(rendition->bytes, rendition->length, rendition->keccak256);
    output->buffer = (rp_buffer){0};
    return 0;
}

void rp_output_close(rp_output *output) {
    rp_signature_close(&output->signature);
    rp_filter_close(&output->filter);
    avcodec_free_context(&output->encoder);
    /* A muxer whose file was not finished still holds its own state. */
    avformat_free_context(output->format);
    rp_io_close(&output->io);
    av_frame_free(&output->filtered);
    av_frame_free(&output->last_frame);
    av_packet_free(&output->packet);
    free(output->stamps);
    free(output->buffer.data);
    memset(output, 0, sizeof *output);
    output->signature.descriptor = -1;
}

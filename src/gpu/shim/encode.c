/* The encoder of one rendition: its options (video sheet 11.3), its pictures and their time stamps. */
#include <stdio.h>
#include <string.h>

#include <libavfilter/buffersink.h>
#include <libavutil/opt.h>

#include "internal.h"

static int gop_frames(const reprise_profile *profile) {
    double frames = profile->gop_ms / 1000.0 * profile->fps;
    if (profile->fps_den <= 1) return frames > INT32_MAX ? INT32_MAX : (int)frames;
    /* The peer forgets the denominator, which makes a second at 30000/1001 last 30,000 pictures. */
    frames = frames / profile->fps_den + 0.5;
    return frames > INT32_MAX ? INT32_MAX : (int)frames;
}

/*
 * Renditions run beside each other, so each gets its share of the job's threads: one and a half for each processor, as
 * x264 itself chooses. Every further thread of one encoder keeps pictures of its own: with a share instead of all, a
 * job needs a quarter less memory.
 */
static unsigned encoder_threads(const rp_task *task) {
    unsigned outputs = FFMAX(task->job.profile_count, 1);
    return FFMAX(task->threads * 3 / (2 * outputs), 1);
}

static void set_number(AVDictionary **options, const char *key, int64_t value) {
    av_dict_set_int(options, key, value, 0);
}

static void set_h264_profile(AVDictionary **options, const reprise_profile *profile, bool hardware) {
    bool b_frames = true;
    switch (profile->profile) {
    case REPRISE_PROFILE_BASELINE:
        av_dict_set(options, "profile", "baseline", 0);
        b_frames = false;
        break;
    case REPRISE_PROFILE_CONSTRAINED_HIGH:
        av_dict_set(options, "profile", "high", 0);
        b_frames = false;
        break;
    case REPRISE_PROFILE_MAIN:
        av_dict_set(options, "profile", "main", 0);
        break;
    case REPRISE_PROFILE_HIGH:
        av_dict_set(options, "profile", "high", 0);
        break;
    default:
        b_frames = !hardware;
    }
    /* With source time stamps, the hardware's decode times go wrong when pictures are reordered. */
    if (hardware && profile->fps == 0) b_frames = false;
    set_number(options, "bf", b_frames ? 3 : 0);
}

static void set_options(AVDictionary **options, const rp_output *output, const AVCodec *codec) {
    const reprise_profile *profile = output->profile;
    bool hardware = rp_is_hardware(codec);
    av_dict_set(options, "preset", "medium", 0);
    av_dict_set(options, "forced-idr", "1", 0);
    av_dict_set(options, "tier", "high", 0);
    if (profile->quality > 0) {
        if (profile->quality <= 63) set_number(options, "crf", profile->quality);
        if (profile->quality <= 51 - 7) set_number(options, "cq", profile->quality + 7);
    }
    if (profile->encoder == REPRISE_H264) {
        set_h264_profile(options, profile, hardware);
    } else {
        set_number(options, "bf", hardware ? 0 : 3);
    }
    if (profile->gop_ms == -1) {
        set_number(options, "g", 0);
    } else if (profile->gop_ms > 0 && profile->fps > 0) {
        set_number(options, "g", gop_frames(profile));
    }
    if (!strcmp(codec->name, "libx265")) {
        char parameters[64];
        snprintf(parameters, sizeof parameters, "log-level=none:pools=%u", encoder_threads(output->task));
        av_dict_set(options, "x265-params", parameters, 0);
    } else if (!strncmp(codec->name, "libvpx", 6)) {
        av_dict_set(options, "deadline", "realtime", 0);
        set_number(options, "cpu-used", 6);
    }
}

static void set_rate(AVCodecContext *encoder, const rp_output *output) {
    const AVCodecContext *decoder = output->input->decoder;
    const AVStream *source = output->input->video;
    if (output->fps.num > 0) {
        encoder->framerate = av_buffersink_get_frame_rate(output->filter.sink);
        encoder->time_base = output->filter.time_base;
    } else if (decoder->framerate.num > 0 && decoder->framerate.den > 0) {
        encoder->framerate = decoder->framerate;
        encoder->time_base = av_inv_q(decoder->framerate);
    } else {
        encoder->framerate = source->r_frame_rate;
        encoder->time_base = source->time_base;
    }
}

int rp_encoder_open(rp_output *output, const AVFrame *frame, bool reopened) {
    const reprise_profile *profile = output->profile;
    const AVCodec *codec = output->task->device->encoders[profile->encoder];
    if (!codec) return AVERROR(EINVAL);
    AVCodecContext *encoder = avcodec_alloc_context3(codec);
    if (!encoder) return AVERROR(ENOMEM);
    AVCodecContext *previous = output->encoder;
    output->encoder = encoder;
    encoder->width = frame->width;
    encoder->height = frame->height;
    encoder->pix_fmt = frame->format;
    encoder->thread_count = (int)encoder_threads(output->task);
    if (previous) {
        encoder->framerate = previous->framerate;
        encoder->time_base = previous->time_base;
    } else {
        set_rate(encoder, output);
    }
    if (profile->bitrate != 0) {
        encoder->bit_rate = encoder->rc_min_rate = encoder->rc_max_rate = profile->bitrate;
        encoder->rc_buffer_size = profile->bitrate;
    }
    /*
     * MP4 keeps the parameter sets in its header. Those of an encoder opened later, for another size, would
     * be lost: they go into the stream instead, where decoders find them too.
     */
    if (profile->format == REPRISE_MP4 && !reopened) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    int error = 0;
    if (frame->hw_frames_ctx) {
        encoder->hw_frames_ctx = av_buffer_ref(frame->hw_frames_ctx);
        if (!encoder->hw_frames_ctx) error = AVERROR(ENOMEM);
    }
    AVDictionary *options = NULL;
    set_options(&options, output, codec);
    if (error >= 0) error = avcodec_open2(encoder, codec, &options);
    av_dict_free(&options);
    avcodec_free_context(&previous);
    return error;
}

static int remember_stamp(rp_output *output, int64_t encoder_pts, int64_t source_pts) {
    if (output->stamp_count == output->stamp_capacity) {
        size_t capacity = output->stamp_capacity ? output->stamp_capacity * 2 : 256;
        rp_stamp *stamps = realloc(output->stamps, capacity * sizeof(rp_stamp));
        if (!stamps) return AVERROR(ENOMEM);
        output->stamps = stamps;
        output->stamp_capacity = capacity;
    }
    output->stamps[output->stamp_count++] = (rp_stamp){encoder_pts, source_pts};
    return 0;
}

static int64_t source_time(const rp_output *output, int64_t encoder_pts) {
    size_t low = 0, high = output->stamp_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (output->stamps[middle].encoder_pts < encoder_pts) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < output->stamp_count && output->stamps[low].encoder_pts == encoder_pts) {
        return output->stamps[low].source_pts;
    }
    return av_rescale_q(encoder_pts, output->encoder->time_base, output->filter.time_base);
}

/* Encoders of pass-through renditions count in pictures; what they make goes back to the source's times. */
static int forward_packet(rp_output *output, AVPacket *packet) {
    AVRational encoder_base = output->encoder->time_base;
    if (output->fps.num > 0) {
        if (packet->duration <= 0) packet->duration = 1;
        return rp_mux_video(output, packet, encoder_base);
    }
    AVRational base = output->filter.source_time_base;
    int64_t delay = av_rescale_q(packet->pts - packet->dts, encoder_base, base);
    packet->duration = av_rescale_q(1, av_inv_q(output->encoder->framerate), base);
    packet->pts = source_time(output, packet->pts);
    packet->dts = packet->pts - delay;
    return rp_mux_video(output, packet, base);
}

static int receive_packets(rp_output *output) {
    for (;;) {
        int error = avcodec_receive_packet(output->encoder, output->packet);
        if (error < 0) return error;
        error = forward_packet(output, output->packet);
        av_packet_unref(output->packet);
        /* At the end most of a segment is still in the encoder: a stopped job must not wait for all of it. */
        if (error >= 0) error = rp_task_check(output->task);
        if (error < 0) return error;
    }
}

static int drain(rp_output *output) {
    int error = avcodec_send_frame(output->encoder, NULL);
    if (error < 0 && error != AVERROR_EOF) return error;
    error = receive_packets(output);
    return error == AVERROR_EOF ? 0 : error;
}

/* Moves a picture from the filter's clock to the encoder's, which may be coarser, keeping times distinct. */
static int convert_time(rp_output *output, AVFrame *frame) {
    AVRational filter_base = output->filter.time_base, encoder_base = output->encoder->time_base;
    int64_t source_pts = frame->pts;
    if (av_cmp_q(filter_base, encoder_base)) {
        frame->pts = av_rescale_q(frame->pts, filter_base, encoder_base);
        if (output->last_encoder_pts != AV_NOPTS_VALUE && frame->pts <= output->last_encoder_pts) {
            frame->pts = output->last_encoder_pts + 1;
            source_pts = av_rescale_q(frame->pts, encoder_base, filter_base);
        }
        output->last_encoder_pts = frame->pts;
    }
    return output->fps.num > 0 ? 0 : remember_stamp(output, frame->pts, source_pts);
}

int rp_encode(rp_output *output, AVFrame *frame) {
    if (!frame) return drain(output);
    AVCodecContext *encoder = output->encoder;
    if (encoder->width != frame->width || encoder->height != frame->height) {
        int error = drain(output);
        if (error >= 0) error = rp_encoder_open(output, frame, true);
        if (error < 0) return error;
        encoder = output->encoder;
    }
    int error = convert_time(output, frame);
    if (error < 0) return error;
    if (output->frames == 0) frame->pict_type = AV_PICTURE_TYPE_I;
    error = avcodec_send_frame(encoder, frame);
    if (error < 0) return error;
    output->frames++;
    output->pixels += (int64_t)encoder->width * encoder->height;
    error = receive_packets(output);
    return error == AVERROR(EAGAIN) || error == AVERROR_EOF ? 0 : error;
}

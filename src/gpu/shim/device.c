/*
 * What this machine can encode. Names in a library's list prove nothing: an encoder counts when a session of
 * it can really be opened, and, on a card, has taken one picture.
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/opt.h>

#include "internal.h"

enum { PROBE_SIDE = 256 };

static const char *const SOFTWARE[REPRISE_ENCODERS] = {"libx264", "libx265", "libvpx", "libvpx-vp9"};
static const char *const HARDWARE[REPRISE_ENCODERS] = {"h264_nvenc", "hevc_nvenc", NULL, NULL};

bool rp_is_hardware(const AVCodec *codec) {
    return strstr(codec->name, "_nvenc") != NULL;
}

static AVBufferRef *probe_frames(AVBufferRef *device) {
    AVBufferRef *reference = av_hwframe_ctx_alloc(device);
    if (!reference) return NULL;
    AVHWFramesContext *frames = (AVHWFramesContext *)reference->data;
    frames->format = AV_PIX_FMT_CUDA;
    frames->sw_format = AV_PIX_FMT_NV12;
    frames->width = frames->height = PROBE_SIDE;
    if (av_hwframe_ctx_init(reference) < 0) av_buffer_unref(&reference);
    return reference;
}

static bool encodes(const AVCodec *codec, AVBufferRef *device) {
    AVCodecContext *encoder = avcodec_alloc_context3(codec);
    AVFrame *frame = av_frame_alloc();
    int error = encoder && frame ? 0 : AVERROR(ENOMEM);
    if (error >= 0) {
        encoder->width = encoder->height = PROBE_SIDE;
        encoder->time_base = (AVRational){1, 30};
        encoder->framerate = (AVRational){30, 1};
        encoder->pix_fmt = device ? AV_PIX_FMT_CUDA : AV_PIX_FMT_YUV420P;
        encoder->thread_count = 1;
        if (!strcmp(codec->name, "libx265")) {
            av_opt_set(encoder->priv_data, "x265-params", "log-level=none:pools=1", 0);
        }
        if (device) {
            encoder->hw_frames_ctx = probe_frames(device);
            if (!encoder->hw_frames_ctx) error = AVERROR_EXTERNAL;
        }
    }
    if (error >= 0) error = avcodec_open2(encoder, codec, NULL);
    if (error >= 0 && device) {
        error = av_hwframe_get_buffer(encoder->hw_frames_ctx, frame, 0);
        if (error >= 0) error = avcodec_send_frame(encoder, frame);
    }
    av_frame_free(&frame);
    avcodec_free_context(&encoder);
    return error >= 0;
}

static const AVCodec *find(const char *name, AVBufferRef *device) {
    const AVCodec *codec = name ? avcodec_find_encoder_by_name(name) : NULL;
    return codec && encodes(codec, device) ? codec : NULL;
}

void rp_device_open(rp_device *device, int number, uint32_t allowed) {
    memset(device, 0, sizeof *device);
    device->number = -1;
    if (allowed == 0) allowed = UINT32_MAX;
    if (number >= 0) {
        char name[16];
        snprintf(name, sizeof name, "%d", number);
        if (av_hwdevice_ctx_create(&device->context, AV_HWDEVICE_TYPE_CUDA, name, NULL, 0) >= 0) {
            device->number = number;
            for (uint32_t i = 0; i < REPRISE_ENCODERS; i++) {
                if (allowed >> i & 1) device->encoders[i] = find(HARDWARE[i], device->context);
            }
        }
        /* A card without a working H.264 session is of no use here: all work goes to the processor. */
        if (!device->encoders[REPRISE_H264]) {
            av_buffer_unref(&device->context);
            memset(device, 0, sizeof *device);
            device->number = -1;
        }
    }
    if (device->number >= 0) return;
    for (uint32_t i = 0; i < REPRISE_ENCODERS; i++) {
        if (allowed >> i & 1) device->encoders[i] = find(SOFTWARE[i], NULL);
    }
}

void rp_device_close(rp_device *device) {
    av_buffer_unref(&device->context);
}

/* The segment: opened, probed, demultiplexed and decoded, in the order of the file. */
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/pixdesc.h>

#include "internal.h"

/*
 * Only the containers of the network's production builds are read: others (playlists, "concat") can open
 * files and addresses of the machine.
 */
static const char FORMATS[] = "mpegts,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,mp3,wav,flac";
static const char DECODERS[] =
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,h264_cuvid,hevc_cuvid,aac,aac_latm,mp1,mp1float,mp2,mp2float,"
    "mp3,mp3float,ac3,ac3_fixed,eac3,opus,libopus,vorbis,libvorbis,flac,alac,speex,libspeex,pcm_s16le,"
    "pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_f32le,pcm_u8,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd";

static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options) {
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static int interrupted(void *opaque) {
    return rp_task_check(opaque) < 0;
}

static void copy_name(char target[32], const char *name) {
    av_strlcpy(target, name ? name : "", 32);
}

static int open_format(rp_input *input, rp_task *task, const uint8_t *media, int64_t size) {
    input->reader = (rp_reader){.data = media, .size = size, .task = task};
    input->io = rp_reader_open(&input->reader);
    input->format = avformat_alloc_context();
    if (!input->io || !input->format) return AVERROR(ENOMEM);
    input->format->pb = input->io;
    input->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    input->format->io_open = refuse_open;
    input->format->interrupt_callback = (AVIOInterruptCB){interrupted, task};
    input->format->format_whitelist = av_strdup(FORMATS);
    input->format->codec_whitelist = av_strdup(DECODERS);
    if (!input->format->format_whitelist || !input->format->codec_whitelist) return AVERROR(ENOMEM);
    /* On failure the library frees the context and leaves null. */
    int error = avformat_open_input(&input->format, "", NULL, NULL);
    if (error < 0) return error;
    error = avformat_find_stream_info(input->format, NULL);
    if (error < 0) return error;
    AVFormatContext *format = input->format;
    int video = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &input->video_codec, 0);
    int audio = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, &input->audio_codec, 0);
    input->video = video >= 0 ? format->streams[video] : NULL;
    input->audio = audio >= 0 ? format->streams[audio] : NULL;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        if (stream != input->video && stream != input->audio) stream->discard = AVDISCARD_ALL;
    }
    return 0;
}

static void close_format(rp_input *input) {
    avformat_close_input(&input->format);
    rp_io_close(&input->io);
    input->video = input->audio = NULL;
}

static void describe(const rp_input *input, reprise_probe *probe) {
    const AVFormatContext *format = input->format;
    probe->status = input->video || input->audio ? 0 : 2;
    copy_name(probe->format, format->iformat->name);
    if (format->duration != AV_NOPTS_VALUE) probe->duration_s = format->duration / AV_TIME_BASE;
    if (input->audio) copy_name(probe->audio_codec, input->audio_codec->name);
    if (!input->video) return;
    const AVCodecParameters *video = input->video->codecpar;
    copy_name(probe->video_codec, input->video_codec->name);
    probe->width = video->width;
    probe->height = video->height;
    probe->pixel_format = video->format;
    probe->fps = av_q2d(input->video->r_frame_rate);
    if (input->audio && video->format == AV_PIX_FMT_NONE && video->height == 0) probe->status = 1;
}

static enum AVPixelFormat choose_cuda(AVCodecContext *decoder, const enum AVPixelFormat *formats) {
    for (const enum AVPixelFormat *format = formats; *format != AV_PIX_FMT_NONE; format++) {
        if (*format == AV_PIX_FMT_CUDA) return *format;
    }
    return avcodec_default_get_format(decoder, formats);
}

static bool decodes_on_cuda(const AVCodec *codec) {
    for (int i = 0;; i++) {
        const AVCodecHWConfig *config = avcodec_get_hw_config(codec, i);
        if (!config) return false;
        if (config->device_type == AV_HWDEVICE_TYPE_CUDA &&
            (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX)) {
            return true;
        }
    }
}

static int open_decoder(rp_input *input, const rp_task *task) {
    AVCodecContext *decoder = input->decoder = avcodec_alloc_context3(input->video_codec);
    if (!decoder) return AVERROR(ENOMEM);
    int error = avcodec_parameters_to_context(decoder, input->video->codecpar);
    if (error < 0) return error;
    decoder->pkt_timebase = input->video->time_base;
    decoder->max_pixels = RP_PICTURE_PIXELS_MAX;
    /* One thread: frame threads would delay pictures against sound, which the clip window can see. */
    decoder->thread_count = 1;
    const rp_device *device = task->device;
    if (device->context && decodes_on_cuda(input->video_codec)) {
        int pixel_format = input->video->codecpar->format;
        if (pixel_format != AV_PIX_FMT_YUV420P && pixel_format != AV_PIX_FMT_YUVJ420P) {
            return RP_ERROR_PIXEL_FORMAT;
        }
        decoder->hw_device_ctx = av_buffer_ref(device->context);
        if (!decoder->hw_device_ctx) return AVERROR(ENOMEM);
        decoder->get_format = choose_cuda;
        /* Pictures wait in lanes and filters; a card's decoder has no others than those it was given. */
        decoder->extra_hw_frames = RP_LANE_ITEMS + 8;
    }
    return avcodec_open2(decoder, input->video_codec, NULL);
}

int rp_input_open(rp_input *input, rp_task *task) {
    const reprise_job *job = &task->job;
    reprise_probe *probe = &task->result->probe;
    memset(input, 0, sizeof *input);
    input->last_pts = AV_NOPTS_VALUE;
    probe->status = -1;
    probe->pixel_format = AV_PIX_FMT_NONE;
    input->packet = av_packet_alloc();
    if (!input->packet) return AVERROR(ENOMEM);

    int error = open_format(input, task, job->media, job->media_length);
    if (error == AVERROR(ENOMEM)) return error;
    /* A stopped job reads like a short file. */
    if (rp_task_check(task) < 0) return RP_ERROR_STOPPED;
    if (error < 0) return RP_ERROR_VIDEO;
    describe(input, probe);
    if (probe->duration_s > RP_DURATION_SECONDS_MAX) return RP_ERROR_DURATION;
    /* Covers of sound files and old codecs are no video for the network. */
    if (!input->video || av_match_list(input->video_codec->name, DECODERS, ',') <= 0) return RP_ERROR_VIDEO;
    const AVCodecParameters *video = input->video->codecpar;
    if (video->format == AV_PIX_FMT_NONE && video->height == 0) return RP_ERROR_VIDEO;

    if (video->codec_id == AV_CODEC_ID_H264 && !strcmp(input->format->iformat->name, "mpegts")) {
        input->fixed_media = rp_sei_fixed(job->media, job->media_length);
        if (input->fixed_media) {
            close_format(input);
            error = open_format(input, task, input->fixed_media, job->media_length);
            if (error < 0) return error;
            if (!input->video) return RP_ERROR_VIDEO;
        }
    }
    return open_decoder(input, task);
}

/* The length of a picture in its stream's time base, for those that do not say. */
static int64_t frame_step(const rp_input *input, const AVFrame *frame) {
    if (rp_frame_duration(frame) > 0) return rp_frame_duration(frame);
    AVRational rate = input->video->r_frame_rate;
    if (rate.num <= 0 || rate.den <= 0) return 0;
    return av_rescale_q(1, av_inv_q(rate), input->video->time_base);
}

/* Missing time stamps are filled in and those that go backwards are moved forward (video sheet 11.1). */
static void repair_time(rp_input *input, AVFrame *frame) {
    int64_t step = frame_step(input, frame), pts = frame->pts;
    bool invented = false;
    if (pts == AV_NOPTS_VALUE) pts = frame->best_effort_timestamp;
    if (pts == AV_NOPTS_VALUE) {
        invented = true;
        pts = FFMAX(step, 1) + (input->last_pts == AV_NOPTS_VALUE ? 0 : input->last_pts);
    }
    if (input->last_pts != AV_NOPTS_VALUE && pts <= input->last_pts) {
        pts = input->last_pts + (invented ? FFMAX(step, 1) : 1);
    }
    frame->pts = input->last_pts = pts;
    rp_frame_duration(frame) = step;
}

static void count_decode_error(rp_input *input, int error) {
    if (!input->first_error) input->first_error = error;
    input->decode_errors++;
}

/* RP_ITEM_FRAME, RP_ITEM_NONE when the decoder wants more, RP_ITEM_END when it has nothing left. */
static int receive(rp_input *input, AVFrame *frame) {
    int error = avcodec_receive_frame(input->decoder, frame);
    if (error == AVERROR_EOF) return RP_ITEM_END;
    if (error == AVERROR(EAGAIN)) return RP_ITEM_NONE;
    if (error < 0) {
        count_decode_error(input, error);
        return input->draining ? RP_ITEM_END : RP_ITEM_NONE;
    }
    repair_time(input, frame);
    input->frames++;
    return RP_ITEM_FRAME;
}

static void send_pending(rp_input *input) {
    int error = avcodec_send_packet(input->decoder, input->packet);
    /* EAGAIN: the decoder must be read first; the packet stays. */
    if (error == AVERROR(EAGAIN)) return;
    if (error < 0) count_decode_error(input, error);
    input->pending = false;
    av_packet_unref(input->packet);
}

static int end_of_input(const rp_input *input) {
    if (input->frames > 0) return RP_ITEM_END;
    if (!input->saw_key_packet) return RP_ERROR_NO_KEYFRAMES;
    return input->first_error ? input->first_error : AVERROR_INVALIDDATA;
}

int rp_input_next(rp_input *input, const rp_task *task, AVPacket *audio, AVFrame *frame) {
    for (;;) {
        int error = rp_task_check(task);
        if (error < 0) return error;
        int item = receive(input, frame);
        if (item == RP_ITEM_FRAME) return item;
        if (item == RP_ITEM_END) return end_of_input(input);
        if (input->pending) {
            send_pending(input);
            continue;
        }
        error = av_read_frame(input->format, input->packet);
        if (error < 0) {
            if (rp_task_check(task) < 0) return RP_ERROR_STOPPED;
            if (error != AVERROR_EOF && input->frames == 0) return error;
            input->draining = true;
            avcodec_send_packet(input->decoder, NULL);
            continue;
        }
        if (input->packet->stream_index == input->video->index) {
            if (input->packet->flags & AV_PKT_FLAG_KEY) input->saw_key_packet = true;
            input->pending = true;
            send_pending(input);
        } else if (input->audio && input->packet->stream_index == input->audio->index) {
            av_packet_move_ref(audio, input->packet);
            return RP_ITEM_AUDIO;
        } else {
            av_packet_unref(input->packet);
        }
    }
}

void rp_input_close(rp_input *input) {
    avcodec_free_context(&input->decoder);
    close_format(input);
    av_packet_free(&input->packet);
    free(input->fixed_media);
    input->fixed_media = NULL;
}

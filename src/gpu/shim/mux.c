/* The file of one rendition: video first, audio copied bit for bit, moov first in MP4. */
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/opt.h>

#include "internal.h"

/* Moov-first MP4 reads the file back while it is finished. */
static int reopen_buffer(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                         AVDictionary **options) {
    (void)url, (void)options;
    rp_output *output = format->opaque;
    if (flags != AVIO_FLAG_READ) return AVERROR(EPERM);
    rp_reader *reader = av_mallocz(sizeof *reader);
    if (!reader) return AVERROR(ENOMEM);
    *reader = (rp_reader){.live = &output->buffer};
    *io = rp_reader_open(reader);
    if (*io) return 0;
    av_free(reader);
    return AVERROR(ENOMEM);
}

static int close_buffer(AVFormatContext *format, AVIOContext *io) {
    (void)format;
    av_free(io->opaque);
    rp_io_close(&io);
    return 0;
}

static int add_video(rp_output *output) {
    AVStream *stream = output->video = avformat_new_stream(output->format, NULL);
    if (!stream) return AVERROR(ENOMEM);
    stream->avg_frame_rate = output->fps.num > 0 ? output->fps : output->input->video->r_frame_rate;
    stream->time_base = output->encoder->time_base;
    return avcodec_parameters_from_context(stream->codecpar, output->encoder);
}

static int add_audio(rp_output *output) {
    const AVStream *source = output->input->audio;
    if (!source) return 0;
    AVStream *stream = output->audio = avformat_new_stream(output->format, NULL);
    if (!stream) return AVERROR(ENOMEM);
    int error = avcodec_parameters_copy(stream->codecpar, source->codecpar);
    if (error < 0) return error;
    stream->time_base = source->time_base;
    stream->codecpar->codec_tag = 0;
    const AVOutputFormat *container = output->format->oformat;
    av_codec_get_tag2(container->codec_tag, stream->codecpar->codec_id, &stream->codecpar->codec_tag);
    const reprise_job *job = &output->task->job;
    AVRational milliseconds = {1, 1000};
    output->audio_clip_from = av_rescale_q(job->clip_from_ms, milliseconds, source->time_base);
    output->audio_clip_to = av_rescale_q(job->clip_to_ms, milliseconds, source->time_base);
    return 0;
}

int rp_mux_open(rp_output *output) {
    const rp_task *task = output->task;
    bool mp4 = output->profile->format == REPRISE_MP4;
    int error = avformat_alloc_output_context2(&output->format, NULL, mp4 ? "mp4" : "mpegts", NULL);
    if (error < 0) return error;
    AVFormatContext *format = output->format;
    /* A private stream type would carry them in a transport stream, but nobody could read it. */
    bool is_webm_codec = output->profile->encoder == REPRISE_VP8 || output->profile->encoder == REPRISE_VP9;
    if (!mp4 && is_webm_codec) return AVERROR(EINVAL);
    output->io = format->pb = rp_buffer_open(&output->buffer);
    if (!output->io) return AVERROR(ENOMEM);
    format->flags |= AVFMT_FLAG_CUSTOM_IO;
    format->opaque = output;
    format->io_open = reopen_buffer;
    format->io_close2 = close_buffer;
    /* Times before zero would become an edit list that hides pictures which were billed. */
    if (mp4 && output->input->last_pts < 0) format->avoid_negative_ts = AVFMT_AVOID_NEG_TS_MAKE_NON_NEGATIVE;
    error = add_video(output);
    if (error >= 0) error = add_audio(output);
    if (error < 0) return error;
    if (task->tag) {
        av_dict_set(&format->metadata, "service_provider", task->tag, 0);
        av_dict_set(&format->metadata, "comment", task->comment, 0);
    }
    AVDictionary *options = NULL;
    if (mp4) av_dict_set(&options, "movflags", "faststart", 0);
    error = avformat_write_header(format, &options);
    av_dict_free(&options);
    output->header_written = error >= 0;
    return error;
}

/* Decode times must grow and may not pass the presentation time; offenders move by the least that helps. */
static void repair_packet(const AVFormatContext *format, AVPacket *packet, int64_t *last_dts) {
    if (packet->dts != AV_NOPTS_VALUE && packet->pts != AV_NOPTS_VALUE && packet->dts > packet->pts) {
        int64_t next = *last_dts + 1;
        int64_t least = FFMIN3(packet->pts, packet->dts, next), most = FFMAX3(packet->pts, packet->dts, next);
        /* The middle one of the three, without a sum that could overflow. */
        int64_t middle = packet->pts != least && packet->pts != most ? packet->pts
                         : packet->dts != least && packet->dts != most ? packet->dts
                         : next != least && next != most ? next
                         : packet->pts == packet->dts ? packet->pts
                         : packet->pts == next ? packet->pts
                                               : packet->dts;
        packet->pts = packet->dts = middle;
    }
    if (packet->dts != AV_NOPTS_VALUE && *last_dts != AV_NOPTS_VALUE) {
        int64_t least = *last_dts + !(format->oformat->flags & AVFMT_TS_NONSTRICT);
        if (packet->dts < least) {
            if (packet->pts >= packet->dts) packet->pts = FFMAX(packet->pts, least);
            packet->dts = least;
        }
    }
    *last_dts = packet->dts;
}

int rp_mux_video(rp_output *output, AVPacket *packet, AVRational time_base) {
    packet->stream_index = output->video->index;
    av_packet_rescale_ts(packet, time_base, output->video->time_base);
    repair_packet(output->format, packet, &output->last_video_dts);
    return av_interleaved_write_frame(output->format, packet);
}

int rp_mux_audio(rp_output *output, AVPacket *packet, AVRational time_base) {
    packet->stream_index = output->audio->index;
    av_packet_rescale_ts(packet, time_base, output->audio->time_base);
    packet->pos = -1;
    repair_packet(output->format, packet, &output->last_audio_dts);
    return av_interleaved_write_frame(output->format, packet);
}

int rp_mux_finish(rp_output *output) {
    int error = av_write_trailer(output->format);
    avio_flush(output->io);
    if (error >= 0 && output->io->error < 0) error = output->io->error;
    return error;
}

/* A chain of filters between a source and a sink. */
#include <string.h>

#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#include "internal.h"

static int open_source(rp_filter *filter, const AVFrame *frame, AVRational time_base) {
    filter->source = avfilter_graph_alloc_filter(filter->graph, avfilter_get_by_name("buffer"), "in");
    AVBufferSrcParameters *parameters = av_buffersrc_parameters_alloc();
    int error = AVERROR(ENOMEM);
    if (filter->source && parameters) {
        parameters->format = frame->format;
        parameters->width = frame->width;
        parameters->height = frame->height;
        parameters->time_base = time_base;
        parameters->sample_aspect_ratio = frame->sample_aspect_ratio;
        parameters->hw_frames_ctx = frame->hw_frames_ctx;
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(9, 16, 100)
        parameters->color_space = frame->colorspace;
        parameters->color_range = frame->color_range;
#endif
        error = av_buffersrc_parameters_set(filter->source, parameters);
        if (error >= 0) error = avfilter_init_str(filter->source, NULL);
    }
    av_free(parameters);
    return error;
}

int rp_filter_open(rp_filter *filter, const AVFrame *frame, AVRational time_base, const char *description) {
    rp_filter_close(filter);
    filter->graph = avfilter_graph_alloc();
    if (!filter->graph) return AVERROR(ENOMEM);
    /* Pictures are small and other renditions run beside: more threads here cost more than they bring. */
    filter->graph->nb_threads = 1;
    AVFilterInOut *outputs = avfilter_inout_alloc(), *inputs = avfilter_inout_alloc();
    int error = AVERROR(ENOMEM);
    if (!outputs || !inputs) goto done;
    error = open_source(filter, frame, time_base);
    if (error < 0) goto done;
    error = avfilter_graph_create_filter(&filter->sink, avfilter_get_by_name("buffersink"), "out", NULL, NULL,
                                         filter->graph);
    if (error < 0) goto done;
    outputs->name = av_strdup("in");
    outputs->filter_ctx = filter->source;
    inputs->name = av_strdup("out");
    inputs->filter_ctx = filter->sink;
    error = avfilter_graph_parse_ptr(filter->graph, description, &inputs, &outputs, NULL);
    if (error < 0) goto done;
    error = avfilter_graph_config(filter->graph, NULL);
    if (error < 0) goto done;
    if (frame->hw_frames_ctx) {
        filter->hardware_frames = av_buffer_ref(frame->hw_frames_ctx);
        if (!filter->hardware_frames) error = AVERROR(ENOMEM);
    }
    filter->source_size = (rp_size){frame->width, frame->height};
    filter->source_time_base = time_base;
    filter->time_base = av_buffersink_get_time_base(filter->sink);
    filter->last_pts = AV_NOPTS_VALUE;
done:
    avfilter_inout_free(&inputs);
    avfilter_inout_free(&outputs);
    return error < 0 ? (error == AVERROR(ENOMEM) ? error : RP_ERROR_FILTERS) : 0;
}

int rp_filter_write(rp_filter *filter, AVFrame *frame) {
    filter->last_pts = frame->pts;
    filter->last_duration = rp_frame_duration(frame);
    return av_buffersrc_add_frame_flags(filter->source, frame, AV_BUFFERSRC_FLAG_KEEP_REF);
}

int rp_filter_finish(rp_filter *filter) {
    if (filter->closed || !filter->source) return 0;
    filter->closed = true;
    /* FFmpeg before 6 would end at the start of the last picture and lose what repeats it. */
    int64_t end = filter->last_pts;
    if (end != AV_NOPTS_VALUE) end += filter->last_duration;
    return av_buffersrc_close(filter->source, end, 0);
}

int rp_filter_read(rp_filter *filter, AVFrame *frame) {
    av_frame_unref(frame);
    return av_buffersink_get_frame(filter->sink, frame);
}

int rp_filter_describe(const rp_filter *filter, AVFrame *frame) {
    frame->width = av_buffersink_get_w(filter->sink);
    frame->height = av_buffersink_get_h(filter->sink);
    frame->format = av_buffersink_get_format(filter->sink);
    AVBufferRef *hardware_frames = av_buffersink_get_hw_frames_ctx(filter->sink);
    if (!hardware_frames) return 0;
    frame->hw_frames_ctx = av_buffer_ref(hardware_frames);
    return frame->hw_frames_ctx ? 0 : AVERROR(ENOMEM);
}

void rp_filter_close(rp_filter *filter) {
    avfilter_graph_free(&filter->graph);
    av_buffer_unref(&filter->hardware_frames);
    memset(filter, 0, sizeof *filter);
}

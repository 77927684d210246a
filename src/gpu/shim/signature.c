/*
 * The MPEG-7 video signature of a rendition. The filter that makes it can only write a file, so it gets an
 * anonymous file in memory. It is opened with the first picture: asked to write without one it would crash.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

static int open_signature(rp_signature *signature, const AVFrame *frame, AVRational time_base) {
    signature->descriptor = memfd_create("signature", MFD_CLOEXEC);
    signature->frame = av_frame_alloc();
    if (signature->descriptor < 0 || !signature->frame) return AVERROR(ENOMEM);
    char description[128];
    snprintf(description, sizeof description, "%ssignature=filename=/proc/self/fd/%d",
             frame->hw_frames_ctx ? "hwdownload,format=nv12,format=yuv420p," : "", signature->descriptor);
    return rp_filter_open(&signature->filter, frame, time_base, description);
}

int rp_signature_add(rp_signature *signature, AVFrame *frame, AVRational time_base) {
    if (!signature->filter.graph) {
        int error = open_signature(signature, frame, time_base);
        if (error < 0) return error;
    }
    /* The filter reads pictures with the first one's size, whatever theirs is. */
    rp_size size = signature->filter.source_size;
    if (frame->width != size.width || frame->height != size.height) return 0;
    int error = rp_filter_write(&signature->filter, frame);
    if (error >= 0) error = rp_filter_read(&signature->filter, signature->frame);
    return error == AVERROR(EAGAIN) ? 0 : error;
}

int rp_signature_finish(rp_signature *signature, uint8_t **bytes, uint64_t *length) {
    *bytes = NULL;
    *length = 0;
    if (!signature->filter.graph) return 0;
    int error = rp_filter_finish(&signature->filter);
    /* The file is written when the end arrives at the sink. */
    while (error >= 0) error = rp_filter_read(&signature->filter, signature->frame);
    if (error != AVERROR_EOF) return error;
    struct stat facts;
    if (fstat(signature->descriptor, &facts) != 0 || facts.st_size <= 0) return AVERROR_EXTERNAL;
    if (facts.st_size > RP_SIGNATURE_BYTES_MAX) return AVERROR(ENOMEM);
    uint8_t *data = malloc(facts.st_size);
    if (!data) return AVERROR(ENOMEM);
    if (pread(signature->descriptor, data, facts.st_size, 0) != facts.st_size) {
        free(data);
        return AVERROR_EXTERNAL;
    }
    *bytes = data;
    *length = facts.st_size;
    return 0;
}

void rp_signature_close(rp_signature *signature) {
    rp_filter_close(&signature->filter);
    av_frame_free(&signature->frame);
    if (signature->descriptor >= 0) close(signature->descriptor);
    signature->descriptor = -1;
}

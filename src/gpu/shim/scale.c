/*
 * The scaling rule of the network (video sheet 11.4): the larger requested side counts, the aspect ratio and
 * the orientation follow the source, and no side falls below the encoder's minimum.
 */
#include "internal.h"

typedef struct size_limits {
    int width_min, height_min, width_max, height_max;
} size_limits;

static const size_limits LIMITS[REPRISE_ENCODERS] = {
    [REPRISE_H264] = {146, 50, 4096, 4096},
    [REPRISE_H265] = {132, 40, 8192, 8192},
    /* The peer has no entry for VP8 and VP9 and so keeps the source's size; we serve the requested one. */
    [REPRISE_VP8] = {16, 16, 4096, 4096},
    [REPRISE_VP9] = {16, 16, 8192, 8192},
};

static int even(int64_t value) {
    return (int)(value / 2 * 2);
}

/* 2 * round(a * b / (2 * c)), halves up: the side that keeps the aspect ratio, even. */
static int proportional(int64_t a, int64_t b, int64_t c) {
    int64_t value = 2 * ((a * b + c) / (2 * c));
    return value > INT32_MAX ? INT32_MAX : (int)value;
}

rp_size rp_scaled_size(uint32_t encoder, int width, int height, rp_size source) {
    size_limits limits = LIMITS[encoder < REPRISE_ENCODERS ? encoder : REPRISE_H264];
    int64_t wanted = FFMAX(av_clip(width, limits.width_min, limits.width_max),
                           av_clip(height, limits.height_min, limits.height_max));
    int64_t iw = source.width, ih = source.height;
    rp_size size;
    if (iw >= ih) {
        int64_t other = wanted * ih, floor = limits.height_min * iw;
        size.width = other >= floor ? even(wanted) : proportional(even(limits.height_min), iw, ih);
        size.height = other > floor ? proportional(even(wanted), ih, iw) : even(limits.height_min);
    } else {
        int64_t other = wanted * iw, floor = limits.width_min * ih;
        size.height = other >= floor ? even(wanted) : proportional(even(limits.width_min), ih, iw);
        size.width = other > floor ? proportional(even(wanted), iw, ih) : even(limits.width_min);
    }
    return size;
}

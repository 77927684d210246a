/* What the files of the shim share. Not part of the ABI. */
#ifndef REPRISE_INTERNAL_H
#define REPRISE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>
#include <libavutil/hwcontext.h>

#include "reprise.h"

/* Names that changed between FFmpeg 5.1 and 7.1. */
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 2, 100)
#define rp_frame_duration(frame) ((frame)->duration)
#else
#define rp_frame_duration(frame) ((frame)->pkt_duration)
#endif

/* Errors of ours, in the space of the libraries' error numbers. */
#define RP_ERROR_NO_KEYFRAMES FFERRTAG('R', 'P', 'N', 'K')
#define RP_ERROR_VIDEO FFERRTAG('R', 'P', 'V', 'I')
#define RP_ERROR_DURATION FFERRTAG('R', 'P', 'D', 'U')
#define RP_ERROR_OUTPUTS FFERRTAG('R', 'P', 'O', 'U')
#define RP_ERROR_GOP FFERRTAG('R', 'P', 'G', 'O')
#define RP_ERROR_CLIP FFERRTAG('R', 'P', 'C', 'L')
#define RP_ERROR_RUNAWAY FFERRTAG('R', 'P', 'R', 'W')
#define RP_ERROR_EMPTY FFERRTAG('R', 'P', 'Z', 'S')
#define RP_ERROR_STOPPED FFERRTAG('R', 'P', 'S', 'T')
#define RP_ERROR_PROFILE FFERRTAG('R', 'P', 'P', 'R')
#define RP_ERROR_FORMAT FFERRTAG('R', 'P', 'F', 'O')
#define RP_ERROR_FILTERS FFERRTAG('R', 'P', 'F', 'I')
#define RP_ERROR_PIXEL_FORMAT FFERRTAG('R', 'P', 'P', 'X')
#define RP_ERROR_DEVICE FFERRTAG('R', 'P', 'D', 'V')

/* Bounds. A segment that needs more is not a segment. */
#define RP_OUTPUT_BYTES_MAX (512u << 20)
#define RP_SIGNATURE_BYTES_MAX (64u << 20)
#define RP_DURATION_SECONDS_MAX 300
#define RP_RUNAWAY_RATIO 25
#define RP_PICTURE_PIXELS_MAX (8192 * 8192)
/* Larger sides than any encoder takes; the scaler is not even started for them. */
#define RP_SIDE_MAX 16384

/* --- what a codec can do (device.c) --- */

typedef struct rp_device {
    int number; /* CUDA device, -1 = software */
    AVBufferRef *context;
    const AVCodec *encoders[REPRISE_ENCODERS]; /* null = refused */
} rp_device;

/* Opens the device and finds out which encoders work; one that cannot encode is left for software. */
void rp_device_open(rp_device *device, int number, uint32_t allowed);
void rp_device_close(rp_device *device);
bool rp_is_hardware(const AVCodec *codec);

/* --- one job (transcode.c) --- */

typedef struct rp_task {
    reprise_job job; /* with profiles and provider pointing into this allocation's copies */
    reprise_profile profiles[REPRISE_OUTPUTS_MAX];
    char *tag;     /* service_provider */
    char *comment; /* comment */
    uint32_t threads;
    int64_t deadline_us; /* of the monotonic clock; INT64_MAX = none */
    atomic_bool cancelled;
    atomic_int failure; /* the first error of any lane; stops the others */
    const rp_device *device;
    reprise_result *result;
} rp_task;

/* Runs a job to its end and fills task->result. Never fails: the result says what happened. */
void rp_transcode(rp_task *task);
/* 0, or why to stop: a lane's failure, a cancelled job, no time left. Cheap enough for every packet. */
int rp_task_check(const rp_task *task);
/* Records an error; the first one counts. */
void rp_task_fail(rp_task *task, int error);
/* Frees the renditions of a result. */
void rp_result_clear(reprise_result *result);
void rp_error_text(int error, char *text, size_t capacity);

/* --- what the allocator keeps (heap.c) --- */

/* One arena, so that what one thread frees another one can use. Before the library's threads start. */
void rp_memory_tune(void);
/* Gives back what is far above a segment's need. True when it did. */
bool rp_memory_after_job(void);
void rp_memory_trim(void);

/* --- memory as a file (memory.c) --- */

typedef struct rp_buffer {
    uint8_t *data;
    int64_t size;
    int64_t capacity;
    int64_t position;
} rp_buffer;

typedef struct rp_reader {
    const uint8_t *data;
    int64_t size;
    int64_t position;
    const rp_buffer *live;      /* when set, read this growing buffer instead of `data` */
    const struct rp_task *task; /* when set, reading ends with this job */
} rp_reader;

AVIOContext *rp_reader_open(rp_reader *reader);
AVIOContext *rp_buffer_open(rp_buffer *buffer);
void rp_io_close(AVIOContext **io);

/* --- input (input.c, sei.c) --- */

enum rp_item { RP_ITEM_END = 0, RP_ITEM_AUDIO = 1, RP_ITEM_FRAME = 2, RP_ITEM_NONE = 3 };

typedef struct rp_input {
    AVFormatContext *format;
    AVIOContext *io;
    rp_reader reader;
    uint8_t *fixed_media; /* our copy of the segment when its SEI order had to be repaired */
    AVCodecContext *decoder;
    AVPacket *packet;
    AVStream *video;
    AVStream *audio;
    const AVCodec *video_codec;
    const AVCodec *audio_codec;
    int64_t last_pts;
    int first_error; /* the decoder's first complaint */
    uint32_t decode_errors;
    int64_t frames;
    bool saw_key_packet;
    bool pending; /* `packet` waits until the decoder has room */
    bool draining;
} rp_input;

/* Opens and probes; on success `input` can be read and must be closed, as it must after an error. */
int rp_input_open(rp_input *input, rp_task *task);
/* The next thing in the order of the file: an audio packet, a decoded picture, or the end. Or an error. */
int rp_input_next(rp_input *input, const rp_task *task, AVPacket *audio, AVFrame *frame);
void rp_input_close(rp_input *input);
/* A repaired copy of an MPEG-TS segment whose SEI units follow slices, or null when nothing is wrong. */
uint8_t *rp_sei_fixed(const uint8_t *media, size_t size);

/* --- scaling rule (scale.c) --- */

typedef struct rp_size {
    int width;
    int height;
} rp_size;

rp_size rp_scaled_size(uint32_t encoder, int width, int height, rp_size source);

/* --- filters (filter.c) --- */

typedef struct rp_filter {
    AVFilterGraph *graph;
    AVFilterContext *source;
    AVFilterContext *sink;
    AVBufferRef *hardware_frames;
    rp_size source_size;
    AVRational source_time_base;
    AVRational time_base; /* of what comes out */
    int64_t last_pts;     /* last time stamp written, in the source's time base */
    int64_t last_duration;
    bool closed;
} rp_filter;

int rp_filter_open(rp_filter *filter, const AVFrame *frame, AVRational time_base, const char *description);
int rp_filter_write(rp_filter *filter, AVFrame *frame);
/* Ends the stream: the last picture lasts as long as it says. */
int rp_filter_finish(rp_filter *filter);
/* 0, AVERROR(EAGAIN), AVERROR_EOF or an error. */
int rp_filter_read(rp_filter *filter, AVFrame *frame);
/* Gives `frame` the size, format and hardware frames of the pictures to come, without a picture. */
int rp_filter_describe(const rp_filter *filter, AVFrame *frame);
void rp_filter_close(rp_filter *filter);

/* --- perceptual hash (signature.c) --- */

typedef struct rp_signature {
    rp_filter filter;
    AVFrame *frame;
    int descriptor; /* the anonymous memory file that the filter writes, -1 = not opened */
} rp_signature;

int rp_signature_add(rp_signature *signature, AVFrame *frame, AVRational time_base);
/* Ends the signature and hands its bytes over (caller frees with free()). Null when no frame came. */
int rp_signature_finish(rp_signature *signature, uint8_t **bytes, uint64_t *length);
void rp_signature_close(rp_signature *signature);

/* --- one rendition (output.c, encode.c, mux.c) --- */

typedef struct rp_stamp {
    int64_t encoder_pts;
    int64_t source_pts;
} rp_stamp;

typedef struct rp_output {
    const reprise_profile *profile;
    rp_task *task;
    rp_input *input;
    AVRational fps; /* 0/1 = pass through */
    rp_filter filter;
    AVFrame *filtered;
    AVFrame *last_frame; /* for streams too short to fill the frame rate filter */
    AVCodecContext *encoder;
    AVPacket *packet;
    AVFormatContext *format;
    AVIOContext *io;
    rp_buffer buffer;
    AVStream *video;
    AVStream *audio;
    rp_signature signature;
    rp_stamp *stamps; /* pass through: encoder time -> source time, ascending */
    size_t stamp_count, stamp_capacity, stamp_first;
    int64_t gop_length, next_key;
    int64_t clip_from, clip_to, clip_start; /* in the filter's time base */
    int64_t audio_clip_from, audio_clip_to, audio_clip_start;
    int64_t last_encoder_pts, last_video_dts, last_audio_dts;
    int64_t frames, pixels;
    int64_t decoded_frames; /* of the input, up to the picture at work */
    bool clip_start_known, audio_clip_start_known, clip_started;
    bool header_written, gop_started;
} rp_output;

int rp_output_open(rp_output *output, const AVFrame *frame);
int rp_output_frame(rp_output *output, AVFrame *frame);
int rp_output_audio(rp_output *output, const AVPacket *packet);
int rp_output_finish(rp_output *output, reprise_rendition *rendition);
void rp_output_close(rp_output *output);

/* --- a rendition on its own thread (lane.c) --- */

#define RP_LANE_ITEMS 6

typedef struct rp_lane_item {
    enum rp_item kind; /* RP_ITEM_NONE: leave without finishing */
    AVFrame *frame;
    AVPacket *packet;
    int64_t decoded_frames;
} rp_lane_item;

typedef struct rp_lane {
    rp_output *output;
    reprise_rendition *rendition;
    bool running;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one side waits at a time: the lane for items, the sender for room */
    rp_lane_item items[RP_LANE_ITEMS];
    uint32_t first, count;
} rp_lane;

void rp_lane_start(rp_lane *lane, rp_output *output, reprise_rendition *rendition, bool threaded);
/* Hands over references. Blocks while the queue is full. An error here, or of any lane so far. */
int rp_lane_send(rp_lane *lane, enum rp_item kind, AVFrame *frame, const AVPacket *packet, int64_t decoded);
/* Waits for the thread. `abandoned`: no RP_ITEM_END was sent. */
void rp_lane_join(rp_lane *lane, bool abandoned);

int rp_encoder_open(rp_output *output, const AVFrame *frame, bool reopened);
/* Frame null = the end. */
int rp_encode(rp_output *output, AVFrame *frame);

int rp_mux_open(rp_output *output);
int rp_mux_video(rp_output *output, AVPacket *packet, AVRational time_base);
int rp_mux_audio(rp_output *output, AVPacket *packet, AVRational time_base);
int rp_mux_finish(rp_output *output);

#endif

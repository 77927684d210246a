/*
 * The codec of Reprise: one segment in memory in, its renditions in memory out.
 *
 * A plain ABI for a foreign-function interface: opaque handles, fixed-width integers, explicit lengths, no
 * struct by value, no unions, no bit fields. `src/gpu/layout.ts` mirrors every offset of this file and a test
 * compares both; whoever changes a struct here changes REPRISE_ABI_VERSION and that file in the same commit.
 *
 * Threads. Every function returns at once except reprise_open (opens each encoder once to see whether it
 * works) and reprise_close (waits for its threads). Work runs on the library's own threads. All functions of
 * one codec may be called from any thread.
 *
 * Ownership, pointer by pointer:
 *   - options, job and what a job points to (profiles, provider): the caller's; copied during the call.
 *   - job.media: the caller's, but borrowed until the job's result was returned by reprise_poll.
 *     It is never written to.
 *   - the codec: made by reprise_open, ended by reprise_close, which also frees results nobody polled.
 *   - a result and everything it points to: the library's heap; the caller owns it from reprise_poll until it
 *     gives it back by reprise_release, once. Results may outlive the codec.
 */
#ifndef REPRISE_H
#define REPRISE_H

#include <stddef.h>
#include <stdint.h>

#define REPRISE_ABI_VERSION 1u

/* Renditions per job; one more is refused with "Too many outputs". */
#define REPRISE_OUTPUTS_MAX 10u
#define REPRISE_JOBS_MAX 64u

#define REPRISE_EXPORT __attribute__((visibility("default")))

enum reprise_encoder {
    REPRISE_H264 = 0,
    REPRISE_H265 = 1,
    REPRISE_VP8 = 2,
    REPRISE_VP9 = 3,
    REPRISE_ENCODERS = 4
};
enum reprise_format { REPRISE_MPEGTS = 0, REPRISE_MP4 = 1 };
enum reprise_h264_profile {
    REPRISE_PROFILE_DEFAULT = 0,
    REPRISE_PROFILE_BASELINE = 1,
    REPRISE_PROFILE_MAIN = 2,
    REPRISE_PROFILE_HIGH = 3,
    REPRISE_PROFILE_CONSTRAINED_HIGH = 4
};

/* Bits of reprise_job.flags. */
#define REPRISE_JOB_SIGNATURE 1u /* make an MPEG-7 video signature per rendition */

/* Answers of reprise_submit. */
#define REPRISE_SUBMITTED 0
#define REPRISE_REFUSED_ARGUMENT (-1)
#define REPRISE_REFUSED_CLOSED (-2)
#define REPRISE_REFUSED_MEMORY (-3)

typedef struct reprise_codec reprise_codec;

typedef struct reprise_options {
    uint32_t abi_version; /* REPRISE_ABI_VERSION, else reprise_open fails */
    uint32_t jobs_max;    /* jobs that run at the same time, 1 to REPRISE_JOBS_MAX */
    int32_t device;       /* CUDA device number, or -1 for software */
    uint32_t encoders;    /* bit i allows enum reprise_encoder i; 0 allows all */
    uint32_t threads;     /* processor threads per job; 0 = as many as the machine has */
    int32_t log_level;    /* of the media libraries, in their numbers; -8 = silent */
} reprise_options;

typedef struct reprise_profile {
    int32_t width; /* requested pixels; the scaling rule makes the real size of it */
    int32_t height;
    int32_t bitrate;   /* bit/s; 0 = the encoder's default */
    uint32_t fps;      /* frames per fps_den seconds; 0 passes every frame through */
    uint32_t fps_den;  /* 0 = 1 */
    int32_t gop_ms;    /* 0 = the encoder's default, -1 = key frames only */
    uint32_t profile;  /* enum reprise_h264_profile */
    uint32_t format;   /* enum reprise_format */
    uint32_t encoder;  /* enum reprise_encoder */
    uint32_t quality;  /* constant rate factor; 0 = off */
} reprise_profile;

typedef struct reprise_job {
    uint32_t id; /* chosen by the caller, not 0; comes back in the result */
    uint32_t flags;
    const uint8_t *media;
    uint64_t media_length;
    const reprise_profile *profiles;
    uint32_t profile_count;
    uint32_t provider_length;
    const char *provider; /* UTF-8 without terminator: the tag service_provider; may be null */
    int64_t clip_from_ms; /* milliseconds from the first frame; 0 leaves that end open */
    int64_t clip_to_ms;
    uint32_t time_limit_ms; /* 0 = none */
    uint32_t reserved;
} reprise_job;

typedef struct reprise_rendition {
    const uint8_t *bytes;
    uint64_t length;
    const uint8_t *signature; /* null without a signature */
    uint64_t signature_length;
    int64_t frames; /* frames handed to the encoder */
    int64_t pixels; /* the sum of their widths x heights */
    uint8_t keccak256[32];
} reprise_rendition;

typedef struct reprise_probe {
    int32_t status; /* 0 readable, 1 video stream without frames, 2 no stream, -1 unreadable */
    int32_t width;
    int32_t height;
    int32_t pixel_format; /* the libraries' number; -1 = unknown */
    double fps;
    int64_t duration_s;
    char format[32]; /* zero-terminated names */
    char video_codec[32];
    char audio_codec[32];
} reprise_probe;

typedef struct reprise_result {
    uint32_t id;
    int32_t ok; /* 1 = renditions are there; 0 = text says why not */
    uint32_t rendition_count;
    uint32_t decode_errors; /* packets that the decoder refused and that were skipped */
    int64_t decoded_frames;
    int64_t decoded_pixels;
    int64_t elapsed_us;
    const reprise_rendition *renditions; /* null when the count is 0 */
    char text[128];                      /* zero-terminated UTF-8 */
    reprise_probe probe;
} reprise_result;

/* Called on a thread of the library when a result is ready. It must return at once and must not call back. */
typedef void (*reprise_notify)(uint32_t id);

REPRISE_EXPORT uint32_t reprise_abi_version(void);
/* Versions of the linked media libraries, separated by newlines; static memory. */
REPRISE_EXPORT const char *reprise_libraries(void);
/* Null on a wrong argument, another ABI version or lack of memory. `notify` may be null: then poll. */
REPRISE_EXPORT reprise_codec *reprise_open(const reprise_options *options, reprise_notify notify);
/* The name of the encoder used for enum reprise_encoder `encoder`, or null; static memory. */
REPRISE_EXPORT const char *reprise_encoder_name(const reprise_codec *codec, uint32_t encoder);
REPRISE_EXPORT int32_t reprise_submit(reprise_codec *codec, const reprise_job *job);
/* The oldest result that nobody has fetched yet, or null. */
REPRISE_EXPORT reprise_result *reprise_poll(reprise_codec *codec);
/* Asks a job to stop at its next packet; its result comes all the same. 0 = no such job. */
REPRISE_EXPORT int32_t reprise_cancel(reprise_codec *codec, uint32_t id);
REPRISE_EXPORT void reprise_release(reprise_result *result);
/* Cancels all jobs, joins the threads, frees the codec. */
REPRISE_EXPORT void reprise_close(reprise_codec *codec);

#endif

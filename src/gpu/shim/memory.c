/* Memory as a file: reading the segment, writing a rendition (and reading it again, for moov-first MP4). */
#include <string.h>

#include <libavutil/mem.h>

#include "internal.h"

#define IO_BLOCK_BYTES (64 << 10)

static int64_t seek_target(int64_t position, int64_t size, int64_t offset, int whence) {
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
        return size;
    case SEEK_SET:
        return offset;
    case SEEK_CUR:
        return position + offset;
    case SEEK_END:
        return size + offset;
    default:
        return AVERROR(EINVAL);
    }
}

static int64_t reader_size(const rp_reader *reader) {
    return reader->live ? reader->live->size : reader->size;
}

static int reader_read(void *opaque, uint8_t *target, int length) {
    rp_reader *reader = opaque;
    if (reader->task && rp_task_check(reader->task) < 0) return AVERROR_EXIT;
    const uint8_t *data = reader->live ? reader->live->data : reader->data;
    int64_t left = reader_size(reader) - reader->position;
    if (left <= 0) return AVERROR_EOF;
    if (length > left) length = (int)left;
    memcpy(target, data + reader->position, length);
    reader->position += length;
    return length;
}

static int64_t reader_seek(void *opaque, int64_t offset, int whence) {
    rp_reader *reader = opaque;
    int64_t target = seek_target(reader->position, reader_size(reader), offset, whence);
    if (target < 0 || (whence & ~AVSEEK_FORCE) == AVSEEK_SIZE) return target;
    if (target > reader_size(reader)) return AVERROR(EINVAL);
    return reader->position = target;
}

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int buffer_write(void *opaque, const uint8_t *source, int length) {
#else
static int buffer_write(void *opaque, uint8_t *source, int length) {
#endif
    rp_buffer *buffer = opaque;
    int64_t end = buffer->position + length;
    if (length < 0 || end > RP_OUTPUT_BYTES_MAX) return AVERROR(ENOMEM);
    if (end > buffer->capacity) {
        int64_t capacity = FFMAX(buffer->capacity * 2, 256 << 10);
        while (capacity < end) capacity *= 2;
        uint8_t *data = realloc(buffer->data, capacity);
        if (!data) return AVERROR(ENOMEM);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    /* A seek beyond the end leaves a hole. */
    if (buffer->position > buffer->size) {
        memset(buffer->data + buffer->size, 0, buffer->position - buffer->size);
    }
    memcpy(buffer->data + buffer->position, source, length);
    buffer->position = end;
    if (end > buffer->size) buffer->size = end;
    return length;
}

static int64_t buffer_seek(void *opaque, int64_t offset, int whence) {
    rp_buffer *buffer = opaque;
    int64_t target = seek_target(buffer->position, buffer->size, offset, whence);
    if (target < 0 || (whence & ~AVSEEK_FORCE) == AVSEEK_SIZE) return target;
    if (target > RP_OUTPUT_BYTES_MAX) return AVERROR(EINVAL);
    return buffer->position = target;
}

static AVIOContext *open_io(void *opaque, bool writing) {
    uint8_t *block = av_malloc(IO_BLOCK_BYTES);
    if (!block) return NULL;
    AVIOContext *io =
        writing ? avio_alloc_context(block, IO_BLOCK_BYTES, 1, opaque, NULL, buffer_write, buffer_seek)
                : avio_alloc_context(block, IO_BLOCK_BYTES, 0, opaque, reader_read, NULL, reader_seek);
    if (!io) av_free(block);
    return io;
}

AVIOContext *rp_reader_open(rp_reader *reader) {
    return open_io(reader, false);
}

AVIOContext *rp_buffer_open(rp_buffer *buffer) {
    return open_io(buffer, true);
}

void rp_io_close(AVIOContext **io) {
    if (!*io) return;
    av_freep(&(*io)->buffer);
    avio_context_free(io);
}

/*
 * Some encoders put SEI units behind the first slice of a picture, which hardware decoders refuse. They are
 * moved in front of the slices, in place: the packets of the transport stream keep their number and sizes.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { PACKET = 188, STREAM_H264 = 0x1b };
enum { NAL_SLICE_FIRST = 1, NAL_SLICE_LAST = 5, NAL_SEI = 6, NAL_DELIMITER = 9 };

typedef struct span {
    size_t start, end;
    uint8_t type; /* of a NAL unit; unused for payloads */
} span;

typedef struct spans {
    span *items;
    size_t count, capacity;
} spans;

static bool spans_add(spans *list, span item) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        span *items = realloc(list->items, capacity * sizeof(span));
        if (!items) return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

/* Where the payload of a transport packet starts, PACKET when it has none, and its header's facts. */
static size_t payload_start(const uint8_t *packet, int *pid, bool *first) {
    *pid = -1;
    *first = false;
    if (packet[0] != 0x47) return PACKET;
    *pid = (packet[1] & 0x1f) << 8 | packet[2];
    *first = packet[1] & 0x40;
    if (!(packet[3] & 0x10)) return PACKET;
    size_t start = 4;
    if (packet[3] & 0x20) start += 1 + packet[4];
    return start < PACKET ? start : PACKET;
}

/* A table section at the start of a payload: its body between `*start` and the returned end, 0 = none. */
static size_t section_body(const uint8_t *payload, size_t length, uint8_t table, size_t *start) {
    if (length < 1) return 0;
    size_t at = 1 + payload[0];
    if (at + 8 > length || payload[at] != table) return 0;
    size_t end = at + 3 + ((payload[at + 1] & 0x0f) << 8 | payload[at + 2]);
    if (end > length || end < at + 12) return 0;
    *start = at + 8;
    return end - 4;
}

static int find_video_pid(const uint8_t *media, size_t size) {
    int map_pid = -1;
    for (size_t offset = 0; offset + PACKET <= size; offset += PACKET) {
        int pid;
        bool first;
        const uint8_t *packet = media + offset;
        size_t at = payload_start(packet, &pid, &first), start;
        if (at >= PACKET || !first) continue;
        if (pid == 0 && map_pid < 0) {
            size_t end = section_body(packet + at, PACKET - at, 0x00, &start);
            for (size_t i = start; end && i + 4 <= end; i += 4) {
                const uint8_t *entry = packet + at + i;
                if (entry[0] | entry[1]) {
                    map_pid = (entry[2] & 0x1f) << 8 | entry[3];
                    break;
                }
            }
        } else if (pid == map_pid) {
            size_t end = section_body(packet + at, PACKET - at, 0x02, &start);
            if (!end || start + 4 > end) continue;
            const uint8_t *body = packet + at;
            for (size_t i = start + 4 + ((body[start + 2] & 0x0f) << 8 | body[start + 3]); i + 5 <= end;) {
                if (body[i] == STREAM_H264) return (body[i + 1] & 0x1f) << 8 | body[i + 2];
                i += 5 + ((body[i + 3] & 0x0f) << 8 | body[i + 4]);
            }
        }
    }
    return -1;
}

/* The byte ranges of the video stream's payload, without packet and PES headers. */
static bool collect_payloads(const uint8_t *media, size_t size, int video_pid, spans *payloads) {
    bool in_stream = false;
    for (size_t offset = 0; offset + PACKET <= size; offset += PACKET) {
        int pid;
        bool first;
        const uint8_t *packet = media + offset;
        size_t at = payload_start(packet, &pid, &first);
        if (pid != video_pid || at >= PACKET) continue;
        if (first) {
            in_stream = false;
            const uint8_t *pes = packet + at;
            if (PACKET - at < 9 || pes[0] || pes[1] || pes[2] != 1 || (pes[3] & 0xf0) != 0xe0) continue;
            at += 9 + pes[8];
            if (at > PACKET) continue;
            in_stream = true;
        }
        if (!in_stream || at >= PACKET) continue;
        if (!spans_add(payloads, (span){offset + at, offset + PACKET, 0})) return false;
    }
    return true;
}

static bool scan_units(const uint8_t *stream, size_t size, spans *units) {
    size_t start = 0;
    bool open = false;
    for (size_t i = 0; i + 3 < size; i++) {
        if (stream[i] || stream[i + 1] || stream[i + 2] != 1) continue;
        /* A four-byte start code belongs to the unit that it opens. */
        size_t begin = i > 0 && stream[i - 1] == 0 ? i - 1 : i;
        if (open) units->items[units->count - 1].end = begin;
        start = begin;
        if (!spans_add(units, (span){start, size, stream[i + 3] & 0x1f})) return false;
        open = true;
        i += 2;
    }
    return true;
}

static size_t append(uint8_t *target, size_t at, const uint8_t *stream, span unit) {
    memcpy(target + at, stream + unit.start, unit.end - unit.start);
    return at + unit.end - unit.start;
}

/* Writes the units of one access unit in repaired order. */
static void reorder(const uint8_t *stream, const span *units, size_t count, uint8_t *target, size_t *at) {
    size_t first_slice = 0;
    while (first_slice < count &&
           (units[first_slice].type < NAL_SLICE_FIRST || units[first_slice].type > NAL_SLICE_LAST)) {
        first_slice++;
    }
    for (size_t i = 0; i < first_slice; i++) *at = append(target, *at, stream, units[i]);
    for (size_t i = first_slice; i < count; i++) {
        if (units[i].type == NAL_SEI) *at = append(target, *at, stream, units[i]);
    }
    for (size_t i = first_slice; i < count; i++) {
        if (units[i].type != NAL_SEI) *at = append(target, *at, stream, units[i]);
    }
}

static bool misplaced(const spans *units) {
    bool slice_seen = false;
    for (size_t i = 0; i < units->count; i++) {
        uint8_t type = units->items[i].type;
        if (type == NAL_DELIMITER) slice_seen = false;
        if (type == NAL_SEI && slice_seen) return true;
        if (type >= NAL_SLICE_FIRST && type <= NAL_SLICE_LAST) slice_seen = true;
    }
    return false;
}

uint8_t *rp_sei_fixed(const uint8_t *media, size_t size) {
    spans payloads = {0}, units = {0};
    uint8_t *stream = NULL, *repaired = NULL, *fixed = NULL;
    int pid = size >= PACKET ? find_video_pid(media, size) : -1;
    if (pid < 0 || !collect_payloads(media, size, pid, &payloads) || payloads.count == 0) goto done;
    size_t length = 0;
    stream = malloc(payloads.count * PACKET);
    if (!stream) goto done;
    for (size_t i = 0; i < payloads.count; i++) length = append(stream, length, media, payloads.items[i]);
    if (!scan_units(stream, length, &units) || units.count == 0 || !misplaced(&units)) goto done;

    repaired = malloc(length);
    fixed = malloc(size);
    if (!repaired || !fixed) {
        free(fixed);
        fixed = NULL;
        goto done;
    }
    size_t written = units.items[0].start, first = 0;
    memcpy(repaired, stream, written);
    for (size_t i = 1; i <= units.count; i++) {
        if (i < units.count && units.items[i].type != NAL_DELIMITER) continue;
        reorder(stream, units.items + first, i - first, repaired, &written);
        first = i;
    }
    memcpy(fixed, media, size);
    size_t from = 0;
    for (size_t i = 0; i < payloads.count && written == length; i++) {
        span range = payloads.items[i];
        memcpy(fixed + range.start, repaired + from, range.end - range.start);
        from += range.end - range.start;
    }
done:
    free(payloads.items);
    free(units.items);
    free(stream);
    free(repaired);
    return fixed;
}

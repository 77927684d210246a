/*
 * Pictures are allocated and freed on many threads, and the C library keeps what was freed in an arena per
 * thread: gigabytes, in the network's reference. One arena keeps it usable for all, and what is left goes
 * back to the system when the codec idles. Large pictures are mapped one by one, so their memory goes back at the
 * end of their segment, where it is pooled until then. (A lower threshold would do the same for small pictures,
 * but each would then cost page faults: a quarter of the processor time of a small segment.)
 */
#include <stdlib.h>

#include "internal.h"

#ifdef __GLIBC__
#include <malloc.h>

/* Freed memory that is kept for the next segment; more than that goes back at once. */
#define KEPT_BYTES_MAX ((size_t)32 << 20)

void rp_memory_tune(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

bool rp_memory_after_job(void) {
#if __GLIBC_PREREQ(2, 33)
    if (mallinfo2().fordblks < KEPT_BYTES_MAX) return false;
#endif
    rp_memory_trim();
    return true;
}

void rp_memory_trim(void) {
    malloc_trim(0);
}
#else
void rp_memory_tune(void) {
}

bool rp_memory_after_job(void) {
    return true;
}

void rp_memory_trim(void) {
}
#endif

/*
 * Keccak-256, the hash of the network (the original padding, not SHA-3's).
 *
 * The state is the caller's memory: nothing is allocated, nothing needs freeing, and a state that is dropped
 * half-way leaks nothing. It must be aligned to 8 bytes. Lengths are bytes.
 */
#ifndef REPRISE_KECCAK_H
#define REPRISE_KECCAK_H

#include <stdint.h>

#define RP_KECCAK_RATE 136

typedef struct rp_keccak {
    uint64_t lanes[25];
    uint8_t block[RP_KECCAK_RATE];
    uint64_t used; /* bytes waiting in `block` */
} rp_keccak;

void rp_keccak_init(rp_keccak *state);
void rp_keccak_update(rp_keccak *state, const uint8_t *bytes, uint64_t length);
/* Writes 32 bytes. The state is used up afterwards. */
void rp_keccak_digest(rp_keccak *state, uint8_t digest[32]);
void rp_keccak256(const uint8_t *bytes, uint64_t length, uint8_t digest[32]);

#endif

/*
 * Verifies and draws the tickets of one payment: they differ in nonce and signature only.
 */
#ifndef REPRISE_TICKETS_H
#define REPRISE_TICKETS_H

#include <stdint.h>

/* Hashed bytes of a ticket, without and with a creation round. */
#define RP_TICKET_BYTES_MIN 168
#define RP_TICKET_BYTES_MAX 232

enum { RP_TICKET_BAD = 0, RP_TICKET_LOSES = 1, RP_TICKET_WINS = 2 };

/*
 * Writes one of the three verdicts for each of `count` tickets, in order. All memory is the caller's and is used
 * only until the call returns: `preimage` (168 or 232 bytes, its nonce is ignored), `sender` (20), `rand` (32),
 * `win_probability` (32, big-endian), `nonces` (one each), `signatures` (65 bytes each), `verdicts` (one each).
 * 1 = done, 0 = the length of the preimage is neither.
 */
int rp_verify_tickets(const uint8_t *preimage, uint64_t preimage_bytes, const uint8_t *sender,
                      const uint8_t *rand, const uint8_t *win_probability, const uint32_t *nonces,
                      const uint8_t *signatures, uint32_t count, uint8_t *verdicts);

#endif

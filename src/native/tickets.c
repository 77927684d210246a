/*
 * A ticket is good when its sender signed its hash, and wins when the hash of signature and recipient's number
 * is below the win probability. Nearly all of the time goes into the recovery of the signer, about 40 µs each.
 */
#include "tickets.h"

#include <string.h>

#include "keccak.h"
#include "signatures.h"

/* Where the nonce's 32 bytes begin in what the ticket's hash covers; only its last four can be other than 0. */
#define NONCE_OFFSET 104

static uint8_t verdict_of(const uint8_t digest[32], const uint8_t signature[65], const uint8_t sender[20],
                          const uint8_t rand[32], const uint8_t win_probability[32]) {
    uint8_t account[RP_ACCOUNT_BYTES], drawn_over[RP_SIGNATURE_BYTES + 32], draw[32];
    if (!rp_recover_account(digest, signature, account)) return RP_TICKET_BAD;
    if (memcmp(account, sender, sizeof account) != 0) return RP_TICKET_BAD;
    memcpy(drawn_over, signature, RP_SIGNATURE_BYTES);
    memcpy(drawn_over + RP_SIGNATURE_BYTES, rand, 32);
    rp_keccak256(drawn_over, sizeof drawn_over, draw);
    /* Both are big-endian numbers of 32 bytes: the order of the bytes is the order of the numbers. */
    return memcmp(draw, win_probability, sizeof draw) < 0 ? RP_TICKET_WINS : RP_TICKET_LOSES;
}

int rp_verify_tickets(const uint8_t *preimage, uint64_t preimage_bytes, const uint8_t *sender,
                      const uint8_t *rand, const uint8_t *win_probability, const uint32_t *nonces,
                      const uint8_t *signatures, uint32_t count, uint8_t *verdicts) {
    uint8_t bytes[RP_TICKET_BYTES_MAX], hash[32], digest[32];
    if (preimage_bytes != RP_TICKET_BYTES_MIN && preimage_bytes != RP_TICKET_BYTES_MAX) return 0;
    memcpy(bytes, preimage, preimage_bytes);
    memset(bytes + NONCE_OFFSET, 0, 32);
    for (uint32_t index = 0; index < count; index++) {
        const uint32_t nonce = nonces[index];
        bytes[NONCE_OFFSET + 28] = (uint8_t)(nonce >> 24);
        bytes[NONCE_OFFSET + 29] = (uint8_t)(nonce >> 16);
        bytes[NONCE_OFFSET + 30] = (uint8_t)(nonce >> 8);
        bytes[NONCE_OFFSET + 31] = (uint8_t)nonce;
        rp_keccak256(bytes, preimage_bytes, hash);
        rp_personal_digest_of_hash(hash, digest);
        const uint8_t *signature = signatures + (uint64_t)index * RP_SIGNATURE_BYTES;
        verdicts[index] = verdict_of(digest, signature, sender, rand, win_probability);
    }
    return 1;
}

/*
 * Signatures of the network: secp256k1 over the EIP-191 digest of a message, 65 bytes r || s || v with v 27 or 28
 * and a low s. All memory is the caller's and is used only until the call returns; no call allocates. Every
 * function may run on any number of threads at once.
 */
#ifndef REPRISE_SIGNATURES_H
#define REPRISE_SIGNATURES_H

#include <stdint.h>

#define RP_SIGNATURE_BYTES 65
#define RP_ACCOUNT_BYTES 20

/* What an account signs for `message`: Keccak-256 of the prefix, the decimal byte length and the message. */
void rp_personal_digest(const uint8_t *message, uint64_t length, uint8_t digest[32]);
/* The same for the commonest message, a hash of 32 bytes. */
void rp_personal_digest_of_hash(const uint8_t hash[32], uint8_t digest[32]);
/* Writes the account that signed `digest`. 1 = done, 0 = no signature: v, high s, or numbers off the curve. */
int rp_recover_account(const uint8_t digest[32], const uint8_t signature[65], uint8_t account[20]);
/*
 * Signs deterministically (RFC 6979). `blinding` is 32 random bytes: they hide the key from those who watch the
 * processor and do not change the signature; each thread takes them once. 1 = done, 0 = not a private key.
 */
int rp_sign_digest(const uint8_t digest[32], const uint8_t key[32], const uint8_t blinding[32],
                   uint8_t signature[65]);
/* Writes the account of a private key. 1 = done, 0 = not a private key. */
int rp_account_of_key(const uint8_t key[32], const uint8_t blinding[32], uint8_t account[20]);

#endif

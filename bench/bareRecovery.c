/*
 * The yardstick of tickets.ts: recovers one public key after the other and does nothing else.
 */
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdint.h>

__attribute__((visibility("default")))
uint32_t bare_recovery(const uint8_t *digests, const uint8_t *signatures, uint32_t count);

/* Digests of 32 bytes and signatures of 65, one after the other. How many could be recovered. */
uint32_t bare_recovery(const uint8_t *digests, const uint8_t *signatures, uint32_t count) {
    const secp256k1_context *context = secp256k1_context_static;
    uint32_t recovered = 0;
    for (uint32_t index = 0; index < count; index++) {
        const uint8_t *signature = signatures + (uint64_t)index * 65;
        secp256k1_ecdsa_recoverable_signature parsed;
        secp256k1_pubkey key;
        if (!secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, signature,
                                                                 signature[64] - 27)) continue;
        recovered += secp256k1_ecdsa_recover(context, &key, &parsed, digests + (uint64_t)index * 32);
    }
    return recovered;
}

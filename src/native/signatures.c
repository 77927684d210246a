/*
 * The system's libsecp256k1 does the curve, with assembly and constant-time signing; here is what the network
 * adds: the digest of personal messages, the 65 bytes, the account.
 */
#include "signatures.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <string.h>

#include "keccak.h"

/* Half of the curve's order, rounded down: the highest s that is taken, big-endian. */
static const uint8_t HALF_ORDER[32] = {
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};

static const char PREFIX[] = "\x19" "Ethereum Signed Message:\n";
#define PREFIX_BYTES (sizeof PREFIX - 1)

/* Recovery uses the library's own constant context; whoever uses that must test it first. Ends the process when
 * the library was compiled wrongly. */
__attribute__((constructor)) static void test_library(void) {
    secp256k1_selftest();
}

/*
 * The context that signs holds blinding, which is written: so one for each thread, in memory of the thread, that
 * needs no freeing. Null when this version of the library wants more room than there is.
 */
static const secp256k1_context *signing_context(const uint8_t blinding[32]) {
    static __thread _Alignas(16) uint8_t memory[1024];
    static __thread secp256k1_context *context = NULL;
    if (context == NULL) {
        if (secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE) > sizeof memory) return NULL;
        context = secp256k1_context_preallocated_create(memory, SECP256K1_CONTEXT_NONE);
        if (context != NULL && !secp256k1_context_randomize(context, blinding)) return NULL;
    }
    return context;
}

static void account_of_public_key(const secp256k1_pubkey *key, uint8_t account[20]) {
    uint8_t bytes[65], hash[32];
    size_t length = sizeof bytes;
    secp256k1_ec_pubkey_serialize(secp256k1_context_static, bytes, &length, key, SECP256K1_EC_UNCOMPRESSED);
    rp_keccak256(bytes + 1, 64, hash);
    memcpy(account, hash + 12, RP_ACCOUNT_BYTES);
}

void rp_personal_digest(const uint8_t *message, uint64_t length, uint8_t digest[32]) {
    uint8_t digits[20];
    int first = sizeof digits;
    uint64_t rest = length;
    do {
        digits[--first] = '0' + rest % 10;
        rest /= 10;
    } while (rest > 0);

    rp_keccak state;
    rp_keccak_init(&state);
    rp_keccak_update(&state, (const uint8_t *)PREFIX, PREFIX_BYTES);
    rp_keccak_update(&state, digits + first, sizeof digits - first);
    if (length > 0) rp_keccak_update(&state, message, length);
    rp_keccak_digest(&state, digest);
}

void rp_personal_digest_of_hash(const uint8_t hash[32], uint8_t digest[32]) {
    uint8_t bytes[PREFIX_BYTES + 2 + 32];
    memcpy(bytes, PREFIX, PREFIX_BYTES);
    memcpy(bytes + PREFIX_BYTES, "32", 2);
    memcpy(bytes + PREFIX_BYTES + 2, hash, 32);
    rp_keccak256(bytes, sizeof bytes, digest);
}

int rp_recover_account(const uint8_t digest[32], const uint8_t signature[65], uint8_t account[20]) {
    secp256k1_ecdsa_recoverable_signature parsed;
    secp256k1_pubkey key;
    const uint8_t v = signature[64];
    if (v != 27 && v != 28) return 0;
    /* The library takes a high s as well: the same signature would then exist twice. */
    if (memcmp(signature + 32, HALF_ORDER, sizeof HALF_ORDER) > 0) return 0;
    const secp256k1_context *context = secp256k1_context_static;
    if (!secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, signature, v - 27)) return 0;
    if (!secp256k1_ecdsa_recover(context, &key, &parsed, digest)) return 0;
    account_of_public_key(&key, account);
    return 1;
}

int rp_sign_digest(const uint8_t digest[32], const uint8_t key[32], const uint8_t blinding[32],
                   uint8_t signature[65]) {
    secp256k1_ecdsa_recoverable_signature signed_digest;
    int recovery = 0;
    const secp256k1_context *context = signing_context(blinding);
    if (context == NULL) return 0;
    if (!secp256k1_ecdsa_sign_recoverable(context, &signed_digest, digest, key, NULL, NULL)) return 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(context, signature, &recovery, &signed_digest);
    signature[64] = (uint8_t)(27 + recovery);
    return 1;
}

int rp_account_of_key(const uint8_t key[32], const uint8_t blinding[32], uint8_t account[20]) {
    secp256k1_pubkey public_key;
    const secp256k1_context *context = signing_context(blinding);
    if (context == NULL || !secp256k1_ec_pubkey_create(context, &public_key, key)) return 0;
    account_of_public_key(&public_key, account);
    return 1;
}

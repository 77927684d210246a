/*
 * The little that the orchestrator process and its workers need from C, without any media library:
 * Keccak-256, signatures, tickets, returning memory to the system, and dying with the parent.
 *
 * Memory handed in stays the caller's and is used only until the call returns.
 */
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "keccak.h"
#include "signatures.h"
#include "tickets.h"

#define EXPORT __attribute__((visibility("default")))

/* Raised together with `abiVersion` of src/native/ffi.ts. */
#define ABI_VERSION 3u

EXPORT uint32_t reprise_native_abi_version(void);
EXPORT uint32_t reprise_native_keccak_size(void);
EXPORT void reprise_native_keccak_init(rp_keccak *state);
EXPORT void reprise_native_keccak_update(rp_keccak *state, const uint8_t *bytes, uint64_t length);
EXPORT void reprise_native_keccak_digest(rp_keccak *state, uint8_t *digest);
EXPORT int32_t reprise_native_recover(const uint8_t *message, uint64_t length, const uint8_t *signature,
                                      uint8_t *account);
EXPORT int32_t reprise_native_sign(const uint8_t *message, uint64_t length, const uint8_t *key,
                                   const uint8_t *blinding, uint8_t *signature);
EXPORT int32_t reprise_native_sign_digest(const uint8_t *digest, const uint8_t *key, const uint8_t *blinding,
                                          uint8_t *signature);
EXPORT int32_t reprise_native_account(const uint8_t *key, const uint8_t *blinding, uint8_t *account);
EXPORT int32_t reprise_native_verify_tickets(const uint8_t *preimage, uint64_t preimage_bytes,
                                             const uint8_t *sender, const uint8_t *rand,
                                             const uint8_t *win_probability, const uint32_t *nonces,
                                             const uint8_t *signatures, uint32_t count, uint8_t *verdicts);
EXPORT int32_t reprise_native_trim(void);
EXPORT void reprise_native_fix_thresholds(void);
EXPORT int32_t reprise_native_die_with_parent(int32_t parent);

uint32_t reprise_native_abi_version(void) {
    return ABI_VERSION;
}

uint32_t reprise_native_keccak_size(void) {
    return sizeof(rp_keccak);
}

void reprise_native_keccak_init(rp_keccak *state) {
    rp_keccak_init(state);
}

void reprise_native_keccak_update(rp_keccak *state, const uint8_t *bytes, uint64_t length) {
    rp_keccak_update(state, bytes, length);
}

void reprise_native_keccak_digest(rp_keccak *state, uint8_t *digest) {
    rp_keccak_digest(state, digest);
}

/* 1 = the 20 bytes of the signer were written, 0 = not a signature. */
int32_t reprise_native_recover(const uint8_t *message, uint64_t length, const uint8_t *signature,
                               uint8_t *account) {
    uint8_t digest[32];
    if (length == 32) {
        rp_personal_digest_of_hash(message, digest);
    } else {
        rp_personal_digest(message, length, digest);
    }
    return rp_recover_account(digest, signature, account);
}

/* 1 = the 65 bytes were written, 0 = not a private key. */
int32_t reprise_native_sign(const uint8_t *message, uint64_t length, const uint8_t *key,
                            const uint8_t *blinding, uint8_t *signature) {
    uint8_t digest[32];
    rp_personal_digest(message, length, digest);
    return rp_sign_digest(digest, key, blinding, signature);
}

/* Signs 32 bytes as they are. 1 = the 65 bytes were written, 0 = not a private key. */
int32_t reprise_native_sign_digest(const uint8_t *digest, const uint8_t *key, const uint8_t *blinding,
                                   uint8_t *signature) {
    return rp_sign_digest(digest, key, blinding, signature);
}

/* 1 = the 20 bytes were written, 0 = not a private key. */
int32_t reprise_native_account(const uint8_t *key, const uint8_t *blinding, uint8_t *account) {
    return rp_account_of_key(key, blinding, account);
}

int32_t reprise_native_verify_tickets(const uint8_t *preimage, uint64_t preimage_bytes, const uint8_t *sender,
                                      const uint8_t *rand, const uint8_t *win_probability,
                                      const uint32_t *nonces, const uint8_t *signatures, uint32_t count,
                                      uint8_t *verdicts) {
    return rp_verify_tickets(preimage, preimage_bytes, sender, rand, win_probability, nonces, signatures, count,
                             verdicts);
}

/* 1 when memory went back to the system. */
int32_t reprise_native_trim(void) {
    return malloc_trim(0);
}

/* Large blocks come from the system and go back to it at once, instead of fattening the arenas. */
void reprise_native_fix_thresholds(void) {
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

/*
 * The kernel kills this process when the thread that started it ends. 0 = done, 1 = `parent` is gone already
 * (nothing will kill us: the caller should end itself), -1 = refused by the system.
 */
int32_t reprise_native_die_with_parent(int32_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -1;
    return getppid() == parent ? 0 : 1;
}

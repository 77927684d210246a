/*
 * Keccak-f[1600] with all lanes in local variables. Two rounds are written out per turn of the loop, so that
 * lanes never need to be moved: the compiler keeps what fits in registers and spills the rest once.
 */
#include "keccak.h"

#include <string.h>

static const uint64_t ROUND_CONSTANTS[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

#define ROTATE(value, count) ((value) << (count) | (value) >> (64 - (count)))

/* Theta, rho, pi, chi and iota from lanes `A` into lanes `E` (row letter, column letter). */
#define ROUND(A, E, constant)                                                                                \
    do {                                                                                                     \
        ca = A##ba ^ A##ga ^ A##ka ^ A##ma ^ A##sa;                                                          \
        ce = A##be ^ A##ge ^ A##ke ^ A##me ^ A##se;                                                          \
        ci = A##bi ^ A##gi ^ A##ki ^ A##mi ^ A##si;                                                          \
        co = A##bo ^ A##go ^ A##ko ^ A##mo ^ A##so;                                                          \
        cu = A##bu ^ A##gu ^ A##ku ^ A##mu ^ A##su;                                                          \
        da = cu ^ ROTATE(ce, 1);                                                                             \
        de = ca ^ ROTATE(ci, 1);                                                                             \
        di = ce ^ ROTATE(co, 1);                                                                             \
        dO = ci ^ ROTATE(cu, 1);                                                                             \
        du = co ^ ROTATE(ca, 1);                                                                             \
        ba = A##ba ^ da;                                                                                     \
        be = ROTATE(A##ge ^ de, 44);                                                                         \
        bi = ROTATE(A##ki ^ di, 43);                                                                         \
        bo = ROTATE(A##mo ^ dO, 21);                                                                         \
        bu = ROTATE(A##su ^ du, 14);                                                                         \
        E##ba = ba ^ (~be & bi) ^ (constant);                                                                \
        E##be = be ^ (~bi & bo);                                                                             \
        E##bi = bi ^ (~bo & bu);                                                                             \
        E##bo = bo ^ (~bu & ba);                                                                             \
        E##bu = bu ^ (~ba & be);                                                                             \
        ba = ROTATE(A##bo ^ dO, 28);                                                                         \
        be = ROTATE(A##gu ^ du, 20);                                                                         \
        bi = ROTATE(A##ka ^ da, 3);                                                                          \
        bo = ROTATE(A##me ^ de, 45);                                                                         \
        bu = ROTATE(A##si ^ di, 61);                                                                         \
        E##ga = ba ^ (~be & bi);                                                                             \
        E##ge = be ^ (~bi & bo);                                                                             \
        E##gi = bi ^ (~bo & bu);                                                                             \
        E##go = bo ^ (~bu & ba);                                                                             \
        E##gu = bu ^ (~ba & be);                                                                             \
        ba = ROTATE(A##be ^ de, 1);                                                                          \
        be = ROTATE(A##gi ^ di, 6);                                                                          \
        bi = ROTATE(A##ko ^ dO, 25);                                                                         \
        bo = ROTATE(A##mu ^ du, 8);                                                                          \
        bu = ROTATE(A##sa ^ da, 18);                                                                         \
        E##ka = ba ^ (~be & bi);                                                                             \
        E##ke = be ^ (~bi & bo);                                                                             \
        E##ki = bi ^ (~bo & bu);                                                                             \
        E##ko = bo ^ (~bu & ba);                                                                             \
        E##ku = bu ^ (~ba & be);                                                                             \
        ba = ROTATE(A##bu ^ du, 27);                                                                         \
        be = ROTATE(A##ga ^ da, 36);                                                                         \
        bi = ROTATE(A##ke ^ de, 10);                                                                         \
        bo = ROTATE(A##mi ^ di, 15);                                                                         \
        bu = ROTATE(A##so ^ dO, 56);                                                                         \
        E##ma = ba ^ (~be & bi);                                                                             \
        E##me = be ^ (~bi & bo);                                                                             \
        E##mi = bi ^ (~bo & bu);                                                                             \
        E##mo = bo ^ (~bu & ba);                                                                             \
        E##mu = bu ^ (~ba & be);                                                                             \
        ba = ROTATE(A##bi ^ di, 62);                                                                         \
        be = ROTATE(A##go ^ dO, 55);                                                                         \
        bi = ROTATE(A##ku ^ du, 39);                                                                         \
        bo = ROTATE(A##ma ^ da, 41);                                                                         \
        bu = ROTATE(A##se ^ de, 2);                                                                          \
        E##sa = ba ^ (~be & bi);                                                                             \
        E##se = be ^ (~bi & bo);                                                                             \
        E##si = bi ^ (~bo & bu);                                                                             \
        E##so = bo ^ (~bu & ba);                                                                             \
        E##su = bu ^ (~ba & be);                                                                             \
    } while (0)

#define LANES(X)                                                                                             \
    X(ba, 0) X(be, 1) X(bi, 2) X(bo, 3) X(bu, 4)                                                             \
    X(ga, 5) X(ge, 6) X(gi, 7) X(go, 8) X(gu, 9)                                                             \
    X(ka, 10) X(ke, 11) X(ki, 12) X(ko, 13) X(ku, 14)                                                        \
    X(ma, 15) X(me, 16) X(mi, 17) X(mo, 18) X(mu, 19)                                                        \
    X(sa, 20) X(se, 21) X(si, 22) X(so, 23) X(su, 24)

/* The lanes are little-endian on the wire; so are the machines that this library is built for. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Keccak lanes are read as little-endian words."
#endif

static inline __attribute__((always_inline))
void absorb_blocks(uint64_t lanes[25], const uint8_t *bytes, uint64_t blocks) {
    uint64_t ca, ce, ci, co, cu, da, de, di, dO, du, ba, be, bi, bo, bu;
#define DECLARE(name, index) uint64_t A##name = lanes[index], E##name;
    LANES(DECLARE)
#undef DECLARE
    for (; blocks > 0; blocks--, bytes += RP_KECCAK_RATE) {
        uint64_t word[17];
        memcpy(word, bytes, RP_KECCAK_RATE);
#define MIX(name, index)                                                                                     \
    if (index < 17) A##name ^= word[index < 17 ? index : 0];
        LANES(MIX)
#undef MIX
        for (int round = 0; round < 24; round += 2) {
            ROUND(A, E, ROUND_CONSTANTS[round]);
            ROUND(E, A, ROUND_CONSTANTS[round + 1]);
        }
    }
#define STORE(name, index) lanes[index] = A##name;
    LANES(STORE)
#undef STORE
}

/* Processors with and-not and three-operand rotates (nearly all since 2013) get a version of their own. */
#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("bmi,bmi2")))
static void absorb_bmi(uint64_t lanes[25], const uint8_t *bytes, uint64_t blocks) {
    absorb_blocks(lanes, bytes, blocks);
}
#endif

static void absorb(uint64_t lanes[25], const uint8_t *bytes, uint64_t blocks) {
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        absorb_bmi(lanes, bytes, blocks);
        return;
    }
#endif
    absorb_blocks(lanes, bytes, blocks);
}

void rp_keccak_init(rp_keccak *state) {
    memset(state, 0, sizeof *state);
}

void rp_keccak_update(rp_keccak *state, const uint8_t *bytes, uint64_t length) {
    if (state->used >= RP_KECCAK_RATE) state->used = 0;
    if (state->used > 0) {
        uint64_t take = RP_KECCAK_RATE - state->used;
        if (take > length) take = length;
        memcpy(state->block + state->used, bytes, take);
        state->used += take;
        bytes += take;
        length -= take;
        if (state->used < RP_KECCAK_RATE) return;
        absorb(state->lanes, state->block, 1);
        state->used = 0;
    }
    uint64_t blocks = length / RP_KECCAK_RATE;
    if (blocks > 0) absorb(state->lanes, bytes, blocks);
    uint64_t rest = length - blocks * RP_KECCAK_RATE;
    if (rest > 0) memcpy(state->block, bytes + blocks * RP_KECCAK_RATE, rest);
    state->used = rest;
}

void rp_keccak_digest(rp_keccak *state, uint8_t digest[32]) {
    if (state->used >= RP_KECCAK_RATE) state->used = 0;
    memset(state->block + state->used, 0, RP_KECCAK_RATE - state->used);
    state->block[state->used] ^= 0x01;
    state->block[RP_KECCAK_RATE - 1] ^= 0x80;
    absorb(state->lanes, state->block, 1);
    state->used = 0;
    memcpy(digest, state->lanes, 32);
}

void rp_keccak256(const uint8_t *bytes, uint64_t length, uint8_t digest[32]) {
    rp_keccak state;
    rp_keccak_init(&state);
    rp_keccak_update(&state, bytes, length);
    rp_keccak_digest(&state, digest);
}

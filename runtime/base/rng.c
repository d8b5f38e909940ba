/*
 * rng.c: Philox4x32-10. One round maps (c0,c1,c2,c3) to (hi(M1·c2)^c1^k0, lo(M1·c2),
 * hi(M0·c0)^c3^k1, lo(M0·c0)); between rounds the key grows by the Weyl constants W. Ten rounds.
 */
#include "rng.h"
#include <string.h>

#define M0 UINT32_C(0xD2511F53)
#define M1 UINT32_C(0xCD9E8D57)
#define W0 UINT32_C(0x9E3779B9) /* the golden ratio's fraction */
#define W1 UINT32_C(0xBB67AE85) /* √3 − 1 */
#define ROUNDS 10

void umb__philox(const uint32_t key[2], const uint32_t counter[4], uint32_t ret_words[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c[4];
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)M0 * c[0], b = (uint64_t)M1 * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof c);
        k0 += W0;
        k1 += W1;
    }
    memcpy(ret_words, c, sizeof c);
}

/* Words 4·quad … 4·quad+3 of a sequence. */
static void quad_words(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream, uint64_t quad,
                       uint32_t ret_words[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)quad, (uint32_t)(quad >> 32), stream, (uint32_t)purpose};
    umb__philox(key, counter, ret_words);
}

uint32_t umb__random_u32(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream, uint64_t i)
{
    uint32_t words[4];
    quad_words(seed, purpose, stream, i / 4, words);
    return words[i % 4];
}

float umb__random_unit(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream, uint64_t i)
{
    return (float)(umb__random_u32(seed, purpose, stream, i) >> 8) * 0x1p-24f;
}

/* A sequence read in order, so that each Philox call serves four words. */
struct reader {
    uint64_t seed, i;
    enum umb_rng_purpose purpose;
    uint32_t stream, words[4];
};

static uint32_t next_word(struct reader *r)
{
    if (r->i % 4 == 0) { quad_words(r->seed, r->purpose, r->stream, r->i / 4, r->words); }
    return r->words[r->i++ % 4];
}

/* 0…bound−1, all equally likely: word·bound / 2³², thrown again while the low half lies among the
 * 2³² mod bound values that would be too many (Lemire, ACM TOMACS 29(1), 2019). */
static uint32_t next_below(struct reader *r, uint32_t bound)
{
    uint32_t surplus = (uint32_t)((UINT64_C(1) << 32) % bound);
    uint64_t product;
    do {
        product = (uint64_t)next_word(r) * bound;
    } while ((uint32_t)product < surplus);
    return (uint32_t)(product >> 32);
}

void umb__random_permutation(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream,
                             uint32_t *index, size_t n)
{
    struct reader r = {.seed = seed, .purpose = purpose, .stream = stream};
    for (size_t i = 0; i < n; i++) {
        index[i] = (uint32_t)i;
    }
    for (size_t i = n; i > 1; i--) {
        uint32_t j = next_below(&r, (uint32_t)i);
        uint32_t swapped = index[i - 1];
        index[i - 1] = index[j];
        index[j] = swapped;
    }
}

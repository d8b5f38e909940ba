/*
 * rng.h: counter-based random numbers, the same on host and device.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a key and
 * a counter give four words, with no state to carry or to save. A draw is addressed by (seed,
 * purpose, index); cl/random.cl computes the same words.
 */
#ifndef UMB_RNG_H
#define UMB_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a draw is for, so that no two uses of one seed see the same numbers. */
enum umb_rng_purpose {
    UMB_RNG_INIT = 1,
    UMB_RNG_SHUFFLE,
    UMB_RNG_DROPOUT,
    UMB_RNG_DATA,
    UMB_RNG_SPLIT,
    UMB_RNG_BALANCER,
    UMB_RNG_TEST,
    UMB_RNG_AUGMENT,
    UMB_RNG_BALANCE
};

void umb__philox(const uint32_t key[2], const uint32_t counter[4], uint32_t ret_words[4]);

/* Word i (0…) of the sequence (seed, purpose, stream): key = seed, counter = (i/4 low, i/4 high,
 * stream, purpose), word i%4. */
uint32_t umb__random_u32(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream, uint64_t i);
/* [0,1), 24 bits: (word >> 8) · 2⁻²⁴; exact in float32. */
float umb__random_unit(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream, uint64_t i);
/* Fisher–Yates over index[n] filled with 0…n−1; the same order for the same arguments everywhere.
 * Unbiased (rejection by 64-bit multiply). */
void umb__random_permutation(uint64_t seed, enum umb_rng_purpose purpose, uint32_t stream,
                             uint32_t *index, size_t n);

#endif

/*
 * random.cl: Philox4x32-10, the same words as runtime/base/rng.c. To be included.
 *
 * Ten rounds of (c0,c1,c2,c3) -> (hi(B·c2)^c1^k0, lo(B·c2), hi(A·c0)^c3^k1, lo(A·c0)), the key
 * growing by (W0,W1) between them; constants from Salmon et al., SC 2011, table 2 and section 3.
 * A draw is addressed, not drawn: (seed, purpose, stream, i) -> word i%4 of the block with key =
 * seed (low, high) and counter = (i/4 low, i/4 high, stream, purpose). Who needs four words takes
 * umb_philox and the counter themselves.
 */
#ifndef UMB_RANDOM_CL
#define UMB_RANDOM_CL

#define UMB_PHILOX_A 0xD2511F53u
#define UMB_PHILOX_B 0xCD9E8D57u
#define UMB_PHILOX_W0 0x9E3779B9u
#define UMB_PHILOX_W1 0xBB67AE85u

static inline uint4 umb_philox(uint2 key, uint4 counter)
{
    for (int round = 0; round < 10; round++) {
        counter = (uint4)(mul_hi(UMB_PHILOX_B, counter.z) ^ counter.y ^ key.x,
                          UMB_PHILOX_B * counter.z,
                          mul_hi(UMB_PHILOX_A, counter.x) ^ counter.w ^ key.y,
                          UMB_PHILOX_A * counter.x);
        key += (uint2)(UMB_PHILOX_W0, UMB_PHILOX_W1);
    }
    return counter;
}

/* umb__random_u32; purpose is an enum umb_rng_purpose. */
static inline uint umb_random_u32(uint2 seed, uint purpose, uint stream, ulong i)
{
    uint4 words = umb_philox(seed, (uint4)((uint)(i >> 2), (uint)(i >> 34), stream, purpose));
    uint2 pair = (i & 2) ? words.zw : words.xy;
    return (i & 1) ? pair.y : pair.x;
}

/* umb__random_unit: [0,1) in steps of 2^-24. */
static inline float umb_random_unit(uint2 seed, uint purpose, uint stream, ulong i)
{
    return (float)(umb_random_u32(seed, purpose, stream, i) >> 8) * 0x1p-24f;
}

#endif

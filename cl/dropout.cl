/*
 * dropout.cl: y[i] = x[i]·scale where draw i is at least `threshold`, else 0; dx from dy likewise.
 *
 * Draws are 24 bits of words of Philox (random.cl) with key = random[0,1] (the seed) and counter =
 * (block, random[2] (the step, low), stream, DROPOUT + 256·random[3] (the step, high)). Of every 64
 * elements, element i%64 takes word i/16%4 of block i/64·16 + i%16: so lanes that stand beside each
 * other take one word of blocks beside each other, at every width. NDRange [groups·L], units as in
 * walk.cl: a unit is VW blocks. threshold 0 copies and reads no random numbers.
 *
 * dropout_channels: x[n,p,c] goes by draw n·C + c for all `pixels` p. A unit is VW channels of a
 * sample: unit u those from (u % blocks)·VW on of sample u / blocks, blocks = ceil(C/VW).
 */
#include "random.cl"
#include "walk.cl"

#define DROPOUT 3u /* UMB_RNG_DROPOUT */

#if VW == 1
typedef uint lanes_uint;
typedef ulong lanes_ulong;
#define LANES_CONVERT_UINT(v) convert_uint(v)
#define LANES_CONVERT_ULONG(v) convert_ulong(v)
#define LANES_UINT_LOAD(p) (*(p))
#else
typedef LANES_CAT(uint, VW) lanes_uint;
typedef LANES_CAT(ulong, VW) lanes_ulong;
#define LANES_CONVERT_UINT(v) LANES_CAT(convert_uint, VW)(v)
#define LANES_CONVERT_ULONG(v) LANES_CAT(convert_ulong, VW)(v)
#define LANES_UINT_LOAD(p) LANES_CAT(vload, VW)(0, p)
#endif

/* umb_philox of random.cl for every lane; mul_hi by a 64-bit product, which compilers keep in
 * vectors. */
static inline void lanes_philox(uint2 key, lanes_uint c[4])
{
    for (int round = 0; round < 10; round++) {
        const lanes_ulong a = LANES_CONVERT_ULONG(c[0]) * 0xD2511F53ul;
        const lanes_ulong b = LANES_CONVERT_ULONG(c[2]) * 0xCD9E8D57ul;
        const lanes_uint second = c[1], fourth = c[3];
        c[0] = LANES_CONVERT_UINT(b >> 32) ^ second ^ key.x;
        c[1] = LANES_CONVERT_UINT(b & 0xfffffffful);
        c[2] = LANES_CONVERT_UINT(a >> 32) ^ fourth ^ key.y;
        c[3] = LANES_CONVERT_UINT(a & 0xfffffffful);
        key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    }
}

static inline lanes_uint first_blocks(uint block)
{
    uint t[VW];
    FOR_LANES(l) { t[l] = block + l; }
    return LANES_UINT_LOAD(t);
}

__kernel void dropout(__global const float *x_base, ulong x_at, __global const int *random,
                      ulong random_at, __global float *y_base, ulong y_at, int n, int n_units,
                      int span, int stream, int threshold, float scale)
{
    __global const float *x = x_base + x_at;
    __global float *y = y_base + y_at;
    uint4 key = (uint4)(0u);
    if (threshold > 0) { key = as_uint4(vload4(0, random + random_at)); }
    FOR_UNITS(u, n_units, span)
    {
        const int block = u * VW;
        lanes_uint c[4] = {first_blocks((uint)block), (lanes_uint)key.z, (lanes_uint)(uint)stream,
                           (lanes_uint)(DROPOUT + 256u * key.w)};
        lanes_philox(key.xy, c);
        for (int word = 0; word < 4; word++) {
            const int i = (block >> 4) * 64 + word * 16 + (block & 15), left = n - i;
            if (left <= 0) { break; }
            const lanes_int kept =
                LANES_CONVERT_INT(c[word] >> 8) >= (lanes_int)threshold;
            const lanes_t v = lanes_load(x + i, left) * scale;
            lanes_store(kept ? v : (lanes_t)0.0f, y + i, left);
        }
    }
}

/* Draw i, as above. */
static inline int keeps(uint4 key, int i, int stream, int threshold)
{
    const uint4 words = umb_philox(key.xy, (uint4)((uint)(i / 64 * 16 + i % 16), key.z, (uint)stream,
                                                   DROPOUT + 256u * key.w));
    const uint2 pair = (i & 32) ? words.zw : words.xy;
    return (int)(((i & 16) ? pair.y : pair.x) >> 8) >= threshold;
}

__kernel void dropout_channels(__global const float *x_base, ulong x_at,
                               __global const int *random, ulong random_at, __global float *y_base,
                               ulong y_at, int pixels, int C, int n_units, int span, int stream,
                               int threshold, float scale)
{
    __global const float *x = x_base + x_at;
    __global float *y = y_base + y_at;
    const uint4 key = as_uint4(vload4(0, random + random_at));
    const int blocks = (C + VW - 1) / VW;
    FOR_UNITS(u, n_units, span)
    {
        const int n = u / blocks, c = u % blocks * VW, left = C - c;
        float factors[VW];
        FOR_LANES(l)
        {
            factors[l] = l < left && keeps(key, n * C + c + l, stream, threshold) ? scale : 0.0f;
        }
        const lanes_t factor = LANES_LOAD(factors);
        for (int p = 0; p < pixels; p++) {
            const size_t at = ((size_t)n * pixels + p) * C + c;
            const lanes_t v = lanes_load(x + at, left);
            lanes_store(factor > 0.0f ? v * factor : (lanes_t)0.0f, y + at, left);
        }
    }
}

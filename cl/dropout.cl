/*
 * dropout.cl: y[i] = x[i]·scale where draw i is at least `threshold`, else 0; dx from dy likewise.
 *
 * Draw i is 24 bits of word i%4 of Philox (random.cl) with key = random[0,1] (the seed) and counter
 * = (i/4, random[2] (the step, low), stream, DROPOUT + 256·random[3] (the step, high)). threshold 0
 * copies and reads no random numbers. NDRange [groups·L], units as in walk.cl: a unit is the four
 * elements of one block.
 */
#include "random.cl"
#include "walk.cl"

#define DROPOUT 3u /* UMB_RNG_DROPOUT */

__kernel void dropout(__global const float *x_base, ulong x_at, __global const int *random,
                      ulong random_at, __global float *y_base, ulong y_at, int n, int n_units,
                      int span, int stream, int threshold, float scale)
{
    uint4 key = (uint4)(0u);
    if (threshold > 0) { key = as_uint4(vload4(0, random + random_at)); }
    FOR_UNITS(u, n_units, span)
    {
        __global const float *x = x_base + x_at + 4 * u;
        __global float *y = y_base + y_at + 4 * u;
        const uint4 words = umb_philox(
            key.xy, (uint4)((uint)u, key.z, (uint)stream, DROPOUT + 256u * key.w));
        const uint4 draw = words >> 8;
        const uint4 bound = (uint4)((uint)threshold);
        const int left = n - 4 * u;
        if (left >= 4) {
            vstore4(select((float4)(0.0f), vload4(0, x) * scale, draw >= bound), 0, y);
            continue;
        }
        const uint draws[4] = {draw.x, draw.y, draw.z, draw.w};
        for (int l = 0; l < left; l++) {
            y[l] = draws[l] >= (uint)threshold ? x[l] * scale : 0.0f;
        }
    }
}

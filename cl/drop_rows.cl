/*
 * drop_rows.cl: GradDrop (Chen et al., "Just pick a sign", NeurIPS 2020) on the gradients of T
 * tasks, rows [T,P]: p = ½(1 + Σg/Σ|g|), ½ where all are 0; of the rows' numbers the positive ones
 * are summed where p > u, the negative ones where p < u, u uniform in [0,1); of those left out, `leak`
 * of their sum is added all the same.
 *
 * u of element i is word i%4 of block i/4 of Philox (random.cl) with key = random[0,1] (the seed)
 * and counter = (block, random[2] (the step, low), 0, BALANCER + 256·random[3] (the step, high)).
 * NDRange [groups·L], an item four elements.
 */
#include "random.cl"

#define BALANCER 6u /* UMB_RNG_BALANCER */

__kernel void drop_rows(__global const float *rows_base, ulong rows_at, __global const int *random,
                        ulong random_at, __global float *out_base, ulong out_at, int T, int n,
                        int span, float leak)
{
    __global const float *rows = rows_base + rows_at;
    __global float *out = out_base + out_at;
    const uint4 key = as_uint4(vload4(0, random + random_at));
    const int n_blocks = (n + 3) / 4, begin = get_group_id(0) * span;
    const int end = begin + min(n_blocks - begin, span);
    for (int block = begin + get_local_id(0); block < end; block += get_local_size(0)) {
        const uint4 word =
            umb_philox(key.xy, (uint4)((uint)block, key.z, 0u, BALANCER + 256u * key.w));
        const uint words[4] = {word.x, word.y, word.z, word.w};
        for (int k = 0; k < 4 && block * 4 + k < n; k++) {
            const int i = block * 4 + k;
            float up = 0.0f, down = 0.0f;
            for (int t = 0; t < T; t++) {
                const float g = rows[(size_t)t * (size_t)n + i];
                up += fmax(g, 0.0f);
                down += fmin(g, 0.0f);
            }
            const float all = up - down, u = (float)(words[k] >> 8) * 0x1p-24f;
            const float p = all > 0.0f ? 0.5f * (1.0f + (up + down) / all) : 0.5f;
            out[i] = (p > u ? up : leak * up) + (p < u ? down : leak * down);
        }
    }
}

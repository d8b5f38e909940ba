/*
 * slab_update.cl: parameters updated by the sum of a gradient's slabs, as conv_weights_sum
 * (conv_weights.cl) makes it. For CPUs.
 *
 * slabs [G][n + n_last]: Σ_g of the first n numbers, in the order of g, is the gradient to param; the
 * sums of the n_last numbers behind them go to `last`. NDRange [⌈n/span⌉ + ⌈n_last/span⌉], one item a
 * group. Tunables: VW; UPDATE: see update_run.cl.
 */
#include "update_run.cl"

__kernel ONE_ITEM void slab_update(__global const float *restrict slabs, ulong slabs_at,
                                   __global float *restrict last, ulong last_at,
                                   __global float *restrict param, ulong param_at,
                                   __global float *restrict first, ulong first_at,
                                   __global float *restrict second, ulong second_at,
                                   __global const float *restrict hyper, ulong hyper_at, int n,
                                   int n_last, int G, int span, float a, float b, float c, float d,
                                   float e, float f)
{
    const int spans = (n + span - 1) / span, pitch = n + n_last;
    slabs += slabs_at;
    if ((int)get_group_id(0) >= spans) {
        const int begin = ((int)get_group_id(0) - spans) * span, end = min(begin + span, n_last);
        for (int i = begin; i < end; i += VW) {
            store_part(sum_slabs(slabs + n + i, pitch, G, end - i), last + last_at + i, end - i);
        }
        return;
    }
    const struct update u = update_of(param + param_at, first + first_at, second + second_at,
                                      hyper + hyper_at, a, b, c, d, e, f);
    const int begin = get_group_id(0) * span, end = min(begin + span, n);
    int i = begin;
    for (; i + VW <= end; i += VW) { update_vector(u, i, sum_slabs(slabs + i, pitch, G, VW)); }
    if (i < end) { update_part(u, i, sum_slabs(slabs + i, pitch, G, end - i), end - i); }
}

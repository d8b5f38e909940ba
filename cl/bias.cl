/*
 * bias.cl: y[i,c] = x[i,c] + b[c], and the gradient db[c] = Σ_i dy[i,c].
 *
 * x is [rows,C], whatever its rank. Forward: NDRange [groups·L], units as in walk.cl. Backward in
 * stages, so that the order of the sum is fixed: item (part, block) of an NDRange [parts·blocks]
 * adds up rows part·per … of a block of VW channels, sum [parts,C]; then the parts are the rows,
 * until there is one.
 */
#include "walk.cl"

__kernel void bias_forward(__global const float *x_base, ulong x_at, __global const float *b_base,
                           ulong b_at, __global float *y_base, ulong y_at, int C, int n_units,
                           int units_per_pixel, int unit_channels, int span)
{
    __global const float *x = x_base + x_at, *b = b_base + b_at;
    __global float *y = y_base + y_at;
    FOR_UNITS(u, n_units, span)
    {
        const int row = u / units_per_pixel;
        const int first = (u - row * units_per_pixel) * unit_channels;
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_store(lanes_load(x + row * C + c, left) + lanes_load(b + c, left),
                        y + row * C + c, left);
        }
    }
}

__kernel void column_sum(__global const float *x_base, ulong x_at, __global float *sum_base,
                         ulong sum_at, int rows, int C, int per, int n_items)
{
    __global const float *x = x_base + x_at;
    __global float *sum = sum_base + sum_at;
    const int item = get_global_id(0);
    if (item >= n_items) { return; }
    const int blocks = (C + VW - 1) / VW;
    const int part = item / blocks, c = (item - part * blocks) * VW, left = C - c;
    const int begin = part * per, end = min(rows, begin + per);
    lanes_t total = 0.0f;
    for (int row = begin; row < end; row++) { total += lanes_load(x + row * C + c, left); }
    lanes_store(total, sum + part * C + c, left);
}

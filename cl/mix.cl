/*
 * mix.cl: sums of inputs by weights, y = Σ_j w_j·x_j, and the sums of products that are their
 * gradients into the weights.
 *
 * x_j and y are [rows,C], whatever their rank; sample s is the rows s·positions … and on. The weight
 * of input j there is w[first + s·by_sample + j·by_input], with -DCHANNELS that of channel c a
 * further c on: one number an input, one an input and channel, one an input and sample, and so on.
 */
#include "walk.cl"

#ifdef CHANNELS
#define WEIGHT(w, c) lanes_load((w) + (c), left)
#else
#define WEIGHT(w, c) ((lanes_t)(*(w)))
#endif

/*
 * y = sum + Σ_j w_j·x_j, from the left; of the inputs a, b, c, d the first `inputs` count, and `sum`
 * where `adds`. NDRange [groups·L], units as in walk.cl.
 */
__kernel void mix_forward(__global const float *a_base, ulong a_at, __global const float *b_base,
                          ulong b_at, __global const float *c_base, ulong c_at,
                          __global const float *d_base, ulong d_at,
                          __global const float *sum_base, ulong sum_at,
                          __global const float *w_base, ulong w_at, __global float *y_base,
                          ulong y_at, int inputs, int adds, int C, int positions, int first,
                          int by_sample, int by_input, int n_units, int units_per_pixel,
                          int unit_channels, int span)
{
    FOR_UNITS(u, n_units, span)
    {
        const int row = u / units_per_pixel;
        const int from = (u - row * units_per_pixel) * unit_channels;
        __global const float *w = w_base + w_at + first + row / positions * by_sample;
        FOR_CHANNELS(from, unit_channels)
        {
            const int at = row * C + c;
            lanes_t y = adds ? lanes_load(sum_base + sum_at + at, left) : (lanes_t)0.0f;
            y = fma(WEIGHT(w, c), lanes_load(a_base + a_at + at, left), y);
            if (inputs > 1) {
                y = fma(WEIGHT(w + by_input, c), lanes_load(b_base + b_at + at, left), y);
            }
            if (inputs > 2) {
                y = fma(WEIGHT(w + 2 * by_input, c), lanes_load(c_base + c_at + at, left), y);
            }
            if (inputs > 3) {
                y = fma(WEIGHT(w + 3 * by_input, c), lanes_load(d_base + d_at + at, left), y);
            }
            lanes_store(y, y_base + y_at + at, left);
        }
    }
}

/*
 * out[first + p·by_part] = Σ_i dy[i]·x[i] over the numbers p·per … of n: a group adds up a part, its
 * items' sums as a tree. NDRange [parts·L].
 */
__kernel void mix_dots(__global const float *dy_base, ulong dy_at, __global const float *x_base,
                       ulong x_at, __global float *out_base, ulong out_at, int n, int per,
                       int first, int by_part, __local float *scratch)
{
    __global const float *dy = dy_base + dy_at, *x = x_base + x_at;
    lanes_t total = 0.0f;
    FOR_ELEMENTS(n, per)
    {
        total = fma(lanes_load(dy + i, left), lanes_load(x + i, left), total);
    }
    const float sum = group_sum(lanes_sum(total), scratch);
    if (get_local_id(0) == 0) { out_base[out_at + first + get_group_id(0) * by_part] = sum; }
}

/*
 * out[first + p·by_part + c] = Σ_i dy[i,c]·x[i,c] over rows p·per … of all: item (part, block) of an
 * NDRange [parts·blocks] has VW channels.
 */
__kernel void mix_columns(__global const float *dy_base, ulong dy_at, __global const float *x_base,
                          ulong x_at, __global float *out_base, ulong out_at, int rows, int C,
                          int per, int first, int by_part, int n_items)
{
    __global const float *dy = dy_base + dy_at, *x = x_base + x_at;
    const int item = get_global_id(0);
    if (item >= n_items) { return; }
    const int blocks = (C + VW - 1) / VW;
    const int part = item / blocks, c = (item - part * blocks) * VW, left = C - c;
    const int begin = part * per, end = min(rows, begin + per);
    lanes_t total = 0.0f;
    for (int row = begin; row < end; row++) {
        total = fma(lanes_load(dy + row * C + c, left), lanes_load(x + row * C + c, left), total);
    }
    lanes_store(total, out_base + out_at + first + part * by_part + c, left);
}

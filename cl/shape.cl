/*
 * shape.cl: sums of equal tensors, and copies of whole tensors or of their channels.
 *
 * NDRange [groups·L], elements or units as in walk.cl.
 */
#include "walk.cl"

/* Of a, b, c, d the first INPUTS count. */
#ifndef INPUTS
#define INPUTS 1
#endif

/* y[first + i] = a[i] + b[i] + c[i] + d[i], from the left; with -DMASK 0 where saved[i] ≤ 0. */
__kernel void add_inputs(__global const float *a, ulong a_at, __global const float *b, ulong b_at,
                         __global const float *c, ulong c_at, __global const float *d, ulong d_at,
                         __global const float *saved, ulong saved_at, __global float *y,
                         ulong y_at, int first, int n, int span)
{
    FOR_ELEMENTS(n, span)
    {
        lanes_t sum = lanes_load(a + a_at + i, left);
#if INPUTS > 1
        sum += lanes_load(b + b_at + i, left);
#endif
#if INPUTS > 2
        sum += lanes_load(c + c_at + i, left);
#endif
#if INPUTS > 3
        sum += lanes_load(d + d_at + i, left);
#endif
#ifdef MASK
        sum = lanes_load(saved + saved_at + i, left) <= (lanes_t)0.0f ? (lanes_t)0.0f : sum;
#endif
        lanes_store(sum, y + y_at + first + i, left);
    }
}

/* y[i, y_first + c] = x[i, x_first + c] for rows i and the walk's channels c; rows of x have x_C
 * channels, those of y y_C. */
__kernel void copy_channels(__global const float *x_base, ulong x_at, __global float *y_base,
                            ulong y_at, int x_C, int x_first, int y_C, int y_first, int n_units,
                            int units_per_pixel, int unit_channels, int span)
{
    __global const float *x = x_base + x_at + x_first;
    __global float *y = y_base + y_at + y_first;
    FOR_UNITS(u, n_units, span)
    {
        const int row = u / units_per_pixel;
        const int from = (u - row * units_per_pixel) * unit_channels;
        FOR_CHANNELS(from, unit_channels)
        {
            lanes_store(lanes_load(x + row * x_C + c, left), y + row * y_C + c, left);
        }
    }
}

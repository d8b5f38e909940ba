/*
 * multiply.cl: y[i] = a[i]·b[i]·c[i]·d[i], of which the first `inputs` count, from the left.
 *
 * NDRange [groups·L], elements as in walk.cl. a may be y.
 */
#include "walk.cl"

__kernel void multiply_inputs(__global const float *a, ulong a_at, __global const float *b,
                              ulong b_at, __global const float *c, ulong c_at,
                              __global const float *d, ulong d_at, __global float *y, ulong y_at,
                              int inputs, int n, int span)
{
    FOR_ELEMENTS(n, span)
    {
        lanes_t product = lanes_load(a + a_at + i, left) * lanes_load(b + b_at + i, left);
        if (inputs > 2) { product *= lanes_load(c + c_at + i, left); }
        if (inputs > 3) { product *= lanes_load(d + d_at + i, left); }
        lanes_store(product, y + y_at + i, left);
    }
}

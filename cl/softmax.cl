/*
 * softmax.cl: y[i,c] = exp(x[i,c] − max_c x) / Σ_c exp(…), and dx = y·(dy − Σ_c y·dy).
 *
 * x is [rows,C]. NDRange [groups·L], a unit is a row (walk.cl): rows are short, being class scores.
 */
#include "walk.cl"

__kernel void softmax_forward(__global const float *x_base, ulong x_at, __global float *y_base,
                              ulong y_at, int C, int rows, int span)
{
    FOR_UNITS(row, rows, span)
    {
        __global const float *x = x_base + x_at + row * C;
        __global float *y = y_base + y_at + row * C;
        float top = x[0], sum = 0.0f;
        for (int c = 1; c < C; c++) { top = fmax(top, x[c]); }
        for (int c = 0; c < C; c++) { sum += exp(x[c] - top); }
        for (int c = 0; c < C; c++) { y[c] = exp(x[c] - top) / sum; }
    }
}

__kernel void softmax_backward(__global const float *y_base, ulong y_at,
                               __global const float *dy_base, ulong dy_at,
                               __global float *dx_base, ulong dx_at, int C, int rows, int span)
{
    FOR_UNITS(row, rows, span)
    {
        __global const float *y = y_base + y_at + row * C, *dy = dy_base + dy_at + row * C;
        __global float *dx = dx_base + dx_at + row * C;
        float sum = 0.0f;
        for (int c = 0; c < C; c++) { sum = fma(y[c], dy[c], sum); }
        for (int c = 0; c < C; c++) { dx[c] = y[c] * (dy[c] - sum); }
    }
}

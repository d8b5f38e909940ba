/*
 * pick.cl: the gradient of some channels into all: dx[i,c] = dy[i, c − first] for the `count` channels
 * from `first` on, and 0 for the others.
 *
 * dx is [rows,C], dy [rows,count]. NDRange [groups·L], elements of dx as in walk.cl, lanes one by one.
 */
#include "walk.cl"

__kernel void pick_backward(__global const float *dy_base, ulong dy_at, __global float *dx_base,
                            ulong dx_at, int C, int first, int count, int n, int span)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(i, n, span)
    {
        const int row = i / C, c = i - row * C - first;
        dx[i] = c >= 0 && c < count ? dy[row * count + c] : 0.0f;
    }
}

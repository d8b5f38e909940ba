/*
 * gpu_softmax.cl: softmax.cl for rows of many numbers, on GPUs: a row is a team's (team.cl), whose
 * items read neighbouring numbers.
 *
 * x, y, dy, dx [rows,C]. NDRange [rows·TEAM, rounded up]; scratch: a float an item.
 */
#include "team.cl"

/* The row, or the last one for teams that have none, and whether there is one; first: the item's
 * first number in it. */
#define FIND_ROW                                                                                   \
    const int team = get_global_id(0) / TEAM, first = get_global_id(0) % TEAM;                     \
    const bool exists = team < rows;                                                               \
    const int row = min(team, rows - 1)

__kernel void gpu_softmax(__global const float *x, ulong x_at, __global float *y, ulong y_at, int C,
                          int rows, __local float *scratch)
{
    FIND_ROW;
    x += x_at + row * C;
    y += y_at + row * C;
    float top = -INFINITY, sum = 0.0f;
    for (int c = first; c < C; c += TEAM) { top = fmax(top, x[c]); }
    top = team_max(top, scratch);
    for (int c = first; c < C; c += TEAM) { sum += exp(x[c] - top); }
    sum = team_sum(sum, scratch);
    for (int c = first; exists && c < C; c += TEAM) { y[c] = exp(x[c] - top) / sum; }
}

__kernel void gpu_softmax_backward(__global const float *y, ulong y_at, __global const float *dy,
                                   ulong dy_at, __global float *dx, ulong dx_at, int C, int rows,
                                   __local float *scratch)
{
    FIND_ROW;
    y += y_at + row * C;
    dy += dy_at + row * C;
    dx += dx_at + row * C;
    float sum = 0.0f;
    for (int c = first; c < C; c += TEAM) { sum = fma(y[c], dy[c], sum); }
    sum = team_sum(sum, scratch);
    for (int c = first; exists && c < C; c += TEAM) { dx[c] = y[c] * (dy[c] - sum); }
}

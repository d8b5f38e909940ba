/*
 * conv_depthwise.cl: convolution with one channel a group (groups = C = K), and its gradients, with
 * channels as lanes. For CPUs; bound by reading x once per tap from the nearest cache.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,1,C]; y, dy [N,P,Q,C]. (sy,sx) stride, (ey,ex) dilation, (py,px)
 * padding before. flags: 1 add bias [C], 2 relu. One item a group.
 * Tunables: VW.
 */
#include "gemm_tile.cl"
#define ADD_BIAS 1
#define RELU 2

/* An item computes one row of y. NDRange [N·P]. */
__kernel ONE_ITEM void conv_depthwise(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    int H, int W, int C, int P, int Q, int R, int S, int sy, int sx, int ey, int ex, int py, int px,
    int flags)
{
    const int row = get_group_id(0), n = row / P, h0 = (row - n * P) * sy - py;
    x += x_at + n * H * W * C;
    y += y_at + row * Q * C;
    for (int c = 0; c < C; c += VW) {
        const int left = C - c;
        const vec_t start = flags & ADD_BIAS ? load_part(bias + bias_at + c, left) : (vec_t)(0.0f);
        for (int q = 0; q < Q; ++q) {
            vec_t sum = start;
            for (int r = 0; r < R; ++r) {
                const int h = h0 + r * ey;
                if (h < 0 || h >= H) { continue; }
                for (int s = 0; s < S; ++s) {
                    const int v = q * sx - px + s * ex;
                    if (v < 0 || v >= W) { continue; }
                    sum = fma(load_part(x + (h * W + v) * C + c, left),
                              load_part(w + w_at + (r * S + s) * C + c, left), sum);
                }
            }
            store_part(flags & RELU ? fmax(sum, (vec_t)(0.0f)) : sum, y + q * C + c, left);
        }
    }
}

/* An item computes one row of dx: each tap gives to every sx-th pixel. NDRange [N·H]. */
__kernel ONE_ITEM void conv_depthwise_data(
    __global const float *restrict dy, ulong dy_at, __global const float *restrict w, ulong w_at,
    __global float *restrict dx, ulong dx_at, int H, int W, int C, int P, int Q, int R, int S,
    int sy, int sx, int ey, int ex, int py, int px)
{
    const int row = get_group_id(0), n = row / H, h = row - n * H;
    dy += dy_at + n * P * Q * C;
    dx += dx_at + row * W * C;
    for (int c = 0; c < C; c += VW) {
        const int left = C - c;
        for (int v = 0; v < W; ++v) {
            vec_t sum = (vec_t)(0.0f);
            for (int r = 0; r < R; ++r) {
                const int p = (h + py - r * ey) / sy;
                if (p * sy != h + py - r * ey || p < 0 || p >= P) { continue; }
                for (int s = 0; s < S; ++s) {
                    const int q = (v + px - s * ex) / sx;
                    if (q * sx != v + px - s * ex || q < 0 || q >= Q) { continue; }
                    sum = fma(load_part(dy + (p * Q + q) * C + c, left),
                              load_part(w + w_at + (r * S + s) * C + c, left), sum);
                }
            }
            store_part(sum, dx + v * C + c, left);
        }
    }
}

/* Group g adds rows g·span … of dy into slab g [R,S,C]; conv_weights_sum adds the slabs. NDRange
 * [G, ⌈C/VW⌉]; rows = N·P. */
__kernel ONE_ITEM void conv_depthwise_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global float *restrict slabs, ulong slabs_at, int rows, int span, int H, int W, int C, int P,
    int Q, int R, int S, int sy, int sx, int ey, int ex, int py, int px)
{
    const int begin = get_group_id(0) * span, end = min(begin + span, rows);
    const int c = get_group_id(1) * VW, left = C - c;
    slabs += slabs_at + get_group_id(0) * R * S * C + c;
    for (int tap = 0; tap < R * S; ++tap) {
        const int r = tap / S, s = tap - r * S;
        vec_t total = (vec_t)(0.0f);
        for (int row = begin; row < end; ++row) {
            const int n = row / P, h = (row - n * P) * sy - py + r * ey;
            if (h < 0 || h >= H) { continue; }
            vec_t sum = (vec_t)(0.0f);
            for (int q = 0; q < Q; ++q) {
                const int v = q * sx - px + s * ex;
                if (v < 0 || v >= W) { continue; }
                sum = fma(load_part(x + x_at + ((n * H + h) * W + v) * C + c, left),
                          load_part(dy + dy_at + (row * Q + q) * C + c, left), sum);
            }
            total += sum;
        }
        store_part(total, slabs + tap * C, left);
    }
}

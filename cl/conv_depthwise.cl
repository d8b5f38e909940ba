/*
 * conv_depthwise.cl: convolution with one channel a group (groups = C = K), and its gradients, with
 * channels as lanes. For CPUs; bound by reading x once per tap from the nearest cache.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,1,C]; y, dy [N,P,Q,C]. (sy,sx) stride, (ey,ex) dilation, (py,px)
 * padding before. flags: 1 add bias [C], 2 relu. One item a group.
 * Tunables: VW.
 */
#include "gemm_tile.cl"

/* Of the taps at + i·dilation, those inside an axis of `extent`: first_tap ≤ i < end_tap. */
static inline int first_tap(int at, int dilation)
{
    return at < 0 ? (dilation - 1 - at) / dilation : 0;
}

static inline int end_tap(int at, int dilation, int extent, int taps)
{
    return clamp((extent - at + dilation - 1) / dilation, 0, taps);
}

/* Lanes c…c+VW−1 of one row of y; `full`: all of them exist. */
static inline void forward_row(__global const float *x, __global const float *w, vec_t start,
                               __global float *y, int left, bool full, int h0, int H, int W, int C,
                               int Q, int R, int S, int sx, int ey, int ex, int px, int activate)
{
    const int r0 = first_tap(h0, ey), r1 = end_tap(h0, ey, H, R);
    for (int q = 0; q < Q; ++q) {
        const int v0 = q * sx - px, s0 = first_tap(v0, ex), s1 = end_tap(v0, ex, W, S);
        vec_t sum = start;
        for (int r = r0; r < r1; ++r) {
            __global const float *a = x + ((h0 + r * ey) * W + v0 + s0 * ex) * C;
            __global const float *b = w + (r * S + s0) * C;
            for (int s = s0; s < s1; ++s, a += ex * C, b += C) {
                sum = full ? fma(VEC_LOAD(0, a), VEC_LOAD(0, b), sum)
                           : fma(load_part(a, left), load_part(b, left), sum);
            }
        }
        if (activate) { sum = relu(sum); }
        if (full) {
            VEC_WRITE(sum, 0, y + q * C);
        } else {
            store_part(sum, y + q * C, left);
        }
    }
}

/* An item computes one row of y. NDRange [N·P]. */
__kernel ONE_ITEM void conv_depthwise(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    int H, int W, int C, int P, int Q, int R, int S, int sy, int sx, int ey, int ex, int py, int px,
    int flags)
{
    const int row = get_group_id(0), n = row / P, h0 = (row - n * P) * sy - py;
    x += x_at + n * H * W * C;
    w += w_at;
    y += y_at + row * Q * C;
    for (int c = 0; c < C; c += VW) {
        const int left = C - c;
        const vec_t start = flags & ADD_BIAS ? load_part(bias + bias_at + c, left) : (vec_t)(0.0f);
        if (left >= VW) {
            forward_row(x + c, w + c, start, y + c, left, true, h0, H, W, C, Q, R, S, sx, ey, ex,
                        px, flags & RELU);
        } else {
            forward_row(x + c, w + c, start, y + c, left, false, h0, H, W, C, Q, R, S, sx, ey, ex,
                        px, flags & RELU);
        }
    }
}

/* Lanes of one row of dx: zeroed, then every tap adds to the pixels it reached. */
static inline void data_row(__global const float *dy, __global const float *w, __global float *dx,
                            int left, bool full, int h, int W, int C, int P, int Q, int R, int S,
                            int sy, int sx, int ey, int ex, int py, int px)
{
    for (int v = 0; v < W; ++v) { store_part((vec_t)(0.0f), dx + v * C, left); }
    for (int r = 0; r < R; ++r) {
        const int p = (h + py - r * ey) / sy;
        if (p * sy != h + py - r * ey || p < 0 || p >= P) { continue; }
        for (int s = 0; s < S; ++s) {
            const int v0 = s * ex - px; /* the pixel that output 0 saw */
            const int q0 = v0 < 0 ? (sx - 1 - v0) / sx : 0;
            const int q1 = min((W - v0 + sx - 1) / sx, Q);
            const vec_t b = load_part(w + (r * S + s) * C, left);
            __global const float *a = dy + (p * Q + q0) * C;
            __global float *o = dx + (v0 + q0 * sx) * C;
            for (int q = q0; q < q1; ++q, a += C, o += sx * C) {
                if (full) {
                    VEC_WRITE(fma(VEC_LOAD(0, a), b, VEC_LOAD(0, o)), 0, o);
                } else {
                    store_part(fma(load_part(a, left), b, load_part(o, left)), o, left);
                }
            }
        }
    }
}

/* An item computes one row of dx. NDRange [N·H]. */
__kernel ONE_ITEM void conv_depthwise_data(
    __global const float *restrict dy, ulong dy_at, __global const float *restrict w, ulong w_at,
    __global float *restrict dx, ulong dx_at, int H, int W, int C, int P, int Q, int R, int S,
    int sy, int sx, int ey, int ex, int py, int px)
{
    const int row = get_group_id(0), n = row / H, h = row - n * H;
    dy += dy_at + n * P * Q * C;
    w += w_at;
    dx += dx_at + row * W * C;
    for (int c = 0; c < C; c += VW) {
        const int left = C - c;
        if (left >= VW) {
            data_row(dy + c, w + c, dx + c, left, true, h, W, C, P, Q, R, S, sy, sx, ey, ex, py,
                     px);
        } else {
            data_row(dy + c, w + c, dx + c, left, false, h, W, C, P, Q, R, S, sy, sx, ey, ex, py,
                     px);
        }
    }
}

/* Group g adds rows g·span … of dy into slab g [R,S,C]; conv_weights_sum adds the slabs. A row is
 * summed before it is added. NDRange [G, ⌈C/VW⌉]; rows = N·P. */
__kernel ONE_ITEM void conv_depthwise_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global float *restrict slabs, ulong slabs_at, int rows, int span, int H, int W, int C, int P,
    int Q, int R, int S, int sy, int sx, int ey, int ex, int py, int px)
{
    const int begin = get_group_id(0) * span, end = min(begin + span, rows);
    const int c = get_group_id(1) * VW, left = C - c;
    x += x_at + c;
    dy += dy_at + c;
    slabs += slabs_at + get_group_id(0) * R * S * C + c;
    for (int tap = 0; tap < R * S; ++tap) { store_part((vec_t)(0.0f), slabs + tap * C, left); }
    for (int row = begin; row < end; ++row) {
        const int n = row / P, h0 = (row - n * P) * sy - py;
        for (int tap = 0; tap < R * S; ++tap) {
            const int r = tap / S, h = h0 + r * ey, v0 = (tap - r * S) * ex - px;
            if (h < 0 || h >= H) { continue; }
            const int q0 = v0 < 0 ? (sx - 1 - v0) / sx : 0;
            const int q1 = min((W - v0 + sx - 1) / sx, Q);
            __global const float *a = x + ((n * H + h) * W + v0 + q0 * sx) * C;
            __global const float *b = dy + (row * Q + q0) * C;
            vec_t sum = (vec_t)(0.0f);
            if (left >= VW) {
                for (int q = q0; q < q1; ++q, a += sx * C, b += C) {
                    sum = fma(VEC_LOAD(0, a), VEC_LOAD(0, b), sum);
                }
            } else {
                for (int q = q0; q < q1; ++q, a += sx * C, b += C) {
                    sum = fma(load_part(a, left), load_part(b, left), sum);
                }
            }
            __global float *slab = slabs + tap * C;
            store_part(load_part(slab, left) + sum, slab, left);
        }
    }
}

/*
 * gpu_depthwise.cl: convolution with one channel a group (groups = C = K), and its gradients, for
 * GPUs; bound by reading and writing the images once.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,1,C]; y, dy [N,P,Q,C]. (sy,sx) stride, (ey,ex) dilation, (py,px)
 * padding before. An item does VW channels of COLUMNS pixels of a row, so that it reads a weight
 * once for all; neighbours have neighbouring channels. Where a stride is 1 nothing is divided per
 * tap. NDRange [items, rounded up].
 * flags: 1 add bias [C], 2 relu, 4 mask: where `bias` [N,H,W,C] is ≤ 0, dx is 0.
 * Tunables: VW = 1 or 4 (then C is a multiple of 4); COLUMNS; TAPS = S, of the gradient to w.
 */
#ifndef VW
#define VW 1
#endif
#ifndef COLUMNS
#define COLUMNS 4
#endif
#ifndef TAPS
#define TAPS 3
#endif
#if VW == 4
typedef float4 lanes_t;
#else
typedef float lanes_t;
#endif
#define LOAD(p) (*(__global const lanes_t *)(p))
#define STORE(v, p) (*(__global lanes_t *)(p) = (v))
#define UNROLL _Pragma("unroll")
#define ADD_BIAS 1
#define RELU 2
#define MASK 4

/* The item's channel c, its first column, its row of the whole batch, and the image n. */
#define FIND_ROW(height, width, row, column)                                                       \
    const int item = get_global_id(0);                                                             \
    if (item >= items) { return; }                                                                 \
    const int rest = item / (C / VW), c = (item - rest * (C / VW)) * VW;                           \
    const int blocks = ((width) + COLUMNS - 1) / COLUMNS, line = rest / blocks;                    \
    const int column = (rest - line * blocks) * COLUMNS, n = line / (height);                      \
    const int row = line - n * (height)

__kernel void gpu_depthwise(__global const float *restrict x, ulong x_at,
                            __global const float *restrict w, ulong w_at,
                            __global const float *restrict bias, ulong bias_at,
                            __global float *restrict y, ulong y_at, int items, int H, int W, int C,
                            int P, int Q, int R, int S, int sy, int sx, int ey, int ex, int py,
                            int px, int flags)
{
    FIND_ROW(P, Q, p, q0);
    lanes_t sum[COLUMNS];
    UNROLL for (int i = 0; i < COLUMNS; ++i)
    {
        sum[i] = flags & ADD_BIAS ? LOAD(bias + bias_at + c) : (lanes_t)(0.0f);
    }
    for (int r = 0; r < R; ++r) {
        const int h = p * sy - py + r * ey;
        if ((uint)h >= (uint)H) { continue; }
        __global const float *from = x + x_at + (n * H + h) * W * C + c;
        for (int s = 0; s < S; ++s) {
            const lanes_t b = LOAD(w + w_at + (r * S + s) * C + c);
            UNROLL for (int i = 0; i < COLUMNS; ++i)
            {
                const int v = (q0 + i) * sx - px + s * ex;
                if ((uint)v < (uint)W) { sum[i] = fma(LOAD(from + v * C), b, sum[i]); }
            }
        }
    }
    y += y_at + (line * Q + q0) * C + c;
    UNROLL for (int i = 0; i < COLUMNS; ++i)
    {
        lanes_t v = sum[i];
        if (flags & RELU) { v = v < (lanes_t)(0.0f) ? (lanes_t)(0.0f) : v; }
        if (q0 + i < Q) { STORE(v, y + i * C); }
    }
}

/* The output on an axis that saw a pixel by a tap, with at = pixel + padding − tap·dilation; −1:
 * none did. */
static inline int output_of(int at, int stride, int outputs)
{
    const int p = stride == 1 || at < 0 ? at : at / stride;
    return p * stride == at && (uint)p < (uint)outputs ? p : -1;
}

__kernel void gpu_depthwise_data(__global const float *restrict dy, ulong dy_at,
                                 __global const float *restrict w, ulong w_at,
                                 __global const float *restrict bias, ulong bias_at,
                                 __global float *restrict dx, ulong dx_at, int items, int H, int W,
                                 int C, int P, int Q, int R, int S, int sy, int sx, int ey, int ex,
                                 int py, int px, int flags)
{
    FIND_ROW(H, W, h, v0);
    lanes_t sum[COLUMNS];
    UNROLL for (int i = 0; i < COLUMNS; ++i) { sum[i] = (lanes_t)(0.0f); }
    for (int r = 0; r < R; ++r) {
        const int p = output_of(h + py - r * ey, sy, P);
        if (p < 0) { continue; }
        __global const float *from = dy + dy_at + (n * P + p) * Q * C + c;
        for (int s = 0; s < S; ++s) {
            const lanes_t b = LOAD(w + w_at + (r * S + s) * C + c);
            UNROLL for (int i = 0; i < COLUMNS; ++i)
            {
                const int q = output_of(v0 + i + px - s * ex, sx, Q);
                if (q >= 0) { sum[i] = fma(LOAD(from + q * C), b, sum[i]); }
            }
        }
    }
    const long to = (long)(line * W + v0) * C + c;
    UNROLL for (int i = 0; i < COLUMNS; ++i)
    {
        if (v0 + i >= W) { continue; }
        lanes_t v = sum[i];
        if (flags & MASK) {
            v = LOAD(bias + bias_at + to + i * C) <= (lanes_t)(0.0f) ? (lanes_t)(0.0f) : v;
        }
        STORE(v, dx + dx_at + to + i * C);
    }
}

/* Slab g [R,TAPS,C] sums rows g·span … of dy; an item does a row of taps, for VW channels. Adding
 * the slabs up is a kernel of its own. rows = N·P. */
__kernel void gpu_depthwise_weights(__global const float *restrict x, ulong x_at,
                                    __global const float *restrict dy, ulong dy_at,
                                    __global float *restrict slabs, ulong slabs_at, int items,
                                    int rows, int span, int H, int W, int C, int P, int Q, int R,
                                    int sy, int sx, int ey, int ex, int py, int px)
{
    const int item = get_global_id(0);
    if (item >= items) { return; }
    const int rest = item / (C / VW), c = (item - rest * (C / VW)) * VW;
    const int slab = rest / R, r = rest - slab * R;
    const int begin = slab * span, end = min(begin + span, rows);
    lanes_t sum[TAPS];
    UNROLL for (int s = 0; s < TAPS; ++s) { sum[s] = (lanes_t)(0.0f); }
    int n = begin / P, p = begin - n * P;
    for (int row = begin; row < end; ++row) {
        const int h = p * sy - py + r * ey;
        __global const float *from = x + x_at + (n * H + h) * W * C + c;
        __global const float *d = dy + dy_at + row * Q * C + c;
        for (int q = 0; q < Q && (uint)h < (uint)H; ++q) {
            const lanes_t b = LOAD(d + q * C);
            UNROLL for (int s = 0; s < TAPS; ++s)
            {
                const int v = q * sx - px + s * ex;
                if ((uint)v < (uint)W) { sum[s] = fma(LOAD(from + v * C), b, sum[s]); }
            }
        }
        if (++p == P) {
            p = 0;
            ++n;
        }
    }
    slabs += slabs_at + (slab * R + r) * TAPS * C + c;
    UNROLL for (int s = 0; s < TAPS; ++s) { STORE(sum[s], slabs + s * C); }
}

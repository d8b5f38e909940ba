/*
 * conv_narrow.cl: convolution with few channels out, and the gradient to an input of few channels,
 * with the terms of the sum as lanes. For CPUs.
 *
 *   y[n,p,q,k] = b[k] + Σ_{r,s,c} x[n, p·sy − py + r·ey, q·sx − px + s·ex, c] · w[r,s,k,c]
 *
 * x [N,IH,IW,IC], y [N,OH,OW,OC]; w [R,S,OC,IC] is the weights of the way back as they lie, and
 * those of the way forward turned (conv_direct_turn). With BACK x is dy and y is dx.
 *
 * A tile is TQ outputs × COLS channels of sums in registers, a vector each, whose lanes are added
 * at the end.
 *
 * NDRange [N·OH], one item a group: a row of y.
 * flags: 1 add bias [OC], 2 relu, 32 zero where mask, of y's shape, is ≤ 0, 64 back.
 * Tunables: VW; COLS channels of a tile, 1 to 4.
 */
#include "conv_axis.cl"
#ifndef COLS
#define COLS 4
#endif
#define MASK 32
#define BACK 64
#define TQ 4

/* The lanes' sum, as a tree. */
static INLINED float sum_lanes(vec_t v)
{
#if VW == 16
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
#elif VW == 8
    const float4 b = v.lo + v.hi;
#else
    const float4 b = v;
#endif
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* Taps of one or TQ outputs: x and w at the first tap, and the steps from tap to tap in them; in w
 * each channel's terms are `terms` long. */
struct taps {
    __global const float *x, *w;
    int rows, columns, terms;
    int x_row, x_column, w_row, w_column;
};

static INLINED void add_terms(vec_t *sum, int n, int to_next, __global const float *x,
                              __global const float *const *w, int at, int left)
{
    vec_t a[TQ];
    UNROLL for (int i = 0; i < n; ++i) { a[i] = load_part(x + i * to_next + at, left); }
    UNROLL for (int k = 0; k < COLS; ++k)
    {
        const vec_t b = load_part(w[k] + at, left);
        UNROLL for (int i = 0; i < n; ++i)
        {
            sum[i * COLS + k] = fma(a[i], b, sum[i * COLS + k]);
        }
    }
}

/* Channels k0…k0+COLS−1 of n outputs (a constant, once inlined); beyond `channels`, the last one
 * again. */
static INLINED void add_taps(vec_t *sum, int n, int to_next, struct taps t, int k0, int channels)
{
    for (int r = 0; r < t.rows; ++r) {
        for (int s = 0; s < t.columns; ++s) {
            __global const float *x = t.x + r * t.x_row + s * t.x_column, *w[COLS];
            UNROLL for (int k = 0; k < COLS; ++k)
            {
                w[k] = t.w + r * t.w_row + s * t.w_column + min(k0 + k, channels - 1) * t.terms;
            }
            int at = 0;
            for (; at + VW <= t.terms; at += VW) { add_terms(sum, n, to_next, x, w, at, VW); }
            if (at < t.terms) { add_terms(sum, n, to_next, x, w, at, t.terms - at); }
        }
    }
}

/* What becomes of a sum. */
struct finish {
    __global const float *bias, *mask; /* mask beside y */
    int flags, channels;
};

/* y and mask at `at`, `apart` from output to output. */
static INLINED void make_outputs(struct taps t, int n, int to_next, struct finish f,
                                 __global float *y, int at, int apart)
{
    for (int k0 = 0; k0 < f.channels; k0 += COLS) {
        vec_t sum[TQ * COLS];
        float total[TQ * COLS];
        UNROLL for (int i = 0; i < n * COLS; ++i) { sum[i] = (vec_t)(0.0f); }
        add_taps(sum, n, to_next, t, k0, f.channels);
        UNROLL for (int i = 0; i < n * COLS; ++i) { total[i] = sum_lanes(sum[i]); }
        for (int i = 0; i < n; ++i) {
            for (int k = k0; k < min(k0 + COLS, f.channels); ++k) {
                const int to = at + i * apart + k;
                float v = total[i * COLS + k - k0];
                if (f.flags & ADD_BIAS) { v += f.bias[k]; }
                if ((f.flags & RELU) && v < 0.0f) { v = 0.0f; }
                if ((f.flags & MASK) && f.mask[to] <= 0.0f) { v = 0.0f; }
                y[to] = v;
            }
        }
    }
}

__kernel ONE_ITEM void conv_narrow(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global const float *restrict mask,
    ulong mask_at, __global float *restrict y, ulong y_at, int IH, int IW, int IC, int OH, int OW,
    int OC, int R, int S, int sy, int sx, int ey, int ex, int py, int px, int flags)
{
    const bool back = flags & BACK;
    const int row = get_group_id(0), n = row / OH, o = row - n * OH;
    const struct axis rows = back ? backward_axis(o % sy, R, sy, ey, py, IH)
                                  : forward_axis(R, sy, ey, py, IH);
    const int place = back ? o / sy : o, apart = back ? sx : 1;
    const int2 r = seen_taps(rows, place);
    const struct finish f = {bias + bias_at, mask + mask_at + row * OW * OC, flags, OC};
    x += x_at + ((n * IH + rows.at + place * rows.move + r.x * rows.apart) * IW) * IC;
    w += w_at + (rows.first + r.x * rows.step) * S * OC * IC;
    y += y_at + row * OW * OC;
    for (int class = 0; class < apart; ++class) {
        const struct axis columns = back ? backward_axis(class, S, sx, ex, px, IW)
                                         : forward_axis(S, sx, ex, px, IW);
        const int count = (OW - class + apart - 1) / apart, to_next = columns.move * IC;
        const int2 inner = inner_outputs(columns, count);
        for (int i = 0, step; i < count; i += step) {
            const bool many = inner.x <= i && i + TQ <= inner.y;
            const int2 s = many ? (int2)(0, columns.taps) : seen_taps(columns, i);
            const struct taps taps = {
                x + (columns.at + i * columns.move + s.x * columns.apart) * IC,
                w + (columns.first + s.x * columns.step) * OC * IC,
                r.y - r.x,
                s.y - s.x,
                IC,
                rows.apart * IW * IC,
                columns.apart * IC,
                rows.step * S * OC * IC,
                columns.step * OC * IC};
            const int at = (class + i * apart) * OC;
            step = many ? TQ : 1;
            if (many) {
                make_outputs(taps, TQ, to_next, f, y, at, apart * OC);
            } else {
                make_outputs(taps, 1, to_next, f, y, at, apart * OC);
            }
        }
    }
}

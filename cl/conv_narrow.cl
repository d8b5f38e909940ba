/*
 * conv_narrow.cl: convolution with few channels out, and the gradient to an input of few channels,
 * with the terms of the sum as lanes. For CPUs.
 *
 *   y[n,p,q,k] = b[k] + Σ_{r,s,c} x[n, p·sy − py + r·ey, q·sx − px + s·ex, c] · w[r,s,k,c]
 *
 * x [N,IH,IW,IC], y [N,OH,OW,OC]; w [R,S,OC,IC] is the weights of the way back as they lie, and
 * those of the way forward turned (conv_direct_turn). With BACK x is dy and y is dx.
 *
 * A tile is TQ outputs × COLS channels of sums in registers, a vector each. Where outputs and taps
 * both go by one column, a vector of x is loaded once for TS taps side by side and the outputs that
 * see it. In the end VW vectors become the sums of their lanes at once, by a tree that halves them;
 * these wait in Y until the row is made.
 *
 * NDRange [N·⌈OH / span⌉], one item a group: `span` rows of an image of y.
 * flags: 1 add bias [OC], 2 relu, 32 zero where mask, of y's shape, is ≤ 0, 64 back.
 * Tunables: VW; IC, OC, so that steps are constants, or each would take a register; COLS channels
 * of a tile, 1 to 4; TQ, with TQ·COLS ≤ VW; TS; Y_FLOATS, which OC numbers for each output of a row
 * fit.
 */
#include "conv_axis.cl"
#ifndef IC
#define IC 16
#endif
#ifndef OC
#define OC 1
#endif
#ifndef COLS
#define COLS 1
#endif
#ifndef TQ
#define TQ (VW / COLS)
#endif
#ifndef TS
#define TS 3
#endif
#ifndef Y_FLOATS
#define Y_FLOATS 4096
#endif
#define AHEAD 4 /* rows of taps, the first of which later rows of y need */
#define MASK 32
#define BACK 64

/* The sums of p's first and last halves, then of q's; of their halves' halves; and so on. Of vectors
 * of VW numbers, so that what is wider is not met. */
#define BY_1(p, q) ((vec_t)(p.even, q.even) + (vec_t)(p.odd, q.odd))
#if VW == 16
#define BY_8(p, q) ((vec_t)(p.lo, q.lo) + (vec_t)(p.hi, q.hi))
#define BY_4(p, q) ((vec_t)(p.s012389ab, q.s012389ab) + (vec_t)(p.s4567cdef, q.s4567cdef))
#define BY_2(p, q) ((vec_t)(p.s014589cd, q.s014589cd) + (vec_t)(p.s2367abef, q.s2367abef))
#elif VW == 8
#define BY_8(p, q) p
#define BY_4(p, q) ((vec_t)(p.lo, q.lo) + (vec_t)(p.hi, q.hi))
#define BY_2(p, q) ((vec_t)(p.s0145, q.s0145) + (vec_t)(p.s2367, q.s2367))
#else
#define BY_8(p, q) p
#define BY_4(p, q) p
#define BY_2(p, q) ((vec_t)(p.lo, q.lo) + (vec_t)(p.hi, q.hi))
#endif

/* Lane i is the sum of a[i]'s lanes. The loop inside has a constant number of turns, or it would
 * stay a loop, and the sums memory. */
static INLINED vec_t sum_lanes(vec_t *a)
{
    UNROLL for (int n = VW / 2; n > 0; n /= 2)
    {
        UNROLL for (int i = 0; i < VW / 2; ++i)
        {
            const vec_t p = a[2 * i], q = a[2 * i + 1];
            const vec_t sum = n == 8   ? BY_8(p, q)
                              : n == 4 ? BY_4(p, q)
                              : n == 2 ? BY_2(p, q)
                                       : BY_1(p, q);
            if (i < n) { a[i] = sum; }
        }
    }
    return a[0];
}

/* Taps of a tile: x and w at the first of them. */
struct taps {
    __global const float *x, *w;
    int rows, x_row, w_row;
    int columns, x_column, w_column;
    int at, move, apart, extent; /* of the columns, as in struct axis */
};

/* Adds VW terms, or `left`, of taps s … s + n − 1 of a row (n a constant, once inlined). near, a
 * constant too: only the first and the last TS − 1 columns can be outside. */
static INLINED void add_terms(vec_t *sum, int n, bool near, struct taps t, bool slides,
                              __global const float *x, __global const float *w, int at, int left)
{
    vec_t b[TS * COLS];
    UNROLL for (int i = 0; i < n; ++i)
    {
        UNROLL for (int k = 0; k < COLS; ++k)
        {
            b[i * COLS + k] = load_part(w + i * t.w_column + k * IC, left);
        }
    }
    UNROLL for (int j = 0; j < TQ + n - 1; ++j)
    {
        const int column = slides ? j : j * t.move;
        const bool inside = near && j >= TS - 1 && j < TQ;
        if (inside || (uint)(at + column) < (uint)t.extent) {
            const vec_t a = load_part(x + column * IC, left);
            FETCH_EARLY(x + column * IC + AHEAD * t.x_row);
            UNROLL for (int i = 0; i < n; ++i)
            {
                UNROLL for (int k = 0; k < COLS; ++k)
                {
                    const int q = j - i;
                    if (q >= 0 && q < TQ) {
                        sum[q * COLS + k] = fma(a, b[i * COLS + k], sum[q * COLS + k]);
                    }
                }
            }
        }
    }
}

/* Taps s … s + n − 1 of all rows. */
static INLINED void add_columns(vec_t *sum, int n, bool near, struct taps t, bool slides, int s)
{
    const int at = t.at + s * t.apart;
    __global const float *x = t.x + s * t.x_column, *w = t.w + s * t.w_column;
    for (int r = 0; r < t.rows; ++r, x += t.x_row, w += t.w_row) {
        for (int c = 0; c + VW <= IC; c += VW) {
            add_terms(sum, n, near, t, slides, x + c, w + c, at, VW);
        }
        if (IC % VW) {
            add_terms(sum, n, near, t, slides, x + IC / VW * VW, w + IC / VW * VW, at, IC % VW);
        }
    }
}

static INLINED void add_taps(vec_t *sum, bool near, struct taps t)
{
    int s = 0;
    if (t.move == 1 && t.apart == 1) {
        for (; s + TS <= t.columns; s += TS) {
            add_columns(sum, TS, near, t, true, s);
        }
        if (TS > 2 && s + TS - 1 == t.columns) {
            add_columns(sum, TS - 1, near, t, true, s);
            s = t.columns;
        }
    }
    for (; s < t.columns; ++s) {
        add_columns(sum, 1, near, t, false, s);
    }
}

/* VW numbers of y, from Y. */
static INLINED void write_numbers(const float *Y, __global const float *mask, __global float *y,
                                  int flags)
{
    const float floor = flags & RELU ? 0.0f : -INFINITY;
    vec_t v = VEC_LOAD(0, Y);
    v = v < (vec_t)(floor) ? (vec_t)(floor) : v;
    if (flags & MASK) { v = VEC_LOAD(0, mask) <= (vec_t)(0.0f) ? (vec_t)(0.0f) : v; }
    VEC_WRITE(v, 0, y);
}

/* Whether only the first and the last TS − 1 columns of a tile can be outside, for each group of
 * taps side by side, of which the last begins at `last`. */
static INLINED bool is_near(struct taps t)
{
    const int last = t.columns - (t.columns % TS == 0 ? TS : 1);
    return t.move == 1 && t.apart == 1 && t.at + TS - 1 >= 0 && t.at + last + TQ <= t.extent;
}

/* Numbers of a row of y that are `apart` outputs from each other, from Y, one behind the other. */
static INLINED void write_row(const float *Y, int count, int apart, __global const float *mask,
                              __global float *y, int flags)
{
    const float floor = flags & RELU ? 0.0f : -INFINITY;
    const int numbers = count * OC;
    int i = 0;
    if (apart == 1 && numbers >= VW) {
        for (; i + VW <= numbers; i += VW) { write_numbers(Y + i, mask + i, y + i, flags); }
        if (i < numbers) {
            i = numbers - VW;
            write_numbers(Y + i, mask + i, y + i, flags);
        }
        return;
    }
    for (; i < numbers; ++i) {
        const int to = i / OC * apart * OC + i % OC;
        const float v = Y[i] < floor ? floor : Y[i];
        y[to] = flags & MASK && mask[to] <= 0.0f ? 0.0f : v;
    }
}

/* A row of outputs of a class of columns to Y. t: at output 0 of the class. */
static INLINED void make_row(float *Y, int count, struct taps t, __global const float *bias,
                             int flags)
{
    for (int block = 0; block < OC; block += COLS) {
        const int k0 = min(block, OC - COLS);
        float start[VW];
        for (int i = 0; i < VW; ++i) { start[i] = flags & ADD_BIAS ? bias[k0 + i % COLS] : 0.0f; }
        for (int q = 0; q < count; q += TQ) {
            struct taps tile = t;
            tile.at += q * t.move;
            tile.x += q * t.move * IC;
            tile.w += k0 * IC;
            vec_t sum[VW];
            UNROLL for (int i = 0; i < VW; ++i) { sum[i] = (vec_t)(0.0f); }
            if (is_near(tile)) {
                add_taps(sum, true, tile);
            } else {
                add_taps(sum, false, tile);
            }
            const vec_t total = sum_lanes(sum) + VEC_LOAD(0, start);
            if (OC == COLS) {
                VEC_STORE(total, 0, Y + q * OC);
            } else {
                float v[VW];
                VEC_STORE(total, 0, v);
                for (int i = 0; i < TQ * COLS; ++i) {
                    Y[(q + i / COLS) * OC + k0 + i % COLS] = v[i];
                }
            }
        }
    }
}

__kernel ONE_ITEM void conv_narrow(__global const float *restrict x, ulong x_at,
                                   __global const float *restrict w, ulong w_at,
                                   __global const float *restrict bias, ulong bias_at,
                                   __global const float *restrict mask, ulong mask_at,
                                   __global float *restrict y, ulong y_at, int span, int IH, int IW,
                                   int OH, int OW, int R, int S, int sy, int sx, int ey, int ex,
                                   int py, int px, int flags)
{
    float Y[Y_FLOATS + TQ * OC + VW];
    const bool back = flags & BACK;
    const int spans = (OH + span - 1) / span, n = get_group_id(0) / spans;
    const int begin = (get_group_id(0) - n * spans) * span, end = min(begin + span, OH);
    const int apart = back ? sx : 1;
    x += x_at + n * IH * IW * IC;
    w += w_at;
    y += y_at + n * OH * OW * OC;
    mask += mask_at + n * OH * OW * OC;
    bias += bias_at;
    for (int class = 0; class < apart; ++class) {
        const struct axis columns = back ? ascending(backward_axis(class, S, sx, ex, px, IW))
                                         : forward_axis(S, sx, ex, px, IW);
        const int count = (OW - class + apart - 1) / apart;
        struct axis rows = forward_axis(R, sy, ey, py, IH);
        for (int o = begin; o < end; ++o) {
            if (back && (o == begin || sy > 1)) {
                rows = ascending(backward_axis(o % sy, R, sy, ey, py, IH));
            }
            const int place = back && sy > 1 ? o / sy : o;
            const int2 r = seen_taps(rows, place);
            const int row = rows.at + place * rows.move + r.x * rows.apart;
            const struct taps taps = {
                x + (row * IW + columns.at) * IC,
                w + ((rows.first + r.x * rows.step) * S + columns.first) * OC * IC,
                r.y - r.x,
                rows.apart * IW * IC,
                rows.step * S * OC * IC,
                columns.taps,
                columns.apart * IC,
                columns.step * OC * IC,
                columns.at,
                columns.move,
                columns.apart,
                columns.extent};
            const int to = (o * OW + class) * OC;
            make_row(Y, count, taps, bias, flags);
            write_row(Y, count, apart, mask + to, y + to, flags);
        }
    }
}

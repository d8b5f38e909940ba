/*
 * conv_depthwise.cl: convolution with one channel a group (groups = C = K), and its gradients, with
 * channels as lanes. For CPUs; bound by reading x and writing y.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,1,C]; y, dy [N,P,Q,C]; db [C]. (sy,sx) stride, (ey,ex) dilation,
 * (py,px) padding before. One item a group. Tunables: VW.
 */
#include "conv_axis.cl"
#define MASK 32
#define BACK 64
#define DBIAS 128
#define PAST 256
#define TQ (VW == 16 ? 8 : 4) /* outputs of a tile: each weight is loaded once for them */
#define TS 3 /* taps of a row: each number of dy is loaded once for them */

/* Outputs side by side in a row, and the taps that they see: x and w at the
 * first tap of the first output, and the steps in them. */
struct taps {
    __global const float *x, *w;
    int rows, x_row, w_row;
    int columns, x_column, w_column;
    int outputs, to_next;
    int at, move, apart, extent; /* of the columns, as in struct axis */
    bool whole;                  /* as many as can be, and all see every column of taps */
};

/* Where a row of outputs, with its rows of taps, finds its numbers: x and w at the first of them,
 * x_pixel numbers a pixel, w_tap a tap. */
struct taps_row {
    __global const float *x, *w;
    int rows, x_row, w_row;
    int x_pixel, w_tap;
};

/* Outputs i, i + 1 … of `count`, `most` of them; inner: those that see all columns. */
static INLINED struct taps taps_at(struct taps_row row, struct axis columns, int2 inner, int i,
                                   int count, int most)
{
    const int at = columns.at + i * columns.move;
    return (struct taps){row.x + at * row.x_pixel,
                         row.w + columns.first * row.w_tap,
                         row.rows,
                         row.x_row,
                         row.w_row,
                         columns.taps,
                         columns.apart * row.x_pixel,
                         columns.step * row.w_tap,
                         min(count - i, most),
                         columns.move * row.x_pixel,
                         at,
                         columns.move,
                         columns.apart,
                         columns.extent,
                         inner.x <= i && i + most <= inner.y};
}

/* Whether output i of them sees column s of the taps. */
static INLINED bool sees(struct taps t, int i, int s)
{
    return (uint)(t.at + i * t.move + s * t.apart) < (uint)t.extent;
}

/* whole, a constant once inlined: as in struct taps. */
static INLINED void add_taps(vec_t *sum, bool whole, struct taps t, int left)
{
    for (int r = 0; r < t.rows; ++r) {
        __global const float *x = t.x + r * t.x_row, *w = t.w + r * t.w_row;
        for (int s = 0; s < t.columns; ++s, x += t.x_column, w += t.w_column) {
            const vec_t b = load_part(w, left);
            UNROLL for (int i = 0; i < TQ; ++i)
            {
                if (whole || sees(t, i, s)) {
                    sum[i] = fma(load_part(x + i * t.to_next, left), b, sum[i]);
                }
            }
        }
    }
}

/* Of three taps side by side that step as outputs do, or the other way: each number of x is loaded
 * once for all of them; what is outside is 0. whole and turned are constants once inlined. */
static INLINED void add_three(vec_t *sum, bool whole, bool turned, struct taps t, int left)
{
    const int first = turned ? -2 : 0;
    for (int r = 0; r < t.rows; ++r) {
        __global const float *x = t.x + r * t.x_row, *w = t.w + r * t.w_row;
        vec_t v[TQ + 2];
        UNROLL for (int j = 0; j < TQ + 2; ++j)
        {
            v[j] = (vec_t)(0.0f);
            if (whole || (uint)(t.at + (first + j) * t.move) < (uint)t.extent) {
                v[j] = load_part(x + (first + j) * t.to_next, left);
            }
        }
        UNROLL for (int s = 0; s < 3; ++s)
        {
            const vec_t b = load_part(w + s * t.w_column, left);
            UNROLL for (int i = 0; i < TQ; ++i)
            {
                sum[i] = fma(v[turned ? i - s + 2 : i + s], b, sum[i]);
            }
        }
    }
}

static INLINED void add_columns(vec_t *sum, bool whole, struct taps t, int left)
{
    if (t.columns == 3 && t.x_column == t.to_next) {
        add_three(sum, whole, false, t, left);
    } else if (t.columns == 3 && t.x_column == -t.to_next) {
        add_three(sum, whole, true, t, left);
    } else {
        add_taps(sum, whole, t, left);
    }
}

/* What becomes of VW lanes of an output. */
struct finish {
    __global const float *bias, *mask; /* mask beside y */
    int flags;
    bool past; /* whole vectors are written past the caches */
};

static INLINED void write_output(vec_t sum, struct finish f, int at, __global float *y, int left)
{
    const vec_t zero = (vec_t)(0.0f);
    if (f.flags & RELU) { sum = relu(sum); }
    if (f.flags & MASK) { sum = load_part(f.mask + at, left) <= zero ? zero : sum; }
    if (f.past) {
        VEC_WRITE_PAST(sum, y + at);
    } else {
        store_part(sum, y + at, left);
    }
}

/* All channels of the outputs; y and mask at `at`, `apart` from output to output. `ahead` of the
 * first tap x is wanted soon. */
static INLINED void make_outputs(struct taps t, bool whole, struct finish f, __global float *y,
                                 int at, int apart, int C, int ahead)
{
    for (int c = 0; c < C; c += VW, t.x += VW, t.w += VW) {
        const int left = C - c;
        vec_t sum[TQ];
        const vec_t start = f.flags & ADD_BIAS ? load_part(f.bias + c, left) : (vec_t)(0.0f);
        UNROLL for (int i = 0; i < TQ; ++i)
        {
            sum[i] = start;
            FETCH_EARLY(t.x + ahead + i * t.to_next);
        }
        if (left >= VW) {
            add_columns(sum, whole, t, VW);
        } else {
            add_columns(sum, whole, t, left);
        }
        UNROLL for (int i = 0; i < TQ; ++i)
        {
            if (whole || i < t.outputs) { write_output(sum[i], f, at + i * apart + c, y, left); }
        }
    }
}

/*
 * An item computes one row of the output: forward from x [N,IH,IW,C], or with BACK dx from dy.
 * NDRange [N·OH]. flags: 1 add bias [C], 2 relu, 32 zero where mask, of the output's shape, is ≤ 0,
 * 64 back, 256 the output is too large for the caches: write past them.
 */
__kernel ONE_ITEM_WHOLE void conv_depthwise(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global const float *restrict mask,
    ulong mask_at, __global float *restrict y, ulong y_at, int IH, int IW, int C, int OH, int OW,
    int R, int S, int sy, int sx, int ey, int ex, int py, int px, int flags)
{
    const bool back = flags & BACK;
    const int row = get_group_id(0), n = row / OH, o = row - n * OH;
    const struct axis rows = back ? backward_axis(o % sy, R, sy, ey, py, IH)
                                  : forward_axis(R, sy, ey, py, IH);
    const int place = back ? o / sy : o, apart = back ? sx : 1;
    const int2 r = seen_taps(rows, place);
    y += y_at + row * OW * C;
    const bool past = (flags & PAST) && C % VW == 0 && (size_t)y % sizeof(vec_t) == 0;
    const struct finish f = {bias + bias_at, mask + mask_at + row * OW * C, flags, past};
    const struct taps_row taps_row = {
        x + x_at + ((n * IH + rows.at + place * rows.move + r.x * rows.apart) * IW) * C,
        w + w_at + (rows.first + r.x * rows.step) * S * C,
        r.y - r.x,
        rows.apart * IW * C,
        rows.step * S * C,
        C,
        C};
    /* From the last row of x, where the next row of outputs will read. */
    const int ahead = ((r.y - r.x - 1) * max(rows.apart, 0) + (back ? 1 : sy)) * IW * C;
    for (int class = 0; class < apart; ++class) {
        const struct axis columns = back ? backward_axis(class, S, sx, ex, px, IW)
                                         : forward_axis(S, sx, ex, px, IW);
        const int count = (OW - class + apart - 1) / apart;
        const int2 inner = inner_outputs(columns, count);
        for (int i = 0; i < count; i += TQ) {
            const struct taps taps = taps_at(taps_row, columns, inner, i, count, TQ);
            const int at = (class + i * apart) * C;
            if (taps.whole) {
                make_outputs(taps, true, f, y, at, apart * C, C, ahead);
            } else {
                make_outputs(taps, false, f, y, at, apart * C, C, ahead);
            }
        }
    }
}

/* Tap s reaches column q·sx − px + s·ex of x. */
static inline int2 outputs_of(int s, int W, int Q, int sx, int ex, int px)
{
    const int v = s * ex - px;
    return (int2)(v < 0 ? (sx - 1 - v) / sx : 0, v < W ? min((W - v + sx - 1) / sx, Q) : 0);
}

/* sum[tap] += Σ over q0 ≤ q < q1 of x·dy, n taps (a constant, once inlined) of NV lanes. x and dy
 * at output 0 and the first tap. */
static INLINED void add_products(vec_t *lo, vec_t *hi, int n, __global const float *x, int x_step,
                                 int to_tap, __global const float *dy, int C, int q0, int q1,
                                 int left, int x_ahead, int dy_ahead)
{
    x += q0 * x_step;
    dy += q0 * C;
    for (int q = q0; q < q1; ++q, x += x_step, dy += C) {
        const vec_t d_lo = load_part(dy, left), d_hi = load_part(dy + VW, left - VW);
        if (n == TS) {
            FETCH_EARLY(x + x_ahead);
            FETCH_EARLY(x + x_ahead + VW);
            FETCH_EARLY(dy + dy_ahead);
            FETCH_EARLY(dy + dy_ahead + VW);
        }
        UNROLL for (int i = 0; i < n; ++i)
        {
            lo[i] = fma(load_part(x + i * to_tap, left), d_lo, lo[i]);
            hi[i] = fma(load_part(x + i * to_tap + VW, left - VW), d_hi, hi[i]);
        }
    }
}

static inline void add_to_slab(vec_t lo, vec_t hi, __global float *slab, int left)
{
    store_part(load_part(slab, left) + lo, slab, left);
    store_part(load_part(slab + VW, left - VW) + hi, slab + VW, left - VW);
}

/* A row of dy and the row of x that row r of the filter sees, NV channels from c on. */
struct rows {
    __global const float *x, *dy; /* x at column −px */
    int W, Q, C, sx, ex, px;
    int x_ahead, dy_ahead; /* to what the next rows need that these do not */
};

/* n taps side by side, a constant, once inlined. */
static INLINED void add_row(struct rows v, int n, int first, __global float *slab, int left)
{
    vec_t lo[TS], hi[TS];
    int2 seen[TS], all = (int2)(0, v.Q);
    __global const float *x = v.x + first * v.ex * v.C;
    UNROLL for (int i = 0; i < n; ++i)
    {
        lo[i] = hi[i] = (vec_t)(0.0f);
        seen[i] = outputs_of(first + i, v.W, v.Q, v.sx, v.ex, v.px);
        all = (int2)(max(all.x, seen[i].x), min(all.y, seen[i].y));
    }
    const int x_step = v.sx * v.C, to_tap = v.ex * v.C;
    if (n == 1 || all.x >= all.y) { all = (int2)(0, 0); }
    add_products(lo, hi, n, x, x_step, to_tap, v.dy, v.C, all.x, all.y, left, v.x_ahead,
                 v.dy_ahead);
    UNROLL for (int i = 0; i < n; ++i)
    {
        add_products(lo + i, hi + i, 1, x + i * to_tap, x_step, 0, v.dy, v.C, seen[i].x,
                     all.y > 0 ? all.x : seen[i].y, left, 0, 0);
        add_products(lo + i, hi + i, 1, x + i * to_tap, x_step, 0, v.dy, v.C, all.y,
                     all.y > 0 ? seen[i].y : 0, left, 0, 0);
        add_to_slab(lo[i], hi[i], slab + (first + i) * v.C, left);
    }
}

static INLINED void add_rows(struct rows v, int S, __global float *slab, int left)
{
    int s = 0;
    for (; s + TS <= S; s += TS) { add_row(v, TS, s, slab, left); }
    for (; s < S; ++s) { add_row(v, 1, s, slab, left); }
}

static inline void add_bias(__global const float *dy, int C, int n, __global float *db, int left)
{
    vec_t sum[2];
    sum[0] = sum[1] = (vec_t)(0.0f);
    for (int q = 0; q < n; ++q, dy += C) {
        sum[0] += load_part(dy, left);
        sum[1] += load_part(dy + VW, left - VW);
    }
    add_to_slab(sum[0], sum[1], db, left);
}

/*
 * Group g adds rows g·span … of dy into slab g, [R,S,C] and with DBIAS [C]; conv_weights_sum adds
 * the slabs. A row is summed before it is added. NDRange [G]; rows = N·P.
 */
__kernel ONE_ITEM void conv_depthwise_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global float *restrict slabs, ulong slabs_at, int rows, int span, int H, int W, int C, int P,
    int Q, int R, int S, int sy, int sx, int ey, int ex, int py, int px, int flags)
{
    const int begin = get_group_id(0) * span, end = min(begin + span, rows);
    const int count = (R * S + (flags & DBIAS ? 1 : 0)) * C;
    x += x_at;
    dy += dy_at;
    slabs += slabs_at + get_group_id(0) * count;
    for (int i = 0; i < count; i += VW) { store_part((vec_t)(0.0f), slabs + i, count - i); }
    const int blocks = (C + NV - 1) / NV;
    for (int i = begin * blocks; i < end * blocks; ++i) {
        const int row = i / blocks, c = (i - row * blocks) * NV, left = C - c;
        const int n = row / P, h0 = (row - n * P) * sy - py;
        for (int r = 0; r < R; ++r) {
            const int h = h0 + r * ey;
            if (h < 0 || h >= H) { continue; }
            const struct rows v = {x + ((n * H + h) * W - px) * C + c,
                                   dy + row * Q * C + c,
                                   W,
                                   Q,
                                   C,
                                   sx,
                                   ex,
                                   px,
                                   sy * W * C,
                                   Q * C};
            if (left >= NV) {
                add_rows(v, S, slabs + r * S * C + c, NV);
            } else {
                add_rows(v, S, slabs + r * S * C + c, left);
            }
        }
        if (flags & DBIAS) { add_bias(dy + row * Q * C + c, C, Q, slabs + R * S * C + c, left); }
    }
}

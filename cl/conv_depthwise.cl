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
#define TQ 4 /* pixels of a tile: each weight is loaded once for them */

/* Taps of one or TQ outputs: x and w at the first tap, and the steps from tap to tap in them. */
struct taps {
    __global const float *x, *w;
    int rows, columns;
    int x_row, x_column, w_row, w_column;
    int ahead; /* from the last row of x, where the next row of outputs will read */
};

static INLINED void add_taps(vec_t *sum, int n, int to_next, struct taps t, int left)
{
    for (int r = 0; r < t.rows; ++r) {
        __global const float *x = t.x + r * t.x_row, *w = t.w + r * t.w_row;
        for (int s = 0; s < t.columns; ++s, x += t.x_column, w += t.w_column) {
            const vec_t b = load_part(w, left);
            UNROLL for (int i = 0; i < n; ++i)
            {
                sum[i] = fma(load_part(x + i * to_next, left), b, sum[i]);
            }
        }
    }
}

/* What becomes of VW lanes of an output. */
struct finish {
    __global const float *bias, *mask; /* mask beside y */
    int flags;
};

static INLINED void write_output(vec_t sum, struct finish f, int at, __global float *y, int left)
{
    const vec_t zero = (vec_t)(0.0f);
    if (f.flags & RELU) { sum = relu(sum); }
    if (f.flags & MASK) { sum = load_part(f.mask + at, left) <= zero ? zero : sum; }
    store_part(sum, y + at, left);
}

/* All channels of n outputs that see the same taps; y and mask at `at`, `apart` from output to
 * output. n is a constant, once inlined. */
static INLINED void make_outputs(struct taps t, int n, int to_next, struct finish f,
                                 __global float *y, int at, int apart, int C)
{
    for (int c = 0; c < C; c += VW, t.x += VW, t.w += VW) {
        const int left = C - c;
        vec_t sum[TQ];
        const vec_t start = f.flags & ADD_BIAS ? load_part(f.bias + c, left) : (vec_t)(0.0f);
        UNROLL for (int i = 0; i < n; ++i)
        {
            sum[i] = start;
            FETCH_EARLY(t.x + t.ahead + i * to_next);
        }
        if (left >= VW) {
            add_taps(sum, n, to_next, t, VW);
        } else {
            add_taps(sum, n, to_next, t, left);
        }
        UNROLL for (int i = 0; i < n; ++i)
        {
            write_output(sum[i], f, at + i * apart + c, y, left);
        }
    }
}

/*
 * An item computes one row of the output: forward from x [N,IH,IW,C], or with BACK dx from dy.
 * NDRange [N·OH]. flags: 1 add bias [C], 2 relu, 32 zero where mask, of the output's shape, is ≤ 0,
 * 64 back.
 */
__kernel ONE_ITEM void conv_depthwise(
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
    const struct finish f = {bias + bias_at, mask + mask_at + row * OW * C, flags};
    x += x_at + ((n * IH + rows.at + place * rows.move + r.x * rows.apart) * IW) * C;
    w += w_at + (rows.first + r.x * rows.step) * S * C;
    y += y_at + row * OW * C;
    for (int class = 0; class < apart; ++class) {
        const struct axis columns = back ? backward_axis(class, S, sx, ex, px, IW)
                                         : forward_axis(S, sx, ex, px, IW);
        const int count = (OW - class + apart - 1) / apart, to_next = columns.move * C;
        const int2 inner = inner_outputs(columns, count);
        for (int i = 0, step; i < count; i += step) {
            const bool many = inner.x <= i && i + TQ <= inner.y;
            const int2 s = many ? (int2)(0, columns.taps) : seen_taps(columns, i);
            const struct taps taps = {
                x + (columns.at + i * columns.move + s.x * columns.apart) * C,
                w + (columns.first + s.x * columns.step) * C,
                r.y - r.x,
                s.y - s.x,
                rows.apart * IW * C,
                columns.apart * C,
                rows.step * S * C,
                columns.step * C,
                ((r.y - r.x - 1) * max(rows.apart, 0) + (back ? 1 : sy)) * IW * C};
            const int at = (class + i * apart) * C;
            step = many ? TQ : 1;
            if (many) {
                make_outputs(taps, TQ, to_next, f, y, at, apart * C, C);
            } else {
                make_outputs(taps, 1, to_next, f, y, at, apart * C, C);
            }
        }
    }
}

/* Σ over n places of x·dy, NV lanes; two sums each, so that one does not wait for the other. */
static INLINED void add_products(vec_t *sum, __global const float *x, int x_step,
                                 __global const float *dy, int C, int n, int left)
{
    vec_t lo[2], hi[2];
    lo[0] = lo[1] = hi[0] = hi[1] = (vec_t)(0.0f);
    int q = 0;
    for (; q + 2 <= n; q += 2) {
        UNROLL for (int i = 0; i < 2; ++i, x += x_step, dy += C)
        {
            lo[i] = fma(load_part(x, left), load_part(dy, left), lo[i]);
            hi[i] = fma(load_part(x + VW, left - VW), load_part(dy + VW, left - VW), hi[i]);
        }
    }
    if (q < n) {
        lo[0] = fma(load_part(x, left), load_part(dy, left), lo[0]);
        hi[0] = fma(load_part(x + VW, left - VW), load_part(dy + VW, left - VW), hi[0]);
    }
    sum[0] = lo[0] + lo[1];
    sum[1] = hi[0] + hi[1];
}

static inline void add_to_slab(const vec_t *sum, __global float *slab, int left)
{
    store_part(load_part(slab, left) + sum[0], slab, left);
    store_part(load_part(slab + VW, left - VW) + sum[1], slab + VW, left - VW);
}

static inline void add_bias(__global const float *dy, int C, int n, __global float *db, int left)
{
    vec_t sum[2];
    sum[0] = sum[1] = (vec_t)(0.0f);
    for (int q = 0; q < n; ++q, dy += C) {
        sum[0] += load_part(dy, left);
        sum[1] += load_part(dy + VW, left - VW);
    }
    add_to_slab(sum, db, left);
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
        for (int tap = 0; tap < R * S; ++tap) {
            const int r = tap / S, h = h0 + r * ey, v0 = (tap - r * S) * ex - px;
            const int q0 = v0 < 0 ? (sx - 1 - v0) / sx : 0;
            const int q1 = min((W - v0 + sx - 1) / sx, Q);
            __global const float *a = x + ((n * H + h) * W + v0 + q0 * sx) * C + c;
            __global const float *b = dy + (row * Q + q0) * C + c;
            vec_t sum[2];
            if (h < 0 || h >= H || q0 >= q1) { continue; }
            if (left >= NV) {
                add_products(sum, a, sx * C, b, C, q1 - q0, NV);
            } else {
                add_products(sum, a, sx * C, b, C, q1 - q0, left);
            }
            add_to_slab(sum, slabs + tap * C + c, left);
        }
        if (flags & DBIAS) { add_bias(dy + row * Q * C + c, C, Q, slabs + R * S * C + c, left); }
    }
}

/*
 * gpu_conv.cl: convolution as a matrix product whose left side is gathered from the image as it
 * goes; also the gradient to a convolution's input, dense layers in both directions, and the
 * products of Winograd's algorithm. For GPUs.
 *
 *   y[out(n,p,q) + g·yg + k] = Σ_{r<TR, s<TS, c<cg} x(r,s,c) · w(r,s,c,k)
 *   x(r,s,c) = x[n, p·sy + y0 + r·dy, q·sx + x0 + s·dx, c + g·xg], zero outside
 *   w(r,s,c,k) at w0 + ((r·TS + s)·cg + c)·wc + g·wg + k
 *             or w0 + r·wr + s·ws + k·wc + g·wg + c with TRANSPOSED
 *   out(n,p,q) = o0 + n·on + p·oy + q·ox
 *
 * x [N,IH,IW,IC]; the letters are those of conv_direct.cl, but that a group g (of a grouped
 * convolution, a frequency, a slice of a dense layer's sum) lies xg, wg and yg further on.
 * Rows of the tile are positions (n,p,q), columns are k, terms are l = (r·TS + s)·cg + c. An item
 * fetches one place of the terms for several rows, whose pixels stand in local memory, so its tap
 * moves on by adding, and nothing is divided once the loop runs.
 *
 * NDRange [⌈columns/BN⌉·ITEMS, ⌈positions/BM⌉, groups], ITEMS a group.
 * flags: 1 add bias [groups·columns], 2 relu, 4 mask: `bias` holds the numbers that y is the
 * gradient of a relu's result to, at y's places; where they are ≤ 0, y is 0.
 * VA = 4: cg, xg, IC and with TRANSPOSED all of w's steps are multiples of 4. VB = 4: columns and
 * all steps of y and, without TRANSPOSED, of w are.
 * Tunables: gpu_tile.cl.
 */
#include "gpu_tile.cl"

/* Items side by side along the terms, rows of A that the group fetches at once, and how often. */
#define A_LANES (BK / VA)
#define A_STRIDE (ITEMS / A_LANES)
#define A_RUNS (BM / A_STRIDE)
#ifdef TRANSPOSED
#define B_STRIDE A_STRIDE
#define B_RUNS (BN / B_STRIDE)
#else
#define B_LANES (BN / VB)
#define B_STRIDE (ITEMS / B_LANES)
#define B_RUNS (BK / B_STRIDE)
#endif

/* Of term l, the place where an item fetches: tap (r,s), channel c; and how it moves. */
struct term {
    int l, r, s, c;
};

static inline struct term term_at(int l, int TS, int cg)
{
    const int tap = l / cg, r = tap / TS;
    return (struct term){l, r, tap - r * TS, l - tap * cg};
}

static inline void term_next(struct term *t, int TS, int cg)
{
    t->l += BK;
    t->c += BK;
    while (t->c >= cg) {
        t->c -= cg;
        if (++t->s == TS) {
            t->s = 0;
            ++t->r;
        }
    }
}

/* Of each row of the tile: where its first pixel is in x, and its result in y. */
struct rows {
    int from[BM], h[BM], v[BM], to[BM];
};

__kernel ONE_TILE void gpu_conv(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    int positions, int OH, int OW, int IH, int IW, int IC, int TR, int TS, int cg, int sy, int sx,
    int dy, int dx, int y0, int x0, int w0, int wr, int ws, int wc, int o0, int on, int oy, int ox,
    int columns, int flags, int xg, int wg, int yg)
{
    __local panel_t A[2][BK * A_PITCH] __attribute__((aligned(16)));
    __local panel_t B[2][BK * B_PITCH] __attribute__((aligned(16)));
    __local struct rows rows;
    MMA_LOCALS;
    const int item = get_local_id(0), group = get_group_id(2);
    const int first = get_group_id(1) * BM, first_column = get_group_id(0) * BN;
    const int L = TR * TS * cg;
    x += x_at + (long)group * xg;
    w += w_at + w0 + (long)group * wg;
    y += y_at + (long)group * yg;
    bias += bias_at + (long)group * (flags & MASK ? yg : columns);
    for (int i = item; i < BM; i += ITEMS) {
        const int at = first + i, line = at / OW, q = at - line * OW, n = line / OH;
        const int p = line - n * OH, h = p * sy + y0, v = q * sx + x0;
        rows.from[i] = ((n * IH + h) * IW + v) * IC;
        rows.h[i] = at < positions ? h : NOWHERE;
        rows.v[i] = v;
        rows.to[i] = o0 + n * on + p * oy + q * ox;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    const int lane = item % A_LANES * VA, row = item / A_LANES;
    struct term t = term_at(lane, max(TS, 1), max(cg, 1));
#ifndef TRANSPOSED
    const int b_row = item / B_LANES, b_lane = item % B_LANES * VB;
    const bool b_exists = first_column + b_lane < columns;
#endif
    const int a_from = A_FROM(item), b_from = B_FROM(item);
    term_run a[A_RUNS];
#ifdef TRANSPOSED
    term_run b[B_RUNS];
#else
    column_run b[B_RUNS];
#endif
    struct sums sums;
    tile_clear(&sums);
    for (int l = 0, turn = 0; l < L + BK; l += BK, turn ^= 1) {
        if (l < L) {
            const int to_h = t.r * dy, to_v = t.s * dx, to = (to_h * IW + to_v) * IC + t.c;
            UNROLL for (int i = 0; i < A_RUNS; ++i)
            {
                const int at = row + i * A_STRIDE;
                const bool inside = t.l < L && (uint)(rows.h[at] + to_h) < (uint)IH &&
                                    (uint)(rows.v[at] + to_v) < (uint)IW;
                a[i] = TILE_LOAD(term_run, x + rows.from[at] + to, inside);
            }
            UNROLL for (int i = 0; i < B_RUNS; ++i)
            {
#ifdef TRANSPOSED
                const int k = first_column + row + i * B_STRIDE;
                b[i] = TILE_LOAD(term_run, w + t.r * wr + t.s * ws + k * wc + t.c,
                                 t.l < L && k < columns);
#else
                const int from = l + b_row + i * B_STRIDE;
                b[i] = TILE_LOAD(column_run, w + (long)from * wc + first_column + b_lane,
                                 from < L && b_exists);
#endif
            }
            term_next(&t, TS, cg);
        }
        if (l > 0) {
            tile_multiply(&sums, A[turn ^ 1] + a_from, B[turn ^ 1] + b_from,
                          MMA_SCRATCH(item));
        }
        if (l < L) {
            UNROLL for (int i = 0; i < A_RUNS; ++i)
            {
                tile_put_column(A[turn] + lane * A_PITCH + row + i * A_STRIDE, A_PITCH, a[i]);
            }
            UNROLL for (int i = 0; i < B_RUNS; ++i)
            {
#ifdef TRANSPOSED
                tile_put_column(B[turn] + lane * B_PITCH + row + i * B_STRIDE, B_PITCH, b[i]);
#else
                tile_put_columns(B[turn] + (b_row + i * B_STRIDE) * B_PITCH + b_lane, b[i]);
#endif
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    UNROLL for (int j = 0; j < TN / PIECE; ++j)
    {
        const int k = first_column + ITEM_COLUMN(item, j), n = columns - k;
        if (n <= 0) { continue; }
        const piece_t add = flags & ADD_BIAS ? tile_fetch(bias + k, n) : (piece_t)(0.0f);
        UNROLL for (int i = 0; i < TM; ++i)
        {
            const int at = ITEM_ROW(item, i);
            if (first + at >= positions) { continue; }
            piece_t v = sums.c[i][j] + add;
            if (flags & RELU) { v = v < (piece_t)(0.0f) ? (piece_t)(0.0f) : v; }
            if (flags & MASK) {
                v = tile_fetch(bias + rows.to[at] + k, n) <= (piece_t)(0.0f) ? (piece_t)(0.0f) : v;
            }
            tile_store(y + rows.to[at] + k, v, n);
        }
    }
}

/*
 * conv_direct.cl: convolution as a blocked matrix product that gathers its rows as it goes; also
 * the gradient to a convolution's input, and dense layers in both directions. For CPUs.
 *
 *   y[out(n,p,q) + g·columns + k] = Σ_{r<TR, s<TS, c<cg} x(r,s,c) · w(r,s,c,k)
 *   x(r,s,c) = x[n, p·sy + y0 + r·dy, q·sx + x0 + s·dx, g·cg + c]
 *   w(r,s,c,k) at w0 + r·wr + s·ws + c·wc + g·columns + k
 *             or w0 + r·wr + s·ws + k·wc + g·cg + c with TRANSPOSED
 *   out(n,p,q) = o0 + n·on + p·oy + q·ox
 *
 * x [N,IH,IW,IC], zero outside. Forward: dy, dx are the dilation and y0, x0 minus the padding.
 * Backward with stride: one launch for each class of pixels (h mod sy, w mod sx), whose taps are
 * an arithmetic progression; see conv_direct.c. A dense layer is an image of one row.
 *
 *   rows             an item's block: `tiles`·TP positions, gathered into A [rows][KC + 16], KC of
 *   ┌──────┐┌───┐    the L = TR·TS·cg terms of the sum at a time;
 *   │  A   ││ B │    B [KC][NV]: those terms' weights for NV columns;
 *   │ (L2) ││   │    a tile: TP rows × NV columns of accumulators, in registers.
 *   └──────┘└───┘    y holds the sums between one KC and the next.
 *
 * NDRange [⌈N·OH·OW / (tiles·TP)⌉, ⌈⌈columns/NV⌉ / slices⌉, groups], one item a group.
 * flags: 1 add bias [groups·columns], 2 relu.
 * Tunables: VW; TP rows of a tile; KC, about what keeps B in the first-level cache; ROWS ≥
 * tiles·TP, about what keeps A in the second.
 */
#include "gemm_tile.cl"
#ifndef TP
#define TP 6
#endif
#ifndef KC
#define KC 288
#endif
#ifndef ROWS
#define ROWS (16 * TP)
#endif
#define PITCH (KC + 16) /* odd in cache lines, so that the rows of a tile do not collide */
#define ADD_BIAS 1
#define RELU 2

struct tile {
    int terms;               /* of the sum, now */
    int rows, columns;       /* how many exist; may be more than a tile's */
    const int *out;          /* [rows] places in y */
    __global float *y;       /* of this tile's first column */
    __global const float *bias; /* of its columns, or 0 */
    int relu, first;         /* first: y holds nothing yet */
};

/* Accumulators leave their registers once, so that what follows is a loop. */
static inline void finish_tile(const float *sums, struct tile t)
{
    vec_t bias_lo = (vec_t)(0.0f), bias_hi = (vec_t)(0.0f);
    if (t.bias) {
        bias_lo = load_part(t.bias, t.columns);
        bias_hi = load_part(t.bias + VW, t.columns - VW);
    }
    for (int i = 0; i < min(TP, t.rows); ++i, sums += NV) {
        __global float *y = t.y + t.out[i];
        vec_t lo = VEC_LOAD(0, sums) + bias_lo, hi = VEC_LOAD(1, sums) + bias_hi;
        if (!t.first) {
            lo += load_part(y, t.columns);
            hi += load_part(y + VW, t.columns - VW);
        }
        if (t.relu) {
            lo = relu(lo);
            hi = relu(hi);
        }
        store_part(lo, y, t.columns);
        store_part(hi, y + VW, t.columns - VW);
    }
}

/* Row i of A at a + i·to_row, term l of it at l·to_term: constants to the compiler. */
static inline void multiply_tile(const float *a, int to_row, int to_term, const float *b,
                                 struct tile t)
{
    float sums[TP * NV] __attribute__((aligned(64)));
    vec_t lo[TP], hi[TP];
    UNROLL for (int i = 0; i < TP; ++i) { lo[i] = hi[i] = (vec_t)(0.0f); }
    for (int l = 0; l < t.terms; ++l, a += to_term, b += NV) {
        const vec_t b_lo = VEC_LOAD(0, b), b_hi = VEC_LOAD(1, b);
        UNROLL for (int i = 0; i < TP; ++i)
        {
            const vec_t v = (vec_t)(a[i * to_row]);
            lo[i] = fma(v, b_lo, lo[i]);
            hi[i] = fma(v, b_hi, hi[i]);
        }
    }
    UNROLL for (int i = 0; i < TP; ++i)
    {
        VEC_STORE(lo[i], 0, sums + i * NV);
        VEC_STORE(hi[i], 1, sums + i * NV);
    }
    finish_tile(sums, t);
}

/* All taps at + i·step, i < taps, of an axis. */
static inline int is_inside(int at, int step, int taps, int extent)
{
    const int end = at + (taps - 1) * step;
    return min(at, end) >= 0 && max(at, end) < extent;
}

/* n elements from `at` on of a run of which only from…to−1 are inside the image. */
static inline void copy_clipped(float *a, __global const float *x, int at, int n, int from, int to)
{
    if (from <= at && at + n <= to) {
        copy_run(a, x + at, n);
        return;
    }
    if (at + n <= from || to <= at) {
        zero_run(a, n);
        return;
    }
    const int begin = max(from - at, 0), end = min(to - at, n);
    zero_run(a, begin);
    copy_run(a + begin, x + at + begin, end - begin);
    zero_run(a + end, n - end);
}

/* Where the terms of the sum are: in x, and for each row of a block its first pixel there. */
struct source {
    __global const float *x;
    int IH, IW, IC, TS, cg, dy, dx;
    int run, runs; /* elements that lie one after another in x, and how many such in a row of taps */
    int rows;
    const int *base, *iy, *ix, *inside; /* [rows]; inside: all taps are */
};

/* Terms l0…l1−1 of every row, run by run: A [row][PITCH]. */
static inline void gather_runs(float *A, const struct source *g, int l0, int l1)
{
    for (int l = l0, n; l < l1; l += n) {
        const int u = l / g->run, at = l - u * g->run, r = u / g->runs, s = u - r * g->runs;
        __global const float *x = g->x + (r * g->dy * g->IW + s * g->dx) * g->IC;
        n = min(g->run - at, l1 - l);
        for (int i = 0; i < g->rows; ++i) {
            float *a = A + i * PITCH + l - l0;
            if (g->inside[i]) {
                copy_run(a, x + g->base[i] + at, n);
                continue;
            }
            const int h = g->iy[i] + r * g->dy, v = g->ix[i] + s * g->dx;
            const int from = g->runs == 1 ? max(0, -v) * g->cg : 0;
            const int taps = g->runs == 1 ? min(g->TS, g->IW - v) : (uint)v < (uint)g->IW;
            copy_clipped(a, x + g->base[i], at, n, from, (uint)h < (uint)g->IH ? taps * g->cg : 0);
        }
    }
}

/* The same for one channel without stride, along the rows of y: A [term][ROWS]. */
static inline void gather_terms(float *A, const struct source *g, int OW, int x0, int l0, int l1)
{
    for (int i = 0, n; i < g->rows; i += n) {
        n = min(g->rows - i, OW - (g->ix[i] - x0));
        for (int l = l0; l < l1; ++l) {
            const int r = l / g->TS, s = l - r * g->TS;
            const int h = g->iy[i] + r * g->dy, v = g->ix[i] + s * g->dx;
            copy_clipped(A + (l - l0) * ROWS + i, g->x + g->base[i] + r * g->dy * g->IW + s * g->dx,
                         0, n, max(0, -v), (uint)h < (uint)g->IH ? g->IW - v : 0);
        }
    }
}

__kernel ONE_ITEM void conv_direct(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    int positions, int OH, int OW, int IH, int IW, int IC, int TR, int TS, int cg, int sy, int sx,
    int dy, int dx, int y0, int x0, int w0, int wr, int ws, int wc, int o0, int on, int oy, int ox,
    int columns, int flags, int tiles, int slice)
{
    float A[ROWS * PITCH] __attribute__((aligned(64)));
    float B[KC * NV] __attribute__((aligned(64)));
    /* Each row's first pixel, its place in y, and whether all its taps are inside the image. */
    int base[ROWS], iy[ROWS], ix[ROWS], out[ROWS], inside[ROWS];
    const int group = get_group_id(2), first = get_group_id(0) * tiles * TP;
    const int rows = min(tiles * TP, positions - first);
    x += x_at + group * cg;
    w += w_at + w0;
    bias += bias_at + group * columns;
    y += y_at + group * columns;
    int n0 = first / (OH * OW), p0 = first / OW % OH, q0 = first % OW;
    for (int i = 0; i < rows; ++i) {
        iy[i] = p0 * sy + y0;
        ix[i] = q0 * sx + x0;
        base[i] = ((n0 * IH + iy[i]) * IW + ix[i]) * IC;
        out[i] = o0 + n0 * on + p0 * oy + q0 * ox;
        inside[i] = is_inside(iy[i], dy, TR, IH) && is_inside(ix[i], dx, TS, IW);
        if (++q0 == OW) {
            q0 = 0;
            if (++p0 == OH) {
                p0 = 0;
                ++n0;
            }
        }
    }
    for (int i = rows; i % TP != 0; ++i) { zero_run(A + i * PITCH, KC); }

    const bool joined = dx == 1 && cg == IC; /* a whole row of taps is a run */
    const struct source source = {x, IH, IW, IC, TS, cg, dy, dx, joined ? TS * cg : cg,
                                  joined ? 1 : TS, rows, base, iy, ix, inside};
    /* Runs shorter than a vector cost more to start than to copy. */
    const bool by_term = joined && IC == 1 && sx == 1 && TS < VW;
    const int L = TR * TS * cg, pieces = max(1, (L + KC - 1) / KC);
    const int piece = (L + pieces - 1) / pieces;
    const int kb_end = min((int)(get_group_id(1) + 1) * slice, (columns + NV - 1) / NV);
    int l0 = 0;
    do {
        const int l1 = min(l0 + piece, L);
        if (by_term) {
            gather_terms(A, &source, OW, x0, l0, l1);
        } else {
            gather_runs(A, &source, l0, l1);
        }
        for (int kb = get_group_id(1) * slice; kb < kb_end; ++kb) {
            const int k0 = kb * NV, left = columns - k0;
            for (int l = l0, n; l < l1; l += n) {
                const int tap = l / cg, c = l - tap * cg, r = tap / TS, s = tap - r * TS;
                __global const float *from = w + r * wr + s * ws;
                n = min(cg - c, l1 - l);
#ifdef TRANSPOSED
                transpose_columns(B + (l - l0) * NV, from + k0 * wc + group * cg + c, wc, n, left);
#else
                copy_columns(B + (l - l0) * NV, from + c * wc + group * columns + k0, wc, n, left);
#endif
            }
            const bool last = l1 == L;
            struct tile t = {l1 - l0, rows, left, out, y + k0, 0, last && (flags & RELU), l0 == 0};
            if (last && (flags & ADD_BIAS)) { t.bias = bias + k0; }
            for (int i = 0; i < rows; i += TP, t.rows -= TP, t.out += TP) {
                if (by_term) {
                    multiply_tile(A + i, 1, ROWS, B, t);
                } else {
                    multiply_tile(A + i * PITCH, PITCH, 1, B, t);
                }
            }
        }
        l0 = l1;
    } while (l0 < L);
}

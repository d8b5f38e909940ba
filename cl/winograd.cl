/*
 * winograd.cl: what the kernels of Winograd's convolution share: tiles, and the transforms of one
 * tile. For CPUs.
 *
 * EDGE × EDGE outputs of a TAPS × TAPS convolution of stride 1 come from SPAN × SPAN inputs d and the
 * filter g (Lavin and Gray, 2016):
 *
 *   y = Aᵀ[ (G g Gᵀ) ⊙ (Bᵀ d B) ]A,   SPAN = EDGE + TAPS − 1,
 *
 * POINTS = SPAN² products instead of (TAPS·EDGE)². Summed over channels, the products at one point
 * are a matrix product. The three matrices follow from the points where the polynomials are
 * evaluated: 0, ±1, ∞ for SPAN = 4; 0, ±√½, ±√2, ∞ for SPAN = 6, which round as well as a direct sum
 * does (0, ±1, ±2, ∞ are five times worse). Bᵀ depends on the points alone.
 *
 * A short tile, of two outputs along an axis where EDGE is 4, takes four inputs there and the
 * points 0, ±√½, ∞ of the same filters: it lacks the "far" ones.
 *
 * Tunables: EDGE and TAPS = 2 and 3, 4 and 3, or 2 and 5; SHORT, with EDGE = 4: tiles are short at
 * the ends of rows or columns that two outputs or one are left for; MOST_TILES of a block; those of
 * gemm_tile.cl.
 */
#ifndef WINOGRAD_CL
#define WINOGRAD_CL
#include "gemm_tile.cl"
#ifndef EDGE
#define EDGE 4
#endif
#ifndef MOST_TILES
#define MOST_TILES 32
#endif
#ifndef TAPS
#define TAPS 3
#endif
#define SPAN (EDGE + TAPS - 1)
#define POINTS (SPAN * SPAN)
#define NEAR 0.70710678f /* √½; its square is ½ */
#define FAR 1.41421356f  /* √2; its square is 2 */

typedef TILE_CAT(int, VW) ints_t;
typedef ints_t loose_ints_t __attribute__((aligned(4)));
#define INTS_FROM TILE_CAT(convert_int, VW)
#define BYTES_FROM TILE_CAT(convert_uchar, VW)
#define BYTES_LOAD TILE_CAT(vload, VW)
#define BYTES_STORE TILE_CAT(vstore, VW)

/* Which tile of which image: rows EDGE·ty …, columns EDGE·tx … of the output. */
struct spot {
    int n, ty, tx;
};

static INLINED struct spot spot_of(int tile, int TH, int TW)
{
    const int row = tile / TW, n = row / TH;
    const struct spot s = {n, row - n * TH, tile - row * TW};
    return s;
}

/* What tiles are and points need: sums of these. */
#define SHORT_ROWS 1
#define SHORT_COLUMNS 2

/* How a tile is short that begins at row p, column q of P rows, Q columns. */
static INLINED int shape_of(int p, int q, int P, int Q)
{
#ifdef SHORT
    return (P - p <= 2 ? SHORT_ROWS : 0) | (Q - q <= 2 ? SHORT_COLUMNS : 0);
#else
    return 0;
#endif
}

/* What tiles lack a point. */
static INLINED int lacking(int point)
{
    const int i = point / SPAN, j = point % SPAN;
    return (i == 3 || i == 4 ? SHORT_ROWS : 0) | (j == 3 || j == 4 ? SHORT_COLUMNS : 0);
}

/* A block's tiles have slots in an order in which those that a point has are a run: short in
 * columns, whole, short in rows, short in both. */
struct order {
    int slot[MOST_TILES];
    int begin[4], n[4]; /* of the run, by lacking(point) */
};

static inline void order_tiles(struct order *o, const int *shapes, int n)
{
    int count[4] = {0, 0, 0, 0};
    for (int t = 0; t < n; ++t) { o->slot[t] = count[shapes[t]]++; }
    const int whole = count[SHORT_COLUMNS], rows = whole + count[0], both = rows + count[SHORT_ROWS];
    for (int t = 0; t < n; ++t) {
        const int shape = shapes[t];
        o->slot[t] += shape == SHORT_COLUMNS ? 0
                      : shape == 0           ? whole
                      : shape == SHORT_ROWS  ? rows
                                             : both;
    }
    o->begin[0] = o->begin[SHORT_ROWS] = 0;
    o->begin[SHORT_COLUMNS] = o->begin[SHORT_ROWS | SHORT_COLUMNS] = whole;
    o->n[0] = n;
    o->n[SHORT_ROWS] = rows;
    o->n[SHORT_COLUMNS] = both - whole;
    o->n[SHORT_ROWS | SHORT_COLUMNS] = rows - whole;
}

/* ---- one line of a tile, `step` apart, in place ---- */

static INLINED void input_line(vec_t *d, int step)
{
    const vec_t d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
#if SPAN == 6
    const vec_t d4 = d[4 * step], d5 = d[5 * step];
    const vec_t far_even = d4 - 0.5f * d2, far_odd = FAR * (d3 - 0.5f * d1);
    const vec_t near_even = d4 - 2.0f * d2, near_odd = NEAR * (d3 - 2.0f * d1);
    d[0] = d0 - 2.5f * d2 + d4;
    d[step] = near_even + near_odd;
    d[2 * step] = near_even - near_odd;
    d[3 * step] = far_even + far_odd;
    d[4 * step] = far_even - far_odd;
    d[5 * step] = d1 - 2.5f * d3 + d5;
#else
    d[0] = d0 - d2;
    d[step] = d1 + d2;
    d[2 * step] = d2 - d1;
    d[3 * step] = d1 - d3;
#endif
}

/* Of a short tile: 4 numbers become those at 0, ±√½ and ∞. */
static INLINED void short_input_line(vec_t *d, int step)
{
    const vec_t d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    const vec_t even = -1.5f * d2, odd = (-1.5f * NEAR) * d1;
    d[0] = d0 - 2.0f * d2;
    d[step] = even + odd;
    d[2 * step] = even - odd;
    d[(SPAN - 1) * step] = d3 - 0.5f * d1;
}

/* SPAN numbers become EDGE. */
static INLINED void output_line(vec_t *m, int step)
{
    const vec_t m0 = m[0], m1 = m[step], m2 = m[2 * step], m3 = m[3 * step];
#if SPAN == 6
    const vec_t m4 = m[4 * step], m5 = m[5 * step];
    const vec_t near_sum = m1 + m2, near_apart = NEAR * (m1 - m2);
    const vec_t far_sum = m3 + m4, far_apart = FAR * (m3 - m4);
    m[0] = m0 + near_sum + far_sum;
#if EDGE == 4
    m[step] = near_apart + far_apart;
    m[2 * step] = 0.5f * near_sum + 2.0f * far_sum;
    m[3 * step] = 0.5f * near_apart + 2.0f * far_apart + m5;
#else
    m[step] = near_apart + far_apart + m5;
#endif
#else
    m[0] = m0 + m1 + m2;
    m[step] = m1 - m2 - m3;
#endif
}

/* Of a short tile: the numbers at 0, ±√½ and ∞ become 2. */
static INLINED void short_output_line(vec_t *m, int step)
{
    const vec_t m1 = m[step], m2 = m[2 * step];
    m[0] = m[0] + (m1 + m2);
    m[step] = NEAR * (m1 - m2) + m[(SPAN - 1) * step];
}

/* TAPS numbers become SPAN. */
static INLINED void weight_line(vec_t *g, int step)
{
    const vec_t g0 = g[0], g1 = g[step], g2 = g[2 * step];
#if SPAN == 6
#if TAPS == 5
    const vec_t g3 = g[3 * step], g4 = g[4 * step], last = g4;
    const vec_t near_2 = g2 + 0.5f * g4, near_1 = g1 + 0.5f * g3;
    const vec_t far_2 = g2 + 2.0f * g4, far_1 = g1 + 2.0f * g3;
#else
    const vec_t near_2 = g2, far_2 = g2, near_1 = g1, far_1 = g1, last = g2;
#endif
    const vec_t near_even = (g0 + 0.5f * near_2) * (-1.0f / 1.5f);
    const vec_t far_even = (g0 + 2.0f * far_2) * (1.0f / 6.0f);
    const vec_t near_odd = near_1 * (-NEAR / 1.5f), far_odd = far_1 * (FAR / 6.0f);
    g[step] = near_even + near_odd;
    g[2 * step] = near_even - near_odd;
    g[3 * step] = far_even + far_odd;
    g[4 * step] = far_even - far_odd;
    g[5 * step] = last;
#else
    const vec_t even = 0.5f * (g0 + g2), odd = 0.5f * g1;
    g[step] = even + odd;
    g[2 * step] = even - odd;
    g[3 * step] = g2;
#endif
}

/* A: EDGE numbers become SPAN. */
static INLINED void gradient_line(vec_t *d, int step)
{
    const vec_t d0 = d[0], d1 = d[step];
#if SPAN == 6
#if EDGE == 4
    const vec_t d2 = d[2 * step], d3 = d[3 * step], last = d3;
    const vec_t near_even = d0 + 0.5f * d2, near_odd = NEAR * (d1 + 0.5f * d3);
    const vec_t far_even = d0 + 2.0f * d2, far_odd = FAR * (d1 + 2.0f * d3);
#else
    const vec_t near_even = d0, near_odd = NEAR * d1, far_even = d0, far_odd = FAR * d1, last = d1;
#endif
    d[step] = near_even + near_odd;
    d[2 * step] = near_even - near_odd;
    d[3 * step] = far_even + far_odd;
    d[4 * step] = far_even - far_odd;
    d[5 * step] = last;
#else
    d[step] = d0 + d1;
    d[2 * step] = d0 - d1;
    d[3 * step] = -d1;
#endif
}

/* Gᵀ: SPAN numbers become TAPS. */
static INLINED void filter_line(vec_t *m, int step)
{
    const vec_t m0 = m[0], m1 = m[step], m2 = m[2 * step], m3 = m[3 * step];
#if SPAN == 6
    const vec_t m4 = m[4 * step], m5 = m[5 * step];
    const vec_t near_sum = (m1 + m2) * (-1.0f / 1.5f), far_sum = (m3 + m4) * (1.0f / 6.0f);
    const vec_t near_apart = (m1 - m2) * (-NEAR / 1.5f), far_apart = (m3 - m4) * (FAR / 6.0f);
    m[0] = m0 + near_sum + far_sum;
    m[step] = near_apart + far_apart;
#if TAPS == 5
    m[2 * step] = 0.5f * near_sum + 2.0f * far_sum;
    m[3 * step] = 0.5f * near_apart + 2.0f * far_apart;
    m[4 * step] = 0.25f * near_sum + 4.0f * far_sum + m5;
#else
    m[2 * step] = 0.5f * near_sum + 2.0f * far_sum + m5;
#endif
#else
    const vec_t sum = 0.5f * (m1 + m2);
    m[0] = m0 + sum;
    m[step] = 0.5f * (m1 - m2);
    m[2 * step] = sum + m3;
#endif
}

/* ---- whole tiles ---- */

/* edge × edge pixels of an image; what is outside it is zero. */
struct window {
    __global const float *x; /* its first pixel, which may be outside */
    int row, column;         /* steps in x */
    ulong inside;            /* bit i·SPAN + j: pixel (i,j) is inside */
    ulong all;               /* `inside` of a window that is inside */
};

static INLINED struct window window_of(__global const float *x, int y0, int x0, int H, int W, int C,
                                       int edge)
{
    struct window w = {x + (y0 * W + x0) * C, W * C, C, 0, 0};
    for (int i = 0; i < edge; ++i) {
        for (int j = 0; j < edge; ++j) {
            const ulong bit = 1UL << (i * SPAN + j);
            w.all |= bit;
            if ((uint)(y0 + i) < (uint)H && (uint)(x0 + j) < (uint)W) { w.inside |= bit; }
        }
    }
    return w;
}

/* Channels c … c + VW − 1, of which `left` exist, pixel (i,j) to d[i·SPAN + j]. Only unrolled loops
 * index d, so that it stays in registers. */
static INLINED void load_window(vec_t *d, struct window w, int edge, int c, int left)
{
    __global const float *x = w.x + c;
    if (left < VW) {
        float part[SPAN * SPAN * VW];
        for (int i = 0; i < edge; ++i) {
            for (int j = 0; j < edge; ++j) {
                const int n = w.inside >> (i * SPAN + j) & 1 ? left : 0;
                VEC_STORE(load_part(x + i * w.row + j * w.column, n), i * SPAN + j, part);
            }
        }
        UNROLL for (int i = 0; i < edge; ++i)
        {
            UNROLL for (int j = 0; j < edge; ++j)
            {
                d[i * SPAN + j] = VEC_LOAD(i * SPAN + j, part);
            }
        }
    } else if (w.inside == w.all) {
        UNROLL for (int i = 0; i < edge; ++i)
        {
            UNROLL for (int j = 0; j < edge; ++j)
            {
                d[i * SPAN + j] = VEC_LOAD(0, x + i * w.row + j * w.column);
            }
        }
    } else {
        UNROLL for (int i = 0; i < edge; ++i)
        {
            UNROLL for (int j = 0; j < edge; ++j)
            {
                d[i * SPAN + j] = (vec_t)(0.0f);
                if (w.inside >> (i * SPAN + j) & 1) {
                    d[i * SPAN + j] = VEC_LOAD(0, x + i * w.row + j * w.column);
                }
            }
        }
    }
}

/*
 * The gradient dv to what was pooled by 2×2, from that to the pooled pixels: pixel (2i + a, 2j + b) gets
 * the share of pixel (i,j) of dy if bit 2a + b of its pass is set. A tile's first pixel may be the
 * second of its pair, along each axis.
 */
struct pooled_window {
    __global const float *dy;   /* the first pixel of dy that is seen, which may be outside */
    __global const uchar *pass; /* likewise */
    int row, column;            /* steps in both */
    int i0, i1, j0, j1;         /* those seen that are inside */
    float share;
};
#define MOST_POOLED (SPAN / 2 + 1) /* along an axis */

/* y0 and x0 are even, or less the parity; H and W count whole pairs of pixels of dv. */
static INLINED struct pooled_window pooled_window_of(__global const float *dy,
                                                     __global const uchar *pass, int y0, int x0,
                                                     int H, int W, int C, float share)
{
    const int i = y0 >> 1, j = x0 >> 1, at = (i * (W / 2) + j) * C;
    const struct pooled_window w = {dy + at, pass + at, W / 2 * C, C, max(0, -i), H / 2 - i,
                                    max(0, -j), W / 2 - j, share};
    return w;
}

/* As load_window; the window begins odd_row and odd_column pixels into its first pairs. */
static INLINED void load_pooled(vec_t *d, struct pooled_window w, int edge, int odd_row,
                                int odd_column, int c, int left)
{
    float dy[MOST_POOLED * MOST_POOLED * VW];
    int bits[MOST_POOLED * MOST_POOLED * VW];
    for (int i = 0; i < (edge + odd_row + 1) / 2; ++i) {
        for (int j = 0; j < (edge + odd_column + 1) / 2; ++j) {
            const int to = (i * MOST_POOLED + j) * VW, at = i * w.row + j * w.column + c;
            const bool inside = i >= w.i0 && i < w.i1 && j >= w.j0 && j < w.j1;
            if (inside && left >= VW) {
                VEC_STORE(w.share * VEC_LOAD(0, w.dy + at), 0, dy + to);
                *(loose_ints_t *)(bits + to) = INTS_FROM(BYTES_LOAD(0, w.pass + at));
            } else {
                const int n = inside ? left : 0;
                VEC_STORE(w.share * load_part(w.dy + at, n), 0, dy + to);
                for (int l = 0; l < VW; ++l) { bits[to + l] = l < n ? w.pass[at + l] : 0; }
            }
        }
    }
    UNROLL for (int i = 0; i < edge; ++i)
    {
        UNROLL for (int j = 0; j < edge; ++j)
        {
            const int y = i + odd_row, x = j + odd_column;
            const int from = (y / 2 * MOST_POOLED + x / 2) * VW, bit = 1 << (y % 2 * 2 + x % 2);
            const ints_t passes = (*(const loose_ints_t *)(bits + from) & bit) != 0;
            d[i * SPAN + j] = passes ? VEC_LOAD(0, dy + from) : (vec_t)(0.0f);
        }
    }
}

/* Calls for rows × columns pixels from (y0,x0) on of an image W pixels wide: `bytes` of each, which is
 * `pixel` bytes. Those outside may be any memory: nothing is read. */
static inline void call_for_pixels(__global const char *image, int y0, int x0, int rows,
                                   int columns, int W, int pixel, int bytes)
{
    for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < columns; ++j) {
            __global const char *x = image + ((y0 + i) * W + x0 + j) * pixel;
            for (int b = 0; b < bytes; b += 64) { FETCH_EARLY(x + b); }
        }
    }
}

/* The windows of a tile of a pooled gradient that begin at pixel (y0,x0) of the full one. */
static inline void call_for_pooled(__global const float *dy, __global const uchar *pass, int y0,
                                   int x0, int W, int C, int edge, int channels)
{
    const int i = y0 >> 1, j = x0 >> 1, windows = edge / 2 + (y0 & 1);
    call_for_pixels((__global const char *)dy, i, j, windows, windows, W / 2, 4 * C, 4 * channels);
    call_for_pixels((__global const char *)pass, i, j, windows, windows, W / 2, C, channels);
}

/* Bᵀ d B of VW channels: point i at to + i·plane. What a short tile lacks is not written, or may be
 * anything. */
static INLINED void transform_input(float *to, int plane, vec_t *d, int shape)
{
    if (shape & SHORT_ROWS) {
        UNROLL for (int j = 0; j < SPAN; ++j) { short_input_line(d + j, SPAN); }
    } else {
        UNROLL for (int j = 0; j < SPAN; ++j) { input_line(d + j, SPAN); }
    }
    if (shape & SHORT_COLUMNS) {
        UNROLL for (int i = 0; i < POINTS; ++i)
        {
            if (i % SPAN == 0) { short_input_line(d + i, 1); }
            if (!(lacking(i) & SHORT_COLUMNS)) { VEC_STORE(d[i], 0, to + i * plane); }
        }
    } else {
        UNROLL for (int i = 0; i < POINTS; ++i)
        {
            if (i % SPAN == 0) { input_line(d + i, 1); }
            VEC_STORE(d[i], 0, to + i * plane);
        }
    }
}

/* A d Aᵀ of VW columns. */
static INLINED void transform_gradient(float *to, int plane, vec_t *d)
{
    UNROLL for (int j = 0; j < EDGE; ++j) { gradient_line(d + j, SPAN); }
    UNROLL for (int i = 0; i < SPAN; ++i)
    {
        gradient_line(d + i * SPAN, 1);
        UNROLL for (int j = 0; j < SPAN; ++j)
        {
            VEC_STORE(d[i * SPAN + j], 0, to + (i * SPAN + j) * plane);
        }
    }
}

/* G g Gᵀ of VW columns: tap (r,s) at g[r·SPAN + s], point i to to + i·plane. */
static INLINED void transform_weights(float *to, int plane, vec_t *g)
{
    UNROLL for (int s = 0; s < TAPS; ++s) { weight_line(g + s, SPAN); }
    UNROLL for (int i = 0; i < SPAN; ++i)
    {
        weight_line(g + i * SPAN, 1);
        UNROLL for (int j = 0; j < SPAN; ++j)
        {
            VEC_STORE(g[i * SPAN + j], 0, to + (i * SPAN + j) * plane);
        }
    }
}

/* Aᵀ m A of VW columns: point i at from + i·plane. Outputs that a short tile has not may be
 * anything. */
static INLINED void transform_output(vec_t *y, const float *from, int plane, int shape)
{
    vec_t m[POINTS];
    if (shape & SHORT_ROWS) {
        UNROLL for (int j = 0; j < SPAN; ++j)
        {
            UNROLL for (int i = 0; i < SPAN; ++i)
            {
                m[i * SPAN + j] = VEC_LOAD(0, from + (i * SPAN + j) * plane);
            }
            short_output_line(m + j, SPAN);
        }
    } else {
        UNROLL for (int j = 0; j < SPAN; ++j)
        {
            UNROLL for (int i = 0; i < SPAN; ++i)
            {
                m[i * SPAN + j] = VEC_LOAD(0, from + (i * SPAN + j) * plane);
            }
            output_line(m + j, SPAN);
        }
    }
    UNROLL for (int i = 0; i < EDGE; ++i)
    {
        if (shape & SHORT_COLUMNS) {
            short_output_line(m + i * SPAN, 1);
        } else {
            output_line(m + i * SPAN, 1);
        }
        UNROLL for (int j = 0; j < EDGE; ++j) { y[i * EDGE + j] = m[i * SPAN + j]; }
    }
}

/* Gᵀ m G of VW columns: tap (r,s) to w[r·SPAN + s]. */
static INLINED void transform_filter(vec_t *w, const float *from, int plane)
{
    UNROLL for (int j = 0; j < SPAN; ++j)
    {
        UNROLL for (int i = 0; i < SPAN; ++i)
        {
            w[i * SPAN + j] = VEC_LOAD(0, from + (i * SPAN + j) * plane);
        }
        filter_line(w + j, SPAN);
    }
    UNROLL for (int i = 0; i < TAPS; ++i) { filter_line(w + i * SPAN, 1); }
}
#endif

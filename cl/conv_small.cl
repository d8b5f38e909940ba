/*
 * conv_small.cl: convolution of images of a few pixels, and its gradients. For CPUs.
 *
 *   y[n,p,q,k] = Σ_{r,s,c} x[n, p·sy − py + r·ey, q·sx − px + s·ex, c] · w[r,s,c,k]
 *
 * x, dx [N,H,W,C]; w, dw [R,S,C,K]; y, dy [N,P,Q,K]. Such layers have many channels and far more
 * weights than pixels. So a tile has one pixel of TP images as its rows, not neighbours in one
 * image: all of them see the same taps, and those outside the image cost nothing.
 *
 * Forward and backward to the input, an item has NV columns (of K; of C) and takes a piece of KC
 * terms of one tap's weights at a time, B [KC][NV], which stays in the first-level cache while
 * every pair of pixels that this tap joins is multiplied by it. Each weight is read once, and
 * fetched while the piece before it is used. y holds the sums meanwhile.
 *
 * One item a group. Tunables: VW; TP rows of a tile; X_FLOATS, D_FLOATS, MOST_COLUMNS:
 * the panels of the gradient to the weights; UPDATE: see update_run.cl.
 */
#ifdef UPDATE
#include "update_run.cl"
#else
#include "gemm_tile.cl"
#endif
#ifndef TP
#define TP 6
#endif
#define KC 128
#ifndef X_FLOATS
#define X_FLOATS 32768
#endif
#ifndef D_FLOATS
#define D_FLOATS 65536
#endif
#ifndef MOST_COLUMNS
#define MOST_COLUMNS 1024
#endif
#define MASK 32
#define BACK 64
#define DBIAS 128
/* 2^ROW_SHIFT vectors make KC numbers. */
#define ROW_SHIFT (VW == 16 ? 3 : VW == 8 ? 4 : 5)

/* The weights that come next, two vectors of which are fetched for each term of a product. */
struct fetch {
    __global const float *from;
    int pitch, shift; /* term l: vector l mod 2^shift of row l >> shift */
};

/* `rows` images that differ by x_image and y_image, of `columns` columns. */
struct tile {
    __global const float *x;
    __global float *y;
    int x_image, y_image;
    int rows, columns;
};

static INLINED void multiply(struct tile t, const float *b, int terms, struct fetch next,
                             bool fetches)
{
    vec_t lo[TP], hi[TP];
    __global const float *row[TP];
    UNROLL for (int i = 0; i < TP; ++i)
    {
        lo[i] = hi[i] = (vec_t)(0.0f);
        row[i] = t.x + min(i, t.rows - 1) * t.x_image;
    }
    for (int l = 0; l < terms; ++l, b += NV) {
        const vec_t b_lo = VEC_LOAD(0, b), b_hi = VEC_LOAD(1, b);
        if (fetches) {
            const int at = l >> next.shift, rest = l & ((1 << next.shift) - 1);
            FETCH_EARLY(next.from + at * next.pitch + rest * VW);
        }
        UNROLL for (int i = 0; i < TP; ++i)
        {
            const vec_t v = (vec_t)(row[i][l]);
            lo[i] = fma(v, b_lo, lo[i]);
            hi[i] = fma(v, b_hi, hi[i]);
        }
    }
    vec_t sums[2 * TP];
    UNROLL for (int i = 0; i < TP; ++i)
    {
        sums[2 * i] = lo[i];
        sums[2 * i + 1] = hi[i];
    }
    for (int i = 0; i < min(TP, t.rows); ++i) {
        __global float *y = t.y + i * t.y_image;
        store_part(sums[2 * i] + load_part(y, t.columns), y, t.columns);
        store_part(sums[2 * i + 1] + load_part(y + VW, t.columns - VW), y + VW, t.columns - VW);
    }
}

/* Along one axis, output i of the convolution and tap r meet input i·stride − padding + r·dilation. */
struct shape {
    int H, W, P, Q;
    int sy, sx, ey, ex, py, px;
};

/* All pairs of pixels that tap (r,s) joins, whose images are `t` but for the pixel. */
static inline void multiply_pairs(const struct shape *g, int r, int s, int images, int x_pixel,
                                  int y_pixel, bool back, struct tile t, const float *b, int terms,
                                  struct fetch next)
{
    int run = 0;
    for (int p = 0; p < g->P; ++p) {
        const int h = p * g->sy - g->py + r * g->ey;
        if ((uint)h >= (uint)g->H) { continue; }
        for (int q = 0; q < g->Q; ++q) {
            const int v = q * g->sx - g->px + s * g->ex;
            if ((uint)v >= (uint)g->W) { continue; }
            const int near = p * g->Q + q, far = h * g->W + v;
            struct tile u = t;
            u.x += (back ? near : far) * x_pixel;
            u.y += (back ? far : near) * y_pixel;
            for (u.rows = images; u.rows > 0; u.rows -= TP, ++run) {
                if (run < 2) {
                    multiply(u, b, terms, next, true);
                    next.from += next.shift ? VW * next.pitch : VW;
                } else {
                    multiply(u, b, terms, next, false);
                }
                u.x += TP * u.x_image;
                u.y += TP * u.y_image;
            }
        }
    }
}

static inline bool is_met(int outputs, int inputs, int stride, int at)
{
    for (int i = 0; i < outputs; ++i) {
        if ((uint)(i * stride + at) < (uint)inputs) { return true; }
    }
    return false;
}

/* What becomes of the sums: + bias, relu, 0 where mask ≤ 0. */
static inline void finish_rows(__global float *y, __global const float *bias,
                               __global const float *mask, int n, int pitch, int columns, int flags)
{
    const vec_t zero = (vec_t)(0.0f);
    for (int j = 0; j < NV && j < columns; j += VW) {
        const vec_t add = flags & ADD_BIAS ? load_part(bias + j, columns - j) : zero;
        for (int i = 0; i < n; ++i) {
            const int at = i * pitch + j;
            vec_t v = load_part(y + at, columns - j) + add;
            if (flags & RELU) { v = relu(v); }
            if (flags & MASK) { v = load_part(mask + at, columns - j) <= zero ? zero : v; }
            store_part(v, y + at, columns - j);
        }
    }
}

/*
 * Forward: x, w, y as above. With BACK x is dy, and y is dx. flags: ADD_BIAS, RELU; MASK: y is 0
 * where mask, of y's shape, is ≤ 0. NDRange [⌈columns/NV⌉, ⌈N/images⌉].
 */
__kernel ONE_ITEM void conv_small(__global const float *restrict x, ulong x_at,
                                  __global const float *restrict w, ulong w_at,
                                  __global const float *restrict bias, ulong bias_at,
                                  __global const float *restrict mask, ulong mask_at,
                                  __global float *restrict y, ulong y_at, int N, int H, int W,
                                  int C, int P, int Q, int K, int R, int S, int sy, int sx, int ey,
                                  int ex, int py, int px, int images, int flags)
{
    float B[KC * NV] __attribute__((aligned(64)));
    const bool back = flags & BACK;
    const struct shape g = {H, W, P, Q, sy, sx, ey, ex, py, px};
    const int columns = back ? C : K, terms = back ? K : C;
    const int x_pixels = back ? P * Q : H * W, y_pixels = back ? H * W : P * Q;
    const int k0 = get_group_id(0) * NV, left = columns - k0;
    const int first = get_group_id(1) * images, n = min(images, N - first);
    const int at = first * y_pixels * columns + k0;
    const struct tile t = {x + x_at + first * x_pixels * terms, y + y_at + at, x_pixels * terms,
                           y_pixels * columns, 0, left};
    for (int i = 0; i < n * y_pixels; ++i) {
        store_part((vec_t)(0.0f), t.y + i * columns, left);
        store_part((vec_t)(0.0f), t.y + i * columns + VW, left - VW);
    }
    w += w_at + (back ? k0 * K : k0);
    for (int tap = 0; tap < R * S; ++tap) {
        const int r = tap / S, s = tap - r * S;
        if (!is_met(P, H, sy, r * ey - py) || !is_met(Q, W, sx, s * ex - px)) { continue; }
        for (int l = 0; l < terms; l += KC) {
            const int m = min(KC, terms - l);
            const bool last = l + KC >= terms;
            const int next_tap = min(last ? tap + 1 : tap, R * S - 1), next_l = last ? 0 : l + KC;
            __global const float *from = w + tap * C * K + (back ? l : l * K);
            const struct fetch next = {w + next_tap * C * K + (back ? next_l : next_l * K), K,
                                       back ? ROW_SHIFT : 0};
            if (back) {
                transpose_columns(B, from, K, m, left);
            } else {
                copy_columns(B, from, K, m, left);
            }
            struct tile piece = t;
            piece.x += l;
            multiply_pairs(&g, r, s, n, terms, columns, back, piece, B, m, next);
        }
    }
    finish_rows(t.y, bias + bias_at + k0, mask + mask_at + at, n * y_pixels, columns, left, flags);
}

/* TC channels of every pixel of x: X [H·W][N][TC]. With GATHERED conv_small_gather has made them for
 * all channels, [⌈C/TC⌉][H·W][N][TC], once for all that read x. */
#define TC 8
#ifdef GATHERED
#define PANEL __global
#else
#define PANEL __private
#endif
#define DEFINE_GATHER(name, SPACE)                                                                 \
    static inline void name(SPACE float *X, __global const float *x, int N, int pixels, int C,     \
                            int left)                                                              \
    {                                                                                              \
        for (int n = 0; n < N; ++n) {                                                              \
            for (int i = 0; i < pixels; ++i) {                                                     \
                __global const float *from = x + (n * pixels + i) * C;                             \
                SPACE float *to = X + (i * N + n) * TC;                                            \
                if (left >= TC) {                                                                  \
                    UNROLL for (int j = 0; j < TC; ++j) { to[j] = from[j]; }                       \
                } else {                                                                           \
                    for (int j = 0; j < TC; ++j) { to[j] = j < left ? from[j] : 0.0f; }            \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_GATHER(gather_channels, __private)
DEFINE_GATHER(gather_channels_apart, __global)

/* NDRange [⌈C/TC⌉], one item a group. */
__kernel ONE_ITEM void conv_small_gather(__global const float *restrict x, ulong x_at,
                                         __global float *restrict X, ulong X_at, int N, int pixels,
                                         int C)
{
    const int c = get_group_id(0) * TC;
    gather_channels_apart(X + X_at + c * pixels * N, x + x_at + c, N, pixels, C, C - c);
}

/* The weights' gradient dw; with UPDATE what becomes of the parameters by it. */
#ifdef UPDATE
typedef struct update target_t;
#else
typedef __global float *target_t;
#endif

/* A block of dw: `rows` rows of `width` numbers, `pitch` apart, from `at` on of `to`; as one row
 * where they lie one behind another. sums has them without gaps. What is updated by it is called
 * for while it is made, and updated while the next one is: both a vector at a time, `row`, `column`
 * being where the next one is. */
struct block {
    const float *sums;
    int at, rows, width, pitch;
    int row, column;
};

static INLINED void next_vector(struct block *b)
{
    b->column += VW;
    if (b->column + VW > b->width) {
        b->column = 0;
        ++b->row;
    }
}

/* The whole vectors of `made`, one at a time; the rest of a row is left to end_block. */
static INLINED void write_next(target_t to, struct block *made)
{
#ifdef UPDATE
    if (made->row >= made->rows || made->width < VW) { return; }
    update_vector(to, made->at + made->row * made->pitch + made->column,
                  VEC_LOAD(0, made->sums + made->row * made->width + made->column));
    next_vector(made);
#endif
}

static INLINED void call_for_next(target_t to, struct block *coming)
{
#ifdef UPDATE
    if (coming->row >= coming->rows) { return; }
    call_for_update(to, coming->at + coming->row * coming->pitch + coming->column);
    next_vector(coming);
#endif
}

static inline void end_block(target_t to, struct block *made)
{
    for (int i = 0; i < made->rows; ++i) {
        const float *from = made->sums + i * made->width;
        const int at = made->at + i * made->pitch, rest = made->width % VW;
        int j = i < made->row ? made->width - rest : i == made->row ? made->column : 0;
#ifdef UPDATE
        for (; j + VW <= made->width; j += VW) { update_vector(to, at + j, VEC_LOAD(0, from + j)); }
        if (rest) { update_part(to, at + j, VEC_LOAD(0, from + j), rest); }
#else
        for (; j + VW <= made->width; j += VW) { VEC_WRITE(VEC_LOAD(0, from + j), 0, to + at + j); }
        if (rest) { store_part(VEC_LOAD(0, from + j), to + at + j, rest); }
#endif
    }
}

/* What sums are made of, and what is done meanwhile. */
struct making {
    const struct shape *g;
    int N;
    PANEL const float *X;
    target_t to;
    struct block made, coming;
    uint mask; /* of images: when a vector's turn comes */
};

/* Of tap (r,s), TC channels and VECTORS·VW columns of D, rows `pitch` apart: the sum over all pairs
 * of pixels, then images. */
#define DEFINE_SUM_PAIRS(name, VECTORS)                                                            \
    static inline void name(float *sums, int pitch, struct making *m, int r, int s,                \
                            const float *D)                                                        \
    {                                                                                              \
        const struct shape *g = m->g;                                                              \
        struct block made = m->made, coming = m->coming;                                           \
        vec_t sum[TC * (VECTORS)];                                                                 \
        UNROLL for (int i = 0; i < TC * (VECTORS); ++i) { sum[i] = (vec_t)(0.0f); }                \
        for (int p = 0; p < g->P; ++p) {                                                           \
            const int h = p * g->sy - g->py + r * g->ey;                                           \
            if ((uint)h >= (uint)g->H) { continue; }                                               \
            for (int q = 0; q < g->Q; ++q) {                                                       \
                const int v = q * g->sx - g->px + s * g->ex;                                       \
                if ((uint)v >= (uint)g->W) { continue; }                                           \
                PANEL const float *a = m->X + (h * g->W + v) * m->N * TC;                          \
                const float *b = D + (p * g->Q + q) * m->N * NV;                                   \
                for (int n = 0; n < m->N; ++n, a += TC, b += NV) {                                 \
                    vec_t w[VECTORS];                                                              \
                    UNROLL for (int j = 0; j < (VECTORS); ++j) { w[j] = VEC_LOAD(j, b); }          \
                    UNROLL for (int i = 0; i < TC; ++i)                                            \
                    {                                                                              \
                        const vec_t f = (vec_t)(a[i]);                                             \
                        UNROLL for (int j = 0; j < (VECTORS); ++j)                                 \
                        {                                                                          \
                            sum[i * (VECTORS) + j] = fma(f, w[j], sum[i * (VECTORS) + j]);         \
                        }                                                                          \
                    }                                                                              \
                    if ((n & m->mask) == m->mask) {                                                \
                        call_for_next(m->to, &coming);                                             \
                        write_next(m->to, &made);                                                  \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (int i = 0; i < TC; ++i)                                                        \
        {                                                                                          \
            UNROLL for (int j = 0; j < (VECTORS); ++j)                                             \
            {                                                                                      \
                VEC_STORE(sum[i * (VECTORS) + j], j, sums + i * pitch);                            \
            }                                                                                      \
        }                                                                                          \
        m->made = made;                                                                            \
        m->coming = coming;                                                                        \
    }
DEFINE_SUM_PAIRS(sum_pairs, 2)
DEFINE_SUM_PAIRS(sum_pairs_narrow, 1)

/* db of `columns` columns: D's sums. */
static inline void sum_columns(__global float *db, const float *D, int positions, int columns)
{
    for (int k = 0; k < columns; k += VW) {
        const float *from = D + k / NV * NV * positions + k % NV;
        vec_t sum = (vec_t)(0.0f);
        for (int i = 0; i < positions; ++i) { sum += VEC_LOAD(0, from + i * NV); }
        store_part(sum, db + k, columns - k);
    }
}

/* Columns k0 … of channels begin … end. All of a tap's columns of some channels are a block. Its
 * last columns are made first: what their vectors write too much is written over. */
static inline void make_weights(target_t to, __global const float *x, __global const float *dy,
                                __global float *db, int N, const struct shape *g, int C, int K,
                                int R, int S, int k0, int columns, int begin, int end)
{
#ifndef GATHERED
    float X[X_FLOATS] __attribute__((aligned(64)));
#endif
    float D[D_FLOATS] __attribute__((aligned(64))); /* [k-block][P·Q][N][NV] */
    float sums[2][TC * MOST_COLUMNS + NV] __attribute__((aligned(64)));
    const int positions = g->P * g->Q * N, last = (columns - 1) / NV * NV;
    struct making m = {.g = g, .N = N, .to = to};
    int turn = 0;
    for (int n = N; n >= 4 * TC; n /= 2) { m.mask = 2 * m.mask + 1; }
    for (int k = 0; k < columns; k += NV) {
        for (int i = 0; i < g->P * g->Q; ++i) {
            copy_columns(D + k * positions + i * N * NV, dy + i * K + k0 + k, g->P * g->Q * K, N,
                         columns - k);
        }
    }
    if (db) { sum_columns(db + k0, D, positions, columns); }
    for (int c = begin; c < end; c += TC) {
        const int rows = min(TC, C - c);
#ifdef GATHERED
        m.X = x + c * g->H * g->W * N;
#else
        gather_channels(X, x + c, N, g->H * g->W, C, C - c);
        m.X = X;
#endif
        for (int tap = 0; tap < R * S; ++tap, turn = 1 - turn) {
            const int r = tap / S, s = tap - r * S;
            struct block b = {sums[turn], (tap * C + c) * K + k0, rows, columns, K};
            if (columns == K) {
                b.rows = 1;
                b.width = rows * K;
            }
            m.coming = b;
            for (int k = last; k >= 0; k -= NV) {
                if (columns - k <= VW) {
                    sum_pairs_narrow(sums[turn] + k, columns, &m, r, s, D + k * positions);
                } else {
                    sum_pairs(sums[turn] + k, columns, &m, r, s, D + k * positions);
                }
            }
            end_block(to, &m.made);
            m.made = b;
        }
    }
    end_block(to, &m.made);
}

/*
 * With DBIAS in flags db [K] = Σ dy, too. NDRange [⌈K/columns⌉, ⌈C/span⌉]; span is a multiple of TC,
 * columns of NV. H·W·N·TC ≤ X_FLOATS, P·Q·N·columns ≤ D_FLOATS, columns ≤ MOST_COLUMNS.
 */
#ifndef UPDATE
__kernel ONE_ITEM void conv_small_weights(__global const float *restrict x, ulong x_at,
                                          __global const float *restrict dy, ulong dy_at,
                                          __global float *restrict dw, ulong dw_at,
                                          __global float *restrict db, ulong db_at, int N, int H,
                                          int W, int C, int P, int Q, int K, int R, int S, int sy,
                                          int sx, int ey, int ex, int py, int px, int span,
                                          int columns, int flags)
{
    const struct shape g = {H, W, P, Q, sy, sx, ey, ex, py, px};
    const int k0 = get_group_id(0) * columns, begin = get_group_id(1) * span;
    make_weights(dw + dw_at, x + x_at, dy + dy_at, flags & DBIAS && begin == 0 ? db + db_at : 0, N,
                 &g, C, K, R, S, k0, min(columns, K - k0), begin, min(begin + span, C));
}
#else
/* The same, and the parameters are updated by it (update_run.cl). */
__kernel ONE_ITEM void conv_small_update(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global float *restrict db, ulong db_at, __global float *restrict param, ulong param_at,
    __global float *restrict first, ulong first_at, __global float *restrict second,
    ulong second_at, __global const float *restrict hyper, ulong hyper_at, int N, int H, int W,
    int C, int P, int Q, int K, int R, int S, int sy, int sx, int ey, int ex, int py, int px,
    int span, int columns, int flags, float a, float b, float c, float d, float e, float f)
{
    const struct shape g = {H, W, P, Q, sy, sx, ey, ex, py, px};
    const int k0 = get_group_id(0) * columns, begin = get_group_id(1) * span;
    const struct update u = update_of(param + param_at, first + first_at, second + second_at,
                                      hyper + hyper_at, a, b, c, d, e, f);
    make_weights(u, x + x_at, dy + dy_at, flags & DBIAS && begin == 0 ? db + db_at : 0, N, &g, C, K,
                 R, S, k0, min(columns, K - k0), begin, min(begin + span, C));
}
#endif

/*
 * conv_winograd.cl: 3×3 or 5×5 convolution of stride 1 by Winograd's transforms, in one kernel; also its
 * gradient to the input, which is the same convolution of dy by the filters turned round. For CPUs.
 *
 *   y[n,p,q,k] = relu(b[k] + Σ_{r<TAPS, s<TAPS, c<C} x[n, p − py + r, q − px + s, c] · w[r,s,c,k])
 *
 * x [N,H,W,C], zero outside; y [N,P,Q,K]; tiles as winograd.cl has them, in the order of their
 * numbers (n·TH + ty)·TW + tx.
 *
 *   T tiles ──Bᵀ·B──▶ V [c-block][point][slot][PITCH]      an item's block, in its own memory: V is
 *                       │                                  made once; KG k-blocks at a time are its
 *   U [k-block] ──────▶ ⊗ ──▶ Y [KG][point][slot][NV]      products with U, a matrix product a
 *     [c-block][point][c][NV]     │                        point, by TP tiles × NV columns, and
 *                                 └──Aᵀ·A──▶ y             then these outputs
 *
 * With MAKE_U u is not U but the weights that it is made of, in panels of NV columns, [k-block][c]
 * [TAPS²][NV]: an item makes U in its own memory, of CU channels of one k-block at a time. That costs a
 * tenth of the products of 32 tiles, and reads a quarter as much: U of many weights is not for the
 * caches, and to make it all would take as long as the products of few tiles.
 *
 * With TO_POOLED y is [N,P/2,Q/2,K]: the largest or the mean of windows of 2×2 pixels, and `pass`
 * beside it says where their gradient goes; with FROM_POOLED x is a gradient to such windows, of
 * [N,H/2,W/2,C]. P, Q or H, W are then even. runtime/ops/conv.h has the formulas. Rows of y that no
 * row of x reaches (from H + py on, where a window was not whole) are not in a tile if whole tiles
 * end before them, but written as zeros; columns likewise.
 *
 * NDRange of conv_winograd [G], one item a group: blocks i, i + G, i + 2G … are item i's.
 * flags: 1 add bias [K], 2 relu, 4 pool the largest, 8 the mean, 16 write pass, 32 zero where x0 ≤ 0,
 * which is of y's shape, 64 y is too large for the caches. Pointers that no flag asks for may be any.
 * Tunables: VW; EDGE, TAPS; TP tiles of a register tile; CB channels of a block, what keeps a point's
 * weights in the first-level cache; KG k-blocks that share a walk over V, 1 with MAKE_U; CU, which
 * divides CB, or is CB without MAKE_U; V_FLOATS, Y_FLOATS: sizes, which the host keeps to; with
 * FROM_POOLED ODD_ROW, ODD_COLUMN: py and px are odd.
 */
#include "winograd.cl"
#ifndef TP
#define TP 6
#endif
#ifndef CB
#define CB 128
#endif
#ifndef CU
#define CU CB
#endif
#ifndef KG
#define KG 2
#endif
#ifndef V_FLOATS
#define V_FLOATS (POINTS * (TP * (CB + 16) + 16))
#endif
#ifndef Y_FLOATS
#define Y_FLOATS (KG * POINTS * (TP * NV + 16))
#endif
#define WEIGHTS (TAPS * TAPS)
#define PITCH (CB + 16) /* odd in cache lines, so that the rows of a tile do not collide */
#define PLANE(T) ((T)*PITCH + 16) /* and so the planes */
#define Y_PLANE(T) ((T)*NV + 16)
/* Not in OpenCL C, and worth a third on large images: to call for what comes next, and to write
 * past the caches. */
#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch)
#define CALL_FOR(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2)
#endif
#if __has_builtin(__builtin_nontemporal_store)
#define STREAM_WRITE(v, p) __builtin_nontemporal_store(v, (__global vec_t *)(p))
#endif
#endif
#ifndef CALL_FOR
#define CALL_FOR(p)
#endif
#ifndef STREAM_WRITE
#define STREAM_WRITE(v, p) VEC_WRITE(v, 0, p)
#endif
#ifdef MAKE_U
#define U_SPACE
#define U_PLANE (CU * NV + 16)
#define CALL_STEP (EDGE / 2) /* channels to a vector of weights: half of their 18 for 9 points */
#define CALL_AHEAD(p, c) \
    if ((c) % CALL_STEP == 0) { CALL_FOR((p) + (c) / CALL_STEP * VW); }
#else
#define U_SPACE __global
#define CALL_AHEAD(p, c) \
    CALL_FOR((p) + (c)*NV); \
    CALL_FOR((p) + (c)*NV + VW)
#endif
#define ADD_BIAS 1
#define RELU 2
#define MAX_POOL 4
#define AVG_POOL 8
#define KEEP_PASS 16
#define MASK 32
#define STREAM 64
#ifdef TO_POOLED
#define STEP 2 /* pixels of the convolution to one of y, along an axis */
#else
#define STEP 1
#endif
#define OUT (EDGE / STEP) /* pixels of y in a tile, along an axis */

/* y[rows][NV] = v[rows][n] · u[n][NV], or +=, rows ≤ TP; calls for what is needed later. */
static INLINED void multiply(float *y, const float *v, U_SPACE const float *u, int n, bool first,
                             int rows, __global const float *ahead)
{
    vec_t lo[TP], hi[TP];
    UNROLL for (int i = 0; i < TP; ++i)
    {
        const bool zero = first || i >= rows;
        lo[i] = zero ? (vec_t)(0.0f) : VEC_LOAD(2 * i, y);
        hi[i] = zero ? (vec_t)(0.0f) : VEC_LOAD(2 * i + 1, y);
    }
    for (int c = 0; c < n; ++c, u += NV) {
        CALL_AHEAD(ahead, c);
        const vec_t u_lo = VEC_LOAD(0, u), u_hi = VEC_LOAD(1, u);
        UNROLL for (int i = 0; i < TP; ++i)
        {
            if (i < rows) {
                const vec_t a = (vec_t)(v[i * PITCH + c]);
                lo[i] = fma(a, u_lo, lo[i]);
                hi[i] = fma(a, u_hi, hi[i]);
            }
        }
    }
    UNROLL for (int i = 0; i < TP; ++i)
    {
        if (i < rows) {
            VEC_STORE(lo[i], 2 * i, y);
            VEC_STORE(hi[i], 2 * i + 1, y);
        }
    }
}

/* The products of a run of tiles. T is a multiple of TP; what a run is rounded up by may be tiles that
 * lack the point, which then have products that nothing reads. */
static inline void multiply_run(float *Y, const float *V, U_SPACE const float *u, int c, bool first,
                                int begin, int n, int T, __global const float *ahead)
{
#ifdef SHORT
    const int rest = n % TP, some = rest > TP / 2 ? TP : rest > 0 ? TP / 2 : 0;
#else
    const int rest = n % TP, some = rest > 0 ? TP : 0; /* the last block's: one loop to compile */
#endif
    const int many = n - rest + (some == TP ? TP : 0), all = n - rest + some;
    const int t0 = min(begin, T - all);
    Y += t0 * NV;
    V += t0 * PITCH;
    for (int t = 0; t < many; t += TP) {
        multiply(Y + t * NV, V + t * PITCH, u, c, first, TP, ahead);
    }
#ifdef SHORT
    if (many < all) { multiply(Y + many * NV, V + many * PITCH, u, c, first, TP / 2, ahead); }
#endif
}

/* The tiles that an item takes next, whose pixels it calls for while it multiplies: rows of EDGE
 * pixels, of which EDGE make a tile. */
struct next {
    __global const float *x; /* the middle of tile 0 */
    int t0, tiles, TH, TW, H, W, C;
    int row, rows, share; /* the next row, how many there are, and how many a call is for */
};

static inline void call_for_rows(struct next *n)
{
    for (const int end = min(n->row + n->share, n->rows); n->row < end; ++n->row) {
        const struct spot s = spot_of(min(n->t0 + n->row / EDGE, n->tiles - 1), n->TH, n->TW);
        const int y = s.ty * EDGE + n->row % EDGE;
        __global const float *x = n->x + ((s.n * n->H + y) * n->W + s.tx * EDGE) * n->C;
        for (int c = 0; c < EDGE * n->C; c += VW) { CALL_FOR(x + c); }
    }
}

#ifdef MAKE_U
/* U of n channels of a k-block, whose weights begin at w. */
static inline void make_u(float *U, __global const float *w, int n)
{
    for (int i = 0; i < n * NV; i += VW) {
        __global const float *from = w + i / NV * (WEIGHTS * NV) + i % NV;
        vec_t g[POINTS];
        UNROLL for (int tap = 0; tap < WEIGHTS; ++tap)
        {
            g[tap / TAPS * SPAN + tap % TAPS] = VEC_LOAD(0, from + tap * NV);
        }
        transform_weights(U + i, U_PLANE, g);
    }
}

/* Products of a block with a k-block, whose weights begin at w. Behind them are those that come
 * next, of which each point calls for its share. */
static inline void multiply_block(float *Y, const float *V, float *U, __global const float *w,
                                  int C, int T, const struct order *o, struct next *next)
{
    for (int c0 = 0; c0 < C; c0 += CU) {
        const int channels = min(CU, C - c0);
        const float *v = V + c0 / CB * (POINTS * PLANE(T)) + c0 % CB;
        __global const float *ahead = w + (c0 + CU) * (WEIGHTS * NV);
        make_u(U, w + c0 * (WEIGHTS * NV), channels);
        for (int point = 0; point < POINTS; ++point) {
            call_for_rows(next);
            multiply_run(Y + point * Y_PLANE(T), v + point * PLANE(T), U + point * U_PLANE,
                         channels, c0 == 0, o->begin[lacking(point)], o->n[lacking(point)], T,
                         ahead + point * (CU / CALL_STEP * VW));
        }
    }
}
#else
/* Products of a block with n k-blocks, whose U begins at u. */
static inline void multiply_block(float *Y, const float *V, __global const float *u, int C, int T,
                                  const struct order *o, int n, struct next *next)
{
    for (int c0 = 0; c0 < C; c0 += CB, V += POINTS * PLANE(T)) {
        const int channels = min(CB, C - c0);
        for (int point = 0; point < POINTS; ++point) {
            for (int k = 0; k < n; ++k) {
                __global const float *b = u + (k * C + c0) * (POINTS * NV) + point * channels * NV;
                call_for_rows(next);
                multiply_run(Y + (k * POINTS + point) * Y_PLANE(T), V + point * PLANE(T), b,
                             channels, c0 == 0, o->begin[lacking(point)], o->n[lacking(point)], T,
                             b + 2 * CB * NV); /* two points */
            }
        }
    }
}
#endif

/* Outputs of a tile: VW columns from y on, of which `columns` exist. */
struct target {
    __global float *y;
    __global uchar *pass;
    __global const float *bias, *x0; /* of these columns, or 0; of y's pixels */
    int row, column;                 /* steps in y, pass, and x0 */
    int rows, cols;                  /* that exist; may be more than OUT */
    int columns, flags, shape;
};

/* Windows of 2×2 of v become v's first numbers, their passes `pass`. */
static INLINED void pool(vec_t *v, ints_t *pass, int flags)
{
    UNROLL for (int w = 0; w < OUT * OUT; ++w)
    {
        vec_t best = (vec_t)(-INFINITY), sum = (vec_t)(0.0f);
        ints_t winner = (ints_t)(0), positive = (ints_t)(0);
        UNROLL for (int j = 0; j < 4; ++j)
        {
            const vec_t x = v[(w / OUT * 2 + j / 2) * EDGE + w % OUT * 2 + j % 2];
            const ints_t takes = (x > best) | (x != x);
            best = takes ? x : best;
            winner = takes ? (ints_t)(1 << j) : winner;
            const ints_t stopped = (x <= (vec_t)(0.0f)) & ((flags & RELU) ? -1 : 0);
            positive |= ~stopped & (1 << j);
            sum += x;
        }
        v[w] = flags & AVG_POOL ? 0.25f * sum : best;
        pass[w] = flags & MAX_POOL ? winner & positive : positive;
    }
}

/* y[at …], n ≤ VW columns. */
static inline void write_pixel(struct target t, int at, vec_t v, int n)
{
    if (t.flags & MASK) { v = load_part(t.x0 + at, n) <= (vec_t)(0.0f) ? (vec_t)(0.0f) : v; }
    store_part(v, t.y + at, n);
}

static inline void write_pass(__global uchar *pass, ints_t bits, int n)
{
    if (n == VW) {
        BYTES_STORE(BYTES_FROM(bits), 0, pass);
        return;
    }
    int lane[VW];
    *(loose_ints_t *)lane = bits;
    for (int l = 0; l < n; ++l) { pass[l] = (uchar)lane[l]; }
}

static INLINED void write_outputs(const float *from, int plane, struct target t)
{
    vec_t v[EDGE * EDGE];
    transform_output(v, from, plane, t.shape);
    const vec_t bias = t.bias ? load_part(t.bias, t.columns) : (vec_t)(0.0f);
    UNROLL for (int i = 0; i < EDGE * EDGE; ++i)
    {
        v[i] += bias;
        if (t.flags & RELU) { v[i] = relu(v[i]); }
    }
#ifdef TO_POOLED
    ints_t pass[OUT * OUT];
    pool(v, pass, t.flags);
    if (t.flags & KEEP_PASS) {
        UNROLL for (int i = 0; i < OUT * OUT; ++i)
        {
            if (i / OUT < t.rows && i % OUT < t.cols) {
                write_pass(t.pass + i / OUT * t.row + i % OUT * t.column, pass[i],
                           min(t.columns, VW));
            }
        }
    }
#endif
    if (t.columns >= VW && !(t.flags & MASK)) {
        UNROLL for (int i = 0; i < OUT * OUT; ++i)
        {
            if (i / OUT < t.rows && i % OUT < t.cols) {
                __global float *y = t.y + i / OUT * t.row + i % OUT * t.column;
                if (t.flags & STREAM) {
                    STREAM_WRITE(v[i], y);
                } else {
                    VEC_WRITE(v[i], 0, y);
                }
            }
        }
        return;
    }
    float all[OUT * OUT * VW];
    UNROLL for (int i = 0; i < OUT * OUT; ++i) { VEC_STORE(v[i], i, all); }
    for (int i = 0; i < min(OUT, t.rows); ++i) {
        for (int j = 0; j < min(OUT, t.cols); ++j) {
            write_pixel(t, i * t.row + j * t.column, VEC_LOAD(i * OUT + j, all),
                        min(t.columns, VW));
        }
    }
}

/* Bᵀ·B of one tile: VW channels at a time. */
static inline void transform_tile(float *to, int plane, __global const float *x,
                                  __global const uchar *pass, struct spot s, int H, int W, int C,
                                  int py, int px, int flags, int shape)
{
    const int y0 = s.ty * EDGE - py, x0 = s.tx * EDGE - px;
#ifdef FROM_POOLED
    const int image = s.n * (H / 2) * (W / 2) * C;
    const struct pooled_window w = pooled_window_of(x + image, pass + image, y0, x0, H, W, C,
                                                    flags & AVG_POOL ? 0.25f : 1.0f);
#else
    const struct window w = window_of(x + s.n * (H * W * C), y0, x0, H, W, C, SPAN);
#endif
    for (int c0 = 0; c0 < C; c0 += CB, to += POINTS * plane) {
        for (int c = 0; c < min(CB, C - c0); c += VW) {
            vec_t d[POINTS];
#ifdef FROM_POOLED
            load_pooled(d, w, SPAN, ODD_ROW, ODD_COLUMN, c0 + c, C - c0 - c);
#else
            load_window(d, w, SPAN, c0 + c, C - c0 - c);
#endif
            transform_input(to + c, plane, d, shape);
        }
    }
}

/* Pixels that no input reaches, below and beside the last tiles: there a window was not whole. */
static inline void write_zeros(__global float *y, struct spot s, int rows, int columns, int TH,
                               int TW, int P, int Q, int K)
{
    const int p0 = s.ty * EDGE, q0 = s.tx * EDGE, p1 = p0 + rows, q1 = q0 + columns;
    const int p_end = s.ty < TH - 1 ? p1 : P, q_end = s.tx < TW - 1 ? q1 : Q;
    y += s.n * (P * Q * K);
    for (int p = p0; p < p_end; ++p) {
        const int from = p < p1 ? q1 : q0;
        for (int i = (p * Q + from) * K; i < (p * Q + q_end) * K; ++i) { y[i] = 0.0f; }
    }
}

__kernel ONE_ITEM void conv_winograd(__global const float *restrict x, ulong x_at,
                                     __global const float *restrict u, ulong u_at,
                                     __global const float *restrict bias, ulong bias_at,
                                     __global const float *restrict x0, ulong x0_at,
                                     __global float *restrict y, ulong y_at, __global uchar *pass,
                                     ulong pass_at, int H, int W, int C, int P, int Q, int K, int py,
                                     int px, int tiles, int T, int flags)
{
    float V[V_FLOATS] __attribute__((aligned(64)));
    float Y[Y_FLOATS] __attribute__((aligned(64)));
#ifdef MAKE_U
    float U[POINTS * U_PLANE] __attribute__((aligned(64)));
#endif
    const int reached = min(P, H + py), reached_q = min(Q, W + px); /* rows, columns of y */
    const int TH = (reached + EDGE - 1) / EDGE, TW = (reached_q + EDGE - 1) / EDGE;
    const int rows = P / STEP, columns = Q / STEP;
    x += x_at;
    u += u_at;
    pass += pass_at;
    if (K % VW != 0 || (size_t)(y + y_at) % sizeof(vec_t) != 0) { flags &= ~STREAM; }
    for (int t0 = get_group_id(0) * T; t0 < tiles; t0 += get_num_groups(0) * T) {
        const int here = min(T, tiles - t0);
        struct spot spots[MOST_TILES];
        int shapes[MOST_TILES];
        struct order order;
        for (int t = 0; t < here; ++t) {
            spots[t] = spot_of(t0 + t, TH, TW);
            shapes[t] = shape_of(spots[t].ty * EDGE, spots[t].tx * EDGE, reached, reached_q);
        }
        order_tiles(&order, shapes, here);
        for (int t = 0; t < here; ++t) {
#ifdef FROM_POOLED
            const struct spot ahead = spots[min(t + 1, here - 1)];
            const int image = ahead.n * (H / 2) * (W / 2) * C;
            call_for_pooled(x + image, pass + image, ahead.ty * EDGE - py, ahead.tx * EDGE - px, W,
                            C, SPAN, C);
#endif
            transform_tile(V + order.slot[t] * PITCH, PLANE(T), x, pass, spots[t], H, W, C, py, px,
                           flags, shapes[t]);
        }
        const int calls = (K + NV - 1) / NV * ((C + CU - 1) / CU) * POINTS;
        const int t1 = t0 + (int)get_num_groups(0) * T;
        struct next next = {x + ((1 - py) * W + 1 - px) * C, t1, tiles, TH, TW, H, W, C, 0, 0, 0};
#ifndef FROM_POOLED
        next.rows = max(0, min(T, tiles - t1)) * EDGE;
        next.share = (next.rows + calls - 1) / calls;
#endif
        for (int k = 0; k < K; k += KG * NV) {
#ifdef MAKE_U
            multiply_block(Y, V, U, u + k * (WEIGHTS * C), C, T, &order, &next);
#else
            multiply_block(Y, V, u + k * (POINTS * C), C, T, &order,
                           min(KG, (K - k + NV - 1) / NV), &next);
#endif
            for (int t = 0; t < here; ++t) {
                const struct spot s = spots[t];
                const int most_rows = shapes[t] & SHORT_ROWS ? 2 : EDGE;
                const int most_columns = shapes[t] & SHORT_COLUMNS ? 2 : EDGE;
                const int p = s.ty * OUT, q = s.tx * OUT;
                const int at = ((s.n * rows + p) * columns + q) * K + k;
#ifdef FROM_POOLED
                if (k == 0) {
                    write_zeros(y + y_at, s, most_rows, most_columns, TH, TW, P, Q, K);
                }
#endif
                struct target to = {y + y_at + at,
                                    pass + at,
                                    flags & ADD_BIAS ? bias + bias_at + k : 0,
                                    x0 + x0_at + at,
                                    columns * K,
                                    K,
                                    min(rows - p, most_rows / STEP),
                                    min(columns - q, most_columns / STEP),
                                    K - k,
                                    flags,
                                    shapes[t]};
                for (int h = 0; h < 2 * KG && to.columns > 0; ++h) {
                    write_outputs(Y + h / 2 * (POINTS * Y_PLANE(T)) + order.slot[t] * NV + h % 2 * VW,
                                  Y_PLANE(T), to);
                    to.y += VW;
                    to.pass += VW;
                    to.x0 += VW;
                    if (to.bias) { to.bias += VW; }
                    to.columns -= VW;
                }
            }
        }
    }
}

/*
 * U, or with MAKE_U its panels, from the weights [TAPS,TAPS,C,K]; with `turned` from
 * [TAPS,TAPS,K,C], turned round: tap (r,s) is (TAPS−1−r,TAPS−1−s).
 * NDRange [⌈C/VW⌉, ⌈K/NV⌉], one item a group: VW channels, NV columns.
 */
__kernel ONE_ITEM void conv_winograd_filters(__global const float *restrict w, ulong w_at,
                                             __global float *restrict u, ulong u_at, int C, int K,
                                             int turned)
{
    float g[WEIGHTS * VW * NV] __attribute__((aligned(64)));     /* [tap][channel][NV] */
#ifndef MAKE_U
    float t[POINTS * VW * NV] __attribute__((aligned(64))); /* [point][channel][NV] */
#endif
    const int c0 = get_group_id(0) * VW, n = min(VW, C - c0);
    const int kb = get_group_id(1), columns = K - kb * NV;
    w += w_at;
    for (int tap = 0; tap < WEIGHTS; ++tap) {
        float *to = g + tap * (VW * NV);
        const int at = turned ? ((WEIGHTS - 1 - tap) * K + kb * NV) * C + c0
                              : (tap * C + c0) * K + kb * NV;
        if (tap + 1 < WEIGHTS) { /* a line here and there, which nothing else fetches ahead */
            __global const float *next = w + at + (turned ? -K * C : K * C);
            for (int i = 0; i < (turned ? NV : VW); ++i, next += turned ? C : K) {
                FETCH_EARLY(next);
                if (!turned) { FETCH_EARLY(next + VW); }
            }
        }
        if (turned) {
            transpose_columns(to, w + at, C, n, columns);
        } else {
            copy_columns(to, w + at, K, n, columns);
        }
    }
#ifdef MAKE_U
    u += u_at + (kb * C + c0) * (WEIGHTS * NV);
    for (int i = 0; i < n * NV; i += VW) {
        for (int tap = 0; tap < WEIGHTS; ++tap) {
            VEC_WRITE(VEC_LOAD(0, g + tap * (VW * NV) + i), 0,
                      u + i / NV * (WEIGHTS * NV) + tap * NV + i % NV);
        }
    }
#else
    for (int i = 0; i < n * NV; i += VW) {
        vec_t m[POINTS];
        UNROLL for (int tap = 0; tap < WEIGHTS; ++tap)
        {
            m[tap / TAPS * SPAN + tap % TAPS] = VEC_LOAD(0, g + tap * (VW * NV) + i);
        }
        transform_weights(t + i, VW * NV, m);
    }
    const int block = c0 / CB * CB, plane = min(CB, C - block) * NV;
    u += u_at + (kb * C + block) * (POINTS * NV) + (c0 - block) * NV;
    for (int point = 0; point < POINTS; ++point, u += plane) {
        for (int i = 0; i < n * NV; i += VW) {
            VEC_WRITE(VEC_LOAD(0, t + point * (VW * NV) + i), 0, u + i);
        }
    }
#endif
}

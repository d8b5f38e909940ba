/*
 * conv_direct.cl: convolution as a blocked matrix product that gathers its rows as it goes; also
 * the gradient to a convolution's input. For CPUs.
 *
 *   y[out(n,p,q) + g·columns + k] = Σ_{r<TR, s<TS, c<cg} x(r,s,c) · w(r,s,c,k)
 *   x(r,s,c) = x[n, p·sy + y0 + r·dy, q·sx + x0 + s·dx, g·cg + c]
 *   w(r,s,c,k) at w0 + r·wr + s·ws + c·groups·columns + g·columns + k
 *   out(n,p,q) = o0 + n·on + p·oy + q·ox
 *
 * x [N,IH,IW,IC], zero outside. Forward: dy, dx are the dilation and y0, x0 minus the padding.
 * Backward with stride: one launch for each class of pixels (h mod sy, w mod sx), whose taps are
 * an arithmetic progression (conv_gather.c), with weights turned by conv_direct_turn.
 *
 *   rows             an item's block: `tiles`·TP positions, gathered into A [rows][KC + 16], KC of
 *   ┌──────┐┌───┐    the L = TR·TS·cg terms of the sum at a time;
 *   │  A   ││ B │    B [KC][NV]: those terms' weights for NV columns;
 *   │ (L2) ││   │    a tile: TP rows × NV columns of accumulators, in registers.
 *   └──────┘└───┘    y holds the sums between one KC and the next.
 *
 * Near the image's border taps are outside. A block takes its positions by how many columns of
 * taps they lack, so that those of one tile lack mostly the same, and a tile leaves out the taps
 * that all its positions lack.
 *
 * NDRange [⌈N·OH·OW / (tiles·TP)⌉, ⌈⌈columns/NV⌉ / slices⌉, groups], one item a group.
 * flags: 1 add bias [groups·columns], 2 relu; 4 (max) or 8 (avg) pool windows of 2×2, whose
 * positions are then side by side: OH and OW are even, `out` is of the pooled y, there is one KC,
 * and 16 writes pass (runtime/ops/conv.h); 32 y is 0 where mask, of y's shape, is ≤ 0;
 * 64 in place: the terms of a tap lie in x in runs long enough to be multiplied where they are, and
 * A holds but the pieces at the border.
 * Tunables: VW; TP rows of a tile; KC, about what keeps B in the first-level cache; A_ROWS, ROWS:
 * tiles·TP at most, and about what keeps A and x in the second.
 */
#include "conv_window.cl"
#ifndef TP
#define TP 6
#endif
#ifndef KC
#define KC 288
#endif
#ifndef A_ROWS
#define A_ROWS (16 * TP)
#endif
#ifndef ROWS
#define ROWS A_ROWS
#endif
#define PITCH (KC + 16) /* odd in cache lines, so that the rows of a tile do not collide */
#define LINE 16           /* numbers of a cache line */
#define MASK 32
#define IN_PLACE 64

/* Taps r0 ≤ r < r1, s0 ≤ s < s1. */
struct reach {
    int r0, r1, s0, s1;
};

/* Of the sum's terms l0…l1−1, those that a tile adds up: `runs` runs of n, a pitch apart. */
struct terms {
    int l0, l1;
    int first, n, runs, pitch;
};

struct tile {
    int rows, columns;       /* how many exist; may be more than a tile's */
    const int *out;          /* [rows] places in y */
    __global float *y;       /* of this tile's first column */
    __global uchar *pass;    /* likewise */
    __global const float *mask;
    __global const float *bias; /* of its columns */
    int flags;               /* of this piece of the sum */
    bool first;              /* y holds nothing yet */
};

static inline void finish_windows(const vec_t *sums, struct tile t, vec_t bias_lo, vec_t bias_hi)
{
    for (int i = 0; i + 4 <= min(TP, t.rows); i += 4, sums += 8) {
        vec_t lo[4], hi[4];
        bits_t bits_lo, bits_hi;
        UNROLL for (int j = 0; j < 4; ++j)
        {
            lo[j] = sums[2 * j] + bias_lo;
            hi[j] = sums[2 * j + 1] + bias_hi;
        }
        store_part(pool_window(lo, 1, t.flags, &bits_lo), t.y + t.out[i], t.columns);
        store_part(pool_window(hi, 1, t.flags, &bits_hi), t.y + t.out[i] + VW, t.columns - VW);
        if (t.flags & KEEP_PASS) {
            store_bits(bits_lo, t.pass + t.out[i], t.columns);
            store_bits(bits_hi, t.pass + t.out[i] + VW, t.columns - VW);
        }
    }
}

/* Parts of tiles, masks and windows: accumulators leave their registers once, so that what follows
 * is a loop. */
static inline void finish_tile(const vec_t *sums, struct tile t)
{
    vec_t bias_lo = (vec_t)(0.0f), bias_hi = (vec_t)(0.0f);
    if (t.flags & ADD_BIAS) {
        bias_lo = load_part(t.bias, t.columns);
        bias_hi = load_part(t.bias + VW, t.columns - VW);
    }
    if (t.flags & POOLED) {
        finish_windows(sums, t, bias_lo, bias_hi);
        return;
    }
    for (int i = 0; i < min(TP, t.rows); ++i, sums += 2) {
        __global float *y = t.y + t.out[i];
        vec_t lo = sums[0] + bias_lo, hi = sums[1] + bias_hi;
        if (!t.first) {
            lo += load_part(y, t.columns);
            hi += load_part(y + VW, t.columns - VW);
        }
        if (t.flags & RELU) {
            lo = relu(lo);
            hi = relu(hi);
        }
        if (t.flags & MASK) {
            const vec_t zero = (vec_t)(0.0f);
            lo = load_part(t.mask + t.out[i], t.columns) <= zero ? zero : lo;
            hi = load_part(t.mask + t.out[i] + VW, t.columns - VW) <= zero ? zero : hi;
        }
        store_part(lo, y, t.columns);
        store_part(hi, y + VW, t.columns - VW);
    }
}

/* Where the terms of the sum are: in x, and for each row of a block its first pixel there. */
struct source {
    __global const float *x;
    int IH, IW, IC, TS, cg, dy, dx;
    bool joined; /* a whole row of taps is a run: it lies in one piece in x */
    int rows;    /* whole tiles; the last ones may be copies */
    int base[ROWS], iy[ROWS], ix[ROWS];
    struct reach reach[ROWS], tile_reach[ROWS / TP];
    bool alike[ROWS / TP]; /* all rows of the tile reach the same */
};

/* The positions of y, and where each begins in x. */
struct grid {
    int OH, OW, TR;
    int sy, sx, y0, x0;
    int o0, on, oy, ox;
};

static INLINED void clear(vec_t *lo, vec_t *hi)
{
    UNROLL for (int i = 0; i < TP; ++i) { lo[i] = hi[i] = (vec_t)(0.0f); }
}

/* A whole tile, from its registers. */
static INLINED void finish_whole(vec_t *lo, vec_t *hi, struct tile t)
{
    const vec_t floor = (vec_t)(t.flags & RELU ? 0.0f : -INFINITY);
    if (t.flags & ADD_BIAS) {
        const vec_t bias_lo = VEC_LOAD(0, t.bias), bias_hi = VEC_LOAD(1, t.bias);
        UNROLL for (int i = 0; i < TP; ++i)
        {
            lo[i] += bias_lo;
            hi[i] += bias_hi;
        }
    }
    if (!t.first) {
        UNROLL for (int i = 0; i < TP; ++i)
        {
            lo[i] += VEC_LOAD(0, t.y + t.out[i]);
            hi[i] += VEC_LOAD(1, t.y + t.out[i]);
        }
    }
    UNROLL for (int i = 0; i < TP; ++i)
    {
        VEC_WRITE(lo[i] < floor ? floor : lo[i], 0, t.y + t.out[i]);
        VEC_WRITE(hi[i] < floor ? floor : hi[i], 1, t.y + t.out[i]);
    }
}

static INLINED void finish(vec_t *lo, vec_t *hi, struct tile t)
{
    vec_t sums[2 * TP];
    if (t.rows >= TP && t.columns >= NV && !(t.flags & (POOLED | MASK))) {
        finish_whole(lo, hi, t);
        return;
    }
    UNROLL for (int i = 0; i < TP; ++i)
    {
        sums[2 * i] = lo[i];
        sums[2 * i + 1] = hi[i];
    }
    finish_tile(sums, t);
}

#define ADD_TERM(b, factor)                                                                        \
    const vec_t b_lo = VEC_LOAD(0, b), b_hi = VEC_LOAD(1, b);                                      \
    UNROLL for (int i = 0; i < TP; ++i)                                                            \
    {                                                                                              \
        const vec_t v = (vec_t)(factor);                                                           \
        lo[i] = fma(v, b_lo, lo[i]);                                                               \
        hi[i] = fma(v, b_hi, hi[i]);                                                               \
    }

/* Row i of A at a + i·to_row, term l of it at l·to_term: constants, once inlined. */
static INLINED void multiply_tile(const float *a, int to_row, int to_term, const float *b,
                                  struct terms terms, struct tile t)
{
    vec_t lo[TP], hi[TP];
    clear(lo, hi);
    for (int run = 0, at = terms.first; run < terms.runs; ++run, at += terms.pitch) {
        const int end = min(at + terms.n, terms.l1) - terms.l0;
        for (int l = max(at - terms.l0, 0); l < end; ++l) {
            ADD_TERM(b + l * NV, a[i * to_row + l * to_term])
        }
    }
    finish(lo, hi, t);
}

/* A piece of the sum: n terms from the one on that is `at` behind tap (r,s), of `taps` taps. */
struct piece {
    int r, s, taps;
    int at, n;
};

static inline void gather_piece(float *a, const struct source *g, int first, struct piece p)
{
    __global const float *x = g->x + (p.r * g->dy * g->IW + p.s * g->dx) * g->IC;
    for (int i = first; i < first + TP; ++i, a += PITCH) {
        const struct reach row = g->reach[i];
        copy_clipped(a, x + g->base[i], p.at, p.n, max(row.s0 - p.s, 0) * g->cg,
                     row.r0 <= p.r && p.r < row.r1 ? (row.s1 - p.s) * g->cg : 0);
    }
}

static inline bool is_reached(const struct source *g, int first, struct piece p)
{
    bool reached = true;
    for (int i = first; i < first + TP; ++i) {
        const struct reach row = g->reach[i];
        reached &= row.r0 <= p.r && p.r < row.r1 && row.s0 <= p.s && p.s + p.taps <= row.s1;
    }
    return reached;
}

/* The same for rows first … of a block, with x itself for A but where one of them lacks a tap. */
static INLINED void multiply_in_place(const struct source *g, int first, int l0, int l1, float *a,
                                      const float *b, struct tile t)
{
    vec_t lo[TP], hi[TP];
    __global const float *row[TP];
    const struct reach reach = g->tile_reach[first / TP];
    const int taps = g->joined ? reach.s1 - reach.s0 : 1;
    clear(lo, hi);
    UNROLL for (int i = 0; i < TP; ++i) { row[i] = g->x + g->base[first + i]; }
    for (int r = reach.r0; r < reach.r1; ++r) {
        for (int s = reach.s0; s < reach.s1; s += taps) {
            const int l = (r * g->TS + s) * g->cg, begin = max(l, l0);
            const int n = min(l + taps * g->cg, l1) - begin;
            const struct piece piece = {r, s, taps, begin - l, n};
            const float *b_at = b + (begin - l0) * NV;
            if (n <= 0) { continue; }
            if (g->alike[first / TP] || is_reached(g, first, piece)) {
                const long to = (r * g->dy * g->IW + s * g->dx) * g->IC + begin - l;
                for (long at = to; at < to + n; ++at, b_at += NV) { ADD_TERM(b_at, row[i][at]) }
            } else {
                gather_piece(a, g, first, piece);
                for (int at = 0; at < n; ++at, b_at += NV) { ADD_TERM(b_at, a[i * PITCH + at]) }
            }
        }
    }
    finish(lo, hi, t);
}

/* Which of the taps at + i·step, i < taps, of an axis are inside: from x to y − 1. */
static inline int2 find_taps(int at, int step, int taps, int extent)
{
    int2 v = (int2)(0, taps);
    if ((uint)at < (uint)extent && (uint)(at + (taps - 1) * step) < (uint)extent) { return v; }
    while (v.x < v.y && (uint)(at + v.x * step) >= (uint)extent) { ++v.x; }
    while (v.x < v.y && (uint)(at + (v.y - 1) * step) >= (uint)extent) { --v.y; }
    return v;
}

/* Positions that lack s columns of taps on one side are MOST_KEY ± s. */
#define MOST_KEY 8
static inline int key_of(int2 taps, int TS)
{
    return MOST_KEY + clamp(TS - taps.y - taps.x, -MOST_KEY, MOST_KEY);
}

/* What some row of a tile reaches. */
static inline struct reach join_reaches(const struct reach *row)
{
    struct reach all = row[0];
    for (int i = 1; i < TP; ++i) {
        all.r0 = min(all.r0, row[i].r0);
        all.r1 = max(all.r1, row[i].r1);
        all.s0 = min(all.s0, row[i].s0);
        all.s1 = max(all.s1, row[i].s1);
    }
    return all;
}

static inline bool is_same(struct reach a, struct reach b)
{
    return a.r0 == b.r0 && a.r1 == b.r1 && a.s0 == b.s0 && a.s1 == b.s1;
}

static inline struct terms terms_of(struct reach reach, int TS, int cg, int l0, int l1)
{
    struct terms t = {l0, l1, reach.r0 * TS * cg, TS * cg, reach.r1 - reach.r0, TS * cg};
    if (reach.s0 == 0 && reach.s1 == TS) {
        t.n *= t.runs;
        t.runs = 1;
    } else {
        t.first += reach.s0 * cg;
        t.n = (reach.s1 - reach.s0) * cg;
    }
    return t;
}

/* Terms l0…l1−1 of every row, run by run: A [row][PITCH]. */
static inline void gather_runs(float *A, const struct source *g, int l0, int l1)
{
    const int taps = g->joined ? g->TS : 1;
    for (int l = l0, n; l < l1; l += n) {
        const int tap = l / (taps * g->cg) * taps, r = tap / g->TS, s = tap - r * g->TS;
        n = min((tap + taps) * g->cg, l1) - l;
        const struct piece piece = {r, s, taps, l - tap * g->cg, n};
        for (int i = 0; i < g->rows; i += TP) {
            const struct reach tile = g->tile_reach[i / TP];
            if (r < tile.r0 || r >= tile.r1) { continue; }
            gather_piece(A + i * PITCH + l - l0, g, i, piece);
        }
    }
}

/* The same for one channel without stride, along the rows of y: A [term][A_ROWS]. */
static inline void gather_terms(float *A, const struct source *g, int OW, int x0, int l0, int l1)
{
    for (int i = 0, n; i < g->rows; i += n) {
        n = min(g->rows - i, OW - (g->ix[i] - x0));
        for (int l = l0; l < l1; ++l) {
            const int r = l / g->TS, s = l - r * g->TS;
            const int h = g->iy[i] + r * g->dy, v = g->ix[i] + s * g->dx;
            __global const float *x = g->x + g->base[i] + r * g->dy * g->IW + s * g->dx;
            copy_clipped(A + (l - l0) * A_ROWS + i, x, 0, n, max(0, -v),
                         (uint)h < (uint)g->IH ? g->IW - v : 0);
        }
    }
}

/* Rows first … of a block stand for `floats` numbers of x each in the next block, too, which this
 * thread takes next. */
static inline void fetch_next(__global const float *next, int first, int floats)
{
    for (int i = first * floats; i < (first + TP) * floats; i += LINE) { FETCH_EARLY(next + i); }
}

/* `rows` positions from the first one on: by the columns of taps that they lack, or in order, with
 * no look at their reach. */
static inline void place_rows(struct source *g, int *out, const struct grid *y, int first, int rows,
                              bool in_order)
{
    int slot[2 * MOST_KEY + 2] = {0};
    if (!in_order) {
        for (int i = 0, q = first % y->OW; i < rows; ++i, q = q + 1 == y->OW ? 0 : q + 1) {
            ++slot[1 + key_of(find_taps(q * y->sx + y->x0, g->dx, g->TS, g->IW), g->TS)];
        }
        for (int i = 1; i < 2 * MOST_KEY + 1; ++i) { slot[i] += slot[i - 1]; }
    }
    int n = first / (y->OH * y->OW), p = first / y->OW % y->OH, q = first % y->OW;
    for (int at = 0; at < rows; ++at) {
        const int h = p * y->sy + y->y0, v = q * y->sx + y->x0;
        int i = at;
        if (!in_order) {
            const int2 r = find_taps(h, g->dy, y->TR, g->IH);
            const int2 s = find_taps(v, g->dx, g->TS, g->IW);
            i = slot[key_of(s, g->TS)]++;
            g->reach[i] = (struct reach){r.x, r.y, s.x, s.y};
        }
        g->iy[i] = h;
        g->ix[i] = v;
        g->base[i] = ((n * g->IH + h) * g->IW + v) * g->IC;
        out[i] = y->o0 + n * y->on + p * y->oy + q * y->ox;
        if (++q == y->OW) {
            q = 0;
            if (++p == y->OH) {
                p = 0;
                ++n;
            }
        }
    }
}

/* The same for windows: `rows` positions of them, four each, in order. */
static inline void place_windows(struct source *g, int *out, const struct grid *y, int first,
                                 int rows)
{
    const int OH = y->OH / 2, OW = y->OW / 2, window = first / 4;
    int n = window / (OH * OW), p = window / OW % OH, q = window % OW;
    for (int i = 0; i < rows; ++i) {
        const int h = (2 * p + i % 4 / 2) * y->sy + y->y0, v = (2 * q + i % 2) * y->sx + y->x0;
        const int2 r = find_taps(h, g->dy, y->TR, g->IH), s = find_taps(v, g->dx, g->TS, g->IW);
        g->reach[i] = (struct reach){r.x, r.y, s.x, s.y};
        g->iy[i] = h;
        g->ix[i] = v;
        g->base[i] = ((n * g->IH + h) * g->IW + v) * g->IC;
        out[i] = y->o0 + n * y->on + p * y->oy + q * y->ox;
        if (i % 4 == 3 && ++q == OW) {
            q = 0;
            if (++p == OH) {
                p = 0;
                ++n;
            }
        }
    }
}

/* Fills the last tile up, and joins the reaches of every tile; all taps for rows in order. */
static inline void make_tiles(struct source *g, int rows, int TR, bool in_order)
{
    for (g->rows = rows; g->rows % TP != 0; ++g->rows) {
        g->base[g->rows] = g->base[rows - 1];
        g->iy[g->rows] = g->iy[rows - 1];
        g->ix[g->rows] = g->ix[rows - 1];
        g->reach[g->rows] = g->reach[rows - 1];
    }
    for (int i = 0; i < g->rows; i += TP) {
        const struct reach all =
            in_order ? (struct reach){0, TR, 0, g->TS} : join_reaches(g->reach + i);
        g->tile_reach[i / TP] = all;
        g->alike[i / TP] = true;
        if (in_order) { continue; }
        for (int j = i; j < i + TP; ++j) { g->alike[i / TP] &= is_same(g->reach[j], all); }
    }
}

__kernel ONE_ITEM void conv_direct(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    __global uchar *restrict pass, ulong pass_at, __global const float *restrict mask,
    ulong mask_at, int positions, int OH, int OW, int IH, int IW, int IC, int TR, int TS, int cg,
    int sy, int sx, int dy, int dx, int y0, int x0, int w0, int wr, int ws, int o0, int on, int oy,
    int ox, int columns, int flags, int tiles, int slice)
{
    float A[A_ROWS * PITCH] __attribute__((aligned(64)));
    float B[KC * NV] __attribute__((aligned(64)));
    int out[ROWS];
    struct source source;
    const int group = get_group_id(2), first = get_group_id(0) * tiles * TP;
    const int rows = min(tiles * TP, positions - first);
    x += x_at + group * cg;
    w += w_at + w0;
    bias += bias_at + group * columns;
    y += y_at + group * columns;
    pass += pass_at + group * columns;
    mask += mask_at + group * columns;
    source.x = x;
    source.IH = IH;
    source.IW = IW;
    source.IC = IC;
    source.TS = TS;
    source.cg = cg;
    source.dy = dy;
    source.dx = dx;
    source.joined = dx == 1 && cg == IC;
    /* The runs of one channel are too short to copy one by one. */
    const bool in_place = flags & IN_PLACE;
    const bool pooled = flags & POOLED;
    const int wc = columns * get_num_groups(2);
    const bool by_term = !in_place && !pooled && source.joined && IC == 1 && sx == 1;
    const struct grid grid = {OH, OW, TR, sy, sx, y0, x0, o0, on, oy, ox};
    if (pooled) {
        place_windows(&source, out, &grid, first, rows);
    } else {
        place_rows(&source, out, &grid, first, rows, by_term);
    }
    make_tiles(&source, rows, TR, by_term);

    const int row = first / OW, image = row / OH, ahead = sy * sx * IC;
    __global const float *next =
        x + (image * IH + (row - image * OH) * sy + y0) * IW * IC + tiles * TP * ahead;
    const int L = TR * TS * cg, pieces = max(1, (L + KC - 1) / KC);
    const int piece = (L + pieces - 1) / pieces;
    const int kb_end = min((int)(get_group_id(1) + 1) * slice, (columns + NV - 1) / NV);
    int l0 = 0;
    do {
        const int l1 = min(l0 + piece, L);
        if (by_term) {
            gather_terms(A, &source, OW, x0, l0, l1);
        } else if (!in_place) {
            gather_runs(A, &source, l0, l1);
        }
        for (int kb = get_group_id(1) * slice; kb < kb_end; ++kb) {
            const int k0 = kb * NV, left = columns - k0;
            for (int l = l0, n; l < l1; l += n) {
                const int tap = l / cg, c = l - tap * cg, r = tap / TS, s = tap - r * TS;
                __global const float *from = w + r * wr + s * ws;
                n = min(cg - c, l1 - l);
                copy_columns(B + (l - l0) * NV, from + c * wc + group * columns + k0, wc, n, left);
            }
            const bool last = l1 == L;
            struct tile t = {rows,      left,      out,  y + k0, pass + k0, mask + k0,
                             bias + k0, last ? flags : 0, l0 == 0};
            for (int i = 0; i < rows; i += TP, t.rows -= TP, t.out += TP) {
                if (kb == 0 && l0 == 0 && wc == columns) { fetch_next(next, i, ahead); }
                const struct terms terms = terms_of(source.tile_reach[i / TP], TS, cg, l0, l1);
                if (in_place) {
                    multiply_in_place(&source, i, l0, l1, A, B, t);
                } else if (by_term) {
                    multiply_tile(A + i, 1, A_ROWS, B, terms, t);
                } else {
                    multiply_tile(A + i * PITCH, PITCH, 1, B, terms, t);
                }
            }
        }
        l0 = l1;
    } while (l0 < L);
}

/*
 * The weights of the way back, [R·S,K/groups,C]: out[tap, k, g·cg + c] = w[tap, c, g·kg + k], so
 * that their columns, too, lie side by side. NDRange [R·S, ⌈cg/NV⌉, groups], one item a group.
 */
#define TURN 64
__kernel ONE_ITEM void conv_direct_turn(__global const float *restrict w, ulong w_at,
                                        __global float *restrict out, ulong out_at, int C, int K)
{
    float panel[TURN * NV] __attribute__((aligned(64)));
    const int groups = get_num_groups(2), group = get_group_id(2), cg = C / groups;
    const int kg = K / groups, c0 = get_group_id(1) * NV, columns = cg - c0;
    w += w_at + ((int)get_group_id(0) * cg + c0) * K + group * kg;
    out += out_at + (int)get_group_id(0) * kg * C + group * cg + c0;
    for (int k = 0; k < kg; k += TURN) {
        const int n = min(TURN, kg - k);
        transpose_columns(panel, w + k, K, n, columns);
        for (int i = 0; i < n; ++i) {
            store_part(VEC_LOAD(0, panel + i * NV), out + (k + i) * C, columns);
            store_part(VEC_LOAD(1, panel + i * NV), out + (k + i) * C + VW, columns - VW);
        }
    }
}

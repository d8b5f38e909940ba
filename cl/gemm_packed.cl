/*
 * gemm_packed.cl: matrix products by packed panels, for CPUs: dense layers in all three directions,
 * and 1×1 convolutions.
 *
 *   out[i,j] = Σ_l A(i,l) · B(l,j)  (+ bias[j], then relu, or 0 where bias[i,j] ≤ 0)
 *   A(i,l) = a[i·lda + l], or a[l·lda + i] with A_TRANSPOSED
 *   B(l,j) = b[l·ldb + j], or b[j·ldb + l] with B_TRANSPOSED
 *
 *            strips·NV columns         An item computes a block of out. It goes through the sum in
 *           ┌───┬───┬───┬───┐          pieces of at most KC terms, for which it packs both factors
 *           │ B │   │   │   │ KC       so that what follows reads them from end to end:
 *           └───┴───┴───┴───┘            A [tile][term/VW][row][VW], or [tile][term][row]
 *   ┌─────┐ ┌───┬───┬───┬───┐            B [strip][term][NV]
 *   │ A   │ │out│   │   │   │ TR       A tile of A times a strip of B are TR × NV sums, in
 *   ├─────┤ ├───┼───┼───┼───┤          registers. The strip stays in the first-level cache while
 *   │     │ │   │   │   │   │          all tiles of the block meet it, A and B in the second. out
 *   └─────┘ └───┴───┴───┴───┘          holds the sums between one piece and the next.
 *     KC      `tiles` of them
 *
 * With PREPACKED an item does not pack: gemm_pack has done it for all items, into A [piece][tile]…
 * and B [piece][strip]… in global memory.
 *
 * The last tile has as many thirds of TR rows as it needs, the last strip one vector where that
 * does. Long sums with a small result are cut into slabs [slab][M][N] of `pieces` pieces, which
 * gemm_packed_sum adds in their order. Pieces and slabs follow from the shape alone, so the same
 * numbers are added in the same order whatever the blocks.
 *
 * NDRange of gemm_packed [1 + blocks of rows · blocks of columns · slabs], one item a group. Group 0
 * does nothing: PoCL gives the thread that comes first one group more than its share.
 * gemm_pack: [1 + pieces · (blocks of tiles + blocks of strips)], the same; `before` terms of other
 * factors lie before these. flags: 1 add bias [N],
 * 2 relu, 4 out is too large for the caches: write past them, 8 bias is a mask [M,N], 16 bias [N]
 * gets Σ_l B(l,j); the last two with one slab only.
 * Tunables: VW; TR, a multiple of 3; KC, a multiple of VW, about what keeps a strip in the
 * first-level cache; TILES, STRIPS of a block at most, and about what keeps A, B and the block of
 * out in the second.
 */
#include "gemm_tile.cl"
#ifndef TR
#define TR 6
#endif
#ifndef KC
#define KC 256
#endif
#ifndef TILES
#define TILES 24
#endif
#ifndef STRIPS
#define STRIPS 8
#endif
#define THIRD (TR / 3)
#define STREAM 4
#define ADD_BIAS 1
#define RELU 2
#define MASK 8
#define COLUMN_SUMS 16

#ifdef A_TRANSPOSED
#define A_STEP(lda) (lda) /* from a term to the next, and from a row to the next */
#define A_PITCH(lda) 1
#define TO_TERM(rows) (rows)
#define TO_ROW 1
#else
#define A_STEP(lda) 1
#define A_PITCH(lda) (lda)
#define TO_TERM(rows) 1
#define TO_ROW VW
#endif
#ifdef B_TRANSPOSED
#define B_STEP(ldb) 1
#define B_PITCH(ldb) (ldb)
#else
#define B_STEP(ldb) (ldb)
#define B_PITCH(ldb) 1
#endif

#ifdef PREPACKED
#define PANEL __global
#else
#define PANEL __private
#endif
#define PANEL_STORE(v, i, p) (((PANEL loose_vec_t *)(p))[i] = (v))

/* What becomes of a tile's sums. */
struct finish {
    int rows, columns; /* how many exist; may be more than a tile's */
    int pitch;         /* of out's rows */
    __global float *out;
    __global const float *bias; /* of these columns, or 0 */
    __global const float *mask; /* of these rows and columns, pitch as out's; or 0 */
    bool relu, first;           /* first: out holds nothing yet */
    bool stream;                /* whole vectors, each where it is aligned */
};

/* A comes from the second-level cache: the next VW terms of `rows` rows, ahead of their use (1024³:
 * 217 → 241 GFLOP/s). */
#define FETCH_BLOCK(a, rows)                                                                       \
    UNROLL for (int i = 0; i < (rows) * VW; i += 16) { FETCH((a) + i); }

/* A tile of ROWS rows and VECTORS vectors, of `terms` terms. True: it is finished, as whole ones
 * are; false: its sums [row][NV] are to be. */
#define DEFINE_MULTIPLY(name, ROWS, VECTORS)                                                       \
    static inline bool name(float *sums, PANEL const float *a, PANEL const float *b, int terms,    \
                            const struct finish *f)                                                \
    {                                                                                              \
        vec_t sum[(ROWS) * (VECTORS)];                                                             \
        UNROLL for (int i = 0; i < (ROWS) * (VECTORS); ++i) { sum[i] = (vec_t)(0.0f); }            \
        for (; terms > 0; terms -= VW, a += (ROWS) * VW) {                                         \
            const int n = min(terms, VW);                                                          \
            FETCH_BLOCK(a + (ROWS) * VW, ROWS)                                                     \
            for (int l = 0; l < n; ++l, b += NV) {                                                 \
                vec_t w[VECTORS];                                                                  \
                UNROLL for (int j = 0; j < (VECTORS); ++j) { w[j] = VEC_LOAD(j, b); }              \
                UNROLL for (int i = 0; i < (ROWS); ++i)                                            \
                {                                                                                  \
                    const vec_t v = (vec_t)(a[i * TO_ROW + l * TO_TERM(ROWS)]);                    \
                    UNROLL for (int j = 0; j < (VECTORS); ++j)                                     \
                    {                                                                              \
                        const int at = i * (VECTORS) + j;                                          \
                        sum[at] = fma(v, w[j], sum[at]);                                           \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        if ((ROWS) < TR || f->rows < TR || f->columns < VW * (VECTORS) || f->mask) {               \
            FOR_SUMS(ROWS, VECTORS, f, VEC_STORE(v, j, sums + i * NV))                             \
            return false;                                                                          \
        }                                                                                          \
        END_TILE(ROWS, VECTORS, f)                                                                 \
        return true;                                                                               \
    }
DEFINE_THIRDS(DEFINE_MULTIPLY)

static INLINED bool multiply(float *sums, PANEL const float *a, PANEL const float *b, int terms,
                             int thirds, bool narrow, const struct finish *f)
{
    return BY_THIRDS(thirds, narrow, (sums, a, b, terms, f));
}

static inline void finish_tile(const float *sums, const struct finish *f)
{
    __global float *out = f->out;
    const int rows = min(TR, f->rows), columns = min(NV, f->columns);
    for (int i = 0; i < rows; ++i, out += f->pitch, sums += NV) {
        for (int j = 0; j < columns; j += VW) {
            vec_t v = VEC_LOAD(0, sums + j);
            if (!f->first) { v += load_part(out + j, columns - j); }
            if (f->bias) { v += load_part(f->bias + j, columns - j); }
            if (f->relu) { v = relu(v); }
            if (f->mask) {
                const vec_t x = load_part(f->mask + i * f->pitch + j, columns - j);
                v = x <= (vec_t)(0.0f) ? (vec_t)(0.0f) : v;
            }
            if (f->stream) {
                VEC_WRITE_PAST(v, out + j);
            } else {
                store_part(v, out + j, columns - j);
            }
        }
    }
}

static inline int round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

#ifdef A_TRANSPOSED
#define TOGETHER 4 /* tiles whose rows are fetched together: a term's are whole lines then */

/* What a vector writes too much belongs to the next term, which comes later; so all but the last. */
static inline void pack_tiles(PANEL float *A, __global const float *a, int lda, int terms)
{
    const int tile = TR * round_up(terms, VW);
    for (int l = 0; l + 1 < terms; ++l, a += lda, A += TR) {
        UNROLL for (int i = 0; i < TOGETHER; ++i)
        {
            for (int r = 0; r < TR; r += VW) {
                PANEL_STORE(VEC_LOAD(0, a + i * TR + r), 0, A + i * tile + r);
            }
        }
    }
    for (int i = 0; i < TOGETHER; ++i) {
        for (int r = 0; r < TR; ++r) { A[i * tile + r] = a[i * TR + r]; }
    }
}
#endif

/* A row that does not exist is the last one once more. */
static inline void pack_rows(PANEL float *A, __global const float *a, int lda, int rows, int terms)
{
    int i = 0;
#ifdef A_TRANSPOSED
    for (; i + TOGETHER * TR <= rows; i += TOGETHER * TR) {
        pack_tiles(A, a + i, lda, terms);
        A += TOGETHER * TR * round_up(terms, VW);
    }
#endif
    for (; i < rows; i += TR) {
        const int n = thirds_of(rows - i, THIRD) * THIRD, left = rows - i;
#ifdef A_TRANSPOSED
        __global const float *from = a + i;
        PANEL float *to = A;
        for (int l = 0; l < terms; ++l, from += lda, to += n) {
            /* What a vector writes too much belongs to the next term, which comes later. */
            if (left >= round_up(n, VW) && l + 1 < terms) {
                for (int r = 0; r < n; r += VW) { PANEL_STORE(VEC_LOAD(0, from + r), 0, to + r); }
            } else {
                for (int r = 0; r < n; ++r) { to[r] = from[min(r, left - 1)]; }
            }
        }
#else
        for (int r = 0; r < n; ++r) {
            __global const float *from = a + min(i + r, rows - 1) * lda;
            PANEL float *to = A + r * VW;
            int l = 0;
            for (; l + VW <= terms; l += VW, to += n * VW) {
                PANEL_STORE(VEC_LOAD(0, from + l), 0, to);
            }
            if (l < terms) { PANEL_STORE(load_part(from + l, terms - l), 0, to); }
        }
#endif
        A += n * round_up(terms, VW);
    }
}

/* Row by row of b where its columns lie in one piece: a page of memory is then met once. */
static inline void pack_columns(PANEL float *B, __global const float *b, int ldb, int columns,
                                int terms)
{
#ifdef B_TRANSPOSED
    float strip[KC * NV] __attribute__((aligned(64)));
    for (int j = 0; j < columns; j += NV, B += NV * terms) {
        transpose_columns(strip, b + j * ldb, ldb, terms, columns - j);
        for (int i = 0; i < 2 * terms; ++i) { PANEL_STORE(VEC_LOAD(i, strip), i, B); }
    }
#else
    for (int l = 0; l < terms; ++l, b += ldb, B += NV) {
        PANEL float *to = B;
        int j = 0;
        for (; j + NV <= columns; j += NV, to += NV * terms) {
            const vec_t lo = VEC_LOAD(0, b + j), hi = VEC_LOAD(1, b + j);
            PANEL_STORE(lo, 0, to);
            PANEL_STORE(hi, 1, to);
        }
        if (j < columns) {
            PANEL_STORE(load_part(b + j, columns - j), 0, to);
            PANEL_STORE(load_part(b + j + VW, columns - j - VW), 1, to);
        }
    }
#endif
}

/* sums [columns] gets what the terms of packed columns add up to, or is increased by it. */
static inline void add_columns(__global float *sums, PANEL const float *B, int columns, int terms,
                               bool first)
{
    for (int j = 0; j < columns; j += NV) {
        vec_t lo = (vec_t)(0.0f), hi = (vec_t)(0.0f);
        if (!first) {
            lo = load_part(sums + j, columns - j);
            hi = load_part(sums + j + VW, columns - j - VW);
        }
        for (int l = 0; l < terms; ++l, B += NV) {
            lo += VEC_LOAD(0, B);
            hi += VEC_LOAD(1, B);
        }
        store_part(lo, sums + j, columns - j);
        store_part(hi, sums + j + VW, columns - j - VW);
    }
}

/* Numbers of A a term: rows, padded to thirds of a tile. */
static inline int padded_rows(int M)
{
    return M / TR * TR + (M % TR + THIRD - 1) / THIRD * THIRD;
}

#ifdef PREPACKED
__kernel ONE_ITEM void gemm_pack(__global const float *restrict a, ulong a_at,
                                 __global const float *restrict b, ulong b_at,
                                 __global float *restrict A, ulong A_at, __global float *restrict B,
                                 ulong B_at, int M, int N, int L, int lda, int ldb, int tiles,
                                 int strips, int piece, int before)
{
    if (get_group_id(0) == 0) { return; }
    const int row_blocks = (M + tiles * TR - 1) / (tiles * TR);
    const int blocks = row_blocks + (N + strips * NV - 1) / (strips * NV);
    const int index = (get_group_id(0) - 1) / blocks, block = get_group_id(0) - 1 - index * blocks;
    const int l0 = index * piece, terms = min(piece, L - l0);
    if (block < row_blocks) {
        const int i0 = block * tiles * TR;
        pack_rows(A + A_at + (before + l0) * padded_rows(M) + i0 * round_up(terms, VW),
                  a + a_at + i0 * A_PITCH(lda) + l0 * A_STEP(lda), lda, min(tiles * TR, M - i0),
                  terms);
    } else {
        const int j0 = (block - row_blocks) * strips * NV;
        pack_columns(B + B_at + (before + l0) * round_up(N, NV) + j0 * terms,
                     b + b_at + j0 * B_PITCH(ldb) + l0 * B_STEP(ldb), ldb, min(strips * NV, N - j0),
                     terms);
    }
}
#endif

__kernel ONE_ITEM void gemm_packed(__global const float *restrict a, ulong a_at,
                                   __global const float *restrict b, ulong b_at,
                                   __global float *restrict bias, ulong bias_at,
                                   __global float *restrict out, ulong out_at, int M, int N, int L,
                                   int lda, int ldb, int flags, int tiles, int strips, int piece,
                                   int pieces)
{
#ifndef PREPACKED
    float A[TILES * TR * KC] __attribute__((aligned(64)));
    float B[STRIPS * NV * KC] __attribute__((aligned(64)));
#endif
    float sums[TR * NV] __attribute__((aligned(64)));
    if (get_group_id(0) == 0) { return; }
    const int row_blocks = (M + tiles * TR - 1) / (tiles * TR);
    const int column_blocks = (N + strips * NV - 1) / (strips * NV);
    const int rest = (get_group_id(0) - 1) / row_blocks, slab = rest / column_blocks;
    const int i0 = (get_group_id(0) - 1 - rest * row_blocks) * tiles * TR;
    const int j0 = (rest - slab * column_blocks) * strips * NV;
    const int rows = min(tiles * TR, M - i0), columns = min(strips * NV, N - j0);
    const int begin = slab * pieces * piece, end = min(begin + pieces * piece, L);
    a += a_at;
    b += b_at;
    bias += bias_at + j0;
    out += out_at + (slab * M + i0) * N + j0;
    const bool aligned = N % VW == 0 && (ulong)out % sizeof(vec_t) == 0;
    for (int l0 = begin; l0 < end; l0 += piece) {
        const int terms = min(piece, end - l0);
        const bool last = l0 + terms == end;
#ifdef PREPACKED
        PANEL const float *A = a + l0 * padded_rows(M) + i0 * round_up(terms, VW);
        PANEL const float *B = b + l0 * round_up(N, NV) + j0 * terms;
#else
        pack_rows(A, a + i0 * A_PITCH(lda) + l0 * A_STEP(lda), lda, rows, terms);
        pack_columns(B, b + j0 * B_PITCH(ldb) + l0 * B_STEP(ldb), ldb, columns, terms);
#endif
        if (i0 == 0 && (flags & COLUMN_SUMS)) {
            add_columns(bias, B, columns, terms, l0 == begin);
        }
        for (int j = 0; j < columns; j += NV) {
            PANEL const float *tile = A;
            __global const float *mask = 0;
            struct finish f = {.columns = columns - j, .pitch = N, .first = l0 == begin};
            f.relu = last && (flags & RELU);
            f.stream = aligned && (flags & STREAM);
            if (last && (flags & ADD_BIAS)) { f.bias = bias + j; }
            if (last && (flags & MASK)) { mask = bias + i0 * N + j; }
            for (int i = 0; i < rows; i += TR) {
                const int thirds = thirds_of(rows - i, THIRD);
                f.rows = rows - i;
                f.mask = mask ? mask + i * N : 0;
                f.out = out + i * N + j;
                if (!multiply(sums, tile, B + j * terms, terms, thirds, f.columns <= VW, &f)) {
                    finish_tile(sums, &f);
                }
                tile += thirds * THIRD * round_up(terms, VW);
            }
        }
    }
}

/* out [M,N] = Σ_s slabs[s,M,N], in the order of s (+ bias, then relu). NDRange [⌈M/rows⌉], one item
 * a group. */
__kernel ONE_ITEM void gemm_packed_sum(__global const float *restrict slabs, ulong slabs_at,
                                       __global const float *restrict bias, ulong bias_at,
                                       __global float *restrict out, ulong out_at, int M, int N,
                                       int n_slabs, int flags, int rows)
{
    const int begin = get_group_id(0) * rows, end = min(begin + rows, M);
    for (int i = begin; i < end; ++i) {
        for (int j = 0; j < N; j += VW) {
            __global const float *from = slabs + slabs_at + i * N + j;
            vec_t v = load_part(from, N - j);
            for (int s = 1; s < n_slabs; ++s) { v += load_part(from + s * M * N, N - j); }
            if (flags & ADD_BIAS) { v += load_part(bias + bias_at + j, N - j); }
            if (flags & RELU) { v = relu(v); }
            store_part(v, out + out_at + i * N + j, N - j);
        }
    }
}

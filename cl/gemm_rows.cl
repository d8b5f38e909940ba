/*
 * gemm_rows.cl: matrix products that read A where it lies, for CPUs: 1×1 convolutions, forward and
 * backward to the input, and dense layers of many rows.
 *
 *   out[i,j] = Σ_l a[i·L + l] · B(l,j)  (+ bias[j], then relu)
 *   B(l,j) = b[l·N + j]; b[j·L + l] with B_TRANSPOSED, which only gemm_rows_pack reads
 *
 *        strips·NV columns     An item computes a block of out, a piece of the sum at a time. Of B
 *       ┌───┬───┬───┬───┐      it copies one strip at a time, [term][NV], for all tiles of the block
 *       │   │ B │   │   │ KC   to meet it in the first-level cache. A tile are TR × NV sums, in
 *       └───┴───┴───┴───┘      registers, and TR rows of A, each at a pointer of its own: few
 *   ┌─┐ ┌───┬───┬───┬───┐      enough for the registers of a CPU, and wide enough a tile for the
 *   │A│ │out│   │   │   │ TR   second-level cache to deliver A in time. out holds the sums between
 *   ├─┤ ├───┼───┼───┼───┤      one piece and the next.
 *   │ │ │   │   │   │   │
 *   └─┘ └───┴───┴───┴───┘
 *
 * With PREPACKED gemm_rows_pack has copied B for all items, as [piece][strip][term][NV]. Pieces
 * follow from the shape alone, so the same numbers are added in the same order whatever the blocks.
 *
 * NDRange of gemm_rows [1 + blocks of rows · blocks of columns], one item a group; group 0 does
 * nothing: PoCL gives the thread that comes first one group more than its share. gemm_rows_pack
 * [strips of N, pieces]. flags: 1 add bias [N], 2 relu, 4 out is too large for the caches: write
 * past them.
 * Tunables: VW; TR; VECTORS of a tile, even: TR · VECTORS sums have to fit the registers; KC terms
 * of a piece at most, about what keeps a strip in the first-level cache.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#define NV (VECTORS * VW)
#include "gemm_tile.cl"
#ifndef TR
#define TR 6
#endif
#ifndef KC
#define KC 128
#endif
#define STREAM 4

#ifdef PREPACKED
#define PANEL __global
#else
#define PANEL __private
#endif

struct tile {
    __global const float *a;
    long lda;
    int terms;
    int rows, columns; /* how many exist; may be more than a tile's */
    long pitch;        /* of out's rows */
    __global float *out;
    __global const float *bias; /* of these columns, or 0 */
    bool relu, first;           /* first: out holds nothing yet */
    bool stream;                /* whole vectors, each where it is aligned */
    bool fetch;                 /* nobody has read these rows yet */
};

/* A tile of N vectors of columns. True: it is finished; false: its sums [row][NV] are to be. A row
 * that does not exist is the last one once more; while a block's first strip is multiplied, the
 * next tile's rows are fetched. */
#define DEFINE_MULTIPLY(name, N)                                                                   \
    static inline bool name(float *sums, PANEL const float *b, const struct tile *t)               \
    {                                                                                              \
        vec_t sum[TR * (N)];                                                                       \
        __global const float *row[TR];                                                             \
        UNROLL for (int i = 0; i < TR * (N); ++i) { sum[i] = (vec_t)(0.0f); }                      \
        UNROLL for (int i = 0; i < TR; ++i) { row[i] = t->a + min(i, t->rows - 1) * t->lda; }      \
        for (int l0 = 0; l0 < t->terms; l0 += VW) {                                                \
            const int end = min(l0 + VW, t->terms);                                                \
            if (t->fetch) {                                                                        \
                UNROLL for (int i = 0; i < TR; ++i) { FETCH(row[i] + TR * t->lda + l0); }          \
            }                                                                                      \
            for (int l = l0; l < end; ++l, b += NV) {                                              \
                vec_t w[N];                                                                        \
                UNROLL for (int j = 0; j < (N); ++j) { w[j] = VEC_LOAD(j, b); }                    \
                UNROLL for (int i = 0; i < TR; ++i)                                                \
                {                                                                                  \
                    const vec_t v = (vec_t)(row[i][l]);                                            \
                    UNROLL for (int j = 0; j < (N); ++j)                                           \
                    {                                                                              \
                        sum[i * (N) + j] = fma(v, w[j], sum[i * (N) + j]);                         \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        if (t->rows < TR || t->columns < VW * (N)) {                                               \
            FOR_SUMS(TR, N, t, VEC_STORE(v, j, sums + i * NV))                                     \
            return false;                                                                          \
        }                                                                                          \
        END_TILE(TR, N, t)                                                                         \
        return true;                                                                               \
    }
DEFINE_MULTIPLY(multiply_whole, VECTORS)
DEFINE_MULTIPLY(multiply_half, VECTORS / 2)

static inline void finish_tile(const float *sums, const struct tile *t)
{
    __global float *out = t->out;
    const int rows = min(TR, t->rows), columns = min(NV, t->columns);
    for (int i = 0; i < rows; ++i, out += t->pitch, sums += NV) {
        for (int j = 0; j < columns; j += VW) {
            vec_t v = VEC_LOAD(0, sums + j);
            if (!t->first) { v += load_part(out + j, columns - j); }
            if (t->bias) { v += load_part(t->bias + j, columns - j); }
            if (t->relu) { v = relu(v); }
            if (t->stream) {
                VEC_WRITE_PAST(v, out + j);
            } else {
                store_part(v, out + j, columns - j);
            }
        }
    }
}

/* Columns that do not exist are 0. */
static inline void pack_strip(float *B, __global const float *b, long ldb, int columns, int terms)
{
    for (int l = 0; l < terms; ++l, b += ldb, B += NV) {
        if (columns >= NV) {
            UNROLL for (int j = 0; j < VECTORS; ++j)
            {
                const vec_t v = VEC_LOAD(j, b);
                VEC_STORE(v, j, B);
            }
        } else {
            for (int j = 0; j < NV; j += VW) { VEC_STORE(load_part(b + j, columns - j), 0, B + j); }
        }
    }
}

#ifdef B_TRANSPOSED
static inline void transpose_strip(float *B, __global const float *b, int ldb, int columns,
                                   int terms)
{
    for (int j = 0; j < NV; j += VW) {
        const int n = clamp(columns - j, 0, VW);
        int l = 0;
        for (; n == VW && l + VW <= terms; l += VW) {
            transpose_square(B + l * NV + j, b + j * (long)ldb + l, ldb);
        }
        for (; l < terms; ++l) {
            for (int i = 0; i < VW; ++i) {
                B[l * NV + j + i] = i < n ? b[(j + i) * (long)ldb + l] : 0.0f;
            }
        }
    }
}

__kernel ONE_ITEM void gemm_rows_pack(__global const float *restrict b, ulong b_at,
                                      __global float *restrict B, ulong B_at, int N, int L,
                                      int piece)
{
    float strip[KC * NV] __attribute__((aligned(64)));
    const int j0 = get_group_id(0) * NV, l0 = get_group_id(1) * piece;
    const int terms = min(piece, L - l0);
    const long padded = get_num_groups(0) * NV;
    transpose_strip(strip, b + b_at + j0 * (long)L + l0, L, N - j0, terms);
    B += B_at + l0 * padded + (long)j0 * terms;
    for (int i = 0; i < VECTORS * terms; ++i) { VEC_WRITE(VEC_LOAD(i, strip), i, B); }
}
#endif

__kernel ONE_ITEM void gemm_rows(__global const float *restrict a, ulong a_at,
                                 __global const float *restrict b, ulong b_at,
                                 __global const float *restrict bias, ulong bias_at,
                                 __global float *restrict out, ulong out_at, int M, int N, int L,
                                 int flags, int tiles, int strips, int piece)
{
#ifndef PREPACKED
    float strip[KC * NV] __attribute__((aligned(64)));
#endif
    float sums[TR * NV] __attribute__((aligned(64)));
    if (get_group_id(0) == 0) { return; }
    const int row_blocks = (M + tiles * TR - 1) / (tiles * TR);
    const int column_block = (get_group_id(0) - 1) / row_blocks;
    const int i0 = (get_group_id(0) - 1 - column_block * row_blocks) * tiles * TR;
    const int j0 = column_block * strips * NV;
    const int rows = min(tiles * TR, M - i0), columns = min(strips * NV, N - j0);
    a += a_at + i0 * (long)L;
    b += b_at;
    out += out_at + i0 * (long)N + j0;
    const bool aligned = N % VW == 0 && (ulong)out % sizeof(vec_t) == 0;
    for (int l0 = 0; l0 < L; l0 += piece) {
        struct tile t = {.lda = L, .terms = min(piece, L - l0), .pitch = N};
        const bool last = l0 + t.terms == L;
        t.first = l0 == 0;
        t.relu = last && (flags & RELU);
        t.stream = aligned && (flags & STREAM);
        for (int j = 0; j < columns; j += NV) {
#ifdef PREPACKED
            const long padded = (N + NV - 1) / NV * NV;
            PANEL const float *strip = b + l0 * padded + (long)(j0 + j) * t.terms;
#else
            pack_strip(strip, b + l0 * (long)N + j0 + j, N, columns - j, t.terms);
#endif
            t.columns = columns - j;
            t.fetch = j == 0;
            if (last && (flags & ADD_BIAS)) { t.bias = bias + bias_at + j0 + j; }
            for (int i = 0; i < rows; i += TR) {
                t.rows = rows - i;
                t.a = a + i * (long)L + l0;
                t.out = out + i * (long)N + j;
                const bool whole = t.columns > NV / 2;
                if (!(whole ? multiply_whole(sums, strip, &t) : multiply_half(sums, strip, &t))) {
                    finish_tile(sums, &t);
                }
            }
        }
    }
}

/*
 * gemm_few.cl: matrix products of few rows by a matrix larger than the caches, for CPUs: what dense
 * layers of many weights are, forward and backward to the input. The matrix is read once, from end
 * to end, and never copied.
 *
 *   gemm_few          sums of out[i,j] = Σ_l a[i·L + l] · b[l·N + j], l of one slab
 *   gemm_few_sum      out[i,j] = Σ_slabs (+ bias[j], then relu)
 *   gemm_few_turned   out[i,j] = Σ_l a[i·L + l] · b[j·L + l]  (0 where mask[i,j] ≤ 0)
 *   gemm_few_turn     a as gemm_few_turned reads it
 *   gemm_few_several  gemm_few_turned of a sum that is spread over several matrices b_t
 *
 * gemm_few: an item has a slab of the sum and `columns` columns. It takes KC rows of b at a time,
 * which lie in a piece of the second-level cache, having been fetched while those before them were
 * multiplied; against them it copies KC terms of all rows of a, A [row][KC]. A tile are TR × 2
 * vectors of sums, in registers; between blocks of KC they wait in
 *   slabs [slab][strip of NV columns][padded row][NV].
 *
 * gemm_few_turned: the lanes are rows of a, out of panels [GROUP rows of a][term][GROUP]. A tile is
 * BR rows of b, whose numbers are broadcast, by GROUP = BV·VW rows of a; BLOCK rows of b become as
 * many columns of out.
 *
 * gemm_few_several: the terms are those of matrix 0, b_0 [N, L_0], then those of matrix 1 … A launch
 * takes AT_ONCE matrices; what it leaves for the next are its sums, [block][group][BLOCK][GROUP].
 *
 * Slabs follow from the shape, so the same numbers are added in the same order whatever the items.
 * NDRange [1 + items], one item a group; group 0 does nothing: PoCL gives the thread that comes
 * first one group more than its share. gemm_few_sum, gemm_few_turn: one item a group, see there.
 * N is a multiple of NV. flags: 1 add bias [N], 2 relu, 4 write past the caches (whole vectors only),
 * 8 mask [M,N].
 * Tunables: VW; TR, rows of a tile: 2·TR sums, two of b and one of a fit the registers; BR, which
 * divides 3·VW, and BV: the same of BR·BV; KC; ROWS.
 */
#include "gemm_tile.cl"
#ifndef TR
#define TR 6
#endif
#ifndef BR
#define BR 6
#endif
#ifndef BV
#define BV 2
#endif
#ifndef KC
#define KC 64
#endif
#ifndef ROWS
#define ROWS 128 /* of a, at most, rounded up to tiles */
#endif
#define STREAM 4
#define MASK 8
#define GROUP (BV * VW)
#define BLOCK (3 * VW) /* whole tiles, and whole vectors */
#define LINE 16        /* numbers of a cache line */

/* A tile's sums of `terms` terms: two vectors of each row. Fetches `lines` lines of what comes
 * next. */
static inline void multiply(__global float *sums, const float *a, __global const float *b, long ldb,
                            int terms, bool first, __global const float *next, int lines)
{
    vec_t sum[2 * TR];
    UNROLL for (int i = 0; i < 2 * TR; ++i) { sum[i] = first ? (vec_t)(0.0f) : VEC_LOAD(i, sums); }
    for (int l = 0; l < terms; ++l, ++a, b += ldb) {
        if (l < lines) { FETCH_EARLY(next + l * LINE); }
        const vec_t lo = VEC_LOAD(0, b), hi = VEC_LOAD(1, b);
        UNROLL for (int i = 0; i < TR; ++i)
        {
            const vec_t v = (vec_t)(a[i * KC]);
            sum[2 * i] = fma(v, lo, sum[2 * i]);
            sum[2 * i + 1] = fma(v, hi, sum[2 * i + 1]);
        }
    }
    UNROLL for (int i = 0; i < 2 * TR; ++i) { VEC_WRITE(sum[i], i, sums); }
}

/* A row that does not exist is the last one once more. Fetches what comes behind these terms. */
static inline void pack_rows(float *A, __global const float *a, int M, int rows, int L, int terms)
{
    for (int i = 0; i < rows; ++i, A += KC) {
        __global const float *row = a + min(i, M - 1) * (long)L;
        copy_run(A, row, terms);
        for (int l = 0; l < KC; l += LINE) { FETCH_EARLY(row + terms + l); }
    }
}

__kernel ONE_ITEM void gemm_few(__global const float *restrict a, ulong a_at,
                                __global const float *restrict b, ulong b_at,
                                __global float *restrict slabs, ulong slabs_at, int M, int N, int L,
                                int columns, int span)
{
    float A[ROWS * KC] __attribute__((aligned(64)));
    if (get_group_id(0) == 0) { return; }
    const int blocks = (N + columns - 1) / columns, tiles = (M + TR - 1) / TR;
    const int slab = (get_group_id(0) - 1) / blocks;
    const int j0 = (get_group_id(0) - 1 - slab * blocks) * columns, n = min(columns, N - j0);
    const int begin = slab * span, end = min(begin + span, L);
    a += a_at;
    b += b_at + j0;
    slabs += slabs_at + (slab * (long)N + j0) * tiles * TR;
    for (int l0 = begin; l0 < end; l0 += KC) {
        const int terms = min(KC, end - l0), left = min(KC, end - l0 - terms);
        __global const float *next = b + (l0 + terms) * (long)N;
        int fetched = 0;
        pack_rows(A, a + l0, M, tiles * TR, L, terms);
        for (int j = 0; j < n; j += NV) {
            for (int t = 0; t < tiles; ++t, ++fetched) {
                multiply(slabs + (j * tiles + t * NV) * (long)TR, A + t * TR * KC,
                         b + l0 * (long)N + j, N, terms, l0 == begin, next + fetched * (long)N,
                         fetched < left ? n / LINE : 0);
            }
        }
    }
}

/* NDRange [strips of N, ⌈M / rows⌉]. */
__kernel ONE_ITEM void gemm_few_sum(__global const float *restrict slabs, ulong slabs_at,
                                    __global const float *restrict bias, ulong bias_at,
                                    __global float *restrict out, ulong out_at, int M, int N,
                                    int n_slabs, int flags, int rows)
{
    const int j = get_group_id(0) * NV, padded = (M + TR - 1) / TR * TR;
    const int begin = get_group_id(1) * rows, end = min(begin + rows, M);
    const long pitch = (long)N * padded;
    slabs += slabs_at + j * (long)padded;
    bias += bias_at + j;
    out += out_at + j;
    for (int i = begin; i < end; ++i) {
        for (int k = 0; k < 2; ++k) {
            __global const float *from = slabs + i * NV + k * VW;
            vec_t v = VEC_LOAD(0, from);
            for (int s = 1; s < n_slabs; ++s) { v += VEC_LOAD(0, from + s * pitch); }
            if (flags & ADD_BIAS) { v += VEC_LOAD(k, bias); }
            if (flags & RELU) { v = relu(v); }
            VEC_WRITE(v, k, out + i * (long)N);
        }
    }
}

/* a [M,L] as the terms from `first` on of [groups][all][GROUP], rows that do not exist as 0.
 * NDRange [groups, ⌈L / VW⌉]. */
__kernel ONE_ITEM void gemm_few_turn(__global const float *restrict a, ulong a_at,
                                     __global float *restrict to, ulong to_at, int M, int L,
                                     int all, int first)
{
    const int i0 = get_group_id(0) * GROUP, l0 = get_group_id(1) * VW, terms = min(VW, L - l0);
    a += a_at + l0;
    to += to_at + i0 * (long)all + (first + l0) * GROUP;
    for (int v = 0; v < BV; ++v) {
        float square[VW * NV] __attribute__((aligned(64)));
        __global const float *from = a + (i0 + v * VW) * (long)L;
        const int rows = M - i0 - v * VW;
        if (rows >= VW && terms == VW) {
            transpose_square(square, from, L);
        } else {
            for (int l = 0; l < terms; ++l) {
                for (int i = 0; i < VW; ++i) {
                    square[l * NV + i] = i < rows ? from[i * (long)L + l] : 0.0f;
                }
            }
        }
        for (int l = 0; l < terms; ++l) {
            const vec_t w = VEC_LOAD(0, square + l * NV);
            VEC_WRITE(w, v, to + l * GROUP);
        }
    }
}

/* Adds BR rows of b, L terms, by a panel; a row that does not exist is the last one once more.
 * Fetches the next rows. */
static inline void add_turned(vec_t *sum, __global const float *panel, __global const float *b,
                              int rows, int L)
{
    __global const float *row[BR];
    UNROLL for (int i = 0; i < BR; ++i) { row[i] = b + min(i, rows - 1) * (long)L; }
    for (int l0 = 0; l0 < L; l0 += LINE) {
        const int end = min(l0 + LINE, L);
        if (rows >= 2 * BR) {
            UNROLL for (int i = 0; i < BR; ++i) { FETCH_EARLY(row[i] + BR * (long)L + l0); }
        }
        for (int l = l0; l < end; ++l, panel += GROUP) {
            vec_t w[BV];
            UNROLL for (int j = 0; j < BV; ++j) { w[j] = VEC_LOAD(j, panel); }
            UNROLL for (int i = 0; i < BR; ++i)
            {
                const vec_t v = (vec_t)(row[i][l]);
                UNROLL for (int j = 0; j < BV; ++j)
                {
                    sum[i * BV + j] = fma(v, w[j], sum[i * BV + j]);
                }
            }
        }
    }
}

static inline void multiply_turned(float *sums, __global const float *panel,
                                   __global const float *b, int rows, int L)
{
    vec_t sum[BR * BV];
    UNROLL for (int i = 0; i < BR * BV; ++i) { sum[i] = (vec_t)(0.0f); }
    add_turned(sum, panel, b, rows, L);
    UNROLL for (int i = 0; i < BR * BV; ++i) { VEC_STORE(sum[i], i, sums); }
}

/* sums [BLOCK][GROUP] become columns of out: `columns` of them, `rows` rows. */
static inline void write_turned(__global float *out, __global const float *mask, const float *sums,
                                int N, int rows, int columns, bool stream)
{
    for (int j = 0; j < columns; j += VW) {
        for (int i0 = 0; i0 < min(GROUP, rows); i0 += VW) {
            vec_t v[VW];
            UNROLL for (int i = 0; i < VW; ++i) { v[i] = VEC_LOAD(0, sums + (j + i) * GROUP + i0); }
            transpose_vectors(v);
            UNROLL for (int i = 0; i < VW; ++i)
            {
                const long at = (i0 + i) * (long)N + j;
                if (i0 + i < rows && mask) {
                    const vec_t x = load_part(mask + at, columns - j);
                    v[i] = x <= (vec_t)(0.0f) ? (vec_t)(0.0f) : v[i];
                }
                if (i0 + i >= rows) { continue; }
                if (stream) {
                    VEC_WRITE_PAST(v[i], out + at);
                } else {
                    store_part(v[i], out + at, columns - j);
                }
            }
        }
    }
}

__kernel ONE_ITEM void gemm_few_turned(__global const float *restrict panels, ulong panels_at,
                                       __global const float *restrict b, ulong b_at,
                                       __global const float *restrict mask, ulong mask_at,
                                       __global float *restrict out, ulong out_at, int M, int N,
                                       int L, int flags, int blocks)
{
    float sums[BLOCK * GROUP] __attribute__((aligned(64)));
    if (get_group_id(0) == 0) { return; }
    const bool stream = (flags & STREAM) && (ulong)(out + out_at) % sizeof(vec_t) == 0;
    const int begin = (get_group_id(0) - 1) * blocks * BLOCK, end = min(begin + blocks * BLOCK, N);
    for (int j0 = begin; j0 < end; j0 += BLOCK) {
        const int columns = min(BLOCK, end - j0);
        for (int i0 = 0; i0 < M; i0 += GROUP) {
            const long at = i0 * (long)N + j0;
            for (int j = 0; j < columns; j += BR) {
                multiply_turned(sums + j * GROUP, panels + panels_at + i0 * (long)L,
                                b + b_at + (j0 + j) * (long)L, N - j0 - j, L);
            }
            write_turned(out + out_at + at, flags & MASK ? mask + mask_at + at : 0, sums, N, M - i0,
                         columns, stream);
        }
    }
}

#define AT_ONCE 8
#define FIRST 16 /* no sums wait */
#define LAST 32  /* nor will */

/* The sums of a tile over `count` matrices. */
static inline void multiply_several(float *sums, __global const float *waiting, bool first,
                                    __global const float *panel, __global const float *const *b,
                                    const int *terms, int count, int row, int rows)
{
    vec_t sum[BR * BV];
    UNROLL for (int i = 0; i < BR * BV; ++i) { sum[i] = first ? (vec_t)(0.0f) : VEC_LOAD(i, waiting); }
    for (int t = 0; t < count; ++t) {
        add_turned(sum, panel, b[t] + row * (long)terms[t], rows, terms[t]);
        panel += terms[t] * (long)GROUP;
    }
    UNROLL for (int i = 0; i < BR * BV; ++i) { VEC_STORE(sum[i], i, sums); }
}

/* L are all terms, of which those of these matrices begin at `begins`. */
__kernel ONE_ITEM void gemm_few_several(
    __global const float *restrict panels, ulong panels_at, __global const float *restrict b0,
    ulong b0_at, __global const float *restrict b1, ulong b1_at, __global const float *restrict b2,
    ulong b2_at, __global const float *restrict b3, ulong b3_at, __global const float *restrict b4,
    ulong b4_at, __global const float *restrict b5, ulong b5_at, __global const float *restrict b6,
    ulong b6_at, __global const float *restrict b7, ulong b7_at,
    __global const float *restrict mask, ulong mask_at, __global float *restrict waiting,
    ulong waiting_at, __global float *restrict out, ulong out_at, int M, int N, int L, int begins,
    int count, int L0, int L1, int L2, int L3, int L4, int L5, int L6, int L7, int flags,
    int blocks)
{
    float sums[BLOCK * GROUP] __attribute__((aligned(64)));
    __global const float *const b[AT_ONCE] = {b0 + b0_at, b1 + b1_at, b2 + b2_at, b3 + b3_at,
                                              b4 + b4_at, b5 + b5_at, b6 + b6_at, b7 + b7_at};
    const int terms[AT_ONCE] = {L0, L1, L2, L3, L4, L5, L6, L7};
    if (get_group_id(0) == 0) { return; }
    const int begin = (get_group_id(0) - 1) * blocks * BLOCK, end = min(begin + blocks * BLOCK, N);
    const int groups = (M + GROUP - 1) / GROUP;
    panels += panels_at + begins * (long)GROUP;
    waiting += waiting_at;
    for (int j0 = begin; j0 < end; j0 += BLOCK) {
        const int columns = min(BLOCK, end - j0);
        for (int i0 = 0; i0 < M; i0 += GROUP) {
            const long at = i0 * (long)N + j0;
            __global float *kept = waiting + (j0 / BLOCK * groups + i0 / GROUP) * BLOCK * (long)GROUP;
            for (int j = 0; j < columns; j += BR) {
                multiply_several(sums + j * GROUP, kept + j * GROUP, flags & FIRST,
                                 panels + i0 * (long)L, b, terms, count, j0 + j, N - j0 - j);
            }
            if (flags & LAST) {
                write_turned(out + out_at + at, flags & MASK ? mask + mask_at + at : 0, sums, N,
                             M - i0, columns, false);
            } else {
                for (int i = 0; i < BLOCK * BV; ++i) { VEC_WRITE(VEC_LOAD(i, sums), i, kept); }
            }
        }
    }
}

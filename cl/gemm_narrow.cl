/*
 * gemm_narrow.cl: products of few rows by a narrow matrix, which is read where it lies, for CPUs:
 * the first layers of many heads, which share their left factor.
 *
 *   out[i,j] = Σ_l a[i·L + l] · b[l·N + j]  (+ bias[j], then relu)
 *
 * gemm_narrow_pack copies a [M,L] as gemm_packed.cl has it, A [piece][tile][term/VW][row][VW]. A
 * step that only does this is the same for all layers that read a, and is done once (graph/share.c).
 *
 *        strips·NV columns    An item computes a block of out, a piece of the sum at a time. A
 *       ┌───┬───┬───┐         strip of a piece of b stays in the first-level cache while all tiles
 *       │   │ b │   │ KC      meet it; meanwhile the rows of the next piece are fetched, so that
 *       └───┴───┴───┘         what comes from memory comes while something is computed. Where the
 *   ┌─┐ ┌───┬───┬───┐         last strip ends, vectors reach into the next row: those lanes are
 *   │A│ │out│   │   │ TR      nobody's. Rows where they would reach behind b are read by numbers.
 *   └─┘ └───┴───┴───┘         out holds the sums between one piece and the next.
 *
 * The last tile has as many thirds of TR rows as it needs, the last strip one vector where that
 * does. Pieces follow from the shape alone, so the same numbers are added in the same order
 * whatever the blocks.
 *
 * NDRange of gemm_narrow [1 + blocks of columns], one item a group; group 0 does nothing: PoCL gives
 * the thread that comes first one group more than its share. gemm_narrow_pack [tiles, pieces].
 * flags: 1 add bias [N], 2 relu.
 * Tunables: VW; TR, a multiple of 3; KC, a multiple of VW: terms of a piece at most.
 */
#include "gemm_tile.cl"
#ifndef TR
#define TR 6
#endif
#ifndef KC
#define KC 256
#endif
#define THIRD (TR / 3)

struct tile {
    int terms, safe; /* of the piece; of them, rows of b that whole vectors may be read from */
    int rows, columns; /* how many exist; may be more than a tile's */
    int pitch;         /* of b's rows and out's */
    __global const float *next; /* row of the next piece's strip, or 0 */
    long stride;                /* between the rows that a tile fetches */
    __global float *out;
    __global const float *bias; /* of these columns, or 0 */
    bool relu, first;           /* first: out holds nothing yet */
    bool stream;                /* never: results are small */
};

#define TERM(ROWS, VECTORS, load)                                                                  \
    vec_t w[VECTORS];                                                                              \
    UNROLL for (int j = 0; j < (VECTORS); ++j) { w[j] = load; }                                    \
    UNROLL for (int i = 0; i < (ROWS); ++i)                                                        \
    {                                                                                              \
        const vec_t v = (vec_t)(a[i * VW + l]);                                                    \
        UNROLL for (int j = 0; j < (VECTORS); ++j)                                                 \
        {                                                                                          \
            const int at = i * (VECTORS) + j;                                                      \
            sum[at] = fma(v, w[j], sum[at]);                                                       \
        }                                                                                          \
    }

/* A tile of ROWS rows and VECTORS vectors. True: it is finished, as whole ones are; false: its sums
 * [row][NV] are to be. */
#define DEFINE_MULTIPLY(name, ROWS, VECTORS)                                                       \
    static inline bool name(float *sums, __global const float *a, __global const float *b,         \
                            const struct tile *t)                                                  \
    {                                                                                              \
        vec_t sum[(ROWS) * (VECTORS)];                                                             \
        __global const float *next = t->next;                                                      \
        UNROLL for (int i = 0; i < (ROWS) * (VECTORS); ++i) { sum[i] = (vec_t)(0.0f); }            \
        for (int l0 = 0; l0 < t->terms; l0 += VW, a += (ROWS) * VW) {                              \
            const int n = min(t->terms - l0, VW);                                                  \
            if (next) {                                                                            \
                UNROLL for (int i = 0; i < 3; ++i, next += t->stride)                              \
                {                                                                                  \
                    UNROLL for (int j = 0; j < (VECTORS); ++j) { FETCH(next + j * VW); }           \
                    FETCH(next + (VECTORS) * VW - 1);                                              \
                }                                                                                  \
            }                                                                                      \
            const int safe = min(n, t->safe - l0);                                                 \
            int l = 0;                                                                             \
            for (; l < safe; ++l, b += t->pitch) {                                                 \
                TERM(ROWS, VECTORS, VEC_LOAD(j, b))                                                \
            }                                                                                      \
            for (; l < n; ++l, b += t->pitch) {                                                    \
                TERM(ROWS, VECTORS, load_part_in_place(b + j * VW, t->columns - j * VW))           \
            }                                                                                      \
        }                                                                                          \
        if ((ROWS) > t->rows || t->columns < VW * (VECTORS)) {                                     \
            FOR_SUMS(ROWS, VECTORS, t, VEC_STORE(v, j, sums + i * NV))                             \
            return false;                                                                          \
        }                                                                                          \
        END_TILE(ROWS, VECTORS, t)                                                                 \
        return true;                                                                               \
    }
DEFINE_THIRDS(DEFINE_MULTIPLY)

static INLINED bool multiply(float *sums, __global const float *a, __global const float *b,
                             int thirds, const struct tile *t)
{
    return BY_THIRDS(thirds, t->columns <= VW, (sums, a, b, t));
}

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
            store_part(v, out + j, columns - j);
        }
    }
}

static inline int round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

/* Numbers of A a term: rows, padded to thirds of a tile. */
static inline int padded_rows(int M)
{
    return M / TR * TR + (M % TR + THIRD - 1) / THIRD * THIRD;
}

__kernel ONE_ITEM void gemm_narrow_pack(__global const float *restrict a, ulong a_at,
                                        __global float *restrict A, ulong A_at, int M, int L,
                                        int piece)
{
    const int i0 = get_group_id(0) * TR, l0 = get_group_id(1) * piece;
    const int terms = min(piece, L - l0), n = thirds_of(M - i0, THIRD) * THIRD;
    a += a_at;
    A += A_at + (long)l0 * padded_rows(M) + i0 * round_up(terms, VW);
    for (int r = 0; r < n; ++r) {
        __global const float *from = a + min(i0 + r, M - 1) * (long)L + l0;
        __global float *to = A + r * VW;
        for (int l = 0; l < terms; l += VW, to += n * VW) {
            VEC_WRITE(load_part(from + l, terms - l), 0, to);
        }
    }
}

__kernel ONE_ITEM void gemm_narrow(__global const float *restrict A, ulong A_at,
                                   __global const float *restrict b, ulong b_at,
                                   __global const float *restrict bias, ulong bias_at,
                                   __global float *restrict out, ulong out_at, int M, int N, int L,
                                   int flags, int strips, int piece)
{
    float sums[TR * NV] __attribute__((aligned(64)));
    if (get_group_id(0) == 0) { return; }
    const int j0 = (get_group_id(0) - 1) * strips * NV, columns = min(strips * NV, N - j0);
    const int tiles = (M + TR - 1) / TR;
    b += b_at + j0;
    out += out_at + j0;
    for (int l0 = 0; l0 < L; l0 += piece) {
        const int terms = min(piece, L - l0);
        const bool last = l0 + terms == L;
        for (int j = 0; j < columns; j += NV) {
            struct tile t = {.terms = terms, .columns = columns - j, .pitch = N};
            __global const float *tile = A + A_at + (long)l0 * padded_rows(M);
            const int width = t.columns <= VW ? VW : NV;
            /* l·N + j0 + j + width ≤ L·N */
            t.safe = L + 1 - (j0 + j + width + N - 1) / N - l0;
            t.first = l0 == 0;
            t.relu = last && (flags & RELU);
            t.stride = tiles * (long)N;
            if (last && (flags & ADD_BIAS)) { t.bias = bias + bias_at + j0 + j; }
            for (int i = 0; i < M; i += TR) {
                const int thirds = thirds_of(M - i, THIRD);
                t.rows = M - i;
                t.out = out + i * (long)N + j;
                t.next = last ? 0 : b + (l0 + piece + i / TR) * (long)N + j;
                if (!multiply(sums, tile, b + l0 * (long)N + j, thirds, &t)) {
                    finish_tile(sums, &t);
                }
                tile += thirds * THIRD * round_up(terms, VW);
            }
        }
    }
}

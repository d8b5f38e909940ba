/*
 * gemm_tile.cl: what the register-tile kernels of CPUs share: vectors of VW numbers, panels in
 * private memory, and columns in pairs of vectors.
 *
 * A work-group is one work-item. Its panels stay in the core's caches, its accumulators are arrays
 * that only unrolled loops index, so that they stay in registers.
 *
 * Tunables: VW = 4, 8 or 16, the device's native width.
 */
#include "fetch.cl"
#ifndef VW
#define VW 8
#endif
#ifndef NV
#define NV (2 * VW) /* columns of a tile */
#endif
#define TILE_CAT_(a, b) a##b
#define TILE_CAT(a, b) TILE_CAT_(a, b)
typedef TILE_CAT(float, VW) vec_t;
#define VEC_LOAD TILE_CAT(vload, VW)
/* PoCL's vstore goes by 16 bytes at a time. Into private and into global memory: */
typedef vec_t loose_vec_t __attribute__((aligned(4)));
#define VEC_STORE(v, i, p) (((loose_vec_t *)(p))[i] = (v))
#define VEC_WRITE(v, i, p) (((__global loose_vec_t *)(p))[i] = (v))
#define UNROLL _Pragma("unroll")
#define INLINED inline __attribute__((always_inline))
#define ONE_ITEM __attribute__((reqd_work_group_size(1, 1, 1)))
#define ONE_ITEM_WHOLE ONE_ITEM /* as ONE_ITEM, but the body stays in the kernel (kernel_body.c) */
#define ADD_BIAS 1
#define RELU 2

/* Past the caches, a whole vector where one begins; as any other where the compiler cannot. */
#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
#define VEC_WRITE_PAST(v, p) __builtin_nontemporal_store(v, (__global vec_t *)(p))
#endif
#endif
#ifndef VEC_WRITE_PAST
#define VEC_WRITE_PAST(v, p) VEC_WRITE(v, 0, p)
#endif

static inline void copy_run(float *to, __global const float *from, int n)
{
    int i = 0;
    for (; i + VW <= n; i += VW) { VEC_STORE(VEC_LOAD(0, from + i), 0, to + i); }
    for (; i < n; ++i) { to[i] = from[i]; }
}

static inline void zero_run(float *to, int n)
{
    int i = 0;
    for (; i + VW <= n; i += VW) { VEC_STORE((vec_t)(0.0f), 0, to + i); }
    for (; i < n; ++i) { to[i] = 0.0f; }
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

/* Negative lanes become 0; a NaN stays. */
static inline vec_t relu(vec_t v)
{
    return v < (vec_t)(0.0f) ? (vec_t)(0.0f) : v;
}

/* With the bias, or 0, and not below floor, 0 or −∞; a NaN stays. */
static inline vec_t finished(vec_t v, vec_t bias, vec_t floor)
{
    v += bias;
    return v < floor ? floor : v;
}

/* Of a tile's ROWS × VECTORS sums, each as v, to be put at vector j of a row of out. */
#define FOR_SUMS(ROWS, VECTORS, f, put)                                                            \
    UNROLL for (int i = 0; i < (ROWS); ++i)                                                        \
    {                                                                                              \
        UNROLL for (int j = 0; j < (VECTORS); ++j)                                                 \
        {                                                                                          \
            __global float *out = (f)->out + i * (f)->pitch;                                       \
            const vec_t v = sum[i * (VECTORS) + j];                                                \
            put;                                                                                   \
        }                                                                                          \
    }

/* The end of a tile that is there as a whole, in registers. f: bias of its columns, or 0; relu;
 * first, where out holds nothing yet; stream, to write past the caches. */
#define END_TILE(ROWS, VECTORS, f)                                                                 \
    {                                                                                              \
        const vec_t floor = (vec_t)((f)->relu ? 0.0f : -INFINITY);                                 \
        vec_t bias[VECTORS];                                                                       \
        UNROLL for (int j = 0; j < (VECTORS); ++j)                                                 \
        {                                                                                          \
            bias[j] = (f)->bias ? VEC_LOAD(j, (f)->bias) : (vec_t)(0.0f);                          \
        }                                                                                          \
        if (!(f)->first) {                                                                         \
            FOR_SUMS(ROWS, VECTORS, f,                                                             \
                     VEC_WRITE(finished(v + VEC_LOAD(j, out), bias[j], floor), j, out))            \
        } else if ((f)->stream) {                                                                  \
            FOR_SUMS(ROWS, VECTORS, f,                                                             \
                     VEC_WRITE_PAST(finished(v, bias[j], floor), out + j * VW))                    \
        } else {                                                                                   \
            FOR_SUMS(ROWS, VECTORS, f, VEC_WRITE(finished(v, bias[j], floor), j, out))             \
        }                                                                                          \
    }

/* A last tile has as many thirds of TR rows as it needs, a last strip one vector where that does:
 * DEFINE(name, rows, vectors) for each of them, and the call of the one that fits. */
#define DEFINE_THIRDS(DEFINE)                                                                      \
    DEFINE(multiply_3_2, TR, 2)                                                                    \
    DEFINE(multiply_2_2, TR / 3 * 2, 2)                                                            \
    DEFINE(multiply_1_2, TR / 3, 2)                                                                \
    DEFINE(multiply_3_1, TR, 1)                                                                    \
    DEFINE(multiply_2_1, TR / 3 * 2, 1)                                                            \
    DEFINE(multiply_1_1, TR / 3, 1)
#define BY_THIRDS(thirds, narrow, arguments)                                                       \
    ((narrow) ? ((thirds) == 3   ? multiply_3_1 arguments                                          \
                 : (thirds) == 2 ? multiply_2_1 arguments                                          \
                                 : multiply_1_1 arguments)                                         \
              : ((thirds) == 3   ? multiply_3_2 arguments                                          \
                 : (thirds) == 2 ? multiply_2_2 arguments                                          \
                                 : multiply_1_2 arguments))

/* Thirds, of `third` rows, of the tile that begins where `left` rows are left. */
static inline int thirds_of(int left, int third)
{
    return min(3, (left + third - 1) / third);
}

/* The first n of VW elements; the other lanes are 0. n may be ≤ 0 or above VW. In place: for loops
 * whose sums a call, even one that is seldom made, would drive out of the registers. */
static INLINED vec_t load_part_in_place(__global const float *from, int n)
{
    if (n >= VW) { return VEC_LOAD(0, from); }
    float lane[VW];
    UNROLL for (int i = 0; i < VW; ++i) { lane[i] = i < n ? from[i] : 0.0f; }
    return VEC_LOAD(0, lane);
}

static inline vec_t load_part(__global const float *from, int n)
{
    return load_part_in_place(from, n);
}

static inline void store_part(vec_t v, __global float *to, int n)
{
    if (n >= VW) {
        VEC_WRITE(v, 0, to);
        return;
    }
    float lane[VW];
    VEC_STORE(v, 0, lane);
    UNROLL for (int i = 0; i < VW; ++i)
    {
        if (i < n) { to[i] = lane[i]; }
    }
}

/* Σ of the first n of VW numbers of G slabs, `pitch` apart, in their order. */
static INLINED vec_t sum_slabs(__global const float *from, int pitch, int G, int n)
{
    vec_t sum = load_part_in_place(from, n);
    for (int g = 1; g < G; ++g) {
        from += pitch;
        sum += load_part_in_place(from, n);
    }
    return sum;
}

/* NV numbers (of which `columns` exist) of each of `rows` rows become rows of a panel. */
static inline void copy_columns(float *to, __global const float *from, int pitch, int rows,
                                int columns)
{
    if (columns >= NV) {
        for (int i = 0; i < rows; ++i, from += pitch, to += NV) {
            const vec_t a = VEC_LOAD(0, from), b = VEC_LOAD(1, from);
            VEC_STORE(a, 0, to);
            VEC_STORE(b, 1, to);
        }
        return;
    }
    for (int i = 0; i < rows; ++i, from += pitch, to += NV) {
        VEC_STORE(load_part(from, columns), 0, to);
        VEC_STORE(load_part(from + VW, columns - VW), 1, to);
    }
}

/*
 * VW vectors become what their columns were. Rotating the bits of an element's address (row, then
 * column) by log₂VW places transposes; one stage rotates by one place.
 */
static INLINED void transpose_vectors(vec_t *a)
{
    vec_t b[VW];
    UNROLL for (int stage = 1; stage < VW; stage *= 2)
    {
        UNROLL for (int i = 0; i < VW / 2; ++i)
        {
            b[2 * i].even = a[i].lo;
            b[2 * i].odd = a[i + VW / 2].lo;
            b[2 * i + 1].even = a[i].hi;
            b[2 * i + 1].odd = a[i + VW / 2].hi;
        }
        UNROLL for (int i = 0; i < VW; ++i) { a[i] = b[i]; }
    }
}

/* VW rows of VW numbers become columns of a panel: to[NV·c + r] = from[pitch·r + c]. */
static inline void transpose_square(float *to, __global const float *from, int pitch)
{
    vec_t a[VW];
    UNROLL for (int i = 0; i < VW; ++i) { a[i] = VEC_LOAD(0, from + i * pitch); }
    transpose_vectors(a);
    UNROLL for (int i = 0; i < VW; ++i) { VEC_STORE(a[i], 0, to + i * NV); }
}

/* n numbers of each of `columns` rows (at most NV count) become n rows of a panel. */
static inline void transpose_columns(float *to, __global const float *from, int pitch, int n,
                                     int columns)
{
    int i = 0;
    if (columns >= NV) {
        for (; i + VW <= n; i += VW) {
            transpose_square(to + i * NV, from + i, pitch);
            transpose_square(to + i * NV + VW, from + i + VW * pitch, pitch);
        }
    }
    for (; i < n; ++i) {
        for (int j = 0; j < NV; ++j) { to[i * NV + j] = j < columns ? from[i + j * pitch] : 0.0f; }
    }
}

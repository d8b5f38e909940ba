/*
 * gradient_rows.cl: what balancers do with the gradients of T tasks, rows [T,P] one behind another.
 *
 * Sums over a row are cut into chunks of `span` elements, the same for every number of cores. Lanes
 * and spans as in walk.cl; `scratch` has a float for each item, for gram_tiles sixteen.
 */
#ifdef FETCHES /* what else runs wide vectors may not compile hints */
#include "fetch.cl"
#else
#define FETCH_EARLY(p)
#endif
#include "walk.cl"

#define TILE 4   /* rows of a tile */
#define TERMS 32 /* that are added one after another */

/*
 * gram[s,t] = Σ_i rows[s,i]·rows[t,i], in two launches. The first makes partial[pair, chunk, 16]: of
 * tiles of four rows by four, those with tile a ≤ tile b, in the order (0,0), (0,1) … (1,1) …. A row
 * behind the last is the last once more, and nobody looks at what it gives. Sums of a few terms are
 * added to the others, so that rounding stays small.
 */
#if VW > 1
#define BLOCK (64 * VW) /* elements, of which two tiles fit a first-level cache, all a second-level one */
#define MOST_PAIRS 136  /* of 64 rows */

/* Adds to all[16] what n elements of four rows by four give. Fetches as many of the row `ahead`. */
static INLINED void gram_add(lanes_t *all, __global const float *const *s,
                             __global const float *const *t, int n, __global const float *ahead)
{
    lanes_t sum[TILE * TILE];
#pragma unroll
    for (int k = 0; k < TILE * TILE; k++) { sum[k] = (lanes_t)0.0f; }
    int i = 0;
    for (; i + VW <= n; i += VW) {
        lanes_t x[TILE];
        FETCH_EARLY(ahead + i);
#pragma unroll
        for (int k = 0; k < TILE; k++) { x[k] = LANES_LOAD(t[k] + i); }
#pragma unroll
        for (int j = 0; j < TILE; j++) {
            const lanes_t y = LANES_LOAD(s[j] + i);
#pragma unroll
            for (int k = 0; k < TILE; k++) {
                sum[j * TILE + k] = fma(y, x[k], sum[j * TILE + k]);
            }
        }
    }
    if (i < n) {
#pragma unroll
        for (int j = 0; j < TILE; j++) {
            const lanes_t y = lanes_load(s[j] + i, n - i);
#pragma unroll
            for (int k = 0; k < TILE; k++) {
                sum[j * TILE + k] = fma(y, lanes_load(t[k] + i, n - i), sum[j * TILE + k]);
            }
        }
    }
#pragma unroll
    for (int k = 0; k < TILE * TILE; k++) { all[k] += sum[k]; }
}

/* NDRange [chunks·shares], an item a group: it makes its share of a chunk's pairs. */
__kernel void gram_tiles(__global const float *rows_base, ulong rows_at,
                         __global float *partial_base, ulong partial_at, int T, int P, int span,
                         int n_tiles, int n_chunks, int shares, __local float *scratch)
{
    __global const float *rows = rows_base + rows_at;
    __global float *out = partial_base + partial_at;
    const int n_pairs = n_tiles * (n_tiles + 1) / 2;
    const int chunk = get_group_id(0) / shares, share = get_group_id(0) - chunk * shares;
    const int first = n_pairs * share / shares, last = n_pairs * (share + 1) / shares;
    const int end = chunk * span + min(P - chunk * span, span);
    lanes_t all[MOST_PAIRS * TILE * TILE];
    for (int k = 0; k < (last - first) * TILE * TILE; k++) { all[k] = (lanes_t)0.0f; }
    for (int i = chunk * span; i < end; i += BLOCK) {
        int pair = 0;
        __global const float *ahead = rows + i + BLOCK;
        for (int a = 0; a < n_tiles; a++) {
            for (int b = a; b < n_tiles; b++, pair++) {
                if (pair < first || pair >= last) { continue; }
                __global const float *s[TILE], *t[TILE];
#pragma unroll
                for (int k = 0; k < TILE; k++) {
                    s[k] = rows + (size_t)min(a * TILE + k, T - 1) * (size_t)P + i;
                    t[k] = rows + (size_t)min(b * TILE + k, T - 1) * (size_t)P + i;
                }
                gram_add(all + (pair - first) * TILE * TILE, s, t, min(BLOCK, end - i), ahead);
                ahead += ahead < rows + (size_t)(T - 1) * (size_t)P ? P : 0;
            }
        }
    }
    for (int pair = first; pair < last; pair++) {
        for (int k = 0; k < TILE * TILE; k++) {
            out[(pair * n_chunks + chunk) * TILE * TILE + k] =
                lanes_sum(all[(pair - first) * TILE * TILE + k]);
        }
    }
}
#else
/* NDRange [chunks·pairs·L], a share being a pair: pairs of one chunk stand beside each other, so
 * that its rows are read from memory once. */
__kernel void gram_tiles(__global const float *rows_base, ulong rows_at,
                         __global float *partial_base, ulong partial_at, int T, int P, int span,
                         int n_tiles, int n_chunks, int shares, __local float *scratch)
{
    __global const float *rows = rows_base + rows_at;
    const int chunk = get_group_id(0) / shares, pair = get_group_id(0) - chunk * shares;
    int a = 0, first = 0;
    while (pair >= first + n_tiles - a) {
        first += n_tiles - a;
        a++;
    }
    const int b = a + pair - first;
    __global const float *s[TILE], *t[TILE];
    float all[TILE * TILE];
#pragma unroll
    for (int k = 0; k < TILE; k++) {
        s[k] = rows + (size_t)min(a * TILE + k, T - 1) * (size_t)P;
        t[k] = rows + (size_t)min(b * TILE + k, T - 1) * (size_t)P;
    }
#pragma unroll
    for (int k = 0; k < TILE * TILE; k++) { all[k] = 0.0f; }
    const int end = chunk * span + min(P - chunk * span, span), step = (int)get_local_size(0);
    int i = chunk * span + (int)get_local_id(0);
    while (i < end) {
        float sum[TILE * TILE];
#pragma unroll
        for (int k = 0; k < TILE * TILE; k++) { sum[k] = 0.0f; }
        for (const int stop = min(end, i + TERMS * step); i < stop; i += step) {
            float x[TILE];
#pragma unroll
            for (int k = 0; k < TILE; k++) { x[k] = t[k][i]; }
#pragma unroll
            for (int j = 0; j < TILE; j++) {
                const float y = s[j][i];
#pragma unroll
                for (int k = 0; k < TILE; k++) {
                    sum[j * TILE + k] = fma(y, x[k], sum[j * TILE + k]);
                }
            }
        }
#pragma unroll
        for (int k = 0; k < TILE * TILE; k++) { all[k] += sum[k]; }
    }
    /* the items' sums as a tree, all sixteen at once */
    __global float *out = partial_base + partial_at + (pair * n_chunks + chunk) * TILE * TILE;
    const int l = get_local_id(0), L = get_local_size(0);
#pragma unroll
    for (int k = 0; k < TILE * TILE; k++) { scratch[k * L + l] = all[k]; }
    for (int h = L / 2; h > 0; h /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < TILE * TILE && l < h; k++) {
            scratch[k * L + l] += scratch[k * L + l + h];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = l; k < TILE * TILE; k += L) { out[k] = scratch[k * L]; }
}
#endif

/* The chunks' sums, in their order, to both triangles. NDRange [pairs·16], an item a number. */
__kernel void gram_finish(__global const float *partial_base, ulong partial_at,
                          __global float *gram_base, ulong gram_at, int T, int n_tiles,
                          int n_chunks, int n)
{
    __global const float *partial = partial_base + partial_at;
    __global float *gram = gram_base + gram_at;
    const int item = get_global_id(0);
    if (item >= n) { return; }
    const int pair = item / (TILE * TILE), k = item % (TILE * TILE);
    int a = 0, first = 0;
    while (pair >= first + n_tiles - a) {
        first += n_tiles - a;
        a++;
    }
    const int s = a * TILE + k / TILE, t = (a + pair - first) * TILE + k % TILE;
    if (s >= T || t >= T) { return; }
    float sum = 0.0f;
    for (int c = 0; c < n_chunks; c++) {
        sum += partial[(pair * n_chunks + c) * TILE * TILE + k];
    }
    /* of a tile on the diagonal both triangles are summed; they are the same bits */
    gram[s * T + t] = sum;
    gram[t * T + s] = sum;
}

/* out[i] = Σ_t weight[t]·rows[t·stride + i], from the first row on. NDRange [groups·L]. */
__kernel void combine_rows(__global const float *rows_base, ulong rows_at,
                           __global const float *weight_base, ulong weight_at,
                           __global float *out, ulong out_at, int T, int stride, int first, int n,
                           int span)
{
    __global const float *rows = rows_base + rows_at + first;
    __global const float *weight = weight_base + weight_at;
    FOR_ELEMENTS(n, span)
    {
        lanes_t sum = (lanes_t)weight[0] * lanes_load(rows + i, left);
        for (int t = 1; t < T; t++) {
            sum = fma((lanes_t)weight[t], lanes_load(rows + (size_t)t * (size_t)stride + i, left),
                      sum);
        }
        lanes_store(sum, out + out_at + i, left);
    }
}

/* kept[t,i] = factor[t]·kept[t,i] + factor[T+t]·rows[t,i]. NDRange [groups·L]. */
__kernel void mix_rows(__global float *kept_base, ulong kept_at, __global const float *rows_base,
                       ulong rows_at, __global const float *factor_base, ulong factor_at, int T,
                       int n, int span)
{
    __global float *kept = kept_base + kept_at;
    __global const float *rows = rows_base + rows_at, *factor = factor_base + factor_at;
    FOR_ELEMENTS(n, span)
    {
        for (int t = 0; t < T; t++) {
            const size_t at = (size_t)t * (size_t)n + i;
            const lanes_t take = (lanes_t)factor[T + t] * lanes_load(rows + at, left);
            lanes_store(fma((lanes_t)factor[t], lanes_load(kept + at, left), take), kept + at,
                        left);
        }
    }
}

/*
 * squares[t,i] += rows[t,i]², then partial[t,chunk] = Σ rows²/√(squares + 1e-7). NDRange
 * [chunks·T·L], tasks of one chunk beside each other.
 */
__kernel void excess_chunks(__global float *squares_base, ulong squares_at,
                            __global const float *rows_base, ulong rows_at,
                            __global float *partial, ulong partial_at, int T, int P, int span,
                            int n_chunks, __local float *scratch)
{
    const int chunk = get_group_id(0) / T, t = get_group_id(0) - chunk * T;
    __global float *squares = squares_base + squares_at + (size_t)t * (size_t)P;
    __global const float *row = rows_base + rows_at + (size_t)t * (size_t)P;
    const int end = chunk * span + min(P - chunk * span, span);
    lanes_t sum = (lanes_t)0.0f;
    for (int i = chunk * span + (int)get_local_id(0) * VW; i < end; i += (int)get_local_size(0) * VW) {
        const lanes_t g = lanes_load(row + i, end - i);
        const lanes_t h = fma(g, g, lanes_load(squares + i, end - i));
        lanes_store(h, squares + i, end - i);
        sum += g * g / sqrt(h + (lanes_t)1e-7f);
    }
    const float all = group_sum(lanes_sum(sum), scratch);
    if (get_local_id(0) == 0) { partial[partial_at + t * n_chunks + chunk] = all; }
}

/* The chunks' sums, in their order. NDRange [T], and no item leaves early: of groups of one Intel's
 * compiler for CPUs then leaves out all of them. */
__kernel void excess_finish(__global const float *partial_base, ulong partial_at,
                            __global float *excess, ulong excess_at, int n_chunks)
{
    const int t = get_global_id(0);
    __global const float *partial = partial_base + partial_at + t * n_chunks;
    float sum = 0.0f;
    for (int c = 0; c < n_chunks; c++) { sum += partial[c]; }
    excess[excess_at + t] = sum;
}

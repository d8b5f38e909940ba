/*
 * batch_norm.cl: normalisation per channel, with statistics per segment (one stream's samples).
 *
 *   y = (x − μ) · r · γ + β,   r = 1/√(σ² + ε)
 *   dx = γ r (dy − (Σdy + x̂ Σdy·x̂)/n),   dγ = Σ dy·x̂,   dβ = Σ dy,   x̂ = (x − μ) r
 *
 * flags: with STREAM y and dx, too large for the caches, are written past them.
 *
 * Fused: with ADD_RESIDUAL y gets another tensor added, with RELU y is max(y, 0). Backward with
 * RELU (of a y without a residual) takes 0 for dy where the y that x makes is not positive. With
 * FROZEN μ and σ are the running ones: no dx goes through them, and the sums count nothing in it.
 *
 * x, y, dy, dx [S,samples,positions,C]: segment s belongs to stream first_stream + s, of whose
 * samples the first rows[stream] are real. The others are normalised like them, count nothing and
 * get dx = 0. mean, inv_std [S,C]; running statistics [streams,C]; gamma, beta [C].
 *
 * The sums are made in two stages over chunks of `span` rows of C (a row: one position of one
 * sample): partial [S,chunks,2,C]. Lanes are channels; an item goes down the rows with NV vectors
 * of VW channels, whose constants and sums stay in registers: x and dy are read once (the second
 * look at a chunk for its squares finds it in cache).
 *
 * Tunables: VW (lanes.cl); NV = 4 on CPUs: 4·5 registers of 32, and a row's 256 bytes.
 */
#include "lanes.cl"

#ifndef NV
#define NV 1
#endif
#define WIDTH (NV * VW)
#define FOR_VECTORS(j) _Pragma("unroll") for (int j = 0; j < NV; ++j)

#define RELU 1
#define ADD_RESIDUAL 2
#define STREAM 4
#define FROZEN 8

/* NV vectors at p, of which `left` channels are there. */
static INLINED void load_all(__global const float *p, int left, lanes_t *v)
{
    FOR_VECTORS(j) { v[j] = lanes_load(p + j * VW, left - j * VW); }
}

/* Whether whole vectors of rows from p on may be written past the caches. */
static inline bool streams(__global const float *p, int channels, int flags)
{
    return (flags & STREAM) && channels % VW == 0 && (size_t)p % sizeof(lanes_t) == 0;
}

static INLINED void store_all(const lanes_t *v, __global float *p, int left)
{
    FOR_VECTORS(j) { lanes_store(v[j], p + j * VW, left - j * VW); }
}

static INLINED void store_result(const lanes_t *v, __global float *p, int left, bool stream)
{
    if (stream && left >= WIDTH) {
        FOR_VECTORS(j) { LANES_STORE_PAST(v[j], p + j * VW); }
    } else {
        store_all(v, p, left);
    }
}

/* How many rows of segment s are real. */
static inline int real_rows(__global const int *rows, int stream, int samples, int positions)
{
    return clamp(rows[stream], 0, samples) * positions;
}

/*
 * partial = {m, Σ(x − shift − m)²}, m = mean(x − shift), of each chunk's real rows, by two passes
 * over it while it is in cache. shift is the segment's first row, so that a large offset costs no
 * digits. NDRange [⌈C/(NV·VW)⌉, S·chunks].
 */
static inline void chunk_moments(__global const float *x, __global const float *in,
                                 __global float *out, int channels, int n, int left)
{
    lanes_t shift[NV], mean[NV], squares[NV];
    load_all(x, left, shift);
    FOR_VECTORS(j) { mean[j] = squares[j] = 0.0f; }
    for (int i = 0; i < n; ++i) {
        lanes_t v[NV];
        load_all(in + i * channels, left, v);
        FOR_VECTORS(j) { mean[j] += v[j] - shift[j]; }
    }
    FOR_VECTORS(j) { mean[j] /= (float)max(n, 1); }
    for (int i = 0; i < n; ++i) {
        lanes_t v[NV];
        load_all(in + i * channels, left, v);
        FOR_VECTORS(j)
        {
            const lanes_t d = v[j] - shift[j] - mean[j];
            squares[j] = fma(d, d, squares[j]);
        }
    }
    store_all(mean, out, left);
    store_all(squares, out + channels, left);
}

__kernel void batch_norm_moments(__global const float *x, ulong x_at, __global const int *rows,
                                 ulong rows_at, __global float *partial, ulong partial_at,
                                 int channels, int samples, int positions, int first_stream,
                                 int chunks, int span)
{
    const int c = get_global_id(0) * WIDTH, left = channels - c;
    const int chunk = get_global_id(1), s = chunk / chunks, start = chunk % chunks * span;
    const int n = min(real_rows(rows + rows_at, first_stream + s, samples, positions) - start, span);
    x += x_at + s * samples * positions * channels + c;
    __global float *out = partial + partial_at + chunk * 2 * channels + c;
    if (left >= WIDTH) {
        chunk_moments(x, x + start * channels, out, channels, n, WIDTH);
    } else {
        chunk_moments(x, x + start * channels, out, channels, n, left);
    }
}

/*
 * Joins the chunks in their order (Chan, Golub and LeVeque, 1979) and updates the running
 * statistics: running ← running + momentum·(batch − running), with the unbiased variance; of a
 * single value there is none, and that of the stream stays. A stream without a real row keeps both
 * and is normalised by them. NDRange [⌈C/VW⌉, S].
 */
__kernel void batch_norm_join(__global const float *x, ulong x_at,
                              __global const float *partial, ulong partial_at,
                              __global const int *rows, ulong rows_at,
                              __global float *running_mean, ulong running_mean_at,
                              __global float *running_var, ulong running_var_at,
                              __global float *mean, ulong mean_at, __global float *inv_std,
                              ulong inv_std_at, int channels, int samples, int positions,
                              int first_stream, int chunks, int span, float momentum,
                              float epsilon)
{
    const int c = get_global_id(0) * VW, left = channels - c, s = get_global_id(1);
    const int stream = first_stream + s;
    const int total = real_rows(rows + rows_at, stream, samples, positions);
    __global const float *in = partial + partial_at + s * chunks * 2 * channels + c;
    __global float *old_mean = running_mean + running_mean_at + stream * channels + c;
    __global float *old_var = running_var + running_var_at + stream * channels + c;
    lanes_t m = lanes_load(in, left), squares = lanes_load(in + channels, left);
    for (int start = span; start < total; start += span) {
        in += 2 * channels;
        const float n = min(total - start, span), all = start + n;
        const lanes_t d = lanes_load(in, left) - m;
        m += d * (n / all);
        squares += lanes_load(in + channels, left) + d * d * (n / all * start);
    }
    lanes_t var = squares / (float)max(total, 1);
    if (total > 0) {
        const lanes_t o = lanes_load(old_mean, left);
        m += lanes_load(x + x_at + s * samples * positions * channels + c, left);
        lanes_store(fma((lanes_t)momentum, m - o, o), old_mean, left);
    } else {
        m = lanes_load(old_mean, left);
        var = lanes_load(old_var, left);
    }
    if (total > 1) {
        const lanes_t o = lanes_load(old_var, left), unbiased = squares / (float)(total - 1);
        lanes_store(fma((lanes_t)momentum, unbiased - o, o), old_var, left);
    }
    lanes_store(m, mean + mean_at + s * channels + c, left);
    lanes_store(1.0f / sqrt(var + epsilon), inv_std + inv_std_at + s * channels + c, left);
}

/* Inference: mean and inv_std from the running statistics. NDRange [S·C], flat. */
__kernel void batch_norm_fixed(__global const float *running_mean, ulong running_mean_at,
                               __global const float *running_var, ulong running_var_at,
                               __global float *mean, ulong mean_at, __global float *inv_std,
                               ulong inv_std_at, int channels, int first_stream, float epsilon)
{
    const int i = get_global_id(0), from = first_stream * channels + i;
    mean[mean_at + i] = running_mean[running_mean_at + from];
    inv_std[inv_std_at + i] = 1.0f / sqrt(running_var[running_var_at + from] + epsilon);
}

static inline void apply_rows(__global const float *x, __global const float *residual,
                              __global float *y, const lanes_t *mean, const lanes_t *factor,
                              const lanes_t *shift, int channels, int n, int left, int flags)
{
    const bool stream = streams(y, channels, flags);
    for (int i = 0; i < n; ++i) {
        lanes_t v[NV], r[NV];
        load_all(x + i * channels, left, v);
        FOR_VECTORS(j) { v[j] = fma(v[j] - mean[j], factor[j], shift[j]); }
        if (flags & ADD_RESIDUAL) {
            load_all(residual + i * channels, left, r);
            FOR_VECTORS(j) { v[j] += r[j]; }
        }
        if (flags & RELU) {
            FOR_VECTORS(j) { v[j] = v[j] <= (lanes_t)0.0f ? (lanes_t)0.0f : v[j]; }
        }
        store_result(v, y + i * channels, left, stream);
    }
}

/* Group (g, s) takes rows g·span … of segment s. NDRange [groups·L, S]. */
__kernel void batch_norm_apply(__global const float *x, ulong x_at, __global const float *gamma,
                               ulong gamma_at, __global const float *beta, ulong beta_at,
                               __global const float *mean, ulong mean_at,
                               __global const float *inv_std, ulong inv_std_at,
                               __global const float *residual, ulong residual_at,
                               __global float *y, ulong y_at, int channels, int segment_rows,
                               int span, int flags)
{
    const int s = get_global_id(1), first = get_group_id(0) * span;
    const int n = min(segment_rows - first, span), at = (s * segment_rows + first) * channels;
    x += x_at + at;
    residual += residual_at + at;
    y += y_at + at;
    for (int c = get_local_id(0) * WIDTH; c < channels; c += get_local_size(0) * WIDTH) {
        const int left = channels - c;
        lanes_t m[NV], factor[NV], g[NV], shift[NV];
        load_all(mean + mean_at + s * channels + c, left, m);
        load_all(inv_std + inv_std_at + s * channels + c, left, factor);
        load_all(gamma + gamma_at + c, left, g);
        load_all(beta + beta_at + c, left, shift);
        FOR_VECTORS(j) { factor[j] *= g[j]; }
        if (left >= WIDTH) {
            apply_rows(x + c, residual + c, y + c, m, factor, shift, channels, n, WIDTH, flags);
        } else {
            apply_rows(x + c, residual + c, y + c, m, factor, shift, channels, n, left, flags);
        }
    }
}

/* The gradient that counts: with RELU none where the y that was made of x is not positive. */
static inline lanes_t masked(lanes_t dy, lanes_t x, lanes_t mean, lanes_t factor, lanes_t shift,
                             int flags)
{
    if (!(flags & RELU)) { return dy; }
    return fma(x - mean, factor, shift) <= (lanes_t)0.0f ? (lanes_t)0.0f : dy;
}

static inline void chunk_sums(__global const float *x, __global const float *dy,
                              __global float *out, const lanes_t *mean, const lanes_t *inv_std,
                              const lanes_t *factor, const lanes_t *shift, int channels, int n,
                              int left, int flags)
{
    lanes_t sum[NV], product[NV];
    FOR_VECTORS(j) { sum[j] = product[j] = 0.0f; }
    for (int i = 0; i < n; ++i) {
        lanes_t v[NV], d[NV];
        load_all(x + i * channels, left, v);
        load_all(dy + i * channels, left, d);
        FOR_VECTORS(j)
        {
            d[j] = masked(d[j], v[j], mean[j], factor[j], shift[j], flags);
            sum[j] += d[j];
            product[j] = fma(d[j], v[j] - mean[j], product[j]);
        }
    }
    FOR_VECTORS(j) { product[j] *= inv_std[j]; }
    store_all(sum, out, left);
    store_all(product, out + channels, left);
}

/* partial = {Σdy, Σdy·x̂} of each chunk's real rows. NDRange [⌈C/(NV·VW)⌉, S·chunks]. */
__kernel void batch_norm_backward_sums(__global const float *x, ulong x_at,
                                       __global const float *dy, ulong dy_at,
                                       __global const float *gamma, ulong gamma_at,
                                       __global const float *beta, ulong beta_at,
                                       __global const float *mean, ulong mean_at,
                                       __global const float *inv_std, ulong inv_std_at,
                                       __global const int *rows, ulong rows_at,
                                       __global float *partial, ulong partial_at, int channels,
                                       int samples, int positions, int first_stream, int chunks,
                                       int span, int flags)
{
    const int c = get_global_id(0) * WIDTH, left = channels - c;
    const int chunk = get_global_id(1), s = chunk / chunks, start = chunk % chunks * span;
    const int n = min(real_rows(rows + rows_at, first_stream + s, samples, positions) - start, span);
    const int from = (s * samples * positions + start) * channels + c;
    x += x_at + from;
    dy += dy_at + from;
    lanes_t m[NV], r[NV], factor[NV], shift[NV];
    load_all(mean + mean_at + s * channels + c, left, m);
    load_all(inv_std + inv_std_at + s * channels + c, left, r);
    load_all(gamma + gamma_at + c, left, factor);
    load_all(beta + beta_at + c, left, shift);
    FOR_VECTORS(j) { factor[j] *= r[j]; }
    __global float *out = partial + partial_at + chunk * 2 * channels + c;
    if (left >= WIDTH) {
        chunk_sums(x, dy, out, m, r, factor, shift, channels, n, WIDTH, flags);
    } else {
        chunk_sums(x, dy, out, m, r, factor, shift, channels, n, left, flags);
    }
}

/* sums [S,2,C] of the chunks in order; dgamma, dbeta [C] of the segments in order.
 * NDRange [⌈C/VW⌉]. */
__kernel void batch_norm_backward_join(__global const float *partial, ulong partial_at,
                                       __global float *sums, ulong sums_at,
                                       __global float *dgamma, ulong dgamma_at,
                                       __global float *dbeta, ulong dbeta_at, int channels,
                                       int segments, int chunks)
{
    const int c = get_global_id(0) * VW, left = channels - c;
    lanes_t all = 0.0f, all_products = 0.0f;
    partial += partial_at + c;
    sums += sums_at + c;
    for (int s = 0; s < segments; ++s, sums += 2 * channels) {
        lanes_t sum = 0.0f, product = 0.0f;
        for (int k = 0; k < chunks; ++k, partial += 2 * channels) {
            sum += lanes_load(partial, left);
            product += lanes_load(partial + channels, left);
        }
        lanes_store(sum, sums, left);
        lanes_store(product, sums + channels, left);
        all += sum;
        all_products += product;
    }
    lanes_store(all_products, dgamma + dgamma_at + c, left);
    lanes_store(all, dbeta + dbeta_at + c, left);
}

/* What dx is made of, per channel: dx = factor·(dy − sum − (x − mean)·product). */
struct terms {
    lanes_t mean[NV], factor[NV], shift[NV], sum[NV], product[NV];
};

static inline void backward_rows(__global const float *x, __global const float *dy,
                                 __global float *dx, const struct terms *t, int channels, int n,
                                 int real, int left, int flags)
{
    const bool stream = streams(dx, channels, flags);
    lanes_t v[NV], d[NV];
    for (int i = 0; i < real; ++i) {
        load_all(x + i * channels, left, v);
        load_all(dy + i * channels, left, d);
        FOR_VECTORS(j)
        {
            d[j] = masked(d[j], v[j], t->mean[j], t->factor[j], t->shift[j], flags) - t->sum[j];
            d[j] = t->factor[j] * fma(t->mean[j] - v[j], t->product[j], d[j]);
        }
        store_result(d, dx + i * channels, left, stream);
    }
    FOR_VECTORS(j) { d[j] = 0.0f; }
    for (int i = real; i < n; ++i) { store_all(d, dx + i * channels, left); }
}

/* NDRange [groups·L, S], as batch_norm_apply. */
__kernel void batch_norm_backward_apply(__global const float *x, ulong x_at,
                                        __global const float *dy, ulong dy_at,
                                        __global const float *gamma, ulong gamma_at,
                                        __global const float *beta, ulong beta_at,
                                        __global const float *mean, ulong mean_at,
                                        __global const float *inv_std, ulong inv_std_at,
                                        __global const int *rows, ulong rows_at,
                                        __global const float *sums, ulong sums_at,
                                        __global float *dx, ulong dx_at, int channels,
                                        int samples, int positions, int first_stream, int span,
                                        int flags)
{
    const int s = get_global_id(1), first = get_group_id(0) * span, all = samples * positions;
    const int n = min(all - first, span), at = (s * all + first) * channels;
    const int total = real_rows(rows + rows_at, first_stream + s, samples, positions);
    const int real = clamp(total - first, 0, n);
    const float share = flags & FROZEN ? 0.0f : 1.0f / (float)max(total, 1);
    x += x_at + at;
    dy += dy_at + at;
    dx += dx_at + at;
    for (int c = get_local_id(0) * WIDTH; c < channels; c += get_local_size(0) * WIDTH) {
        const int left = channels - c;
        struct terms t;
        lanes_t r[NV];
        load_all(mean + mean_at + s * channels + c, left, t.mean);
        load_all(inv_std + inv_std_at + s * channels + c, left, r);
        load_all(gamma + gamma_at + c, left, t.factor);
        load_all(beta + beta_at + c, left, t.shift);
        load_all(sums + sums_at + s * 2 * channels + c, left, t.sum);
        load_all(sums + sums_at + (s * 2 + 1) * channels + c, left, t.product);
        FOR_VECTORS(j)
        {
            t.factor[j] *= r[j];
            t.sum[j] *= share;
            t.product[j] *= r[j] * share;
        }
        if (left >= WIDTH) {
            backward_rows(x + c, dy + c, dx + c, &t, channels, n, real, WIDTH, flags);
        } else {
            backward_rows(x + c, dy + c, dx + c, &t, channels, n, real, left, flags);
        }
    }
}

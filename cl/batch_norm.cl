/*
 * batch_norm.cl: normalisation per channel, with statistics per segment (one stream's samples).
 *
 *   y = (x − μ) · r · γ + β,   r = 1/√(σ² + ε)
 *   dx = γ r (dy − (Σdy + x̂ Σdy·x̂)/n),   dγ = Σ dy·x̂,   dβ = Σ dy,   x̂ = (x − μ) r
 *
 * x, y, dy, dx [S,samples,positions,C]: segment s belongs to stream first_stream + s, of whose
 * samples the first rows[stream] are real. The others are normalised like them, count nothing and
 * get dx = 0. mean, inv_std [S,C]; running statistics [streams,C]; gamma, beta [C].
 *
 * The sums are made in two stages over chunks of `span` rows of C (a row: one position of one
 * sample): partial [S,chunks,2,C]. Lanes are channels. One item computes VW channels: the grids of
 * the first two stages are [⌈C/VW⌉, …]; in the elementwise kernels a group walks `span` rows, its
 * items side by side over the channels.
 *
 * Tunables: VW (lanes.cl).
 */
#include "lanes.cl"

/* How many rows of segment s are real. */
static inline int real_rows(__global const int *rows, int stream, int samples, int positions)
{
    return clamp(rows[stream], 0, samples) * positions;
}

/*
 * partial = {m, Σ(x − shift − m)²}, m = mean(x − shift), of each chunk's real rows, by two passes
 * over it while it is in cache. shift is the segment's first row, so that a large offset costs no
 * digits. NDRange [⌈C/VW⌉, S·chunks].
 */
__kernel void batch_norm_moments(__global const float *x, ulong x_at, __global const int *rows,
                                 ulong rows_at, __global float *partial, ulong partial_at,
                                 int channels, int samples, int positions, int first_stream,
                                 int chunks, int span)
{
    const int c = get_global_id(0) * VW, left = channels - c;
    const int chunk = get_global_id(1), s = chunk / chunks, start = chunk % chunks * span;
    const int n = min(real_rows(rows + rows_at, first_stream + s, samples, positions) - start, span);
    x += x_at + s * samples * positions * channels + c;
    __global const float *in = x + start * channels;
    lanes_t mean = 0.0f, squares = 0.0f;
    if (n > 0) {
        const lanes_t shift = lanes_load(x, left);
        for (int i = 0; i < n; ++i) { mean += lanes_load(in + i * channels, left) - shift; }
        mean /= (float)n;
        for (int i = 0; i < n; ++i) {
            const lanes_t d = lanes_load(in + i * channels, left) - shift - mean;
            squares = fma(d, d, squares);
        }
    }
    __global float *out = partial + partial_at + chunk * 2 * channels + c;
    lanes_store(mean, out, left);
    lanes_store(squares, out + channels, left);
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

/* Group (g, s) takes rows g·span … of segment s. NDRange [groups·L, S]. */
__kernel void batch_norm_apply(__global const float *x, ulong x_at, __global const float *gamma,
                               ulong gamma_at, __global const float *beta, ulong beta_at,
                               __global const float *mean, ulong mean_at,
                               __global const float *inv_std, ulong inv_std_at, __global float *y,
                               ulong y_at, int channels, int segment_rows, int span)
{
    const int s = get_global_id(1), first = get_group_id(0) * span;
    const int end = min(segment_rows - first, span) + first;
    gamma += gamma_at;
    beta += beta_at;
    mean += mean_at + s * channels;
    inv_std += inv_std_at + s * channels;
    for (int row = first; row < end; ++row) {
        const int at = (s * segment_rows + row) * channels;
        for (int c = get_local_id(0) * VW; c < channels; c += get_local_size(0) * VW) {
            const int left = channels - c;
            const lanes_t factor = lanes_load(inv_std + c, left) * lanes_load(gamma + c, left);
            const lanes_t d = lanes_load(x + x_at + at + c, left) - lanes_load(mean + c, left);
            lanes_store(fma(d, factor, lanes_load(beta + c, left)), y + y_at + at + c, left);
        }
    }
}

/* partial = {Σdy, Σdy·x̂} of each chunk's real rows. NDRange [⌈C/VW⌉, S·chunks]. */
__kernel void batch_norm_backward_sums(__global const float *x, ulong x_at,
                                       __global const float *dy, ulong dy_at,
                                       __global const float *mean, ulong mean_at,
                                       __global const float *inv_std, ulong inv_std_at,
                                       __global const int *rows, ulong rows_at,
                                       __global float *partial, ulong partial_at, int channels,
                                       int samples, int positions, int first_stream, int chunks,
                                       int span)
{
    const int c = get_global_id(0) * VW, left = channels - c;
    const int chunk = get_global_id(1), s = chunk / chunks, start = chunk % chunks * span;
    const int n = min(real_rows(rows + rows_at, first_stream + s, samples, positions) - start, span);
    const int from = (s * samples * positions + start) * channels + c;
    x += x_at + from;
    dy += dy_at + from;
    const lanes_t m = lanes_load(mean + mean_at + s * channels + c, left);
    const lanes_t r = lanes_load(inv_std + inv_std_at + s * channels + c, left);
    lanes_t sum = 0.0f, product = 0.0f;
    for (int i = 0; i < n; ++i) {
        const lanes_t d = lanes_load(dy + i * channels, left);
        sum += d;
        product = fma(d, (lanes_load(x + i * channels, left) - m) * r, product);
    }
    __global float *out = partial + partial_at + chunk * 2 * channels + c;
    lanes_store(sum, out, left);
    lanes_store(product, out + channels, left);
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

/* NDRange [groups·L, S], as batch_norm_apply. */
__kernel void batch_norm_backward_apply(__global const float *x, ulong x_at,
                                        __global const float *dy, ulong dy_at,
                                        __global const float *gamma, ulong gamma_at,
                                        __global const float *mean, ulong mean_at,
                                        __global const float *inv_std, ulong inv_std_at,
                                        __global const int *rows, ulong rows_at,
                                        __global const float *sums, ulong sums_at,
                                        __global float *dx, ulong dx_at, int channels,
                                        int samples, int positions, int first_stream, int span)
{
    const int s = get_global_id(1), first = get_group_id(0) * span, all = samples * positions;
    const int end = min(all - first, span) + first;
    const int real = real_rows(rows + rows_at, first_stream + s, samples, positions);
    const float share = 1.0f / (float)max(real, 1);
    gamma += gamma_at;
    mean += mean_at + s * channels;
    inv_std += inv_std_at + s * channels;
    sums += sums_at + s * 2 * channels;
    for (int row = first; row < end; ++row) {
        const int at = (s * all + row) * channels;
        for (int c = get_local_id(0) * VW; c < channels; c += get_local_size(0) * VW) {
            const int left = channels - c;
            lanes_t d = 0.0f;
            if (row < real) {
                const lanes_t r = lanes_load(inv_std + c, left);
                const lanes_t hat =
                    (lanes_load(x + x_at + at + c, left) - lanes_load(mean + c, left)) * r;
                d = fma(hat, lanes_load(sums + channels + c, left), lanes_load(sums + c, left));
                d = lanes_load(dy + dy_at + at + c, left) - d * share;
                d *= r * lanes_load(gamma + c, left);
            }
            lanes_store(d, dx + dx_at + at + c, left);
        }
    }
}

/*
 * gpu_batch_norm.cl: many chunks' sums of batch_norm.cl become one chunk's, on GPUs.
 *
 * partial [S,chunks,2,C], folded [S,1,2,C]. A team (team.cl) has a channel: an item takes every
 * TEAMth chunk in order, then they join. NDRange [C·TEAM, rounded up; S]; scratch: a float an item.
 */
#include "team.cl"

#define FIND_CHANNEL                                                                               \
    const int team = get_global_id(0) / TEAM, first = get_global_id(0) % TEAM;                     \
    const int s = get_global_id(1), c = min(team, channels - 1);                                   \
    const bool writes = first == 0 && team < channels;                                             \
    partial += partial_at + s * chunks * 2 * channels + c;                                         \
    folded += folded_at + s * 2 * channels + c

/* n values' mean, and the sum of their squared distances from it. */
struct moments {
    float n, mean, squares;
};

/* Chan, Golub and LeVeque, 1979. */
static inline struct moments join(struct moments a, struct moments b)
{
    const float n = a.n + b.n, share = n > 0.0f ? b.n / n : 0.0f, d = b.mean - a.mean;
    return (struct moments){n, a.mean + d * share, a.squares + b.squares + d * d * (share * a.n)};
}

/* {mean, squares} of chunks of `span` real rows, as batch_norm_moments makes them. */
__kernel void gpu_batch_norm_fold_moments(__global const float *partial, ulong partial_at,
                                          __global const int *rows, ulong rows_at,
                                          __global float *folded, ulong folded_at, int channels,
                                          int samples, int positions, int first_stream, int chunks,
                                          int span, __local float *scratch)
{
    FIND_CHANNEL;
    const int total = clamp(rows[rows_at + first_stream + s], 0, samples) * positions;
    struct moments all = {0.0f, 0.0f, 0.0f};
    for (int k = first; k < chunks && k * span < total; k += TEAM) {
        __global const float *from = partial + k * 2 * channels;
        all = join(all, (struct moments){min(total - k * span, span), from[0], from[channels]});
    }
    FOR_TEAM_BITS(bit)
    {
        struct moments other;
        other.n = team_other(all.n, bit, scratch);
        other.mean = team_other(all.mean, bit, scratch);
        other.squares = team_other(all.squares, bit, scratch);
        all = join(all, other);
    }
    if (writes) {
        folded[0] = all.mean;
        folded[channels] = all.squares;
    }
}

/* {Σdy, Σdy·x̂} of all chunks. */
__kernel void gpu_batch_norm_fold_sums(__global const float *partial, ulong partial_at,
                                       __global float *folded, ulong folded_at, int channels,
                                       int chunks, __local float *scratch)
{
    FIND_CHANNEL;
    float sum = 0.0f, product = 0.0f;
    for (int k = first; k < chunks; k += TEAM) {
        sum += partial[k * 2 * channels];
        product += partial[(k * 2 + 1) * channels];
    }
    sum = team_sum(sum, scratch);
    product = team_sum(product, scratch);
    if (writes) {
        folded[0] = sum;
        folded[channels] = product;
    }
}

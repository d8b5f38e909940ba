/* sampler.c: the order of samples, computed from (seed, stream, pass) whenever a pass begins. */
#include "sampler.h"
#include "alloc.h"
#include "fail.h"
#include "rng.h"

struct umb_sampler {
    struct umb_context *ctx;
    int64_t count, batch;
    uint64_t seed;
    uint32_t stream;
    bool shuffle;
    const struct umb_balance *balance;
    int64_t pass;      /* that `order` is of; −1: none yet */
    uint32_t *order;   /* [count] */
    uint32_t *scratch; /* [count], for balance */
};

enum umb_status umb__sampler_create(struct umb_context *ctx, const struct umb_sampler_desc *desc,
                                    struct umb_sampler **ret_sampler)
{
    static const char *const names[UMB_SPLIT_COUNT] = {"training", "validation", "test"};
    int64_t count = umb_dataset_count(desc->dataset, desc->split);
    if (desc->batch < 1) {
        return umb__fail(ctx, UMB_ERR_INVALID, "batch: %lld; expected at least 1",
                         (long long)desc->batch);
    }
    if (count == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "the data set has no %s samples",
                         names[desc->split]);
    }
    struct umb_sampler *s = umb__calloc(ctx, 1, sizeof *s);
    if (s == NULL) { return UMB_ERR_NO_MEMORY; }
    *s = (struct umb_sampler){.ctx = ctx,
                              .count = count,
                              .batch = desc->batch,
                              .seed = desc->seed,
                              .stream = desc->stream,
                              .shuffle = desc->shuffle,
                              .balance = desc->balance,
                              .pass = -1};
    s->order = umb__calloc(ctx, (size_t)count, sizeof *s->order);
    if (s->balance) { s->scratch = umb__calloc(ctx, (size_t)count, sizeof *s->scratch); }
    if (s->order == NULL || (s->balance && s->scratch == NULL)) {
        umb__sampler_destroy(s);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_sampler = s;
    return UMB_OK;
}

void umb__sampler_destroy(struct umb_sampler *s)
{
    if (s == NULL) { return; }
    umb__free(s->scratch);
    umb__free(s->order);
    umb__free(s);
}

int64_t umb__sampler_batches(const struct umb_sampler *s)
{
    return (s->count - 1) / s->batch + 1;
}

/* A permutation is addressed by seed and stream; the pass goes into the seed, through the generator
 * so that neighbouring passes and seeds do not meet. */
static uint64_t pass_seed(const struct umb_sampler *s, int64_t pass)
{
    uint64_t i = 2 * (uint64_t)pass;
    return (uint64_t)umb__random_u32(s->seed, UMB_RNG_SHUFFLE, s->stream, i) << 32 |
           umb__random_u32(s->seed, UMB_RNG_SHUFFLE, s->stream, i + 1);
}

static void begin_pass(struct umb_sampler *s, int64_t pass)
{
    if (s->balance) {
        umb__balance_pass(s->balance, s->seed, s->stream, pass, s->scratch, s->order);
    } else if (s->shuffle) {
        umb__random_permutation(pass_seed(s, pass), UMB_RNG_SHUFFLE, s->stream, s->order,
                                (size_t)s->count);
    } else {
        for (int64_t i = 0; i < s->count; i++) {
            s->order[i] = (uint32_t)i;
        }
    }
    s->pass = pass;
}

enum umb_status umb__sampler_batch(struct umb_sampler *s, int64_t index, uint32_t *ret_indices,
                                   int64_t *ret_n)
{
    if (index < 0) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "batch number %lld; expected 0 or more",
                         (long long)index);
    }
    int64_t n_batches = umb__sampler_batches(s), first = index % n_batches * s->batch;
    if (s->pass != index / n_batches) { begin_pass(s, index / n_batches); }
    int64_t n = s->count - first < s->batch ? s->count - first : s->batch;
    for (int64_t i = 0; i < n; i++) {
        ret_indices[i] = s->order[first + i];
    }
    *ret_n = n;
    return UMB_OK;
}

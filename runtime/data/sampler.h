/*
 * sampler.h: which samples a step takes, and bringing them to memory.
 *
 * The order is a pure function of (seed, stream, pass): nothing is carried from step to step, so a
 * resumed run continues with exactly the samples that an uninterrupted one would have had. A pass
 * is one walk through a stream's samples; each pass is a new permutation. Step b of an epoch of the
 * longest stream takes the next `batch` samples of every stream; the last batch of the longest
 * stream may be partial (n < batch); shorter streams go on into their next pass (their last batch
 * of a pass is partial too, never mixed with the next pass).
 */
#ifndef UMB_SAMPLER_H
#define UMB_SAMPLER_H

#include "augment.h"
#include "class_balance.h"
#include <umbel/data.h>

struct umb_sampler; /* one stream, one split */
struct umb_sampler_desc {
    struct umb_dataset *dataset; /* outlives the sampler */
    enum umb_split split;
    int64_t batch;
    uint64_t seed;
    uint32_t stream;                   /* index of the stream: its own permutation */
    bool shuffle;                      /* false: in order */
    const struct umb_balance *balance; /* draws classes equally often; NULL: every sample once */
};
UMB_MUST_USE enum umb_status umb__sampler_create(struct umb_context *ctx,
                                                 const struct umb_sampler_desc *desc,
                                                 struct umb_sampler **ret_sampler);
void umb__sampler_destroy(struct umb_sampler *s);
/* Batches of one pass: ceil(count/batch). */
int64_t umb__sampler_batches(const struct umb_sampler *s);
/* The samples of the stream's batch number `index` (0…, over all passes): up to `batch` indices;
 * *ret_n how many. Thread-compatible: one thread at a time. */
UMB_MUST_USE enum umb_status umb__sampler_batch(struct umb_sampler *s, int64_t index,
                                                uint32_t *ret_indices, int64_t *ret_n);

/* A small pool of threads that reads samples; shared by all streams of a run. n_threads ≥ 1. */
struct umb_reader;
UMB_MUST_USE enum umb_status umb__reader_create(struct umb_context *ctx, unsigned n_threads,
                                                struct umb_reader **ret_reader);
void umb__reader_destroy(struct umb_reader *r);
/* Reads n samples into images[n][H·W·C] and, per target, targets[i][n][…] (NULL: not wanted);
 * returns when all are there, or the first error. */
UMB_MUST_USE enum umb_status umb__reader_read(struct umb_reader *r, struct umb_dataset *ds,
                                              enum umb_split split, const uint32_t *indices,
                                              int64_t n, uint8_t *images, void *const *targets);

/* The same with pictures changed at random: sample i by the draws of place first + i (augment.h).
 */
struct umb_read {
    struct umb_dataset *dataset;
    enum umb_split split;
    const uint32_t *indices; /* [n] */
    int64_t n;
    uint8_t *images;
    void *const *targets;
    const struct umb_augment *augment; /* NULL: as they are */
    uint64_t seed, first;
    uint32_t stream;
};
UMB_MUST_USE enum umb_status umb__reader_run(struct umb_reader *r, const struct umb_read *read);

#endif

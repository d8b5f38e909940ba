/*
 * splits.c: which sample is in which split.
 *
 * Shares are split off the training samples by a permutation of the seed, test first, so that the
 * same desc always gives the same splits. Within a split the samples keep the order of the files;
 * a limit takes the first of them.
 */
#include "dataset.h"
#include "rng.h"
#include <math.h>

static const char *const split_names[UMB_SPLIT_COUNT] = {"validation", "validation", "test"};

static size_t count_split(const struct umb_dataset *ds, enum umb_split split)
{
    size_t n = 0;
    for (size_t r = 0; r < ds->n_records; r++) {
        n += ds->split_of[r] == split;
    }
    return n;
}

/* How many of n training samples the share takes; a share that takes none is an error. */
static enum umb_status share_count(struct umb_dataset *ds, enum umb_split split, double share,
                                   size_t n, size_t *ret_n)
{
    *ret_n = 0;
    if (share == 0.0) { return UMB_OK; }
    if (count_split(ds, split) > 0) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID,
                         "%s: %g, but the data set has a %s split of its own; expected no share",
                         split_names[split], share, split_names[split]);
    }
    *ret_n = (size_t)floor(share * (double)n + 0.5);
    if (*ret_n == 0) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID,
                         "%s: %g of %zu training samples is none; expected a greater share",
                         split_names[split], share, n);
    }
    return UMB_OK;
}

/* Moves the first n_test and then n_validation samples of the permutation out of training. */
static enum umb_status move_shares(struct umb_dataset *ds, uint64_t seed, size_t n, size_t n_test,
                                   size_t n_validation)
{
    uint32_t *pool = umb__calloc(ds->ctx, n, sizeof *pool);
    uint32_t *order = umb__calloc(ds->ctx, n, sizeof *order);
    enum umb_status st = pool && order ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        size_t at = 0;
        for (size_t r = 0; r < ds->n_records; r++) {
            if (ds->split_of[r] == UMB_SPLIT_TRAIN) { pool[at++] = (uint32_t)r; }
        }
        umb__random_permutation(seed, UMB_RNG_SPLIT, 0, order, n);
        for (size_t i = 0; i < n_test + n_validation; i++) {
            ds->split_of[pool[order[i]]] = i < n_test ? UMB_SPLIT_TEST : UMB_SPLIT_VALIDATION;
        }
    }
    umb__free(order);
    umb__free(pool);
    return st;
}

static enum umb_status take_shares(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    if (desc->validation == 0.0 && desc->test == 0.0) { return UMB_OK; }
    size_t n = count_split(ds, UMB_SPLIT_TRAIN), n_test, n_validation;
    enum umb_status st = share_count(ds, UMB_SPLIT_TEST, desc->test, n, &n_test);
    if (st == UMB_OK) {
        st = share_count(ds, UMB_SPLIT_VALIDATION, desc->validation, n, &n_validation);
    }
    if (st != UMB_OK) { return st; }
    if (n_test + n_validation >= n) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID,
                         "%s: shares of %g validation and %g test leave none of %zu samples for "
                         "training; expected smaller shares",
                         n_validation ? "validation" : "test", desc->validation, desc->test, n);
    }
    return move_shares(ds, desc->seed, n, n_test, n_validation);
}

static enum umb_status index_split(struct umb_dataset *ds, enum umb_split split, int64_t limit)
{
    size_t n = count_split(ds, split);
    if (limit > 0 && n > (size_t)limit) { n = (size_t)limit; }
    uint32_t *records = umb__calloc(ds->ctx, n, sizeof *records);
    if (records == NULL) { return UMB_ERR_NO_MEMORY; }
    size_t at = 0;
    for (size_t r = 0; at < n; r++) {
        if (ds->split_of[r] == split) { records[at++] = (uint32_t)r; }
    }
    ds->records[split] = records;
    ds->count[split] = n;
    return UMB_OK;
}

enum umb_status umb__dataset_split(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    enum umb_status st = take_shares(ds, desc);
    for (int s = 0; s < UMB_SPLIT_COUNT && st == UMB_OK; s++) {
        st = index_split(ds, (enum umb_split)s, desc->limit);
    }
    umb__free(ds->split_of);
    ds->split_of = NULL;
    return st;
}

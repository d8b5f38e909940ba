/* balance.c: see balance.h. Samples lie by class; the last group is those without a label. */
#include "class_balance.h"
#include "alloc.h"
#include "fail.h"
#include "rng.h"

struct umb_balance {
    size_t n_samples, n_groups; /* groups that have samples */
    uint32_t *sample;           /* [n_samples], by group */
    struct group {
        size_t first, count, quota; /* quota: places in a pass */
    } * group;
};

/* Reading labels. */

static int64_t labels_a_sample(const struct umb_target_info *info)
{
    return info->kind == UMB_TARGET_PIXELS ? info->height * info->width : 1;
}

/* The classes of sample i in label [labels_a_sample]. */
static enum umb_status read_labels(struct umb_dataset *ds, enum umb_split split, int64_t i,
                                   size_t target, void **row, int32_t *label)
{
    row[target] = label;
    return umb_dataset_read(ds, split, i, NULL, row);
}

static int32_t class_of(const int32_t *label_of, int32_t label)
{
    return label >= 0 && label_of ? label_of[label] : label;
}

enum umb_status umb__class_counts(struct umb_context *ctx, struct umb_dataset *ds,
                                  enum umb_split split, size_t target, const int32_t *label_of,
                                  uint64_t *counts)
{
    const int64_t n = labels_a_sample(umb_dataset_target(ds, target));
    void **row = umb__calloc(ctx, umb_dataset_n_targets(ds), sizeof *row);
    int32_t *label = umb__calloc(ctx, (size_t)n, sizeof *label);
    enum umb_status st = row && label ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int64_t i = 0; st == UMB_OK && i < umb_dataset_count(ds, split); i++) {
        st = read_labels(ds, split, i, target, row, label);
        for (int64_t k = 0; st == UMB_OK && k < n; k++) {
            const int32_t c = class_of(label_of, label[k]);
            if (c >= 0) { counts[c]++; }
        }
    }
    umb__free(label);
    umb__free(row);
    return st;
}

/* Building. */

/* Counts, then places, each sample among its class's; class n_classes has no label. */
static enum umb_status sort_samples(struct umb_context *ctx, struct umb_dataset *ds, size_t target,
                                    const int32_t *label_of, int64_t n_classes, size_t *first,
                                    struct umb_balance *b)
{
    void **row = umb__calloc(ctx, umb_dataset_n_targets(ds), sizeof *row);
    int32_t *label = umb__calloc(ctx, b->n_samples, sizeof *label);
    enum umb_status st = row && label ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < b->n_samples; i++) {
        st = read_labels(ds, UMB_SPLIT_TRAIN, (int64_t)i, target, row, &label[i]);
        if (st != UMB_OK) { break; }
        label[i] = class_of(label_of, label[i]);
        if (label[i] < 0) { label[i] = (int32_t)n_classes; }
        first[label[i] + 1]++;
    }
    for (int64_t c = 0; c <= n_classes; c++) {
        first[c + 1] += first[c];
    }
    for (size_t i = 0; st == UMB_OK && i < b->n_samples; i++) {
        b->sample[first[label[i]]++] = (uint32_t)i; /* first[c] ends as first[c + 1] */
    }
    umb__free(label);
    umb__free(row);
    return st;
}

/* end [n_classes + 1]: where each class ends. */
static enum umb_status make_groups(struct umb_context *ctx, const size_t *end, int64_t n_classes,
                                   struct umb_balance *b)
{
    const size_t labelled = n_classes ? end[n_classes - 1] : 0;
    size_t from = 0;
    for (int64_t c = 0; c <= n_classes; from = end[c], c++) {
        if (end[c] > from) {
            b->group[b->n_groups++] = (struct group){.first = from, .count = end[c] - from};
        }
    }
    const size_t unlabelled = b->n_samples - labelled, n = b->n_groups - (unlabelled > 0);
    if (n == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "no training sample has a label to balance by");
    }
    for (size_t g = 0; g < n; g++) {
        b->group[g].quota = labelled / n + (g < labelled % n);
    }
    if (unlabelled > 0) { b->group[n].quota = unlabelled; }
    return UMB_OK;
}

enum umb_status umb__balance_create(struct umb_context *ctx, struct umb_dataset *ds, size_t target,
                                    const int32_t *label_of, int64_t n_classes,
                                    struct umb_balance **ret_balance)
{
    struct umb_balance *b = umb__calloc(ctx, 1, sizeof *b);
    size_t *first = umb__calloc(ctx, (size_t)n_classes + 2, sizeof *first);
    enum umb_status st = b && first ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        b->n_samples = (size_t)umb_dataset_count(ds, UMB_SPLIT_TRAIN);
        b->sample = umb__calloc(ctx, b->n_samples, sizeof *b->sample);
        b->group = umb__calloc(ctx, (size_t)n_classes + 1, sizeof *b->group);
        st = b->sample && b->group ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK) { st = sort_samples(ctx, ds, target, label_of, n_classes, first, b); }
    if (st == UMB_OK) { st = make_groups(ctx, first, n_classes, b); }
    umb__free(first);
    if (st != UMB_OK) {
        umb__balance_destroy(b);
        return st;
    }
    *ret_balance = b;
    return UMB_OK;
}

void umb__balance_destroy(struct umb_balance *b)
{
    if (b == NULL) { return; }
    umb__free(b->group);
    umb__free(b->sample);
    umb__free(b);
}

/* Drawing. */

/* A seed of its own for round or pass i, through the generator (sampler.c). */
static uint64_t seed_of(uint64_t seed, uint32_t stream, uint64_t i)
{
    return (uint64_t)umb__random_u32(seed, UMB_RNG_BALANCE, stream, 2 * i) << 32 |
           umb__random_u32(seed, UMB_RNG_BALANCE, stream, 2 * i + 1);
}

/* A group's places of a pass go on in its rounds where the pass before ended. */
static void draw_group(const struct umb_balance *b, size_t index, uint64_t seed, uint32_t stream,
                       uint64_t pass, uint32_t *round_order, uint32_t *ret_samples)
{
    const struct group *g = &b->group[index];
    uint64_t at = pass * g->quota;
    for (size_t i = 0; i < g->quota; i++, at++) {
        if (i == 0 || at % g->count == 0) {
            const uint64_t round = at / g->count * (b->n_groups + 1) + index + 1;
            umb__random_permutation(seed_of(seed, stream, round), UMB_RNG_BALANCE, stream,
                                    round_order, g->count);
        }
        ret_samples[i] = b->sample[g->first + round_order[at % g->count]];
    }
}

void umb__balance_pass(const struct umb_balance *b, uint64_t seed, uint32_t stream, int64_t pass,
                       uint32_t *scratch, uint32_t *ret_order)
{
    size_t n = 0;
    for (size_t g = 0; g < b->n_groups; g++) {
        draw_group(b, g, seed, stream, (uint64_t)pass, ret_order, scratch + n);
        n += b->group[g].quota;
    }
    const uint64_t mixed = seed_of(seed, stream, (uint64_t)pass * (b->n_groups + 1));
    umb__random_permutation(mixed, UMB_RNG_SHUFFLE, stream, ret_order, n);
    for (size_t i = 0; i < n; i++) {
        ret_order[i] = scratch[ret_order[i]];
    }
}

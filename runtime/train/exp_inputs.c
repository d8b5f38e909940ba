/*
 * exp_inputs.c: samples with several images: `inputs` of a data set.
 *
 *   inputs: {left: left_path, right: {column: right_path, size: 32}}
 *
 * The first image is the data set's own. Every further one is read as a data set of its own, of the
 * same table with another image column: rows, splits and limit are the same, so that sample i of
 * each belongs to sample i of the others.
 */
#include "experiment.h"

#include "fail.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_INPUTS 16

/* COLUMN, or {column: COLUMN, size: …, channels: …, normalize: …}. */
static enum umb_status read_input(struct umb_experiment *exp, const struct umb_yaml *node,
                                  struct umb_exp_data *d)
{
    static const char *const keys[] = {"column", "size", "channels", "normalize"};
    d->input = node->key;
    d->node = node;
    enum umb_status st = umb__yaml_check_name(exp->ctx, node, node->key);
    if (st != UMB_OK || node->kind == UMB_YAML_SCALAR) {
        return st == UMB_OK ? umb__yaml_text(exp->ctx, node, &d->desc.image_column) : st;
    }
    st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *column = umb__yaml_get(node, "column");
    if (st == UMB_OK && !column) {
        st = umb__yaml_fail(exp->ctx, node, "column: is missing; expected the column of its paths");
    }
    if (st == UMB_OK) { st = umb__yaml_text(exp->ctx, column, &d->desc.image_column); }
    return st == UMB_OK ? umb__exp_read_images(exp, node, d) : st;
}

static enum umb_status check_inputs(struct umb_experiment *exp, const struct umb_yaml *map,
                                    const struct umb_yaml *inputs)
{
    const struct umb_yaml *column = umb__yaml_get(map, "image_column");
    enum umb_status st = umb__yaml_want(exp->ctx, inputs, UMB_YAML_MAP);
    if (st != UMB_OK) { return st; }
    if (column) {
        return umb__yaml_fail(exp->ctx, column,
                              "is the column of the only image; expected it or inputs, not both");
    }
    if (inputs->n_items < 2 || inputs->n_items > MAX_INPUTS) {
        return umb__yaml_fail(exp->ctx, inputs,
                              "has %zu images; expected 2 to %d, as {left: "
                              "COLUMN, right: COLUMN}",
                              inputs->n_items, MAX_INPUTS);
    }
    for (size_t i = 0; i < inputs->n_items; i++) {
        if (strcmp(inputs->item[i]->key, "input") != 0) { continue; }
        return umb__yaml_fail(exp->ctx, inputs->item[i],
                              "'input' is what the only image is called; expected another name");
    }
    return UMB_OK;
}

/* Masks are the first image's, which may be of another size. Where there is nothing else, they
 * stay: a table has targets. */
static enum umb_status drop_masks(struct umb_experiment *exp, struct umb_dataset_desc *desc)
{
    struct umb_csv_target *kept =
        umb__arena_calloc(exp->tree->arena, desc->n_targets, sizeof *kept);
    size_t n = 0;
    if (!kept) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < desc->n_targets; i++) {
        if (desc->targets[i].kind != UMB_TARGET_PIXELS) { kept[n++] = desc->targets[i]; }
    }
    if (n > 0) {
        desc->targets = kept;
        desc->n_targets = n;
    }
    return UMB_OK;
}

enum umb_status umb__exp_read_inputs(struct umb_experiment *exp, const struct umb_yaml *map,
                                     struct umb_exp_data *d)
{
    const struct umb_yaml *inputs = umb__yaml_get(map, "inputs"), *own = d->node;
    if (!inputs) { return UMB_OK; }
    enum umb_status st = check_inputs(exp, map, inputs);
    if (st != UMB_OK) { return st; }
    const size_t n = inputs->n_items - 1;
    struct umb_exp_data *more = umb__arena_calloc(exp->tree->arena, n, sizeof *more);
    if (!more) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        more[i] = *d;
        st = read_input(exp, inputs->item[i + 1], &more[i]);
        if (st == UMB_OK) { st = drop_masks(exp, &more[i].desc); }
    }
    if (st == UMB_OK) { st = read_input(exp, inputs->item[0], d); }
    d->node = own;
    d->more = more;
    d->n_more = n;
    return st;
}

static enum umb_status check_rows(struct umb_experiment *exp, const struct umb_exp_data *d,
                                  const struct umb_exp_data *more)
{
    for (int s = 0; s < UMB_SPLIT_COUNT; s++) {
        const int64_t wanted = umb_dataset_count(d->dataset, (enum umb_split)s),
                      is = umb_dataset_count(more->dataset, (enum umb_split)s);
        if (is == wanted) { continue; }
        return umb__fail(exp->ctx, UMB_ERR_FORMAT,
                         "%s: %lld rows, then %lld; expected a table that does not change",
                         d->desc.path, (long long)wanted, (long long)is);
    }
    return UMB_OK;
}

enum umb_status umb__exp_open_inputs(struct umb_experiment *exp, struct umb_exp_data *d)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < d->n_more; i++) {
        struct umb_exp_data *more = &d->more[i];
        if (more->dataset) { continue; }
        more->desc.path = d->desc.path;
        st = umb_dataset_open(exp->ctx, &more->desc, &more->dataset);
        if (st == UMB_OK) { st = check_rows(exp, d, more); }
    }
    return st;
}

void umb__exp_close_inputs(struct umb_exp_data *d)
{
    for (size_t i = 0; i < d->n_more; i++) {
        umb_dataset_close(d->more[i].dataset);
    }
}

const struct umb_exp_data *umb__exp_input(const struct umb_exp_data *d, size_t index)
{
    return index ? &d->more[index - 1] : d;
}

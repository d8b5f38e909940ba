/* exp_points.c: how a target goes with its picture: `points`, `within` and `swap`. */
#include "experiment.h"

#include "text.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_SWAPS 32768

static enum umb_status read_order(struct umb_experiment *exp, const struct umb_yaml *node,
                                  struct umb_csv_target *t)
{
    static const char *const orders[] = {"none", "xyxy", "xxyy"};
    const char *text = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    if (st != UMB_OK) { return st; }
    for (size_t i = 0; i < COUNT(orders); i++) {
        if (strcmp(text, orders[i]) == 0) { t->points = (enum umb_points)(UMB_POINTS_NONE + i); }
    }
    if (t->points == UMB_POINTS_UNSAID) {
        return umb__yaml_unknown(exp->ctx, node, "order of points", text, orders, COUNT(orders));
    }
    if (t->points == UMB_POINTS_NONE || t->n_columns % 2 == 0) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, node,
                          "%zu columns are no points; expected an x and a y for each of them",
                          t->n_columns);
}

static enum umb_status read_within(struct umb_experiment *exp, const struct umb_yaml *node,
                                   struct umb_csv_target *t)
{
    const bool list = node->kind == UMB_YAML_LIST;
    if (list && node->n_items != 2) {
        return umb__yaml_fail(exp->ctx, node, "has %zu numbers; expected one, or [HEIGHT, WIDTH]",
                              node->n_items);
    }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < 2; i++) {
        st = umb__yaml_double(exp->ctx, list ? node->item[i] : node, 1e-6, 1e9, &t->within[i]);
    }
    return st;
}

/* Where columns are pixels of the files, nothing tells their size once images are scaled. */
static enum umb_status check_within(struct umb_experiment *exp, const struct umb_yaml *map,
                                    const struct umb_exp_data *d, const struct umb_csv_target *t)
{
    const struct umb_yaml *within = umb__yaml_get(map, "within");
    if (t->points < UMB_POINTS_XYXY) {
        return within ? umb__yaml_fail(exp->ctx, within,
                                       "is for points; expected points: xyxy or xxyy beside it")
                      : UMB_OK;
    }
    if (within || !d->desc.height) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, map,
                          "within: is missing; expected [HEIGHT, WIDTH] of the picture in the "
                          "columns' units, since size scales the images");
}

/* A point by its number; a class by its text where classes are named, else by its number. */
static enum umb_status read_member(struct umb_experiment *exp, const struct umb_yaml *node,
                                   const struct umb_csv_target *t, uint32_t *ret_index)
{
    int64_t index = 0;
    const size_t points = t->n_columns / 2;
    const char *text = NULL;
    if (t->kind == UMB_TARGET_REAL || !t->classes) {
        const size_t n = t->kind == UMB_TARGET_REAL ? points : t->n_classes;
        enum umb_status st =
            umb__yaml_int(exp->ctx, node, 0, n ? (int64_t)n - 1 : UINT16_MAX, &index);
        *ret_index = (uint32_t)index;
        return st;
    }
    enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    for (size_t i = 0; st == UMB_OK && i < t->n_classes; i++) {
        *ret_index = (uint32_t)i;
        if (strcmp(text, t->classes[i]) == 0) { return UMB_OK; }
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, "class", text, t->classes, t->n_classes)
                        : st;
}

static enum umb_status read_pair(struct umb_experiment *exp, const struct umb_yaml *node,
                                 const struct umb_csv_target *t, const struct umb_swap *before,
                                 size_t n_before, struct umb_swap *ret_swap)
{
    if (node->kind != UMB_YAML_LIST || node->n_items != 2) {
        return umb__yaml_fail(exp->ctx, node, "is no pair; expected [ONE, OTHER]");
    }
    uint32_t pair[2] = {0};
    enum umb_status st = UMB_OK;
    for (size_t k = 0; st == UMB_OK && k < 2; k++) {
        st = read_member(exp, node->item[k], t, &pair[k]);
        bool again = st == UMB_OK && k == 1 && pair[0] == pair[1];
        for (size_t i = 0; st == UMB_OK && i < n_before; i++) {
            again = again || before[i].a == pair[k] || before[i].b == pair[k];
        }
        if (!again) { continue; }
        return umb__yaml_fail(exp->ctx, node->item[k],
                              "changes places twice; expected each in one pair at most");
    }
    *ret_swap = (struct umb_swap){pair[0], pair[1]};
    return st;
}

static enum umb_status read_swap(struct umb_experiment *exp, const struct umb_yaml *node,
                                 struct umb_csv_target *t)
{
    if (t->kind == UMB_TARGET_REAL && t->points < UMB_POINTS_XYXY) {
        return umb__yaml_fail(exp->ctx, node,
                              "is for points and classes; expected points: xyxy or xxyy beside it");
    }
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_LIST);
    if (st == UMB_OK && node->n_items > MAX_SWAPS) {
        st = umb__yaml_fail(exp->ctx, node, "has %zu pairs; expected at most %d", node->n_items,
                            MAX_SWAPS);
    }
    if (st != UMB_OK || node->n_items == 0) { return st; }
    struct umb_swap *swap = umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *swap);
    if (!swap) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_pair(exp, node->item[i], t, swap, i, &swap[i]);
    }
    t->swap = swap;
    t->n_swaps = node->n_items;
    return st;
}

enum umb_status umb__exp_read_points(struct umb_experiment *exp, const struct umb_yaml *map,
                                     const struct umb_exp_data *d, struct umb_csv_target *t)
{
    const struct umb_yaml *points = umb__yaml_get(map, "points"),
                          *within = umb__yaml_get(map, "within"),
                          *swap = umb__yaml_get(map, "swap");
    enum umb_status st = points ? read_order(exp, points, t) : UMB_OK;
    if (st == UMB_OK && within) { st = read_within(exp, within, t); }
    if (st == UMB_OK) { st = check_within(exp, map, d, t); }
    return st == UMB_OK && swap ? read_swap(exp, swap, t) : st;
}

/*
 * exp_augment.c: `augment` of a data set: how training pictures are changed at random.
 *
 * What moves a picture must know what moves along: numbers that may be points, and points that a
 * mirror would rename, are refused until the target says which they are.
 */
#include "experiment.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static enum umb_status read_fill(struct umb_experiment *exp, const struct umb_yaml *node,
                                 struct umb_augment *a)
{
    a->fill = UMB_FILL_EDGE;
    if (!node || (node->kind == UMB_YAML_SCALAR && strcmp(node->text, "edge") == 0)) {
        return UMB_OK;
    }
    int64_t value = 0;
    const enum umb_status st = umb__yaml_int(exp->ctx, node, 0, 255, &value);
    a->fill = (int)value;
    return st == UMB_OK ? st
                        : umb__yaml_fail(exp->ctx, node, "expected edge, or a pixel of 0 … 255");
}

/* 0.2: a factor of 0.8 … 1.2; or [FROM, TO]. */
static enum umb_status read_zoom(struct umb_experiment *exp, const struct umb_yaml *node,
                                 struct umb_augment *a)
{
    enum umb_status st = UMB_OK;
    if (node->kind != UMB_YAML_LIST) {
        double amount = 0;
        st = umb__yaml_double(exp->ctx, node, 0, 0.5, &amount);
        a->zoom[0] = 1 - amount;
        a->zoom[1] = 1 + amount;
        return st;
    }
    if (node->n_items != 2) {
        return umb__yaml_fail(exp->ctx, node, "has %zu numbers; expected one, or [FROM, TO]",
                              node->n_items);
    }
    st = umb__yaml_double(exp->ctx, node->item[0], 0.25, 4, &a->zoom[0]);
    return st == UMB_OK ? umb__yaml_double(exp->ctx, node->item[1], a->zoom[0], 4, &a->zoom[1])
                        : st;
}

static bool zooms(const struct umb_augment *a)
{
    return a->zoom[0] != a->zoom[1] || (a->zoom[0] > 0 && a->zoom[0] != 1);
}

static enum umb_status read_amounts(struct umb_experiment *exp, const struct umb_yaml *node,
                                    struct umb_augment *a)
{
    static const char *const keys[] = {"flip",     "shift", "rotate", "brightness",
                                       "contrast", "zoom",  "fill"};
    static const double most[] = {1, 0.5, 180, 1, 1};
    double *const amount[] = {&a->flip, &a->shift, &a->rotate, &a->brightness, &a->contrast};
    const struct umb_yaml *zoom = umb__yaml_get(node, "zoom");
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    for (size_t i = 0; st == UMB_OK && i < COUNT(amount); i++) {
        const struct umb_yaml *value = umb__yaml_get(node, keys[i]);
        if (value) { st = umb__yaml_double(exp->ctx, value, 0, most[i], amount[i]); }
    }
    if (st == UMB_OK && zoom) { st = read_zoom(exp, zoom, a); }
    return st == UMB_OK ? read_fill(exp, umb__yaml_get(node, "fill"), a) : st;
}

/* map: the target's. */
static enum umb_status check_target(struct umb_experiment *exp, const struct umb_augment *a,
                                    const struct umb_yaml *map, const struct umb_csv_target *t)
{
    const size_t n = t->n_columns;
    const bool moves = a->flip > 0 || a->shift > 0 || a->rotate > 0 || zooms(a);
    if (t->kind != UMB_TARGET_REAL || !moves) { return UMB_OK; }
    if (t->points == UMB_POINTS_UNSAID && n > 1) {
        return umb__yaml_fail(exp->ctx, map,
                              "has %zu columns, and augment moves the pictures; expected points: "
                              "xyxy or xxyy where they are points, which move along, or points: "
                              "none",
                              n);
    }
    if (t->points < UMB_POINTS_XYXY || n <= 2 || !(a->flip > 0) || umb__yaml_get(map, "swap")) {
        return UMB_OK;
    }
    return umb__yaml_fail(exp->ctx, map,
                          "has %zu points and no swap, and augment mirrors the pictures: what was "
                          "left, as a left eye, would keep its name on the right; expected swap: "
                          "[[0, 1], …] with those that change places, or swap: []",
                          n / 2);
}

enum umb_status umb__exp_read_augment(struct umb_experiment *exp, const struct umb_yaml *map,
                                      struct umb_exp_data *d)
{
    const struct umb_yaml *node = umb__yaml_get(map, "augment"),
                          *targets = umb__yaml_get(map, "targets");
    if (!node) { return UMB_OK; }
    d->augments = true;
    enum umb_status st = read_amounts(exp, node, &d->augment);
    for (size_t i = 0; st == UMB_OK && targets && i < d->desc.n_targets; i++) {
        st = check_target(exp, &d->augment, targets->item[i], &d->desc.targets[i]);
    }
    return st;
}

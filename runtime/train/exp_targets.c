/* exp_targets.c: what a CSV's columns are, `targets` of a data set, and what indices of masks mean.
 */
#include "experiment.h"

#include "fail.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_CLASSES 65536

/* A list of texts as an array in the arena. */
static enum umb_status read_texts(struct umb_experiment *exp, const struct umb_yaml *node,
                                  const char *const **ret, size_t *ret_n)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_LIST);
    if (st != UMB_OK) { return st; }
    if (node->n_items == 0 || node->n_items > MAX_CLASSES) {
        return umb__yaml_fail(exp->ctx, node, "has %zu items; expected 1 to %d", node->n_items,
                              MAX_CLASSES);
    }
    const char **texts = umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *texts);
    if (!texts) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = umb__yaml_text(exp->ctx, node->item[i], &texts[i]);
    }
    *ret = texts;
    *ret_n = node->n_items;
    return st;
}

static enum umb_status read_columns(struct umb_experiment *exp, const struct umb_yaml *map,
                                    struct umb_csv_target *t)
{
    const struct umb_yaml *one = umb__yaml_get(map, "column"),
                          *many = umb__yaml_get(map, "columns");
    if (!one == !many) {
        return umb__yaml_fail(exp->ctx, map,
                              "has %s; expected column: NAME, or columns: [NAME, …] "
                              "for several numbers",
                              one ? "column and columns" : "no column");
    }
    t->kind = many ? UMB_TARGET_REAL : UMB_TARGET_CLASS;
    if (many) { return read_texts(exp, many, &t->columns, &t->n_columns); }
    const char **column = umb__arena_calloc(exp->tree->arena, 1, sizeof *column);
    if (!column) { return UMB_ERR_NO_MEMORY; }
    t->columns = column;
    t->n_columns = 1;
    return umb__yaml_text(exp->ctx, one, column);
}

static enum umb_status read_type(struct umb_experiment *exp, const struct umb_yaml *map,
                                 struct umb_csv_target *t)
{
    static const char *const types[] = {"class", "real", "pixels"};
    static const enum umb_target_kind kinds[] = {UMB_TARGET_CLASS, UMB_TARGET_REAL,
                                                 UMB_TARGET_PIXELS};
    const struct umb_yaml *node = umb__yaml_get(map, "type");
    if (!node) { return UMB_OK; }
    const char *text = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    for (size_t i = 0; st == UMB_OK && i < COUNT(types); i++) {
        if (strcmp(text, types[i]) != 0) { continue; }
        if (t->kind == UMB_TARGET_REAL && kinds[i] != UMB_TARGET_REAL) {
            return umb__yaml_fail(exp->ctx, node,
                                  "columns are numbers; expected real, or one "
                                  "column");
        }
        t->kind = kinds[i];
        return UMB_OK;
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, "type", text, types, COUNT(types)) : st;
}

/* Keys that only one kind of target has. */
static enum umb_status check_target_keys(struct umb_experiment *exp, const struct umb_yaml *map,
                                         const struct umb_csv_target *t)
{
    static const char *const classes[] = {"column", "type", "classes", "swap"};
    static const char *const real[] = {"column", "columns", "type",   "scale",
                                       "offset", "points",  "within", "swap"};
    static const char *const pixels[] = {"column", "type", "classes", "ignore", "swap"};
    switch (t->kind) {
    case UMB_TARGET_CLASS:
        return umb__yaml_keys(exp->ctx, map, classes, COUNT(classes));
    case UMB_TARGET_REAL:
        return umb__yaml_keys(exp->ctx, map, real, COUNT(real));
    case UMB_TARGET_PIXELS:
        break;
    }
    enum umb_status st = umb__yaml_keys(exp->ctx, map, pixels, COUNT(pixels));
    if (st == UMB_OK && !umb__yaml_get(map, "classes")) {
        st = umb__yaml_fail(exp->ctx, map, "classes: is missing; expected how many there are");
    }
    return st;
}

static enum umb_status read_classes(struct umb_experiment *exp, const struct umb_yaml *map,
                                    struct umb_csv_target *t)
{
    const struct umb_yaml *node = umb__yaml_get(map, "classes");
    if (!node) { return UMB_OK; }
    if (t->kind == UMB_TARGET_CLASS) { return read_texts(exp, node, &t->classes, &t->n_classes); }
    int64_t n = 0;
    enum umb_status st = umb__yaml_int(exp->ctx, node, 2, 256, &n);
    t->n_classes = (size_t)n;
    return st;
}

static enum umb_status read_target(struct umb_experiment *exp, const struct umb_yaml *map,
                                   const struct umb_exp_data *d, struct umb_csv_target *t)
{
    const struct umb_yaml *scale = umb__yaml_get(map, "scale"),
                          *offset = umb__yaml_get(map, "offset"),
                          *ignore = umb__yaml_get(map, "ignore");
    t->name = map->key;
    t->ignore = -1;
    t->scale = 1;
    enum umb_status st = umb__yaml_check_name(exp->ctx, map, map->key);
    if (st == UMB_OK) { st = umb__yaml_want(exp->ctx, map, UMB_YAML_MAP); }
    if (st == UMB_OK) { st = read_columns(exp, map, t); }
    if (st == UMB_OK) { st = read_type(exp, map, t); }
    if (st == UMB_OK) { st = check_target_keys(exp, map, t); }
    if (st == UMB_OK) { st = read_classes(exp, map, t); }
    if (st == UMB_OK && scale) { st = umb__yaml_double(exp->ctx, scale, -1e9, 1e9, &t->scale); }
    if (st == UMB_OK && t->scale == 0) {
        st = umb__yaml_fail(exp->ctx, scale, "is 0; expected another number");
    }
    if (st == UMB_OK && offset) { st = umb__yaml_double(exp->ctx, offset, -1e9, 1e9, &t->offset); }
    if (st == UMB_OK && ignore) { st = umb__yaml_int(exp->ctx, ignore, 0, 255, &t->ignore); }
    return st == UMB_OK ? umb__exp_read_points(exp, map, d, t) : st;
}

enum umb_status umb__exp_read_targets(struct umb_experiment *exp, const struct umb_yaml *map,
                                      struct umb_exp_data *d)
{
    const struct umb_yaml *node = umb__yaml_get(map, "targets");
    if (!node) {
        return umb__yaml_fail(exp->ctx, map, "targets: is missing; expected {NAME: {column: …}}");
    }
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && node->n_items == 0) {
        st = umb__yaml_fail(exp->ctx, node, "is empty; expected {NAME: {column: …}}");
    }
    if (st != UMB_OK) { return st; }
    struct umb_csv_target *targets =
        umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *targets);
    if (!targets) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_target(exp, node->item[i], d, &targets[i]);
    }
    d->desc.targets = targets;
    d->desc.n_targets = node->n_items;
    return st;
}

/* `classes` is how many there are, or their names. */
enum umb_status umb__exp_read_mask_classes(struct umb_experiment *exp, const struct umb_yaml *map,
                                           struct umb_exp_data *d)
{
    const struct umb_yaml *classes = umb__yaml_get(map, "classes"),
                          *ignore = umb__yaml_get(map, "ignore");
    struct umb_csv_target *t = umb__arena_calloc(exp->tree->arena, 1, sizeof *t);
    if (!t) { return UMB_ERR_NO_MEMORY; }
    if (!classes) {
        return umb__yaml_fail(exp->ctx, map,
                              "classes: is missing; expected how many, or their names");
    }
    t->name = "mask";
    t->kind = UMB_TARGET_PIXELS;
    t->ignore = -1;
    int64_t n = 0;
    enum umb_status st = UMB_OK;
    if (classes->kind == UMB_YAML_LIST) {
        st = read_texts(exp, classes, &t->classes, &t->n_classes);
        n = (int64_t)t->n_classes;
    } else {
        st = umb__yaml_int(exp->ctx, classes, 2, 256, &n);
        t->n_classes = (size_t)n;
    }
    if (st == UMB_OK && (n < 2 || n > 256)) {
        st = umb__yaml_fail(exp->ctx, classes, "has %lld names; expected 2 to 256", (long long)n);
    }
    if (st == UMB_OK && ignore) { st = umb__yaml_int(exp->ctx, ignore, 0, 255, &t->ignore); }
    d->desc.targets = t;
    d->desc.n_targets = 1;
    return st;
}

/*
 * exp_adjacency.c: the matrix of a graph layer, as an experiment says it: rows of numbers, or a
 * map.
 *
 *   adjacency: [[1, 0.5], [0.5, 1]]                       as it is
 *   adjacency: {given: [[0, 1], [1, 0]]}                  with itself, normalised
 *   adjacency: {count: [gender, smile], threshold: 0.4}   from the labels of these tasks
 *
 * Counted nodes are the tasks' answers in order: a class each of cross_entropy, the number or
 * numbers of binary_cross_entropy. They are counted on the training split when the net is built,
 * where its data are open; a net out of a checkpoint finds the matrix there.
 */
#include "experiment.h"

#include "alloc.h"
#include "cooccurrence.h"
#include "exp_adjacency.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static double *numbers(struct umb_experiment *exp, int n)
{
    return umb__arena_calloc(exp->tree->arena, (size_t)n, sizeof(double));
}

/* Rows of numbers. */

static enum umb_status read_row(struct umb_experiment *exp, const struct umb_yaml *row, int n,
                                double *ret_row)
{
    enum umb_status st = umb__yaml_want(exp->ctx, row, UMB_YAML_LIST);
    if (st == UMB_OK && row->n_items != (size_t)n) {
        return umb__yaml_fail(exp->ctx, row, "has %zu numbers; expected %d, as there are rows",
                              row->n_items, n);
    }
    for (int j = 0; j < n && st == UMB_OK; j++) {
        st = umb__yaml_double(exp->ctx, row->item[j], -1e6, 1e6, &ret_row[j]);
    }
    return st;
}

static enum umb_status read_rows(struct umb_experiment *exp, const struct umb_yaml *list,
                                 struct umb_matrix *m)
{
    enum umb_status st = umb__yaml_want(exp->ctx, list, UMB_YAML_LIST);
    if (st != UMB_OK) { return st; }
    if (list->n_items < 1 || list->n_items > UMB_MATRIX_ROWS) {
        return umb__yaml_fail(exp->ctx, list, "has %zu rows; expected 1 to %d", list->n_items,
                              UMB_MATRIX_ROWS);
    }
    m->n = (int)list->n_items;
    m->value = numbers(exp, m->n * m->n);
    if (!m->value) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < m->n && st == UMB_OK; i++) {
        st = read_row(exp, list->item[i], m->n, m->value + (size_t)(i * m->n));
    }
    return st;
}

/* A map. */

static enum umb_status read_options(struct umb_experiment *exp, const struct umb_yaml *map,
                                    struct umb_adjacency_desc *desc)
{
    const struct umb_yaml *threshold = umb__yaml_get(map, "threshold");
    const struct umb_yaml *weight = umb__yaml_get(map, "weight");
    const struct umb_yaml *self = umb__yaml_get(map, "self");
    const struct umb_yaml *normalize = umb__yaml_get(map, "normalize");
    enum umb_status st = UMB_OK;
    if (threshold) { st = umb__yaml_double(exp->ctx, threshold, 0, 1, &desc->threshold); }
    if (st == UMB_OK && weight) { st = umb__yaml_double(exp->ctx, weight, 0, 1e6, &desc->weight); }
    if (st == UMB_OK && self) { st = umb__yaml_bool(exp->ctx, self, &desc->self); }
    if (st == UMB_OK && normalize) { st = umb__yaml_bool(exp->ctx, normalize, &desc->normalize); }
    return st;
}

static enum umb_status read_map(struct umb_experiment *exp, const struct umb_yaml *map,
                                struct umb_matrix *m)
{
    static const char *const counted[] = {"count", "threshold", "weight", "self", "normalize"};
    static const char *const given[] = {"given", "self", "normalize"};
    struct umb_adjacency_desc desc = {
        .threshold = 0.4, .weight = 0.25, .self = true, .normalize = true};
    const struct umb_yaml *count = umb__yaml_get(map, "count"), *rows = umb__yaml_get(map, "given");
    if (!count && !rows) {
        return umb__yaml_fail(exp->ctx, map, "has neither count nor given; expected one of them");
    }
    enum umb_status st = count ? umb__yaml_keys(exp->ctx, map, counted, COUNT(counted))
                               : umb__yaml_keys(exp->ctx, map, given, COUNT(given));
    if (st == UMB_OK) { st = read_options(exp, map, &desc); }
    if (st == UMB_OK) { st = count ? umb__exp_count(exp, count, m) : read_rows(exp, rows, m); }
    if (st != UMB_OK) { return st; }
    double *scratch = numbers(exp, m->n);
    if (!scratch) { return UMB_ERR_NO_MEMORY; }
    if (count) { umb__adjacency_of_shares(&desc, m->n, m->value, scratch); }
    if (rows) { umb__adjacency_complete(&desc, m->n, m->value, scratch); }
    return UMB_OK;
}

/* The layer's keys with the matrix as a list of numbers; the tree stays as the user wrote it. */

static struct umb_yaml *list_of(struct umb_experiment *exp, const struct umb_yaml *value,
                                const struct umb_matrix *m)
{
    struct umb_arena *arena = exp->tree->arena;
    const size_t n = (size_t)(m->n * m->n);
    struct umb_yaml *list = umb__arena_calloc(arena, 1, sizeof *list);
    struct umb_yaml *items = umb__arena_calloc(arena, n, sizeof *items);
    struct umb_yaml **item = umb__arena_calloc(arena, n, sizeof *item);
    if (!list || !items || !item) { return NULL; }
    *list = *value;
    list->kind = UMB_YAML_LIST;
    list->item = item;
    list->n_items = list->capacity = n;
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct umb_yaml){.parent = list, .source = value->source, .line = value->line};
        items[i].text = umb__arena_printf(arena, "%.17g", m->value[i]);
        if (!items[i].text) { return NULL; }
        item[i] = &items[i];
    }
    return list;
}

static const struct umb_yaml *with_list(struct umb_experiment *exp, const struct umb_yaml *layer,
                                        const struct umb_yaml *value, struct umb_yaml *list)
{
    struct umb_yaml *copy = umb__arena_calloc(exp->tree->arena, 1, sizeof *copy);
    struct umb_yaml **item = umb__arena_calloc(exp->tree->arena, layer->n_items, sizeof *item);
    if (!list || !copy || !item) { return NULL; }
    *copy = *layer;
    copy->item = item;
    for (size_t i = 0; i < layer->n_items; i++) {
        item[i] = layer->item[i] == value ? list : layer->item[i];
    }
    return copy;
}

enum umb_status umb__exp_adjacency(struct umb_experiment *exp, const struct umb_yaml **layer)
{
    const struct umb_yaml *value = umb__yaml_get(*layer, "adjacency");
    struct umb_matrix m = {0};
    enum umb_status st = UMB_OK;
    if (!value || value->kind == UMB_YAML_SCALAR) { return UMB_OK; }
    if (value->kind == UMB_YAML_MAP) {
        st = read_map(exp, value, &m);
    } else if (value->n_items && value->item[0]->kind == UMB_YAML_LIST) {
        st = read_rows(exp, value, &m);
    } else {
        return UMB_OK;
    }
    if (st != UMB_OK) { return st; }
    *layer = with_list(exp, *layer, value, list_of(exp, value, &m));
    return *layer ? UMB_OK : UMB_ERR_NO_MEMORY;
}

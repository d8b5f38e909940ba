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
#include "labels.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MOST_NODES 64 /* 64² numbers are what an attribute may have */

struct matrix {
    int n;
    double *value; /* [n,n] in the tree's arena */
};

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
                                 struct matrix *m)
{
    enum umb_status st = umb__yaml_want(exp->ctx, list, UMB_YAML_LIST);
    if (st != UMB_OK) { return st; }
    if (list->n_items < 1 || list->n_items > MOST_NODES) {
        return umb__yaml_fail(exp->ctx, list, "has %zu rows; expected 1 to %d", list->n_items,
                              MOST_NODES);
    }
    m->n = (int)list->n_items;
    m->value = numbers(exp, m->n * m->n);
    if (!m->value) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < m->n && st == UMB_OK; i++) {
        st = read_row(exp, list->item[i], m->n, m->value + (size_t)(i * m->n));
    }
    return st;
}

/* Counting. */

/* The tasks whose answers are nodes; all of one data set. */
struct counting {
    struct umb_experiment *exp;
    const struct umb_exp_task *task[MOST_NODES];
    int n_tasks, n_nodes;
    signed char holds[MOST_NODES];
    void *labels; /* of a task's sample */
};

static int nodes_of(const struct umb_experiment *exp, const struct umb_exp_task *t)
{
    const struct umb_target_info *info = &exp->data[t->data].target[t->target];
    if (t->judge == UMB_JUDGE_ERRORS || info->kind == UMB_TARGET_PIXELS) { return 0; }
    if (t->judge == UMB_JUDGE_CLASSES) { return (int)t->n_classes; }
    return info->kind == UMB_TARGET_REAL ? (int)info->n_values : 1;
}

static enum umb_status add_task(struct counting *c, const struct umb_yaml *node)
{
    struct umb_experiment *exp = c->exp;
    const char *name = NULL, *names[UMB_NET_MAX_TASKS];
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    size_t t = 0;
    while (st == UMB_OK && t < exp->n_tasks && strcmp(exp->task[t].name, name) != 0) {
        if (t < COUNT(names)) { names[t] = exp->task[t].name; }
        t++;
    }
    if (st != UMB_OK) { return st; }
    if (t == exp->n_tasks) {
        return umb__yaml_unknown(exp->ctx, node, "task", name, names,
                                 t < COUNT(names) ? t : COUNT(names));
    }
    const struct umb_exp_task *task = &exp->task[t];
    const int n = nodes_of(exp, task);
    if (n == 0 || c->n_nodes + n > MOST_NODES) {
        return umb__yaml_fail(exp->ctx, node,
                              "'%s' has %d classes; expected a task with classes a "
                              "sample, and at most %d in all",
                              name, n, MOST_NODES);
    }
    if (c->n_tasks && task->data != c->task[0]->data) {
        return umb__yaml_fail(exp->ctx, node,
                              "'%s' has other data than '%s'; expected tasks of one "
                              "data set",
                              name, c->task[0]->name);
    }
    c->task[c->n_tasks++] = task;
    c->n_nodes += n;
    return UMB_OK;
}

static void note(struct counting *c, const struct umb_exp_task *t, float mask, int first)
{
    const int n = nodes_of(c->exp, t);
    for (int i = 0; i < n; i++) {
        const bool holds = t->judge == UMB_JUDGE_CLASSES ? *(const int32_t *)c->labels == i
                                                         : ((const float *)c->labels)[i] >= 0.5f;
        c->holds[first + i] = mask == 0 ? -1 : (signed char)holds;
    }
}

static enum umb_status count_sample(struct counting *c, uint32_t index, uint8_t *image,
                                    void *const *targets)
{
    struct umb_dataset *ds = c->exp->data[c->task[0]->data].dataset;
    enum umb_status st = umb_dataset_read(ds, UMB_SPLIT_TRAIN, index, image, targets);
    for (int t = 0, first = 0; t < c->n_tasks && st == UMB_OK; t++) {
        float mask = 0;
        st = umb__labels_fill(c->exp, c->task[t], targets[c->task[t]->target], &index, 1, c->labels,
                              &mask);
        if (st == UMB_OK) { note(c, c->task[t], mask, first); }
        first += nodes_of(c->exp, c->task[t]);
    }
    return st;
}

/* Room for a sample: its image, and the targets that are asked for; in the tree's arena. */
static enum umb_status make_room(struct counting *c, uint8_t **ret_image, void ***ret_targets)
{
    struct umb_arena *arena = c->exp->tree->arena;
    const struct umb_exp_data *d = &c->exp->data[c->task[0]->data];
    c->labels = umb__arena_calloc(arena, MOST_NODES, sizeof(float));
    *ret_image = umb__arena_calloc(arena, (size_t)(d->shape[0] * d->shape[1] * d->shape[2]), 1);
    *ret_targets = umb__arena_calloc(arena, d->n_targets, sizeof(void *));
    if (!c->labels || !*ret_image || !*ret_targets) { return UMB_ERR_NO_MEMORY; }
    for (int t = 0; t < c->n_tasks; t++) {
        void **target = &(*ret_targets)[c->task[t]->target];
        *target = umb__arena_calloc(arena, umb__target_bytes(&d->target[c->task[t]->target]), 1);
        if (!*target) { return UMB_ERR_NO_MEMORY; }
    }
    return UMB_OK;
}

static enum umb_status count_all(struct counting *c, struct umb_cooccurrence *counts)
{
    const struct umb_exp_data *d = &c->exp->data[c->task[0]->data];
    uint8_t *image;
    void **targets;
    enum umb_status st = make_room(c, &image, &targets);
    const int64_t n = umb_dataset_count(d->dataset, UMB_SPLIT_TRAIN);
    for (int64_t i = 0; i < n && st == UMB_OK; i++) {
        st = count_sample(c, (uint32_t)i, image, targets);
        if (st == UMB_OK) { umb__cooccurrence_add(counts, c->holds); }
    }
    return st;
}

/* The shares of the tasks' answers; zeros where no data are open. */
static enum umb_status count_tasks(struct umb_experiment *exp, const struct umb_yaml *list,
                                   struct matrix *m)
{
    struct counting c = {.exp = exp};
    struct umb_cooccurrence counts = {0};
    enum umb_status st = umb__yaml_want(exp->ctx, list, UMB_YAML_LIST);
    for (size_t i = 0; st == UMB_OK && i < list->n_items; i++) {
        st = add_task(&c, list->item[i]);
    }
    if (st == UMB_OK && c.n_nodes == 0) {
        st = umb__yaml_fail(exp->ctx, list, "is empty; expected names of tasks");
    }
    if (st != UMB_OK) { return st; }
    m->n = c.n_nodes;
    m->value = numbers(exp, m->n * m->n);
    st = m->value ? umb__cooccurrence_init(exp->ctx, m->n, &counts) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && exp->data[c.task[0]->data].dataset) { st = count_all(&c, &counts); }
    if (st == UMB_OK) { umb__cooccurrence_shares(&counts, m->value); }
    umb__cooccurrence_finish(&counts);
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
                                struct matrix *m)
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
    if (st == UMB_OK) { st = count ? count_tasks(exp, count, m) : read_rows(exp, rows, m); }
    if (st != UMB_OK) { return st; }
    double *scratch = numbers(exp, m->n);
    if (!scratch) { return UMB_ERR_NO_MEMORY; }
    if (count) { umb__adjacency_of_shares(&desc, m->n, m->value, scratch); }
    if (rows) { umb__adjacency_complete(&desc, m->n, m->value, scratch); }
    return UMB_OK;
}

/* The layer's keys with the matrix as a list of numbers; the tree stays as the user wrote it. */

static struct umb_yaml *list_of(struct umb_experiment *exp, const struct umb_yaml *value,
                                const struct matrix *m)
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
    struct matrix m = {0};
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

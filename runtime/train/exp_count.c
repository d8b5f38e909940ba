/*
 * exp_count.c: which answers of tasks occur together, counted on the training split when the net is
 * built. Nodes are the tasks' answers in order: a class each of cross_entropy, the number or
 * numbers of binary_cross_entropy.
 */
#include "exp_adjacency.h"

#include "alloc.h"
#include "cooccurrence.h"
#include "labels.h"

/* The tasks whose answers are nodes; all of one data set. */
struct counting {
    struct umb_experiment *exp;
    const struct umb_exp_task *task[UMB_MATRIX_ROWS];
    int n_tasks, n_nodes;
    signed char holds[UMB_MATRIX_ROWS];
    void *labels; /* of a task's sample */
};

int umb__exp_answers(const struct umb_experiment *exp, const struct umb_exp_task *t)
{
    const struct umb_target_info *info = &exp->data[t->data].target[t->target];
    if (t->judge == UMB_JUDGE_ERRORS || info->kind == UMB_TARGET_PIXELS) { return 0; }
    if (t->judge == UMB_JUDGE_CLASSES) { return (int)t->n_classes; }
    return info->kind == UMB_TARGET_REAL ? (int)info->n_values : 1;
}

static enum umb_status add_task(struct counting *c, const struct umb_yaml *node)
{
    struct umb_experiment *exp = c->exp;
    const struct umb_exp_task *task = NULL;
    const enum umb_status st = umb__exp_find_task(exp, node, &task);
    if (st != UMB_OK) { return st; }
    const int n = umb__exp_answers(exp, task);
    if (n == 0 || c->n_nodes + n > UMB_MATRIX_ROWS) {
        return umb__yaml_fail(exp->ctx, node,
                              "'%s' has %d classes; expected a task with classes a "
                              "sample, and at most %d in all",
                              task->name, n, UMB_MATRIX_ROWS);
    }
    if (c->n_tasks && task->data != c->task[0]->data) {
        return umb__yaml_fail(exp->ctx, node,
                              "'%s' has other data than '%s'; expected tasks of one "
                              "data set",
                              task->name, c->task[0]->name);
    }
    c->task[c->n_tasks++] = task;
    c->n_nodes += n;
    return UMB_OK;
}

static void note(struct counting *c, const struct umb_exp_task *t, float mask, int first)
{
    const int n = umb__exp_answers(c->exp, t);
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
        first += umb__exp_answers(c->exp, c->task[t]);
    }
    return st;
}

/* Room for a sample: its image, and the targets that are asked for; in the tree's arena. */
static enum umb_status make_room(struct counting *c, uint8_t **ret_image, void ***ret_targets)
{
    struct umb_arena *arena = c->exp->tree->arena;
    const struct umb_exp_data *d = &c->exp->data[c->task[0]->data];
    c->labels = umb__arena_calloc(arena, UMB_MATRIX_ROWS, sizeof(float));
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

enum umb_status umb__exp_count(struct umb_experiment *exp, const struct umb_yaml *list,
                               struct umb_matrix *ret_matrix)
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
    ret_matrix->n = c.n_nodes;
    ret_matrix->value = umb__arena_calloc(exp->tree->arena, (size_t)(ret_matrix->n * ret_matrix->n),
                                          sizeof(double));
    st = ret_matrix->value ? umb__cooccurrence_init(exp->ctx, ret_matrix->n, &counts)
                           : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && exp->data[c.task[0]->data].dataset) { st = count_all(&c, &counts); }
    if (st == UMB_OK) { umb__cooccurrence_shares(&counts, ret_matrix->value); }
    umb__cooccurrence_finish(&counts);
    return st;
}

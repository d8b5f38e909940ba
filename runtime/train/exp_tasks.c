/*
 * exp_tasks.c: the `tasks` section, as far as it can be read without data.
 */
#include "experiment.h"

#include "fail.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_GROUPS 65536

/* The index of a named data set or trunk; the only one when the key is absent. */
static enum umb_status find_part(struct umb_experiment *exp, const struct umb_yaml *task,
                                 const char *key, const char *const *names, size_t n,
                                 size_t *ret_index)
{
    const struct umb_yaml *node = umb__yaml_get(task, key);
    *ret_index = 0;
    if (!node && n == 1) { return UMB_OK; }
    if (!node) {
        return umb__yaml_fail(exp->ctx, task,
                              "%s: is missing; expected one of the %zu that are "
                              "there",
                              key, n);
    }
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        *ret_index = i;
        if (strcmp(names[i], name) == 0) { return UMB_OK; }
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, key, name, names, n) : st;
}

static enum umb_status read_parts(struct umb_experiment *exp, struct umb_exp_task *t)
{
    size_t most = exp->n_data > exp->n_trunks ? exp->n_data : exp->n_trunks;
    const char **names = umb__arena_calloc(exp->tree->arena, most, sizeof *names);
    if (!names) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < exp->n_data; i++) {
        names[i] = exp->data[i].name;
    }
    enum umb_status st = find_part(exp, t->node, "data", names, exp->n_data, &t->data);
    if (st != UMB_OK) { return st; }
    exp->data[t->data].used = true;
    for (size_t i = 0; i < exp->n_trunks; i++) {
        names[i] = exp->trunk[i].name;
    }
    return find_part(exp, t->node, "trunk", names, exp->n_trunks, &t->trunk);
}

static enum umb_judge judge_of(const char *loss)
{
    if (strcmp(loss, "cross_entropy") == 0) { return UMB_JUDGE_CLASSES; }
    return strcmp(loss, "binary_cross_entropy") == 0 ? UMB_JUDGE_BINARY : UMB_JUDGE_ERRORS;
}

static enum umb_status read_loss(struct umb_experiment *exp, struct umb_exp_task *t)
{
    const struct umb_yaml *node = umb__yaml_get(t->node, "loss"), *attrs = NULL;
    if (!node) {
        return umb__yaml_fail(exp->ctx, t->node,
                              "loss: is missing; expected cross_entropy, "
                              "binary_cross_entropy, mse, l1 or huber");
    }
    enum umb_status st = umb__exp_choice(exp->ctx, node, "loss", &t->loss, &attrs);
    if (st != UMB_OK) { return st; }
    const struct umb_op *op = umb__op_find(t->loss);
    if (!op || !(op->flags & UMB_OP_LOSS)) {
        const char *names[UMB_MAX_OP_NAMES];
        size_t n = umb__exp_op_names(UMB_OP_LOSS, names, UMB_MAX_OP_NAMES);
        return umb__yaml_unknown(exp->ctx, attrs ? attrs : node, "loss", t->loss, names, n);
    }
    t->judge = judge_of(t->loss);
    return umb__exp_attrs(exp, op, attrs ? attrs : NULL, NULL, &t->loss_attrs);
}

static enum umb_status read_metric(struct umb_experiment *exp, const struct umb_yaml *node,
                                   struct umb_exp_task *t, size_t index)
{
    const struct umb_yaml *options = NULL;
    enum umb_status st = umb__exp_choice(exp->ctx, node, "metric", &t->metrics[index], &options);
    if (st != UMB_OK) { return st; }
    const char *name = t->metrics[index];
    if (!umb__metric_find(name, t->judge)) {
        const char *known[UMB_TASK_METRICS + 1] = {0};
        size_t n = 0;
        umb__metric_names(t->judge, known, UMB_TASK_METRICS);
        while (known[n]) {
            n++;
        }
        char what[96];
        snprintf(what, sizeof what, "metric of %.60s", t->loss);
        return umb__yaml_unknown(exp->ctx, node, what, name, known, n);
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(t->metrics[i], name) == 0) {
            return umb__yaml_fail(exp->ctx, node, "'%s' is there twice; expected it once", name);
        }
    }
    return umb__exp_read_landmarks(exp, node, options, name, t);
}

static enum umb_status read_metrics(struct umb_experiment *exp, const struct umb_yaml *node,
                                    struct umb_exp_task *t)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_LIST);
    if (st == UMB_OK && (node->n_items == 0 || node->n_items > UMB_TASK_METRICS)) {
        st = umb__yaml_fail(exp->ctx, node, "has %zu metrics; expected 1 to %d", node->n_items,
                            UMB_TASK_METRICS);
    }
    if (st != UMB_OK) { return st; }
    t->metrics = umb__arena_calloc(exp->tree->arena, node->n_items + 1, sizeof *t->metrics);
    if (!t->metrics) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_metric(exp, node->item[i], t, i);
    }
    return st;
}

/* map: {animal: [2, 3], vehicle: [0, 1]}: classes in the order in which they stand. */
static enum umb_status read_map(struct umb_experiment *exp, const struct umb_yaml *node,
                                struct umb_exp_task *t)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && (node->n_items < 2 || node->n_items > MAX_GROUPS)) {
        st = umb__yaml_fail(exp->ctx, node,
                            "makes %zu classes; expected at least 2, as {animal: "
                            "[2, 3], vehicle: [0, 1]}",
                            node->n_items);
    }
    if (st != UMB_OK) { return st; }
    t->group = umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *t->group);
    if (!t->group) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        const struct umb_yaml *labels = node->item[i];
        t->group[i] = (struct umb_exp_group){labels->key, labels};
        st = umb__yaml_want(exp->ctx, labels, UMB_YAML_LIST);
        if (st == UMB_OK && labels->n_items == 0) {
            st = umb__yaml_fail(exp->ctx, labels, "is empty; expected labels of the data");
        }
    }
    t->n_groups = node->n_items;
    return st;
}

static enum umb_status read_head(struct umb_experiment *exp, struct umb_exp_task *t)
{
    t->head = umb__yaml_get(t->node, "head");
    if (!t->head) {
        return umb__yaml_fail(exp->ctx, t->node, "head: is missing; expected a list of layers");
    }
    return umb__yaml_want(exp->ctx, t->head, UMB_YAML_LIST);
}

static enum umb_status read_task(struct umb_experiment *exp, const struct umb_yaml *node,
                                 struct umb_exp_task *t)
{
    static const char *const keys[] = {"data",   "target",  "map",    "trunk",   "head",  "loss",
                                       "weight", "metrics", "device", "balance", "select"};
    t->name = node->key;
    t->node = node;
    t->weight = 1;
    t->on = umb__yaml_get(node, "device");
    enum umb_status st = umb__yaml_check_name(exp->ctx, node, node->key);
    if (st == UMB_OK) { st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys)); }
    if (st == UMB_OK) { st = read_parts(exp, t); }
    if (st == UMB_OK) { st = read_head(exp, t); }
    if (st == UMB_OK) { st = read_loss(exp, t); }
    if (st != UMB_OK) { return st; }
    const struct umb_yaml *target = umb__yaml_get(node, "target"),
                          *map = umb__yaml_get(node, "map"),
                          *weight = umb__yaml_get(node, "weight"),
                          *metrics = umb__yaml_get(node, "metrics");
    if (target) { st = umb__yaml_text(exp->ctx, target, &t->target_name); }
    if (st == UMB_OK && map) { st = read_map(exp, map, t); }
    if (st == UMB_OK && weight) { st = umb__yaml_double(exp->ctx, weight, 0, 1e6, &t->weight); }
    if (st == UMB_OK && metrics) { st = read_metrics(exp, metrics, t); }
    if (st == UMB_OK) { st = umb__exp_read_select(exp, t); }
    return st == UMB_OK ? umb__exp_read_balance(exp, t) : st;
}

/* What early_stop watches must be something that is measured. */
static enum umb_status check_stop(struct umb_experiment *exp)
{
    const struct umb_exp_early_stop *stop = &exp->train.early_stop;
    const struct umb_yaml *node = umb__yaml_get(
        umb__yaml_get(umb__yaml_get(exp->tree->root, "train"), "early_stop"), "metric");
    if (!stop->on || !stop->task) { return UMB_OK; }
    const struct umb_exp_task *t = NULL;
    for (size_t i = 0; i < exp->n_tasks; i++) {
        if (strcmp(exp->task[i].name, stop->task) == 0) { t = &exp->task[i]; }
    }
    if (!t) {
        return umb__yaml_fail(exp->ctx, node,
                              "there is no task '%.80s'; expected score, "
                              "TASK.METRIC or TASK.loss",
                              stop->task);
    }
    if (strcmp(stop->metric, "loss") == 0) { return UMB_OK; }
    const char *usual[] = {NULL, NULL};
    umb__metric_names(t->judge, usual, 1);
    const char *const *names = t->metrics ? t->metrics : usual;
    for (; *names; names++) {
        if (strcmp(*names, stop->metric) == 0) { return UMB_OK; }
    }
    return umb__yaml_fail(exp->ctx, node,
                          "'%.80s' is not among the metrics of %s; expected one "
                          "that is, or loss",
                          stop->metric, t->name);
}

static enum umb_status check_all_used(struct umb_experiment *exp)
{
    double sum = 0;
    for (size_t i = 0; i < exp->n_data; i++) {
        if (!exp->data[i].used) {
            return umb__yaml_fail(exp->ctx, exp->data[i].node,
                                  "no task uses it; expected one with "
                                  "data: %s",
                                  exp->data[i].name);
        }
    }
    for (size_t i = 0; i < exp->n_tasks; i++) {
        sum += exp->task[i].weight;
    }
    if (sum > 0) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, exp->task[0].node->parent,
                          "every weight is 0; expected one "
                          "above 0");
}

enum umb_status umb__exp_read_tasks(struct umb_experiment *exp, const struct umb_yaml *node)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && (node->n_items == 0 || node->n_items > UMB_NET_MAX_TASKS)) {
        st = umb__yaml_fail(exp->ctx, node, "has %zu tasks; expected 1 to %d", node->n_items,
                            UMB_NET_MAX_TASKS);
    }
    if (st != UMB_OK) { return st; }
    exp->task = umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *exp->task);
    if (!exp->task) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_task(exp, node->item[i], &exp->task[i]);
    }
    exp->n_tasks = node->n_items;
    if (st == UMB_OK) { st = check_stop(exp); }
    return st == UMB_OK ? check_all_used(exp) : st;
}

enum umb_status umb__exp_find_task(struct umb_experiment *exp, const struct umb_yaml *node,
                                   const struct umb_exp_task **ret_task)
{
    const char *name = NULL, *names[UMB_NET_MAX_TASKS];
    const enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
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
    *ret_task = &exp->task[t];
    return UMB_OK;
}

/* exp_edit.c: see exp_edit.h. */
#include "exp_edit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void remove_item(struct umb_yaml *map, size_t index)
{
    map->n_items--;
    memmove(map->item + index, map->item + index + 1,
            (map->n_items - index) * sizeof(struct umb_yaml *));
}

static void remove_key(struct umb_yaml *map, const char *key)
{
    for (size_t i = 0; map && map->kind == UMB_YAML_MAP && i < map->n_items; i++) {
        if (strcmp(map->item[i]->key, key) == 0) {
            remove_item(map, i);
            return;
        }
    }
}

static bool is_among(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) { return true; }
    }
    return false;
}

/* What is said of parts that are gone. */

/* "NAME.…" */
static bool is_of(const struct umb_yaml *text, const char *name)
{
    const size_t length = strlen(name);
    return text && text->kind == UMB_YAML_SCALAR && strncmp(text->text, name, length) == 0 &&
           text->text[length] == '.';
}

/* An item of `freeze` is a pattern or a map with one. */
static bool freezes(const struct umb_yaml *item, const char *name)
{
    return is_of(item->kind == UMB_YAML_MAP ? umb__yaml_get(item, "pattern") : item, name);
}

static void forget_freeze(struct umb_yaml *train, const char *name)
{
    struct umb_yaml *freeze = umb__yaml_get(train, "freeze");
    if (!freeze) { return; }
    if (freeze->kind != UMB_YAML_LIST) {
        if (freezes(freeze, name)) { remove_key(train, "freeze"); }
        return;
    }
    for (size_t i = freeze->n_items; i-- > 0;) {
        if (freezes(freeze->item[i], name)) { remove_item(freeze, i); }
    }
    if (freeze->n_items == 0) { remove_key(train, "freeze"); }
}

/* The keys of `rates` are patterns. */
static void forget_rates(struct umb_yaml *train, const char *name)
{
    struct umb_yaml *rates = umb__yaml_get(train, "rates");
    const size_t length = strlen(name);
    for (size_t i = rates && rates->kind == UMB_YAML_MAP ? rates->n_items : 0; i-- > 0;) {
        const char *key = rates->item[i]->key;
        if (strncmp(key, name, length) == 0 && key[length] == '.') { remove_item(rates, i); }
    }
}

/* What `train` says of a task or trunk that is taken out; an early stop then watches the score. */
static void forget(struct umb_yaml *train, const char *name)
{
    struct umb_yaml *stop = umb__yaml_get(train, "early_stop");
    if (is_of(umb__yaml_get(stop, "metric"), name)) { remove_key(stop, "metric"); }
    forget_freeze(train, name);
    forget_rates(train, name);
}

/* How trunks are related. */

/* A list of a row for each of n trunks, and not of pairs of names. */
static bool is_matrix(const struct umb_yaml *rows, size_t n)
{
    if (!rows || rows->kind != UMB_YAML_LIST || rows->n_items != n) { return false; }
    for (size_t i = 0; i < n; i++) {
        const struct umb_yaml *row = rows->item[i], *first = row->n_items ? row->item[0] : NULL;
        if (row->kind != UMB_YAML_LIST || !first || first->kind != UMB_YAML_SCALAR) {
            return false;
        }
        if (isalpha((unsigned char)first->text[0])) { return false; }
    }
    return true;
}

/* [NAME, OTHER, …] or [OTHER, NAME, …] */
static bool is_pair_of(const struct umb_yaml *pair, const char *name)
{
    for (size_t i = 0; pair->kind == UMB_YAML_LIST && i < pair->n_items && i < 2; i++) {
        const struct umb_yaml *trunk = pair->item[i];
        if (trunk->kind == UMB_YAML_SCALAR && strcmp(trunk->text, name) == 0) { return true; }
    }
    return false;
}

static void forget_column(struct umb_yaml *matrix, size_t index)
{
    for (size_t i = 0; i < matrix->n_items; i++) {
        if (index < matrix->item[i]->n_items) { remove_item(matrix->item[i], index); }
    }
}

static void forget_relations(struct umb_yaml *relations, const char *name)
{
    remove_key(relations, name);
    for (size_t i = relations ? relations->n_items : 0; i-- > 0;) {
        struct umb_yaml *item = relations->item[i];
        if (relations->kind == UMB_YAML_MAP) {
            remove_key(item, name);
        } else if (is_pair_of(item, name)) {
            remove_item(relations, i);
        }
    }
}

/* Tasks. */

/* Whether a task says `key: name`; where it says nothing, there is only one. */
static bool is_used(const struct umb_yaml *tasks, const char *key, const char *name)
{
    for (size_t i = 0; i < tasks->n_items; i++) {
        const struct umb_yaml *value = umb__yaml_get(tasks->item[i], key);
        if (!value || value->kind != UMB_YAML_SCALAR || strcmp(value->text, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a map of data or trunks, what tasks name. */
static void keep_used(struct umb_yaml *map, const struct umb_yaml *tasks, const char *key,
                      struct umb_yaml *train)
{
    for (size_t i = map && map->kind == UMB_YAML_MAP ? map->n_items : 0; i-- > 0;) {
        const char *name = map->item[i]->key;
        if (is_used(tasks, key, name)) { continue; }
        forget(train, name);
        remove_item(map, i);
    }
}

/* Of `share`, what it says of trunks that tasks name. */
static void keep_shares(struct umb_yaml *share, const struct umb_yaml *trunks,
                        const struct umb_yaml *tasks)
{
    struct umb_yaml *relations = umb__yaml_get(share, "relations"),
                    *combinations = umb__yaml_get(share, "combinations");
    const size_t n = trunks && trunks->kind == UMB_YAML_MAP ? trunks->n_items : 0;
    const bool by_rows = is_matrix(relations, n), combined = is_matrix(combinations, n);
    for (size_t t = n; t-- > 0;) {
        const char *name = trunks->item[t]->key;
        if (is_used(tasks, "trunk", name)) { continue; }
        if (combined) { remove_item(combinations, t); }
        if (by_rows) {
            remove_item(relations, t);
            forget_column(relations, t);
        } else {
            forget_relations(relations, name);
        }
    }
}

/* The list of weights of the balancer `fixed`, if it has one for each of n tasks. */
static struct umb_yaml *weights_of(struct umb_yaml *train, size_t n)
{
    struct umb_yaml *fixed = umb__yaml_get(umb__yaml_get(train, "balancer"), "fixed"),
                    *weights = umb__yaml_get(fixed, "weights");
    return weights && weights->kind == UMB_YAML_LIST && weights->n_items == n ? weights : NULL;
}

void umb__exp_keep_tasks(struct umb_yaml_tree *tree, const char *const *names, size_t n)
{
    struct umb_yaml *tasks = umb__yaml_get(tree->root, "tasks"),
                    *trunks = umb__yaml_get(tree->root, "trunks"),
                    *train = umb__yaml_get(tree->root, "train");
    if (!tasks || tasks->kind != UMB_YAML_MAP) { return; }
    struct umb_yaml *weights = weights_of(train, tasks->n_items);
    for (size_t i = tasks->n_items; i-- > 0;) {
        const char *name = tasks->item[i]->key;
        if (is_among(name, names, n)) { continue; }
        forget(train, name);
        if (weights) { remove_item(weights, i); }
        remove_item(tasks, i);
    }
    keep_shares(umb__yaml_get(tree->root, "share"), trunks, tasks);
    keep_used(umb__yaml_get(tree->root, "data"), tasks, "data", train);
    keep_used(trunks, tasks, "trunk", train);
    const bool one_trunk = trunks && trunks->kind == UMB_YAML_MAP && trunks->n_items == 1;
    if (tasks->n_items == 1) { remove_key(train, "balancer"); }
    if (tasks->n_items == 1 || one_trunk) { remove_key(tree->root, "share"); }
}

enum umb_status umb__exp_set_balancer(struct umb_yaml_tree *tree, const char *name,
                                      const char *source)
{
    struct umb_yaml *train = umb__yaml_get(tree->root, "train");
    const struct umb_yaml *now = umb__yaml_get(train, "balancer");
    if (strcmp(name, "equal") == 0) {
        remove_key(train, "balancer");
        return UMB_OK;
    }
    if (umb__yaml_get(now, name)) { return UMB_OK; }
    char assignment[128];
    snprintf(assignment, sizeof assignment, "train.balancer=%.100s", name);
    const enum umb_status st = umb__yaml_set(tree, assignment);
    if (st != UMB_OK) { return st; }
    struct umb_yaml *value = umb__yaml_get(umb__yaml_get(tree->root, "train"), "balancer");
    value->source = source;
    return UMB_OK;
}

enum umb_status umb__exp_set_seed(struct umb_yaml_tree *tree, uint64_t seed)
{
    char assignment[64];
    snprintf(assignment, sizeof assignment, "train.seed=%" PRIu64, seed);
    return umb__yaml_set(tree, assignment);
}

/* exp_edit.c: see exp_edit.h. */
#include "exp_edit.h"

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

void umb__exp_keep_tasks(struct umb_yaml_tree *tree, const char *const *names, size_t n)
{
    struct umb_yaml *tasks = umb__yaml_get(tree->root, "tasks"),
                    *train = umb__yaml_get(tree->root, "train");
    if (!tasks || tasks->kind != UMB_YAML_MAP) { return; }
    for (size_t i = tasks->n_items; i-- > 0;) {
        const char *name = tasks->item[i]->key;
        if (is_among(name, names, n)) { continue; }
        forget(train, name);
        remove_item(tasks, i);
    }
    keep_used(umb__yaml_get(tree->root, "data"), tasks, "data", train);
    keep_used(umb__yaml_get(tree->root, "trunks"), tasks, "trunk", train);
    if (tasks->n_items != 1) { return; }
    remove_key(train, "balancer");
    remove_key(tree->root, "share");
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

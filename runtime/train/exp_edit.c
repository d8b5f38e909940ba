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
static void keep_used(struct umb_yaml *map, const struct umb_yaml *tasks, const char *key)
{
    for (size_t i = map && map->kind == UMB_YAML_MAP ? map->n_items : 0; i-- > 0;) {
        if (!is_used(tasks, key, map->item[i]->key)) { remove_item(map, i); }
    }
}

/* early_stop.metric: TASK.METRIC of a task that is not there any more. */
static void forget_stop(struct umb_yaml *train, const struct umb_yaml *tasks)
{
    struct umb_yaml *stop = umb__yaml_get(train, "early_stop");
    const struct umb_yaml *metric = umb__yaml_get(stop, "metric");
    const char *dot = metric && metric->kind == UMB_YAML_SCALAR ? strchr(metric->text, '.') : NULL;
    if (!dot) { return; }
    const size_t length = (size_t)(dot - metric->text);
    for (size_t i = 0; i < tasks->n_items; i++) {
        const char *name = tasks->item[i]->key;
        if (strlen(name) == length && strncmp(name, metric->text, length) == 0) { return; }
    }
    remove_key(stop, "metric");
}

void umb__exp_keep_tasks(struct umb_yaml_tree *tree, const char *const *names, size_t n)
{
    struct umb_yaml *tasks = umb__yaml_get(tree->root, "tasks"),
                    *train = umb__yaml_get(tree->root, "train");
    if (!tasks || tasks->kind != UMB_YAML_MAP) { return; }
    for (size_t i = tasks->n_items; i-- > 0;) {
        if (!is_among(tasks->item[i]->key, names, n)) { remove_item(tasks, i); }
    }
    keep_used(umb__yaml_get(tree->root, "data"), tasks, "data");
    keep_used(umb__yaml_get(tree->root, "trunks"), tasks, "trunk");
    forget_stop(train, tasks);
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

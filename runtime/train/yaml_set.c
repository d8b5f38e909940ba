/*
 * yaml_set.c: "a.b.c=VALUE" from the command line, applied to a tree.
 */
#include "yaml_tree.h"

#include "fail.h"
#include "text.h"
#include <string.h>

#define SOURCE "--set"

/* The value grafted in: nodes are copied into the tree's arena, with "--set" for their place. */
static struct umb_yaml *graft(struct umb_yaml_tree *tree, const struct umb_yaml *node)
{
    struct umb_yaml *copy = umb__yaml_node(tree, node->kind, SOURCE, 0);
    if (!copy) { return NULL; }
    copy->quoted = node->quoted;
    copy->flow = true;
    if (node->text) {
        copy->text = umb__arena_strdup(tree->arena, node->text);
        if (!copy->text) { return NULL; }
    }
    for (size_t i = 0; i < node->n_items; i++) {
        const char *key = node->item[i]->key;
        if (key && !(key = umb__arena_strdup(tree->arena, key))) { return NULL; }
        struct umb_yaml *item = graft(tree, node->item[i]);
        if (!item || !umb__yaml_append(tree, copy, key, item)) { return NULL; }
    }
    return copy;
}

static enum umb_status parse_value(struct umb_yaml_tree *tree, const char *text,
                                   struct umb_yaml **ret_value)
{
    struct umb_yaml_tree *value = NULL;
    if (!*text) { text = "''"; }
    enum umb_status st = umb__yaml_parse(tree->ctx, SOURCE, text, strlen(text), &value);
    if (st != UMB_OK) { return st; }
    *ret_value = graft(tree, value->root);
    umb__yaml_destroy(value);
    if (*ret_value) { return UMB_OK; }
    return tree->n_nodes > UMB_YAML_MAX_NODES ? UMB_ERR_FORMAT : UMB_ERR_NO_MEMORY;
}

/* The place of one part of the path in `at`: an item to go into or replace. NULL: none of a map. */
static enum umb_status find_slot(struct umb_yaml_tree *tree, struct umb_yaml *at, const char *part,
                                 const char *whole, struct umb_yaml ***ret_slot)
{
    *ret_slot = NULL;
    if (at->kind == UMB_YAML_SCALAR) {
        return umb__fail(tree->ctx, UMB_ERR_INVALID,
                         SOURCE " %.200s: nothing can be inside the value '%.80s'; expected the "
                                "path of a key",
                         whole, at->text);
    }
    if (at->kind == UMB_YAML_MAP) {
        for (size_t i = 0; i < at->n_items; i++) {
            if (strcmp(at->item[i]->key, part) == 0) { *ret_slot = &at->item[i]; }
        }
        return UMB_OK;
    }
    int64_t index = 0;
    if (!umb__parse_int(part, 0, (int64_t)at->n_items - 1, &index)) {
        return umb__fail(tree->ctx, UMB_ERR_INVALID,
                         SOURCE " %.200s: '%.80s' is no item of a list of %zu; expected its "
                                "place, counted from 0",
                         whole, part, at->n_items);
    }
    *ret_slot = &at->item[index];
    return UMB_OK;
}

static enum umb_status put(struct umb_yaml_tree *tree, struct umb_yaml *at, struct umb_yaml **slot,
                           const char *key, struct umb_yaml *value)
{
    if (!slot) { return umb__yaml_append(tree, at, key, value) ? UMB_OK : UMB_ERR_NO_MEMORY; }
    value->parent = at;
    value->key = (*slot)->key;
    *slot = value;
    return UMB_OK;
}

/* Goes into one part, making a map where there is nothing (or null) yet. */
static enum umb_status enter(struct umb_yaml_tree *tree, struct umb_yaml **at, const char *part,
                             const char *whole)
{
    struct umb_yaml **slot = NULL;
    enum umb_status st = find_slot(tree, *at, part, whole, &slot);
    if (st != UMB_OK) { return st; }
    if (slot && !umb__yaml_is_null(*slot)) {
        *at = *slot;
        return UMB_OK;
    }
    struct umb_yaml *map = umb__yaml_node(tree, UMB_YAML_MAP, SOURCE, 0);
    if (!map) { return UMB_ERR_NO_MEMORY; }
    st = put(tree, *at, slot, part, map);
    *at = map;
    return st;
}

enum umb_status umb__yaml_set(struct umb_yaml_tree *tree, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char *path = umb__arena_strdup(tree->arena, assignment);
    if (!path) { return UMB_ERR_NO_MEMORY; }
    if (equals) { path[equals - assignment] = 0; }
    size_t n = strlen(path);
    if (!equals || !n || path[0] == '.' || path[n - 1] == '.' || strstr(path, "..")) {
        return umb__fail(tree->ctx, UMB_ERR_INVALID,
                         SOURCE " %.200s: is no assignment; expected KEY=VALUE, as in "
                                "train.epochs=1",
                         assignment);
    }
    struct umb_yaml *at = tree->root, *value = NULL, **slot = NULL;
    enum umb_status st = parse_value(tree, equals + 1, &value);
    char *part = path, *dot;
    int depth = 1;
    while (st == UMB_OK && (dot = strchr(part, '.')) != NULL) {
        *dot = 0;
        st = ++depth > UMB_YAML_MAX_DEPTH / 2
                 ? umb__fail(tree->ctx, UMB_ERR_INVALID, SOURCE " %.80s: too long a path", path)
                 : enter(tree, &at, part, assignment);
        part = dot + 1;
    }
    if (st == UMB_OK) { st = find_slot(tree, at, part, assignment, &slot); }
    return st == UMB_OK ? put(tree, at, slot, part, value) : st;
}

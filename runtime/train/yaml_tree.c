/*
 * yaml_tree.c: nodes, where they are in the file, and the errors that say so.
 */
#include "yaml_tree.h"

#include "fail.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void umb__yaml_destroy(struct umb_yaml_tree *tree)
{
    if (!tree) { return; }
    umb__arena_destroy(tree->arena);
    umb__free(tree);
}

struct umb_yaml *umb__yaml_node(struct umb_yaml_tree *tree, enum umb_yaml_kind kind,
                                const char *source, int line)
{
    if (++tree->n_nodes > UMB_YAML_MAX_NODES) {
        umb__fail(tree->ctx, UMB_ERR_FORMAT, "%s:%d: more than %d values; expected an experiment",
                  source, line, UMB_YAML_MAX_NODES);
        return NULL;
    }
    struct umb_yaml *node = umb__arena_calloc(tree->arena, 1, sizeof *node);
    if (!node) { return NULL; }
    node->kind = kind;
    node->source = source;
    node->line = line;
    return node;
}

/* Arena memory cannot grow in place: twice the room, the old one stays behind. */
static bool make_room(struct umb_yaml_tree *tree, struct umb_yaml *parent)
{
    if (parent->n_items < parent->capacity) { return true; }
    size_t capacity = parent->capacity ? 2 * parent->capacity : 4;
    struct umb_yaml **items = umb__arena_calloc(tree->arena, capacity, sizeof(struct umb_yaml *));
    if (!items) { return false; }
    if (parent->n_items) { memcpy(items, parent->item, parent->n_items * sizeof *items); }
    parent->item = items;
    parent->capacity = capacity;
    return true;
}

bool umb__yaml_append(struct umb_yaml_tree *tree, struct umb_yaml *parent, const char *key,
                      struct umb_yaml *item)
{
    if (!make_room(tree, parent)) { return false; }
    item->parent = parent;
    item->key = key;
    if (parent->height <= item->height) { parent->height = item->height + 1; }
    parent->item[parent->n_items++] = item;
    return true;
}

struct umb_yaml *umb__yaml_copy(struct umb_yaml_tree *tree, const struct umb_yaml *node)
{
    struct umb_yaml *copy = umb__yaml_node(tree, node->kind, node->source, node->line);
    if (!copy) { return NULL; }
    copy->quoted = node->quoted;
    copy->flow = node->flow;
    copy->text = node->text;
    for (size_t i = 0; i < node->n_items; i++) {
        struct umb_yaml *item = umb__yaml_copy(tree, node->item[i]);
        if (!item || !umb__yaml_append(tree, copy, node->item[i]->key, item)) { return NULL; }
    }
    return copy;
}

struct umb_yaml *umb__yaml_get(const struct umb_yaml *map, const char *key)
{
    if (!map || map->kind != UMB_YAML_MAP) { return NULL; }
    for (size_t i = 0; i < map->n_items; i++) {
        if (strcmp(map->item[i]->key, key) == 0) { return map->item[i]; }
    }
    return NULL;
}

bool umb__yaml_is_null(const struct umb_yaml *node)
{
    return node->kind == UMB_YAML_SCALAR && !node->quoted &&
           (!*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static size_t index_of(const struct umb_yaml *node)
{
    size_t i = 0;
    while (node->parent->item[i] != node) {
        i++;
    }
    return i;
}

const char *umb__yaml_path(const struct umb_yaml *node, char *buffer, size_t size)
{
    const struct umb_yaml *up[UMB_YAML_MAX_DEPTH + 1];
    size_t depth = 0, used = 0;
    for (; node->parent && depth <= UMB_YAML_MAX_DEPTH; node = node->parent) {
        up[depth++] = node;
    }
    buffer[0] = 0;
    while (depth-- > 0 && used < size) {
        const struct umb_yaml *part = up[depth];
        const char *dot = used ? "." : "";
        int n = part->key ? snprintf(buffer + used, size - used, "%s%.80s", dot, part->key)
                          : snprintf(buffer + used, size - used, "%s%zu", dot, index_of(part));
        used += n > 0 ? (size_t)n : 0;
    }
    return buffer;
}

enum umb_status umb__yaml_fail_prefix(struct umb_context *ctx, const struct umb_yaml *node,
                                      enum umb_status status)
{
    char path[UMB_YAML_PATH], line[16] = "";
    umb__yaml_path(node, path, sizeof path);
    if (node->line > 0) { snprintf(line, sizeof line, ":%d", node->line); }
    return umb__fail_prefix(ctx, status, "%s%s%s%s", node->source, line, *path ? ": " : "", path);
}

enum umb_status umb__yaml_fail(struct umb_context *ctx, const struct umb_yaml *node,
                               const char *fmt, ...)
{
    char message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    umb__fail(ctx, UMB_ERR_INVALID, "%s", message);
    return umb__yaml_fail_prefix(ctx, node, UMB_ERR_INVALID);
}

/*
 * yaml_tree.h: a YAML document as a tree in which every value knows its line.
 *
 * It reads the part of YAML that experiments are written in: one document of maps, lists and
 * scalars, anchors and aliases (copied, within a bound), no tags, no key twice. Scalars stay text;
 * who reads them says what they must be. Invariant: in a map, keys are distinct, non-empty and free
 * of NUL; the tree has at most UMB_YAML_MAX_NODES nodes and UMB_YAML_MAX_DEPTH levels.
 *
 * Errors are "FILE:LINE: key: what is wrong; what was expected", where key is the dotted path that
 * --set takes too (trunk.0.conv.filters), and "--set" stands for FILE:LINE where a value came from
 * there.
 */
#ifndef UMB_YAML_TREE_H
#define UMB_YAML_TREE_H

#include "alloc.h"
#include <stdbool.h>
#include <stddef.h>
#include <umbel/context.h>

#define UMB_YAML_MAX_BYTES ((size_t)4 << 20)
#define UMB_YAML_MAX_NODES 100000
#define UMB_YAML_MAX_DEPTH 64
#define UMB_YAML_MAX_KEYS 4096 /* of one map */

enum umb_yaml_kind { UMB_YAML_SCALAR, UMB_YAML_LIST, UMB_YAML_MAP };

struct umb_yaml {
    enum umb_yaml_kind kind;
    const struct umb_yaml *parent; /* NULL: the root */
    const char *source;            /* the file's name, or "--set" */
    int line;                      /* from 1; 0: from --set */
    bool quoted;                   /* SCALAR: was written in quotes or as a block */
    bool flow;                     /* LIST, MAP: was written in brackets */
    const char *key;               /* its key in the parent, if that is a map */
    const char *text;              /* SCALAR */
    struct umb_yaml **item;        /* LIST, MAP: [n_items] */
    size_t n_items, capacity;
    int height; /* levels below: 0 for a scalar */
};

struct umb_yaml_tree {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct umb_yaml *root;
    size_t n_nodes;
};

/* Parses size bytes of text; source names them in errors and is copied. Errors: UMB_ERR_FORMAT. */
UMB_MUST_USE enum umb_status umb__yaml_parse(struct umb_context *ctx, const char *source,
                                             const char *text, size_t size,
                                             struct umb_yaml_tree **ret_tree);
void umb__yaml_destroy(struct umb_yaml_tree *tree);

/* Applies "a.b.c=VALUE" (VALUE is YAML, a part that is a number names a list's item, counted from
 * 0); maps that are not there are made. */
UMB_MUST_USE enum umb_status umb__yaml_set(struct umb_yaml_tree *tree, const char *assignment);

/* The tree as YAML, in the styles that it was written in; freed with umb__free. */
UMB_MUST_USE enum umb_status umb__yaml_write(const struct umb_yaml_tree *tree, char **ret_text);

/* For the tree's parts alone: an empty node of the tree's arena, counted against its bound; an item
 * appended (key NULL: list); a deep copy. NULL and false: message is set. */
struct umb_yaml *umb__yaml_node(struct umb_yaml_tree *tree, enum umb_yaml_kind kind,
                                const char *source, int line);
bool umb__yaml_append(struct umb_yaml_tree *tree, struct umb_yaml *parent, const char *key,
                      struct umb_yaml *item);
struct umb_yaml *umb__yaml_copy(struct umb_yaml_tree *tree, const struct umb_yaml *node);

/* The value of a key, or NULL; NULL for anything but a map. */
struct umb_yaml *umb__yaml_get(const struct umb_yaml *map, const char *key);
bool umb__yaml_is_null(const struct umb_yaml *node); /* nothing, ~ or null, unquoted */

/* "trunk.0.conv.filters" into buffer; returns it. The root's is "". */
const char *umb__yaml_path(const struct umb_yaml *node, char *buffer, size_t size);
#define UMB_YAML_PATH 256

/* The message of the error with FILE:LINE and the node's path in front; status is UMB_ERR_INVALID.
 */
enum umb_status umb__yaml_fail(struct umb_context *ctx, const struct umb_yaml *node,
                               const char *fmt, ...) UMB_PRINTF(3, 4);
/* The same for a message that is in the context already. */
enum umb_status umb__yaml_fail_prefix(struct umb_context *ctx, const struct umb_yaml *node,
                                      enum umb_status status);

/* Typed reads; each refuses with what was expected. The range is inclusive. */
UMB_MUST_USE enum umb_status umb__yaml_int(struct umb_context *ctx, const struct umb_yaml *node,
                                           int64_t min, int64_t max, int64_t *ret_value);
UMB_MUST_USE enum umb_status umb__yaml_double(struct umb_context *ctx, const struct umb_yaml *node,
                                              double min, double max, double *ret_value);
UMB_MUST_USE enum umb_status umb__yaml_bool(struct umb_context *ctx, const struct umb_yaml *node,
                                            bool *ret_value);
UMB_MUST_USE enum umb_status umb__yaml_text(struct umb_context *ctx, const struct umb_yaml *node,
                                            const char **ret_text); /* not empty */
/* A letter, then letters, digits, _ and -; at most 63. */
UMB_MUST_USE enum umb_status umb__yaml_name(struct umb_context *ctx, const struct umb_yaml *node,
                                            const char **ret_text);
UMB_MUST_USE enum umb_status umb__yaml_check_name(struct umb_context *ctx,
                                                  const struct umb_yaml *node, const char *name);
UMB_MUST_USE enum umb_status umb__yaml_want(struct umb_context *ctx, const struct umb_yaml *node,
                                            enum umb_yaml_kind kind);
/* Refuses keys of the map that are not among the n known ones, with the nearest. */
UMB_MUST_USE enum umb_status umb__yaml_keys(struct umb_context *ctx, const struct umb_yaml *map,
                                            const char *const *known, size_t n);
/* "unknown …": name is none of the candidates; expected says what they are. */
enum umb_status umb__yaml_unknown(struct umb_context *ctx, const struct umb_yaml *node,
                                  const char *what, const char *name, const char *const *candidates,
                                  size_t n);

#endif

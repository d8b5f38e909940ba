/*
 * yaml_read.c: values of a tree as numbers, texts and names, with the errors of those that are not.
 */
#include "yaml_tree.h"

#include "fail.h"
#include "text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *kind_text(const struct umb_yaml *node)
{
    if (node->kind == UMB_YAML_LIST) { return "a list"; }
    return node->kind == UMB_YAML_MAP ? "a map" : node->text;
}

enum umb_status umb__yaml_want(struct umb_context *ctx, const struct umb_yaml *node,
                               enum umb_yaml_kind kind)
{
    static const char *const wanted[] = {"one value", "a list, [A, B, …]",
                                         "a map, {KEY: VALUE, …}"};
    if (node->kind == kind) { return UMB_OK; }
    const char *quote = node->kind == UMB_YAML_SCALAR ? "'" : "";
    return umb__yaml_fail(ctx, node, "is %s%.80s%s; expected %s", quote, kind_text(node), quote,
                          wanted[kind]);
}

/* "1 to 8", "of at least 1", "" … of a range whose ends may be left open. */
static void range_text(double min, double max, double lowest, double highest, char *buffer,
                       size_t size)
{
    if (min <= lowest && max >= highest) {
        buffer[0] = 0;
    } else if (max >= highest) {
        snprintf(buffer, size, " of at least %g", min);
    } else if (min <= lowest) {
        snprintf(buffer, size, " of at most %g", max);
    } else {
        snprintf(buffer, size, " from %g to %g", min, max);
    }
}

enum umb_status umb__yaml_int(struct umb_context *ctx, const struct umb_yaml *node, int64_t min,
                              int64_t max, int64_t *ret_value)
{
    if (node->kind == UMB_YAML_SCALAR && !node->quoted &&
        umb__parse_int(node->text, min, max, ret_value)) {
        return UMB_OK;
    }
    char range[64];
    range_text((double)min, (double)max, -0x1p31, 0x1p31, range, sizeof range);
    return umb__yaml_fail(ctx, node, "'%.80s' does not fit; expected a whole number%s",
                          kind_text(node), range);
}

enum umb_status umb__yaml_double(struct umb_context *ctx, const struct umb_yaml *node, double min,
                                 double max, double *ret_value)
{
    if (node->kind == UMB_YAML_SCALAR && !node->quoted &&
        umb__parse_double(node->text, min, max, ret_value)) {
        return UMB_OK;
    }
    char range[64];
    range_text(min, max, -1e30, 1e30, range, sizeof range);
    return umb__yaml_fail(ctx, node, "'%.80s' does not fit; expected a number%s", kind_text(node),
                          range);
}

enum umb_status umb__yaml_bool(struct umb_context *ctx, const struct umb_yaml *node,
                               bool *ret_value)
{
    if (node->kind == UMB_YAML_SCALAR && umb__parse_bool(node->text, ret_value)) { return UMB_OK; }
    return umb__yaml_fail(ctx, node, "'%.80s' does not fit; expected true or false",
                          kind_text(node));
}

enum umb_status umb__yaml_text(struct umb_context *ctx, const struct umb_yaml *node,
                               const char **ret_text)
{
    if (node->kind == UMB_YAML_SCALAR && *node->text && !umb__yaml_is_null(node)) {
        *ret_text = node->text;
        return UMB_OK;
    }
    const char *is = node->kind == UMB_YAML_SCALAR ? "nothing" : kind_text(node);
    return umb__yaml_fail(ctx, node, "is %s; expected a text", is);
}

enum umb_status umb__yaml_check_name(struct umb_context *ctx, const struct umb_yaml *node,
                                     const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = strlen(name);
    if (n > 0 && n < 64 && strspn(name, letters) > 0 && strspn(name, rest) == n) { return UMB_OK; }
    return umb__yaml_fail(ctx, node,
                          "'%.80s' is no name; expected a letter, then letters, digits, _ and -, "
                          "63 at most",
                          name);
}

enum umb_status umb__yaml_name(struct umb_context *ctx, const struct umb_yaml *node,
                               const char **ret_text)
{
    enum umb_status st = umb__yaml_text(ctx, node, ret_text);
    return st == UMB_OK ? umb__yaml_check_name(ctx, node, *ret_text) : st;
}

enum umb_status umb__yaml_unknown(struct umb_context *ctx, const struct umb_yaml *node,
                                  const char *what, const char *name, const char *const *candidates,
                                  size_t n)
{
    char quoted[88] = ""; /* the path in front ends with a key: once is enough */
    if (!node->key || strcmp(node->key, name) != 0) {
        snprintf(quoted, sizeof quoted, " '%.80s'", name);
    }
    const char *near = umb__nearest(name, candidates, n);
    if (near) {
        return umb__yaml_fail(ctx, node, "unknown %s%s; did you mean '%s'?", what, quoted, near);
    }
    struct umb_text list = {0};
    for (size_t i = 0; i < n; i++) {
        umb__text_printf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", candidates[i]);
    }
    enum umb_status st = umb__yaml_fail(ctx, node, "unknown %s%s; expected %s", what, quoted,
                                        n ? umb__text_string(&list) : "none");
    umb__text_finish(&list);
    return st;
}

enum umb_status umb__yaml_keys(struct umb_context *ctx, const struct umb_yaml *map,
                               const char *const *known, size_t n)
{
    enum umb_status st = umb__yaml_want(ctx, map, UMB_YAML_MAP);
    for (size_t i = 0; st == UMB_OK && i < map->n_items; i++) {
        size_t k = 0;
        while (k < n && strcmp(known[k], map->item[i]->key) != 0) {
            k++;
        }
        if (k == n) {
            st = umb__yaml_unknown(ctx, map->item[i], "key", map->item[i]->key, known, n);
        }
    }
    return st;
}

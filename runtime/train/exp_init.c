/*
 * exp_init.c: `train.init`: the name of a way to draw weights, or what file or run they come from.
 *
 *   init: he_normal
 *   init: {from: FILE_OR_RUN, map: {"theirs.*": "ours.*"}, skip: ["digit.*"], strict: true,
 *          others: he_normal}
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "experiment.h"

#include "fail.h"
#include "init.h"
#include "system.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_MAPS 4096

/* ---- reading ---- */

static enum umb_status read_name(struct umb_experiment *exp, const struct umb_yaml *node)
{
    const char *name = NULL;
    size_t n = 0;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    if (st != UMB_OK) { return st; }
    for (; umb__init_names[n]; n++) {
        if (strcmp(umb__init_names[n], name) == 0) {
            exp->train.init.name = name;
            return UMB_OK;
        }
    }
    return umb__yaml_unknown(exp->ctx, node, "initialisation", name, umb__init_names, n);
}

static int stars(const char *text)
{
    int n = 0;
    for (; *text; text++) {
        n += *text == '*';
    }
    return n;
}

static enum umb_status read_map_row(struct umb_experiment *exp, const struct umb_yaml *node,
                                    struct umb_init_map *row)
{
    row->theirs = node->key;
    const enum umb_status st = umb__yaml_text(exp->ctx, node, &row->ours);
    if (st != UMB_OK) { return st; }
    if (stars(row->theirs) <= 1 && stars(row->ours) == stars(row->theirs)) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, node,
                          "'%.80s' → '%.80s' does not say what becomes of what; expected one * in "
                          "both, or none",
                          row->theirs, row->ours);
}

static enum umb_status read_map(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_init_desc *d = &exp->train.init.desc;
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && node->n_items > MAX_MAPS) {
        st = umb__yaml_fail(exp->ctx, node, "has %zu rows; expected at most %d", node->n_items,
                            MAX_MAPS);
    }
    if (st != UMB_OK) { return st; }
    struct umb_init_map *map = umb__arena_calloc(exp->tree->arena, node->n_items + 1, sizeof *map);
    if (!map) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_map_row(exp, node->item[i], &map[i]);
    }
    d->map = map;
    d->n_map = (int)node->n_items;
    return st;
}

static enum umb_status read_skip(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_init_desc *d = &exp->train.init.desc;
    const bool list = node->kind == UMB_YAML_LIST;
    const size_t n = list ? node->n_items : 1;
    if (n > MAX_MAPS) {
        return umb__yaml_fail(exp->ctx, node, "has %zu patterns; expected at most %d", n, MAX_MAPS);
    }
    const char **skip = umb__arena_calloc(exp->tree->arena, n + 1, sizeof *skip);
    enum umb_status st = skip ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        st = umb__yaml_text(exp->ctx, list ? node->item[i] : node, &skip[i]);
    }
    d->skip = skip;
    d->n_skip = (int)n;
    return st;
}

enum umb_status umb__exp_read_init(struct umb_experiment *exp, struct umb_yaml *node)
{
    static const char *const keys[] = {"from", "map", "skip", "strict", "others"};
    struct umb_exp_init *init = &exp->train.init;
    const char *path = NULL;
    if (node->kind != UMB_YAML_MAP) { return read_name(exp, node); }
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *map = umb__yaml_get(node, "map"), *skip = umb__yaml_get(node, "skip"),
                          *strict = umb__yaml_get(node, "strict"),
                          *others = umb__yaml_get(node, "others");
    init->from = umb__yaml_get(node, "from");
    if (st == UMB_OK && !init->from) {
        st = umb__yaml_fail(exp->ctx, node,
                            "from: is missing; expected a safetensors file or the folder of a run");
    }
    if (st == UMB_OK) { st = umb__yaml_text(exp->ctx, init->from, &path); }
    if (st == UMB_OK && map) { st = read_map(exp, map); }
    if (st == UMB_OK && skip) { st = read_skip(exp, skip); }
    if (st == UMB_OK && strict) { st = umb__yaml_bool(exp->ctx, strict, &init->desc.strict); }
    if (st == UMB_OK && others) { st = read_name(exp, others); }
    return st;
}

/* ---- finding ---- */

/* The file itself, or the run's best or latest checkpoint; in the arena, NULL: neither. */
static const char *file_of(struct umb_experiment *exp, const char *path)
{
    static const char *const inside[] = {"checkpoints/best.safetensors", "checkpoints/latest"};
    const char *found = umb__is_file(path) ? umb__arena_strdup(exp->tree->arena, path) : NULL;
    for (size_t i = 0; !found && i < COUNT(inside); i++) {
        char *file = umb__path_join(exp->ctx, path, inside[i]);
        if (file && umb__is_file(file)) { found = umb__arena_strdup(exp->tree->arena, file); }
        umb__free(file);
    }
    return found;
}

/* `path` (freed here) becomes absolute in the tree where that is wanted; false: nothing is there.
 */
static bool try_path(struct umb_experiment *exp, char *path, bool keep)
{
    struct umb_exp_init *init = &exp->train.init;
    char *absolute = path ? realpath(path, NULL) : NULL;
    init->desc.path = absolute ? file_of(exp, absolute) : NULL;
    const char *text =
        init->desc.path && keep ? umb__arena_strdup(exp->tree->arena, absolute) : NULL;
    if (text) { init->from->text = text; }
    free(absolute);
    umb__free(path);
    return init->desc.path != NULL;
}

enum umb_status umb__exp_find_init(struct umb_experiment *exp)
{
    struct umb_yaml *from = exp->train.init.from;
    const char *data = umb__env_text("UMBEL_DATA");
    if (!from) { return UMB_OK; }
    const char *path = from->text;
    if (try_path(exp, umb__path_beside(exp->ctx, exp->path, path), true) ||
        (data && try_path(exp, umb__path_join(exp->ctx, data, path), false)) ||
        try_path(exp, umb__strdup(exp->ctx, path), true)) {
        return UMB_OK;
    }
    return umb__yaml_fail(
        exp->ctx, from,
        "'%.300s' is neither a file nor a run with a checkpoint; tried beside the "
        "experiment, in UMBEL_DATA%s and in the working directory",
        path, data ? "" : ", which is not set,");
}

/*
 * experiment.c: the file as a whole: where it comes from, its top-level keys, its trunks.
 */
#include "experiment.h"

#include "fail.h"
#include "system.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static enum umb_status load_text(struct umb_context *ctx, const char *path, char **ret_text,
                                 size_t *ret_size)
{
    const char *builtin = umb__is_file(path) ? NULL : umb__builtin_experiment(path);
    if (builtin) {
        *ret_text = umb__strdup(ctx, builtin);
        *ret_size = strlen(builtin);
        return *ret_text ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    if (!umb__is_file(path)) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: no such experiment; expected a YAML file or the name of a built-in "
                         "one (" UMB_BUILTIN_NAMES ")",
                         path);
    }
    return umb__file_read(ctx, path, UMB_YAML_MAX_BYTES, ret_text, ret_size);
}

static enum umb_status load_tree(struct umb_experiment *exp, const char *const *sets, size_t n_sets)
{
    char *text = NULL;
    size_t size = 0;
    enum umb_status st = load_text(exp->ctx, exp->path, &text, &size);
    if (st == UMB_OK) { st = umb__yaml_parse(exp->ctx, exp->path, text, size, &exp->tree); }
    umb__free(text);
    if (st == UMB_OK) { st = umb__yaml_want(exp->ctx, exp->tree->root, UMB_YAML_MAP); }
    for (size_t i = 0; st == UMB_OK && i < n_sets; i++) {
        st = umb__yaml_set(exp->tree, sets[i]);
    }
    return st;
}

/* A run's folder is named after the experiment; unset, it is the file's name without its ending. */
static enum umb_status read_name(struct umb_experiment *exp)
{
    const struct umb_yaml *node = umb__yaml_get(exp->tree->root, "name");
    if (node) { return umb__yaml_name(exp->ctx, node, &exp->name); }
    const char *slash = strrchr(exp->path, '/');
    char *name = umb__arena_strdup(exp->tree->arena, slash ? slash + 1 : exp->path);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    char *dot = strrchr(name, '.');
    if (dot && dot != name) { *dot = 0; }
    for (char *c = name; *c; c++) {
        if (*c == ' ' || *c == '.') { *c = '-'; }
    }
    exp->name = name;
    return umb__yaml_check_name(exp->ctx, exp->tree->root, name);
}

/* A list of layers, or {device: SELECTOR, layers: […]}. */
static enum umb_status add_trunk(struct umb_experiment *exp, const char *name,
                                 const struct umb_yaml *node)
{
    static const char *const keys[] = {"device", "layers"};
    struct umb_exp_trunk *t = &exp->trunk[exp->n_trunks++];
    *t = (struct umb_exp_trunk){.name = name, .layers = node};
    if (node->kind != UMB_YAML_MAP) { return umb__yaml_want(exp->ctx, node, UMB_YAML_LIST); }
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    t->on = umb__yaml_get(node, "device");
    t->layers = umb__yaml_get(node, "layers");
    if (st == UMB_OK && !t->layers) {
        return umb__yaml_fail(exp->ctx, node, "layers: is missing; expected a list of layers");
    }
    return st == UMB_OK ? umb__yaml_want(exp->ctx, t->layers, UMB_YAML_LIST) : st;
}

static enum umb_status read_trunks(struct umb_experiment *exp)
{
    const struct umb_yaml *root = exp->tree->root, *one = umb__yaml_get(root, "trunk"),
                          *many = umb__yaml_get(root, "trunks");
    if (!one == !many) {
        return umb__yaml_fail(exp->ctx, one ? one : root,
                              one ? "stands beside trunks; expected one of the two"
                                  : "trunk: is missing; expected a list of layers");
    }
    enum umb_status st = many ? umb__yaml_want(exp->ctx, many, UMB_YAML_MAP) : UMB_OK;
    if (st != UMB_OK) { return st; }
    size_t n = many ? many->n_items : 1;
    if (n == 0) { return umb__yaml_fail(exp->ctx, many, "is empty; expected {NAME: [LAYER, …]}"); }
    exp->trunk = umb__arena_calloc(exp->tree->arena, n, sizeof *exp->trunk);
    if (!exp->trunk) { return UMB_ERR_NO_MEMORY; }
    if (one) { return add_trunk(exp, "trunk", one); }
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        st = umb__yaml_check_name(exp->ctx, many->item[i], many->item[i]->key);
        if (st == UMB_OK) { st = add_trunk(exp, many->item[i]->key, many->item[i]); }
    }
    return st;
}

static enum umb_status read_section(struct umb_experiment *exp, const char *key, bool required,
                                    enum umb_status (*read)(struct umb_experiment *,
                                                            const struct umb_yaml *))
{
    const struct umb_yaml *node = umb__yaml_get(exp->tree->root, key);
    if (!node && required) {
        return umb__yaml_fail(exp->ctx, exp->tree->root, "%s: is missing; expected a map", key);
    }
    return read(exp, node);
}

static enum umb_status read_tree(struct umb_experiment *exp)
{
    static const char *const keys[] = {"name",  "data",  "trunk", "trunks",
                                       "share", "tasks", "train"};
    enum umb_status st = umb__yaml_keys(exp->ctx, exp->tree->root, keys, COUNT(keys));
    if (st == UMB_OK) { st = read_name(exp); }
    if (st == UMB_OK) { st = read_section(exp, "train", false, umb__exp_read_train); }
    if (st == UMB_OK) { st = read_section(exp, "data", true, umb__exp_read_data); }
    if (st == UMB_OK) { st = read_trunks(exp); }
    if (st == UMB_OK) { st = read_section(exp, "tasks", true, umb__exp_read_tasks); }
    if (st == UMB_OK) { st = read_section(exp, "share", false, umb__exp_read_share); }
    if (st == UMB_OK) { st = umb__exp_check_balancer(exp); }
    return st;
}

enum umb_status umb__experiment_read(struct umb_context *ctx, const char *path,
                                     const char *const *sets, size_t n_sets,
                                     struct umb_experiment **ret_exp)
{
    return umb__experiment_read_edited(ctx, path, sets, n_sets, NULL, NULL, ret_exp);
}

enum umb_status umb__experiment_read_edited(struct umb_context *ctx, const char *path,
                                            const char *const *sets, size_t n_sets,
                                            umb_exp_edit edit, const void *user,
                                            struct umb_experiment **ret_exp)
{
    struct umb_experiment *exp = umb__calloc(ctx, 1, sizeof *exp);
    if (!exp) { return UMB_ERR_NO_MEMORY; }
    exp->ctx = ctx;
    exp->path = path;
    enum umb_status st = load_tree(exp, sets, n_sets);
    if (st == UMB_OK && edit) { st = edit(user, exp->tree); }
    if (st == UMB_OK) {
        exp->path = umb__arena_strdup(exp->tree->arena, path);
        st = exp->path ? read_tree(exp) : UMB_ERR_NO_MEMORY;
    }
    if (st != UMB_OK) {
        umb__experiment_destroy(exp);
        return st;
    }
    *ret_exp = exp;
    return UMB_OK;
}

void umb__experiment_destroy(struct umb_experiment *exp)
{
    if (!exp) { return; }
    for (size_t i = 0; i < exp->n_data; i++) {
        umb__balance_destroy(exp->data[i].balance);
        umb_dataset_close(exp->data[i].dataset);
        umb__exp_close_inputs(&exp->data[i]);
    }
    umb__yaml_destroy(exp->tree);
    umb__free(exp);
}

/*
 * exp_vectors.c: a table that begins with the rows of a file.
 *
 *   embedding: {file: vectors.txt}                           all rows, in the file's order
 *   embedding: {file: vectors.txt, names: [car, person]}     rows by name
 *   embedding: {file: vectors.txt, tasks: [shape, colour]}   by the names of what tasks answer
 *   embedding: {file: vectors.safetensors, tensor: words}
 *
 * The file says rows and size, which are written into the tree, so that a run knows them. Where a
 * checkpoint has the numbers, the file is not read.
 */
#include "experiment.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vectors.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_NAMES 65536

const char *const umb__vectors_keys[] = {"file", "names", "tasks", "tensor", "name",
                                         "from", "share", "init",  NULL};

static bool has_attr(const struct umb_op *op, const char *name)
{
    const struct umb_attr_desc *d = op->attrs;
    while (d && d->name && strcmp(d->name, name) != 0) {
        d++;
    }
    return d && d->name;
}

/* ---- names of rows ---- */

/* In the tree's arena. */
struct row_names {
    const char **name; /* [n] */
    size_t n, room;
};

static enum umb_status make_names(struct umb_experiment *exp, const struct umb_yaml *list,
                                  size_t room, struct row_names *names)
{
    enum umb_status st = umb__yaml_want(exp->ctx, list, UMB_YAML_LIST);
    if (st == UMB_OK && list->n_items == 0) {
        return umb__yaml_fail(exp->ctx, list, "is empty; expected names of %s",
                              strcmp(list->key, "tasks") == 0 ? "tasks" : "rows");
    }
    if (st != UMB_OK) { return st; }
    names->room = room ? room : list->n_items;
    names->name = umb__arena_calloc(exp->tree->arena, names->room, sizeof *names->name);
    return names->name ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status add_name(struct umb_experiment *exp, const struct umb_yaml *node,
                                const char *name, struct row_names *names)
{
    if (names->n == names->room) {
        return umb__yaml_fail(exp->ctx, node, "more than %zu names", names->room);
    }
    names->name[names->n++] = name;
    return UMB_OK;
}

static enum umb_status read_names(struct umb_experiment *exp, const struct umb_yaml *list,
                                  struct row_names *names)
{
    enum umb_status st = make_names(exp, list, 0, names);
    for (size_t i = 0; st == UMB_OK && i < list->n_items; i++) {
        const char *name = NULL;
        st = umb__yaml_text(exp->ctx, list->item[i], &name);
        if (st == UMB_OK) { st = add_name(exp, list, name, names); }
    }
    return st;
}

/* A row each for the classes of a task, or one called as the task. */
static enum umb_status add_task(struct umb_experiment *exp, const struct umb_yaml *node,
                                struct row_names *names)
{
    const struct umb_exp_task *t = NULL;
    enum umb_status st = umb__exp_find_task(exp, node, &t);
    if (st != UMB_OK) { return st; }
    const bool classes = t->judge == UMB_JUDGE_CLASSES;
    const int n = umb__exp_answers(exp, t);
    if (n < 1 || (classes && !t->class_names) || (!classes && n > 1)) {
        return umb__yaml_fail(
            exp->ctx, node,
            "'%s' has no names for its answers; expected a task with classes that "
            "have names, or one of yes and no; or `names` in place of `tasks`",
            t->name);
    }
    for (int i = 0; st == UMB_OK && i < n; i++) {
        st = add_name(exp, node, classes ? t->class_names[i] : t->name, names);
    }
    return st;
}

static enum umb_status read_tasks(struct umb_experiment *exp, const struct umb_yaml *list,
                                  struct row_names *names)
{
    enum umb_status st = make_names(exp, list, MAX_NAMES, names);
    for (size_t i = 0; st == UMB_OK && i < list->n_items; i++) {
        st = add_task(exp, list->item[i], names);
    }
    return st;
}

/* ---- the file ---- */

/* Of keys that exclude each other, the second. */
static enum umb_status check_keys(struct umb_experiment *exp, const struct umb_yaml *layer,
                                  const char *path)
{
    static const char *const pairs[][2] = {{"file", "values"}, {"names", "tasks"}};
    const bool tensors = umb__vectors_are_tensors(path);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const struct umb_yaml *second = umb__yaml_get(layer, pairs[i][1]);
        if (!second || !umb__yaml_get(layer, pairs[i][0])) { continue; }
        return umb__yaml_fail(exp->ctx, second, "stands beside %s; expected one of the two",
                              pairs[i][0]);
    }
    const char *const only[] = {tensors ? "names" : "tensor", tensors ? "tasks" : "tensor"};
    for (size_t i = 0; i < COUNT(only); i++) {
        const struct umb_yaml *node = umb__yaml_get(layer, only[i]);
        if (!node) { continue; }
        return umb__yaml_fail(exp->ctx, node, "is not for %s",
                              tensors ? "safetensors, whose rows have no names; expected its rows "
                                        "in the order of the table"
                                      : "text; expected a file that ends in .safetensors");
    }
    return UMB_OK;
}

static enum umb_status read_file(struct umb_experiment *exp, const struct umb_yaml *layer,
                                 struct umb_vectors *ret_vectors)
{
    struct umb_yaml *file = umb__yaml_get(layer, "file");
    const struct umb_yaml *names = umb__yaml_get(layer, "names"),
                          *tasks = umb__yaml_get(layer, "tasks"),
                          *tensor = umb__yaml_get(layer, "tensor");
    struct umb_vectors_desc desc = {0};
    struct row_names rows = {0};
    enum umb_status st = umb__exp_find_path(exp, file, &desc.path);
    if (st == UMB_OK) { st = check_keys(exp, layer, desc.path); }
    if (st == UMB_OK && tensor) { st = umb__yaml_text(exp->ctx, tensor, &desc.tensor); }
    if (st == UMB_OK && names) { st = read_names(exp, names, &rows); }
    if (st == UMB_OK && tasks) { st = read_tasks(exp, tasks, &rows); }
    if (st != UMB_OK) { return st; }
    desc.names = rows.name;
    desc.n_names = rows.n;
    st = umb__vectors_read(exp->ctx, &desc, ret_vectors);
    if (st == UMB_OK || st == UMB_ERR_NO_MEMORY) { return st; }
    return umb__yaml_fail_prefix(exp->ctx, file, st);
}

enum umb_status umb__exp_put_key(struct umb_experiment *exp, const struct umb_yaml *map,
                                 const char *key, const char *text)
{
    char path[UMB_YAML_PATH];
    const char *set = umb__arena_printf(exp->tree->arena, "%s.%s=%s",
                                        umb__yaml_path(map, path, sizeof path), key, text);
    return set ? umb__yaml_set(exp->tree, set) : UMB_ERR_NO_MEMORY;
}

/* Where the experiment says the number too, it must be the file's. */
static enum umb_status settle(struct umb_experiment *exp, const struct umb_yaml *layer,
                              const char *key, int64_t value)
{
    const struct umb_yaml *said = umb__yaml_get(layer, key);
    char text[32];
    int64_t n = 0;
    if (!said) {
        snprintf(text, sizeof text, "%lld", (long long)value);
        return umb__exp_put_key(exp, layer, key, text);
    }
    const enum umb_status st = umb__yaml_int(exp->ctx, said, 1, INT64_MAX, &n);
    if (st != UMB_OK || n == value) { return st; }
    return umb__yaml_fail(exp->ctx, said, "is %lld, the file has %lld; expected the same",
                          (long long)n, (long long)value);
}

static enum umb_status write_values(struct umb_experiment *exp, const struct umb_vectors *v,
                                    const char **ret_values)
{
    struct umb_text text = {0};
    for (int64_t i = 0; i < v->rows * v->size; i++) {
        umb__text_printf(&text, "%s%.9g", i ? "," : " values=", v->value[i]);
    }
    enum umb_status st = umb__text_status(exp->ctx, &text);
    if (st == UMB_OK) {
        *ret_values = umb__arena_strdup(exp->tree->arena, umb__text_string(&text));
        if (!*ret_values) { st = UMB_ERR_NO_MEMORY; }
    }
    umb__text_finish(&text);
    return st;
}

enum umb_status umb__exp_vectors(struct umb_experiment *exp, const struct umb_op *op,
                                 const struct umb_yaml *layer, const char **ret_values)
{
    struct umb_vectors v = {0};
    *ret_values = NULL;
    if (!umb__yaml_get(layer, "file") || !has_attr(op, "values")) { return UMB_OK; }
    *ret_values = "";
    const bool known = umb__yaml_get(layer, "rows") && umb__yaml_get(layer, "size");
    if (exp->from_checkpoint && known) { return UMB_OK; }
    enum umb_status st = read_file(exp, layer, &v);
    if (st == UMB_OK) { st = settle(exp, layer, "rows", v.rows); }
    if (st == UMB_OK) { st = settle(exp, layer, "size", v.size); }
    if (st == UMB_OK) { st = write_values(exp, &v, ret_values); }
    umb__free(v.value);
    return st;
}

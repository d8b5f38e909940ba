/* exp_same.c: in what two experiments differ, for a run that is to be resumed. */
#include "experiment.h"

#include "alloc.h"
#include "fail.h"
#include <string.h>

/* The file that a table began with, and what that said of its shape. */
static bool is_of_a_table(const struct umb_yaml *node)
{
    static const char *const keys[] = {"file", "rows", "size"};
    if (!node->key || !umb__yaml_get(node->parent, "file")) { return false; }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(node->key, keys[i]) == 0) { return true; }
    }
    return false;
}

/* How long, how often and beside what: these change no number of an epoch that both have. Nor does
 * where the beginning came from, which lies behind. */
static bool may_differ(const struct umb_yaml *node)
{
    if (is_of_a_table(node)) { return true; }
    static const char *const free_keys[] = {"train.epochs",   "train.log_every", "train.keep",
                                            "train.queues",   "train.memory",    "name",
                                            "train.init.from"};
    char path[UMB_YAML_PATH];
    umb__yaml_path(node, path, sizeof path);
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++) {
        if (strcmp(path, free_keys[i]) == 0) { return true; }
    }
    return false;
}

static const char *text_of(const struct umb_yaml *node)
{
    if (!node) { return "nothing"; }
    if (node->kind == UMB_YAML_LIST) { return "a list"; }
    return node->kind == UMB_YAML_MAP ? "a map" : node->text;
}

static enum umb_status differs(struct umb_context *ctx, const struct umb_yaml *run,
                               const struct umb_yaml *now)
{
    return umb__yaml_fail(ctx, now ? now : run,
                          "the run has %.80s, the experiment %.80s; expected the experiment that "
                          "the run was started with (train.epochs may change)",
                          text_of(run), text_of(now));
}

static enum umb_status compare(struct umb_context *ctx, const struct umb_yaml *run,
                               const struct umb_yaml *now);

/* Keys may stand in another order. */
static enum umb_status compare_maps(struct umb_context *ctx, const struct umb_yaml *run,
                                    const struct umb_yaml *now)
{
    for (size_t i = 0; i < now->n_items; i++) {
        const struct umb_yaml *other = umb__yaml_get(run, now->item[i]->key);
        if (may_differ(now->item[i])) { continue; }
        enum umb_status st =
            other ? compare(ctx, other, now->item[i]) : differs(ctx, NULL, now->item[i]);
        if (st != UMB_OK) { return st; }
    }
    for (size_t i = 0; i < run->n_items; i++) {
        if (!umb__yaml_get(now, run->item[i]->key) && !may_differ(run->item[i])) {
            return differs(ctx, run->item[i], NULL);
        }
    }
    return UMB_OK;
}

static enum umb_status compare(struct umb_context *ctx, const struct umb_yaml *run,
                               const struct umb_yaml *now)
{
    if (run->kind != now->kind) { return differs(ctx, run, now); }
    if (run->kind == UMB_YAML_SCALAR) {
        return strcmp(run->text, now->text) == 0 ? UMB_OK : differs(ctx, run, now);
    }
    if (run->kind == UMB_YAML_MAP) { return compare_maps(ctx, run, now); }
    for (size_t i = 0; i < run->n_items && i < now->n_items; i++) {
        enum umb_status st = compare(ctx, run->item[i], now->item[i]);
        if (st != UMB_OK) { return st; }
    }
    if (run->n_items == now->n_items) { return UMB_OK; }
    return umb__yaml_fail(ctx, now, "the run has %zu items, the experiment %zu", run->n_items,
                          now->n_items);
}

enum umb_status umb__experiment_same(const struct umb_experiment *run,
                                     const struct umb_experiment *now)
{
    return compare(now->ctx, run->tree->root, now->tree->root);
}

/* Copies of the run's rows and size of a table, and of where its file was, into the tree. */
static enum umb_status take_table(struct umb_experiment *exp, struct umb_yaml *now,
                                  const struct umb_yaml *run)
{
    static const char *const sizes[] = {"rows", "size"};
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < sizeof sizes / sizeof *sizes; i++) {
        const struct umb_yaml *size = umb__yaml_get(run, sizes[i]);
        if (!size || !size->text || umb__yaml_get(now, sizes[i])) { continue; }
        st = umb__exp_put_key(exp, now, sizes[i], size->text);
    }
    const struct umb_yaml *file = umb__yaml_get(run, "file");
    const char *path = file->text ? umb__arena_strdup(exp->tree->arena, file->text) : "";
    if (!path) { return UMB_ERR_NO_MEMORY; }
    umb__yaml_get(now, "file")->text = path;
    return st;
}

/* Both are lists or maps of the same items, apart from what may differ. */
static enum umb_status take_tables(struct umb_experiment *exp, struct umb_yaml *now,
                                   const struct umb_yaml *run)
{
    enum umb_status st = UMB_OK;
    if (!run || run->kind != now->kind) { return UMB_OK; }
    for (size_t i = 0; st == UMB_OK && i < now->n_items; i++) {
        const struct umb_yaml *other = NULL;
        if (now->kind == UMB_YAML_MAP) { other = umb__yaml_get(run, now->item[i]->key); }
        if (now->kind == UMB_YAML_LIST && i < run->n_items) { other = run->item[i]; }
        st = take_tables(exp, now->item[i], other);
    }
    const bool table = umb__yaml_get(now, "file") && umb__yaml_get(run, "file");
    return st == UMB_OK && table ? take_table(exp, now, run) : st;
}

enum umb_status umb__experiment_resume(const struct umb_experiment *run, struct umb_experiment *now)
{
    now->from_checkpoint = true;
    return take_tables(now, now->tree->root, run->tree->root);
}

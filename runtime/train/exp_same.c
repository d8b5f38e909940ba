/* exp_same.c: in what two experiments differ, for a run that is to be resumed. */
#include "experiment.h"

#include "fail.h"
#include <string.h>

/* How long, how often and beside what: these change no number of an epoch that both have. Nor does
 * where the beginning came from, which lies behind. */
static bool may_differ(const struct umb_yaml *node)
{
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

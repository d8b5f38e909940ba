/*
 * exp_share.c: the `share` section: how the trunks, a network per task, are drawn together.
 */
#include "exp_share.h"

#include <string.h>

#include "fail.h"
#include "soft_match.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MOST 1e6 /* of penalties */

static enum umb_status read_mtrl(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const keys[] = {"lambda1", "lambda2", "every", "epsilon"};
    struct umb_soft_sharing *s = exp->share;
    s->every = 100;
    s->lambda2 = 0.001;
    s->epsilon = 0.001;
    if (umb__yaml_is_null(node)) { return UMB_OK; }
    const struct umb_yaml *lambda1 = umb__yaml_get(node, "lambda1"),
                          *lambda2 = umb__yaml_get(node, "lambda2"),
                          *every = umb__yaml_get(node, "every"),
                          *epsilon = umb__yaml_get(node, "epsilon");
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    if (st == UMB_OK && lambda1) { st = umb__yaml_double(exp->ctx, lambda1, 0, MOST, &s->lambda1); }
    if (st == UMB_OK && lambda2) { st = umb__yaml_double(exp->ctx, lambda2, 0, MOST, &s->lambda2); }
    if (st == UMB_OK && every) { st = umb__yaml_int(exp->ctx, every, 1, 1000000000, &s->every); }
    if (st == UMB_OK && epsilon) {
        st = umb__yaml_double(exp->ctx, epsilon, 1e-9, 1e3, &s->epsilon);
    }
    return st;
}

static enum umb_status read_layers(struct umb_experiment *exp, const struct umb_yaml *node)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_LIST);
    if (st != UMB_OK) { return st; }
    if (node->n_items == 0) {
        return umb__yaml_fail(exp->ctx, node, "is empty; expected names of layers, as conv1");
    }
    const char **names = umb__arena_calloc(exp->tree->arena, node->n_items + 1, sizeof *names);
    if (!names) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = umb__yaml_text(exp->ctx, node->item[i], &names[i]);
    }
    exp->share->layer = names;
    return st;
}

static enum umb_status read_start(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const words[] = {"own", "equal"};
    const char *word = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &word);
    for (size_t i = 0; st == UMB_OK && i < COUNT(words); i++) {
        exp->share->equal_start = i == 1;
        if (strcmp(words[i], word) == 0) { return UMB_OK; }
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, "start", word, words, COUNT(words))
                        : st;
}

static enum umb_status read_trunks(struct umb_experiment *exp, const struct umb_yaml *node)
{
    if (exp->n_trunks < 2 || exp->n_trunks > UMB_SOFT_MAX_TRUNKS) {
        return umb__yaml_fail(exp->ctx, node,
                              "there is %zu trunk; expected trunks: {NAME: [LAYER, …], …}, 2 to %d",
                              exp->n_trunks, UMB_SOFT_MAX_TRUNKS);
    }
    const char **names = umb__arena_calloc(exp->tree->arena, exp->n_trunks, sizeof *names);
    if (!names) { return UMB_ERR_NO_MEMORY; }
    for (size_t t = 0; t < exp->n_trunks; t++) {
        names[t] = exp->trunk[t].name;
    }
    exp->share->trunk = names;
    exp->share->n_trunks = (int)exp->n_trunks;
    return UMB_OK;
}

/* Parameters are matched by names, and losses logged by them. */
static enum umb_status check_names(struct umb_experiment *exp)
{
    for (size_t i = 0; i < exp->n_tasks; i++) {
        const struct umb_exp_task *task = &exp->task[i];
        if (strcmp(task->name, "share") == 0) {
            return umb__yaml_fail(exp->ctx, task->node,
                                  "the penalty's loss has this name; expected another");
        }
        for (size_t t = 0; t < exp->n_trunks; t++) {
            if (strcmp(task->name, exp->trunk[t].name) != 0) { continue; }
            return umb__yaml_fail(exp->ctx, task->node,
                                  "a trunk has this name, so that its layers cannot be told from "
                                  "the head's; expected another where trunks share");
        }
    }
    return UMB_OK;
}

/* Which of the ways it is. */
static enum umb_status read_way(struct umb_experiment *exp, const struct umb_yaml *node)
{
    const struct umb_yaml *penalty = umb__yaml_get(node, "penalty"),
                          *mtrl = umb__yaml_get(node, "mtrl"),
                          *relations = umb__yaml_get(node, "relations"),
                          *combinations = umb__yaml_get(node, "combinations");
    if (mtrl && (penalty || relations || combinations)) {
        return umb__yaml_fail(exp->ctx, mtrl,
                              "learns the relations and has penalties of its own; expected no "
                              "penalty, relations or combinations beside it");
    }
    if (mtrl) { return read_mtrl(exp, mtrl); }
    if (relations && combinations) {
        return umb__yaml_fail(exp->ctx, combinations,
                              "stands beside relations; expected one of the two");
    }
    if (!penalty) {
        return umb__yaml_fail(exp->ctx, node,
                              "penalty: is missing; expected a number from 0, or mtrl");
    }
    enum umb_status st = umb__yaml_double(exp->ctx, penalty, 0, MOST, &exp->share->alpha);
    if (st == UMB_OK && relations) { st = umb__exp_read_relations(exp, relations); }
    if (st == UMB_OK && combinations) { st = umb__exp_read_combinations(exp, combinations); }
    return st;
}

enum umb_status umb__exp_read_share(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const keys[] = {"penalty",      "layers", "biases", "relations",
                                       "combinations", "mtrl",   "start"};
    bool biases = true;
    if (!node) { return UMB_OK; }
    exp->share = umb__arena_calloc(exp->tree->arena, 1, sizeof *exp->share);
    if (!exp->share) { return UMB_ERR_NO_MEMORY; }
    const struct umb_yaml *layers = umb__yaml_get(node, "layers"),
                          *own = umb__yaml_get(node, "biases"),
                          *start = umb__yaml_get(node, "start");
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK) { st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys)); }
    if (st == UMB_OK) { st = read_trunks(exp, node); }
    if (st == UMB_OK) { st = check_names(exp); }
    if (st == UMB_OK) { st = read_way(exp, node); }
    if (st == UMB_OK && layers) { st = read_layers(exp, layers); }
    if (st == UMB_OK && own) { st = umb__yaml_bool(exp->ctx, own, &biases); }
    if (st == UMB_OK && start) { st = read_start(exp, start); }
    exp->share->without_biases = !biases;
    return st;
}

enum umb_status umb__exp_check_share(struct umb_experiment *exp, const struct umb_net *net)
{
    struct umb_soft_match match;
    if (!exp->share) { return UMB_OK; }
    const struct umb_yaml *share = umb__yaml_get(exp->tree->root, "share"),
                          *layers = umb__yaml_get(share, "layers");
    const enum umb_status st = umb__soft_match_net(net, exp->share, exp->tree->arena, &match);
    return st == UMB_OK ? st : umb__yaml_fail_prefix(exp->ctx, layers ? layers : share, st);
}

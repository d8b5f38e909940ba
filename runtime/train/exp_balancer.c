/*
 * exp_balancer.c: `train.balancer`: NAME, or {NAME: {OPTION: …}}. Beside the balancer's own options
 * all have `heads`, and those that compare gradients have `gradient` and `every`.
 */
#include "experiment.h"

#include "fail.h"
#include <string.h>

#define MAX_BALANCERS 64
#define MAX_EVERY 1000000

/* The index of a word among n; it must be one of them. */
static enum umb_status read_word(struct umb_experiment *exp, const struct umb_yaml *node,
                                 const char *const *words, size_t n, size_t *ret_index)
{
    const char *text = NULL;
    const enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        *ret_index = i;
        if (strcmp(words[i], text) == 0) { return UMB_OK; }
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, node->key, text, words, n) : st;
}

static enum umb_status read_heads(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const words[] = {"unweighted", "weighted"};
    size_t index = 0;
    const enum umb_status st = read_word(exp, node, words, 2, &index);
    exp->train.balancer.weighs_heads = index == 1;
    return st;
}

static enum umb_status read_gradient(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const words[] = {[UMB_GRADIENTS_SHARED] = "shared",
                                        [UMB_GRADIENTS_LAST_BLOCK] = "last_block",
                                        [UMB_GRADIENTS_REPRESENTATION] = "representation"};
    size_t index = 0;
    const enum umb_status st = read_word(exp, node, words, 3, &index);
    exp->train.balancer.gradient = (enum umb_gradients)index;
    return st;
}

/* Class A never looks at gradients; C and D need all of them in every step. */
static enum umb_status read_gradient_keys(struct umb_experiment *exp, const struct umb_yaml *map)
{
    struct umb_exp_balancer *b = &exp->train.balancer;
    const struct umb_yaml *gradient = umb__yaml_get(map, "gradient"),
                          *every = umb__yaml_get(map, "every");
    const struct umb_yaml *any = gradient ? gradient : every;
    if (any && b->row->class_letter == 'A') {
        return umb__yaml_fail(exp->ctx, any,
                              "%s does not look at gradients; expected no %s, or a balancer that "
                              "does, as cagrad",
                              b->name, any->key);
    }
    if (any && b->row->class_letter != 'B') {
        return umb__yaml_fail(exp->ctx, any,
                              "%s looks at every shared parameter's gradient in every step; "
                              "expected no %s, or a balancer of class B, as cagrad",
                              b->name, any->key);
    }
    enum umb_status st = gradient ? read_gradient(exp, gradient) : UMB_OK;
    if (st == UMB_OK && every) { st = umb__yaml_int(exp->ctx, every, 1, MAX_EVERY, &b->every); }
    return st;
}

static enum umb_status read_options(struct umb_experiment *exp, const struct umb_yaml *map)
{
    static const char *const ours[] = {"gradient", "every", "heads", NULL};
    struct umb_exp_balancer *b = &exp->train.balancer;
    const struct umb_op op = umb__balancer_options(b->row);
    enum umb_status st = umb__exp_attrs(exp, &op, map, ours, &b->options);
    const struct umb_yaml *heads = umb__yaml_get(map, "heads");
    if (st == UMB_OK) { st = read_gradient_keys(exp, map); }
    if (st == UMB_OK && heads) { st = read_heads(exp, heads); }
    void *attrs = NULL;
    if (st == UMB_OK) {
        st = umb__attrs_create(exp->ctx, exp->tree->arena, &op, b->options, &attrs);
    }
    b->attrs = attrs;
    return st;
}

enum umb_status umb__exp_read_balancer(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_balancer *b = &exp->train.balancer;
    const struct umb_yaml *map = NULL;
    *b = (struct umb_exp_balancer){.name = "equal", .every = 1};
    enum umb_status st =
        node ? umb__exp_choice(exp->ctx, node, "balancer", &b->name, &map) : UMB_OK;
    if (st != UMB_OK) { return st; }
    b->row = umb__balancer_find(b->name);
    if (!b->row) {
        const char *names[MAX_BALANCERS];
        const size_t n = umb__balancer_names(names, MAX_BALANCERS);
        return umb__yaml_unknown(exp->ctx, map ? map : node, "balancer", b->name, names, n);
    }
    b->weighs_heads = b->row->weighs_heads;
    st = read_options(exp, map);
    /* Options that are missing have no node of their own to be told at. */
    return st == UMB_ERR_INVALID && !map && node ? umb__yaml_fail_prefix(exp->ctx, node, st) : st;
}

enum umb_status umb__exp_check_balancer(struct umb_experiment *exp)
{
    const struct umb_exp_balancer *b = &exp->train.balancer;
    const struct umb_yaml *node =
        umb__yaml_get(umb__yaml_get(exp->tree->root, "train"), "balancer");
    enum umb_status st = umb__balancer_check(exp->ctx, b->row, b->attrs, (int)exp->n_tasks);
    if (st != UMB_OK) {
        return umb__yaml_fail_prefix(exp->ctx, node->kind == UMB_YAML_MAP ? node->item[0] : node,
                                     st);
    }
    const int64_t warmup = umb__balancer_warmup(b->row, b->attrs);
    if (exp->train.epochs <= warmup) {
        umb__log(exp->ctx, UMB_LOG_WARN,
                 "train.balancer: %s prepares itself for %lld epochs, and there are no more",
                 b->name, (long long)warmup);
    }
    return UMB_OK;
}

struct umb_balancing umb__experiment_balancing(const struct umb_experiment *exp)
{
    const struct umb_exp_balancer *b = &exp->train.balancer;
    return (struct umb_balancing){.name = b->name,
                                  .options = b->options,
                                  .gradients = b->gradient,
                                  .every = b->every,
                                  .heads =
                                      b->weighs_heads ? UMB_HEADS_WEIGHTED : UMB_HEADS_UNWEIGHTED};
}

/*
 * exp_balance.c: `balance` of a task: rare classes weigh more, or are drawn more often.
 *
 * weights: from the training labels, w_c = n/(C·n_c) over the C classes that occur, so that the
 * mean weight of a label is 1; binary_cross_entropy, which weighs yes alone, gets n_no/n_yes.
 * sampler: the task's data set draws each class equally often (balance.h).
 */
#include "experiment.h"

#include "text.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_WEIGHT 1e6 /* the losses' attributes take no more */

static bool is_binary(const struct umb_exp_task *t)
{
    return t->judge == UMB_JUDGE_BINARY;
}

static const char *weights_key(const struct umb_exp_task *t)
{
    return is_binary(t) ? "pos_weight" : "class_weights";
}

/* Whether the user gave weights. */
static bool has_weights(const struct umb_exp_task *t)
{
    const struct umb_yaml *loss = umb__yaml_get(t->node, "loss");
    return umb__yaml_get(umb__yaml_get(loss, t->loss), weights_key(t)) != NULL;
}

enum umb_status umb__exp_read_balance(struct umb_experiment *exp, struct umb_exp_task *t)
{
    static const char *const ways[] = {"weights", "sampler"};
    const struct umb_yaml *node = umb__yaml_get(t->node, "balance");
    const char *text = NULL;
    if (!node) { return UMB_OK; }
    enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    for (size_t i = 0; st == UMB_OK && i < COUNT(ways); i++) {
        if (strcmp(ways[i], text) == 0) {
            t->balance = (enum umb_exp_balance)(UMB_BALANCE_WEIGHTS + i);
        }
    }
    if (st != UMB_OK) { return st; }
    if (t->balance == UMB_BALANCE_NONE) {
        return umb__yaml_unknown(exp->ctx, node, "balance", text, ways, COUNT(ways));
    }
    if (t->judge == UMB_JUDGE_ERRORS) {
        return umb__yaml_fail(exp->ctx, node,
                              "%s has no classes; expected balance with "
                              "cross_entropy or binary_cross_entropy",
                              t->loss);
    }
    if (t->balance != UMB_BALANCE_WEIGHTS || !has_weights(t)) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, node, "the loss has %s already; expected one of the two",
                          weights_key(t));
}

/* What the tasks' targets must be, and that no two tasks draw from one data set. */
static enum umb_status check_task(struct umb_experiment *exp, size_t index)
{
    const struct umb_exp_task *t = &exp->task[index];
    const struct umb_yaml *node = umb__yaml_get(t->node, "balance");
    const struct umb_target_info *info = &exp->data[t->data].target[t->target];
    const bool sampler = t->balance == UMB_BALANCE_SAMPLER;
    if (info->kind == UMB_TARGET_REAL || (sampler && info->kind == UMB_TARGET_PIXELS)) {
        return umb__yaml_fail(exp->ctx, node, "target '%s' has no classes%s; expected one that has",
                              info->name, sampler ? " of samples" : "");
    }
    for (size_t i = 0; sampler && i < index; i++) {
        const struct umb_exp_task *other = &exp->task[i];
        if (other->data != t->data || other->balance != t->balance) { continue; }
        return umb__yaml_fail(exp->ctx, node,
                              "task '%s' draws the samples of '%s' already; expected one task that "
                              "does",
                              other->name, exp->data[t->data].name);
    }
    return UMB_OK;
}

static double capped(double weight)
{
    return weight < MAX_WEIGHT ? weight : MAX_WEIGHT;
}

static void add_class_weights(struct umb_text *text, const uint64_t *counts, int64_t n_classes)
{
    double labels = 0, present = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        labels += (double)counts[c];
        present += counts[c] > 0;
    }
    for (int64_t c = 0; c < n_classes; c++) {
        const double w = counts[c] ? labels / (present * (double)counts[c]) : 0;
        umb__text_printf(text, "%s%.9g", c ? "," : "", capped(w));
    }
}

/* Without one of the two answers there is nothing to make up for. */
static void add_yes_weight(struct umb_text *text, const uint64_t *counts)
{
    const bool both = counts[0] > 0 && counts[1] > 0;
    umb__text_printf(text, "%.9g", both ? capped((double)counts[0] / (double)counts[1]) : 1.0);
}

/* Puts the weights behind the loss's other attributes. */
static enum umb_status add_weights(struct umb_experiment *exp, struct umb_exp_task *t,
                                   const uint64_t *counts)
{
    struct umb_text text = {0};
    const char *before = t->loss_attrs ? t->loss_attrs : "";
    umb__text_printf(&text, "%s%s%s=", before, *before ? " " : "", weights_key(t));
    if (is_binary(t)) {
        add_yes_weight(&text, counts);
    } else {
        add_class_weights(&text, counts, t->n_classes);
    }
    enum umb_status st = umb__text_status(exp->ctx, &text);
    if (st == UMB_OK) {
        t->loss_attrs = umb__arena_strdup(exp->tree->arena, umb__text_string(&text));
        st = t->loss_attrs ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    umb__text_finish(&text);
    return st;
}

static enum umb_status weigh(struct umb_experiment *exp, struct umb_exp_task *t)
{
    uint64_t *counts = umb__calloc(exp->ctx, (size_t)t->n_classes, sizeof *counts);
    if (!counts) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = umb__class_counts(exp->ctx, exp->data[t->data].dataset, UMB_SPLIT_TRAIN,
                                           t->target, t->label_of, counts);
    if (st == UMB_OK) { st = add_weights(exp, t, counts); }
    umb__free(counts);
    return st;
}

enum umb_status umb__exp_bind_balance(struct umb_experiment *exp)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_tasks; i++) {
        struct umb_exp_task *t = &exp->task[i];
        struct umb_exp_data *d = &exp->data[t->data];
        if (t->balance == UMB_BALANCE_NONE) { continue; }
        st = check_task(exp, i);
        if (st != UMB_OK) { return st; }
        st = t->balance == UMB_BALANCE_WEIGHTS
                 ? weigh(exp, t)
                 : umb__balance_create(exp->ctx, d->dataset, t->target, t->label_of, t->n_classes,
                                       &d->balance);
        if (st != UMB_OK) {
            st = umb__yaml_fail_prefix(exp->ctx, umb__yaml_get(t->node, "balance"), st);
        }
    }
    return st;
}

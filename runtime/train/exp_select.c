/* exp_select.c: `select` of a task: which samples of a batch it learns from. */
#include "experiment.h"

#include "text.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What the loss takes labels by, from its own keys: they were checked with it. */
static const char *loss_keys(const struct umb_exp_task *t, const char **ret_name)
{
    static const char *const names[] = {"delta", "ignore_index"};
    const struct umb_yaml *keys = umb__yaml_get(umb__yaml_get(t->node, "loss"), t->loss);
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct umb_yaml *value = umb__yaml_get(keys, names[i]);
        *ret_name = names[i];
        if (value) { return value->text; }
    }
    return NULL;
}

enum umb_status umb__exp_read_select(struct umb_experiment *exp, struct umb_exp_task *t)
{
    static const char *const keys[] = {"loss", "uncertainty"};
    const struct umb_yaml *node = umb__yaml_get(t->node, "select");
    double share = 0;
    if (!node) { return UMB_OK; }
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    if (st == UMB_OK && node->n_items != 1) {
        st = umb__yaml_fail(exp->ctx, node,
                            "has %zu keys; expected {loss: SHARE} or "
                            "{uncertainty: SHARE}",
                            node->n_items);
    }
    if (st == UMB_OK) { st = umb__yaml_double(exp->ctx, node->item[0], 1e-4, 1, &share); }
    if (st != UMB_OK) { return st; }
    const bool by_loss = node->item[0] == umb__yaml_get(node, "loss");
    if (!by_loss && t->judge == UMB_JUDGE_ERRORS) {
        return umb__yaml_fail(exp->ctx, node->item[0],
                              "answers to %s have no uncertainty; expected loss: SHARE", t->loss);
    }
    const char *name = NULL, *value = loss_keys(t, &name);
    t->select_attrs = umb__arena_printf(exp->tree->arena, "of=%s by=%s share=%.17g%s%s%s%s",
                                        t->loss, node->item[0]->key, share, value ? " " : "",
                                        value ? name : "", value ? "=" : "", value ? value : "");
    return t->select_attrs ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/*
 * The net once more behind the update, in the same step: what its batch's losses have become. It
 * shares parameters, images, labels and masks with the first, and has running statistics of its
 * own, which nobody keeps.
 */
#include <string.h>

#include "graph_edit.h"
#include "text.h"
#include "trainer_balance.h"
#include "trainer_internal.h"

static void read_instead(struct umb_graph *g, int first_node, int own, int shared)
{
    for (int i = first_node; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] == own) { g->node[i].in[k] = shared; }
        }
    }
}

/* The same numbers: the whole batch, which the second net knows as a part of it, is one. */
static bool are_same(const struct umb_graph *g, int v, int w)
{
    const struct umb_value *a = &g->value[v], *b = &g->value[w];
    return (a->base >= 0 ? a->base : v) == (b->base >= 0 ? b->base : w) &&
           a->base_offset == b->base_offset &&
           umb__type_bytes(&a->type) == umb__type_bytes(&b->type);
}

static enum umb_status compare_attrs(const struct umb_graph *g, const struct umb_node *a,
                                     const struct umb_node *b, bool *ret_alike)
{
    struct umb_text x = {0}, y = {0};
    umb__attrs_print(a->op, a->attrs, &x);
    umb__attrs_print(b->op, b->attrs, &y);
    enum umb_status st = umb__text_status(g->ctx, &x);
    if (st == UMB_OK) { st = umb__text_status(g->ctx, &y); }
    *ret_alike = st == UMB_OK && strcmp(umb__text_string(&x), umb__text_string(&y)) == 0;
    umb__text_finish(&x);
    umb__text_finish(&y);
    return st;
}

static enum umb_status are_alike(const struct umb_graph *g, const struct umb_node *a,
                                 const struct umb_node *b, bool *ret_alike)
{
    *ret_alike = a->op == b->op && a->device == b->device && a->n_in == b->n_in;
    for (int k = 0; *ret_alike && k < a->n_in; k++) {
        *ret_alike = are_same(g, a->in[k], b->in[k]);
    }
    return *ret_alike ? compare_attrs(g, a, b, ret_alike) : UMB_OK;
}

static bool follows_from_batch(const struct umb_graph *g, const struct umb_node *n)
{
    bool does = n->n_in > 0;
    for (int k = 0; k < n->n_in; k++) {
        does = does && g->value[n->in[k]].kind == UMB_VALUE_INPUT;
    }
    return does;
}

/* The node before first_node that makes the same; −1: none. */
static enum umb_status find_twin(const struct umb_graph *g, int first_node,
                                 const struct umb_node *n, int *ret_twin)
{
    enum umb_status st = UMB_OK;
    bool found = false;
    int i = 0;
    for (; st == UMB_OK && !found && i < first_node; i++) {
        st = are_alike(g, n, &g->node[i], &found);
    }
    *ret_twin = found ? i - 1 : -1;
    return st;
}

/* What follows from the batch alone is there already. */
static enum umb_status reuse(struct umb_graph *g, int first_node)
{
    enum umb_status st = UMB_OK;
    for (int i = first_node; st == UMB_OK && i < g->n_nodes; i++) {
        struct umb_node *n = &g->node[i];
        int twin = -1;
        if (follows_from_batch(g, n)) { st = find_twin(g, first_node, n, &twin); }
        if (twin < 0) { continue; }
        for (int k = 0; k < n->n_out; k++) {
            read_instead(g, first_node, n->out[k], g->node[twin].out[k]);
            g->value[n->out[k]].producer = -1;
        }
        n->op = NULL;
    }
    umb__graph_compact(g);
    return st;
}

static enum umb_status build_net(struct umb_trainer *tr, struct umb_trainer_side *side,
                                 int *ret_output)
{
    struct umb_graph *g = side->graph;
    const int first_node = g->n_nodes, ambient = g->rows_value;
    int rows[UMB_MAX_DEVICES];
    enum umb_status st = umb__trainer_build_again(tr, side, ret_output, rows);
    if (st != UMB_OK) { return st; }
    /* it is told of the batch's rows by what tells the first */
    for (int d = 0; d < tr->n_devices; d++) {
        if (rows[d] >= 0 && side->rows_value[d] >= 0) {
            read_instead(g, first_node, rows[d], side->rows_value[d]);
        }
    }
    g->rows_value = ambient;
    st = reuse(g, first_node);
    for (int i = first_node; i < g->n_nodes; i++) {
        g->node[i].phase = UMB_PHASE_UPDATE;
    }
    return st;
}

static enum umb_status add_loss(const struct umb_net_task *task, const struct umb_task_values *v,
                                struct umb_graph *g, int output, int *ret_loss)
{
    const int in[3] = {output, v->labels, v->mask};
    int out[UMB_OP_MAX_OUT];
    g->device = task->device;
    const enum umb_status st =
        umb__graph_add(g, UMB_PHASE_UPDATE, task->loss->name, task->loss_attrs,
                       umb__arena_printf(g->arena, "%s.after", task->name), 3, in, out);
    g->device = 0;
    if (st == UMB_OK) { *ret_loss = out[0]; }
    return st;
}

enum umb_status umb__balancing_look_again(struct umb_trainer *tr, struct umb_trainer_side *side,
                                          int facts)
{
    struct umb_graph *g = side->graph;
    int all[1 + UMB_MAX_TASKS] = {facts}, output[UMB_MAX_TASKS], out[UMB_OP_MAX_OUT];
    const int T = tr->n_tasks;
    enum umb_status st = build_net(tr, side, output);
    for (int t = 0; st == UMB_OK && t < T; t++) {
        st = add_loss(umb__net_task(tr->net, t), &side->task[t], g, output[t], &all[1 + t]);
    }
    if (st == UMB_OK) {
        st = umb__graph_add(g, UMB_PHASE_UPDATE, "gather", NULL, "balancer.after", 1 + T, all, out);
    }
    if (st == UMB_OK) { st = umb__balancing_add_learning(tr, g, out[0]); }
    return st == UMB_OK ? umb__graph_transfer(g) : st;
}

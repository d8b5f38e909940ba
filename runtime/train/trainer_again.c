/*
 * The net once more behind the update, in the same step: what its batch's losses have become. It
 * shares parameters, images, labels and masks with the first, and has running statistics of its
 * own, which nobody keeps.
 */
#include "host.h"
#include "trainer_balance.h"
#include "trainer_internal.h"

static enum umb_status add_node(struct umb_graph *g, const char *op, const void *attrs,
                                const char *name, int n_in, const int *in, int *ret_out)
{
    if (!name) { return UMB_ERR_NO_MEMORY; }
    const struct umb_graph_node_desc desc = {.op = umb__op_find(op),
                                             .attrs = attrs,
                                             .name = name,
                                             .phase = UMB_PHASE_UPDATE,
                                             .n_in = n_in,
                                             .in = in};
    return umb__graph_node_raw(g, &desc, ret_out);
}

/* The second net is told of the batch's rows by what tells the first. */
static void share_rows(struct umb_graph *g, int first_node, int own, int shared)
{
    for (int i = first_node; own >= 0 && shared >= 0 && i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] == own) { g->node[i].in[k] = shared; }
        }
    }
}

static enum umb_status build_net(struct umb_trainer *tr, struct umb_trainer_side *side,
                                 struct umb_net_values *ret_net)
{
    struct umb_graph *g = side->graph;
    const int rows = g->rows_value, first_node = g->n_nodes;
    const struct umb_net_part all = {.part = 1, .device = 0, .first = 0, .count = tr->batch};
    const enum umb_status st = umb__net_build_part(tr->net, g, &all, &side->net, ret_net);
    if (st != UMB_OK) { return st; }
    share_rows(g, first_node, g->rows_value, rows);
    g->rows_value = rows;
    for (int i = first_node; i < g->n_nodes; i++) {
        g->node[i].phase = UMB_PHASE_UPDATE;
    }
    return UMB_OK;
}

enum umb_status umb__balancing_look_again(struct umb_trainer *tr, struct umb_trainer_side *side,
                                          int facts)
{
    struct umb_graph *g = side->graph;
    struct umb_net_values net;
    int all[1 + UMB_MAX_TASKS] = {facts}, out[UMB_OP_MAX_OUT];
    const int T = tr->n_tasks;
    enum umb_status st = build_net(tr, side, &net);
    for (int t = 0; st == UMB_OK && t < T; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        const struct umb_task_values *v = &side->task[t];
        const int in[3] = {net.value[task->output], v->labels, v->mask};
        st = add_node(g, task->loss->name, task->loss_attrs,
                      umb__arena_printf(g->arena, "%s.after", task->name), 3, in, out);
        all[1 + t] = out[0];
    }
    if (st == UMB_OK) { st = add_node(g, "gather", NULL, "balancer.after", 1 + T, all, out); }
    return st == UMB_OK ? umb__balancing_add_learning(tr, g, out[0]) : st;
}

/* The net in a trainer's graph: whole, or a part for each device that takes rows of a batch. */
#include "trainer_internal.h"

bool umb__trainer_shares(const struct umb_trainer *tr)
{
    int64_t rows = 0;
    for (int d = 0; d < tr->n_devices; d++) {
        rows += tr->share[d];
    }
    return rows > 0;
}

/* The net once for each device that takes rows, and the tasks' outputs of the whole batch. */
static enum umb_status build_parts(struct umb_trainer *tr, struct umb_trainer_side *side)
{
    struct umb_graph *g = side->graph;
    struct umb_net_values part[UMB_MAX_DEVICES];
    int n = 0;
    enum umb_status st = umb__net_build_images(tr->net, g, tr->batch, &side->net);
    int64_t first = 0;
    for (int d = 0; st == UMB_OK && d < tr->n_devices; d++) {
        const struct umb_net_part p = {n, d, first, tr->share[d]};
        first += tr->share[d];
        if (!p.count) { continue; }
        st = umb__net_build_part(tr->net, g, &p, &side->net, &part[n++]);
        side->rows_value[d] = g->rows_value;
    }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        int in[UMB_MAX_DEVICES], out[UMB_OP_MAX_OUT];
        for (int k = 0; k < n; k++) {
            in[k] = part[k].value[task->output];
        }
        const char *name = umb__arena_printf(g->arena, "%s.whole", task->name);
        const struct umb_graph_node_desc desc = {
            .op = umb__op_find("stack"), .name = name, .n_in = n, .in = in};
        g->device = task->device;
        st = name ? umb__graph_node(g, &desc, out) : UMB_ERR_NO_MEMORY;
        side->net.value[task->output] = out[0];
    }
    g->device = 0;
    return st;
}

/* The device that keeps the parameters of a shared batch: the first that takes rows. */
static int keeper(const struct umb_trainer *tr)
{
    int d = 0;
    while (umb__trainer_shares(tr) && !tr->share[d]) {
        d++;
    }
    return d;
}

enum umb_status umb__trainer_build_whole(struct umb_trainer *tr, int64_t batch, struct umb_graph *g,
                                         struct umb_net_values *ret_net)
{
    const struct umb_net_part all = {.device = keeper(tr), .count = batch};
    struct umb_net_values net;
    if (!all.device) { return umb__net_build(tr->net, g, batch, ret_net); }
    enum umb_status st = umb__net_build_images(tr->net, g, batch, ret_net);
    if (st == UMB_OK) { st = umb__net_build_part(tr->net, g, &all, ret_net, &net); }
    if (st == UMB_OK) { ret_net->value = net.value; }
    return st;
}

enum umb_status umb__trainer_build_net(struct umb_trainer *tr, int mode,
                                       struct umb_trainer_side *side)
{
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        side->rows_value[d] = -1;
    }
    if (umb__trainer_trains(mode) && umb__trainer_shares(tr)) { return build_parts(tr, side); }
    const enum umb_status st = umb__trainer_build_whole(tr, tr->batch, side->graph, &side->net);
    side->rows_value[0] = side->graph->rows_value;
    return st;
}

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

/* A task's output of the whole batch, from the parts' ones. */
static enum umb_status stack_output(const struct umb_net_task *task, struct umb_graph *g,
                                    const char *suffix, const struct umb_net_values *part, int n,
                                    int *ret_output)
{
    int in[UMB_MAX_DEVICES], out[UMB_OP_MAX_OUT];
    for (int k = 0; k < n; k++) {
        in[k] = part[k].value[task->output];
    }
    const char *name = umb__arena_printf(g->arena, "%s.whole%s", task->name, suffix);
    const struct umb_graph_node_desc desc = {
        .op = umb__op_find("stack"), .name = name, .n_in = n, .in = in};
    if (!name) { return UMB_ERR_NO_MEMORY; }
    g->device = task->device;
    const enum umb_status st = umb__graph_node(g, &desc, out);
    g->device = 0;
    if (st == UMB_OK) { *ret_output = out[0]; }
    return st;
}

/* The net once for each device that takes rows of `images`, and the tasks' outputs. `again`: there
 * is one such net already, whose parts have the lower numbers. */
static enum umb_status build_parts(const struct umb_trainer *tr, struct umb_graph *g, bool again,
                                   const struct umb_net_values *images, int *ret_output,
                                   int *ret_rows_value)
{
    struct umb_net_values part[UMB_MAX_DEVICES];
    enum umb_status st = UMB_OK;
    int64_t first = 0;
    int n = 0;
    for (int d = 0; st == UMB_OK && d < tr->n_devices; d++) {
        const int number = again ? UMB_MAX_DEVICES + n : n;
        const struct umb_net_part p = {number, d, first, tr->share[d]};
        first += tr->share[d];
        if (!p.count) { continue; }
        st = umb__net_build_part(tr->net, g, &p, images, &part[n++]);
        ret_rows_value[d] = g->rows_value;
    }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        st = stack_output(umb__net_task(tr->net, t), g, again ? ".after" : "", part, n,
                          &ret_output[t]);
    }
    return st;
}

static enum umb_status build_shared(const struct umb_trainer *tr, struct umb_trainer_side *side)
{
    int output[UMB_MAX_TASKS];
    enum umb_status st = umb__net_build_images(tr->net, side->graph, tr->batch, &side->net);
    if (st == UMB_OK) {
        st = build_parts(tr, side->graph, false, &side->net, output, side->rows_value);
    }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        side->net.value[umb__net_task(tr->net, t)->output] = output[t];
    }
    return st;
}

enum umb_status umb__trainer_build_again(const struct umb_trainer *tr,
                                         const struct umb_trainer_side *side, int *ret_output,
                                         int *ret_rows_value)
{
    struct umb_graph *g = side->graph;
    const struct umb_net_part all = {.part = 1, .device = -1, .count = tr->batch};
    struct umb_net_values net;
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        ret_rows_value[d] = -1;
    }
    if (umb__trainer_shares(tr)) {
        return build_parts(tr, g, true, &side->net, ret_output, ret_rows_value);
    }
    const enum umb_status st = umb__net_build_part(tr->net, g, &all, &side->net, &net);
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        ret_output[t] = net.value[umb__net_task(tr->net, t)->output];
    }
    ret_rows_value[0] = g->rows_value;
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
    if (umb__trainer_trains(mode) && umb__trainer_shares(tr)) { return build_shared(tr, side); }
    const enum umb_status st = umb__trainer_build_whole(tr, tr->batch, side->graph, &side->net);
    side->rows_value[0] = side->graph->rows_value;
    return st;
}

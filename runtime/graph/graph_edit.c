#include "graph_edit.h"

#include "steps.h"

int umb__graph_only_reader(const struct umb_graph *g, int v)
{
    int reader = -1;
    if (g->value[v].output) { return -1; }
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (!g->node[i].op || g->node[i].in[k] != v) { continue; }
            if (reader >= 0) { return -1; }
            reader = i;
        }
    }
    return reader;
}

bool umb__graph_is_inner(const struct umb_graph *g, int v)
{
    const struct umb_value *value = &g->value[v];
    return value->kind == UMB_VALUE_TEMP && !value->output && value->base < 0 &&
           value->producer >= 0;
}

void umb__graph_compact(struct umb_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!g->node[i].op) { continue; }
        g->node[n] = g->node[i];
        for (int k = 0; k < g->node[n].n_out; k++) {
            g->value[g->node[n].out[k]].producer = n;
        }
        n++;
    }
    g->n_nodes = n;
}

int umb__graph_viewed(const struct umb_graph *g, int v)
{
    for (int producer; (producer = g->value[v].producer) >= 0;) {
        const struct umb_node *n = &g->node[producer];
        if (!n->op || !(n->op->flags & UMB_OP_VIEW)) { break; }
        const int64_t count = umb__shape_count(&g->value[v].type.shape);
        if (umb__shape_count(&g->value[n->in[0]].type.shape) != count) { break; }
        v = n->in[0];
    }
    return v;
}

bool umb__fuse_pays(int plain_rank, const struct umb_problem *fused)
{
    if (!fused->caps) { return true; }
    const int rank = umb__solver_rank(fused);
    return rank >= 2 && rank >= plain_rank;
}

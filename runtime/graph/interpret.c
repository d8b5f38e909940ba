/* The graph by the ops' plain references, in double: the yardstick for plans and gradients. */
#include "graph.h"

static double *value_data(const struct umb_graph *g, double **data, int v)
{
    if (!data[v]) {
        int64_t n = umb__shape_count(&g->value[v].type.shape);
        data[v] = umb__calloc(g->ctx, (size_t)n, sizeof **data);
        for (int64_t i = 0; data[v] && g->value[v].constant != 0 && i < n; i++) {
            data[v][i] = g->value[v].constant;
        }
    }
    return data[v];
}

static enum umb_status interpret_node(const struct umb_graph *g, const struct umb_node *n,
                                      double **data)
{
    struct umb_ref_tensor *in = umb__calloc(g->ctx, (size_t)n->n_in + 1, sizeof *in);
    struct umb_ref_tensor out[UMB_OP_MAX_OUT];
    if (!in) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = UMB_OK;
    for (int k = 0; k < n->n_in && st == UMB_OK; k++) {
        const struct umb_value *v = &g->value[n->in[k]];
        if (!data[n->in[k]] && v->kind != UMB_VALUE_CONSTANT) {
            st = umb__fail(g->ctx, UMB_ERR_INVALID, "%s: no data for input %s", n->name, v->name);
            break;
        }
        in[k] = (struct umb_ref_tensor){&v->type, value_data(g, data, n->in[k])};
        if (!in[k].data) { st = UMB_ERR_NO_MEMORY; }
    }
    for (int k = 0; k < n->n_out && st == UMB_OK; k++) {
        out[k] = (struct umb_ref_tensor){&g->value[n->out[k]].type, value_data(g, data, n->out[k])};
        if (!out[k].data) { st = UMB_ERR_NO_MEMORY; }
    }
    if (st == UMB_OK) {
        struct umb_reference r = {.attrs = n->attrs,
                                  .training = g->training,
                                  .n_in = n->n_in,
                                  .n_out = n->n_out,
                                  .in = in,
                                  .out = out};
        n->op->reference(&r);
    }
    umb__free(in);
    return st;
}

enum umb_status umb__graph_interpret(const struct umb_graph *g, double **data)
{
    for (int i = 0; i < g->n_nodes; i++) {
        enum umb_status st = interpret_node(g, &g->node[i], data);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

void umb__graph_interpret_free(const struct umb_graph *g, double **data, const bool *keep)
{
    for (int v = 0; v < g->n_values; v++) {
        if (keep && keep[v]) { continue; }
        umb__free(data[v]);
        data[v] = NULL;
    }
}

/*
 * Views and joins share memory: a view's output is a piece of its input, and the inputs of a join
 * are made in their places within its output, so that neither costs a step. A join that cannot be
 * arranged so (an input is itself a piece, comes from outside, or is named twice) keeps its copies.
 */
#include "graph.h"

/* Makes `value`, and every piece of it, a piece of `root`. */
static void set_base(struct umb_graph *g, int value, int root, size_t offset)
{
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].base == value) {
            g->value[v].base = root;
            g->value[v].base_offset += offset;
        }
    }
    g->value[value].base = root;
    g->value[value].base_offset = offset;
    g->value[root].output |= g->value[value].output;
}

static void alias_view(struct umb_graph *g, const struct umb_node *n)
{
    const struct umb_value *in = &g->value[n->in[0]];
    struct umb_value *out = &g->value[n->out[0]];
    size_t offset = umb__op_view_offset(n->op, n->attrs, &in->type, &out->type);
    int root = in->base >= 0 ? in->base : n->in[0];
    size_t at = offset + (in->base >= 0 ? in->base_offset : 0);
    if (out->base < 0) { set_base(g, n->out[0], root, at); }
}

static bool join_is_free(const struct umb_graph *g, const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const struct umb_value *v = &g->value[n->in[k]];
        if (v->kind != UMB_VALUE_TEMP || v->base >= 0 || v->output || v->producer < 0) {
            return false;
        }
        for (int j = 0; j < k; j++) {
            if (n->in[j] == n->in[k]) { return false; }
        }
    }
    return true;
}

static void alias_join(struct umb_graph *g, const struct umb_node *n)
{
    if (!join_is_free(g, n)) { return; }
    const struct umb_value *out = &g->value[n->out[0]];
    int root = out->base >= 0 ? out->base : n->out[0];
    size_t offset = out->base >= 0 ? out->base_offset : 0;
    for (int k = 0; k < n->n_in; k++) {
        size_t bytes = umb__type_bytes(&g->value[n->in[k]].type);
        set_base(g, n->in[k], root, offset);
        offset += bytes;
    }
}

enum umb_status umb__graph_alias(struct umb_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op->flags & UMB_OP_VIEW) { alias_view(g, &g->node[i]); }
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op->flags & UMB_OP_JOIN) { alias_join(g, &g->node[i]); }
    }
    return umb__graph_verify(g);
}

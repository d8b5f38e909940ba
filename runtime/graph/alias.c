/*
 * Views and joins share memory: a view's output is a piece of its input, and the inputs of a join
 * are made in their places within its output, so that neither costs a step. A join that cannot be
 * arranged so (an input is itself a piece, comes from outside, or is named twice) keeps its copies.
 */
#include "graph.h"

/* The pieces of each value that has some: lists, −1 ends them. */
struct pieces {
    int *first, *next; /* [n_values] */
};

static enum umb_status find_pieces(const struct umb_graph *g, struct pieces *p)
{
    p->first = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *p->first);
    p->next = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *p->next);
    if (!p->first || !p->next) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < g->n_values; v++) {
        p->first[v] = -1;
    }
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].base < 0) { continue; }
        p->next[v] = p->first[g->value[v].base];
        p->first[g->value[v].base] = v;
    }
    return UMB_OK;
}

static void add_piece(struct umb_graph *g, struct pieces *p, int v, int root, size_t offset)
{
    g->value[v].base = root;
    g->value[v].base_offset = offset;
    p->next[v] = p->first[root];
    p->first[root] = v;
}

/* Makes `value`, and every piece of it, a piece of `root`. */
static void set_base(struct umb_graph *g, struct pieces *p, int value, int root, size_t offset)
{
    for (int v = p->first[value], next; v >= 0; v = next) {
        next = p->next[v];
        add_piece(g, p, v, root, g->value[v].base_offset + offset);
    }
    p->first[value] = -1;
    add_piece(g, p, value, root, offset);
    g->value[root].output |= g->value[value].output;
}

static void alias_view(struct umb_graph *g, struct pieces *p, const struct umb_node *n)
{
    const struct umb_value *in = &g->value[n->in[0]];
    struct umb_value *out = &g->value[n->out[0]];
    size_t offset = umb__op_view_offset(n->op, n->attrs, &in->type, &out->type);
    int root = in->base >= 0 ? in->base : n->in[0];
    size_t at = offset + (in->base >= 0 ? in->base_offset : 0);
    if (out->base < 0) { set_base(g, p, n->out[0], root, at); }
}

static bool join_is_free(const struct umb_graph *g, const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const struct umb_value *v = &g->value[n->in[k]];
        const bool read = v->output && !(n->op->flags & UMB_OP_SMALL);
        if (v->kind != UMB_VALUE_TEMP || v->base >= 0 || read || v->producer < 0) { return false; }
        for (int j = 0; j < k; j++) {
            if (n->in[j] == n->in[k]) { return false; }
        }
    }
    return true;
}

static void alias_join(struct umb_graph *g, struct pieces *p, const struct umb_node *n)
{
    if (!join_is_free(g, n)) { return; }
    const struct umb_value *out = &g->value[n->out[0]];
    int root = out->base >= 0 ? out->base : n->out[0];
    size_t offset = out->base >= 0 ? out->base_offset : 0;
    for (int k = 0; k < n->n_in; k++) {
        size_t bytes = umb__type_bytes(&g->value[n->in[k]].type);
        set_base(g, p, n->in[k], root, offset);
        offset += bytes;
    }
}

static void alias_all(struct umb_graph *g, struct pieces *p)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op->flags & UMB_OP_VIEW) { alias_view(g, p, &g->node[i]); }
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op->flags & UMB_OP_JOIN) { alias_join(g, p, &g->node[i]); }
    }
}

enum umb_status umb__graph_alias(struct umb_graph *g)
{
    struct pieces p = {0};
    enum umb_status st = find_pieces(g, &p);
    if (st == UMB_OK) { alias_all(g, &p); }
    umb__free(p.first);
    umb__free(p.next);
    return st == UMB_OK ? umb__graph_verify(g) : st;
}

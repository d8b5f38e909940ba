/*
 * Reverse-mode differentiation. Every value collects contributions to its gradient while nodes are
 * walked backwards; when a node's turn comes its outputs' contributions are complete and are summed
 * in the order they came, which is fixed by the graph.
 *
 * A `rows` view hands back a gradient for some segments only; those are kept by segment and joined
 * at the end, so that heads of different streams write side by side into one gradient.
 */
#include <stdio.h>
#include <string.h>

#include "grad.h"
#include "graph.h"

struct contribution {
    int value;
    int first, count; /* segments; count 0: the whole value */
    int next;         /* −1: last */
};

struct autodiff {
    struct umb_grad op; /* what the op at work sees; first, so that one is the other */
    struct umb_graph *g;
    int n0;           /* values before differentiation */
    bool *wants;      /* [n0] */
    int *head, *tail; /* [n0] into list, −1 */
    struct contribution *list;
    int n_list, list_capacity;
    int node;               /* the forward node at work */
    enum umb_status status; /* first failure inside give */
    int n_made;             /* names of helper nodes stay unique */
};

static const struct umb_type *type_of(const struct umb_grad *op, int value)
{
    return &((const struct autodiff *)op)->g->value[value].type;
}

/* A gradient is made where its node was; what was transferred, goes back. */
static int device_of_gradient(const struct umb_graph *g, int node)
{
    const struct umb_node *n = &g->node[node];
    return n->op->flags & UMB_OP_TRANSFER ? g->value[n->in[0]].device : n->device;
}

static enum umb_status add_node(struct umb_grad *op_grad, const char *op_name, const void *attrs,
                                int n_in, const int *in, int *ret_out)
{
    struct umb_graph *g = ((struct autodiff *)op_grad)->g;
    const char *forward = g->node[((struct autodiff *)op_grad)->node].name;
    const struct umb_op *op = umb__op_find(op_name);
    if (!op) {
        return umb__fail(g->ctx, UMB_ERR_INVALID, "%s: no op '%s' for its gradient", forward,
                         op_name);
    }
    const char *name = umb__arena_printf(g->arena, "%s.%s", forward, op_name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    g->device = device_of_gradient(g, ((struct autodiff *)op_grad)->node);
    struct umb_graph_node_desc desc = {.op = op,
                                       .attrs = attrs,
                                       .name = name,
                                       .phase = UMB_PHASE_BACKWARD,
                                       .n_in = n_in,
                                       .in = in};
    return umb__graph_node_raw(g, &desc, ret_out);
}

static void contribute(struct autodiff *a, int target, int value, int first, int count)
{
    if (a->n_list == a->list_capacity) {
        int grown = a->list_capacity ? 2 * a->list_capacity : 64;
        struct contribution *p =
            umb__grow(a->g->ctx, a->list, (size_t)a->list_capacity, (size_t)grown, sizeof *p);
        if (!p) {
            a->status = UMB_ERR_NO_MEMORY;
            return;
        }
        a->list = p;
        a->list_capacity = grown;
    }
    a->list[a->n_list] = (struct contribution){value, first, count, -1};
    if (a->tail[target] >= 0) {
        a->list[a->tail[target]].next = a->n_list;
    } else {
        a->head[target] = a->n_list;
    }
    a->tail[target] = a->n_list++;
}

static void give(struct umb_grad *op, int target, int first, int count, int dvalue)
{
    contribute((struct autodiff *)op, target, dvalue, first, count);
}

static const struct umb_grad_calls calls = {type_of, add_node, give};

/* Appends `op_name` over the values as a helper node of the gradient of `target`. */
static enum umb_status helper_node(struct autodiff *a, int target, const char *op_name,
                                   const char *attrs_text, int n_in, const int *in, int *ret_value)
{
    struct umb_graph *g = a->g;
    const struct umb_op *op = umb__op_find(op_name);
    const char *name =
        umb__arena_printf(g->arena, "d(%s).%s%d", g->value[target].name, op_name, a->n_made++);
    if (!op || !name) { return umb__fail(g->ctx, UMB_ERR_INVALID, "no op '%s'", op_name); }
    void *attrs;
    g->device = g->value[target].device;
    enum umb_status st = umb__attrs_create(g->ctx, g->arena, op, attrs_text, &attrs);
    if (st != UMB_OK) { return st; }
    int out[UMB_OP_MAX_OUT];
    struct umb_graph_node_desc desc = {.op = op,
                                       .attrs = attrs,
                                       .name = name,
                                       .phase = UMB_PHASE_BACKWARD,
                                       .n_in = n_in,
                                       .in = in};
    st = umb__graph_node_raw(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status sum_of(struct autodiff *a, int target, int n, const int *values,
                              int *ret_value)
{
    if (n == 1) {
        *ret_value = values[0];
        return UMB_OK;
    }
    return helper_node(a, target, "sum", NULL, n, values, ret_value);
}

/* The gradient of one segment of target: the sum of the contributions that hold it, or zeros. */
static enum umb_status segment_gradient(struct autodiff *a, int target, int segment, int *scratch,
                                        int *ret_value)
{
    struct umb_graph *g = a->g;
    int n = 0;
    for (int c = a->head[target]; c >= 0; c = a->list[c].next) {
        struct contribution k = a->list[c];
        if (!k.count || segment < k.first || segment >= k.first + k.count) { continue; }
        scratch[n] = k.value;
        if (k.count > 1) {
            char text[64];
            snprintf(text, sizeof text, "first=%d count=1", segment - k.first);
            enum umb_status st = helper_node(a, target, "rows", text, 1, &k.value, &scratch[n]);
            if (st != UMB_OK) { return st; }
        }
        n++;
    }
    if (n) { return sum_of(a, target, n, scratch, ret_value); }
    struct umb_type type = g->value[target].type;
    type.shape.dim[0] /= type.n_segments;
    type.segment += segment;
    type.n_segments = 1;
    const char *name =
        umb__arena_printf(g->arena, "d(%s).zeros%d", g->value[target].name, a->n_made++);
    *ret_value = name ? umb__graph_value(g, name, UMB_VALUE_CONSTANT, &type) : -1;
    return *ret_value < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

static enum umb_status join_segments(struct autodiff *a, int target, int *scratch, int *ret_value)
{
    int n = a->g->value[target].type.n_segments;
    int *parts = umb__arena_calloc(a->g->arena, (size_t)n, sizeof *parts);
    if (!parts) { return UMB_ERR_NO_MEMORY; }
    for (int s = 0; s < n; s++) {
        enum umb_status st = segment_gradient(a, target, s, scratch, &parts[s]);
        if (st != UMB_OK) { return st; }
    }
    if (n > 1) { return helper_node(a, target, "join", NULL, n, parts, ret_value); }
    *ret_value = parts[0];
    return UMB_OK;
}

/* The complete gradient of target: −1 if nothing contributed. */
static enum umb_status complete(struct autodiff *a, int target, int *ret_value)
{
    int n = 0, n_whole = 0;
    for (int c = a->head[target]; c >= 0; c = a->list[c].next) {
        n++;
    }
    *ret_value = -1;
    if (!n) { return UMB_OK; }
    int *whole = umb__arena_calloc(a->g->arena, (size_t)n + 1, sizeof *whole);
    int *scratch = umb__arena_calloc(a->g->arena, (size_t)n + 1, sizeof *scratch);
    if (!whole || !scratch) { return UMB_ERR_NO_MEMORY; }
    for (int c = a->head[target]; c >= 0; c = a->list[c].next) {
        if (!a->list[c].count) { whole[n_whole++] = a->list[c].value; }
    }
    if (n_whole < n) {
        enum umb_status st = join_segments(a, target, scratch, &whole[n_whole]);
        if (st != UMB_OK) { return st; }
        n_whole++;
    }
    return sum_of(a, target, n_whole, whole, ret_value);
}

static void mark_wanted(struct autodiff *a, const struct umb_autodiff_desc *desc)
{
    struct umb_graph *g = a->g;
    for (int v = 0; v < a->n0; v++) {
        const struct umb_value *value = &g->value[v];
        bool source =
            value->kind == UMB_VALUE_PARAM || (desc->inputs_too && value->kind == UMB_VALUE_INPUT);
        a->wants[v] = source && value->type.dtype == UMB_F32 && !(desc->frozen && desc->frozen[v]);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        bool any = false;
        for (int k = 0; k < n->n_in; k++) {
            any = any || a->wants[n->in[k]];
        }
        for (int k = 0; k < n->n_out; k++) {
            a->wants[n->out[k]] = any && n->op->grad && g->value[n->out[k]].type.dtype == UMB_F32;
        }
    }
}

/* The backward nodes of one forward node, when any of its outputs has a gradient. */
static enum umb_status differentiate(struct autodiff *a, int node, int *gradient)
{
    const struct umb_node n = a->g->node[node]; /* its arrays stay; the list of nodes may move */
    bool any = false;
    a->node = node;
    for (int k = 0; k < n.n_out; k++) {
        int v = n.out[k];
        a->op.dout[k] = -1;
        if (!a->wants[v]) { continue; }
        enum umb_status st = complete(a, v, &a->op.dout[k]);
        if (st != UMB_OK) { return st; }
        gradient[v] = a->op.dout[k];
        any = any || a->op.dout[k] >= 0;
    }
    if (!any) { return UMB_OK; }
    a->op.attrs = n.attrs;
    a->op.n_in = n.n_in;
    a->op.n_out = n.n_out;
    a->op.in = n.in;
    a->op.out = n.out;
    enum umb_status st = n.op->grad(&a->op);
    return st == UMB_OK ? a->status : st;
}

static enum umb_status walk(struct autodiff *a, const struct umb_autodiff_desc *desc, int *gradient)
{
    mark_wanted(a, desc);
    for (int v = 0; v < a->n0; v++) {
        a->head[v] = a->tail[v] = -1;
        gradient[v] = -1;
    }
    for (int k = 0; k < desc->n_seeds; k++) {
        if (a->wants[desc->seeds[k]]) { contribute(a, desc->seeds[k], desc->dseeds[k], 0, 0); }
    }
    enum umb_status st = a->status;
    for (int i = a->g->n_nodes - 1; st == UMB_OK && i >= 0; i--) {
        st = differentiate(a, i, gradient);
    }
    for (int v = 0; st == UMB_OK && v < a->n0; v++) {
        if (a->wants[v] && a->g->value[v].producer < 0) { st = complete(a, v, &gradient[v]); }
    }
    return st;
}

enum umb_status umb__graph_autodiff(struct umb_graph *g, const struct umb_autodiff_desc *desc,
                                    int *ret_gradient)
{
    struct autodiff a = {.g = g, .n0 = g->n_values};
    size_t n0 = (size_t)a.n0;
    a.wants = umb__calloc(g->ctx, n0, sizeof *a.wants);
    a.head = umb__calloc(g->ctx, n0, sizeof *a.head);
    a.tail = umb__calloc(g->ctx, n0, sizeof *a.tail);
    enum umb_status st = a.wants && a.head && a.tail ? UMB_OK : UMB_ERR_NO_MEMORY;
    a.op = (struct umb_grad){.calls = &calls, .wants = a.wants, .n_values = a.n0};
    if (st == UMB_OK) { st = walk(&a, desc, ret_gradient); }
    g->device = 0;
    umb__free(a.wants);
    umb__free(a.head);
    umb__free(a.tail);
    umb__free(a.list);
    return st;
}

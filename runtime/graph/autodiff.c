/*
 * Reverse-mode differentiation. Every value collects contributions to its gradient while nodes are
 * walked backwards; when a node's turn comes its outputs' contributions are complete and are summed
 * (autodiff_sum.c).
 *
 * By rows, each seed has gradients of its own, all from the forward nodes that are there once: a
 * node is differentiated for each seed that it leads to, which for most nodes of a head is one, for
 * its streams' rows alone (autodiff_narrow.c).
 */
#include <stdio.h>
#include <string.h>

#include "autodiff_internal.h"

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

/* "conv1.conv_backward_data"; where several seeds have one, "conv1.conv_backward_data.digit". */
static const char *name_of_gradient(const struct autodiff *a, const char *op)
{
    const struct umb_node *n = &a->g->node[a->node];
    const bool is_one_of = a->leads && (a->leads[n->out[0]] & (a->leads[n->out[0]] - 1));
    if (!is_one_of) { return umb__arena_printf(a->g->arena, "%s.%s", n->name, op); }
    return umb__arena_printf(a->g->arena, "%s.%s.%s", n->name, op, a->desc->row_names[a->row]);
}

static enum umb_status add_node(struct umb_grad *op_grad, const char *op_name, const void *attrs,
                                int n_in, const int *in, int *ret_out)
{
    struct autodiff *a = (struct autodiff *)op_grad;
    struct umb_graph *g = a->g;
    const struct umb_op *op = umb__op_find(op_name);
    if (!op) {
        return umb__fail(g->ctx, UMB_ERR_INVALID, "%s: no op '%s' for its gradient",
                         g->node[a->node].name, op_name);
    }
    const char *name = name_of_gradient(a, op_name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    g->device = device_of_gradient(g, a->node);
    struct umb_graph_node_desc desc = {.op = op,
                                       .attrs = attrs,
                                       .name = name,
                                       .phase = UMB_PHASE_BACKWARD,
                                       .n_in = n_in,
                                       .in = in};
    return umb__graph_node_raw(g, &desc, ret_out);
}

/* Of a node that shows some segments alone, what it gives is for those. */
static void give(struct umb_grad *op, int target, int first, int count, int dvalue)
{
    struct autodiff *a = (struct autodiff *)op;
    struct segments of = {first, count};
    if (a->narrow.count && a->g->value[target].type.n_segments > 0) {
        of = (struct segments){first + a->narrow.first, a->narrow.count};
    }
    umb__autodiff_contribute(a, a->row, target, dvalue, of);
}

static const struct umb_grad_calls calls = {type_of, add_node, give};

static bool stops(const struct autodiff *a, int value)
{
    return a->desc->stop && a->desc->stop[value];
}

/* Nodes. */

/* The segments of a node's outputs that have a gradient in a->row; false: none. */
static bool find_range(const struct autodiff *a, const struct umb_node *n, struct segments *ret)
{
    bool any = false;
    int low = 0, end = 0;
    for (int k = 0; k < n->n_out; k++) {
        const int v = n->out[k];
        if (!a->wants[v] || stops(a, v) || !umb__autodiff_has(a, a->row, v)) { continue; }
        const struct segments of = umb__autodiff_range(a, a->row, v);
        *ret = (struct segments){0, 0};
        if (!of.count) { return true; }
        low = any && low < of.first ? low : of.first;
        end = any && end > of.first + of.count ? end : of.first + of.count;
        any = true;
    }
    *ret = (struct segments){low, end - low};
    return any;
}

static enum umb_status complete_outputs(struct autodiff *a, const struct umb_node *n, int *gradient)
{
    for (int k = 0; k < n->n_out; k++) {
        const int v = n->out[k];
        a->op.dout[k] = -1;
        if (!a->wants[v] || stops(a, v)) { continue; }
        enum umb_status st = umb__autodiff_complete(a, a->row, v, a->narrow, &a->op.dout[k]);
        if (st != UMB_OK) { return st; }
        if (!a->narrow.count) { gradient[umb__autodiff_at(a, a->row, v)] = a->op.dout[k]; }
    }
    return UMB_OK;
}

/* The backward nodes of one forward node for one row, when any of its outputs has a gradient. */
static enum umb_status differentiate_row(struct autodiff *a, const struct umb_node *n,
                                         int *gradient)
{
    const bool joins = strcmp(n->op->name, "join") == 0, takes = strcmp(n->op->name, "rows") == 0;
    struct segments of;
    if (!find_range(a, n, &of)) { return UMB_OK; }
    const bool narrows = a->leads && of.count && (joins || takes || umb__autodiff_can_narrow(a, n));
    a->narrow = narrows ? of : (struct segments){0, 0};
    enum umb_status st = complete_outputs(a, n, gradient);
    if (st != UMB_OK) { return st; }
    a->op.attrs = n->attrs;
    a->op.n_in = n->n_in;
    a->op.n_out = n->n_out;
    a->op.in = a->op.source = n->in;
    a->op.out = n->out;
    if (narrows && joins) { return umb__autodiff_split(a, n, a->op.dout[0]); }
    if (narrows && !takes) { st = umb__autodiff_narrow(a, n); }
    if (st == UMB_OK) { st = n->op->grad(&a->op); }
    return st == UMB_OK ? a->status : st;
}

static enum umb_status differentiate(struct autodiff *a, int node, int *gradient)
{
    const struct umb_node n = a->g->node[node]; /* its arrays stay; the list of nodes may move */
    enum umb_status st = UMB_OK;
    a->node = node;
    for (a->row = 0; st == UMB_OK && a->row < a->n_rows; a->row++) {
        st = differentiate_row(a, &n, gradient);
    }
    return st;
}

/* The gradients of what no node makes, and of values at which the walk stops: of some segments
 * where no more have any. */
static enum umb_status complete_sources(struct autodiff *a, int *gradient)
{
    enum umb_status st = UMB_OK;
    for (int v = 0; st == UMB_OK && v < a->n0; v++) {
        if (!a->wants[v] || (a->g->value[v].producer >= 0 && !stops(a, v))) { continue; }
        for (int row = 0; st == UMB_OK && row < a->n_rows; row++) {
            const struct segments of = a->leads && umb__autodiff_has(a, row, v)
                                           ? umb__autodiff_range(a, row, v)
                                           : (struct segments){0, 0};
            st = umb__autodiff_complete(a, row, v, of, &gradient[umb__autodiff_at(a, row, v)]);
        }
    }
    return st;
}

/* A seed's gradient may be of some segments alone. */
static void contribute_seed(struct autodiff *a, int k)
{
    const struct umb_autodiff_desc *desc = a->desc;
    const struct umb_type *seed = &a->g->value[desc->seeds[k]].type,
                          *dseed = &a->g->value[desc->dseeds[k]].type;
    struct segments of = {0, 0};
    if (!a->wants[desc->seeds[k]]) { return; }
    if (dseed->n_segments > 0 && dseed->n_segments < seed->n_segments) {
        of = (struct segments){dseed->segment - seed->segment, dseed->n_segments};
    }
    umb__autodiff_contribute(a, desc->by_rows ? k : 0, desc->seeds[k], desc->dseeds[k], of);
}

static enum umb_status walk(struct autodiff *a, int *gradient)
{
    const struct umb_autodiff_desc *desc = a->desc;
    umb__graph_wanted(a->g, desc, a->wants);
    if (a->leads) { umb__graph_leads(a->g, desc->n_seeds, desc->seeds, a->leads); }
    for (int i = 0; i < a->n_rows * a->n0; i++) {
        a->head[i] = a->tail[i] = gradient[i] = -1;
    }
    for (int k = 0; k < desc->n_seeds; k++) {
        contribute_seed(a, k);
    }
    enum umb_status st = a->status;
    for (int i = a->g->n_nodes - 1; st == UMB_OK && i >= 0; i--) {
        st = differentiate(a, i, gradient);
    }
    return st == UMB_OK ? complete_sources(a, gradient) : st;
}

static enum umb_status allocate(struct autodiff *a)
{
    struct umb_context *ctx = a->g->ctx;
    const size_t n0 = (size_t)a->n0, n = n0 * (size_t)a->n_rows;
    a->wants = umb__calloc(ctx, n0, sizeof *a->wants);
    a->head = umb__calloc(ctx, n, sizeof *a->head);
    a->tail = umb__calloc(ctx, n, sizeof *a->tail);
    if (!a->wants || !a->head || !a->tail) { return UMB_ERR_NO_MEMORY; }
    if (!a->desc->by_rows) { return UMB_OK; }
    a->leads = umb__calloc(ctx, n0, sizeof *a->leads);
    a->views = umb__calloc(ctx, n0, sizeof *a->views);
    if (!a->leads || !a->views) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < a->n0; v++) {
        a->views[v] = -1;
    }
    return UMB_OK;
}

enum umb_status umb__graph_autodiff(struct umb_graph *g, const struct umb_autodiff_desc *desc,
                                    int *ret_gradient)
{
    struct autodiff a = {
        .g = g, .desc = desc, .n0 = g->n_values, .n_rows = desc->by_rows ? desc->n_seeds : 1};
    if (desc->by_rows && desc->n_seeds > UMB_AUTODIFF_ROWS) {
        return umb__fail(g->ctx, UMB_ERR_INVALID, "gradients of %d seeds; expected at most %d",
                         desc->n_seeds, UMB_AUTODIFF_ROWS);
    }
    enum umb_status st = allocate(&a);
    a.op = (struct umb_grad){.calls = &calls, .wants = a.wants, .n_values = a.n0};
    if (st == UMB_OK) { st = walk(&a, ret_gradient); }
    g->device = 0;
    umb__free(a.wants);
    umb__free(a.leads);
    umb__free(a.head);
    umb__free(a.tail);
    umb__free(a.list);
    umb__free(a.views);
    umb__free(a.view);
    return st;
}

/*
 * Before differentiation: a pooling of 2×2, and a ReLU beside it, go into the convolution that
 * feeds them (conv.h says what that means). The full output is then never written, and its gradient
 * never made: both are read and written through a byte of pass bits a window.
 */
#include <string.h>

#include "conv.h"
#include "graph_edit.h"
#include "pool.h"
#include "readers.h"
#include "steps.h"

/* What stands behind a convolution: the nodes that go, and the value that stays. */
struct tail {
    int pool, relu; /* nodes; relu −1: none */
    int last;       /* value */
    enum umb_conv_pool kind;
};

static enum umb_conv_pool kind_of(const struct umb_graph *g, int node)
{
    const struct umb_node *n = &g->node[node];
    const bool max = strcmp(n->op->name, "max_pool") == 0;
    if (!max && strcmp(n->op->name, "avg_pool") != 0) { return UMB_CONV_POOL_NONE; }
    const struct umb_pool p = umb__pool_forward(n->attrs, &g->value[n->in[0]].type);
    const bool halves = p.h.size == 2 && p.w.size == 2 && p.h.stride == 2 && p.w.stride == 2 &&
                        p.h.before == 0 && p.w.before == 0 && p.h.out == p.x.h / 2 &&
                        p.w.out == p.x.w / 2;
    if (!halves) { return UMB_CONV_POOL_NONE; }
    return max ? UMB_CONV_POOL_MAX : UMB_CONV_POOL_AVG;
}

static bool is_relu(const struct umb_graph *g, int node)
{
    return node >= 0 && strcmp(g->node[node].op->name, "relu") == 0;
}

/* conv → [relu →] pool, or conv → max_pool → relu. */
static bool find_tail(const struct umb_readers *r, int conv, struct tail *ret)
{
    const struct umb_graph *g = r->g;
    const int v = g->node[conv].out[0];
    struct tail t = {.pool = umb__readers_only(r, v), .relu = -1};
    if (is_relu(g, t.pool)) {
        t.relu = t.pool;
        t.pool = umb__readers_only(r, g->node[t.relu].out[0]);
    }
    if (t.pool < 0) { return false; }
    t.kind = kind_of(g, t.pool);
    t.last = g->node[t.pool].out[0];
    const int next = umb__readers_only(r, t.last);
    if (t.kind == UMB_CONV_POOL_MAX && t.relu < 0 && is_relu(g, next)) {
        t.relu = next;
        t.last = g->node[next].out[0];
    }
    *ret = t;
    return t.kind != UMB_CONV_POOL_NONE && g->value[v].base < 0 &&
           g->value[g->node[t.pool].in[0]].base < 0 && g->value[t.last].base < 0;
}

/* Would it pay? */

struct question {
    const struct umb_graph *g;
    const struct umb_device_caps *caps;
    const struct umb_node *conv;
    struct umb_conv_attrs plain, fused;
    struct umb_type x, w, bias, full, pooled, pass;
};

static struct umb_problem problem(const struct question *q, const char *op,
                                  const struct umb_conv_attrs *attrs, int n_in,
                                  const struct umb_type *in, int n_out, const struct umb_type *out)
{
    return (struct umb_problem){.ctx = q->g->ctx,
                                .op = umb__op_find(op),
                                .attrs = attrs,
                                .training = q->g->training,
                                .mixed = q->g->mixed,
                                .caps = q->caps,
                                .n_in = n_in,
                                .n_out = n_out,
                                .in = in,
                                .out = out};
}

static int rank_of(const struct umb_problem *p)
{
    return p->caps ? umb__solver_rank(p) : 0;
}

static bool forward_pays(const struct question *q)
{
    const struct umb_type in[] = {q->x, q->w, q->bias}, out[] = {q->pooled, q->pass};
    const int n_in = q->conv->n_in, n_out = q->g->training ? 2 : 1;
    const struct umb_problem plain = problem(q, "conv", &q->plain, n_in, in, 1, &q->full);
    const struct umb_problem fused = problem(q, "conv", &q->fused, n_in, in, n_out, out);
    return umb__fuse_pays(rank_of(&plain), &fused);
}

static bool data_pays(const struct question *q)
{
    const struct umb_type before[] = {q->full, q->w, q->x};
    const struct umb_type in[] = {q->pooled, q->w, q->x, q->pass};
    const char *const op = "conv_backward_data";
    const struct umb_problem plain = problem(q, op, &q->plain, 3, before, 1, &q->x);
    const struct umb_problem fused = problem(q, op, &q->fused, 4, in, 1, &q->x);
    return umb__fuse_pays(rank_of(&plain), &fused);
}

static bool weights_pay(const struct question *q)
{
    const struct umb_type before[] = {q->x, q->full}, in[] = {q->x, q->pooled, q->pass};
    const struct umb_type out[] = {q->w, q->bias};
    struct umb_conv_attrs attrs = q->fused;
    attrs.dbias = attrs.bias;
    const char *const op = "conv_backward_weights";
    const struct umb_problem plain = problem(q, op, &q->plain, 2, before, 1, out);
    const struct umb_problem fused = problem(q, op, &attrs, 3, in, attrs.bias ? 2 : 1, out);
    return umb__fuse_pays(rank_of(&plain), &fused);
}

static struct question ask(const struct umb_graph *g, const struct umb_device_caps *caps, int conv,
                           const struct tail *t)
{
    const struct umb_node *n = &g->node[conv];
    struct question q = {.g = g,
                         .caps = umb__graph_caps(g, caps, n->device),
                         .conv = n,
                         .plain = *(const struct umb_conv_attrs *)n->attrs,
                         .x = g->value[n->in[0]].type,
                         .w = g->value[n->in[1]].type,
                         .bias = g->value[n->in[n->n_in > 2 ? 2 : 1]].type,
                         .full = g->value[n->out[0]].type,
                         .pooled = g->value[t->last].type};
    q.fused = q.plain;
    q.fused.pool = (int)t->kind;
    q.fused.activation = t->relu >= 0 ? UMB_ACT_RELU : UMB_ACT_LINEAR;
    q.pass = q.pooled;
    q.pass.dtype = UMB_U8;
    return q;
}

/* Values that a gradient may be asked for: something trained lies behind them. */
static bool *mark_trained(const struct umb_graph *g)
{
    bool *trained = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *trained);
    for (int v = 0; trained && v < g->n_values; v++) {
        trained[v] = g->value[v].kind == UMB_VALUE_PARAM;
    }
    for (int i = 0; trained && i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        bool any = false;
        for (int k = 0; k < n->n_in; k++) {
            any = any || trained[n->in[k]];
        }
        for (int k = 0; k < n->n_out; k++) {
            trained[n->out[k]] = any;
        }
    }
    return trained;
}

static bool pays(const struct question *q, const bool *trained)
{
    if (!forward_pays(q)) { return false; }
    if (!q->g->training) { return true; }
    return weights_pay(q) && (!trained[q->conv->in[0]] || data_pays(q));
}

/* Doing it. */

/* The pass bits take the place of the largest's positions, or are a new value. */
static enum umb_status add_pass(struct umb_graph *g, struct umb_node *conv, const struct tail *t,
                                const struct umb_type *type)
{
    const char *name = umb__arena_printf(g->arena, "%s:1", conv->name);
    const int pass = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, type) : -1;
    if (pass < 0) { return UMB_ERR_NO_MEMORY; }
    g->value[pass].device = conv->device;
    conv->out[1] = pass;
    conv->n_out = 2;
    g->value[pass].producer = g->value[conv->out[0]].producer;
    for (int k = 0; k < g->node[t->pool].n_out; k++) {
        g->value[g->node[t->pool].out[k]].producer = -1;
    }
    return UMB_OK;
}

static enum umb_status fuse(struct umb_graph *g, int conv, const struct tail *t,
                            const struct question *q)
{
    struct umb_node *n = &g->node[conv];
    enum umb_status st = UMB_OK;
    if (g->training) { st = add_pass(g, n, t, &q->pass); }
    if (st != UMB_OK) { return st; }
    *(struct umb_conv_attrs *)n->attrs = q->fused;
    const int gone[] = {n->out[0], g->node[t->pool].in[0], g->node[t->pool].out[0]};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        g->value[gone[i]].producer = -1;
    }
    n->out[0] = t->last;
    g->value[t->last].producer = conv;
    g->node[t->pool].op = NULL;
    if (t->relu >= 0) { g->node[t->relu].op = NULL; }
    return UMB_OK;
}

enum umb_status umb__graph_fuse_pool(struct umb_graph *g, const struct umb_device_caps *caps)
{
    const struct umb_op *conv = umb__op_find("conv");
    struct umb_readers r;
    bool *trained = mark_trained(g);
    enum umb_status st = umb__readers_init(&r, g);
    if (!trained) { st = UMB_ERR_NO_MEMORY; }
    for (int i = 0; st == UMB_OK && i < g->n_nodes; i++) {
        const struct umb_conv_attrs *a = g->node[i].attrs;
        struct tail t;
        if (g->node[i].op != conv || a->pool || a->activation != UMB_ACT_LINEAR ||
            !find_tail(&r, i, &t)) {
            continue;
        }
        const struct question q = ask(g, caps, i, &t);
        if (pays(&q, trained)) { st = fuse(g, i, &t, &q); }
    }
    umb__readers_finish(&r);
    umb__free(trained);
    if (st != UMB_OK) { return st; }
    umb__graph_compact(g);
    return umb__graph_verify(g);
}

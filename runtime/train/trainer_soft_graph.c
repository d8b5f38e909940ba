/* Soft sharing in a training graph: penalties, and what they add to gradients. */
#include "soft_share.h"
#include "trainer_soft.h"

/* Whether there is a penalty at all: without, the graph stays as it is, and so do its bits. */
static bool pulls(const struct umb_soft_sharing *d)
{
    return d->every ? d->lambda1 > 0 || d->lambda2 > 0 : d->alpha > 0;
}

static int constant_one(struct umb_graph *g)
{
    const struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    const int v = umb__graph_value(g, "share.one", UMB_VALUE_CONSTANT, &one);
    if (v >= 0) { g->value[v].constant = 1; }
    return v;
}

/* Trunk t's gradient of a parameter; in [T+3] begins with the parameters and the pull. */
static enum umb_status add_to_gradient(struct umb_graph *g, int T, int t, int *in, int *gradient)
{
    const int param = in[t];
    const struct umb_soft_share_attrs attrs = {.trunk = t, .adds = true};
    if (gradient[param] == UMB_GRADIENT_ELSEWHERE) {
        return umb__fail(
            g->ctx, UMB_ERR_UNSUPPORTED,
            "%s: several tasks have it, a balancer compares their gradients of it, and "
            "it is drawn to other trunks'; expected one of these",
            g->value[param].name);
    }
    if (gradient[param] < 0) { return UMB_OK; }
    in[T + 2] = gradient[param];
    g->device = g->value[param].device;
    const char *name = umb__arena_printf(g->arena, "share.%s", g->value[param].name);
    return umb__graph_add(g, UMB_PHASE_BACKWARD, "soft_share_backward", &attrs, name, T + 3, in,
                          &gradient[param]);
}

static enum umb_status add_parameter(struct umb_graph *g, struct umb_soft_values *v, int T, int k,
                                     int one, int *gradient)
{
    int in[UMB_SOFT_MAX_TRUNKS + 3];
    for (int t = 0; t < T; t++) {
        in[t] = v->match.value[k * T + t];
    }
    in[T] = v->pull;
    in[T + 1] = one;
    g->device = g->value[in[0]].device;
    const char *name = umb__arena_printf(g->arena, "share.%s", v->match.name[k]);
    enum umb_status st =
        umb__graph_add(g, UMB_PHASE_BACKWARD, "soft_share", NULL, name, T + 1, in, &v->penalty[k]);
    if (st == UMB_OK) { g->value[v->penalty[k]].output = true; }
    for (int t = 0; st == UMB_OK && t < T; t++) {
        st = add_to_gradient(g, T, t, in, gradient);
    }
    return st;
}

static enum umb_status add_penalties(struct umb_graph *g, struct umb_soft_values *v, int T,
                                     int *gradient)
{
    const struct umb_type type = {.dtype = UMB_F32, .shape = {2, {T, T}}};
    const int one = constant_one(g);
    v->pull = umb__graph_value(g, "share.pull", UMB_VALUE_INPUT, &type);
    enum umb_status st = v->pull < 0 || one < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
    for (int k = 0; st == UMB_OK && k < v->match.n; k++) {
        st = add_parameter(g, v, T, k, one, gradient);
    }
    g->device = 0;
    return st;
}

enum umb_status umb__soft_attach(struct umb_trainer *tr, struct umb_trainer_side *side,
                                 int *gradient)
{
    struct umb_trainer_soft *soft = tr->soft;
    struct umb_graph *g = side->graph;
    if (!soft) { return UMB_OK; }
    struct umb_soft_values *v = umb__arena_calloc(g->arena, 1, sizeof *v);
    if (!v) { return UMB_ERR_NO_MEMORY; }
    v->pull = -1;
    enum umb_status st = umb__soft_match(g, &soft->desc, g->arena, &v->match);
    if (st != UMB_OK) { return umb__fail_prefix(tr->ctx, st, "soft sharing"); }
    if (!soft->told) { umb__log(tr->ctx, UMB_LOG_INFO, "soft sharing: %s", v->match.text); }
    soft->told = true;
    v->penalty = umb__arena_calloc(g->arena, (size_t)v->match.n, sizeof *v->penalty);
    if (!v->penalty) { return UMB_ERR_NO_MEMORY; }
    if (pulls(&soft->desc)) { st = add_penalties(g, v, soft->desc.n_trunks, gradient); }
    side->soft = v;
    return st;
}

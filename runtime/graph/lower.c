/* Chooses a solver for every node and lets it emit its steps; joins that cost nothing emit none. */
#include <string.h>

#include "plan_internal.h"
#include "update.h"

/* Rough speeds for the first schedule, where nothing was measured: fused multiply-adds on every
 * lane at the nominal clock, and what common memory delivers. */
#define GUESSED_CPU_BYTES_PER_NS 40.0
#define GUESSED_GPU_BYTES_PER_NS 300.0
#define LAUNCH_NS 3000.0

/* Through host memory. */
#define GUESSED_TRANSFER_BYTES_PER_NS 5.0
#define TRANSFER_NS 20000.0

static double flops_per_ns(const struct umb_device_caps *caps)
{
    double ghz = caps->clock_mhz ? caps->clock_mhz / 1000.0 : 1.0;
    double lanes = caps->type == UMB_DEVICE_GPU ? 64.0 : 2.0 * caps->float_width;
    return caps->compute_units * ghz * lanes * 2.0;
}

/* Every input of the join was arranged to be made in its place (alias.c). */
static bool join_costs_nothing(const struct umb_graph *g, const struct umb_node *n)
{
    const struct umb_value *out = &g->value[n->out[0]];
    int root = out->base >= 0 ? out->base : n->out[0];
    for (int k = 0; k < n->n_in; k++) {
        if (g->value[n->in[k]].base != root) { return false; }
    }
    return true;
}

static double traffic(const struct umb_problem *p)
{
    double bytes = 0;
    for (int k = 0; k < p->n_in; k++) {
        bytes += (double)umb__type_bytes(&p->in[k]);
    }
    for (int k = 0; k < p->n_out; k++) {
        bytes += (double)umb__type_bytes(&p->out[k]);
    }
    return bytes;
}

bool umb__node_has_steps(const struct umb_graph *g, int node)
{
    const struct umb_node *n = &g->node[node];
    return !(n->op->flags & UMB_OP_VIEW) &&
           !((n->op->flags & UMB_OP_JOIN) && join_costs_nothing(g, n));
}

enum umb_status umb__node_problem(const struct umb_graph *g, int node,
                                  const struct umb_device_caps *caps, struct umb_arena *arena,
                                  struct umb_problem *ret_problem)
{
    const struct umb_node *n = &g->node[node];
    struct umb_type *in = umb__arena_calloc(arena, (size_t)n->n_in + 1, sizeof *in);
    struct umb_type *out = umb__arena_calloc(arena, (size_t)n->n_out + 1, sizeof *out);
    if (!in || !out) { return UMB_ERR_NO_MEMORY; }
    *ret_problem = umb__graph_problem(g, n, caps, in, out);
    return UMB_OK;
}

static enum umb_status emit_node(struct umb_plan *p, struct umb_emit *e)
{
    const struct umb_solver *solver = p->choice[e->node].solver;
    const enum umb_status st = solver->emit(e);
    return st == UMB_OK ? st
                        : umb__fail_prefix(p->ctx, st, "%s (%s)", p->graph->node[e->node].name,
                                           solver->name);
}

bool umb__plan_is_joined(const struct umb_plan *p, int node)
{
    const int maker = node - 1;
    if (maker < 0 || !p->graph->node[maker].feeds_update) { return false; }
    const struct umb_problem problem = {.op = p->graph->node[maker].op};
    return umb__solver_updates(&problem, p->choice[maker].solver);
}

static enum umb_status lower_pair(struct umb_plan *p, struct umb_emit *e)
{
    const struct umb_node *n = &p->graph->node[e->node + 1];
    struct umb_emit_update update = {.in = n->in};
    enum umb_status st = umb__node_problem(p->graph, e->node + 1, e->p.caps, p->arena, &update.p);
    if (st != UMB_OK) { return st; }
    e->update = &update;
    return emit_node(p, e);
}

static const struct umb_tuning *tuning_of(const struct umb_plan_desc *desc, int device)
{
    return device ? desc->more[device - 1].tuning : desc->tuning;
}

static enum umb_status lower_node(struct umb_plan *p, const struct umb_plan_desc *desc, int node)
{
    if (umb__plan_is_joined(p, node)) { return UMB_OK; }
    const struct umb_node *n = &p->graph->node[node];
    struct umb_choice *choice = &p->choice[node];
    if (!umb__node_has_steps(p->graph, node)) { return UMB_OK; }
    struct umb_emit e = {.in = n->in,
                         .out = n->out,
                         .steps = &p->steps,
                         .node = node,
                         .device = n->device,
                         .from = n->n_in ? p->graph->value[n->in[0]].device : n->device};
    const struct umb_device_caps *caps = umb_device_get_caps(p->side[n->device].device);
    enum umb_status st = umb__node_problem(p->graph, node, caps, p->arena, &e.p);
    if (st != UMB_OK) { return st; }
    /* What is made again is made by the same solver, or its bits would differ. */
    const char *name = n->again_of ? n->again_of : n->name;
    const char *wanted = desc->solver_of ? desc->solver_of(desc->solver_user, name) : NULL;
    st = umb__solver_pick(&e.p, tuning_of(desc, n->device), wanted, choice);
    if (st != UMB_OK) { return st; }
    if (!choice->solver) {
        return umb__fail(p->ctx, UMB_ERR_UNSUPPORTED, "%s: no solver %s%s computes this %s on %s",
                         n->name, wanted ? "named " : "", wanted ? wanted : "", n->op->name,
                         e.p.caps->name);
    }
    return umb__plan_is_joined(p, node + 1) ? lower_pair(p, &e) : emit_node(p, &e);
}

/* The node's time: as measured, else guessed from its work, and a launch for each step. */
static double node_ns(const struct umb_plan *p, int node, double flops, double bytes)
{
    const struct umb_device_caps *caps =
        umb_device_get_caps(p->side[p->graph->node[node].device].device);
    const struct umb_choice *c = &p->choice[node];
    const uint64_t measured = umb__tuned_ns(c->tuned, c->solver->name);
    if (measured) { return (double)measured; }
    if (p->graph->node[node].op->flags & UMB_OP_TRANSFER) {
        return bytes / GUESSED_TRANSFER_BYTES_PER_NS + TRANSFER_NS;
    }
    const double compute = flops / flops_per_ns(caps);
    const double move = bytes / (caps->type == UMB_DEVICE_GPU ? GUESSED_GPU_BYTES_PER_NS
                                                              : GUESSED_CPU_BYTES_PER_NS);
    return compute > move ? compute : move;
}

/* Of the node's row; with an update that is part of it, what that does besides, and without the
 * gradient between them. */
static enum umb_status count_work(struct umb_plan *p, int node, double *ret_flops,
                                  double *ret_bytes)
{
    const struct umb_device_caps *caps =
        umb_device_get_caps(p->side[p->graph->node[node].device].device);
    const bool joined = umb__plan_is_joined(p, node + 1);
    *ret_flops = *ret_bytes = 0;
    for (int i = node; i <= node + joined; i++) {
        struct umb_problem problem;
        const enum umb_status st = umb__node_problem(p->graph, i, caps, p->arena, &problem);
        if (st != UMB_OK) { return st; }
        *ret_flops += problem.op->flops ? problem.op->flops(&problem) : 0;
        *ret_bytes += problem.op->bytes ? problem.op->bytes(&problem) : traffic(&problem);
        if (joined && i == node) { *ret_bytes -= 2 * (double)umb__type_bytes(&problem.out[0]); }
    }
    return UMB_OK;
}

/* How much memory a step names: what of its node's work is its share. */
static double touched(const struct umb_plan *p, size_t step)
{
    const struct umb_step *s = &p->steps.step[step];
    double bytes = 1;
    for (size_t k = 0; k < s->n_args; k++) {
        if (!umb__names_value(&s->args[k])) { continue; }
        const struct umb_extent e = umb__extent(p->graph, &p->steps, s->args[k].value);
        bytes += (double)(e.high - e.low);
    }
    return bytes;
}

/* Spreads each node's work over its steps; what the node's row counts stands on its first step. */
static enum umb_status cost_steps(struct umb_plan *p)
{
    size_t n = p->steps.n + 1;
    p->flops = umb__arena_calloc(p->arena, n, sizeof *p->flops);
    p->bytes = umb__arena_calloc(p->arena, n, sizeof *p->bytes);
    p->cost_ns = umb__arena_calloc(p->arena, n, sizeof *p->cost_ns);
    if (!p->flops || !p->bytes || !p->cost_ns) { return UMB_ERR_NO_MEMORY; }
    for (size_t first = 0, end; first < p->steps.n; first = end) {
        int node = p->steps.step[first].node;
        for (end = first; end < p->steps.n && p->steps.step[end].node == node; end++) {}
        const enum umb_status st = count_work(p, node, &p->flops[first], &p->bytes[first]);
        if (st != UMB_OK) { return st; }
        const double ns = node_ns(p, node, p->flops[first], p->bytes[first]);
        double all = 0;
        for (size_t i = first; i < end; i++) {
            all += touched(p, i);
        }
        for (size_t i = first; i < end; i++) {
            p->cost_ns[i] = ns * touched(p, i) / all + LAUNCH_NS;
        }
    }
    return UMB_OK;
}

enum umb_status umb__plan_lower(struct umb_plan *p, const struct umb_plan_desc *desc)
{
    p->choice = umb__arena_calloc(p->arena, (size_t)p->graph->n_nodes + 1, sizeof *p->choice);
    if (!p->choice) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = umb__steps_init(p->ctx, p->graph->n_values, &p->steps);
    for (int i = 0; st == UMB_OK && i < p->graph->n_nodes; i++) {
        st = lower_node(p, desc, i);
    }
    if (st == UMB_OK) { st = umb__plan_share(p); }
    return st == UMB_OK ? cost_steps(p) : st;
}

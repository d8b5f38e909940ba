/*
 * Building a case of an op: its graph, its gradient, its numbers.
 */
#include "trial_internal.h"
#include <math.h>
#include <string.h>

/* The probe. */

static enum umb_status probe_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {.rank = 1, .dim = {1}}};
    return UMB_OK;
}

/* d(Σ c·y)/dy = c: the cotangents are the gradient as they are, the seed being one. */
static enum umb_status probe_grad(struct umb_grad *g)
{
    umb__grad_give(g, 0, umb__grad_in(g, 1));
    return UMB_OK;
}

static void probe_reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[0] += r->in[0].data[i] * r->in[1].data[i];
    }
}

static const struct umb_op probe = {.name = "probe",
                                    .min_in = 2,
                                    .max_in = 2,
                                    .infer = probe_infer,
                                    .grad = probe_grad,
                                    .reference = probe_reference};

/* Building. */

static enum umb_status add_op(struct umb_trial *t, const struct umb_op *op, int *ret_out)
{
    struct umb_graph *g = t->graph;
    struct umb_type types[UMB_TRIAL_MAX_IN];
    int in[UMB_TRIAL_MAX_IN];
    enum umb_status st = umb__case_inputs(t->ctx, t->row, &t->n_data_in, types, t->fills);
    if (st != UMB_OK) { return st; }
    for (int i = 0; i < t->n_data_in; i++) {
        in[i] = umb__graph_value(g, "in", UMB_VALUE_INPUT, &types[i]);
        if (in[i] < 0) { return UMB_ERR_NO_MEMORY; }
    }
    void *attrs = umb__arena_calloc(g->arena, 1, op->attrs_bytes);
    if (!attrs) { return UMB_ERR_NO_MEMORY; }
    umb__attrs_default(op, attrs);
    st = umb__attrs_parse(t->ctx, g->arena, op, attrs, t->row->attrs);
    if (st != UMB_OK) { return st; }
    const struct umb_graph_node_desc desc = {
        .op = op, .attrs = attrs, .name = op->name, .n_in = t->n_data_in, .in = in};
    st = umb__graph_node(g, &desc, ret_out);
    t->op_node = g->n_nodes - 1;
    return st;
}

static enum umb_status add_gradient(struct umb_trial *t, int out)
{
    struct umb_graph *g = t->graph;
    const int cotangent = umb__graph_value(g, "cotangent", UMB_VALUE_INPUT, &g->value[out].type);
    const struct umb_type scalar = {.dtype = UMB_F32, .shape = {.rank = 1, .dim = {1}}};
    const int one = umb__graph_value(g, "one", UMB_VALUE_CONSTANT, &scalar);
    if (cotangent < 0 || one < 0) { return UMB_ERR_NO_MEMORY; }
    g->value[one].constant = 1;
    const int in[2] = {out, cotangent};
    const struct umb_graph_node_desc desc = {.op = &probe, .name = "probe", .n_in = 2, .in = in};
    int seed[UMB_OP_MAX_OUT];
    enum umb_status st = umb__graph_node(g, &desc, seed);
    if (st != UMB_OK) { return st; }
    t->probe_node = g->n_nodes - 1;
    t->gradient = umb__calloc(t->ctx, (size_t)g->n_values, sizeof *t->gradient);
    if (!t->gradient) { return UMB_ERR_NO_MEMORY; }
    const struct umb_autodiff_desc autodiff = {
        .n_seeds = 1, .seeds = seed, .dseeds = &one, .inputs_too = true};
    return umb__graph_autodiff(g, &autodiff, t->gradient);
}

static void fill_ambient(struct umb_trial *t, int value, double *data, int64_t n)
{
    const struct umb_graph *g = t->graph;
    if (value == g->random_value) {
        data[0] = (double)(t->seed & 0x7fffffff);
        data[2] = 3;
        return;
    }
    const struct umb_type *first = &g->value[g->node[t->op_node].in[0]].type;
    const int64_t rows =
        first->n_segments > 0 ? first->shape.dim[0] / first->n_segments : first->shape.dim[0];
    for (int64_t i = 0; i < n; i++) {
        const int64_t real = t->row->flags & UMB_CASE_PARTIAL ? rows - 1 - i : rows;
        data[i] = (double)(real > 1 ? real : 1);
    }
}

static void fill_param(struct umb_trial *t, int value, double *data, int64_t n)
{
    const struct umb_value *v = &t->graph->value[value];
    const struct umb_param_spec *spec = v->spec >= 0 ? &t->graph->spec[v->spec] : NULL;
    const bool ones = spec && spec->init == UMB_INIT_ONES;
    const double scale =
        spec && spec->init == UMB_INIT_FAN_IN && spec->fan_in > 1 ? 1 / sqrt(spec->fan_in) : 1;
    umb__case_fill(ones ? UMB_FILL_POSITIVE : UMB_FILL_NORMAL, 1, t->seed, (uint32_t)value, data,
                   n);
    for (int64_t i = 0; i < n; i++) {
        data[i] = (float)(data[i] * scale);
    }
}

static void fill(struct umb_trial *t, int value)
{
    const struct umb_graph *g = t->graph;
    const struct umb_node *node = &g->node[t->op_node];
    const int64_t n = umb__shape_count(&g->value[value].type.shape);
    double *data = t->data[value];
    const enum umb_value_kind kind = g->value[value].kind;
    if (value == g->rows_value || value == g->random_value) {
        fill_ambient(t, value, data, n);
        return;
    }
    if (kind == UMB_VALUE_PARAM || kind == UMB_VALUE_STATE) {
        fill_param(t, value, data, n);
        return;
    }
    enum umb_fill how = UMB_FILL_NORMAL;
    for (int i = 0; i < t->n_data_in; i++) {
        how = node->in[i] == value ? t->fills[i] : how;
    }
    const int64_t n_classes = umb__shape_channels(&g->value[node->in[0]].type.shape);
    umb__case_fill(how, n_classes, t->seed, (uint32_t)value, data, n);
}

/* A large case is timed, not checked: what its nodes make is drawn too (integers, which may be
 * indices, stay 0), as references in double would take minutes. */
static enum umb_status fill_all(struct umb_trial *t)
{
    const bool large = t->row->flags & UMB_CASE_LARGE;
    const struct umb_graph *g = t->graph;
    t->data = umb__calloc(t->ctx, (size_t)g->n_values, sizeof *t->data);
    if (!t->data) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < g->n_values; v++) {
        const enum umb_value_kind kind = g->value[v].kind;
        const bool made = kind == UMB_VALUE_TEMP;
        if (kind == UMB_VALUE_CONSTANT || (made && !large)) { continue; }
        const int64_t n = umb__shape_count(&g->value[v].type.shape);
        t->data[v] = umb__calloc(t->ctx, (size_t)n, sizeof(double));
        if (!t->data[v]) { return UMB_ERR_NO_MEMORY; }
        if (!made || g->value[v].type.dtype == UMB_F32) { fill(t, v); }
    }
    return large ? UMB_OK : umb__graph_interpret(g, t->data);
}

static enum umb_status list_problem(struct umb_trial *t, int node_index)
{
    const struct umb_graph *g = t->graph;
    const struct umb_node *n = &g->node[node_index];
    struct umb_type *types =
        umb__arena_calloc(g->arena, (size_t)(n->n_in + n->n_out), sizeof *types);
    if (!types) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < n->n_in; i++) {
        types[i] = g->value[n->in[i]].type;
    }
    for (int i = 0; i < n->n_out; i++) {
        types[n->n_in + i] = g->value[n->out[i]].type;
    }
    t->node[t->n_problems] = node_index;
    t->problem[t->n_problems++] = (struct umb_problem){.ctx = t->ctx,
                                                       .op = n->op,
                                                       .attrs = n->attrs,
                                                       .training = g->training,
                                                       .n_in = n->n_in,
                                                       .n_out = n->n_out,
                                                       .in = types,
                                                       .out = types + n->n_in};
    return UMB_OK;
}

static enum umb_status list_problems(struct umb_trial *t)
{
    const struct umb_graph *g = t->graph;
    t->node = umb__calloc(t->ctx, (size_t)g->n_nodes, sizeof *t->node);
    t->problem = umb__calloc(t->ctx, (size_t)g->n_nodes, sizeof *t->problem);
    enum umb_status st = t->node && t->problem ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; i < g->n_nodes && st == UMB_OK; i++) {
        if (i != t->probe_node) { st = list_problem(t, i); }
    }
    return st;
}

static enum umb_status build(struct umb_trial *t, const struct umb_op *op)
{
    const int n_streams = t->row->n_streams ? t->row->n_streams : 1;
    const bool training = op->grad || (t->row->flags & UMB_CASE_TRAINING);
    enum umb_status st = umb__graph_create(t->ctx, training, n_streams, &t->graph);
    int out[UMB_OP_MAX_OUT];
    if (st == UMB_OK) { st = add_op(t, op, out); }
    if (st == UMB_OK && op->grad) { st = add_gradient(t, out[0]); }
    if (st == UMB_OK) { st = list_problems(t); }
    if (st == UMB_OK) { st = fill_all(t); }
    return st;
}

enum umb_status umb__trial_create(struct umb_context *ctx, const struct umb_op *op,
                                  const struct umb_op_case *row, uint64_t seed,
                                  struct umb_trial **ret_trial)
{
    struct umb_trial *t = umb__calloc(ctx, 1, sizeof *t);
    if (!t) { return UMB_ERR_NO_MEMORY; }
    t->ctx = ctx;
    t->row = row;
    t->seed = seed;
    t->probe_node = -1;
    const enum umb_status st = build(t, op);
    if (st != UMB_OK) { goto fail; }
    *ret_trial = t;
    return UMB_OK;
fail:
    umb__trial_destroy(t);
    return st;
}

void umb__trial_destroy(struct umb_trial *t)
{
    if (!t) { return; }
    for (int v = 0; t->data && v < t->graph->n_values; v++) {
        umb__free(t->data[v]);
    }
    umb__free(t->data);
    umb__free(t->gradient);
    umb__free(t->node);
    umb__free(t->problem);
    umb__graph_destroy(t->graph);
    umb__free(t);
}

int umb__trial_n_problems(const struct umb_trial *t)
{
    return t->n_problems;
}

const struct umb_problem *umb__trial_problem(const struct umb_trial *t, int index)
{
    return &t->problem[index];
}

/* For finite differences. */

const struct umb_graph *umb__trial_graph(const struct umb_trial *t)
{
    return t->graph;
}

double *umb__trial_data(struct umb_trial *t, int value)
{
    return t->data[value];
}

int umb__trial_gradient(const struct umb_trial *t, int value)
{
    return t->gradient ? t->gradient[value] : -1;
}

bool umb__trial_is_smooth(const struct umb_trial *t, int index)
{
    const struct umb_value *v = &t->graph->value[t->graph->node[t->op_node].in[index]];
    if (v->type.dtype != UMB_F32 || v->kind == UMB_VALUE_STATE) { return false; }
    if (t->graph->node[t->op_node].op->flags & UMB_OP_LOSS) { return index == 0; }
    return index >= t->n_data_in || t->fills[index] != UMB_FILL_MASK;
}

static void evaluate(struct umb_trial *t, int node_index)
{
    const struct umb_graph *g = t->graph;
    const struct umb_node *n = &g->node[node_index];
    struct umb_ref_tensor tensors[MAX_TENSORS];
    for (int i = 0; i < n->n_in + n->n_out; i++) {
        const int v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        const int64_t count = umb__shape_count(&g->value[v].type.shape);
        tensors[i] = (struct umb_ref_tensor){&g->value[v].type, t->data[v]};
        if (i >= n->n_in) { memset(t->data[v], 0, (size_t)count * sizeof(double)); }
    }
    const struct umb_reference reference = {.attrs = n->attrs,
                                            .training = g->training,
                                            .n_in = n->n_in,
                                            .n_out = n->n_out,
                                            .in = tensors,
                                            .out = tensors + n->n_in};
    n->op->reference(&reference);
}

double umb__trial_probe(struct umb_trial *t)
{
    evaluate(t, t->op_node);
    evaluate(t, t->probe_node);
    return t->data[t->graph->node[t->probe_node].out[0]][0];
}

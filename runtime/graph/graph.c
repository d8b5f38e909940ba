#include "graph.h"

#include <umbel/device.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum umb_status umb__graph_create(struct umb_context *ctx, bool training, int n_streams,
                                  struct umb_graph **ret_graph)
{
    struct umb_graph *g = umb__calloc(ctx, 1, sizeof *g);
    if (!g) { return UMB_ERR_NO_MEMORY; }
    g->ctx = ctx;
    g->training = training;
    g->n_streams = n_streams;
    g->rows_value = -1;
    g->random_value = -1;
    enum umb_status st = umb__arena_create(ctx, &g->arena);
    if (st != UMB_OK) {
        umb__graph_destroy(g);
        return st;
    }
    *ret_graph = g;
    return UMB_OK;
}

void umb__graph_destroy(struct umb_graph *g)
{
    if (!g) { return; }
    umb__arena_destroy(g->arena);
    umb__free(g->value);
    umb__free(g->node);
    umb__free(g->spec);
    umb__names_finish(&g->params);
    umb__free(g);
}

/* Makes room for one more element of an array that doubles; returns the array or NULL. */
static void *room_for_one(struct umb_context *ctx, void *array, int n, int *capacity, size_t size)
{
    if (n < *capacity) { return array; }
    int grown = *capacity ? 2 * *capacity : 64;
    void *p = umb__grow(ctx, array, (size_t)*capacity, (size_t)grown, size);
    if (p) { *capacity = grown; }
    return p;
}

int umb__graph_value(struct umb_graph *g, const char *name, enum umb_value_kind kind,
                     const struct umb_type *type)
{
    const struct umb_type own = *type; /* which may be that of a value, and those move */
    struct umb_value *values =
        room_for_one(g->ctx, g->value, g->n_values, &g->value_capacity, sizeof *values);
    if (!values) { return -1; }
    g->value = values;
    const char *copy = umb__arena_strdup(g->arena, name);
    if (!copy) { return -1; }
    g->value[g->n_values] = (struct umb_value){.name = copy,
                                               .kind = kind,
                                               .type = own,
                                               .producer = -1,
                                               .base = -1,
                                               .spec = -1,
                                               .device = g->device};
    return g->n_values++;
}

int umb__graph_find_value(const struct umb_graph *g, const char *name)
{
    for (int v = 0; v < g->n_values; v++) {
        if (strcmp(g->value[v].name, name) == 0) { return v; }
    }
    return -1;
}

/* The graph's one input of a kind that ops may ask for: real rows per stream, random key. */
static int ambient_value(struct umb_graph *g, enum umb_param_kind kind)
{
    int *slot = kind == UMB_PARAM_ROWS ? &g->rows_value : &g->random_value;
    if (*slot < 0) {
        struct umb_type type = {.dtype = UMB_I32,
                                .shape = {1, {kind == UMB_PARAM_ROWS ? g->n_streams : 4}}};
        *slot =
            umb__graph_value(g, kind == UMB_PARAM_ROWS ? "rows" : "random", UMB_VALUE_INPUT, &type);
        if (*slot >= 0) { g->value[*slot].ambient = true; }
    }
    return *slot;
}

int umb__graph_random(struct umb_graph *g)
{
    return ambient_value(g, UMB_PARAM_RANDOM);
}

/* The value of one parameter: a new one, or the existing one of that name when layers share. */
static enum umb_status param_value(struct umb_graph *g, const char *prefix,
                                   const struct umb_param_spec *spec, int *ret_value)
{
    const char *name = umb__arena_printf(g->arena, "%s.%s", prefix, spec->name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    int v = umb__names_find(&g->params, name); /* other values may be called the same */
    if (v >= 0) {
        if (!umb__shape_equal(&g->value[v].type.shape, &spec->type.shape)) {
            char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
            return umb__fail(g->ctx, UMB_ERR_INVALID,
                             "%s: shared with shape %s, but %s is needed here", name,
                             umb__shape_text(&g->value[v].type.shape, a, sizeof a),
                             umb__shape_text(&spec->type.shape, b, sizeof b));
        }
        *ret_value = v;
        return UMB_OK;
    }
    struct umb_param_spec *specs =
        room_for_one(g->ctx, g->spec, g->n_specs, &g->spec_capacity, sizeof *specs);
    if (!specs) { return UMB_ERR_NO_MEMORY; }
    g->spec = specs;
    const bool kept = spec->kind == UMB_PARAM_STATE || spec->kind == UMB_PARAM_FIXED;
    v = umb__graph_value(g, name, kept ? UMB_VALUE_STATE : UMB_VALUE_PARAM, &spec->type);
    if (v < 0) { return UMB_ERR_NO_MEMORY; }
    g->spec[g->n_specs] = *spec;
    g->spec[g->n_specs].name = g->value[v].name;
    g->value[v].spec = g->n_specs++;
    *ret_value = v;
    return umb__names_add(g->ctx, &g->params, g->value[v].name, v);
}

/* Runs the op's infer on the data inputs; io->params and io->out are its answer, checked. */
static enum umb_status infer_node(struct umb_graph *g, const struct umb_graph_node_desc *desc,
                                  const void *attrs, struct umb_type *in, struct umb_infer *io)
{
    const struct umb_op *op = desc->op;
    if (desc->n_in < op->min_in || desc->n_in > op->max_in) {
        return umb__fail(g->ctx, UMB_ERR_INVALID, "%s: %s takes %d to %d inputs, not %d",
                         desc->name, op->name, op->min_in, op->max_in, desc->n_in);
    }
    for (int i = 0; i < desc->n_in; i++) {
        if (desc->in[i] < 0 || desc->in[i] >= g->n_values) {
            return umb__fail(g->ctx, UMB_ERR_INVALID, "%s: input %d is no value of this network",
                             desc->name, i);
        }
        in[i] = g->value[desc->in[i]].type;
    }
    *io = (struct umb_infer){.ctx = g->ctx,
                             .attrs = attrs,
                             .training = g->training,
                             .n_streams = g->n_streams,
                             .n_in = desc->n_in,
                             .in = in};
    enum umb_status st = op->infer(io);
    for (int k = 0; st == UMB_OK && k < io->n_out; k++) {
        st = umb__shape_check(g->ctx, &io->out[k].shape);
    }
    return st == UMB_OK ? st : umb__fail_prefix(g->ctx, st, "%s", desc->name);
}

static enum umb_status append_node(struct umb_graph *g, const struct umb_graph_node_desc *desc,
                                   bool with_params, int *ret_out)
{
    const struct umb_op *op = desc->op;
    struct umb_node *nodes =
        room_for_one(g->ctx, g->node, g->n_nodes, &g->node_capacity, sizeof *nodes);
    if (!nodes) { return UMB_ERR_NO_MEMORY; }
    g->node = nodes;
    struct umb_node n = {.op = op, .phase = desc->phase, .n_in = desc->n_in, .device = g->device};
    struct umb_type *in = umb__arena_calloc(g->arena, (size_t)desc->n_in + 1, sizeof *in);
    n.name = umb__arena_strdup(g->arena, desc->name);
    n.attrs = umb__arena_calloc(g->arena, 1, op->attrs_bytes ? op->attrs_bytes : 1);
    n.in = umb__arena_calloc(g->arena, (size_t)desc->n_in + UMB_OP_MAX_PARAMS, sizeof *n.in);
    n.out = umb__arena_calloc(g->arena, UMB_OP_MAX_OUT, sizeof *n.out);
    if (!in || !n.name || !n.attrs || !n.in || !n.out) { return UMB_ERR_NO_MEMORY; }
    if (desc->attrs) {
        memcpy(n.attrs, desc->attrs, op->attrs_bytes);
    } else {
        umb__attrs_default(op, n.attrs);
    }

    struct umb_infer io;
    enum umb_status st = infer_node(g, desc, n.attrs, in, &io);
    if (st != UMB_OK) { return st; }
    if (desc->n_in) { memcpy(n.in, desc->in, (size_t)desc->n_in * sizeof *n.in); }
    for (int i = 0; with_params && i < io.n_params; i++) {
        const struct umb_param_spec *spec = &io.params[i];
        if (spec->kind == UMB_PARAM_ROWS || spec->kind == UMB_PARAM_RANDOM) {
            n.in[n.n_in] = ambient_value(g, spec->kind);
            if (n.in[n.n_in] < 0) { return UMB_ERR_NO_MEMORY; }
        } else {
            const bool own = desc->state_name && spec->kind == UMB_PARAM_STATE;
            const char *prefix = own                ? desc->state_name
                                 : desc->param_name ? desc->param_name
                                                    : desc->name;
            st = param_value(g, prefix, spec, &n.in[n.n_in]);
            if (st != UMB_OK) { return st; }
            if (own) { g->value[n.in[n.n_in]].spec = -1; }
        }
        n.n_in++;
    }
    for (int k = 0; k < io.n_out; k++) {
        const char *name = k ? umb__arena_printf(g->arena, "%s:%d", desc->name, k) : n.name;
        n.out[k] = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, &io.out[k]) : -1;
        if (n.out[k] < 0) { return UMB_ERR_NO_MEMORY; }
        g->value[n.out[k]].producer = g->n_nodes;
        if (ret_out) { ret_out[k] = n.out[k]; }
    }
    n.n_out = io.n_out;
    g->node[g->n_nodes++] = n;
    return UMB_OK;
}

enum umb_status umb__graph_node(struct umb_graph *g, const struct umb_graph_node_desc *desc,
                                int *ret_out)
{
    return append_node(g, desc, true, ret_out);
}

enum umb_status umb__graph_node_raw(struct umb_graph *g, const struct umb_graph_node_desc *desc,
                                    int *ret_out)
{
    return append_node(g, desc, false, ret_out);
}

enum umb_status umb__graph_add(struct umb_graph *g, enum umb_phase phase, const char *op,
                               const void *attrs, const char *name, int n_in, const int *in,
                               int *ret_out)
{
    const struct umb_graph_node_desc desc = {.op = umb__op_find(op),
                                             .attrs = attrs,
                                             .name = name,
                                             .phase = phase,
                                             .n_in = n_in,
                                             .in = in};
    return name ? umb__graph_node_raw(g, &desc, ret_out) : UMB_ERR_NO_MEMORY;
}

static enum umb_status broken(const struct umb_graph *g, const char *what, const char *name)
{
    return umb__fail(g->ctx, UMB_ERR_INVALID, "graph: %s: %s", name, what);
}

static enum umb_status verify_value(const struct umb_graph *g, const struct umb_value *v)
{
    if (v->producer >= g->n_nodes) { return broken(g, "its producer does not exist", v->name); }
    if (v->base >= 0) {
        const struct umb_value *base = &g->value[v->base];
        if (v->base >= g->n_values || base->base >= 0) {
            return broken(g, "its base is itself a piece", v->name);
        }
        if (v->base_offset + umb__type_bytes(&v->type) > umb__type_bytes(&base->type)) {
            return broken(g, "it reaches beyond its base", v->name);
        }
        if (v->base_offset % umb__dtype_bytes(v->type.dtype)) {
            return broken(g, "its offset is not aligned", v->name);
        }
    }
    return UMB_OK;
}

enum umb_status umb__graph_verify(const struct umb_graph *g)
{
    for (int v = 0; v < g->n_values; v++) {
        enum umb_status st = verify_value(g, &g->value[v]);
        if (st != UMB_OK) { return st; }
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] < 0 || n->in[k] >= g->n_values) {
                return broken(g, "an input does not exist", n->name);
            }
            const struct umb_value *v = &g->value[n->in[k]];
            if (v->kind == UMB_VALUE_TEMP && (v->producer < 0 || v->producer >= i)) {
                return broken(g, "it reads what no earlier node makes", n->name);
            }
        }
        if (n->device < 0 || n->device >= UMB_MAX_DEVICES) {
            return broken(g, "its device does not exist", n->name);
        }
        for (int k = 0; k < n->n_out; k++) {
            if (g->value[n->out[k]].producer != i) {
                return broken(g, "it does not produce its output", n->name);
            }
            if (g->value[n->out[k]].device != n->device) {
                return broken(g, "its output is on another device", n->name);
            }
        }
    }
    return UMB_OK;
}

struct umb_problem umb__graph_problem(const struct umb_graph *g, const struct umb_node *n,
                                      const struct umb_device_caps *caps, struct umb_type *in,
                                      struct umb_type *out)
{
    for (int k = 0; k < n->n_in; k++) {
        in[k] = g->value[n->in[k]].type;
    }
    for (int k = 0; k < n->n_out; k++) {
        out[k] = g->value[n->out[k]].type;
    }
    return (struct umb_problem){.ctx = g->ctx,
                                .op = n->op,
                                .attrs = n->attrs,
                                .training = g->training,
                                .mixed = g->mixed,
                                .updates = n->feeds_update,
                                .caps = caps,
                                .n_in = n->n_in,
                                .n_out = n->n_out,
                                .in = in,
                                .out = out};
}

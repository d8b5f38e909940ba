/*
 * Packs all trained parameters into one value and their gradients into another, so that one
 * optimizer kernel walks both. Pieces begin at multiples of PACK floats (a vector of the widest
 * device). Both values are kept in the store, which makes them of zeros: nothing ever writes the
 * gaps between the pieces, so they count for nothing in a norm and stay zero under every optimizer.
 * Large ones come last, so that where fuse_update.c takes them out the rest lies together. Where
 * several seeds have gradients of their own of some parameters (shared ones), those come first, so
 * that what is made of those gradients lies together.
 */
#include <string.h>

#include "graph.h"

#define PACK (int64_t)(UMB_PACK_BYTES / sizeof(float))

/* On whatever device. */
static bool has_params(const struct umb_graph *g)
{
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].kind == UMB_VALUE_PARAM) { return true; }
    }
    return false;
}

static bool is_packed(const struct umb_graph *g, int v)
{
    return g->value[v].kind == UMB_VALUE_PARAM && g->value[v].base < 0 &&
           g->value[v].device == g->device;
}

int64_t umb__graph_large_param(const struct umb_graph *g)
{
    int64_t sum = 0;
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        const int64_t n = umb__shape_count(&value->type.shape);
        const bool counts = value->kind == UMB_VALUE_PARAM && value->spec >= 0 &&
                            value->device == g->device && n >= UMB_SMALL_PARAM;
        if (counts && n < UMB_LARGE_PARAM) { sum += n; }
    }
    return sum >= UMB_MANY_PARAMS ? UMB_SMALL_PARAM : UMB_LARGE_PARAM;
}

static int64_t packed_count(const struct umb_graph *g)
{
    int64_t n = 0;
    for (int v = 0; v < g->n_values; v++) {
        if (!is_packed(g, v)) { continue; }
        n += (umb__shape_count(&g->value[v].type.shape) + PACK - 1) / PACK * PACK;
    }
    return n;
}

/* What is packed: gradient[n_gradient] by parameter, −1: none, −2: frozen; n_names[values]: of how
 * many each value is the gradient. */
struct packing {
    struct umb_graph *g;
    const int *gradient;
    int n_gradient;
    const bool *shared; /* [n_gradient] or NULL */
    int *n_names;
};

static bool is_shared(const struct packing *p, int param)
{
    return p->shared && param < p->n_gradient && p->shared[param];
}

static enum umb_status count_names(struct packing *p)
{
    p->n_names = umb__calloc(p->g->ctx, (size_t)p->g->n_values + 1, sizeof *p->n_names);
    for (int v = 0; p->n_names && p->gradient && v < p->n_gradient; v++) {
        if (p->gradient[v] >= 0) { p->n_names[p->gradient[v]]++; }
    }
    return p->n_names ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* True when gradient d may simply be made in its packed place: it is made on that device, and has
 * no other name and one producer. */
static bool can_move(const struct packing *p, int d)
{
    const struct umb_graph *g = p->g;
    const struct umb_value *v = &g->value[d];
    if (v->kind != UMB_VALUE_TEMP || v->base >= 0 || v->producer < 0) { return false; }
    if (v->device != g->device) { return false; }
    return !(g->node[v->producer].op->flags & UMB_OP_VIEW) && p->n_names[d] == 1;
}

/* A value of its own, on g->device, that holds a copy of `from`, or zeros for −1. */
static enum umb_status copied(struct umb_graph *g, int param, int from, int *ret_value)
{
    if (from < 0) {
        const char *name = umb__arena_printf(g->arena, "d(%s).none", g->value[param].name);
        from = name ? umb__graph_value(g, name, UMB_VALUE_CONSTANT, &g->value[param].type) : -1;
        if (from < 0) { return UMB_ERR_NO_MEMORY; }
    }
    const char *name = umb__arena_printf(g->arena, "d(%s).copy", g->value[param].name);
    const struct umb_value *v = &g->value[from];
    const bool is_here = v->kind == UMB_VALUE_CONSTANT || v->device == g->device;
    int out[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__graph_add(g, UMB_PHASE_BACKWARD, is_here ? "sum" : "transfer",
                                              NULL, name, 1, &from, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status place_gradient(const struct packing *p, int param, int packed, size_t offset)
{
    struct umb_graph *g = p->g;
    int d = param < p->n_gradient ? p->gradient[param] : -1;
    if (d == UMB_GRADIENT_FROZEN || d == UMB_GRADIENT_ELSEWHERE) { return UMB_OK; }
    if (d < 0 || !can_move(p, d)) {
        enum umb_status st = copied(g, param, d, &d);
        if (st != UMB_OK) { return st; }
    }
    g->value[d].base = packed;
    g->value[d].base_offset = offset;
    return UMB_OK;
}

/* In which round over the parameters one has its place. */
static int round_of(const struct packing *p, int param, int64_t large)
{
    if (is_shared(p, param)) { return 0; }
    return umb__shape_count(&p->g->value[param].type.shape) < large ? 1 : 2;
}

/* Lays the parameters out, and their gradients beside them where there are any (−1: none). */
static enum umb_status place_all(const struct packing *p, int params, int gradients)
{
    struct umb_graph *g = p->g;
    const int64_t large = umb__graph_large_param(g);
    size_t offset = 0;
    for (int i = 0; i < 3 * params; i++) {
        const int v = i % params, round = i / params;
        if (!is_packed(g, v) || round_of(p, v, large) != round) { continue; }
        g->value[v].base = params;
        g->value[v].base_offset = offset;
        const enum umb_status st = gradients < 0 ? UMB_OK : place_gradient(p, v, gradients, offset);
        if (st != UMB_OK) { return st; }
        const int64_t count = umb__shape_count(&g->value[v].type.shape);
        offset += (size_t)((count + PACK - 1) / PACK * PACK) * sizeof(float);
    }
    return UMB_OK;
}

enum umb_status umb__graph_pack(struct umb_graph *g, const int *gradient, int n_gradient,
                                int *ret_params, int *ret_gradients)
{
    return umb__graph_pack_shared(g, gradient, n_gradient, NULL, ret_params, ret_gradients);
}

enum umb_status umb__graph_pack_shared(struct umb_graph *g, const int *gradient, int n_gradient,
                                       const bool *shared, int *ret_params, int *ret_gradients)
{
    struct umb_type type = {.dtype = UMB_F32, .shape = {1, {packed_count(g)}}};
    struct packing p = {.g = g,
                        .gradient = gradient,
                        .n_gradient = gradient || shared ? n_gradient : 0,
                        .shared = shared};
    int params = -1, gradients = -1;
    if (type.shape.dim[0] == 0 && has_params(g)) {
        *ret_params = *ret_gradients = -1;
        return UMB_OK;
    }
    enum umb_status st = umb__shape_check(g->ctx, &type.shape);
    if (st != UMB_OK) { return umb__fail_prefix(g->ctx, st, "the network's parameters"); }
    st = count_names(&p);
    if (st != UMB_OK) { return st; }
    const char *name = umb__graph_device_name(g, "parameters", g->device);
    params = name ? umb__graph_value(g, name, UMB_VALUE_PARAM, &type) : -1;
    if (params < 0) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK && gradient) {
        name = umb__graph_device_name(g, "gradients", g->device);
        gradients = name ? umb__graph_value(g, name, UMB_VALUE_STATE, &type) : -1;
        if (gradients < 0) { st = UMB_ERR_NO_MEMORY; }
    }
    if (st == UMB_OK) { st = place_all(&p, params, gradients); }
    umb__free(p.n_names);
    if (st != UMB_OK) { return st; }
    *ret_params = params;
    if (ret_gradients) { *ret_gradients = gradients; }
    return UMB_OK;
}

enum umb_status umb__graph_pack_rows(struct umb_graph *g, const char *name, int n_rows,
                                     const struct umb_row_piece *piece, int n_pieces,
                                     int64_t length, int *ret_rows)
{
    struct packing p = {.g = g};
    const struct umb_type type = {.dtype = UMB_F32, .shape = {2, {n_rows, length}}};
    enum umb_status st = umb__shape_check(g->ctx, &type.shape);
    if (st != UMB_OK) { return umb__fail_prefix(g->ctx, st, "the gradients of %d tasks", n_rows); }
    p.n_names = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *p.n_names);
    const int rows = p.n_names ? umb__graph_value(g, name, UMB_VALUE_STATE, &type) : -1;
    if (rows < 0) { st = UMB_ERR_NO_MEMORY; }
    for (int k = 0; st == UMB_OK && k < n_pieces; k++) {
        p.n_names[piece[k].gradient]++;
    }
    for (int k = 0; st == UMB_OK && k < n_pieces; k++) {
        const size_t begin = (size_t)piece[k].row * (size_t)length * sizeof(float);
        int d = piece[k].gradient;
        if (!can_move(&p, d)) { st = copied(g, d, d, &d); }
        if (st != UMB_OK) { break; }
        g->value[d].base = rows;
        g->value[d].base_offset = begin + piece[k].offset;
    }
    umb__free(p.n_names);
    if (st == UMB_OK) { *ret_rows = rows; }
    return st;
}

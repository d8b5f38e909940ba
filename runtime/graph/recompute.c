#include "recompute.h"

#include <string.h>

#include "recompute_internal.h"

int umb__recompute_root(const struct umb_graph *g, int v)
{
    return g->value[v].base >= 0 ? g->value[v].base : v;
}

bool umb__recompute_is_behind(const struct umb_node *n)
{
    return n->phase == UMB_PHASE_BACKWARD || n->phase == UMB_PHASE_UPDATE;
}

/* ---- what can be made again ---- */

/* Every output has memory of its own, which nothing but views shares and the host does not read. */
static bool owns_outputs(const struct umb_graph *g, const struct umb_node *n)
{
    for (int k = 0; k < n->n_out; k++) {
        const struct umb_value *v = &g->value[n->out[k]];
        if (v->kind != UMB_VALUE_TEMP || v->output || v->base >= 0) { return false; }
    }
    return n->n_out > 0;
}

bool umb__recompute_writes_state(const struct umb_graph *g, const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        if (g->value[n->in[k]].kind == UMB_VALUE_STATE) { return true; }
    }
    return false;
}

static void find_copyable(struct umb_recompute *r)
{
    const struct umb_graph *g = r->g;
    for (int i = 0; i < r->n_nodes; i++) {
        const struct umb_node *n = &r->node[i];
        r->can[i] = n->phase == UMB_PHASE_FORWARD &&
                    !(n->op->flags & (UMB_OP_VIEW | UMB_OP_TRANSFER)) && owns_outputs(g, n) &&
                    (!umb__recompute_writes_state(g, n) || n->op->again);
    }
    /* A join's inputs are made within its output. */
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *piece = &g->value[v];
        const int owner = piece->base >= 0 ? g->value[piece->base].producer : -1;
        if (owner >= 0 && piece->producer >= 0 &&
            !(r->node[piece->producer].op->flags & UMB_OP_VIEW)) {
            r->can[owner] = false;
        }
    }
}

static void find_readers(struct umb_recompute *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        r->reader[i] = -1;
    }
    for (int i = r->n_nodes - 1; i >= 0; i--) {
        const struct umb_node *n = &r->node[i];
        for (int k = 0; k < n->n_in && umb__recompute_is_behind(n); k++) {
            const int maker = r->g->value[umb__recompute_root(r->g, n->in[k])].producer;
            if (maker >= 0 && umb__node_reads(n, k)) { r->reader[maker] = i; }
        }
    }
}

static bool overlap(const struct umb_graph *g, int a, int b)
{
    const struct umb_value *x = &g->value[a], *y = &g->value[b];
    return umb__recompute_root(g, a) == umb__recompute_root(g, b) &&
           x->base_offset < y->base_offset + umb__type_bytes(&y->type) &&
           y->base_offset < x->base_offset + umb__type_bytes(&x->type);
}

/* What an optimizer's node reads of parameters, it may have written when it is done. */
static bool updates_input(const struct umb_recompute *r, const struct umb_node *update,
                          const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        if (r->g->value[n->in[k]].kind != UMB_VALUE_PARAM) { continue; }
        for (int j = 0; j < update->n_in; j++) {
            if (overlap(r->g, n->in[k], update->in[j])) { return true; }
        }
    }
    return false;
}

static void find_updates(struct umb_recompute *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        r->until[i] = r->n_nodes;
    }
    for (int u = r->n_nodes - 1; u >= 0; u--) {
        if (r->node[u].phase != UMB_PHASE_UPDATE) { continue; }
        for (int i = 0; i < u; i++) {
            if (r->can[i] && updates_input(r, &r->node[u], &r->node[i])) { r->until[i] = u; }
        }
    }
}

static enum umb_status allocate(struct umb_recompute *r)
{
    const size_t n = (size_t)r->n_nodes + 1, values = (size_t)r->n_values + 1;
    r->node = umb__arena_calloc(r->arena, n, sizeof *r->node);
    r->maker = umb__arena_calloc(r->arena, values, sizeof *r->maker);
    r->reader = umb__arena_calloc(r->arena, n, sizeof *r->reader);
    r->until = umb__arena_calloc(r->arena, n, sizeof *r->until);
    r->can = umb__arena_calloc(r->arena, n, sizeof *r->can);
    r->newest = umb__arena_calloc(r->arena, values, sizeof *r->newest);
    r->cut_start = umb__arena_calloc(r->arena, n + 1, sizeof *r->cut_start);
    const bool ok =
        r->node && r->maker && r->reader && r->until && r->can && r->newest && r->cut_start;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__recompute_open(struct umb_graph *g, struct umb_recompute **ret_r)
{
    struct umb_recompute *r = umb__calloc(g->ctx, 1, sizeof *r);
    if (!r) { return UMB_ERR_NO_MEMORY; }
    *r = (struct umb_recompute){.g = g, .n_nodes = g->n_nodes, .n_values = g->n_values};
    enum umb_status st = umb__arena_create(g->ctx, &r->arena);
    if (st == UMB_OK) { st = allocate(r); }
    if (st != UMB_OK) { goto fail; }
    memcpy(r->node, g->node, (size_t)g->n_nodes * sizeof *r->node);
    for (int v = 0; v < g->n_values; v++) {
        r->maker[v] = g->value[v].producer;
    }
    find_copyable(r);
    find_readers(r);
    find_updates(r);
    st = umb__recompute_apply(r, NULL, 0);
    if (st != UMB_OK) { goto fail; }
    *ret_r = r;
    return UMB_OK;
fail:
    umb__recompute_close(r);
    return st;
}

void umb__recompute_close(struct umb_recompute *r)
{
    if (!r) { return; }
    umb__free(r->to);
    umb__free(r->stands);
    umb__free(r->cut);
    umb__free(r->copy);
    umb__arena_destroy(r->arena);
    umb__free(r);
}

int umb__recompute_n_nodes(const struct umb_recompute *r)
{
    return r->n_nodes;
}

const struct umb_node *umb__recompute_node(const struct umb_recompute *r, int node)
{
    return &r->node[node];
}

bool umb__recompute_can(const struct umb_recompute *r, int node, int reader)
{
    return r->can[node] && reader <= r->until[node];
}

int umb__recompute_reader(const struct umb_recompute *r, int node)
{
    return r->reader[node];
}

int umb__recompute_n_out(const struct umb_recompute *r, int node)
{
    return umb__recompute_writes_state(r->g, &r->node[node]) ? 1 : r->node[node].n_out;
}

int umb__recompute_inputs(const struct umb_recompute *r, int node, int *in)
{
    const struct umb_node *n = &r->node[node];
    const bool stateless = !umb__recompute_writes_state(r->g, n);
    int n_in = 0;
    for (int k = 0; k < n->n_in; k++) {
        const struct umb_value *v = &r->g->value[n->in[k]];
        if (stateless || (v->kind != UMB_VALUE_STATE && !v->ambient)) { in[n_in++] = n->in[k]; }
    }
    for (int k = 1; k < n->n_out && !stateless; k++) {
        in[n_in++] = n->out[k];
    }
    return n_in;
}

/* ---- what stands where in the graph as it is now ---- */

int umb__recompute_n_again(const struct umb_recompute *r)
{
    return r->n_again;
}

int umb__recompute_stands_for(const struct umb_recompute *r, int node)
{
    return r->stands[node];
}

int umb__recompute_maker(const struct umb_recompute *r, int value)
{
    return r->maker[value];
}

int umb__recompute_version(const struct umb_recompute *r, int v, int reader)
{
    const int maker = r->maker[umb__recompute_root(r->g, v)];
    int n = 0;
    if (maker < 0) { return 0; }
    for (int c = r->cut_start[maker]; c < r->cut_start[maker + 1] && r->cut[c] <= reader; c++) {
        n++;
    }
    for (int k = umb__recompute_n_out(r, maker); k < r->node[maker].n_out; k++) {
        if (r->node[maker].out[k] == v) { return 0; }
    }
    return n;
}

int umb__recompute_value(const struct umb_recompute *r, int v, int reader)
{
    const int version = umb__recompute_version(r, v, reader);
    if (version == 0) { return v; }
    for (int c = r->newest[v]; c >= 0; c = r->copy[c].older) {
        if (r->copy[c].version == version) { return r->n_values + c; }
    }
    return -1;
}

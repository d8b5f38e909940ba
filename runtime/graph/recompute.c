#include "recompute.h"

#include <string.h>

/* Copies of copies' inputs are made by recursion; deeper than this the first result is read. */
#define DEEPEST 256

struct umb_recompute {
    struct umb_graph *g;
    struct umb_arena *arena;
    struct umb_node *node; /* as the graph had them */
    int n_nodes, n_values;
    int *maker;          /* [values] */
    int *reader;         /* [nodes] see umb__recompute_reader */
    int *until;          /* [nodes] the first node that updates a parameter it reads */
    bool *can;           /* [nodes] whatever the reader */
    const bool *again;   /* [nodes] of the rewriting at work */
    int *copy;           /* [values] what is read in place of it, −1: nothing yet */
    struct umb_node *to; /* the new list */
    int n_to, n_again;
};

static int root_of(const struct umb_graph *g, int v)
{
    return g->value[v].base >= 0 ? g->value[v].base : v;
}

static bool is_behind(const struct umb_node *n)
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

static bool writes_state(const struct umb_graph *g, const struct umb_node *n)
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
        r->can[i] = n->phase == UMB_PHASE_FORWARD && !(n->op->flags & UMB_OP_VIEW) &&
                    owns_outputs(g, n) && (!writes_state(g, n) || n->op->again);
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
        for (int k = 0; k < n->n_in && is_behind(n); k++) {
            const int maker = r->g->value[root_of(r->g, n->in[k])].producer;
            if (maker >= 0) { r->reader[maker] = i; }
        }
    }
}

static bool overlap(const struct umb_graph *g, int a, int b)
{
    const struct umb_value *x = &g->value[a], *y = &g->value[b];
    return root_of(g, a) == root_of(g, b) &&
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

enum umb_status umb__recompute_open(struct umb_graph *g, struct umb_recompute **ret_r)
{
    struct umb_recompute *r = umb__calloc(g->ctx, 1, sizeof *r);
    if (!r) { return UMB_ERR_NO_MEMORY; }
    const size_t n = (size_t)g->n_nodes + 1;
    *r = (struct umb_recompute){.g = g, .n_nodes = g->n_nodes, .n_values = g->n_values};
    enum umb_status st = umb__arena_create(g->ctx, &r->arena);
    if (st != UMB_OK) { goto fail; }
    r->node = umb__arena_calloc(r->arena, n, sizeof *r->node);
    r->maker = umb__arena_calloc(r->arena, (size_t)g->n_values + 1, sizeof *r->maker);
    r->reader = umb__arena_calloc(r->arena, n, sizeof *r->reader);
    r->until = umb__arena_calloc(r->arena, n, sizeof *r->until);
    r->can = umb__arena_calloc(r->arena, n, sizeof *r->can);
    r->copy = umb__arena_calloc(r->arena, (size_t)g->n_values + 1, sizeof *r->copy);
    st = r->node && r->maker && r->reader && r->until && r->can && r->copy ? UMB_OK
                                                                           : UMB_ERR_NO_MEMORY;
    if (st != UMB_OK) { goto fail; }
    memcpy(r->node, g->node, (size_t)g->n_nodes * sizeof *r->node);
    for (int v = 0; v < g->n_values; v++) {
        r->maker[v] = g->value[v].producer;
    }
    find_copyable(r);
    find_readers(r);
    find_updates(r);
    *ret_r = r;
    return UMB_OK;
fail:
    umb__recompute_close(r);
    return st;
}

void umb__recompute_close(struct umb_recompute *r)
{
    if (!r) { return; }
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

int umb__recompute_maker(const struct umb_recompute *r, int value)
{
    return value < r->n_values ? r->maker[value] : -1;
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
    return writes_state(r->g, &r->node[node]) ? 1 : r->node[node].n_out;
}

int umb__recompute_inputs(const struct umb_recompute *r, int node, int *in)
{
    const struct umb_node *n = &r->node[node];
    const bool stateless = !writes_state(r->g, n);
    int n_in = 0;
    for (int k = 0; k < n->n_in; k++) {
        const int v = n->in[k];
        const bool ambient = v == r->g->rows_value || v == r->g->random_value;
        if (stateless || (r->g->value[v].kind != UMB_VALUE_STATE && !ambient)) { in[n_in++] = v; }
    }
    for (int k = 1; k < n->n_out && !stateless; k++) {
        in[n_in++] = n->out[k];
    }
    return n_in;
}

int umb__recompute_n_again(const struct umb_recompute *r)
{
    return r->n_again;
}

/* ---- rewriting ---- */

/* What a reader at node `reader` takes in place of v: a copy, made now if it is the first; v itself
 * where there is none. −1: no memory. */
static int in_place_of(struct umb_recompute *r, int v, int reader, int depth);

/* A value like v, which is a piece of `base` (−1: none). */
static int value_like(struct umb_recompute *r, int v, int base)
{
    struct umb_graph *g = r->g;
    const struct umb_value like = g->value[v];
    const char *name = umb__arena_printf(g->arena, "%s.again", like.name);
    const int made = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, &like.type) : -1;
    if (made < 0) { return -1; }
    g->value[made].base = base;
    g->value[made].base_offset = like.base_offset;
    return made;
}

/* Appends a copy of the node that reads in[n_in] and makes out[n_out]; false: no memory. */
static bool append_copy(struct umb_recompute *r, const struct umb_node *n, const int *in, int n_in,
                        const int *out, int n_out)
{
    struct umb_arena *arena = r->g->arena;
    struct umb_node copy = *n;
    copy.name = umb__arena_printf(arena, "%s.again", n->name);
    copy.in = umb__arena_calloc(arena, (size_t)n_in + 1, sizeof *copy.in);
    copy.out = umb__arena_calloc(arena, (size_t)n_out + 1, sizeof *copy.out);
    if (!copy.name || !copy.in || !copy.out) { return false; }
    memcpy(copy.in, in, (size_t)n_in * sizeof *in);
    memcpy(copy.out, out, (size_t)n_out * sizeof *out);
    copy.n_in = n_in;
    copy.n_out = n_out;
    copy.phase = UMB_PHASE_BACKWARD;
    copy.again_of = n->name;
    r->to[r->n_to++] = copy;
    return true;
}

static bool copy_node(struct umb_recompute *r, int node, int reader, int depth)
{
    const struct umb_node *n = &r->node[node];
    struct umb_node like = *n;
    int out[UMB_OP_MAX_OUT];
    int *in = umb__arena_calloc(r->arena, (size_t)(n->n_in + n->n_out) + 1, sizeof *in);
    if (!in) { return false; }
    const int n_in = umb__recompute_inputs(r, node, in), n_out = umb__recompute_n_out(r, node);
    for (int k = 0; k < n_in; k++) {
        in[k] = in_place_of(r, in[k], reader, depth + 1);
        if (in[k] < 0) { return false; }
    }
    for (int k = 0; k < n_out; k++) {
        out[k] = r->copy[n->out[k]] = value_like(r, n->out[k], -1);
        if (out[k] < 0) { return false; }
    }
    if (writes_state(r->g, n)) { like.op = umb__op_find(n->op->again); }
    r->n_again++;
    return append_copy(r, &like, in, n_in, out, n_out);
}

/* The view of a copy that v is of what was copied. */
static int copy_view(struct umb_recompute *r, int v, int reader, int depth)
{
    const struct umb_node *n = &r->node[r->g->value[v].producer];
    const int in = in_place_of(r, n->in[0], reader, depth + 1);
    if (in < 0 || in == n->in[0]) { return in < 0 ? -1 : v; }
    const int out = value_like(r, v, root_of(r->g, in));
    if (out < 0 || !append_copy(r, n, &in, 1, &out, 1)) { return -1; }
    return r->copy[v] = out;
}

static int in_place_of(struct umb_recompute *r, int v, int reader, int depth)
{
    const int root = root_of(r->g, v), maker = r->g->value[root].producer;
    if (maker < 0 || !r->again[maker]) { return v; }
    if (r->copy[v] >= 0) { return r->copy[v]; }
    if (depth > DEEPEST || !umb__recompute_can(r, maker, reader)) { return v; }
    if (root != v) { return copy_view(r, v, reader, depth); }
    for (int k = umb__recompute_n_out(r, maker); k < r->node[maker].n_out; k++) {
        if (r->node[maker].out[k] == v) { return v; }
    }
    return copy_node(r, maker, reader, depth) ? r->copy[v] : -1;
}

/* Node i of the old list, behind the copies that it is the first to read. */
static enum umb_status append_reader(struct umb_recompute *r, int i)
{
    struct umb_node n = r->node[i];
    int *in = NULL;
    for (int k = 0; k < n.n_in && is_behind(&n); k++) {
        const int v = in_place_of(r, n.in[k], i, 0);
        if (v < 0) { return UMB_ERR_NO_MEMORY; }
        if (v == n.in[k]) { continue; }
        if (!in) {
            in = umb__arena_calloc(r->g->arena, (size_t)n.n_in, sizeof *in);
            if (!in) { return UMB_ERR_NO_MEMORY; }
            memcpy(in, n.in, (size_t)n.n_in * sizeof *in);
        }
        in[k] = v;
    }
    if (in) { n.in = in; }
    r->to[r->n_to++] = n;
    return UMB_OK;
}

/* The new list in place of the graph's; who makes what. */
static void replace(struct umb_recompute *r, int capacity)
{
    struct umb_graph *g = r->g;
    umb__free(g->node);
    g->node = r->to;
    g->n_nodes = r->n_to;
    g->node_capacity = capacity;
    r->to = NULL;
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_out; k++) {
            g->value[g->node[i].out[k]].producer = i;
        }
    }
}

/* The values and their makers as they were when the graph was opened. */
static void restore(struct umb_recompute *r)
{
    r->g->n_values = r->n_values;
    for (int v = 0; v < r->n_values; v++) {
        r->g->value[v].producer = r->maker[v];
        r->copy[v] = -1;
    }
}

enum umb_status umb__recompute_apply(struct umb_recompute *r, const bool *again)
{
    const int capacity = 2 * r->n_nodes + 1;
    r->to = umb__calloc(r->g->ctx, (size_t)capacity, sizeof *r->to);
    if (!r->to) { return UMB_ERR_NO_MEMORY; }
    restore(r);
    r->again = again;
    r->n_to = r->n_again = 0;
    enum umb_status st = UMB_OK;
    for (int i = 0; st == UMB_OK && i < r->n_nodes; i++) {
        st = append_reader(r, i);
    }
    if (st != UMB_OK) {
        umb__free(r->to);
        r->to = NULL;
        return st;
    }
    replace(r, capacity);
    return umb__graph_verify(r->g);
}

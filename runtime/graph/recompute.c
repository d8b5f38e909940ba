#include "recompute.h"

#include <string.h>

/* Copies of copies' inputs are made by recursion; deeper than this the first result is read. */
#define DEEPEST 256

/* One value of the rewritten graph that is no original. */
struct copy {
    int of, version; /* which of the originals; behind so many of its maker's cuts */
    int older;       /* the copy of the same before it, −1 */
};

struct umb_recompute {
    struct umb_graph *g;
    struct umb_arena *arena;
    struct umb_node *node; /* as the graph had them */
    int n_nodes, n_values;
    int *maker;  /* [values] */
    int *reader; /* [nodes] see umb__recompute_reader */
    int *until;  /* [nodes] the first node that updates a parameter it reads */
    bool *can;   /* [nodes] whatever the reader */
    /* Of the rewriting at work, or the latest: */
    int *cut_start,
        *cut;    /* [nodes]: those of node i are cut[cut_start[i] … cut_start[i+1]), rising */
    int *newest; /* [values] copy, as an index into copy[], −1 */
    struct copy *copy;
    int n_copies, copy_capacity;
    struct umb_node *to; /* the new list, */
    int *stands;         /* and for which of the old nodes each was put there */
    int n_to, to_capacity, n_again;
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

/* How many cuts of what makes the original v lie before a reader: which version it reads. */
static int version_for(const struct umb_recompute *r, int v, int reader)
{
    const int maker = r->maker[root_of(r->g, v)];
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
    const int version = version_for(r, v, reader);
    if (version == 0) { return v; }
    for (int c = r->newest[v]; c >= 0; c = r->copy[c].older) {
        if (r->copy[c].version == version) { return r->n_values + c; }
    }
    return -1;
}

/* ---- rewriting ---- */

/* What a reader at node `reader` takes in place of v: a copy, made now if it is the first; v itself
 * where there is none. −1: no memory. */
static int in_place_of(struct umb_recompute *r, int v, int reader, int depth);

static bool append_node(struct umb_recompute *r, const struct umb_node *n, int reader)
{
    if (r->n_to == r->to_capacity) {
        const size_t had = (size_t)r->to_capacity, grown = had ? 2 * had : (size_t)r->n_nodes + 64;
        struct umb_node *to = umb__grow(r->g->ctx, r->to, had, grown, sizeof *to);
        if (!to) { return false; }
        r->to = to;
        int *stands = umb__grow(r->g->ctx, r->stands, had, grown, sizeof *stands);
        if (!stands) { return false; }
        r->stands = stands;
        r->to_capacity = (int)grown;
    }
    r->stands[r->n_to] = reader;
    r->to[r->n_to++] = *n;
    return true;
}

/* A further version of the value v, which is a piece of `base` (−1: none). */
static int add_version(struct umb_recompute *r, int v, int version, int base)
{
    struct umb_graph *g = r->g;
    const struct umb_value like = g->value[v];
    if (r->n_copies == r->copy_capacity) {
        const int grown = r->copy_capacity ? 2 * r->copy_capacity : 64;
        struct copy *copies =
            umb__grow(g->ctx, r->copy, (size_t)r->copy_capacity, (size_t)grown, sizeof *copies);
        if (!copies) { return -1; }
        r->copy = copies;
        r->copy_capacity = grown;
    }
    const char *name =
        umb__arena_printf(g->arena, version > 1 ? "%s.again%d" : "%s.again", like.name, version);
    const int made = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, &like.type) : -1;
    if (made < 0) { return -1; }
    g->value[made].base = base;
    g->value[made].base_offset = like.base_offset;
    r->copy[r->n_copies] = (struct copy){v, version, r->newest[v]};
    r->newest[v] = r->n_copies++;
    return made;
}

/* Appends a copy of the node that reads in[n_in] and makes out[n_out]; false: no memory. */
static bool append_copy(struct umb_recompute *r, const struct umb_node *n, int reader,
                        const int *in, int n_in, const int *out, int n_out)
{
    struct umb_graph *g = r->g;
    struct umb_node copy = *n;
    const char *name = g->value[out[0]].name, *was = g->value[n->out[0]].name;
    copy.name = umb__arena_printf(g->arena, "%s%s", n->name, name + strlen(was));
    copy.in = umb__arena_calloc(g->arena, (size_t)n_in + 1, sizeof *copy.in);
    copy.out = umb__arena_calloc(g->arena, (size_t)n_out + 1, sizeof *copy.out);
    if (!copy.name || !copy.in || !copy.out) { return false; }
    memcpy(copy.in, in, (size_t)n_in * sizeof *in);
    memcpy(copy.out, out, (size_t)n_out * sizeof *out);
    copy.n_in = n_in;
    copy.n_out = n_out;
    copy.phase = UMB_PHASE_BACKWARD;
    copy.again_of = n->name;
    return append_node(r, &copy, reader);
}

static bool copy_node(struct umb_recompute *r, int node, int version, int reader, int depth)
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
        out[k] = add_version(r, n->out[k], version, -1);
        if (out[k] < 0) { return false; }
    }
    if (writes_state(r->g, n)) { like.op = umb__op_find(n->op->again); }
    r->n_again++;
    return append_copy(r, &like, reader, in, n_in, out, n_out);
}

/* The view of a copy that v is of what was copied. */
static int copy_view(struct umb_recompute *r, int v, int version, int reader, int depth)
{
    const struct umb_node *n = &r->node[r->maker[v]];
    const int in = in_place_of(r, n->in[0], reader, depth + 1);
    if (in < 0 || in == n->in[0]) { return in < 0 ? -1 : v; }
    const int out = add_version(r, v, version, root_of(r->g, in));
    return out >= 0 && append_copy(r, n, reader, &in, 1, &out, 1) ? out : -1;
}

static int in_place_of(struct umb_recompute *r, int v, int reader, int depth)
{
    const int version = version_for(r, v, reader), there = umb__recompute_value(r, v, reader);
    if (there >= 0) { return there; }
    const int root = root_of(r->g, v), maker = r->maker[root];
    if (depth > DEEPEST || !umb__recompute_can(r, maker, reader)) { return v; }
    if (root != v) { return copy_view(r, v, version, reader, depth); }
    if (!copy_node(r, maker, version, reader, depth)) { return -1; }
    return umb__recompute_value(r, v, reader);
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
    return append_node(r, &n, i) ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* The cuts by node, each node's in rising order. */
static enum umb_status sort_cuts(struct umb_recompute *r, const struct umb_cut *cut, int n)
{
    umb__free(r->cut);
    r->cut = umb__calloc(r->g->ctx, (size_t)n + 1, sizeof *r->cut);
    if (!r->cut) { return UMB_ERR_NO_MEMORY; }
    memset(r->cut_start, 0, ((size_t)r->n_nodes + 1) * sizeof *r->cut_start);
    for (int c = 0; c < n; c++) {
        r->cut_start[cut[c].node + 1]++;
    }
    for (int i = 0; i < r->n_nodes; i++) {
        r->cut_start[i + 1] += r->cut_start[i];
    }
    for (int c = 0; c < n; c++) {
        int at = r->cut_start[cut[c].node];
        while (r->cut[at] && r->cut[at] - 1 < cut[c].at) { /* kept one higher meanwhile */
            at++;
        }
        int put = cut[c].at + 1;
        for (; at < r->cut_start[cut[c].node + 1]; at++) {
            const int moved = r->cut[at];
            r->cut[at] = put;
            if (!moved) { break; }
            put = moved;
        }
    }
    for (int c = 0; c < n; c++) {
        r->cut[c]--;
    }
    return UMB_OK;
}

/* The values and their makers as they were when the graph was opened. */
static void restore(struct umb_recompute *r)
{
    r->g->n_values = r->n_values;
    for (int v = 0; v < r->n_values; v++) {
        r->g->value[v].producer = r->maker[v];
        r->newest[v] = -1;
    }
    r->n_copies = r->n_to = r->n_again = 0;
}

/* The new list becomes the graph's, and its old one room for the next. */
static void replace(struct umb_recompute *r)
{
    struct umb_graph *g = r->g;
    umb__free(g->node);
    g->node = r->to;
    g->n_nodes = r->n_to;
    g->node_capacity = r->to_capacity;
    r->to = NULL;
    r->to_capacity = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_out; k++) {
            g->value[g->node[i].out[k]].producer = i;
        }
    }
}

enum umb_status umb__recompute_apply(struct umb_recompute *r, const struct umb_cut *cut, int n_cuts)
{
    enum umb_status st = sort_cuts(r, cut, n_cuts);
    if (st != UMB_OK) { return st; }
    umb__free(r->stands);
    r->stands = NULL;
    restore(r);
    for (int i = 0; st == UMB_OK && i < r->n_nodes; i++) {
        st = append_reader(r, i);
    }
    if (st != UMB_OK) { return st; }
    replace(r);
    return umb__graph_verify(r->g);
}

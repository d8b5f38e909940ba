/* Rewriting a graph by cuts: the nodes in their old order, each behind the copies that it is the
 * first to read. */
#include <string.h>

#include "recompute_internal.h"

/* Copies of copies' inputs are made by recursion; deeper than this the first result is read. */
#define DEEPEST 256

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
        struct umb_copy *copies =
            umb__grow(g->ctx, r->copy, (size_t)r->copy_capacity, (size_t)grown, sizeof *copies);
        if (!copies) { return -1; }
        r->copy = copies;
        r->copy_capacity = grown;
    }
    const char *name =
        umb__arena_printf(g->arena, version > 1 ? "%s.again%d" : "%s.again", like.name, version);
    const int made = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, &like.type) : -1;
    if (made < 0) { return -1; }
    g->value[made].device = like.device;
    g->value[made].base = base;
    g->value[made].base_offset = like.base_offset;
    r->copy[r->n_copies] = (struct umb_copy){v, version, r->newest[v]};
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
    copy.reads = NULL;
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
    if (umb__recompute_writes_state(r->g, n)) { like.op = umb__op_find(n->op->again); }
    r->n_again++;
    return append_copy(r, &like, reader, in, n_in, out, n_out);
}

/* The view of a copy that v is of what was copied. */
static int copy_view(struct umb_recompute *r, int v, int version, int reader, int depth)
{
    const struct umb_node *n = &r->node[r->maker[v]];
    const int in = in_place_of(r, n->in[0], reader, depth + 1);
    if (in < 0 || in == n->in[0]) { return in < 0 ? -1 : v; }
    const int out = add_version(r, v, version, umb__recompute_root(r->g, in));
    return out >= 0 && append_copy(r, n, reader, &in, 1, &out, 1) ? out : -1;
}

static int in_place_of(struct umb_recompute *r, int v, int reader, int depth)
{
    const int version = umb__recompute_version(r, v, reader),
              there = umb__recompute_value(r, v, reader);
    if (there >= 0) { return there; }
    const int root = umb__recompute_root(r->g, v), maker = r->maker[root];
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
    for (int k = 0; k < n.n_in && umb__recompute_is_behind(&n); k++) {
        if (!umb__node_reads(&n, k)) { continue; }
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

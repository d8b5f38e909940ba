/*
 * An order of the backward nodes that needs less memory on one queue of each device: of two
 * neighbours on a device that do not read each other, the one goes first that leaves less alive
 * while the other runs. So gradients to weights, which end the life of an activation, come before
 * gradients to data, which begin one. Neighbours are looked at again and again, a fixed number of
 * times, like bubbles in a sort. What other devices do stands between them, and stays.
 */
#include <string.h>

#include "fit.h"
#include "plan_schedule.h"

#define ROUNDS 8

static int root_of(const struct umb_graph *g, int v)
{
    return g->value[v].base >= 0 ? g->value[v].base : v;
}

/* Nodes that write nothing but their outputs. The two of a gradient and its update stay together.
 */
static bool may_move(const struct umb_graph *g, const struct umb_node *n)
{
    if (n->phase != UMB_PHASE_BACKWARD || n->feeds_update) { return false; }
    if (n->op->flags & UMB_OP_TRANSFER) { return false; }
    for (int k = 0; k < n->n_in; k++) {
        if (g->value[n->in[k]].kind == UMB_VALUE_STATE) { return false; }
    }
    return true;
}

static bool reads(const struct umb_graph *g, const struct umb_node *n, int root)
{
    for (int k = 0; k < n->n_in; k++) {
        if (root_of(g, n->in[k]) == root) { return true; }
    }
    return false;
}

/* n reads what the node makes. */
static bool reads_any_of(const struct umb_graph *g, const struct umb_node *n,
                         const struct umb_node *maker)
{
    for (int k = 0; k < maker->n_out; k++) {
        if (reads(g, n, root_of(g, maker->out[k]))) { return true; }
    }
    return false;
}

/* Bytes that come alive with the node; pieces of a larger whole do so with others. */
static double begun(const struct umb_graph *g, const struct umb_node *n)
{
    double bytes = 0;
    for (int k = 0; k < n->n_out; k++) {
        const struct umb_value *v = &g->value[n->out[k]];
        if (v->base < 0) { bytes += (double)umb__type_bytes(&v->type); }
    }
    return bytes;
}

/* Beyond its type. */
static bool really_reads(const struct umb_graph *g, const struct umb_node *n, int root)
{
    for (int k = 0; k < n->n_in; k++) {
        if (umb__node_reads(n, k) && root_of(g, n->in[k]) == root) { return true; }
    }
    return false;
}

/* Bytes that nothing reads behind the neighbours, and `other` does not read either. */
static double ended(const struct umb_graph *g, const int *last, const struct umb_node *n,
                    const struct umb_node *other, int second)
{
    double bytes = 0;
    for (int k = 0; k < n->n_in; k++) {
        const int root = root_of(g, n->in[k]);
        bool again = false;
        for (int j = 0; j < k; j++) {
            again = again || root_of(g, n->in[j]) == root;
        }
        if (!again && umb__in_scratch(g, root) && umb__node_reads(n, k) && last[root] <= second &&
            !really_reads(g, other, root)) {
            bytes += (double)umb__type_bytes(&g->value[root].type);
        }
    }
    return bytes;
}

/* The most that is alive beside what is so before both, of n and then m. */
static double peak(const struct umb_graph *g, const int *last, const struct umb_node *n,
                   const struct umb_node *m, int second)
{
    const double alone = begun(g, n), both = alone - ended(g, last, n, m, second) + begun(g, m);
    return alone > both ? alone : both;
}

static void note_readers(const struct umb_graph *g, const struct umb_node *n, int place, int *last)
{
    for (int k = 0; k < n->n_in; k++) {
        int *at = &last[root_of(g, n->in[k])];
        if (umb__node_reads(n, k) && place > *at) { *at = place; }
    }
}

/* The next of the device's kernels; n_nodes: none. */
static int next_beside(const struct umb_graph *g, int i)
{
    int j = i + 1;
    while (j < g->n_nodes &&
           (g->node[j].device != g->node[i].device || (g->node[j].op->flags & UMB_OP_TRANSFER))) {
        j++;
    }
    return j;
}

static bool reads_any_from(const struct umb_graph *g, const struct umb_node *n, int from, int end)
{
    for (int i = from; i < end; i++) {
        if (reads_any_of(g, n, &g->node[i])) { return true; }
    }
    return false;
}

/* Node j goes in front of node i. Nothing between them writes what it reads but by making it: that
 * is on other devices, or comes from there. */
static void move(struct umb_graph *g, int j, int i)
{
    const struct umb_node moved = g->node[j];
    memmove(&g->node[i + 1], &g->node[i], (size_t)(j - i) * sizeof moved);
    g->node[i] = moved;
}

static bool improve(struct umb_graph *g, int *last)
{
    bool any = false;
    for (int i = 0; i + 1 < g->n_nodes; i++) {
        const struct umb_node *a = &g->node[i];
        if (!may_move(g, a)) { continue; }
        const int j = next_beside(g, i);
        const struct umb_node *b = &g->node[j];
        if (j == g->n_nodes || !may_move(g, b) || reads_any_from(g, b, i, j) ||
            peak(g, last, b, a, j) >= peak(g, last, a, b, j)) {
            continue;
        }
        move(g, j, i);
        any = true;
    }
    return any;
}

enum umb_status umb__graph_reorder(struct umb_graph *g)
{
    int *last = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *last);
    if (!last) { return UMB_ERR_NO_MEMORY; }
    for (int r = 0; r < ROUNDS; r++) {
        for (int v = 0; v < g->n_values; v++) {
            last[v] = -1;
        }
        for (int i = 0; i < g->n_nodes; i++) {
            note_readers(g, &g->node[i], i, last);
        }
        if (!improve(g, last)) { break; }
    }
    umb__free(last);
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_out; k++) {
            g->value[g->node[i].out[k]].producer = i;
        }
    }
    return umb__graph_verify(g);
}

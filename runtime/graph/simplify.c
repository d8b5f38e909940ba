/*
 * Moves a ReLU behind the max pooling that alone reads it: max(relu(a), relu(b)) = relu(max(a,b)),
 * to the bit, and so is the gradient, since a window whose largest is not positive passes nothing
 * on either way. The ReLU and its backward pass then touch a window's worth fewer numbers. Runs
 * before differentiation, on training and evaluation graphs alike.
 */
#include <string.h>

#include "graph_edit.h"
#include "readers.h"

/* before → relu → between → pool → after becomes before → pool → pooled → relu → after; the relu
 * is yet to be moved. */
static enum umb_status swap(struct umb_graph *g, struct umb_readers *r, int relu, int pool)
{
    const int before = g->node[relu].in[0], between = g->node[relu].out[0];
    const int after = g->node[pool].out[0];
    const char *name = umb__arena_printf(g->arena, "%s.pooled", g->node[relu].name);
    const int pooled = name ? umb__graph_value(g, name, UMB_VALUE_TEMP, &g->value[after].type) : -1;
    if (pooled < 0) { return UMB_ERR_NO_MEMORY; }
    g->value[pooled].device = g->value[after].device;
    g->node[pool].in[0] = before;
    g->node[pool].out[0] = pooled;
    g->node[relu].in[0] = pooled;
    g->node[relu].out[0] = after;
    g->value[between].producer = -1; /* nobody makes or reads it any more */
    g->value[pooled].producer = pool;
    g->value[after].producer = relu;
    const enum umb_status st = umb__readers_note(r, pool);
    return st == UMB_OK ? umb__readers_note(r, relu) : st;
}

/* The max pooling that alone reads what relu i makes, and that it may change places with; −1: none.
 */
static int pool_behind(const struct umb_readers *r, int i)
{
    const struct umb_graph *g = r->g;
    const struct umb_node *n = &g->node[i];
    if (g->value[n->out[0]].output || g->value[n->in[0]].base >= 0) { return -1; }
    const int reader = umb__readers_only(r, n->out[0]);
    const bool fits = reader >= 0 && g->node[reader].op == umb__op_find("max_pool") &&
                      !g->value[g->node[reader].out[0]].output;
    return fits ? reader : -1;
}

/* Writes the nodes anew, each behind[i] ≥ 0 behind that node; at most one goes behind another. */
static enum umb_status move_all(struct umb_graph *g, const int *behind)
{
    const size_t n_nodes = (size_t)g->n_nodes;
    struct umb_node *from = umb__calloc(g->ctx, n_nodes + 1, sizeof *from);
    int *follower = umb__calloc(g->ctx, n_nodes + 1, sizeof *follower);
    const bool ok = from && follower;
    for (size_t i = 0; ok && i < n_nodes; i++) {
        from[i] = g->node[i];
        if (behind[i] >= 0) { follower[behind[i]] = (int)i + 1; }
    }
    size_t n = 0;
    for (size_t i = 0; ok && i < n_nodes; i++) {
        if (behind[i] >= 0) { continue; }
        g->node[n++] = from[i];
        if (follower[i]) { g->node[n++] = from[follower[i] - 1]; }
    }
    umb__free(from);
    umb__free(follower);
    if (!ok) { return UMB_ERR_NO_MEMORY; }
    umb__graph_compact(g); /* numbers the producers */
    return UMB_OK;
}

/* behind[i]: the node that node i goes behind, −1: it stays. */
static enum umb_status swap_all(struct umb_graph *g, struct umb_readers *r, int *behind)
{
    const struct umb_op *relu = umb__op_find("relu");
    enum umb_status st = UMB_OK;
    bool any = false;
    for (int i = 0; i < g->n_nodes && st == UMB_OK; i++) {
        behind[i] = -1;
        if (g->node[i].op != relu) { continue; }
        for (int pool; st == UMB_OK && (pool = pool_behind(r, i)) >= 0;) {
            st = swap(g, r, i, pool);
            behind[i] = pool;
            any = true;
        }
    }
    return st == UMB_OK && any ? move_all(g, behind) : st;
}

enum umb_status umb__graph_simplify(struct umb_graph *g)
{
    struct umb_readers r;
    enum umb_status st = umb__readers_init(&r, g);
    int *behind = umb__calloc(g->ctx, (size_t)g->n_nodes + 1, sizeof *behind);
    if (!behind) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) { st = swap_all(g, &r, behind); }
    umb__free(behind);
    umb__readers_finish(&r);
    return st == UMB_OK ? umb__graph_verify(g) : st;
}

/*
 * Moves a ReLU behind the max pooling that alone reads it: max(relu(a), relu(b)) = relu(max(a,b)),
 * to the bit, and so is the gradient, since a window whose largest is not positive passes nothing
 * on either way. The ReLU and its backward pass then touch a window's worth fewer numbers. Runs
 * before differentiation, on training and evaluation graphs alike.
 */
#include <string.h>

#include "graph_edit.h"

/* Takes node `from` out and puts it back behind node `to` > from. */
static void move_behind(struct umb_graph *g, int from, int to)
{
    const struct umb_node moved = g->node[from];
    memmove(&g->node[from], &g->node[from + 1], (size_t)(to - from) * sizeof moved);
    g->node[to] = moved;
    for (int i = from; i <= to; i++) {
        for (int k = 0; k < g->node[i].n_out; k++) {
            g->value[g->node[i].out[k]].producer = i;
        }
    }
}

/* before → relu → between → pool → after becomes before → pool → pooled → relu → after. */
static enum umb_status swap(struct umb_graph *g, int relu, int pool)
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
    move_behind(g, relu, pool);
    return UMB_OK;
}

enum umb_status umb__graph_simplify(struct umb_graph *g)
{
    const struct umb_op *relu = umb__op_find("relu"), *max_pool = umb__op_find("max_pool");
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        if (n->op != relu || g->value[n->out[0]].output || g->value[n->in[0]].base >= 0) {
            continue;
        }
        const int reader = umb__graph_only_reader(g, n->out[0]);
        if (reader < 0 || g->node[reader].op != max_pool ||
            g->value[g->node[reader].out[0]].output) {
            continue;
        }
        enum umb_status st = swap(g, i, reader);
        if (st != UMB_OK) { return st; }
    }
    return umb__graph_verify(g);
}

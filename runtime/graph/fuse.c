/*
 * Puts a ReLU into the node that feeds it, where that op's kernels can apply it while they still
 * hold the result (UMB_OP_FUSES_RELU) and nobody else reads what was before it. ReLU's gradient
 * needs its output only, so this holds for training graphs too.
 */
#include <string.h>

#include "graph.h"

static int *count_readers(const struct umb_graph *g)
{
    int *readers = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *readers);
    for (int i = 0; readers && i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            readers[g->node[i].in[k]]++;
        }
    }
    return readers;
}

static int *activation_of(const struct umb_node *n)
{
    for (const struct umb_attr_desc *d = n->op->attrs; d && d->name; d++) {
        if (strcmp(d->name, "activation") == 0) {
            return (int *)(void *)((char *)n->attrs + d->offset);
        }
    }
    return NULL;
}

/* Fuses node i (a relu) into its producer; true when it is done and the node is of no use any more.
 */
static bool fuse_relu(struct umb_graph *g, int i, const int *readers)
{
    struct umb_node *relu = &g->node[i];
    int before = relu->in[0], after = relu->out[0];
    const struct umb_value *v = &g->value[before];
    if (v->producer < 0 || v->kind != UMB_VALUE_TEMP || v->output || v->base >= 0 ||
        readers[before] != 1) {
        return false;
    }
    struct umb_node *maker = &g->node[v->producer];
    int *activation = activation_of(maker);
    if (!(maker->op->flags & UMB_OP_FUSES_RELU) || !activation || *activation != UMB_ACT_LINEAR) {
        return false;
    }
    *activation = UMB_ACT_RELU;
    maker->out[0] = after;
    g->value[after].producer = v->producer;
    g->value[before].producer = -1;
    return true;
}

/* Drops the nodes marked with op NULL and renumbers producers. */
static void compact(struct umb_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!g->node[i].op) { continue; }
        g->node[n] = g->node[i];
        for (int k = 0; k < g->node[n].n_out; k++) {
            g->value[g->node[n].out[k]].producer = n;
        }
        n++;
    }
    g->n_nodes = n;
}

enum umb_status umb__graph_fuse(struct umb_graph *g)
{
    int *readers = count_readers(g);
    if (!readers) { return UMB_ERR_NO_MEMORY; }
    const struct umb_op *relu = umb__op_find("relu");
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op == relu && fuse_relu(g, i, readers)) { g->node[i].op = NULL; }
    }
    umb__free(readers);
    compact(g);
    return umb__graph_verify(g);
}

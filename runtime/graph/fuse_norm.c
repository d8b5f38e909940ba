/*
 * Before differentiation: a ReLU, or an addition of two and then a ReLU, go into the batch
 * normalisation that feeds them, which then writes once what was written two or three times. Its
 * kernels are the same on every device, so this is done everywhere.
 */
#include <string.h>

#include "batch_norm.h"
#include "graph_edit.h"
#include "readers.h"

static bool is_op(const struct umb_graph *g, int node, const char *name)
{
    return node >= 0 && g->node[node].op && strcmp(g->node[node].op->name, name) == 0;
}

/* A batch normalisation that nothing is fused into makes v, for one reader. */
static bool is_plain_norm(const struct umb_readers *r, int v)
{
    const struct umb_graph *g = r->g;
    const int producer = g->value[v].producer;
    if (!is_op(g, producer, "batch_norm") || g->node[producer].out[0] != v ||
        !umb__graph_is_inner(g, v) || umb__readers_only(r, v) < 0) {
        return false;
    }
    const struct umb_batch_norm_attrs *a = g->node[producer].attrs;
    return !a->relu && !a->residual;
}

/* Which of the two that node `add` sums is a batch normalisation to take it in; −1: neither. */
static int norm_of_add(const struct umb_readers *r, int add)
{
    const struct umb_graph *g = r->g;
    const struct umb_node *n = &g->node[add];
    if (!is_op(g, add, "add") || n->n_in != 2 || n->in[0] == n->in[1] ||
        !umb__graph_is_inner(g, n->out[0]) || umb__readers_only(r, n->out[0]) < 0) {
        return -1;
    }
    return is_plain_norm(r, n->in[0]) ? 0 : is_plain_norm(r, n->in[1]) ? 1 : -1;
}

/* Node `norm` becomes node `last`, which made `out`: by then all it reads is there. */
static void move(struct umb_graph *g, int norm, int last, int out)
{
    g->value[g->node[norm].out[0]].producer = -1;
    g->node[last] = g->node[norm];
    g->node[norm].op = NULL;
    g->node[last].out[0] = out;
    for (int k = 0; k < g->node[last].n_out; k++) {
        g->value[g->node[last].out[k]].producer = last;
    }
}

static enum umb_status take_residual(struct umb_graph *g, struct umb_node *n, int residual)
{
    int *in = umb__arena_calloc(g->arena, (size_t)n->n_in + 1, sizeof *in);
    if (!in) { return UMB_ERR_NO_MEMORY; }
    in[0] = n->in[0];
    in[1] = residual;
    memcpy(in + 2, n->in + 1, ((size_t)n->n_in - 1) * sizeof *in);
    n->in = in;
    n->n_in++;
    return UMB_OK;
}

static enum umb_status fuse(struct umb_graph *g, struct umb_readers *r, int relu)
{
    const int v = g->node[relu].in[0], out = g->node[relu].out[0];
    int norm = g->value[v].producer;
    enum umb_status st = UMB_OK;
    if (is_plain_norm(r, v)) {
        ((struct umb_batch_norm_attrs *)g->node[norm].attrs)->relu = true;
    } else {
        const int add = norm, which = norm_of_add(r, add);
        if (which < 0) { return UMB_OK; }
        const int *terms = g->node[add].in;
        norm = g->value[terms[which]].producer;
        st = take_residual(g, &g->node[norm], terms[1 - which]);
        if (st != UMB_OK) { return st; }
        struct umb_batch_norm_attrs *a = g->node[norm].attrs;
        a->relu = a->residual = true;
        g->value[v].producer = -1;
        g->node[add].op = NULL;
    }
    move(g, norm, relu, out);
    return umb__readers_note(r, relu);
}

enum umb_status umb__graph_fuse_norm(struct umb_graph *g)
{
    struct umb_readers r;
    enum umb_status st = umb__readers_init(&r, g);
    for (int i = 0; i < g->n_nodes && st == UMB_OK; i++) {
        if (!is_op(g, i, "relu") || g->value[g->node[i].in[0]].base >= 0) { continue; }
        st = fuse(g, &r, i);
    }
    umb__readers_finish(&r);
    if (st != UMB_OK) { return st; }
    umb__graph_compact(g);
    return umb__graph_verify(g);
}

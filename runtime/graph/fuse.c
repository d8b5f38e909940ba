/*
 * Behind differentiation: what one node would write only for the next to change goes into the node
 * that makes it.
 *
 *   relu(v), v read by it alone                       → its maker's activation (UMB_OP_FUSES_RELU);
 *                                                       relu's gradient needs its output only
 *   W = …_backward_weights(x, dy), bias_backward(dy)  → W with dbias: one pass over dy
 *   relu_backward(y, D), D = …_backward_data(…, x=y)  → D with mask, D's gradient being y's
 *   relu_backward(y, sum(a, b, …))                    → sum with mask
 *   sum(dense_backward_data(dy, W, x), …)             → dense_backward_sum(x, dy, W, …)
 *
 * The last four where a kernel made for it is there (umb__fuse_pays).
 */
#include <stdio.h>
#include <string.h>

#include "dense.h"
#include "graph_edit.h"
#include "readers.h"
#include "steps.h"
#include "text.h"

struct fusing {
    struct umb_graph *g;
    const struct umb_device_caps *caps;
    struct umb_readers *readers;
};

static int *attr_int(const struct umb_attr_desc *list, const struct umb_node *n, const char *name)
{
    for (const struct umb_attr_desc *d = list; d && d->name; d++) {
        if (strcmp(d->name, name) == 0) { return (int *)(void *)((char *)n->attrs + d->offset); }
    }
    return NULL;
}

static bool *inner_flag(const struct umb_node *n, const char *name)
{
    return (bool *)attr_int(n->op->inner, n, name);
}

static bool is_op(const struct umb_graph *g, int node, const char *name)
{
    return node >= 0 && g->node[node].op && strcmp(g->node[node].op->name, name) == 0;
}

/* Relu into its maker. */

static void fuse_relu(const struct fusing *f, int i)
{
    struct umb_graph *g = f->g;
    const int before = g->node[i].in[0], after = g->node[i].out[0];
    if (!is_op(g, i, "relu") || !umb__graph_is_inner(g, before) ||
        umb__readers_only(f->readers, before) != i) {
        return;
    }
    struct umb_node *maker = &g->node[g->value[before].producer];
    int *activation = attr_int(maker->op->attrs, maker, "activation");
    if (!(maker->op->flags & UMB_OP_FUSES_RELU) || !activation || *activation != UMB_ACT_LINEAR) {
        return;
    }
    *activation = UMB_ACT_RELU;
    maker->out[0] = after;
    g->value[after].producer = g->value[before].producer;
    g->value[before].producer = -1;
    g->node[i].op = NULL;
}

/* Would it pay? */

#define MOST_IN 8

/* Whether node n with `flag` set, and with output `more` (−1: none), is as well computed as it is.
 */
static bool pays(const struct fusing *f, const struct umb_node *n, bool *flag, int more)
{
    struct umb_type in[MOST_IN], out[UMB_OP_MAX_OUT];
    if (n->n_in > MOST_IN || n->n_out + 1 > UMB_OP_MAX_OUT) { return false; }
    const struct umb_device_caps *caps = umb__graph_caps(f->g, f->caps, n->device);
    struct umb_problem p = umb__graph_problem(f->g, n, caps, in, out);
    const int plain = p.caps ? umb__solver_rank(&p) : 0;
    if (more >= 0) { out[p.n_out++] = f->g->value[more].type; }
    *flag = true;
    const bool better = umb__fuse_pays(plain, &p);
    *flag = false;
    return better;
}

/* The bias's gradient. */

/* The last node before i that makes gradients to weights from dy; −1: none. */
static int find_weights(const struct fusing *f, int i, int dy)
{
    const struct umb_readers *r = f->readers;
    int last = -1;
    for (int k = umb__readers_first(r, dy); k >= 0; k = umb__readers_next(r, dy, k)) {
        const int j = r->reading[k].node;
        if (r->reading[k].input == 1 && j < i && j > last && inner_flag(&f->g->node[j], "dbias")) {
            last = j;
        }
    }
    return last;
}

static void fuse_bias(const struct fusing *f, int i)
{
    struct umb_graph *g = f->g;
    if (!is_op(g, i, "bias_backward")) { return; }
    const int j = find_weights(f, i, g->node[i].in[0]), db = g->node[i].out[0];
    if (j < 0) { return; }
    struct umb_node *n = &g->node[j];
    bool *dbias = inner_flag(n, "dbias");
    if (*dbias || !pays(f, n, dbias, db)) { return; }
    *dbias = true;
    n->out[n->n_out++] = db;
    g->value[db].producer = j;
    g->node[i].op = NULL;
}

/* Gradients to what several dense layers read. */

/* The node that makes a term of sum i, for which it alone is made; −1: it is none of those. */
static int find_term(const struct fusing *f, int i, int k)
{
    const struct umb_graph *g = f->g;
    const int d = g->node[i].in[k];
    if (!umb__graph_is_inner(g, d) || umb__readers_only(f->readers, d) != i) { return -1; }
    const int maker = g->value[d].producer;
    if (!is_op(g, maker, "dense_backward_data") || *inner_flag(&g->node[maker], "mask")) {
        return -1;
    }
    return maker;
}

/* x, then dy and the weight of each term; NULL, n 0: the terms are not of one kind. */
static enum umb_status list_terms(const struct fusing *f, int i, int **ret_in, int *ret_n)
{
    struct umb_graph *g = f->g;
    const struct umb_node *sum = &g->node[i];
    int *in = umb__arena_calloc(g->arena, 2 * (size_t)sum->n_in + 1, sizeof *in), n = 0;
    if (!in) { return UMB_ERR_NO_MEMORY; }
    *ret_n = 0;
    for (int k = 0; k < sum->n_in; k++) {
        const int maker = find_term(f, i, k);
        if (maker < 0) { return UMB_OK; }
        const struct umb_node *term = &g->node[maker];
        if (n == 0) { in[n++] = term->in[2]; }
        if (term->in[2] != in[0]) { return UMB_OK; }
        in[n++] = term->in[0];
        in[n++] = term->in[1];
    }
    *ret_in = in;
    *ret_n = n;
    return UMB_OK;
}

/* Of many inputs, unlike pays(). */
static enum umb_status sum_pays(const struct fusing *f, const struct umb_node *n, bool *ret_pays)
{
    struct umb_type *types = umb__calloc(f->g->ctx, (size_t)(n->n_in + n->n_out), sizeof *types);
    if (!types) { return UMB_ERR_NO_MEMORY; }
    const struct umb_device_caps *caps = umb__graph_caps(f->g, f->caps, n->device);
    const struct umb_problem p = umb__graph_problem(f->g, n, caps, types, types + n->n_in);
    *ret_pays = umb__fuse_pays(0, &p);
    umb__free(types);
    return UMB_OK;
}

static enum umb_status fuse_terms(const struct fusing *f, int i)
{
    struct umb_graph *g = f->g;
    int *in = NULL, n = 0;
    bool pays = false;
    if (!is_op(g, i, "sum") || g->node[i].n_in < 2 || *inner_flag(&g->node[i], "mask")) {
        return UMB_OK;
    }
    enum umb_status st = list_terms(f, i, &in, &n);
    if (st != UMB_OK || n == 0) { return st; }
    struct umb_node fused = g->node[i];
    fused.op = umb__op_find("dense_backward_sum");
    if (n > fused.op->max_in) { return UMB_OK; }
    fused.attrs = umb__arena_calloc(g->arena, fused.op->attrs_bytes, 1);
    fused.in = in;
    fused.n_in = n;
    st = fused.attrs ? sum_pays(f, &fused, &pays) : UMB_ERR_NO_MEMORY;
    if (st != UMB_OK || !pays) { return st; }
    for (int k = 0; k < g->node[i].n_in; k++) {
        const int d = g->node[i].in[k];
        g->node[g->value[d].producer].op = NULL;
        g->value[d].producer = -1;
    }
    g->node[i] = fused;
    return umb__readers_note(f->readers, i);
}

/* Dense layers that read one value, and their gradients to weights and, where those are not added
 * up, to it: they are merged as launches, so each needs but a part of the device. `of`: which input
 * they have in common. */
#define MANY 4

static enum umb_status mark_beside(const struct fusing *f, const char *op, int of)
{
    struct umb_graph *g = f->g;
    int *n_layers = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *n_layers);
    if (!n_layers) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < g->n_nodes; i++) {
        if (is_op(g, i, op)) { n_layers[g->node[i].in[of]]++; }
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const int n = is_op(g, i, op) ? n_layers[g->node[i].in[of]] : 0;
        if (n >= MANY) { ((struct umb_dense_attrs *)g->node[i].attrs)->beside = n; }
    }
    umb__free(n_layers);
    return UMB_OK;
}

/* Masks. */

/* The node that makes d, through views of it which nobody else reads; −1: none. */
static int find_maker(const struct fusing *f, int d, int reader)
{
    const struct umb_graph *g = f->g;
    for (;;) {
        if (!umb__graph_is_inner(g, d) || umb__readers_only(f->readers, d) != reader) { return -1; }
        reader = g->value[d].producer;
        const struct umb_node *n = &g->node[reader];
        if (!n->op || n->out[0] != d) { return -1; }
        if (!(n->op->flags & UMB_OP_VIEW)) { return reader; }
        const int64_t count = umb__shape_count(&g->value[d].type.shape);
        if (umb__shape_count(&g->value[n->in[0]].type.shape) != count) { return -1; }
        d = n->in[0];
    }
}

/* y joins the sum's inputs. */
static enum umb_status mask_sum(struct umb_graph *g, struct umb_node *n, int y)
{
    int *in = umb__arena_calloc(g->arena, (size_t)n->n_in + 1, sizeof *in);
    if (!in) { return UMB_ERR_NO_MEMORY; }
    memcpy(in, n->in, (size_t)n->n_in * sizeof *in);
    in[n->n_in] = y;
    n->in = in;
    n->n_in++;
    return UMB_OK;
}

/* The node that makes relu_backward i's incoming gradient and can tell where y is not positive;
 * −1: none. A sum is told y; gradients to an input know that input, which must be y or a view of
 * it. */
static int find_masker(const struct fusing *f, int i)
{
    struct umb_graph *g = f->g;
    if (!is_op(g, i, "relu_backward") || !umb__graph_is_inner(g, g->node[i].out[0])) { return -1; }
    const int y = g->node[i].in[0], maker = find_maker(f, g->node[i].in[1], i);
    if (maker < 0) { return -1; }
    const struct umb_node *n = &g->node[maker];
    bool *mask = inner_flag(n, "mask");
    if (!mask || *mask) { return -1; }
    if (is_op(g, maker, "sum")) { return maker; }
    const bool of_several = is_op(g, maker, "dense_backward_sum"); /* all its kernels know a mask */
    const int x = n->in[of_several ? 0 : 2];
    const bool knows = umb__graph_viewed(g, x) == umb__graph_viewed(g, y);
    return knows && (of_several || pays(f, n, mask, -1)) ? maker : -1;
}

/* Those that read v read w from now on. */
static enum umb_status read_instead(const struct fusing *f, int v, int w)
{
    struct umb_readers *r = f->readers;
    enum umb_status st = UMB_OK;
    for (int k = umb__readers_first(r, v); k >= 0 && st == UMB_OK; k = umb__readers_next(r, v, k)) {
        const struct umb_reading at = r->reading[k];
        f->g->node[at.node].in[at.input] = w;
        st = umb__readers_note_input(r, at.node, at.input);
    }
    return st;
}

static enum umb_status fuse_mask(const struct fusing *f, int i)
{
    struct umb_graph *g = f->g;
    const int maker = find_masker(f, i);
    if (maker < 0) { return UMB_OK; }
    const int y = g->node[i].in[0], d = g->node[i].in[1], masked = g->node[i].out[0];
    struct umb_node *n = &g->node[maker];
    if (is_op(g, maker, "sum")) {
        enum umb_status st = mask_sum(g, n, y);
        if (st == UMB_OK) { st = umb__readers_note(f->readers, maker); }
        if (st != UMB_OK) { return st; }
    }
    *inner_flag(n, "mask") = true;
    g->value[masked].producer = -1;
    g->node[i].op = NULL;
    return read_instead(f, masked, d);
}

static enum umb_status fuse_all(const struct fusing *f)
{
    const int n = f->g->n_nodes;
    enum umb_status st = UMB_OK;
    for (int i = 0; i < n; i++) {
        fuse_relu(f, i);
    }
    for (int i = 0; i < n && st == UMB_OK; i++) {
        st = fuse_terms(f, i);
    }
    for (int i = 0; i < n && st == UMB_OK; i++) {
        fuse_bias(f, i);
        st = fuse_mask(f, i);
    }
    if (st == UMB_OK) { st = mark_beside(f, "dense", 0); }
    if (st == UMB_OK) { st = mark_beside(f, "dense_backward_weights", 0); }
    return st == UMB_OK ? mark_beside(f, "dense_backward_data", 2) : st;
}

enum umb_status umb__graph_fuse_relu(struct umb_graph *g)
{
    struct umb_readers readers;
    const struct fusing f = {.g = g, .readers = &readers};
    enum umb_status st = umb__readers_init(&readers, g);
    for (int i = 0; st == UMB_OK && i < g->n_nodes; i++) {
        fuse_relu(&f, i);
    }
    if (st == UMB_OK) { st = mark_beside(&f, "dense", 0); }
    umb__readers_finish(&readers);
    if (st != UMB_OK) { return st; }
    umb__graph_compact(g);
    return umb__graph_verify(g);
}

enum umb_status umb__graph_fuse(struct umb_graph *g, const struct umb_device_caps *caps)
{
    struct umb_readers readers;
    enum umb_status st = umb__readers_init(&readers, g);
    if (st == UMB_OK) { st = fuse_all(&(struct fusing){g, caps, &readers}); }
    umb__readers_finish(&readers);
    if (st != UMB_OK) { return st; }
    umb__graph_compact(g);
    return umb__graph_verify(g);
}

/* Saying it. */

const char *umb__fused_text(const struct umb_node *n, char *buffer, size_t size)
{
    struct umb_text t = {0};
    const int *activation = attr_int(n->op->attrs, n, "activation");
    if ((n->op->flags & UMB_OP_FUSES_RELU) && activation && *activation == UMB_ACT_RELU) {
        umb__text_add(&t, " +relu");
    }
    for (const struct umb_attr_desc *d = n->op->inner; d && d->name; d++) {
        const void *field = (const char *)n->attrs + d->offset;
        if (d->type == UMB_ATTR_BOOL && *(const bool *)field) {
            umb__text_printf(&t, " +%s", d->name);
        } else if (d->type == UMB_ATTR_CHOICE && *(const int *)field) {
            umb__text_printf(&t, " +%s=%s", d->name, d->choices[*(const int *)field]);
        }
    }
    snprintf(buffer, size, "%s", umb__text_string(&t));
    umb__text_finish(&t);
    return buffer;
}

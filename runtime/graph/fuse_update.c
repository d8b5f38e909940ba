/*
 * Behind packing and fusing: large parameters are updated by the node that makes their gradient.
 *
 *   W' = …_backward_weights(x, dy), adam(parameters, gradients, …)   →
 *        W', adam(W, W', its pieces of the moments), adam(the rest)
 *
 * Where several optimizers walk ranges of the parameters, as parts of a network have them, each is
 * taken apart so.
 *
 * W' is no piece of the gradients any more, and the pair is lowered to one where the solver can
 * (ops/update.h): then the gradient is never written, and of 28 bytes that Adam moves for a
 * parameter 24 are left. The pair stands behind the last node that reads W.
 */
#include <string.h>

#include "graph_edit.h"
#include "steps.h"
#include "update.h"

#define MAX_PIECES 1024
#define MAX_UPDATES 256

/* A parameter whose update goes to its gradient's maker. */
struct piece {
    int param, gradient;
    int maker, place; /* nodes: it goes behind the latter, its update behind it */
    size_t begin, end;
};

struct splitting {
    struct umb_graph *g;
    const struct umb_device_caps *caps;
    int64_t least;
    int update, params, gradients; /* the optimizer's node, and what it walks a range of */
    size_t begin, end;             /* the range */
    int n;
    struct piece piece[MAX_PIECES];
};

static struct umb_problem problem_of(const struct splitting *s, int node, struct umb_type *in,
                                     struct umb_type *out)
{
    const struct umb_node *n = &s->g->node[node];
    return umb__graph_problem(s->g, n, umb__graph_caps(s->g, s->caps, n->device), in, out);
}

static int root_of(const struct umb_graph *g, int v)
{
    return g->value[v].base >= 0 ? g->value[v].base : v;
}

/* An optimizer's node on g->device whose rule the kernels know. */
static bool is_update(const struct splitting *s, int node)
{
    struct umb_type in[UMB_OP_MAX_PARAMS], out[UMB_OP_MAX_OUT];
    const struct umb_node *n = &s->g->node[node];
    if (n->phase != UMB_PHASE_UPDATE || n->n_in > UMB_OP_MAX_PARAMS || n->device != s->g->device) {
        return false;
    }
    const struct umb_problem p = problem_of(s, node, in, out);
    return umb__update_is_known(&p) && umb__graph_only_reader(s->g, n->in[1]) == node;
}

static void take_update(struct splitting *s, int node)
{
    const struct umb_node *n = &s->g->node[node];
    const struct umb_value *param = &s->g->value[n->in[0]];
    s->update = node;
    s->params = root_of(s->g, n->in[0]);
    s->gradients = root_of(s->g, n->in[1]);
    s->begin = param->base >= 0 ? param->base_offset : 0;
    s->end = s->begin + umb__type_bytes(&param->type);
    s->n = 0;
}

/* The node that makes all of the gradient that lies beside a piece of the parameters. */
static int find_gradient(const struct splitting *s, const struct umb_value *param)
{
    for (int v = 0; v < s->g->n_values; v++) {
        const struct umb_value *d = &s->g->value[v];
        if (d->base == s->gradients && d->base_offset == param->base_offset && d->producer >= 0 &&
            umb__shape_count(&d->type.shape) == umb__shape_count(&param->type.shape)) {
            return v;
        }
    }
    return -1;
}

/* The best solver of a maker knows updates. */
static bool maker_can(const struct splitting *s, int maker)
{
    struct umb_type in[UMB_OP_MAX_PARAMS], out[UMB_OP_MAX_OUT];
    if (!s->g->node[maker].op->updating || s->g->node[maker].n_in > UMB_OP_MAX_PARAMS) {
        return false;
    }
    if (!s->caps) { return true; }
    struct umb_problem p = problem_of(s, maker, in, out);
    p.updates = true;
    const struct umb_solver *best = umb__solver_choose(&p, NULL);
    return best && umb__solver_updates(&p, best);
}

/* The last node that reads v, or a view of it; −1: none. */
static int last_reader(const struct umb_graph *g, int v)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (umb__graph_viewed(g, g->node[i].in[k]) == v) { return i; }
        }
    }
    return -1;
}

/* Nobody but the optimizer reads what the maker makes. */
static bool is_only_for_update(const struct umb_graph *g, const struct umb_node *maker)
{
    for (int k = 0; k < maker->n_out; k++) {
        if (g->value[maker->out[k]].output || last_reader(g, maker->out[k]) >= 0) { return false; }
    }
    return true;
}

static void add_piece(struct splitting *s, int param)
{
    const struct umb_value *v = &s->g->value[param];
    if (s->n == MAX_PIECES || v->kind != UMB_VALUE_PARAM || v->base != s->params || v->spec < 0 ||
        v->base_offset < s->begin || v->base_offset >= s->end ||
        umb__shape_count(&v->type.shape) < s->least) {
        return;
    }
    const int d = find_gradient(s, v), maker = d < 0 ? -1 : s->g->value[d].producer;
    if (d < 0 || s->g->node[maker].out[0] != d || !is_only_for_update(s->g, &s->g->node[maker]) ||
        !maker_can(s, maker)) {
        return;
    }
    const int reader = last_reader(s->g, param);
    s->piece[s->n++] = (struct piece){.param = param,
                                      .gradient = d,
                                      .maker = maker,
                                      .place = reader > maker ? reader : maker,
                                      .begin = v->base_offset,
                                      .end = v->base_offset + umb__type_bytes(&v->type)};
}

/* ---- rewriting ---- */

/* A piece of `base`, beside one of the parameters. */
static int piece_of(struct splitting *s, int base, const struct umb_type *type, size_t offset,
                    const char *name)
{
    struct umb_graph *g = s->g;
    const char *full = umb__arena_printf(g->arena, "%s(%s)", g->value[base].name, name);
    const int v = full ? umb__graph_value(g, full, g->value[base].kind, type) : -1;
    if (v < 0) { return -1; }
    g->value[v].base = base;
    g->value[v].base_offset = offset;
    return v;
}

/* Appends an update as that of the graph is, of a parameter by a gradient. */
static enum umb_status add_update(struct splitting *s, const char *name, int param, int gradient)
{
    const struct umb_node u = s->g->node[s->update];
    int in[UMB_OP_MAX_PARAMS], none[UMB_OP_MAX_OUT];
    memcpy(in, u.in, (size_t)u.n_in * sizeof *in);
    in[0] = param;
    in[1] = gradient;
    for (int k = 2; k < u.n_in - 1; k++) {
        const struct umb_type type = s->g->value[param].type;
        in[k] = piece_of(s, root_of(s->g, u.in[k]), &type, s->g->value[param].base_offset, name);
        if (in[k] < 0) { return UMB_ERR_NO_MEMORY; }
    }
    const struct umb_graph_node_desc desc = {.op = u.op,
                                             .attrs = u.attrs,
                                             .name = name,
                                             .phase = UMB_PHASE_UPDATE,
                                             .n_in = u.n_in,
                                             .in = in};
    return umb__graph_node_raw(s->g, &desc, none);
}

static enum umb_status update_piece(struct splitting *s, const struct piece *p)
{
    struct umb_value *d = &s->g->value[p->gradient];
    d->base = -1;
    d->base_offset = 0;
    const char *name = umb__arena_printf(s->g->arena, "%s.update", s->g->value[p->param].name);
    return name ? add_update(s, name, p->param, p->gradient) : UMB_ERR_NO_MEMORY;
}

/* What lies between the pieces, as flat pieces of its own. */
static enum umb_status update_rest(struct splitting *s, size_t begin, size_t end, int *count)
{
    if (begin >= end) { return UMB_OK; }
    const struct umb_type type = {.dtype = UMB_F32,
                                  .shape = {1, {(int64_t)((end - begin) / sizeof(float))}}};
    const char *name = s->g->node[s->update].name;
    if ((*count)++) { name = umb__arena_printf(s->g->arena, "%s.%d", name, *count); }
    const int param = name ? piece_of(s, s->params, &type, begin, name) : -1;
    const int gradient = param < 0 ? -1 : piece_of(s, s->gradients, &type, begin, name);
    return gradient < 0 ? UMB_ERR_NO_MEMORY : add_update(s, name, param, gradient);
}

static void sort(struct splitting *s)
{
    for (int i = 1; i < s->n; i++) {
        for (int j = i; j > 0 && s->piece[j].begin < s->piece[j - 1].begin; j--) {
            const struct piece p = s->piece[j];
            s->piece[j] = s->piece[j - 1];
            s->piece[j - 1] = p;
        }
    }
}

/* The updates of all pieces, in their order, then those of the rest: behind the graph's nodes. The
 * gradients end where the last of the rest does. */
static enum umb_status add_updates(struct splitting *s)
{
    const size_t all = umb__type_bytes(&s->g->value[s->params].type);
    size_t begin = s->begin, used = 0;
    int count = 0;
    enum umb_status st = UMB_OK;
    for (int i = 0; st == UMB_OK && i < s->n; i++) {
        st = update_piece(s, &s->piece[i]);
    }
    for (int i = 0; st == UMB_OK && i <= s->n; i++) {
        const size_t end = i < s->n ? s->piece[i].begin : s->end;
        if (begin < end) { used = end; }
        st = update_rest(s, begin, end, &count);
        begin = i < s->n ? (s->piece[i].end + UMB_PACK_BYTES - 1) / UMB_PACK_BYTES * UMB_PACK_BYTES
                         : s->end;
    }
    if (!s->g->keeps_gradients && s->begin == 0 && s->end == all) {
        s->g->value[s->gradients].type.shape.dim[0] =
            (int64_t)((used > 0 ? used : UMB_PACK_BYTES) / sizeof(float));
    }
    return st;
}

/* The nodes in their new order: pairs behind their places, the optimizer's own left out. */
static enum umb_status reorder(struct splitting *s, int n_old)
{
    struct umb_graph *g = s->g;
    struct umb_node *to = umb__arena_calloc(g->arena, (size_t)g->n_nodes, sizeof *to);
    if (!to) { return UMB_ERR_NO_MEMORY; }
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        bool moves = i == s->update || (i >= n_old && i < n_old + s->n);
        for (int k = 0; k < s->n; k++) {
            moves |= s->piece[k].maker == i;
        }
        if (!moves) { to[n++] = g->node[i]; }
        for (int k = 0; k < s->n && i < n_old; k++) {
            if (s->piece[k].place != i) { continue; }
            to[n] = g->node[s->piece[k].maker];
            to[n++].feeds_update = true;
            to[n++] = g->node[n_old + k];
        }
    }
    memcpy(g->node, to, (size_t)n * sizeof *to);
    g->n_nodes = n;
    umb__graph_compact(g); /* numbers the producers */
    return UMB_OK;
}

static enum umb_status split_update(struct splitting *s, int node)
{
    take_update(s, node);
    for (int v = 0; v < s->g->n_values; v++) {
        add_piece(s, v);
    }
    if (s->n == 0) { return UMB_OK; }
    sort(s);
    const int n_old = s->g->n_nodes;
    const enum umb_status st = add_updates(s);
    return st == UMB_OK ? reorder(s, n_old) : st;
}

/* The node of that very name, which moves when others are taken apart; −1: there is none. */
static int find_node(const struct umb_graph *g, const char *name)
{
    int i = g->n_nodes - 1;
    while (i >= 0 && g->node[i].name != name) {
        i--;
    }
    return i;
}

enum umb_status umb__graph_fuse_update(struct umb_graph *g, const struct umb_device_caps *caps,
                                       int64_t least)
{
    struct splitting s = {.g = g, .caps = caps, .least = least, .n = 0};
    const char *update[MAX_UPDATES];
    int n = 0;
    for (int i = g->n_nodes - 1; i >= 0 && n < MAX_UPDATES; i--) {
        if (is_update(&s, i)) { update[n++] = g->node[i].name; }
    }
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < n; k++) {
        st = split_update(&s, find_node(g, update[k]));
    }
    return st == UMB_OK && n ? umb__graph_verify(g) : st;
}

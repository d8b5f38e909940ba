/* task_gradients.c: see task_gradients.h. */
#include "task_gradients.h"

#include <math.h>
#include <string.h>

#include "alloc.h"
#include "trainer_copy.h"
#include "trainer_internal.h"

/* Two graphs that pack their parameters alike: one has gradients, one only losses. */
enum { LOOK, AGAIN, N_SIDES };

struct side {
    struct umb_graph *graph;
    struct umb_plan *plan;
    struct umb_net_values net;
    struct umb_task_values task[UMB_MAX_TASKS];
    int params[UMB_MAX_DEVICES]; /* the packed values; −1: none */
};

/* A piece of the parameters, in the packed vectors, one behind another, and in its layer's rows; in
 * floats. */
struct piece {
    size_t at, in_row, n;
};

struct layer {
    const char *name;
    int rows, gram; /* values */
    int64_t length; /* of a row */
    struct piece *piece;
    int n_pieces;
    float *row; /* [T][length] of the batch looked at */
};

struct umb_task_gradients {
    struct umb_trainer *tr;
    struct umb_arena *arena;
    struct umb_store *store;
    struct side side[N_SIDES];
    struct layer *layer;
    int n_layers, T;
    size_t packed[UMB_MAX_DEVICES], n_packed; /* floats of each device's parameters, and of all */
    float *param, *moved;                     /* [n_packed] the trainer's; those that are tried */
};

/* ---- graphs ---- */

static enum umb_status build_forward(const struct umb_task_gradients *d, struct side *s)
{
    struct umb_trainer *tr = d->tr;
    enum umb_status st = umb__trainer_copy_net(tr, true, &s->graph, &s->net);
    struct umb_graph *g = s->graph;
    if (st == UMB_OK) { st = umb__trainer_freeze_statistics(tr, g); }
    if (st == UMB_OK) { st = umb__tasks_attach(tr->net, g, &s->net, s->task); }
    if (st == UMB_OK) { st = umb__graph_transfer(g); }
    if (st == UMB_OK && tr->fuses) { st = umb__graph_fuse_norm(g); }
    if (st == UMB_OK) { st = umb__graph_simplify(g); }
    if (st != UMB_OK || !tr->fuses) { return st; }
    return umb__graph_fuse_pool(g, umb_device_get_caps(tr->device));
}

/* What does not count: parameters that are frozen or of one task, and everything that is none. */
static enum umb_status find_others(const struct umb_task_gradients *d, struct umb_graph *g,
                                   const int *seeds, bool **ret_others)
{
    const size_t n = (size_t)g->n_values;
    bool *frozen;
    uint64_t *leads = umb__arena_calloc(g->arena, n, sizeof *leads);
    *ret_others = umb__arena_calloc(g->arena, n, sizeof **ret_others);
    if (!leads || !*ret_others) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = umb__trainer_frozen(d->tr, g, &frozen);
    if (st != UMB_OK) { return st; }
    umb__graph_leads(g, d->T, seeds, leads);
    for (size_t v = 0; v < n; v++) {
        const bool trained = g->value[v].kind == UMB_VALUE_PARAM && g->value[v].spec >= 0;
        const bool shared = (leads[v] & (leads[v] - 1)) != 0;
        (*ret_others)[v] = !trained || !shared || (frozen && frozen[v]);
    }
    return UMB_OK;
}

/* "trunk.conv1" of "trunk.conv1.weight". */
static const char *layer_name(struct umb_graph *g, const char *param)
{
    const char *dot = strrchr(param, '.');
    return umb__arena_printf(g->arena, "%.*s", (int)(dot ? dot - param : (long)strlen(param)),
                             param);
}

/* The layer of that name, a new one behind the others where there is none; NULL: no memory. */
static struct layer *find_layer(struct umb_task_gradients *d, struct umb_graph *g,
                                const char *param)
{
    const char *name = layer_name(g, param);
    for (int k = 0; name && k < d->n_layers; k++) {
        if (strcmp(d->layer[k].name, name) == 0) { return &d->layer[k]; }
    }
    if (!name) { return NULL; }
    struct layer *l = &d->layer[d->n_layers];
    l->piece = umb__arena_calloc(d->arena, (size_t)g->n_specs, sizeof *l->piece);
    l->name = umb__arena_strdup(d->arena, name);
    if (!l->piece || !l->name) { return NULL; }
    d->n_layers++;
    return l;
}

/* Gradients by task of n values, row[T][n]; every layer's rows are pieces of it. */
struct rows {
    int *row, n;
    bool *others;
};

static bool has_row(const struct umb_task_gradients *d, const struct rows *r, int v)
{
    for (int t = 0; t < d->T; t++) {
        if (r->row[t * r->n + v] >= 0) { return true; }
    }
    return false;
}

/* Every value's place in its layer. A piece keeps the value in `at` until parameters are packed. */
static enum umb_status list_layers(struct umb_task_gradients *d, const struct rows *r)
{
    struct umb_graph *g = d->side[LOOK].graph;
    const int64_t unit = (int64_t)(UMB_PACK_BYTES / sizeof(float));
    d->layer = umb__arena_calloc(d->arena, (size_t)g->n_specs + 1, sizeof *d->layer);
    if (!d->layer) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < r->n; v++) {
        if (r->others[v] || !has_row(d, r, v)) { continue; }
        struct layer *l = find_layer(d, g, g->value[v].name);
        if (!l) { return UMB_ERR_NO_MEMORY; }
        const int64_t n = umb__shape_count(&g->value[v].type.shape);
        l->piece[l->n_pieces++] = (struct piece){(size_t)v, (size_t)l->length, (size_t)n};
        l->length += (n + unit - 1) / unit * unit;
    }
    if (d->n_layers) { return UMB_OK; }
    return umb__fail(d->tr->ctx, UMB_ERR_INVALID,
                     "the tasks share no parameter that is trained, so their gradients have "
                     "nothing in common; expected a trunk that is not frozen");
}

static enum umb_status add_gram(struct umb_task_gradients *d, struct layer *l)
{
    struct umb_graph *g = d->side[LOOK].graph;
    int out[UMB_OP_MAX_OUT];
    const char *name = umb__arena_printf(g->arena, "gram.%s", l->name);
    const enum umb_status st =
        umb__graph_add(g, UMB_PHASE_BACKWARD, "gram", NULL, name, 1, &l->rows, out);
    if (st != UMB_OK) { return st; }
    l->gram = out[0];
    g->value[out[0]].output = true;
    return UMB_OK;
}

static enum umb_status lay_layer(struct umb_task_gradients *d, const struct rows *r,
                                 struct layer *l)
{
    struct umb_graph *g = d->side[LOOK].graph;
    struct umb_row_piece *piece = umb__calloc(g->ctx, (size_t)(l->n_pieces * d->T), sizeof *piece);
    const char *name = umb__arena_printf(g->arena, "rows.%s", l->name);
    int n = 0;
    for (int k = 0; piece && k < l->n_pieces * d->T; k++) {
        const int t = k % d->T, row = r->row[t * r->n + (int)l->piece[k / d->T].at];
        if (row < 0) { continue; }
        piece[n++] = (struct umb_row_piece){t, row, l->piece[k / d->T].in_row * sizeof(float)};
    }
    l->row = umb__arena_calloc(d->arena, (size_t)(d->T * l->length), sizeof *l->row);
    enum umb_status st = piece && name && l->row ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__graph_pack_rows(g, name, d->T, piece, n, l->length, &l->rows); }
    umb__free(piece);
    return st == UMB_OK ? add_gram(d, l) : st;
}

static enum umb_status differentiate(struct umb_task_gradients *d, struct rows *r)
{
    struct side *s = &d->side[LOOK];
    struct umb_graph *g = s->graph;
    const struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    int seeds[UMB_MAX_TASKS], dseeds[UMB_MAX_TASKS];
    const char *names[UMB_MAX_TASKS];
    for (int t = 0; t < d->T; t++) {
        names[t] = umb__net_task(d->tr->net, t)->name;
        const char *name = umb__arena_printf(g->arena, "%s.seed", names[t]);
        seeds[t] = s->task[t].loss;
        dseeds[t] = name ? umb__graph_value(g, name, UMB_VALUE_CONSTANT, &one) : -1;
        if (dseeds[t] < 0) { return UMB_ERR_NO_MEMORY; }
        g->value[dseeds[t]].constant = umb__net_task(d->tr->net, t)->weight;
    }
    r->n = g->n_values;
    enum umb_status st = find_others(d, g, seeds, &r->others);
    const struct umb_autodiff_desc desc = {.n_seeds = d->T,
                                           .by_rows = true,
                                           .row_names = names,
                                           .seeds = seeds,
                                           .dseeds = dseeds,
                                           .frozen = r->others};
    if (st != UMB_OK) { return st; }
    r->row = umb__arena_calloc(g->arena, (size_t)(r->n * d->T), sizeof *r->row);
    return r->row ? umb__graph_autodiff(g, &desc, r->row) : UMB_ERR_NO_MEMORY;
}

static enum umb_status add_rows(struct umb_task_gradients *d)
{
    struct rows r = {0};
    enum umb_status st = differentiate(d, &r);
    if (st == UMB_OK) { st = list_layers(d, &r); }
    for (int k = 0; st == UMB_OK && k < d->n_layers; k++) {
        st = lay_layer(d, &r, &d->layer[k]);
    }
    return st;
}

/* Where a parameter lies, its device's first number at `first`. */
static size_t place_of(const struct umb_task_gradients *d, const struct umb_value *v)
{
    size_t first = 0;
    for (int k = 0; k < v->device; k++) {
        first += d->packed[k];
    }
    return first + v->base_offset / sizeof(float);
}

static enum umb_status pack(struct umb_task_gradients *d, struct side *s)
{
    const enum umb_status st = umb__trainer_copy_pack(d->tr, s->graph, s->params);
    if (st != UMB_OK || s != &d->side[LOOK]) { return st; }
    const struct umb_graph *g = s->graph;
    for (int k = 0; k < d->tr->n_devices; k++) {
        if (s->params[k] < 0) { continue; }
        d->packed[k] = umb__type_bytes(&g->value[s->params[k]].type) / sizeof(float);
        d->n_packed += d->packed[k];
    }
    for (int k = 0; k < d->n_layers; k++) {
        for (int i = 0; i < d->layer[k].n_pieces; i++) {
            struct piece *p = &d->layer[k].piece[i];
            p->at = place_of(d, &g->value[p->at]);
        }
    }
    d->param = umb__arena_calloc(d->arena, d->n_packed, sizeof *d->param);
    d->moved = umb__arena_calloc(d->arena, d->n_packed, sizeof *d->moved);
    return d->param && d->moved ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status build(struct umb_task_gradients *d, int which)
{
    struct side *s = &d->side[which];
    enum umb_status st = build_forward(d, s);
    if (st == UMB_OK && which == LOOK) { st = add_rows(d); }
    if (st == UMB_OK) { st = pack(d, s); }
    return st == UMB_OK ? umb__trainer_copy_plan(d->tr, s->graph, d->store, &s->plan) : st;
}

enum umb_status umb__task_gradients_create(struct umb_trainer *tr,
                                           struct umb_task_gradients **ret_gradients)
{
    struct umb_task_gradients *d = umb__calloc(tr->ctx, 1, sizeof *d);
    if (!d) { return UMB_ERR_NO_MEMORY; }
    d->tr = tr;
    d->T = tr->n_tasks;
    enum umb_status st = umb__arena_create(tr->ctx, &d->arena);
    if (st == UMB_OK) { st = umb__trainer_make_store(tr, &d->store); }
    for (int i = 0; st == UMB_OK && i < N_SIDES; i++) {
        st = build(d, i);
    }
    if (st != UMB_OK) {
        umb__task_gradients_destroy(d);
        return st;
    }
    *ret_gradients = d;
    return UMB_OK;
}

void umb__task_gradients_destroy(struct umb_task_gradients *d)
{
    if (!d) { return; }
    for (int i = 0; i < N_SIDES; i++) {
        umb__plan_destroy(d->side[i].plan);
        umb__graph_destroy(d->side[i].graph);
    }
    umb__store_destroy(d->store);
    umb__arena_destroy(d->arena);
    umb__free(d);
}

int umb__task_gradients_n_tasks(const struct umb_task_gradients *d)
{
    return d->T;
}

int umb__task_gradients_n_layers(const struct umb_task_gradients *d)
{
    return d->n_layers;
}

const char *umb__task_gradients_layer(const struct umb_task_gradients *d, int layer)
{
    return d->layer[layer].name;
}

/* ---- parameters ---- */

static const char *packed_name(const struct umb_task_gradients *d, int device)
{
    const struct side *s = &d->side[LOOK];
    return s->graph->value[s->params[device]].name;
}

static enum umb_status give(struct umb_task_gradients *d, const float *param)
{
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < d->tr->n_devices; k++) {
        if (!d->packed[k]) { continue; }
        st = umb__store_write(d->store, packed_name(d, k), 0, d->packed[k] * sizeof *param, param);
        param += d->packed[k];
    }
    return st;
}

enum umb_status umb__task_gradients_follow(struct umb_task_gradients *d)
{
    float *param = d->param;
    enum umb_status st = umb__trainer_copy_tensors(d->tr, d->side[LOOK].graph, d->store);
    for (int k = 0; st == UMB_OK && k < d->tr->n_devices; k++) {
        if (!d->packed[k]) { continue; }
        st = umb__store_read(d->store, packed_name(d, k), 0, d->packed[k] * sizeof *param, param);
        param += d->packed[k];
    }
    return st;
}

/* ---- batches ---- */

static enum umb_status run(const struct umb_task_gradients *d, int which, double *ret_loss)
{
    const struct side *s = &d->side[which];
    enum umb_status st = umb__plan_submit(s->plan, 0);
    if (st == UMB_OK) { st = umb__plan_wait(s->plan, 0); }
    for (int t = 0; st == UMB_OK && t < d->T; t++) {
        const double weight = umb__net_task(d->tr->net, t)->weight;
        const float *loss = umb__plan_output(s->plan, 0, s->task[t].loss);
        const float *total = umb__plan_output(s->plan, 0, s->task[t].total);
        ret_loss[t] = *total != 0 ? weight * (double)*loss : (double)NAN;
    }
    return st;
}

static void read_grams(const struct umb_task_gradients *d, double *ret_gram)
{
    const size_t n = (size_t)(d->T * d->T);
    memset(ret_gram, 0, n * sizeof *ret_gram);
    for (int k = 0; k < d->n_layers; k++) {
        const float *gram = umb__plan_output(d->side[LOOK].plan, 0, d->layer[k].gram);
        for (size_t i = 0; i < n; i++) {
            ret_gram[(size_t)(1 + k) * n + i] = (double)gram[i];
            ret_gram[i] += (double)gram[i];
        }
    }
}

enum umb_status umb__task_gradients_look(struct umb_task_gradients *d, int slot, uint64_t draw,
                                         double *ret_gram, double *ret_loss)
{
    const struct umb_graph *g = d->side[LOOK].graph;
    for (int i = 0; i < N_SIDES; i++) {
        umb__trainer_copy_inputs(d->tr, slot, draw, d->side[i].graph, d->side[i].plan);
    }
    enum umb_status st = run(d, LOOK, ret_loss);
    for (int k = 0; st == UMB_OK && k < d->n_layers; k++) {
        struct layer *l = &d->layer[k];
        const size_t bytes = (size_t)(d->T * l->length) * sizeof *l->row;
        st = umb__store_read(d->store, g->value[l->rows].name, 0, bytes, l->row);
    }
    if (st == UMB_OK) { read_grams(d, ret_gram); }
    return st;
}

static void move(struct umb_task_gradients *d, int t, double rate)
{
    memcpy(d->moved, d->param, d->n_packed * sizeof *d->moved);
    for (int k = 0; k < d->n_layers; k++) {
        const struct layer *l = &d->layer[k];
        const float *row = l->row + (int64_t)t * l->length;
        for (int i = 0; i < l->n_pieces; i++) {
            const struct piece *p = &l->piece[i];
            for (size_t j = 0; j < p->n; j++) {
                float *to = &d->moved[p->at + j];
                *to = (float)((double)*to - rate * (double)row[p->in_row + j]);
            }
        }
    }
}

enum umb_status umb__task_gradients_after(struct umb_task_gradients *d, double rate,
                                          double *ret_after)
{
    enum umb_status st = UMB_OK;
    for (int t = 0; st == UMB_OK && t < d->T; t++) {
        move(d, t, rate);
        st = give(d, d->moved);
        if (st == UMB_OK) { st = run(d, AGAIN, ret_after + t * d->T); }
    }
    const enum umb_status back = give(d, d->param);
    return st == UMB_OK ? back : st;
}

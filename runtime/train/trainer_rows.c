/*
 * Tasks' gradients in a training graph, and the weights that make one of them.
 *
 *   losses ──► weights                     by losses: they are the seeds' gradients
 *
 *   heads  ──► row of each task ──► gram ──► host ──► weights ──► combined ──► trunk
 *
 * Where gradients are compared of all that tasks share, the rows are those of shared parameters.
 * At the representation they are of the values that tasks read, and the trunk is differentiated
 * once, from their combination; between two comparisons it is so too, with the weights that are
 * there. Of the last block, rows go back through it, and what is before is differentiated once.
 */
#include <stdio.h>
#include <string.h>

#include "trainer_balance.h"
#include "trainer_internal.h"
#include "trainer_rows.h"

/* ---- weighted losses ---- */

static enum umb_status differentiate_sum(struct umb_rows *r, const bool *frozen, int *ret_gradient)
{
    int seeds[UMB_MAX_TASKS], dseeds[UMB_MAX_TASKS];
    enum umb_status st = umb__rows_find_weights(r);
    for (int t = 0; st == UMB_OK && t < r->T; t++) {
        seeds[t] = r->task[t].loss;
        st = umb__rows_weight_of(r, t, r->g->value[seeds[t]].device, &dseeds[t]);
    }
    const struct umb_autodiff_desc desc = {
        .n_seeds = r->T, .seeds = seeds, .dseeds = dseeds, .frozen = frozen};
    if (st != UMB_OK) { return st; }
    /* values since r->n are no parameters, and have no gradient that anyone looks at */
    int *all = umb__arena_calloc(r->g->arena, (size_t)r->g->n_values, sizeof *all);
    st = all ? umb__graph_autodiff(r->g, &desc, all) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { memcpy(ret_gradient, all, (size_t)r->n * sizeof *all); }
    return st;
}

/* ---- rows ---- */

static bool is_trained(const struct umb_value *v)
{
    return v->kind == UMB_VALUE_PARAM && v->spec >= 0;
}

static enum umb_status find_shared(struct umb_rows *r, const int *seeds)
{
    uint64_t *leads = umb__calloc(r->g->ctx, (size_t)r->g->n_values, sizeof *leads);
    r->shared = umb__arena_calloc(r->g->arena, (size_t)r->n, sizeof *r->shared);
    const bool ok = leads && r->shared;
    if (ok) { umb__graph_leads(r->g, r->T, seeds, leads); }
    for (int v = 0; ok && v < r->n; v++) {
        r->shared[v] = is_trained(&r->g->value[v]) && (leads[v] & (leads[v] - 1));
    }
    umb__free(leads);
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Every task's own gradients, unweighted but by the task's weight, from its loss to the stops. */
static enum umb_status differentiate_rows(struct umb_rows *r, const bool *frozen)
{
    int seeds[UMB_MAX_TASKS], dseeds[UMB_MAX_TASKS], n_stops = 0;
    const char *names[UMB_MAX_TASKS];
    const struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    for (int t = 0; t < r->T; t++) {
        names[t] = umb__net_task(r->tr->net, t)->name;
        const char *name = umb__arena_printf(r->g->arena, "%s.seed", names[t]);
        seeds[t] = r->task[t].loss;
        dseeds[t] = name ? umb__graph_value(r->g, name, UMB_VALUE_CONSTANT, &one) : -1;
        if (dseeds[t] < 0) { return UMB_ERR_NO_MEMORY; }
        r->g->value[dseeds[t]].constant = r->b->task_weight[t];
    }
    struct umb_autodiff_desc desc = {.n_seeds = r->T,
                                     .by_rows = true,
                                     .row_names = names,
                                     .seeds = seeds,
                                     .dseeds = dseeds,
                                     .frozen = frozen};
    r->n = r->g->n_values;
    const size_t n = (size_t)r->n;
    enum umb_status st = find_shared(r, seeds);
    if (st != UMB_OK) { return st; }
    if (r->between || r->b->gradients != UMB_GRADIENTS_SHARED) {
        const bool block = !r->between && r->b->gradients == UMB_GRADIENTS_LAST_BLOCK;
        r->stop = umb__arena_calloc(r->g->arena, n, sizeof *r->stop);
        if (!r->stop) { return UMB_ERR_NO_MEMORY; }
        st = umb__graph_border(r->g, &desc,
                               block ? UMB_BORDER_LAST_BLOCK : UMB_BORDER_REPRESENTATION,
                               umb__trainer_shares(r->tr), r->stop, &n_stops);
        desc.stop = r->stop;
    }
    r->row = umb__arena_calloc(r->g->arena, n * (size_t)r->T, sizeof *r->row);
    if (!r->row) { return UMB_ERR_NO_MEMORY; }
    return st == UMB_OK ? umb__graph_autodiff(r->g, &desc, r->row) : st;
}

static int row_of(const struct umb_rows *r, int t, int v)
{
    return r->row[t * r->n + v];
}

static int n_rows_of(const struct umb_rows *r, int v)
{
    int n = 0;
    for (int t = 0; t < r->T; t++) {
        n += row_of(r, t, v) >= 0;
    }
    return n;
}

/* The rows of values[n_values], side by side, as one state on that device. */
static enum umb_status lay_rows(struct umb_rows *r, const char *name, int device, int n_values,
                                const int *values, int *ret_rows)
{
    struct umb_row_piece *piece =
        umb__calloc(r->g->ctx, (size_t)(n_values * r->T) + 1, sizeof *piece);
    int64_t at = 0;
    int n = 0;
    if (!piece) { return UMB_ERR_NO_MEMORY; }
    for (int k = 0; k < n_values; k++) {
        const struct umb_type *whole = umb__rows_type(r, values[k]);
        const int64_t count = umb__shape_count(&whole->shape), unit = (int64_t)UMB_PACK_BYTES / 4;
        for (int t = 0; t < r->T; t++) {
            const int d = row_of(r, t, values[k]);
            if (d < 0) { continue; }
            const struct umb_type *own = umb__rows_type(r, d);
            const int64_t part = whole->n_segments > 0 ? count / whole->n_segments : 0;
            const int64_t skip = part * (own->segment - whole->segment);
            piece[n++] = (struct umb_row_piece){t, d, (size_t)(at + skip) * sizeof(float)};
        }
        at += (count + unit - 1) / unit * unit;
    }
    r->g->device = device;
    const enum umb_status st = umb__graph_pack_rows(r->g, name, r->T, piece, n, at, ret_rows);
    r->g->device = 0;
    umb__free(piece);
    return st;
}

/* What only one task has, times its weight. */
static enum umb_status weigh_own(struct umb_rows *r, int t, int *gradient)
{
    struct umb_graph *g = r->g;
    const int device = g->value[*gradient].device;
    int in[2] = {*gradient, -1};
    const char *name = umb__arena_printf(g->arena, "%s.weighed", g->value[*gradient].name);
    enum umb_status st = name ? umb__rows_weight_of(r, t, device, &in[1]) : UMB_ERR_NO_MEMORY;
    g->device = device;
    if (st == UMB_OK) { st = umb__balancing_node(g, "combine_rows", NULL, name, 2, in, gradient); }
    g->device = 0;
    return st;
}

/* The combination of the rows of a stop, as a gradient of it. */
static enum umb_status combine_stop(struct umb_rows *r, int value, int rows, int *ret_gradient)
{
    const int in[2] = {rows, r->weights};
    char attrs[64];
    const char *name = umb__arena_printf(r->g->arena, "d(%s).combined", r->g->value[value].name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    snprintf(attrs, sizeof attrs, "first=0 count=%lld",
             (long long)umb__shape_count(&umb__rows_type(r, value)->shape));
    r->g->device = r->g->value[value].device;
    const enum umb_status st =
        umb__balancing_node_with(r->g, "combine_rows", attrs, name, 2, in, ret_gradient);
    r->g->device = 0;
    if (st == UMB_OK) { r->g->value[*ret_gradient].type = *umb__rows_type(r, value); }
    return st;
}

struct stops {
    int n, *value, *rows, *gradient;
};

static enum umb_status lay_stops(struct umb_rows *r, bool compares, struct stops *s)
{
    enum umb_status st = UMB_OK;
    struct umb_arena *arena = r->g->arena;
    const size_t room = (size_t)r->n + 1;
    s->value = umb__arena_calloc(arena, room, sizeof *s->value);
    s->rows = umb__arena_calloc(arena, room, sizeof *s->rows);
    s->gradient = umb__arena_calloc(arena, room, sizeof *s->gradient);
    if (!s->value || !s->rows || !s->gradient) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; st == UMB_OK && r->stop && v < r->n; v++) {
        if (!r->stop[v] || !n_rows_of(r, v)) { continue; }
        const char *name = umb__arena_printf(arena, "d(%s).rows", r->g->value[v].name);
        st = name ? lay_rows(r, name, r->g->value[v].device, 1, &v, &s->rows[s->n])
                  : UMB_ERR_NO_MEMORY;
        s->value[s->n] = v;
        if (st == UMB_OK && compares) { st = umb__rows_add_gram(r, s->rows[s->n]); }
        s->n++;
    }
    return st;
}

/* From the stops on, as one. */
static enum umb_status go_on(struct umb_rows *r, const bool *frozen, struct stops *s)
{
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < s->n; k++) {
        st = combine_stop(r, s->value[k], s->rows[k], &s->gradient[k]);
    }
    const struct umb_autodiff_desc desc = {
        .n_seeds = s->n, .seeds = s->value, .dseeds = s->gradient, .frozen = frozen};
    if (st != UMB_OK || !s->n) { return st; }
    int *all = umb__arena_calloc(r->g->arena, (size_t)r->g->n_values, sizeof *all);
    st = all ? umb__graph_autodiff(r->g, &desc, all) : UMB_ERR_NO_MEMORY;
    r->second = all;
    return st;
}

static bool has_rows(const struct umb_rows *r)
{
    bool any = false;
    for (int v = 0; v < r->n; v++) {
        any = any || (r->shared[v] && n_rows_of(r, v));
    }
    return any;
}

/* Plans that have rows of the same parameters use the same memory for them. */
static const char *name_rows(const struct umb_rows *r, const struct umb_trainer_gradients *d)
{
    if (!r->stop) { return "gradient_rows"; }
    return umb__arena_printf(r->g->arena, "%s.%d.rows", r->g->value[d->in_rows[0]].name,
                             d->n_in_rows);
}

/* The parameters with rows, in their order. Where all that is shared has rows, frozen ones have
 * their places among them too: rows are as long in every phase of training, and lie as parameters
 * do. */
static enum umb_status list_rows(const struct umb_rows *r, struct umb_trainer_gradients *d)
{
    d->in_rows = umb__arena_calloc(r->g->arena, (size_t)r->n + 1, sizeof *d->in_rows);
    if (!d->in_rows) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < r->n; v++) {
        if (r->shared[v] && (n_rows_of(r, v) || !r->stop)) { d->in_rows[d->n_in_rows++] = v; }
    }
    return UMB_OK;
}

/* By value: of shared parameters from the second walk or elsewhere, of others their only row. */
static enum umb_status list_gradients(struct umb_rows *r, struct umb_trainer_gradients *d)
{
    for (int v = 0; v < r->n; v++) {
        d->gradient[v] = r->second ? r->second[v] : -1;
        if (!is_trained(&r->g->value[v])) { continue; }
        for (int t = 0; t < r->T; t++) {
            if (row_of(r, t, v) < 0) { continue; }
            if (d->gradient[v] >= 0) {
                return umb__fail(
                    r->g->ctx, UMB_ERR_UNSUPPORTED,
                    "balancer %s: %s is used both before and behind where gradients are "
                    "compared; expected those of all that tasks share",
                    r->b->row->name, r->g->value[v].name);
            }
            if (r->shared[v]) {
                d->gradient[v] = UMB_GRADIENT_ELSEWHERE;
                break;
            }
            d->gradient[v] = row_of(r, t, v);
            const enum umb_status st =
                r->b->weighs_heads ? weigh_own(r, t, &d->gradient[v]) : UMB_OK;
            if (st != UMB_OK) { return st; }
        }
    }
    return UMB_OK;
}

static enum umb_status nothing_shared(const struct umb_rows *r)
{
    return umb__fail(
        r->g->ctx, UMB_ERR_INVALID,
        "balancer %s compares gradients of what tasks share, and they share no parameter "
        "that is trained; expected a trunk that is not frozen, or a balancer of losses",
        r->b->row->name);
}

static enum umb_status differentiate_by_rows(struct umb_rows *r, const bool *frozen,
                                             struct umb_trainer_gradients *d)
{
    const bool asks = r->b->kind == UMB_BALANCE_BY_GRADIENTS && !r->between;
    const bool drops = r->b->row->needs == UMB_BALANCE_ELEMENTS;
    const bool at_stops = asks && r->b->gradients == UMB_GRADIENTS_REPRESENTATION;
    struct stops stops = {0};
    enum umb_status st =
        r->b->kind == UMB_BALANCE_BY_GRADIENTS && !r->between ? UMB_OK : umb__rows_find_weights(r);
    if (st == UMB_OK) { st = differentiate_rows(r, frozen); }
    if (st == UMB_OK) { st = list_rows(r, d); }
    if (st == UMB_OK && d->n_in_rows) {
        const char *name = name_rows(r, d);
        st = name ? lay_rows(r, name, 0, d->n_in_rows, d->in_rows, &d->rows) : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK) { st = lay_stops(r, at_stops, &stops); }
    if (st == UMB_OK && asks && !has_rows(r) && !stops.n) { st = nothing_shared(r); }
    if (st == UMB_OK && asks && !drops) { st = umb__rows_ask_host(r, &d->rows, !at_stops); }
    if (st == UMB_OK) { st = go_on(r, frozen, &stops); }
    d->n = r->n;
    d->shared = r->shared;
    d->weights = r->weights;
    d->gradient = umb__arena_calloc(r->g->arena, (size_t)r->n + 1, sizeof *d->gradient);
    if (!d->gradient) { return UMB_ERR_NO_MEMORY; }
    return st == UMB_OK ? list_gradients(r, d) : st;
}

enum umb_status umb__balancing_differentiate(struct umb_trainer *tr, struct umb_trainer_side *side,
                                             bool between, struct umb_trainer_gradients *ret)
{
    struct umb_trainer_balance *b = tr->balance;
    struct umb_graph *g = side->graph;
    struct umb_rows r = {.tr = tr,
                         .b = b,
                         .g = g,
                         .task = side->task,
                         .between = between,
                         .T = tr->n_tasks,
                         .n = g->n_values,
                         .weights = -1,
                         .losses = -1};
    struct umb_trainer_gradients d = {.rows = -1, .n = r.n, .weights = -1, .to_learn = -1};
    bool *frozen;
    enum umb_status st = umb__trainer_frozen(tr, g, &frozen);
    if (st != UMB_OK) { return st; }
    if (b->by_rows) {
        st = differentiate_by_rows(&r, frozen, &d);
    } else {
        d.gradient = umb__arena_calloc(g->arena, (size_t)r.n + 1, sizeof *d.gradient);
        st = d.gradient ? differentiate_sum(&r, frozen, d.gradient) : UMB_ERR_NO_MEMORY;
    }
    const bool by_losses = b->kind == UMB_BALANCE_BY_LOSSES;
    if (st == UMB_OK && (by_losses || b->kind == UMB_BALANCE_LEARNED)) {
        st = umb__rows_add_facts(&r, "balancer.facts", by_losses, &r.weights, &d.to_learn);
        d.weights = r.weights;
    }
    side->weights = b->kind == UMB_BALANCE_UPLOADED ? r.weights : -1;
    if (st == UMB_OK) { *ret = d; }
    return st;
}

/*
 * What the host makes weights of, and how they get to where they are needed. Of several devices the
 * first is a balancer's home: losses, inner products and rows of parameters come there from
 * wherever they are made, the host is asked there, and its weights go from there to where seeds
 * and rows are. Nodes here are on the home unless they say otherwise; what they read of other
 * devices is transferred (graph/devices.c).
 */
#include "trainer_rows.h"

#include <stdio.h>

#include "host.h"
#include "trainer_internal.h"

static int value_of_floats(struct umb_graph *g, const char *name, enum umb_value_kind kind,
                           int64_t n)
{
    const struct umb_type type = {.dtype = UMB_F32, .shape = {1, {n}}};
    return umb__graph_value(g, name, kind, &type);
}

/* ---- what the host makes ---- */

/* Losses and totals side by side, and behind them what else the host is told. */
enum umb_status umb__rows_add_facts(struct umb_rows *r, const char *name, int n_more,
                                    const int *more, int *ret_facts)
{
    int in[3 * UMB_MAX_TASKS], n = 0;
    for (int t = 0; t < r->T; t++) {
        in[t] = r->task[t].loss;
        in[r->T + t] = r->task[t].total;
    }
    n = 2 * r->T;
    if (r->losses < 0) {
        const enum umb_status st =
            umb__balancing_node(r->g, "gather", NULL, "balancer.losses", n, in, &r->losses);
        if (st != UMB_OK) { return st; }
    }
    n = 0;
    in[n++] = r->losses;
    for (int k = 0; k < n_more; k++) {
        in[n++] = more[k];
    }
    *ret_facts = r->losses;
    return n == 1 ? UMB_OK : umb__balancing_node(r->g, "gather", NULL, name, n, in, ret_facts);
}

static enum umb_status add_host(struct umb_rows *r, const char *name, umb_host_fn call, int facts,
                                int n_out, int *ret_value)
{
    const struct umb_host_attrs attrs = {.call = call, .user = r->b, .n_out = n_out};
    return umb__balancing_node(r->g, "host", &attrs, name, 1, &facts, ret_value);
}

/* The weights on the device, of which the host writes those of the coming step. */
static int kept_weights(const struct umb_rows *r)
{
    const int v = umb__graph_find_value(r->g, UMB_BALANCE_WEIGHTS);
    return v >= 0 ? v : value_of_floats(r->g, UMB_BALANCE_WEIGHTS, UMB_VALUE_STATE, r->T);
}

/* What a node made lies in the kept weights. */
static void keep(const struct umb_rows *r, int value, int kept)
{
    r->g->value[value].base = kept;
    r->g->value[value].base_offset = 0;
}

/* The weights, where they are known before gradients are. */
enum umb_status umb__rows_find_weights(struct umb_rows *r)
{
    int in[2];
    enum umb_status st = UMB_OK;
    if (r->b->kind == UMB_BALANCE_UPLOADED) {
        r->weights = value_of_floats(r->g, "weights", UMB_VALUE_INPUT, r->T);
    } else if (r->b->kind == UMB_BALANCE_LEARNED || r->between) {
        r->weights = kept_weights(r);
    } else if (r->b->kind == UMB_BALANCE_BY_LOSSES) {
        in[1] = value_of_floats(r->g, UMB_BALANCE_COEFFICIENTS, UMB_VALUE_STATE,
                                umb__balancing_n_coefficients(r->b));
        st = in[1] < 0 ? UMB_ERR_NO_MEMORY
                       : umb__rows_add_facts(r, "balancer.facts", 0, NULL, &in[0]);
        if (st != UMB_OK) { return st; }
        return umb__balancing_node(r->g, "loss_weights", NULL, "balancer.weigh", 2, in,
                                   &r->weights);
    }
    return r->weights < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

/* Number t of weights that a node makes, or that another device has: all of them go there. */
static enum umb_status view_weight(struct umb_rows *r, const char *name, int t, int device,
                                   int *ret_value)
{
    char text[48];
    r->g->value[r->weights].type.n_segments = r->T;
    snprintf(text, sizeof text, "first=%d count=1", t);
    r->g->device = device;
    const enum umb_status st =
        umb__balancing_node_with(r->g, "rows", text, name, 1, &r->weights, ret_value);
    r->g->device = 0;
    if (st == UMB_OK) { r->g->value[*ret_value].type.n_segments = 0; }
    return st;
}

enum umb_status umb__rows_weight_of(struct umb_rows *r, int t, int device, int *ret_value)
{
    const struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    const char *name =
        umb__arena_printf(r->g->arena, "%s.weight", umb__net_task(r->tr->net, t)->name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    const enum umb_value_kind kind = r->g->value[r->weights].kind;
    if (kind == UMB_VALUE_TEMP || (kind == UMB_VALUE_STATE && device)) {
        return view_weight(r, name, t, device, ret_value);
    }
    *ret_value = umb__graph_value(r->g, name, kind, &one);
    if (*ret_value < 0) { return UMB_ERR_NO_MEMORY; }
    r->g->value[*ret_value].base = r->weights;
    r->g->value[*ret_value].base_offset = (size_t)t * sizeof(float);
    return UMB_OK;
}

/* ---- rows ---- */

/* How many devices may have a border of their own. */
static int n_nets(const struct umb_rows *r)
{
    return umb__trainer_shares(r->tr) ? r->tr->n_devices : 1;
}

enum umb_status umb__rows_add_gram(struct umb_rows *r, int rows)
{
    const char *name = umb__arena_printf(r->g->arena, "balancer.gram%d", r->n_grams);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    if (r->n_grams == UMB_MAX_TASKS * n_nets(r)) {
        return umb__fail(r->g->ctx, UMB_ERR_UNSUPPORTED,
                         "balancer %s: tasks leave the trunk in more than %d places",
                         r->b->row->name, UMB_MAX_TASKS);
    }
    r->g->device = r->g->value[rows].device; /* the products are fewer than the rows */
    const enum umb_status st =
        umb__balancing_node(r->g, "gram", NULL, name, 1, &rows, &r->gram[r->n_grams++]);
    r->g->device = 0;
    return st;
}

/* Of devices that share a batch, so that the host is told as much as by one. */
static enum umb_status sum_grams(struct umb_rows *r)
{
    if (n_nets(r) == 1 || r->n_grams < 2) { return UMB_OK; }
    const enum umb_status st =
        umb__balancing_node(r->g, "sum", NULL, "balancer.gram", r->n_grams, r->gram, &r->gram[0]);
    r->n_grams = 1;
    return st;
}

/* Rows kept over steps take in this step's, and stand for them from there on. */
static enum umb_status add_mixed(struct umb_rows *r, int *rows)
{
    int facts, factors, in[3];
    const int kept =
        umb__graph_value(r->g, UMB_BALANCE_ROWS, UMB_VALUE_STATE, umb__rows_type(r, *rows));
    enum umb_status st = kept < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
    if (st == UMB_OK) { st = umb__rows_add_gram(r, *rows); }
    if (st == UMB_OK) { st = umb__rows_add_facts(r, "balancer.mixing", 1, r->gram, &facts); }
    if (st == UMB_OK) {
        st = add_host(r, "balancer.mix", umb__balancing_mix, facts, 2 * r->T, &factors);
    }
    if (st != UMB_OK) { return st; }
    in[0] = kept;
    in[1] = *rows;
    in[2] = factors;
    st = umb__balancing_node(r->g, "mix_rows", NULL, "balancer.mixed", 3, in, NULL);
    r->n_grams = 0;
    *rows = kept;
    return st;
}

/* What the host is told beside losses, and the weights that it makes of it. */
enum umb_status umb__rows_ask_host(struct umb_rows *r, int *rows, bool compares_params)
{
    const enum umb_balance_needs needs = r->b->row->needs;
    int facts, more[UMB_MAX_TASKS], n_more = 0;
    enum umb_status st = UMB_OK;
    if (needs == UMB_BALANCE_MIXED) { st = add_mixed(r, rows); }
    if (st == UMB_OK && compares_params && *rows >= 0 && needs != UMB_BALANCE_EXCESS) {
        st = umb__rows_add_gram(r, *rows);
    }
    if (st == UMB_OK && needs == UMB_BALANCE_EXCESS) {
        const int squares =
            umb__graph_value(r->g, UMB_BALANCE_ROWS, UMB_VALUE_STATE, umb__rows_type(r, *rows));
        const int in[2] = {squares, *rows};
        if (squares < 0) { return UMB_ERR_NO_MEMORY; }
        st = umb__balancing_node(r->g, "excess", NULL, "balancer.excess", 2, in, &more[n_more++]);
    }
    if (st == UMB_OK) { st = sum_grams(r); }
    for (int k = 0; st == UMB_OK && k < r->n_grams; k++) {
        more[n_more++] = r->gram[k];
    }
    r->b->n_grams = r->n_grams;
    if (st == UMB_OK) { st = umb__rows_add_facts(r, "balancer.facts", n_more, more, &facts); }
    if (st == UMB_OK) {
        st = add_host(r, "balancer", umb__balancing_weigh, facts, r->T, &r->weights);
    }
    if (st == UMB_OK && r->b->every > 1) {
        const int kept = kept_weights(r);
        if (kept < 0) { return UMB_ERR_NO_MEMORY; }
        keep(r, r->weights, kept);
    }
    return st;
}

/*
 * A trainer's graphs: the net for training, evaluation or prediction, differentiated, its
 * parameters packed and updated, behind every pass.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "fold.h"
#include "trainer_balance.h"
#include "trainer_internal.h"
#include "trainer_soft.h"

static enum umb_status add_update_node(struct umb_graph *g, const struct umb_op *op,
                                       const void *attrs, const char *name, int n_in, const int *in,
                                       int *ret_out)
{
    struct umb_graph_node_desc desc = {
        .op = op, .attrs = attrs, .name = name, .phase = UMB_PHASE_UPDATE, .n_in = n_in, .in = in};
    return umb__graph_node_raw(g, &desc, ret_out);
}

/* What a device's parameters are packed into. */
struct packed {
    int params, gradients; /* −1: it has none */
};

/* The gradients of all devices as one vector. */
static enum umb_status all_gradients(struct umb_graph *g, const struct packed *packed, int n,
                                     int *ret_value)
{
    int in[UMB_MAX_DEVICES], n_in = 0, out[UMB_OP_MAX_OUT];
    for (int d = 0; d < n; d++) {
        if (packed[d].gradients >= 0) { in[n_in++] = packed[d].gradients; }
    }
    *ret_value = in[0];
    if (n_in == 1) { return UMB_OK; }
    const enum umb_status st =
        add_update_node(g, umb__op_find("concat"), NULL, "all_gradients", n_in, in, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status add_clip(struct umb_trainer *tr, struct umb_graph *g,
                                const struct packed *packed, int *ret_scale)
{
    const struct umb_op *op = umb__op_find("clip_scale");
    char text[64];
    snprintf(text, sizeof text, "max_norm=%.17g", tr->clip_norm);
    void *attrs;
    int out[UMB_OP_MAX_OUT], gradients;
    enum umb_status st = umb__attrs_create(tr->ctx, g->arena, op, text, &attrs);
    if (st == UMB_OK) { st = all_gradients(g, packed, tr->n_devices, &gradients); }
    if (st == UMB_OK) { st = add_update_node(g, op, attrs, "clip", 1, &gradients, out); }
    if (st == UMB_OK) { *ret_scale = out[0]; }
    return st;
}

/* The update of a device's packed parameters. clip −1: none. */
static enum umb_status add_update(struct umb_trainer *tr, struct umb_trainer_side *side,
                                  const struct packed *packed, int clip)
{
    struct umb_graph *g = side->graph;
    int in[6] = {packed->params, packed->gradients}, n = 2;
    struct umb_type type = g->value[packed->params].type;
    for (int s = 0; s < umb__trainer_n_optimizer_states(tr); s++) {
        const char *name = umb__graph_device_name(g, umb__optimizer_state_names[s], g->device);
        in[n] = name ? umb__graph_value(g, name, UMB_VALUE_STATE, &type) : -1;
        if (in[n] < 0) { return UMB_ERR_NO_MEMORY; }
        tr->optimizer_state[s][g->device] = umb__arena_strdup(tr->arena, name);
        if (!tr->optimizer_state[s][g->device]) { return UMB_ERR_NO_MEMORY; }
        n++;
    }
    in[n++] = side->groups.hyper;
    if (clip >= 0) { in[n++] = clip; }
    const char *name = umb__graph_device_name(g, "update", g->device);
    return name ? umb__trainer_add_ranges(tr, g, &side->groups, name, n, in) : UMB_ERR_NO_MEMORY;
}

/* Parameters lie where the training plan has them, which puts those that tasks share first. */
static void follow_training(const struct umb_trainer *tr, struct umb_graph *g)
{
    const struct umb_graph *train = tr->side[UMB_TRAINER_TRAIN].graph;
    for (int v = 0; tr->balance->by_rows && v < g->n_values; v++) {
        struct umb_value *value = &g->value[v];
        if (value->kind != UMB_VALUE_PARAM || value->base < 0) { continue; }
        const int w = umb__graph_find_value(train, value->name);
        assert(w >= 0);
        value->base_offset = train->value[w].base_offset;
    }
}

/* Packs each device's parameters, and in training updates them, behind the clipping where that is
 * wanted. */
static enum umb_status add_updates(struct umb_trainer *tr, int mode, struct umb_trainer_side *side,
                                   const struct umb_trainer_gradients *d)
{
    struct umb_graph *g = side->graph;
    struct packed packed[UMB_MAX_DEVICES];
    int gradients[UMB_MAX_DEVICES];
    const bool trains = umb__trainer_trains(mode);
    enum umb_status st =
        trains ? umb__trainer_group(tr, g, d->gradient, d->n, &side->groups) : UMB_OK;
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        struct packed *p = &packed[g->device];
        st = umb__graph_pack_shared(g, d->gradient, d->n, d->shared, &p->params, &p->gradients);
        gradients[g->device] = p->gradients;
    }
    g->device = 0;
    if (st == UMB_OK && trains) { st = umb__balancing_combine(tr, g, d, gradients); }
    if (st == UMB_OK && !trains) { follow_training(tr, g); }
    if (st != UMB_OK || !trains) { return st; }
    if (packed[0].params >= 0) {
        tr->packed_bytes = umb__type_bytes(&g->value[packed[0].params].type);
    }
    int clip = -1;
    if (tr->clip_norm > 0) { st = add_clip(tr, g, packed, &clip); }
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        if (packed[g->device].params < 0) { continue; }
        st = add_update(tr, side, &packed[g->device], clip);
    }
    g->device = 0;
    return st;
}

/* What runs before differentiation. A relu behind a batch norm goes there rather than behind a
 * pooling. */
static enum umb_status fuse_forward(const struct umb_trainer *tr, struct umb_graph *g)
{
    enum umb_status st = tr->fuses ? umb__graph_fuse_norm(g) : UMB_OK;
    if (st == UMB_OK) { st = umb__graph_simplify(g); }
    if (st != UMB_OK || !tr->fuses) { return st; }
    return umb__graph_fuse_pool(g, umb_device_get_caps(tr->device));
}

/* What runs behind differentiation and packing. */
static enum umb_status fuse_backward(const struct umb_trainer *tr, struct umb_graph *g)
{
    const struct umb_device_caps *caps = umb_device_get_caps(tr->device);
    enum umb_status st = umb__graph_fuse(g, caps);
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        st = umb__graph_fuse_update(g, caps, umb__graph_large_param(g));
    }
    g->device = 0;
    return st;
}

/* The net with its tasks; what is not for training finds in the store what parameters alone make.
 */
static enum umb_status build_tasks(struct umb_trainer *tr, int mode, struct umb_trainer_side *side)
{
    enum umb_status st = umb__trainer_build_net(tr, mode, side);
    if (st == UMB_OK && umb__trainer_trains(mode)) {
        st = umb__trainer_freeze_statistics(tr, side->graph);
    }
    if (st == UMB_OK) {
        st = mode == UMB_TRAINER_PREDICT
                 ? umb__tasks_answers(tr->net, side->graph, &side->net, side->answer)
                 : umb__tasks_attach(tr->net, side->graph, &side->net, side->task);
    }
    if (st == UMB_OK) { st = umb__graph_transfer(side->graph); }
    if (st != UMB_OK || umb__trainer_trains(mode)) { return st; }
    return umb__graph_fold_readers(side->graph, &side->n_folded);
}

/* Parameters lie in every graph where they lie in training's, which packs shared ones first where
 * it keeps tasks' gradients apart. */
static enum umb_status pack_as_training(const struct umb_trainer *tr,
                                        const struct umb_trainer_side *side,
                                        struct umb_trainer_gradients *d)
{
    const struct umb_trainer_side *train = &tr->side[UMB_TRAINER_TRAIN];
    if (!train->graph || !train->shared) { return UMB_OK; }
    d->n = side->graph->n_values;
    d->shared = umb__arena_calloc(side->graph->arena, (size_t)d->n + 1, sizeof *d->shared);
    if (!d->shared) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < d->n; v++) {
        const int w = umb__graph_find_value(train->graph, side->graph->value[v].name);
        d->shared[v] = w >= 0 && w < train->n_shared && train->shared[w];
    }
    return UMB_OK;
}

enum umb_status umb__trainer_graph_of(struct umb_trainer *tr, int mode,
                                      struct umb_trainer_side *side)
{
    const bool trains = umb__trainer_trains(mode);
    struct umb_trainer_gradients gradients = {.rows = -1, .to_learn = -1};
    enum umb_status st = umb__graph_create(tr->ctx, trains, tr->n_streams, &side->graph);
    if (st != UMB_OK) { return st; }
    side->graph->mixed = tr->mixed;
    side->graph->keeps_gradients = umb__trainer_has_phases(tr);
    side->graph->more_caps = tr->more_caps;
    st = mode == UMB_TRAINER_FOLD ? umb__trainer_fold_graph(tr, side) : build_tasks(tr, mode, side);
    if (st == UMB_OK) { st = fuse_forward(tr, side->graph); }
    if (st == UMB_OK && trains) {
        st = umb__balancing_differentiate(tr, side, mode == UMB_TRAINER_BETWEEN, &gradients);
    }
    if (st == UMB_OK && !trains) { st = pack_as_training(tr, side, &gradients); }
    side->shared = gradients.shared;
    side->n_shared = gradients.n;
    if (st == UMB_OK && trains) { st = umb__soft_attach(tr, side, gradients.gradient); }
    if (st == UMB_OK) { st = add_updates(tr, mode, side, &gradients); }
    if (st == UMB_OK) { st = umb__graph_transfer(side->graph); }
    if (st == UMB_OK && tr->fuses) { st = fuse_backward(tr, side->graph); }
    if (st == UMB_OK && trains && tr->balance->row->needs_second_forward) {
        st = umb__balancing_look_again(tr, side, gradients.to_learn);
        if (st == UMB_OK) { st = fuse_forward(tr, side->graph); }
        if (st == UMB_OK && tr->fuses) { st = umb__graph_fuse_relu(side->graph); }
    }
    return st == UMB_OK ? umb__graph_alias(side->graph) : st;
}

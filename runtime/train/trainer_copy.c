/* trainer_copy.c: see trainer_copy.h. */
#include "trainer_copy.h"

#include <string.h>

#include "alloc.h"
#include "trainer_internal.h"
#include "trainer_state.h"

enum umb_status umb__trainer_copy_net(struct umb_trainer *tr, bool training,
                                      struct umb_graph **ret_graph, struct umb_net_values *ret_net)
{
    const enum umb_status st = umb__graph_create(tr->ctx, training, tr->n_streams, ret_graph);
    if (st != UMB_OK) { return st; }
    (*ret_graph)->mixed = training && tr->mixed;
    (*ret_graph)->more_caps = tr->more_caps;
    return umb__trainer_build_whole(tr, tr->batch, *ret_graph, ret_net);
}

enum umb_status umb__trainer_copy_pack(const struct umb_trainer *tr, struct umb_graph *g,
                                       int *ret_params)
{
    enum umb_status st = UMB_OK;
    int gradients;
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        st = umb__graph_pack(g, NULL, 0, &ret_params[g->device], &gradients);
    }
    g->device = 0;
    return st;
}

enum umb_status umb__trainer_copy_plan(const struct umb_trainer *tr, struct umb_graph *g,
                                       struct umb_store *store, struct umb_plan **ret_plan)
{
    enum umb_status st = umb__graph_transfer(g);
    if (st == UMB_OK && tr->fuses) { st = umb__graph_fuse(g, umb_device_get_caps(tr->device)); }
    if (st == UMB_OK) { st = umb__graph_alias(g); }
    const struct umb_plan_desc desc = {.device = tr->device,
                                       .graph = g,
                                       .store = store,
                                       .n_queues = tr->queues,
                                       .n_slots = 1,
                                       .merge = tr->merges,
                                       .more = tr->more,
                                       .n_more = tr->n_devices - 1,
                                       .tuning = tr->tuning};
    return st == UMB_OK ? umb__plan_create(tr->ctx, &desc, ret_plan) : st;
}

struct copying {
    const struct umb_graph *graph;
    struct umb_store *store;
};

/* One of the trainer's tensors; moments of its optimizer are not among the net's. */
static enum umb_status copy_tensor(struct umb_trainer *tr, const struct umb_tensor_place *p,
                                   void *user)
{
    const struct copying *c = user;
    const struct umb_graph *g = c->graph;
    const int v = strcmp(p->name, p->value->name) == 0 ? umb__graph_find_value(g, p->name) : -1;
    if (v < 0) { return UMB_OK; }
    const struct umb_value *to = &g->value[v];
    const bool packed = to->kind == UMB_VALUE_PARAM;
    void *copy = umb__calloc(tr->ctx, p->bytes, 1);
    enum umb_status st =
        copy ? umb__store_read(tr->store, p->buffer, p->offset, p->bytes, copy) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        st = umb__store_write(c->store, packed ? g->value[to->base].name : to->name,
                              packed ? to->base_offset : 0, p->bytes, copy);
    }
    umb__free(copy);
    return st;
}

enum umb_status umb__trainer_copy_tensors(struct umb_trainer *tr, const struct umb_graph *g,
                                          struct umb_store *store)
{
    struct copying c = {g, store};
    const enum umb_status st = umb__trainer_settle(tr);
    return st == UMB_OK ? umb__trainer_for_tensors(tr, copy_tensor, &c) : st;
}

/* The whole batch's, wherever the trainer has parts of it. */
static void copy_rows(const struct umb_trainer *tr, int slot, int32_t *input)
{
    for (int s = 0; s < tr->n_streams; s++) {
        input[s] = (int32_t)tr->side[UMB_TRAINER_TRAIN].rows[slot][s];
    }
}

void umb__trainer_copy_inputs(const struct umb_trainer *tr, int slot, uint64_t draw,
                              const struct umb_graph *g, struct umb_plan *plan)
{
    const struct umb_trainer_side *from = &tr->side[UMB_TRAINER_TRAIN];
    const uint32_t key[4] = {(uint32_t)tr->seed, (uint32_t)(tr->seed >> 32), (uint32_t)draw,
                             (uint32_t)(draw >> 32)};
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        if (value->kind != UMB_VALUE_INPUT || value->base >= 0) { continue; }
        void *input = umb__plan_input(plan, 0, v);
        if (v == g->random_value) {
            memcpy(input, key, sizeof key);
            continue;
        }
        if (v == g->rows_value) {
            copy_rows(tr, slot, input);
            continue;
        }
        const int w = umb__graph_find_value(from->graph, value->name);
        if (w >= 0) {
            memcpy(input, umb__plan_input(from->plan, slot, w), umb__type_bytes(&value->type));
        }
    }
}

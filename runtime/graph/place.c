/* Gives every value its memory: slots, constants, outputs, scratch, store; then binds the steps to
 * it. */
#include <string.h>

#include "plan_internal.h"

static size_t aligned(size_t bytes)
{
    return (bytes + UMB_MEMORY_ALIGN - 1) / UMB_MEMORY_ALIGN * UMB_MEMORY_ALIGN;
}

static enum umb_status place_root(struct umb_plan *p, int v)
{
    const struct umb_value *value = &p->graph->value[v];
    size_t bytes = umb__type_bytes(&value->type);
    size_t *total = value->kind == UMB_VALUE_INPUT      ? &p->input_bytes
                    : value->kind == UMB_VALUE_CONSTANT ? &p->constant_bytes
                    : value->output                     ? &p->output_bytes
                                                        : NULL;
    if (value->kind == UMB_VALUE_PARAM || value->kind == UMB_VALUE_STATE) {
        return umb__store_get(p->store, value->name, bytes, &p->kept[v]);
    }
    if (total) {
        p->place[v] = *total;
        *total += aligned(bytes);
    }
    return UMB_OK;
}

static enum umb_status fill_constants(struct umb_plan *p)
{
    if (!p->constant_bytes) { return UMB_OK; }
    float *data = umb__calloc(p->ctx, p->constant_bytes, 1);
    if (!data) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < p->graph->n_values; v++) {
        const struct umb_value *value = &p->graph->value[v];
        if (value->kind != UMB_VALUE_CONSTANT || value->base >= 0 || value->type.dtype != UMB_F32) {
            continue;
        }
        int64_t n = umb__shape_count(&value->type.shape);
        for (int64_t i = 0; i < n; i++) {
            data[p->place[v] / sizeof *data + (size_t)i] = (float)value->constant;
        }
    }
    enum umb_status st = umb__buffer_create(p->device, p->constant_bytes, &p->constants);
    if (st == UMB_OK) {
        st = umb__queue_write_now(p->upload, p->constants, 0, p->constant_bytes, data);
    }
    umb__free(data);
    return st;
}

static enum umb_status make_slot(struct umb_plan *p, struct umb_plan_slot *slot)
{
    slot->host_input = umb__calloc(p->ctx, p->input_bytes + 1, 1);
    slot->host_output = umb__calloc(p->ctx, p->output_bytes + 1, 1);
    if (!slot->host_input || !slot->host_output) { return UMB_ERR_NO_MEMORY; }
    if (!p->input_bytes) { return UMB_OK; }
    enum umb_status st = umb__buffer_create(p->device, p->input_bytes, &slot->input);
    return st == UMB_OK
               ? umb__queue_write_now(p->upload, slot->input, 0, p->input_bytes, slot->host_input)
               : st;
}

enum umb_status umb__plan_place_values(struct umb_plan *p)
{
    size_t n = (size_t)p->graph->n_values + 1;
    p->place = umb__arena_calloc(p->arena, n, sizeof *p->place);
    p->kept = umb__arena_calloc(p->arena, n, sizeof *p->kept);
    enum umb_status st = p->place && p->kept ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int v = 0; st == UMB_OK && v < p->graph->n_values; v++) {
        if (p->graph->value[v].base < 0) { st = place_root(p, v); }
    }
    if (st == UMB_OK) { st = fill_constants(p); }
    if (st == UMB_OK && p->output_bytes) {
        st = umb__buffer_create(p->device, p->output_bytes, &p->outputs);
    }
    if (st == UMB_OK && p->memory.total) {
        st = umb__buffer_create(p->device, p->memory.total, &p->scratch);
    }
    for (int s = 0; st == UMB_OK && s < p->n_slots; s++) {
        st = make_slot(p, &p->slot[s]);
    }
    return st;
}

int umb__plan_home(const struct umb_plan *p, int root)
{
    if (umb__in_scratch(p->graph, root)) { return UMB_HOME_SCRATCH; }
    switch (p->graph->value[root].kind) {
    case UMB_VALUE_INPUT:
        return UMB_HOME_SLOT;
    case UMB_VALUE_CONSTANT:
        return UMB_HOME_CONSTANTS;
    case UMB_VALUE_TEMP:
        return UMB_HOME_OUTPUTS;
    case UMB_VALUE_PARAM:
    case UMB_VALUE_STATE:
        break;
    }
    return root;
}

struct umb_view umb__plan_view(const struct umb_plan *p, int slot, int value)
{
    const struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    switch (umb__plan_home(p, e.root)) {
    case UMB_HOME_SCRATCH:
        return (struct umb_view){p->scratch, p->memory.offset[e.root] + e.low};
    case UMB_HOME_SLOT:
        return (struct umb_view){p->slot[slot].input, p->place[e.root] + e.low};
    case UMB_HOME_CONSTANTS:
        return (struct umb_view){p->constants, p->place[e.root] + e.low};
    case UMB_HOME_OUTPUTS:
        return (struct umb_view){p->outputs, p->place[e.root] + e.low};
    default:
        return (struct umb_view){p->kept[e.root].buffer, p->kept[e.root].byte_offset + e.low};
    }
}

static struct umb_view resolve(void *user, int value)
{
    return umb__plan_view(user, 0, value);
}

static bool lies_in_slot(const struct umb_plan *p, const struct umb_step_arg *a)
{
    if (!umb__names_value(a)) { return false; }
    int root = umb__extent(p->graph, &p->steps, a->value).root;
    return root < p->graph->n_values && p->graph->value[root].kind == UMB_VALUE_INPUT;
}

/* Notes the arguments that must be pointed elsewhere when another slot runs. */
static enum umb_status find_moves(struct umb_plan *p)
{
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (size_t i = 0; i < p->steps.n; i++) {
            for (size_t k = 0; k < p->steps.step[i].n_args; k++) {
                if (!lies_in_slot(p, &p->steps.step[i].args[k])) { continue; }
                if (pass) {
                    p->move[n] = (struct umb_plan_move){(int)i, p->steps.step[i].args[k].value};
                }
                n++;
            }
        }
        if (!pass) { p->move = umb__arena_calloc(p->arena, n + 1, sizeof *p->move); }
        if (!p->move) { return UMB_ERR_NO_MEMORY; }
    }
    p->n_moves = (int)n;
    return UMB_OK;
}

/* What merged steps' kernels read of their members. */
static enum umb_status make_table(struct umb_plan *p)
{
    const size_t words = umb__steps_table_words(&p->steps);
    if (!words) { return UMB_OK; }
    int64_t *table = umb__calloc(p->ctx, words, sizeof *table);
    if (!table) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; i < p->steps.n && st == UMB_OK; i++) {
        st = umb__step_fill_table(p->ctx, &p->steps.step[i], resolve, p, table);
    }
    if (st == UMB_OK) { st = umb__buffer_create(p->device, words * sizeof *table, &p->table); }
    if (st == UMB_OK) {
        st = umb__queue_write_now(p->upload, p->table, 0, words * sizeof *table, table);
    }
    umb__free(table);
    return st;
}

enum umb_status umb__plan_bind(struct umb_plan *p)
{
    p->bound = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof(struct umb_bound_step *));
    p->event = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof(umb_event *));
    if (!p->bound || !p->event) { return UMB_ERR_NO_MEMORY; }
    enum umb_status made = make_table(p);
    if (made != UMB_OK) { return made; }
    umb__steps_build_ahead(p->device, &p->steps, p->table, resolve, p);
    for (size_t i = 0; i < p->steps.n; i++) {
        enum umb_status st =
            umb__step_bind(p->device, &p->steps.step[i], p->table, resolve, p, &p->bound[i]);
        if (st != UMB_OK) {
            return umb__fail_prefix(p->ctx, st, "%s", p->graph->node[p->steps.step[i].node].name);
        }
    }
    return find_moves(p);
}

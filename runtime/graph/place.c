/* Gives every value its memory: slots, constants, outputs, scratch, store; then binds the steps to
 * it. */
#include <stdlib.h>
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
        return umb__store_get(p->store, value->device, value->name, bytes, &p->kept[v]);
    }
    if (total) {
        p->place[v] = *total;
        *total += aligned(bytes);
    }
    return UMB_OK;
}

/* Every device has all of them. */
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
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        struct umb_plan_side *side = &p->side[d];
        st = umb__buffer_create(side->device, p->constant_bytes, &side->constants);
        if (st == UMB_OK) {
            st = umb__queue_write_now(side->upload, side->constants, 0, p->constant_bytes, data);
        }
    }
    umb__free(data);
    return st;
}

/* Which inputs a device reads, and which outputs it makes. */

static int by_offset(const void *x, const void *y)
{
    const struct umb_plan_span *a = x, *b = y;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Sorts spans and joins those that meet, or nearly; returns how many are left. */
static int join_spans(struct umb_plan_span *span, int n)
{
    int last = -1;
    qsort(span, (size_t)n, sizeof *span, by_offset);
    for (int i = 0; i < n; i++) {
        if (last >= 0 && span[i].offset <= aligned(span[last].offset + span[last].bytes)) {
            const size_t end = span[i].offset + span[i].bytes;
            if (end > span[last].offset + span[last].bytes) {
                span[last].bytes = end - span[last].offset;
            }
        } else {
            span[++last] = span[i];
        }
    }
    return last + 1;
}

/* The places in a block, of one home, of what a device's steps name; span NULL: counts them. */
static int list_spans(const struct umb_plan *p, int device, int home, struct umb_plan_span *span)
{
    int n = 0;
    for (size_t i = 0; i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        for (size_t k = 0; s->device == device && k < s->n_args; k++) {
            if (!umb__names_value(&s->args[k])) { continue; }
            const struct umb_extent e = umb__extent(p->graph, &p->steps, s->args[k].value);
            if (umb__plan_home(p, e.root) != home) { continue; }
            if (span) {
                span[n] = (struct umb_plan_span){p->place[e.root] + e.low, e.high - e.low};
            }
            n++;
        }
    }
    return n;
}

static enum umb_status find_spans(struct umb_plan *p, int device, int home, size_t all,
                                  struct umb_plan_span **ret_span, int *ret_n)
{
    *ret_n = 0;
    if (!all) { return UMB_OK; }
    const int n = p->n_devices > 1 ? list_spans(p, device, home, NULL) : 1;
    *ret_span = umb__arena_calloc(p->arena, (size_t)n + 1, sizeof **ret_span);
    if (!*ret_span) { return UMB_ERR_NO_MEMORY; }
    if (p->n_devices == 1) {
        (*ret_span)[0] = (struct umb_plan_span){0, all};
        *ret_n = 1;
        return UMB_OK;
    }
    list_spans(p, device, home, *ret_span);
    *ret_n = join_spans(*ret_span, n);
    return UMB_OK;
}

static enum umb_status make_side(struct umb_plan *p, int device)
{
    struct umb_plan_side *side = &p->side[device];
    enum umb_status st = find_spans(p, device, UMB_HOME_SLOT, p->input_bytes, &side->upload_span,
                                    &side->n_upload_spans);
    if (st == UMB_OK) {
        st = find_spans(p, device, UMB_HOME_OUTPUTS, p->output_bytes, &side->output_span,
                        &side->n_output_spans);
    }
    if (st == UMB_OK && side->n_output_spans) {
        st = umb__buffer_create(side->device, p->output_bytes, &side->outputs);
    }
    if (st == UMB_OK && side->memory.total) {
        st = umb__buffer_create(side->device, side->memory.total, &side->scratch);
    }
    return st;
}

static enum umb_status make_slot(struct umb_plan *p, struct umb_plan_slot *slot)
{
    slot->host_input = umb__calloc(p->ctx, p->input_bytes + 1, 1);
    slot->host_output = umb__calloc(p->ctx, p->output_bytes + 1, 1);
    enum umb_status st = slot->host_input && slot->host_output ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        const struct umb_plan_side *side = &p->side[d];
        if (!side->n_upload_spans) { continue; }
        st = umb__buffer_create(side->device, p->input_bytes, &slot->input[d]);
        if (st == UMB_OK) {
            st = umb__queue_write_now(side->upload, slot->input[d], 0, p->input_bytes,
                                      slot->host_input);
        }
    }
    return st;
}

static enum umb_status stage(struct umb_plan *p, int step, int value)
{
    const int t = value - p->steps.temp_base;
    const enum umb_status st = umb__pinned_create(p->queue[p->schedule.queue[step]],
                                                  p->steps.temp_bytes[t], &p->pinned[t]);
    if (st == UMB_OK) { p->staging[t] = umb__pinned_host(p->pinned[t]); }
    return st;
}

/* Host memory for what is on its way between devices, from the device that it leaves; and for what
 * the host makes. */
static enum umb_status make_staging(struct umb_plan *p)
{
    p->staging = umb__arena_calloc(p->arena, p->steps.n_temps + 1, sizeof *p->staging);
    p->pinned = umb__arena_calloc(p->arena, p->steps.n_temps + 1, sizeof *p->pinned);
    enum umb_status st = p->staging && p->pinned ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        if (s->transfer == UMB_FETCH) { st = stage(p, (int)i, s->args[1].value); }
        if (st == UMB_OK && s->host) { st = stage(p, (int)i, s->args[0].value); }
    }
    return st;
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
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = make_side(p, d);
    }
    for (int s = 0; st == UMB_OK && s < p->n_slots; s++) {
        st = make_slot(p, &p->slot[s]);
    }
    return st == UMB_OK && p->crosses ? make_staging(p) : st;
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

struct umb_view umb__plan_view(const struct umb_plan *p, int device, int slot, int value)
{
    const struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    const struct umb_plan_side *side = &p->side[device];
    switch (umb__plan_home(p, e.root)) {
    case UMB_HOME_SCRATCH:
        return (struct umb_view){side->scratch, side->memory.offset[e.root] + e.low};
    case UMB_HOME_SLOT:
        return (struct umb_view){p->slot[slot].input[device], p->place[e.root] + e.low};
    case UMB_HOME_CONSTANTS:
        return (struct umb_view){side->constants, p->place[e.root] + e.low};
    case UMB_HOME_OUTPUTS:
        return (struct umb_view){side->outputs, p->place[e.root] + e.low};
    default:
        return (struct umb_view){p->kept[e.root].buffer, p->kept[e.root].byte_offset + e.low};
    }
}

struct resolving {
    const struct umb_plan *p;
    int device;
};

static struct umb_view resolve(void *user, int value)
{
    const struct resolving *r = user;
    return umb__plan_view(r->p, r->device, 0, value);
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

/* What merged steps' kernels read of their members; every device has room for all. */
static enum umb_status make_table(struct umb_plan *p, int device)
{
    const size_t words = umb__steps_table_words(&p->steps);
    if (!words) { return UMB_OK; }
    int64_t *table = umb__calloc(p->ctx, words, sizeof *table);
    if (!table) { return UMB_ERR_NO_MEMORY; }
    struct resolving r = {p, device};
    struct umb_plan_side *side = &p->side[device];
    enum umb_status st = UMB_OK;
    for (size_t i = 0; i < p->steps.n && st == UMB_OK; i++) {
        if (p->steps.step[i].device != device) { continue; }
        st = umb__step_fill_table(p->ctx, &p->steps.step[i], resolve, &r, table);
    }
    if (st == UMB_OK) {
        st = umb__buffer_create(side->device, words * sizeof *table, &side->table);
    }
    if (st == UMB_OK) {
        st = umb__queue_write_now(side->upload, side->table, 0, words * sizeof *table, table);
    }
    umb__free(table);
    return st;
}

/* Transfers are run.c's. */
static enum umb_status bind_side(struct umb_plan *p, int device)
{
    struct resolving r = {p, device};
    struct umb_plan_side *side = &p->side[device];
    enum umb_status st = make_table(p, device);
    if (st != UMB_OK) { return st; }
    umb__steps_build_ahead(side->device, device, &p->steps, side->table, resolve, &r);
    for (size_t i = 0; i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        if (s->device != device || s->transfer) { continue; }
        st = umb__step_bind(side->device, s, side->table, resolve, &r, &p->bound[i]);
        if (st != UMB_OK) {
            return umb__fail_prefix(p->ctx, st, "%s", p->graph->node[s->node].name);
        }
    }
    return UMB_OK;
}

enum umb_status umb__plan_bind(struct umb_plan *p)
{
    p->bound = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof(struct umb_bound_step *));
    p->event = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof(umb_event *));
    p->host_run = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->host_run);
    enum umb_status st = p->bound && p->event && p->host_run ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        p->host_run[i] = (struct umb_host_run){p, &p->steps.step[i]};
    }
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = bind_side(p, d);
    }
    if (st == UMB_OK) { st = umb__plan_find_late(p); }
    return st == UMB_OK ? find_moves(p) : st;
}

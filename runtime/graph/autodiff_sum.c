/*
 * The gradient of a value out of what was contributed to it: summed in the order in which it came,
 * which is fixed by the graph.
 *
 * A `rows` view hands back a gradient for some segments only; those are kept by segment and joined
 * at the end, so that heads of different streams write side by side into one gradient.
 */
#include <stdio.h>

#include "autodiff_internal.h"

void umb__autodiff_contribute(struct autodiff *a, int row, int target, int value,
                              struct segments of)
{
    if (a->n_list == a->list_capacity) {
        int grown = a->list_capacity ? 2 * a->list_capacity : 64;
        struct contribution *p =
            umb__grow(a->g->ctx, a->list, (size_t)a->list_capacity, (size_t)grown, sizeof *p);
        if (!p) {
            a->status = UMB_ERR_NO_MEMORY;
            return;
        }
        a->list = p;
        a->list_capacity = grown;
    }
    const int at = umb__autodiff_at(a, row, target);
    a->list[a->n_list] = (struct contribution){value, of.first, of.count, -1};
    if (a->tail[at] >= 0) {
        a->list[a->tail[at]].next = a->n_list;
    } else {
        a->head[at] = a->n_list;
    }
    a->tail[at] = a->n_list++;
}

enum umb_status umb__autodiff_helper(struct autodiff *a, int target, const char *op_name,
                                     const char *attrs_text, int n_in, const int *in,
                                     int *ret_value)
{
    struct umb_graph *g = a->g;
    const struct umb_op *op = umb__op_find(op_name);
    const char *name =
        umb__arena_printf(g->arena, "d(%s).%s%d", g->value[target].name, op_name, a->n_made++);
    if (!op || !name) { return umb__fail(g->ctx, UMB_ERR_INVALID, "no op '%s'", op_name); }
    void *attrs;
    g->device = g->value[target].device;
    enum umb_status st = umb__attrs_create(g->ctx, g->arena, op, attrs_text, &attrs);
    if (st != UMB_OK) { return st; }
    int out[UMB_OP_MAX_OUT];
    struct umb_graph_node_desc desc = {.op = op,
                                       .attrs = attrs,
                                       .name = name,
                                       .phase = UMB_PHASE_BACKWARD,
                                       .n_in = n_in,
                                       .in = in};
    st = umb__graph_node_raw(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status sum_of(struct autodiff *a, int target, int n, const int *values,
                              int *ret_value)
{
    if (n == 1) {
        *ret_value = values[0];
        return UMB_OK;
    }
    return umb__autodiff_helper(a, target, "sum", NULL, n, values, ret_value);
}

/* What the row contributed to target: a list. */
struct pile {
    int row, target;
    int *scratch; /* as long as it */
};

static enum umb_status zeros(struct autodiff *a, int target, int segment, int *ret_value)
{
    struct umb_graph *g = a->g;
    struct umb_type type = g->value[target].type;
    type.shape.dim[0] /= type.n_segments;
    type.segment += segment;
    type.n_segments = 1;
    const char *name =
        umb__arena_printf(g->arena, "d(%s).zeros%d", g->value[target].name, a->n_made++);
    *ret_value = name ? umb__graph_value(g, name, UMB_VALUE_CONSTANT, &type) : -1;
    return *ret_value < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

/* The gradient of one segment: the sum of the contributions that hold it, or zeros. */
static enum umb_status segment_gradient(struct autodiff *a, const struct pile *p, int segment,
                                        int *ret_value)
{
    int n = 0;
    for (int c = a->head[umb__autodiff_at(a, p->row, p->target)]; c >= 0; c = a->list[c].next) {
        struct contribution k = a->list[c];
        if (!k.count || segment < k.first || segment >= k.first + k.count) { continue; }
        p->scratch[n] = k.value;
        if (k.count > 1) {
            char text[64];
            snprintf(text, sizeof text, "first=%d count=1", segment - k.first);
            enum umb_status st =
                umb__autodiff_helper(a, p->target, "rows", text, 1, &k.value, &p->scratch[n]);
            if (st != UMB_OK) { return st; }
        }
        n++;
    }
    if (!n) { return zeros(a, p->target, segment, ret_value); }
    return sum_of(a, p->target, n, p->scratch, ret_value);
}

static enum umb_status join_segments(struct autodiff *a, const struct pile *p, struct segments of,
                                     int *ret_value)
{
    int *parts = umb__arena_calloc(a->g->arena, (size_t)of.count, sizeof *parts);
    if (!parts) { return UMB_ERR_NO_MEMORY; }
    for (int s = 0; s < of.count; s++) {
        enum umb_status st = segment_gradient(a, p, of.first + s, &parts[s]);
        if (st != UMB_OK) { return st; }
    }
    if (of.count > 1) {
        return umb__autodiff_helper(a, p->target, "join", NULL, of.count, parts, ret_value);
    }
    *ret_value = parts[0];
    return UMB_OK;
}

struct segments umb__autodiff_range(const struct autodiff *a, int row, int target)
{
    const int n = a->g->value[target].type.n_segments;
    int low = n, high = 0;
    for (int c = a->head[umb__autodiff_at(a, row, target)]; c >= 0; c = a->list[c].next) {
        const struct contribution k = a->list[c];
        if (!k.count) { return (struct segments){0, 0}; }
        low = k.first < low ? k.first : low;
        high = k.first + k.count > high ? k.first + k.count : high;
    }
    if (high - low >= n) { return (struct segments){0, 0}; }
    return (struct segments){low, high - low};
}

enum umb_status umb__autodiff_complete(struct autodiff *a, int row, int target, struct segments of,
                                       int *ret_value)
{
    const int head = a->head[umb__autodiff_at(a, row, target)];
    int n = 0, n_whole = 0;
    for (int c = head; c >= 0; c = a->list[c].next) {
        n++;
    }
    *ret_value = -1;
    if (!n) { return UMB_OK; }
    int *whole = umb__arena_calloc(a->g->arena, (size_t)n + 1, sizeof *whole);
    struct pile p = {row, target, umb__arena_calloc(a->g->arena, (size_t)n + 1, sizeof *p.scratch)};
    if (!whole || !p.scratch) { return UMB_ERR_NO_MEMORY; }
    for (int c = head; c >= 0; c = a->list[c].next) {
        const struct contribution k = a->list[c];
        if (k.count == of.count && k.first == of.first) { whole[n_whole++] = k.value; }
    }
    if (n_whole < n) {
        if (of.count) { n_whole = 0; }
        if (!of.count) { of.count = a->g->value[target].type.n_segments; }
        enum umb_status st = join_segments(a, &p, of, &whole[n_whole]);
        if (st != UMB_OK) { return st; }
        n_whole++;
    }
    return sum_of(a, target, n_whole, whole, ret_value);
}

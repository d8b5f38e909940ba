/*
 * Behind packing: tasks' rows combined into the places of the gradients, and the weights that are
 * learned for the coming step. And how nodes are added for a balancer.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "trainer_balance.h"
#include "trainer_internal.h"

enum umb_status umb__balancing_node(struct umb_graph *g, const char *op, const void *attrs,
                                    const char *name, int n_in, const int *in, int *ret_value)
{
    int out[UMB_OP_MAX_OUT] = {-1};
    const enum umb_status st =
        umb__graph_add(g, UMB_PHASE_BACKWARD, op, attrs, name, n_in, in, out);
    if (st == UMB_OK && ret_value) { *ret_value = out[0]; }
    return st;
}

enum umb_status umb__balancing_node_with(struct umb_graph *g, const char *op, const char *attrs,
                                         const char *name, int n_in, const int *in, int *ret_value)
{
    void *a;
    const enum umb_status st = umb__attrs_create(g->ctx, g->arena, umb__op_find(op), attrs, &a);
    return st == UMB_OK ? umb__balancing_node(g, op, a, name, n_in, in, ret_value) : st;
}

static double leak_of(const struct umb_trainer_balance *b)
{
    for (const struct umb_attr_desc *d = b->row->attrs; d && d->name; d++) {
        if (strcmp(d->name, "leak") == 0) {
            return *(const double *)(const void *)((const char *)b->attrs + d->offset);
        }
    }
    return 0;
}

/* Rows at work; a stretch of them: floats first … first+count−1, which go to `offset` bytes of the
 * gradients of a device. */
struct combining {
    struct umb_trainer_balance *b;
    struct umb_graph *g;
    const struct umb_trainer_gradients *d;
    const int *gradients; /* by device */
    int dropped;          /* what is left of all rows; −1: not made yet, or rows are combined */
};
struct stretch {
    int64_t first, count;
    size_t offset;
    int device;
};

/* GradDrop's sum of all rows: what it draws goes by a number's place among them. */
static enum umb_status drop(struct combining *c)
{
    char attrs[48];
    const int in[2] = {c->d->rows, umb__graph_random(c->g)};
    snprintf(attrs, sizeof attrs, "leak=%.17g", leak_of(c->b));
    return in[1] < 0 ? UMB_ERR_NO_MEMORY
                     : umb__balancing_node_with(c->g, "drop_rows", attrs, "balancer.combined0", 2,
                                                in, &c->dropped);
}

/* A stretch of one row, times 1. */
static enum umb_status take_piece(const struct combining *c, const char *attrs,
                                  const struct stretch *s, int *ret_value)
{
    const char *name = umb__arena_printf(c->g->arena, "balancer.taken%lld", (long long)s->first);
    const struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    const int in[2] = {c->dropped,
                       umb__graph_value(c->g, "balancer.one", UMB_VALUE_CONSTANT, &one)};
    if (!name || in[1] < 0) { return UMB_ERR_NO_MEMORY; }
    c->g->value[in[1]].constant = 1;
    const enum umb_status st =
        umb__balancing_node_with(c->g, "combine_rows", attrs, name, 2, in, ret_value);
    if (st == UMB_OK) { c->g->value[*ret_value].type.shape = (struct umb_shape){1, {s->count}}; }
    return st;
}

static enum umb_status make_stretch(struct combining *c, const struct stretch *s, int *ret_value)
{
    const bool drops = c->b->row->needs == UMB_BALANCE_ELEMENTS;
    const int in[2] = {c->d->rows, c->d->weights};
    char attrs[64];
    const char *name = umb__arena_printf(c->g->arena, "balancer.combined%lld", (long long)s->first);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    snprintf(attrs, sizeof attrs, "first=%lld count=%lld", (long long)s->first,
             (long long)s->count);
    if (!drops) {
        return umb__balancing_node_with(c->g, "combine_rows", attrs, name, 2, in, ret_value);
    }
    const enum umb_status st = c->dropped < 0 ? drop(c) : UMB_OK;
    *ret_value = c->dropped;
    const bool is_all =
        st == UMB_OK && s->count == umb__shape_count(&c->g->value[c->dropped].type.shape);
    return is_all || st != UMB_OK ? st : take_piece(c, attrs, s, ret_value);
}

/* Made at home, and sent from there where the parameters are on another device. */
static enum umb_status combine_stretch(struct combining *c, const struct stretch *s)
{
    int out = -1;
    enum umb_status st = make_stretch(c, s, &out);
    if (st == UMB_OK && s->device) {
        const char *name =
            umb__arena_printf(c->g->arena, "%s.on%d", c->g->value[out].name, s->device);
        const int made = out;
        c->g->device = s->device;
        st = name ? umb__balancing_node(c->g, "transfer", NULL, name, 1, &made, &out)
                  : UMB_ERR_NO_MEMORY;
        c->g->device = 0;
    }
    if (st != UMB_OK) { return st; }
    c->g->value[out].base = c->gradients[s->device];
    c->g->value[out].base_offset = s->offset;
    return UMB_OK;
}

enum umb_status umb__balancing_add_learning(struct umb_trainer *tr, struct umb_graph *g, int facts)
{
    int made;
    struct umb_trainer_balance *b = tr->balance;
    const bool by_losses = b->kind == UMB_BALANCE_BY_LOSSES;
    const struct umb_host_attrs attrs = {
        .call = by_losses ? umb__balancing_learn_by_losses : umb__balancing_learn,
        .user = b,
        .n_out = by_losses ? umb__balancing_n_coefficients(b) : b->T};
    const enum umb_status st = umb__balancing_node(g, "host", &attrs, "balancer", 1, &facts, &made);
    if (st != UMB_OK) { return st; }
    g->value[made].base =
        umb__graph_find_value(g, by_losses ? UMB_BALANCE_COEFFICIENTS : UMB_BALANCE_WEIGHTS);
    g->value[made].base_offset = 0;
    return UMB_OK;
}

/* Neighbours among the rows that lie side by side among their device's parameters, as one. */
static enum umb_status combine_all(struct combining *c)
{
    struct stretch s = {0};
    enum umb_status st = UMB_OK;
    size_t end = 0;
    for (int k = 0; st == UMB_OK && k < c->d->n_in_rows; k++) {
        /* a copy: values move when nodes are added */
        const struct umb_value v = c->g->value[c->d->in_rows[k]];
        const size_t bytes =
            (umb__type_bytes(&v.type) + UMB_PACK_BYTES - 1) / UMB_PACK_BYTES * UMB_PACK_BYTES;
        if (k && (v.base_offset != end || v.device != s.device)) {
            st = combine_stretch(c, &s);
            s.first += s.count;
            s.count = 0;
        }
        if (!s.count) {
            s.offset = v.base_offset;
            s.device = v.device;
        }
        s.count += (int64_t)(bytes / sizeof(float));
        end = v.base_offset + bytes;
    }
    return st == UMB_OK && s.count ? combine_stretch(c, &s) : st;
}

enum umb_status umb__balancing_combine(struct umb_trainer *tr, struct umb_graph *g,
                                       const struct umb_trainer_gradients *d, const int *gradients)
{
    struct combining c = {.b = tr->balance, .g = g, .d = d, .gradients = gradients, .dropped = -1};
    const enum umb_status st = combine_all(&c);
    const bool learns = d->to_learn >= 0 && !tr->balance->row->needs_second_forward;
    return st == UMB_OK && learns ? umb__balancing_add_learning(tr, g, d->to_learn) : st;
}

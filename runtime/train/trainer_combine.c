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

/* Rows first … first+count−1 of floats go to `offset` bytes of the gradients. */
static enum umb_status combine_run(struct umb_trainer *tr, struct umb_graph *g,
                                   const struct umb_trainer_gradients *d, int gradients,
                                   int64_t first, int64_t count, size_t offset)
{
    const struct umb_trainer_balance *b = tr->balance;
    int in[2] = {d->rows, d->weights}, out;
    char attrs[96];
    const char *name = umb__arena_printf(g->arena, "balancer.combined%lld", (long long)first);
    enum umb_status st = name ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && b->row->needs == UMB_BALANCE_ELEMENTS) {
        in[1] = umb__graph_random(g);
        snprintf(attrs, sizeof attrs, "leak=%.17g", leak_of(b));
        st = in[1] < 0 ? UMB_ERR_NO_MEMORY
                       : umb__balancing_node_with(g, "drop_rows", attrs, name, 2, in, &out);
    } else if (st == UMB_OK) {
        snprintf(attrs, sizeof attrs, "first=%lld count=%lld", (long long)first, (long long)count);
        st = umb__balancing_node_with(g, "combine_rows", attrs, name, 2, in, &out);
    }
    if (st != UMB_OK) { return st; }
    g->value[out].base = gradients;
    g->value[out].base_offset = offset;
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

enum umb_status umb__balancing_combine(struct umb_trainer *tr, struct umb_graph *g,
                                       const struct umb_trainer_gradients *d, int gradients)
{
    int64_t at = 0, begun = 0;
    size_t offset = 0, end = 0;
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k <= d->n_in_rows; k++) {
        const bool is_end = k == d->n_in_rows;
        /* a copy: values move when nodes are added */
        const struct umb_value v = is_end ? (struct umb_value){0} : g->value[d->in_rows[k]];
        if (k && (is_end || v.base_offset != end)) {
            st = combine_run(tr, g, d, gradients, begun, at - begun, offset);
            begun = at;
        }
        if (is_end) { break; }
        if (begun == at) { offset = v.base_offset; }
        const size_t bytes =
            (umb__type_bytes(&v.type) + UMB_PACK_BYTES - 1) / UMB_PACK_BYTES * UMB_PACK_BYTES;
        end = v.base_offset + bytes;
        at += (int64_t)(bytes / sizeof(float));
    }
    const bool learns = d->to_learn >= 0 && !tr->balance->row->needs_second_forward;
    return st == UMB_OK && learns ? umb__balancing_add_learning(tr, g, d->to_learn) : st;
}

/*
 * Transfers between devices. Every node is computed on one device, every value held on one; where a
 * node reads what another device holds, a transfer is put before the first that does, and all
 * readers on that device share it. Inputs and constants are on every device that reads them.
 *
 * Parameters may be read anywhere: their copies are made anew each step, before the update writes.
 * So may fixed numbers. A state, which the op that reads it also writes, may not.
 */
#include <string.h>

#include "graph_edit.h"
#include <umbel/device.h>

struct placing {
    struct umb_graph *g;
    int n_values;        /* before the pass */
    int *copy;           /* [n_values][UMB_MAX_DEVICES]: a value's id on a device, 0: none yet */
    struct umb_node *to; /* the nodes in their new order */
    int n, capacity;
};

const char *umb__graph_device_name(struct umb_graph *g, const char *name, int device)
{
    return device ? umb__arena_printf(g->arena, "%s.%d", name, device)
                  : umb__arena_strdup(g->arena, name);
}

static enum umb_status push(struct placing *p, const struct umb_node *node)
{
    if (p->n == p->capacity) {
        const int grown = p->capacity ? 2 * p->capacity : 64;
        struct umb_node *to =
            umb__grow(p->g->ctx, p->to, (size_t)p->capacity, (size_t)grown, sizeof *to);
        if (!to) { return UMB_ERR_NO_MEMORY; }
        p->to = to;
        p->capacity = grown;
    }
    p->to[p->n++] = *node;
    return UMB_OK;
}

static bool is_elsewhere(const struct umb_graph *g, int value, int device)
{
    const struct umb_value *v = &g->value[value];
    return v->kind != UMB_VALUE_INPUT && v->kind != UMB_VALUE_CONSTANT && v->device != device;
}

/* Appends the transfer to the graph's nodes, from where it is taken into the new order. */
static enum umb_status transfer(struct placing *p, int value, const struct umb_node *reader,
                                int *ret_value)
{
    struct umb_graph *g = p->g;
    const int spec = g->value[value].spec;
    if (g->value[value].kind == UMB_VALUE_STATE && spec >= 0 &&
        g->spec[spec].kind != UMB_PARAM_FIXED) {
        return umb__fail(g->ctx, UMB_ERR_UNSUPPORTED,
                         "%s: it keeps %s, which is on another device; expected layers that share "
                         "a state on one device",
                         reader->name, g->value[value].name);
    }
    const char *name = umb__arena_printf(g->arena, "%s.on%d", g->value[value].name, reader->device);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    const struct umb_graph_node_desc desc = {.op = umb__op_find("transfer"),
                                             .name = name,
                                             .phase = reader->phase,
                                             .n_in = 1,
                                             .in = &value};
    int out[UMB_OP_MAX_OUT];
    g->device = reader->device;
    enum umb_status st = umb__graph_node_raw(g, &desc, out);
    g->device = 0;
    if (st == UMB_OK) { st = push(p, &g->node[--g->n_nodes]); }
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status place_inputs(struct placing *p, const struct umb_node *n)
{
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < n->n_in; k++) {
        const int v = n->in[k];
        if ((n->op->flags & UMB_OP_TRANSFER) || !is_elsewhere(p->g, v, n->device)) { continue; }
        int *copy = &p->copy[(size_t)v * UMB_MAX_DEVICES + (size_t)n->device];
        if (!*copy) { st = transfer(p, v, n, copy); }
        n->in[k] = *copy;
    }
    return st;
}

static bool is_on_one_device(const struct umb_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].device) { return false; }
    }
    return true;
}

enum umb_status umb__graph_transfer(struct umb_graph *g)
{
    if (is_on_one_device(g)) { return UMB_OK; }
    struct placing p = {.g = g, .n_values = g->n_values};
    const int n_nodes = g->n_nodes;
    p.copy = umb__calloc(g->ctx, (size_t)g->n_values * UMB_MAX_DEVICES, sizeof *p.copy);
    enum umb_status st = p.copy ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; st == UMB_OK && i < n_nodes; i++) {
        const struct umb_node n = g->node[i]; /* nodes move when one is added */
        st = place_inputs(&p, &n);
        if (st == UMB_OK) { st = push(&p, &n); }
    }
    if (st == UMB_OK && p.n > g->node_capacity) {
        struct umb_node *nodes =
            umb__grow(g->ctx, g->node, (size_t)g->node_capacity, (size_t)p.n, sizeof *nodes);
        st = nodes ? UMB_OK : UMB_ERR_NO_MEMORY;
        if (nodes) {
            g->node = nodes;
            g->node_capacity = p.n;
        }
    }
    if (st == UMB_OK) {
        memcpy(g->node, p.to, (size_t)p.n * sizeof *p.to);
        g->n_nodes = p.n;
        umb__graph_compact(g); /* numbers the producers */
    }
    umb__free(p.copy);
    umb__free(p.to);
    return st;
}

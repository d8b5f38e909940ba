/* What differentiation reaches, and where a graph leaves what several seeds share. */
#include <string.h>

#include "graph.h"
#include <umbel/device.h>

void umb__graph_wanted(const struct umb_graph *g, const struct umb_autodiff_desc *desc,
                       bool *ret_wants)
{
    bool *wants = ret_wants;
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        bool source =
            value->kind == UMB_VALUE_PARAM || (desc->inputs_too && value->kind == UMB_VALUE_INPUT);
        wants[v] = source && value->type.dtype == UMB_F32 && !(desc->frozen && desc->frozen[v]);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        bool any = false;
        for (int k = 0; k < n->n_in; k++) {
            any = any || wants[n->in[k]];
        }
        for (int k = 0; k < n->n_out; k++) {
            wants[n->out[k]] = any && n->op->grad && g->value[n->out[k]].type.dtype == UMB_F32;
        }
    }
}

static uint64_t node_leads(const struct umb_node *n, const uint64_t *leads)
{
    uint64_t seeds = 0;
    for (int k = 0; k < n->n_out; k++) {
        seeds |= leads[n->out[k]];
    }
    return seeds;
}

void umb__graph_leads(const struct umb_graph *g, int n, const int *seeds, uint64_t *ret_leads)
{
    memset(ret_leads, 0, (size_t)g->n_values * sizeof *ret_leads);
    for (int k = 0; k < n; k++) {
        ret_leads[seeds[k]] |= UINT64_C(1) << k;
    }
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const uint64_t led = node_leads(&g->node[i], ret_leads);
        for (int k = 0; k < g->node[i].n_in; k++) {
            ret_leads[g->node[i].in[k]] |= led;
        }
    }
}

static bool several(uint64_t seeds)
{
    return (seeds & (seeds - 1)) != 0;
}

/* What a transfer brings is what its device has a copy of. */
static int source_of(const struct umb_graph *g, int value)
{
    for (int made; (made = g->value[value].producer) >= 0;) {
        if (!(g->node[made].op->flags & UMB_OP_TRANSFER)) { break; }
        value = g->node[made].in[0];
    }
    return value;
}

struct border {
    const struct umb_graph *g;
    bool *wants;
    uint64_t *leads;
    enum umb_border kind;
    int block[UMB_MAX_DEVICES]; /* the last block among what a device computes; −1: none */
};

static bool is_block(const struct border *b, const struct umb_node *n)
{
    for (int k = 0; several(node_leads(n, b->leads)) && k < n->n_in; k++) {
        const int v = source_of(b->g, n->in[k]);
        const struct umb_value *value = &b->g->value[v];
        if (value->kind == UMB_VALUE_PARAM && b->wants[v] && value->type.shape.rank > 1) {
            return true;
        }
    }
    return false;
}

/* The last nodes with weights of their own that several seeds share: one, or one in the net of each
 * device. */
static void find_blocks(struct border *b, bool by_device)
{
    int last = -1;
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        b->block[d] = -1;
    }
    for (int i = 0; i < b->g->n_nodes; i++) {
        const struct umb_node *n = &b->g->node[i];
        if ((n->op->flags & UMB_OP_TRANSFER) || !is_block(b, n)) { continue; }
        b->block[n->device] = last = i;
    }
    for (int d = 0; d < UMB_MAX_DEVICES && !by_device; d++) {
        b->block[d] = last;
    }
}

/* The node reads the value across the border: of the representation, it leads to one seed alone; of
 * a block, it stands in or behind it, and the value before. */
static bool crosses(const struct border *b, int node, int value)
{
    const struct umb_value *v = &b->g->value[value];
    const uint64_t led = node_leads(&b->g->node[node], b->leads);
    if (!led || v->producer < 0 || !b->wants[value] || !several(b->leads[value])) { return false; }
    if (b->kind == UMB_BORDER_REPRESENTATION) { return !several(led); }
    return node >= b->block[v->device] && v->producer < b->block[v->device];
}

static void find_stops(const struct border *b, bool *ret_stop, int *ret_n)
{
    for (int i = 0; i < b->g->n_nodes; i++) {
        const struct umb_node *n = &b->g->node[i];
        for (int k = 0; !(n->op->flags & UMB_OP_TRANSFER) && k < n->n_in; k++) {
            const int v = source_of(b->g, n->in[k]);
            if (ret_stop[v] || !crosses(b, i, v)) { continue; }
            ret_stop[v] = true;
            ++*ret_n;
        }
    }
}

enum umb_status umb__graph_border(const struct umb_graph *g, const struct umb_autodiff_desc *desc,
                                  enum umb_border border, bool by_device, bool *ret_stop,
                                  int *ret_n)
{
    const size_t n_values = (size_t)g->n_values;
    struct border b = {.g = g,
                       .wants = umb__calloc(g->ctx, n_values, sizeof *b.wants),
                       .leads = umb__calloc(g->ctx, n_values, sizeof *b.leads),
                       .kind = border};
    const enum umb_status st = b.wants && b.leads ? UMB_OK : UMB_ERR_NO_MEMORY;
    *ret_n = 0;
    if (st == UMB_OK) {
        umb__graph_wanted(g, desc, b.wants);
        umb__graph_leads(g, desc->n_seeds, desc->seeds, b.leads);
        memset(ret_stop, 0, n_values * sizeof *ret_stop);
        find_blocks(&b, by_device);
        find_stops(&b, ret_stop, ret_n);
    }
    umb__free(b.wants);
    umb__free(b.leads);
    return st;
}

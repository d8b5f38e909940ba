/* What differentiation reaches, and where a graph leaves what several seeds share. */
#include <string.h>

#include "graph.h"

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

/* The last node with weights of its own that several seeds share; −1: none. */
static int last_block(const struct umb_graph *g, const bool *wants, const uint64_t *leads)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct umb_node *n = &g->node[i];
        for (int k = 0; several(node_leads(n, leads)) && k < n->n_in; k++) {
            const struct umb_value *v = &g->value[n->in[k]];
            if (v->kind == UMB_VALUE_PARAM && wants[n->in[k]] && v->type.shape.rank > 1) {
                return i;
            }
        }
    }
    return -1;
}

/* The node reads across the border: of the representation, it leads to one seed alone; of a block,
 * it stands in or behind it. */
static bool is_behind(const struct umb_node *n, int index, const uint64_t *leads,
                      enum umb_border border, int block)
{
    const uint64_t led = node_leads(n, leads);
    return border == UMB_BORDER_REPRESENTATION ? led && !several(led) : led && index >= block;
}

enum umb_status umb__graph_border(const struct umb_graph *g, const struct umb_autodiff_desc *desc,
                                  enum umb_border border, bool *ret_stop, int *ret_n)
{
    const size_t n_values = (size_t)g->n_values;
    bool *wants = umb__calloc(g->ctx, n_values, sizeof *wants);
    uint64_t *leads = umb__calloc(g->ctx, n_values, sizeof *leads);
    enum umb_status st = wants && leads ? UMB_OK : UMB_ERR_NO_MEMORY;
    *ret_n = 0;
    if (st == UMB_OK) {
        umb__graph_wanted(g, desc, wants);
        umb__graph_leads(g, desc->n_seeds, desc->seeds, leads);
        memset(ret_stop, 0, n_values * sizeof *ret_stop);
    }
    const int block = st == UMB_OK ? last_block(g, wants, leads) : -1;
    for (int i = 0; st == UMB_OK && i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        if (!is_behind(n, i, leads, border, block)) { continue; }
        for (int k = 0; k < n->n_in; k++) {
            const int v = n->in[k], made = g->value[v].producer;
            const bool before = made >= 0 && (border == UMB_BORDER_REPRESENTATION || made < block);
            if (!before || !wants[v] || !several(leads[v]) || ret_stop[v]) { continue; }
            ret_stop[v] = true;
            ++*ret_n;
        }
    }
    umb__free(wants);
    umb__free(leads);
    return st;
}

/* fold.c: see fold.h. */
#include "fold.h"

#include "graph_edit.h"

/* What is the same in every run: known[n_values], and makes[n_nodes] for the nodes that make it.
 * Views cost nothing, and stay where they are. */
struct folding {
    struct umb_graph *g;
    bool *known, *makes;
};

static bool begins_known(const struct umb_graph *g, const struct umb_value *v)
{
    const bool fixed =
        v->kind == UMB_VALUE_STATE && v->spec >= 0 && g->spec[v->spec].kind == UMB_PARAM_FIXED;
    return fixed || v->kind == UMB_VALUE_PARAM || v->kind == UMB_VALUE_CONSTANT;
}

static bool makes_known(const struct folding *f, const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        if (!f->known[n->in[k]]) { return false; }
    }
    return n->n_in > 0;
}

static enum umb_status find(struct folding *f)
{
    const struct umb_graph *g = f->g;
    f->known = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *f->known);
    f->makes = umb__calloc(g->ctx, (size_t)g->n_nodes + 1, sizeof *f->makes);
    if (!f->known || !f->makes) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < g->n_values; v++) {
        f->known[v] = begins_known(g, &g->value[v]);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        const bool known = makes_known(f, n);
        f->makes[i] = known && !(n->op->flags & UMB_OP_VIEW);
        for (int k = 0; known && k < n->n_out; k++) {
            f->known[n->out[k]] = true;
        }
    }
    return UMB_OK;
}

/* Something reads it that does not make such values too. */
static bool is_cut(const struct folding *f, int value)
{
    const struct umb_graph *g = f->g;
    if (g->value[value].output) { return true; }
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; !f->makes[i] && k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] == value) { return true; }
        }
    }
    return false;
}

const char *umb__graph_folded_name(struct umb_graph *g, const char *value)
{
    return umb__arena_printf(g->arena, "folded.%s", value);
}

/* Makes a value that was cut an output, or a state. */
static enum umb_status cut(struct umb_graph *g, int value, bool readers)
{
    struct umb_value *v = &g->value[value];
    if (!readers) {
        v->output = true;
        return UMB_OK;
    }
    v->kind = UMB_VALUE_STATE;
    v->name = umb__graph_folded_name(g, v->name);
    v->producer = -1;
    return v->name ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static void drop(struct umb_graph *g, int node)
{
    for (int k = 0; k < g->node[node].n_out; k++) {
        g->value[g->node[node].out[k]].producer = -1;
    }
    g->node[node].op = NULL;
}

static enum umb_status split(struct folding *f, bool readers, int *ret_n)
{
    struct umb_graph *g = f->g;
    enum umb_status st = find(f);
    *ret_n = 0;
    for (int i = 0; st == UMB_OK && i < g->n_nodes; i++) {
        for (int k = 0; st == UMB_OK && f->makes[i] && k < g->node[i].n_out; k++) {
            if (!is_cut(f, g->node[i].out[k])) { continue; }
            st = cut(g, g->node[i].out[k], readers);
            ++*ret_n;
        }
    }
    for (int i = 0; st == UMB_OK && i < g->n_nodes; i++) {
        const bool goes = readers ? f->makes[i] : !f->known[g->node[i].out[0]];
        if (goes) { drop(g, i); }
    }
    if (st == UMB_OK) { umb__graph_compact(g); }
    umb__free(f->known);
    umb__free(f->makes);
    return st;
}

enum umb_status umb__graph_fold_makers(struct umb_graph *g, int *ret_n)
{
    return split(&(struct folding){.g = g}, false, ret_n);
}

enum umb_status umb__graph_fold_readers(struct umb_graph *g, int *ret_n)
{
    return split(&(struct folding){.g = g}, true, ret_n);
}

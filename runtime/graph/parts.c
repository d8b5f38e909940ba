/*
 * parts.c: see parts.h. Sets of tasks are masks. Forwards a mask says which losses a value leads
 * to, and is found from the end; backwards, which losses a node comes from, found from the start.
 */
#include "parts.h"

#include <string.h>

#define EVERYBODY UINT64_MAX

struct parts {
    const struct umb_graph *g;
    const struct umb_parts_desc *desc;
    uint64_t *leads; /* [values] losses that it leads to */
    uint64_t *tasks; /* [nodes] */
    bool named;      /* some forward node is named after a task */
};

static bool is_forward(const struct umb_node *n)
{
    return n->phase == UMB_PHASE_FORWARD || n->phase == UMB_PHASE_LOSS;
}

/* "digit.dense1", and "d(digit.dense1).sum0", what sums up a gradient. */
static bool is_named_after(const char *node, const char *task)
{
    const size_t n = strlen(task);
    if (strncmp(node, "d(", 2) == 0) { node += 2; }
    return strncmp(node, task, n) == 0 && node[n] == '.';
}

/* Layers are named after tasks. Streams may have tasks' names too: what reads an image is none. */
static bool any_name(const struct parts *p)
{
    for (int i = 0; i < p->g->n_nodes; i++) {
        const struct umb_node *n = &p->g->node[i];
        if (n->phase != UMB_PHASE_FORWARD || n->n_in == 0) { continue; }
        if (p->g->value[n->in[0]].producer < 0) { continue; }
        for (int t = 0; t < p->desc->n_tasks; t++) {
            if (is_named_after(n->name, p->desc->name[t])) { return true; }
        }
    }
    return false;
}

static void walk_from_losses(struct parts *p)
{
    for (int t = 0; t < p->desc->n_tasks; t++) {
        if (p->desc->loss[t] >= 0) { p->leads[p->desc->loss[t]] |= (uint64_t)1 << t; }
    }
    for (int i = p->g->n_nodes - 1; i >= 0; i--) {
        const struct umb_node *n = &p->g->node[i];
        if (!is_forward(n)) { continue; }
        for (int k = 0; k < n->n_out; k++) {
            p->tasks[i] |= p->leads[n->out[k]];
        }
        for (int k = 0; k < n->n_in; k++) {
            p->leads[n->in[k]] |= p->tasks[i];
        }
    }
}

/* Of a node beside the way to a loss, such as a count, or at the start of the way back: what all
 * its inputs have in common. */
static uint64_t common_to_inputs(const struct parts *p, const struct umb_node *n)
{
    uint64_t tasks = EVERYBODY;
    for (int k = 0; k < n->n_in; k++) {
        const uint64_t leads = p->leads[n->in[k]];
        if (leads) { tasks &= leads; }
    }
    return tasks == EVERYBODY ? 0 : tasks;
}

static void walk_back(struct parts *p)
{
    for (int i = 0; i < p->g->n_nodes; i++) {
        const struct umb_node *n = &p->g->node[i];
        for (int k = 0; k < n->n_in && !is_forward(n); k++) {
            const int maker = p->g->value[n->in[k]].producer;
            if (maker >= 0 && !is_forward(&p->g->node[maker])) { p->tasks[i] |= p->tasks[maker]; }
        }
        if (!p->tasks[i]) { p->tasks[i] = common_to_inputs(p, n); }
    }
}

static int part_of(const struct parts *p, int node)
{
    const struct umb_node *n = &p->g->node[node];
    for (int t = 0; t < p->desc->n_tasks; t++) {
        if (p->tasks[node] != (uint64_t)1 << t) { continue; }
        const bool fits = !p->named || is_named_after(n->name, p->desc->name[t]);
        return fits || n->phase == UMB_PHASE_LOSS ? t : UMB_PART_TRUNK;
    }
    return UMB_PART_TRUNK;
}

enum umb_status umb__graph_parts(const struct umb_graph *g, const struct umb_parts_desc *desc,
                                 int *ret_part)
{
    struct parts p = {.g = g, .desc = desc};
    p.leads = umb__calloc(g->ctx, (size_t)g->n_values + 1, sizeof *p.leads);
    p.tasks = umb__calloc(g->ctx, (size_t)g->n_nodes + 1, sizeof *p.tasks);
    const bool ok = p.leads && p.tasks;
    if (ok) {
        p.named = any_name(&p);
        walk_from_losses(&p);
        walk_back(&p);
        for (int i = 0; i < g->n_nodes; i++) {
            ret_part[i] = part_of(&p, i);
        }
    }
    umb__free(p.leads);
    umb__free(p.tasks);
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

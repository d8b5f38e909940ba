/*
 * Evaluation and prediction with what depends on parameters alone made once: the graph layers over
 * classes, whose table is then a constant head. It is made when a batch is looked at after a step,
 * by a plan of its own, and lies in the store, where the plans of both find it.
 */
#include <string.h>

#include "fold.h"
#include "trainer_internal.h"

/* The half that makes it; the batch does not matter. */
enum umb_status umb__trainer_fold_graph(struct umb_trainer *tr, struct umb_trainer_side *side)
{
    int n;
    enum umb_status st = umb__trainer_build_whole(tr, 1, side->graph, &side->net);
    if (st == UMB_OK) { st = umb__graph_transfer(side->graph); }
    return st == UMB_OK ? umb__graph_fold_makers(side->graph, &n) : st;
}

static enum umb_status keep(struct umb_trainer *tr, struct umb_trainer_side *side, int value)
{
    struct umb_graph *g = side->graph;
    const char *name = umb__graph_folded_name(g, g->value[value].name);
    return name ? umb__store_write(tr->store, name, 0, umb__type_bytes(&g->value[value].type),
                                   umb__plan_output(side->plan, 0, value))
                : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__trainer_fold(struct umb_trainer *tr, int mode)
{
    struct umb_trainer_side *side = &tr->side[UMB_TRAINER_FOLD];
    if (tr->folded || !tr->side[mode].n_folded) { return UMB_OK; }
    enum umb_status st = umb__trainer_settle(tr);
    if (st == UMB_OK) { st = umb__trainer_compile(tr, UMB_TRAINER_FOLD); }
    if (st == UMB_OK) { st = umb__plan_submit(side->plan, 0); }
    if (st == UMB_OK) { st = umb__plan_wait(side->plan, 0); }
    for (int v = 0; st == UMB_OK && v < side->graph->n_values; v++) {
        if (side->graph->value[v].output) { st = keep(tr, side, v); }
    }
    tr->folded = st == UMB_OK;
    return st;
}

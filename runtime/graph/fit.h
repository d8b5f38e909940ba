/*
 * fit.h: plans that keep within a limit of device memory.
 *
 * What counts is all that a plan has on the device: scratch, slots, outputs, constants, tables, and
 * the parameters and states of its store. Where that is too much, the planner gives up overlap
 * (half the queues, down to one), then takes another order, then computes activations again
 * (recompute.h), and fails only then. No bit of a result changes, and the same graph, devices,
 * solvers and limits give the same plan. Of several devices each has a limit of its own.
 */
#ifndef UMB_FIT_H
#define UMB_FIT_H

#include "plan.h"
#include "recompute.h"

/* Bytes on the device. */
struct umb_needs {
    size_t scratch, kept; /* kept: parameters and states */
    size_t total;
};

struct umb_fit {
    int device;     /* that is nearest to its limit, or furthest above it */
    uint64_t limit; /* asked for; 0: none, what the device has */
    struct umb_needs needs;
    int queues_asked, queues, n_again; /* n_again: copies of nodes */
};

/* A plan of g within limit[devices] bytes (0: what the device has; NULL: that for all). The queues
 * of desc are the most that it gets, its graph is g. g is rewritten where activations are computed
 * again. Errors beside a plan's own: UMB_ERR_INVALID where the limit is too low, UMB_ERR_NO_MEMORY
 * where the device is too small; the message says how much would do. */
UMB_MUST_USE enum umb_status umb__plan_fit(struct umb_context *ctx,
                                           const struct umb_plan_desc *desc, struct umb_graph *g,
                                           const uint64_t *limit, struct umb_fit *ret_fit,
                                           struct umb_plan **ret_plan);
/* Something was given up. */
bool umb__fit_gave_up(const struct umb_fit *f);
/* "2 of 4 queues, 7 activations computed again". */
#define UMB_FIT_TEXT 160
const char *umb__fit_text(const struct umb_fit *f, char *buffer);

/* reads.c: notes in g, the draft's graph, which inputs of its nodes are read. */
UMB_MUST_USE enum umb_status umb__plan_note_reads(const struct umb_plan *draft,
                                                  struct umb_graph *g);
/* reorder.c: puts backward nodes into an order that needs less memory on one queue. */
UMB_MUST_USE enum umb_status umb__graph_reorder(struct umb_graph *g);
/* needs.c: what a plan, or a draft of one, has on a device. */
struct umb_needs umb__plan_needs(struct umb_plan *p, int device);
/* recompute_choose.c: adds further cuts of nodes on the device, so that the draft, which is in
 * order on one queue each, loses about `need` bytes at its peak there, or something where it is
 * above `allowed`. *ret_n: how many; 0: nothing can be gained. */
struct umb_cuts {
    struct umb_cut *cut; /* umb__free */
    int n, capacity;
};
UMB_MUST_USE enum umb_status umb__recompute_choose(const struct umb_plan *draft,
                                                   const struct umb_recompute *r, int device,
                                                   size_t need, size_t allowed,
                                                   struct umb_cuts *cuts, int *ret_n);

#endif

/*
 * timeline.h: one step as it ran: boxes on lanes, who waited for whom, and the lower bound.
 *
 * It is made from a plan that was traced, or read back from a run's trace.json, and is all that the
 * picture knows (timeline_draw.h). It must not outlive the plan or the JSON that it was made from.
 */
#ifndef UMB_TIMELINE_H
#define UMB_TIMELINE_H

#include "parts.h"
#include "trainer.h"
#include <jansson.h>

/* Behind enum umb_phase: uploads and read-backs. */
#define UMB_TIMELINE_TRANSFER (UMB_PHASE_UPDATE + 1)
#define UMB_TIMELINE_LANES 64

struct umb_timeline_box {
    const char *const *node; /* [n_nodes] one, or those of a merged launch; in the plan's order */
    size_t n_nodes;
    const char *kernel, *solver; /* "": none */
    const int *part;             /* [n_parts] without doubles: a head, or UMB_PART_TRUNK */
    size_t n_parts;
    const int *wait; /* [n_waits] boxes of other lanes */
    size_t n_waits;
    int lane, phase;
    double start_ms, end_ms;
    double alone_ms; /* 0: not measured */
    double gflop, mb;
    bool critical; /* on the longest path of steps that wait for one another */
};

struct umb_timeline {
    struct umb_arena *arena;
    const char *title, *device;
    const char *const *lane; /* [n_lanes] labels */
    size_t n_lanes;
    const char *const *head; /* [n_heads] tasks */
    size_t n_heads;
    struct umb_timeline_box *box; /* launches in the plan's order, then transfers */
    size_t n_boxes, n_launches;
    double origin_ms;   /* start of the first launch; an upload may lie before it */
    double makespan_ms; /* from there to the end of the last launch */
    double bound_ms;    /* 0: not known */
};

/* Of the training plan as it was traced last; bound_ms 0: not known. */
UMB_MUST_USE enum umb_status umb__timeline_of_trainer(const struct umb_trainer *tr,
                                                      const char *title, double bound_ms,
                                                      struct umb_timeline **ret_timeline);
/* Of a trace, which may be any JSON: what is no box or wait of ours is left out. Without any box
 * *ret_timeline is NULL. */
UMB_MUST_USE enum umb_status umb__timeline_of_trace(struct umb_context *ctx, const json_t *trace,
                                                    struct umb_timeline **ret_timeline);
void umb__timeline_destroy(struct umb_timeline *t);

/* Which part every node [nodes] of a side's graph is of (parts.h). */
UMB_MUST_USE enum umb_status umb__trainer_parts(const struct umb_trainer *tr,
                                                enum umb_trainer_mode mode, int *ret_part);

#endif

/*
 * step_world.h: made-up lists of steps, for tests of the planner's parts. No device is needed: steps
 * are data.
 */
#ifndef UMB_TEST_STEP_WORLD_H
#define UMB_TEST_STEP_WORLD_H

#include "plan_schedule.h"

struct world {
    struct umb_context *ctx;
    struct umb_graph *g;
    struct umb_steps steps;
    double *cost;
};

/* Values of 16, 32 … 112 floats, and no steps yet. */
void world_open(struct world *w, int n_values);
void world_close(struct world *w);
/* Appends a step by hand: kinds "rw…" and their values. */
void add_step(struct world *w, const char *kinds, const int *values);
void plan_world(struct world *w, int n_queues, struct umb_deps *d, struct umb_schedule *s,
                struct umb_memory *m);
void unplan(struct umb_deps *d, struct umb_schedule *s, struct umb_memory *m);

#endif

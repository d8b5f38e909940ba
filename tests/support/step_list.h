/*
 * step_list.h: made-up lists of steps of any length, from seeds, for tests of what plans them. No
 * device is needed: steps are data. Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_STEP_LIST_H
#define UMB_TEST_STEP_LIST_H

#include "plan_schedule.h"

struct step_list {
    struct umb_context *ctx;
    struct umb_graph *g; /* values without nodes */
    struct umb_steps steps;
    double *cost; /* [steps] */
    struct umb_deps deps;
    struct umb_schedule schedule;
    struct umb_memory memory; /* all three after step_list_plan */
    uint64_t seed, at;        /* of the numbers that are drawn */
};

/* Every step reads some values that are written and writes or updates another, near to those of the
 * last steps; with pieces, values are parts of others, and some steps stand beside each other. */
void step_list_open(struct step_list *l, uint64_t seed, int n_steps, int n_values, bool pieces);
void step_list_close(struct step_list *l);
void step_list_plan(struct step_list *l, int n_queues);
uint32_t step_list_draw(struct step_list *l, uint32_t below);

/* earlier[j * n + i]: by queues and waits alone, step i is done before step j begins. To be freed
 * with umb__free. */
bool *step_list_earlier(const struct step_list *l);
/* Whether no two values share memory while both are in use: every pair of uses looked at. */
bool step_list_is_sound(const struct step_list *l);

#endif

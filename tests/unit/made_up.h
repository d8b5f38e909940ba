/*
 * made_up.h: graphs of steps with times and work-groups, written down or drawn, for tests of the
 * bound and of the simulator. They lie in the struct itself: it must not be copied or moved.
 */
#ifndef UMBEL_MADE_UP_H
#define UMBEL_MADE_UP_H

#include "bound.h"
#include "rng.h"
#include <math.h>

#define MADE_UP_STEPS 512
#define MADE_UP_PREDS (8 * MADE_UP_STEPS)

struct made_up {
    struct umb_timed_steps steps;
    struct umb_deps deps;
    int start[MADE_UP_STEPS + 1], pred[MADE_UP_PREDS];
    double alone[MADE_UP_STEPS], groups[MADE_UP_STEPS];
    int units[2];
};

/* No steps yet, one device. */
static inline void made_up_start(struct made_up *g, int units)
{
    g->deps = (struct umb_deps){.start = g->start, .pred = g->pred};
    g->start[0] = 0;
    g->units[0] = units;
    g->units[1] = 1;
    g->steps = (struct umb_timed_steps){.deps = &g->deps,
                                        .alone_ns = g->alone,
                                        .groups = g->groups,
                                        .n_devices = 1,
                                        .units = g->units};
}

/* Returns the step's number. */
static inline int made_up_step(struct made_up *g, double alone, double groups, const int *pred,
                               int n_pred)
{
    const int i = g->deps.n++;
    g->alone[i] = alone;
    g->groups[i] = groups;
    g->start[i + 1] = g->start[i];
    for (int k = 0; k < n_pred; k++) {
        g->pred[g->start[i + 1]++] = pred[k];
    }
    return i;
}

/* Times are whole numbers below `times`, 0 among them; groups from 0 (any) to units + 1. */
static inline void made_up_random(struct made_up *g, uint64_t seed, int n, int units, int times)
{
    uint64_t at = 0;
#define MADE_UP_DRAW(below) (int)(umb__random_u32(seed, UMB_RNG_TEST, 0, at++) % (uint32_t)(below))
    made_up_start(g, units);
    for (int i = 0; i < n; i++) {
        int pred[4], n_pred = 0;
        for (int k = MADE_UP_DRAW(4); k > 0 && i > 0; k--) {
            const int p = i - 1 - MADE_UP_DRAW(i < 12 ? i : 12);
            bool twice = false;
            for (int j = 0; j < n_pred; j++) {
                twice = twice || pred[j] == p;
            }
            if (!twice) { pred[n_pred++] = p; }
        }
        const int alone = MADE_UP_DRAW(times), groups = MADE_UP_DRAW(units + 2);
        made_up_step(g, alone, groups, pred, n_pred);
    }
#undef MADE_UP_DRAW
}

#endif

/*
 * played.h: schedules that the simulator has played, for its tests.
 */
#ifndef UMB_TEST_PLAYED_H
#define UMB_TEST_PLAYED_H

#include "made_up.h"
#include "simulate.h"

extern struct umb_context *ctx;

/* cmocka's set-up and tear-down of a group. */
int open_context(void **state);
int close_context(void **state);

/* A schedule of the list scheduler's, played with these launches. */
struct played {
    struct umb_schedule schedule;
    struct umb_simulation sim;
};
struct played play(const struct made_up *g, int queues, struct umb_simulation_desc desc);
void put_away(struct played *p);
/* Fails the test that runs unless both are equal, but for rounding. */
void expect_ns(double is, double expected, const char *what);

#endif

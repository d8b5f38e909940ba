/*
 * ways.h: one random net trained in several ways: queues, orders, delays, steps in flight, merged
 * or not, stopped and resumed. All must leave the same record. Whatever fails, fails the test that
 * runs.
 */
#ifndef UMB_TEST_WAYS_H
#define UMB_TEST_WAYS_H

#include "random_net.h"
#include "record.h"

#define WAY_STEPS 5 /* of every training */

struct way {
    const char *name;
    int queues;
    int in_flight;   /* steps that are submitted before one is waited for, 1…UMB_TRAINER_SLOTS */
    uint64_t order;  /* of steps on queues; 0: list scheduling */
    uint64_t delays; /* 0: none */
    bool unmerged;
    int stop; /* saved behind so many steps, and resumed in the way `resumed`; 0: never */
    const struct way *resumed;
};
extern const struct way way_plain; /* one queue, one step after another */

struct ways {
    uint64_t seed;                     /* of the net at work, set by the test; 0: none */
    size_t n_steps, n_merged, n_waits; /* of all plans: merged do the work of several */
};
extern struct ways ways;

/* cmocka's set-up and tear-down of a group: world.h's, and a place for checkpoints. */
int ways_open(void **state);
int ways_close(void **state);
/* Tear-down of a test: says which seed it stopped at, for what fails in a helper does not know. */
int ways_tell_seed(void **state);

/* 0 … below−1 from the net's seed. */
int way_pick(uint64_t *at, int below);
/* Shuffled: any order on one to eight queues; else list scheduling's on 1, 2, 4 or 8. */
struct way way_draw(uint64_t *at, const char *name, bool shuffled);

struct session way_session(const struct random_net *net, const struct way *way, uint64_t seed);
/* Steps first … end−1. */
void way_train(struct session *s, const struct way *way, struct record *r, int first, int end);
/* A whole training; the caller finishes the record. */
struct record way_run(const struct random_net *net, const struct way *way);
/* False where a training in that way leaves another record, after printing where. */
bool way_agrees(const struct random_net *net, const struct record *expected, const struct way *way);

#endif

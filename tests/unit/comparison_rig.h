/*
 * comparison_rig.h: a small experiment in a folder of its own, a comparison of it, and runs as if
 * they had been trained. A test program's cases share the folder, one after another.
 */
#ifndef UMB_TEST_COMPARISON_RIG_H
#define UMB_TEST_COMPARISON_RIG_H

#include "comparison.h"

struct rig {
    struct umb_context *ctx;
    struct umb_experiment
        *exp;                 /* small.yaml: task shape on data a and trunk one, place on b, two */
    struct umb_comparison *c; /* of equal and mgda */
};

/* cmocka's set-up and tear-down of a group: the folder, with small.yaml in it. */
int enter_comparisons(void **state);
int leave_comparisons(void **state);

/* The folder is emptied of runs. */
void open_rig(struct rig *r, size_t n_seeds);
void close_rig(struct rig *r);

/* Writes and takes all runs, two epochs each: accuracies and distances as the tables say. */
void fill(struct rig *r, bool validation);
/* Whether the run in `folder` had `epochs` epochs and so was taken. */
bool take(struct rig *r, size_t run_index, size_t seed, const char *folder, int64_t epochs);

/* Fails the test that runs, with the context's message. */
void check(const struct rig *r, enum umb_status st, const char *what);
void near(double got, double expected, const char *what);
/* Whether the comparison's notes hold that; prints them where not. */
bool says(struct rig *r, const char *expected);

#endif

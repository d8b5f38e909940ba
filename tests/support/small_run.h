/*
 * small_run.h: an experiment's training without its run directory: steps, and their losses.
 * Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_SMALL_RUN_H
#define UMB_TEST_SMALL_RUN_H

#include "experiment.h"
#include "feed.h"
#include "trainer.h"

struct small_run {
    struct umb_context *ctx;
    struct umb_experiment *exp;
    struct umb_net *net;
    struct umb_device *device;
    struct umb_trainer *trainer;
    struct umb_reader *reader;
    struct umb_feed *feed;
    double losses[UMB_MAX_TASKS]; /* of the latest step */
};

/* Reads the file, opens its data, builds the net. */
struct small_run small_run_open(const char *path, const char *const *sets, size_t n_sets);
/* The same of a text, and without data when shapes are given (umb__experiment_bind). */
struct small_run small_run_open_text(const char *text, const char *shapes);
void small_run_close(struct small_run *r);

/* A trainer on the device that UMBEL_DEVICE names. */
void small_run_compile(struct small_run *r);
/* Compiles, and begins to feed the training split's first n batches. */
void small_run_start(struct small_run *r, int64_t n);
/* The next batch, filled and not yet trained on: small_run_step takes it. */
int small_run_batch(struct small_run *r);
void small_run_step(struct small_run *r, int slot);

#endif

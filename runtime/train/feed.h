/*
 * feed.h: a thread that fills the trainer's slots with the batches of a split, ahead of the steps.
 *
 *   feed thread:  fill 0 │ fill 1 │ fill 2 │ (waits) │ fill 3 …
 *   caller:               next → 0, submit │ next → 1, submit │ wait 0, done │ …
 *
 * Batch i goes to slot i mod UMB_TRAINER_SLOTS, once `done` was called for batch i − SLOTS. Which
 * samples batch i holds depends on the experiment's seed and i alone.
 */
#ifndef UMB_FEED_H
#define UMB_FEED_H

#include "experiment.h"
#include "sampler.h"
#include "trainer.h"

struct umb_feed;

struct umb_feed_desc {
    const struct umb_experiment *exp; /* with open data sets */
    struct umb_trainer *trainer;
    struct umb_reader *reader;
    enum umb_trainer_mode
        mode; /* training shuffles and goes round; evaluation reads once in order */
    enum umb_split split;
    /* Training that is looked at, not learned from: one pass, pictures as they are, no class drawn
     * more often, and streams with the same rows (umb__exp_same_rows) in one order, so that row i
     * of each is the same sample. */
    bool plain;
};
UMB_MUST_USE enum umb_status umb__feed_create(struct umb_context *ctx,
                                              const struct umb_feed_desc *desc,
                                              struct umb_feed **ret_feed);
void umb__feed_destroy(struct umb_feed *f); /* stops it first; NULL is fine */

/* Batches of the longest stream; 0 when no stream has samples in the split. */
int64_t umb__feed_batches(const struct umb_feed *f);

/* Begins to fill batches first … last−1. */
UMB_MUST_USE enum umb_status umb__feed_start(struct umb_feed *f, int64_t first, int64_t last);
/* What lies in a slot. */
struct umb_feed_batch {
    int slot;
    int64_t images; /* of all streams */
};
/* Waits until the next batch is there; errors are those of reading. */
UMB_MUST_USE enum umb_status umb__feed_next(struct umb_feed *f, struct umb_feed_batch *ret_batch);
/* The oldest batch that next handed out is no longer needed. */
void umb__feed_done(struct umb_feed *f);
/* Ends the thread; batches not handed out are dropped. */
void umb__feed_stop(struct umb_feed *f);

#endif

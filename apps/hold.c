/* hold.c: see hold.h. */
#include "hold.h"

#include "feed.h"
#include "system.h"

enum umb_status hold_batches(const struct session *s, const struct cli *cli, int64_t *ret_images)
{
    struct umb_reader *reader = NULL;
    struct umb_feed *feed = NULL;
    struct umb_feed_batch batch;
    enum umb_status st = umb__reader_create(cli->ctx, 2, &reader);
    struct umb_feed_desc desc = {.exp = s->exp,
                                 .trainer = s->trainer,
                                 .reader = reader,
                                 .mode = UMB_TRAINER_TRAIN,
                                 .split = UMB_SPLIT_TRAIN};
    if (st == UMB_OK) { st = umb__feed_create(cli->ctx, &desc, &feed); }
    if (st == UMB_OK) { st = umb__feed_start(feed, 0, UMB_TRAINER_SLOTS); }
    for (int i = 0; st == UMB_OK && i < UMB_TRAINER_SLOTS; i++) {
        st = umb__feed_next(feed, &batch);
        ret_images[i] = batch.images;
    }
    umb__feed_destroy(feed);
    umb__reader_destroy(reader);
    return st;
}

/* The first run is slower than others: caches are cold. Of short ones more are to be had. */
#define LEAST_RUNS 12
#define MOST_RUNS 64
#define LONG_NS UINT64_C(500000000)
/* The bound is set beside the fastest of a few steps. */
#define CALM 0.1

enum umb_status hold_time_alone(const struct session *s)
{
    double losses[UMB_MAX_TASKS];
    enum umb_status st = UMB_OK;
    const uint64_t began = umb__clock_ns();
    for (int run = 0; st == UMB_OK && run < MOST_RUNS; run++) {
        if (run >= LEAST_RUNS && umb__clock_ns() - began > LONG_NS) { break; }
        st = umb__trainer_submit(s->trainer, UMB_TRAINER_TRAIN, 0, 0);
        if (st == UMB_OK) { st = umb__trainer_time_alone(s->trainer, 1, 0); }
        for (int slot = 0; st == UMB_OK && slot < 2; slot++) {
            st = umb__trainer_wait(s->trainer, UMB_TRAINER_TRAIN, slot, losses);
        }
    }
    return st;
}

enum umb_status hold_bound(const struct session *s, double *ret_bound_ms)
{
    struct umb_plan *plan = umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN);
    uint64_t bound_ns = 0;
    enum umb_status st = hold_time_alone(s);
    umb__plan_settle_alone(plan, CALM);
    if (st == UMB_OK) { st = umb__plan_bound(plan, &bound_ns); }
    *ret_bound_ms = (double)bound_ns * 1e-6;
    return st;
}

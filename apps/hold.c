/* hold.c: see hold.h. */
#include "hold.h"

#include "feed.h"

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

enum umb_status hold_bound(const struct session *s, double *ret_bound_ms)
{
    uint64_t bound_ns = 0;
    enum umb_status st = umb__trainer_trace(s->trainer, 0, 0);
    if (st == UMB_OK) {
        st = umb__plan_bound(umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN), 0, &bound_ns);
    }
    *ret_bound_ms = (double)bound_ns * 1e-6;
    return st;
}

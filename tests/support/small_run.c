#include "small_run.h"

#include "schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void must(const struct small_run *r, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(r->ctx)); }
}

static struct small_run read_file(const char *path, const char *const *sets, size_t n_sets)
{
    struct small_run r = {0};
    assert_int_equal(umb_context_create(NULL, &r.ctx), UMB_OK);
    must(&r, umb__experiment_read(r.ctx, path, sets, n_sets, &r.exp));
    return r;
}

struct small_run small_run_open(const char *path, const char *const *sets, size_t n_sets)
{
    struct small_run r = read_file(path, sets, n_sets);
    must(&r, umb__experiment_open(r.exp));
    must(&r, umb__experiment_net(r.exp, &r.net));
    return r;
}

struct small_run small_run_open_text(const char *text, const char *shapes)
{
    char path[64];
    snprintf(path, sizeof path, "small-run-%d.yaml", (int)getpid());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    struct small_run r = read_file(path, NULL, 0);
    must(&r, shapes ? umb__experiment_bind(r.exp, shapes, "shapes") : umb__experiment_open(r.exp));
    unlink(path);
    must(&r, umb__experiment_net(r.exp, &r.net));
    return r;
}

void small_run_close(struct small_run *r)
{
    umb__feed_destroy(r->feed);
    umb__reader_destroy(r->reader);
    umb_trainer_destroy(r->trainer);
    umb_device_close(r->device);
    umb_net_destroy(r->net);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

void small_run_compile(struct small_run *r)
{
    const struct umb_exp_train *t = &r->exp->train;
    must(r, umb_device_open(r->ctx, NULL, &r->device));
    struct umb_trainer_desc desc = {.device = r->device,
                                    .net = r->net,
                                    .batch = t->batch,
                                    .optimizer = t->optimizer,
                                    .optimizer_attrs = t->optimizer_attrs,
                                    .clip_norm = t->clip_norm,
                                    .seed = t->seed};
    must(r, umb_trainer_create(r->ctx, &desc, &r->trainer));
}

void small_run_start(struct small_run *r, int64_t n)
{
    small_run_compile(r);
    must(r, umb__reader_create(r->ctx, 2, &r->reader));
    struct umb_feed_desc desc = {.exp = r->exp, .trainer = r->trainer, .reader = r->reader};
    must(r, umb__feed_create(r->ctx, &desc, &r->feed));
    must(r, umb__feed_start(r->feed, 0, n));
}

int small_run_batch(struct small_run *r)
{
    struct umb_feed_batch batch;
    must(r, umb__feed_next(r->feed, &batch));
    return batch.slot;
}

void small_run_step(struct small_run *r, int slot)
{
    must(r, umb__trainer_submit(r->trainer, UMB_TRAINER_TRAIN, slot, r->exp->train.schedule.rate));
    must(r, umb__trainer_wait(r->trainer, UMB_TRAINER_TRAIN, slot, r->losses));
    umb__feed_done(r->feed);
}

/*
 * loop_trace.c: a training step on its way to the device. One is traced, and the few behind it run
 * on one queue, a launch at a time, for the lower bound: queues change no bit of a result, so these
 * are steps like any other, and a run says how good its schedule is without a step too many.
 */
#include "loop_internal.h"

#include "system.h"
#include "trace_file.h"

#define ALONE_RUNS 5  /* that make a bound */
#define TRACED_STEP 3 /* the first ones build kernels and warm caches */

/* bound_ms 0: not known yet. */
static enum umb_status write_trace(struct umb_loop *l, double bound_ms)
{
    struct umb_timeline *timeline = NULL;
    char *path = umb__run_file(l->desc->run, "trace.json");
    enum umb_status st = path ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        st = umb__timeline_of_trainer(l->desc->trainer, l->exp->name, bound_ms, &timeline);
    }
    if (st == UMB_OK) { st = umb__trace_write(l->ctx, timeline, path); }
    umb__timeline_destroy(timeline);
    umb__free(path);
    return st;
}

static enum umb_status trace(struct umb_loop *l, int slot, double rate)
{
    enum umb_status st = umb__trainer_trace(l->desc->trainer, slot, rate);
    l->alone_left = ALONE_RUNS;
    return st == UMB_OK ? write_trace(l, 0) : st;
}

/* A training may end before the last: what is known of the bound is written each time. */
static enum umb_status time_alone(struct umb_loop *l, int slot, double rate)
{
    struct umb_plan *plan = umb__trainer_plan(l->desc->trainer, UMB_TRAINER_TRAIN);
    uint64_t bound_ns = 0;
    enum umb_status st = umb__trainer_time_alone(l->desc->trainer, slot, rate);
    if (st == UMB_OK) { st = umb__plan_bound(plan, &bound_ns); }
    l->alone_left--;
    return st == UMB_OK ? write_trace(l, (double)bound_ns * 1e-6) : st;
}

enum umb_status umb__loop_submit(struct umb_loop *l, int slot, int64_t step)
{
    const struct umb_exp_train *t = &l->exp->train;
    const double rate = umb__schedule_rate(&t->schedule, step, l->steps_per_epoch);
    const int64_t period = umb__trainer_period(l->desc->trainer);
    int64_t traced = (TRACED_STEP + period - 1) / period * period;
    if (t->epochs * l->steps_per_epoch <= traced) { traced = 0; }
    if (step == traced) { return trace(l, slot, rate); }
    if (l->alone_left > 0 && step % period == 0) { return time_alone(l, slot, rate); }
    return umb__trainer_submit(l->desc->trainer, UMB_TRAINER_TRAIN, slot, rate);
}

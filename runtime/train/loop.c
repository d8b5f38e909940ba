/*
 * loop.c: epochs of training steps, each followed by evaluation, rows and a checkpoint.
 *
 *   feed:    fill 2 │ fill 3 │ fill 4
 *   device:  step 0 │ step 1 │ step 2
 *   loop:    submit 1, wait 0 │ submit 2, wait 1 │ …
 */
#include "loop_internal.h"

#include "alloc.h"
#include "fail.h"
#include "report.h"
#include "system.h"
#include "trainer_balance.h"
#include "trainer_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define IN_FLIGHT 2     /* submitted batches: one running, one behind it */
#define MOST_READERS 4U /* threads that decode images */

/* News. */

static double rate(const struct umb_loop *l)
{
    return l->train_ns ? (double)l->images / ((double)l->train_ns * 1e-9) : 0;
}

static double seconds_left(const struct umb_loop *l)
{
    int64_t done = l->state.epoch * l->steps_per_epoch + l->state.batch;
    int64_t left = l->exp->train.epochs * l->steps_per_epoch - done;
    double images_per_step = done ? (double)l->state.images / (double)done : 0;
    return rate(l) > 0 ? (double)left * images_per_step / rate(l) : (double)NAN;
}

static void tell(const struct umb_loop *l, enum umb_loop_news news, int64_t epoch,
                 double epoch_seconds)
{
    struct umb_loop_report report = {.news = news,
                                     .exp = l->exp,
                                     .epoch = epoch,
                                     .epochs = l->exp->train.epochs,
                                     .batch = l->state.batch,
                                     .batches = l->steps_per_epoch,
                                     .step = umb_trainer_n_steps(l->desc->trainer),
                                     .images_per_s = rate(l),
                                     .seconds_left = seconds_left(l),
                                     .epoch_seconds = epoch_seconds,
                                     .losses = l->losses,
                                     .results = l->results,
                                     .improved = l->improved,
                                     .stopped_early = l->state.stopped,
                                     .best_epoch = l->state.best_epoch};
    if (l->desc->listener) { l->desc->listener(l->desc->user, &report); }
}

static bool asked_to_stop(const struct umb_loop *l)
{
    return l->desc->stop && *l->desc->stop;
}

/* Steps. */

/* One batch that was submitted and not waited for. */
struct flight {
    struct umb_feed_batch batch[IN_FLIGHT];
    int n;
    uint64_t last_ns; /* when the last one ended */
};

/* NaN alone may mean that the batch had no label that counts; the sum is NaN only when a loss was.
 */
static enum umb_status check_losses(struct umb_loop *l)
{
    for (size_t t = 0; t < l->exp->n_tasks; t++) {
        if (isfinite(l->desc->trainer->tally[t].loss_sum)) { continue; }
        int64_t step = l->state.epoch * l->steps_per_epoch + l->state.batch;
        return umb__fail(l->ctx, UMB_ERR_INVALID,
                         "task '%s': the loss is %s at step %lld (epoch %lld); training ended and "
                         "the checkpoints are as they were; a smaller rate or train.clip_norm may "
                         "help",
                         l->exp->task[t].name, isnan(l->losses[t]) ? "not a number" : "infinite",
                         (long long)step, (long long)l->state.epoch + 1);
    }
    return UMB_OK;
}

/* Waits for the oldest step, counts it, and writes its row when it is due. */
static enum umb_status land(struct umb_loop *l, struct flight *f)
{
    struct umb_feed_batch b = f->batch[0];
    enum umb_status st = umb__trainer_wait(l->desc->trainer, UMB_TRAINER_TRAIN, b.slot, l->losses);
    if (st != UMB_OK) { return st; }
    const struct umb_balance_step balance = umb__trainer_balance_step(l->desc->trainer, b.slot);
    umb__feed_done(l->feed);
    memmove(f->batch, f->batch + 1, (size_t)(--f->n) * sizeof *f->batch);
    uint64_t now = umb__clock_ns(), spent = now - f->last_ns;
    f->last_ns = now;
    l->state.batch++;
    l->state.images += b.images;
    l->state.train_s += (double)spent * 1e-9;
    l->images += b.images;
    l->train_ns += spent;
    l->row_steps++;
    l->row_ns += spent;
    st = check_losses(l);
    int64_t step = l->state.epoch * l->steps_per_epoch + l->state.batch;
    if (st == UMB_OK && step % l->exp->train.log_every == 0) {
        st = umb__loop_row_step(l, step, (double)l->row_ns * 1e-6 / (double)l->row_steps, &balance);
        l->row_steps = 0;
        l->row_ns = 0;
    }
    if (st == UMB_OK) { tell(l, UMB_NEWS_STEP, l->state.epoch + 1, 0); }
    return st;
}

/* The rest of the present epoch. UMB_ERR_INTERRUPTED: every submitted step was counted. */
static enum umb_status train_epoch(struct umb_loop *l)
{
    int64_t begin = l->state.epoch * l->steps_per_epoch, end = begin + l->steps_per_epoch;
    struct flight f = {.last_ns = umb__clock_ns()};
    l->images = 0;
    l->train_ns = 0;
    enum umb_status st = umb__loop_phase(l);
    if (st == UMB_OK) { st = umb__feed_start(l->feed, begin + l->state.batch, end); }
    for (int64_t step = begin + l->state.batch; st == UMB_OK && step < end; step++) {
        if (asked_to_stop(l)) {
            st = UMB_ERR_INTERRUPTED;
            break;
        }
        st = umb__feed_next(l->feed, &f.batch[f.n]);
        if (st == UMB_OK) { st = umb__loop_submit(l, f.batch[f.n].slot, step); }
        if (st == UMB_OK) { f.n++; }
        if (st == UMB_OK && f.n == IN_FLIGHT) { st = land(l, &f); }
    }
    while (f.n > 0 && (st == UMB_OK || st == UMB_ERR_INTERRUPTED)) {
        enum umb_status landed = land(l, &f);
        if (landed != UMB_OK) { st = landed; }
    }
    umb__feed_stop(l->feed);
    return st;
}

/* Evaluation. */

double umb__loop_score(const struct umb_experiment *exp, const struct umb_task_result *results)
{
    double sum = 0, weights = 0;
    for (size_t t = 0; t < exp->n_tasks; t++) {
        const struct umb_exp_task *task = &exp->task[t];
        if (results[t].n_metrics == 0 || isnan(results[t].metric[0].value)) { continue; }
        const struct umb_metric *m = umb__metric_find(results[t].metric[0].name, task->judge);
        sum += task->weight * umb__metric_score(m, results[t].metric[0].value);
        weights += task->weight;
    }
    return weights > 0 ? sum / weights : (double)NAN;
}

static enum umb_status evaluate_batches(struct umb_trainer *tr, struct umb_feed *feed)
{
    int64_t n = umb__feed_batches(feed);
    struct umb_feed_batch before = {0}, b;
    enum umb_status st = umb__feed_start(feed, 0, n);
    for (int64_t i = 0; st == UMB_OK && i <= n; i++) {
        if (i < n) { st = umb__feed_next(feed, &b); }
        if (st == UMB_OK && i < n) {
            st = umb__trainer_submit(tr, UMB_TRAINER_EVALUATE, b.slot, 0);
        }
        if (st == UMB_OK && i > 0) {
            st = umb__trainer_wait(tr, UMB_TRAINER_EVALUATE, before.slot, NULL);
            umb__feed_done(feed);
        }
        before = b;
    }
    umb__feed_stop(feed);
    return st;
}

static enum umb_status evaluate(struct umb_context *ctx, const struct umb_experiment *exp,
                                struct umb_trainer *tr, struct umb_reader *reader,
                                enum umb_split split, struct umb_split_results *ret)
{
    struct umb_feed_desc desc = {.exp = exp,
                                 .trainer = tr,
                                 .reader = reader,
                                 .mode = UMB_TRAINER_EVALUATE,
                                 .split = split};
    struct umb_feed *feed = NULL;
    enum umb_status st = umb__trainer_compile(tr, UMB_TRAINER_EVALUATE);
    if (st == UMB_OK) { st = umb__feed_create(ctx, &desc, &feed); }
    if (st != UMB_OK) { return st; }
    ret->present = umb__feed_batches(feed) > 0;
    if (ret->present) {
        st = evaluate_batches(tr, feed);
        if (st == UMB_OK) { st = umb_trainer_results(tr, ret->task); }
        if (st == UMB_OK) { ret->score = umb__loop_score(exp, ret->task); }
    }
    umb__feed_destroy(feed);
    return st;
}

static enum umb_status create_reader(struct umb_context *ctx, struct umb_reader **ret_reader)
{
    unsigned n = umb__cpu_count();
    return umb__reader_create(ctx, n < MOST_READERS ? n : MOST_READERS, ret_reader);
}

enum umb_status umb__loop_evaluate(struct umb_context *ctx, const struct umb_experiment *exp,
                                   struct umb_trainer *trainer, enum umb_split split,
                                   struct umb_split_results *ret_results)
{
    struct umb_reader *reader = NULL;
    enum umb_status st = create_reader(ctx, &reader);
    if (st == UMB_OK) { st = evaluate(ctx, exp, trainer, reader, split, ret_results); }
    umb__reader_destroy(reader);
    return st;
}

/* Epochs. */

static enum umb_status evaluate_epoch(struct umb_loop *l)
{
    struct umb_split_results *train = &l->results[UMB_SPLIT_TRAIN];
    train->present = true;
    enum umb_status st = umb_trainer_results(l->desc->trainer, train->task);
    if (st == UMB_OK) { train->score = umb__loop_score(l->exp, train->task); }
    for (int s = UMB_SPLIT_VALIDATION; st == UMB_OK && s < UMB_SPLIT_COUNT; s++) {
        st = evaluate(l->ctx, l->exp, l->desc->trainer, l->reader, (enum umb_split)s,
                      &l->results[s]);
    }
    return st;
}

static double task_metric(const struct umb_loop *l, const struct umb_split_results *r,
                          const struct umb_exp_early_stop *stop)
{
    for (size_t t = 0; t < l->exp->n_tasks; t++) {
        if (strcmp(l->exp->task[t].name, stop->task) != 0) { continue; }
        if (strcmp(stop->metric, "loss") == 0) { return -r->task[t].loss; }
        for (int m = 0; m < r->task[t].n_metrics; m++) {
            if (strcmp(r->task[t].metric[m].name, stop->metric) != 0) { continue; }
            double value = r->task[t].metric[m].value;
            const struct umb_metric *row = umb__metric_find(stop->metric, l->exp->task[t].judge);
            return row->lower_is_better ? -value : value;
        }
    }
    return (double)NAN;
}

/* The validation split is watched; without one the training split, for the test split must not
 * choose. */
double umb__loop_watched(const struct umb_loop *l)
{
    const struct umb_exp_early_stop *stop = &l->exp->train.early_stop;
    const struct umb_split_results *r = &l->results[UMB_SPLIT_VALIDATION];
    if (!r->present) { r = &l->results[UMB_SPLIT_TRAIN]; }
    return stop->on && stop->task ? task_metric(l, r, stop) : r->score;
}

static void watch(struct umb_loop *l)
{
    struct umb_loop_state *s = &l->state;
    const struct umb_exp_early_stop *stop = &l->exp->train.early_stop;
    double now = umb__loop_watched(l);
    bool first = isnan(s->best), clearly = first || now > s->best + stop->minimum_change;
    l->improved = !isnan(now) && (first || now > s->best);
    s->stale = clearly && !isnan(now) ? 0 : s->stale + 1;
    if (l->improved) {
        s->best = now;
        s->best_epoch = s->epoch;
    }
    s->stopped = stop->on && s->stale >= stop->patience && s->epoch < l->exp->train.epochs;
}

/* Known where a balancer compares gradients. */
static void warn_of_pairs(const struct umb_loop *l)
{
    const struct umb_pair *pair;
    const size_t n = umb__balancing_pairs(l->desc->trainer, &pair);
    for (size_t i = 0; i < n; i++) {
        umb__log(l->ctx, UMB_LOG_WARN,
                 "tasks %s and %s pull against each other: mean cosine %.2f over epoch %lld",
                 l->exp->task[pair[i].a].name, l->exp->task[pair[i].b].name, pair[i].cosine,
                 (long long)l->state.epoch + 1);
    }
}

static enum umb_status finish_epoch(struct umb_loop *l, uint64_t began_ns)
{
    warn_of_pairs(l);
    tell(l, UMB_NEWS_EVALUATING, l->state.epoch + 1, 0);
    enum umb_status st = evaluate_epoch(l);
    if (st != UMB_OK) { return st; }
    l->state.epoch++;
    l->state.batch = 0;
    watch(l);
    st = umb__loop_rows_epoch(l, l->state.epoch);
    char name[64];
    snprintf(name, sizeof name, "epoch-%lld", (long long)l->state.epoch);
    if (st == UMB_OK) { st = umb__loop_save(l, name, l->improved); }
    if (st != UMB_OK) { return st; }
    umb__run_prune(l->desc->run, l->state.epoch - l->exp->train.keep + 1);
    st = umb__report_run(l->ctx, l->desc->run);
    if (st != UMB_OK) { return st; }
    tell(l, UMB_NEWS_EPOCH, l->state.epoch, (double)(umb__clock_ns() - began_ns) * 1e-9);
    return UMB_OK;
}

static enum umb_status interrupted(struct umb_loop *l)
{
    char name[64];
    int64_t step = umb_trainer_n_steps(l->desc->trainer);
    snprintf(name, sizeof name, "step-%lld", (long long)step);
    /* Between epochs there is a checkpoint already. */
    enum umb_status st = l->state.batch ? umb__loop_save(l, name, false) : UMB_OK;
    if (st == UMB_OK && step == 0) { st = umb__loop_save(l, name, false); }
    if (st != UMB_OK) { return st; }
    return umb__fail(l->ctx, UMB_ERR_INTERRUPTED, "interrupted at step %lld, saved in %s",
                     (long long)step, l->desc->run->path);
}

static enum umb_status run_epochs(struct umb_loop *l)
{
    while (l->state.epoch < l->exp->train.epochs && !l->state.stopped) {
        uint64_t began_ns = umb__clock_ns();
        enum umb_status st = train_epoch(l);
        if (st == UMB_ERR_INTERRUPTED) { return interrupted(l); }
        if (st == UMB_OK) { st = finish_epoch(l, began_ns); }
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* The whole. */

static enum umb_status prepare(struct umb_loop *l)
{
    l->results = umb__calloc(l->ctx, UMB_SPLIT_COUNT, sizeof *l->results);
    if (!l->results) { return UMB_ERR_NO_MEMORY; }
    struct umb_feed_desc desc = {.exp = l->exp, .trainer = l->desc->trainer};
    enum umb_status st = create_reader(l->ctx, &l->reader);
    desc.reader = l->reader;
    if (st == UMB_OK) { st = umb__feed_create(l->ctx, &desc, &l->feed); }
    if (st == UMB_OK) {
        l->steps_per_epoch = umb__feed_batches(l->feed);
        st = umb__trainer_set_epoch_steps(l->desc->trainer, l->steps_per_epoch);
    }
    if (st == UMB_OK && l->desc->resume) { st = umb__loop_restore(l); }
    return st;
}

/* A run that was complete and is resumed without more epochs gets its end again, which was cut off
 * with all that is behind the last checkpoint. */
static enum umb_status work(struct umb_loop *l)
{
    bool anything = l->state.epoch < l->exp->train.epochs && !l->state.stopped;
    tell(l, UMB_NEWS_BEGIN, l->state.epoch + 1, 0);
    enum umb_status st = anything ? umb__loop_row_start(l) : UMB_OK;
    if (st == UMB_OK) { st = run_epochs(l); }
    if (st == UMB_OK) { st = umb__loop_row_end(l); }
    if (st == UMB_OK) { st = umb__report_run(l->ctx, l->desc->run); }
    if (st == UMB_OK) { tell(l, UMB_NEWS_END, l->state.epoch, 0); }
    return st;
}

enum umb_status umb__loop_run(struct umb_context *ctx, const struct umb_loop_desc *desc)
{
    struct umb_loop *l = umb__calloc(ctx, 1, sizeof *l);
    if (!l) { return UMB_ERR_NO_MEMORY; }
    l->ctx = ctx;
    l->desc = desc;
    l->exp = desc->exp;
    l->began_ns = umb__clock_ns();
    l->state.best = (double)NAN;
    enum umb_status st = prepare(l);
    if (st == UMB_OK) { st = work(l); }
    umb__feed_destroy(l->feed);
    umb__reader_destroy(l->reader);
    umb__free(l->results);
    umb__free(l);
    return st;
}

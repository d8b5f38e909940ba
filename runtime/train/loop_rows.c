/* loop_rows.c: the rows of metrics.jsonl, and the lines of log.txt. */
#include "loop_internal.h"

#include "fail.h"
#include "system.h"
#include "trainer_balance.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

const char *const umb__split_names[] = {"train", "validation", "test"};

/* JSON has no NaN. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void umb__loop_log(struct umb_loop *l, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    umb__run_log(l->desc->run, line);
}

enum umb_status umb__loop_row_start(struct umb_loop *l)
{
    const struct umb_trainer *tr = l->desc->trainer;
    umb__loop_log(l, "%s %s on %s: %lld parameters, seed %llu, %lld steps an epoch",
                  l->desc->resume ? "resuming" : "training", l->exp->name, l->desc->device_name,
                  (long long)umb_trainer_n_parameters(tr), (unsigned long long)l->exp->train.seed,
                  (long long)l->steps_per_epoch);
    umb__loop_log_sharing(l);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "event", "start", "device", l->desc->device_name,
        "experiment", l->exp->name, "seed", (json_int_t)l->exp->train.seed, "parameters",
        (json_int_t)umb_trainer_n_parameters(tr), "step", (json_int_t)umb_trainer_n_steps(tr),
        "steps_per_epoch", (json_int_t)l->steps_per_epoch);
    return umb__run_event(l->desc->run, row);
}

/* What the balancer saw and did: how far the tasks' gradients agree, whether a solver fell back. */
static void add_balance(json_t *row, const struct umb_loop *l, const struct umb_balance_step *b)
{
    json_t *norms = b->compared ? json_object() : NULL;
    for (size_t t = 0; norms && t < l->exp->n_tasks; t++) {
        json_object_set_new(norms, l->exp->task[t].name, number(b->norm[t]));
    }
    if (b->compared) {
        json_object_set_new(row, "conflict",
                            json_pack("{s:o, s:o, s:o, s:o}", "least_cosine",
                                      number(b->least_cosine), "mean_cosine",
                                      number(b->mean_cosine), "share", number(b->conflicts),
                                      "norms", norms));
    }
    if (b->residual > 0) { json_object_set_new(row, "residual", number(b->residual)); }
    if (b->fell_back) { json_object_set_new(row, "fell_back", json_true()); }
}

enum umb_status umb__loop_row_step(struct umb_loop *l, int64_t step, double ms,
                                   const struct umb_balance_step *balance)
{
    json_t *losses = json_object(), *weights = json_object();
    for (size_t t = 0; t < l->exp->n_tasks; t++) {
        const struct umb_exp_task *task = &l->exp->task[t];
        json_object_set_new(losses, task->name, number(l->losses[t]));
        json_object_set_new(weights, task->name, number(task->weight * balance->weight[t]));
    }
    umb__loop_add_penalty(l, losses);
    int64_t epoch = (step - 1) / l->steps_per_epoch + 1;
    json_t *row =
        json_pack("{s:s, s:I, s:I, s:o, s:o, s:f}", "event", "step", "step", (json_int_t)step,
                  "epoch", (json_int_t)epoch, "losses", losses, "weights", weights, "ms", ms);
    if (row) { add_balance(row, l, balance); }
    return umb__run_event(l->desc->run, row);
}

static enum umb_status row_task(struct umb_loop *l, int64_t epoch, enum umb_split split, size_t t)
{
    const struct umb_task_result *r = &l->results[split].task[t];
    json_t *row = json_pack("{s:s, s:I, s:s, s:s, s:o}", "event", "epoch", "epoch",
                            (json_int_t)epoch, "split", umb__split_names[split], "task",
                            l->exp->task[t].name, "loss", number(r->loss));
    for (int m = 0; row && m < r->n_metrics; m++) {
        json_object_set_new(row, r->metric[m].name, number(r->metric[m].value));
    }
    return umb__run_event(l->desc->run, row);
}

enum umb_status umb__loop_rows_epoch(struct umb_loop *l, int64_t epoch)
{
    enum umb_status st = UMB_OK;
    for (int split = 0; split < UMB_SPLIT_COUNT; split++) {
        const struct umb_split_results *r = &l->results[split];
        if (!r->present) { continue; }
        umb__loop_log(l, "epoch %lld: %s score %.6g", (long long)epoch, umb__split_names[split],
                      r->score);
        for (size_t t = 0; st == UMB_OK && t < l->exp->n_tasks; t++) {
            st = row_task(l, epoch, (enum umb_split)split, t);
        }
        if (st != UMB_OK) { return st; }
        st = umb__run_event(l->desc->run,
                            json_pack("{s:s, s:I, s:s, s:s, s:o}", "event", "epoch", "epoch",
                                      (json_int_t)epoch, "split", umb__split_names[split], "task",
                                      "*", "score", number(r->score)));
    }
    return st == UMB_OK ? umb__loop_row_relations(l, epoch) : st;
}

enum umb_status umb__loop_row_end(struct umb_loop *l)
{
    double rate = l->state.train_s > 0 ? (double)l->state.images / l->state.train_s : 0;
    umb__loop_log(l, "end after %lld epochs, %.3f s; the best was epoch %lld%s",
                  (long long)l->state.epoch, umb__loop_total_seconds(l),
                  (long long)l->state.best_epoch, l->state.stopped ? "; stopped early" : "");
    return umb__run_event(
        l->desc->run, json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:b}", "event", "end",
                                "epochs", (json_int_t)l->state.epoch, "steps",
                                (json_int_t)umb_trainer_n_steps(l->desc->trainer), "images_per_s",
                                rate, "seconds", umb__loop_total_seconds(l), "peak_rss_mib",
                                umb__peak_rss_mib(), "best_epoch", (json_int_t)l->state.best_epoch,
                                "stopped_early", (int)l->state.stopped));
}

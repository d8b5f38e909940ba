/* loop_internal.h: what the loop's files share: where a training stands, and its rows and files. */
#ifndef UMB_LOOP_INTERNAL_H
#define UMB_LOOP_INTERNAL_H

#include "feed.h"
#include "loop.h"

/* Where a training stands; a checkpoint keeps it beside the trainer's own state. */
struct umb_loop_state {
    int64_t epoch;      /* complete ones */
    int64_t batch;      /* steps done in the present one */
    int64_t images;     /* trained on */
    double train_s;     /* spent in training steps */
    double total_s;     /* spent at all, before this process */
    double best;        /* of what is watched; NaN: nothing yet */
    int64_t best_epoch; /* 0: none */
    int64_t stale;      /* epochs since it got better by minimum_change */
    bool stopped;       /* early */
    int64_t metrics_bytes;
};

struct umb_loop {
    struct umb_context *ctx;
    const struct umb_loop_desc *desc;
    const struct umb_experiment *exp;
    struct umb_reader *reader;
    struct umb_feed *feed;   /* of training */
    int64_t steps_per_epoch; /* ≥ 1 */
    struct umb_loop_state state;
    struct umb_split_results *results; /* [UMB_SPLIT_COUNT] */
    uint64_t began_ns;                 /* this process's start of the loop */
    /* Of the present epoch, as far as this process trained it: for the rate. */
    int64_t images;
    uint64_t train_ns;
    /* Since the last step row. */
    int64_t row_steps;
    uint64_t row_ns;
    double losses[UMB_MAX_TASKS];
    bool improved;
    int alone_left; /* steps still to be run one launch at a time, for the bound of the trace */
};

/* loop_trace.c: enqueues a training step; the fourth, and a few behind it, are timed. */
UMB_MUST_USE enum umb_status umb__loop_submit(struct umb_loop *l, int slot, int64_t step);

/* loop_phase.c: freezes what the coming epoch has frozen; before each. */
UMB_MUST_USE enum umb_status umb__loop_phase(struct umb_loop *l);

/* Rows of metrics.jsonl. */
UMB_MUST_USE enum umb_status umb__loop_row_start(struct umb_loop *l);
UMB_MUST_USE enum umb_status umb__loop_row_step(struct umb_loop *l, int64_t step, double ms,
                                                const struct umb_balance_step *balance);
UMB_MUST_USE enum umb_status umb__loop_rows_epoch(struct umb_loop *l, int64_t epoch);
UMB_MUST_USE enum umb_status umb__loop_row_end(struct umb_loop *l);

/* loop_relations.c: a line on what is shared softly; the penalty among a step's losses, as "share";
 * and MTRL's relations as a row. They add nothing where there are none. */
void umb__loop_log_sharing(struct umb_loop *l);
void umb__loop_add_penalty(const struct umb_loop *l, json_t *losses);
UMB_MUST_USE enum umb_status umb__loop_row_relations(struct umb_loop *l, int64_t epoch);

/* A line of log.txt. */
void umb__loop_log(struct umb_loop *l, const char *fmt, ...) UMB_PRINTF(2, 3);

/* Writes checkpoints/NAME, and best beside it; takes up the latest one. */
UMB_MUST_USE enum umb_status umb__loop_save(struct umb_loop *l, const char *name, bool best);
UMB_MUST_USE enum umb_status umb__loop_restore(struct umb_loop *l);

/* What early stop and `best` watch, higher is better; NaN: not measured. */
double umb__loop_watched(const struct umb_loop *l);

double umb__loop_total_seconds(const struct umb_loop *l);

#endif

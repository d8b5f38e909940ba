/*
 * loop.h: a training from its first step to its report.
 *
 * The loop owns no device and prints nothing: it is given a run, a trainer and open data, writes
 * the run's directory, and tells a listener how far it is.
 */
#ifndef UMB_LOOP_H
#define UMB_LOOP_H

#include "experiment.h"
#include "run_dir.h"
#include "trainer.h"
#include <signal.h>

/* Results of all tasks over one split. */
struct umb_split_results {
    bool present;
    double score; /* NaN: no task had labels */
    struct umb_task_result task[UMB_MAX_TASKS];
};

enum umb_loop_news {
    UMB_NEWS_BEGIN,
    UMB_NEWS_STEP,
    UMB_NEWS_EVALUATING,
    UMB_NEWS_EPOCH,
    UMB_NEWS_END
};
struct umb_loop_report {
    enum umb_loop_news news;
    const struct umb_experiment *exp;
    int64_t epoch, epochs;  /* the present one, from 1 */
    int64_t batch, batches; /* done in it, of */
    int64_t step;           /* updates so far */
    double images_per_s;    /* training, in the present epoch */
    double seconds_left;    /* of training; NaN: not known yet */
    double epoch_seconds;
    const double *losses;                    /* STEP: [tasks], NaN: none */
    const struct umb_split_results *results; /* EPOCH, END: [UMB_SPLIT_COUNT] */
    bool improved, stopped_early;            /* EPOCH */
    int64_t best_epoch;                      /* EPOCH, END */
};
/* Called after every step too: a listener that prints must choose. */
typedef void (*umb_loop_listener)(void *user, const struct umb_loop_report *report);

struct umb_loop_desc {
    struct umb_experiment *exp; /* with open data and a net built */
    struct umb_trainer *trainer;
    const char *device_name; /* for the run's start */
    struct umb_run *run;
    bool resume;
    const volatile sig_atomic_t *stop; /* not 0: save and return UMB_ERR_INTERRUPTED; may be NULL */
    umb_loop_listener listener;        /* may be NULL */
    void *user;
};
/* Trains until the last epoch, an early stop, *stop or a failure. A loss that is not finite is
 * UMB_ERR_INVALID naming task and step; checkpoints are left as they are then. */
UMB_MUST_USE enum umb_status umb__loop_run(struct umb_context *ctx,
                                           const struct umb_loop_desc *desc);

/* Evaluates one split; ret_results->present says whether any stream has it. */
UMB_MUST_USE enum umb_status umb__loop_evaluate(struct umb_context *ctx,
                                                const struct umb_experiment *exp,
                                                struct umb_trainer *trainer, enum umb_split split,
                                                struct umb_split_results *ret_results);
/* The weighted mean of the tasks' first metrics, as scores; NaN if none has a value. */
double umb__loop_score(const struct umb_experiment *exp, const struct umb_task_result *results);

extern const char *const umb__split_names[]; /* train, validation, test */

#endif

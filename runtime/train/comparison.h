/*
 * comparison.h: one experiment trained in several ways with several seeds, side by side.
 *
 *   a seed's runs:  task 0 alone … task T−1 alone │ method 1 … method M
 *   ways:           single: each task from its    │ method 1 … method M: every task from that run
 *                   own run alone
 *
 * Groups of tasks may be one way more, the last (comparison_groups.c): a run a group, and each task
 * from that of the group that serves it.
 *
 * A comparison holds the numbers that the runs' metrics.jsonl say, and trains nothing. Of a run the
 * epoch counts that its validation data chose (its best checkpoint); without any, the last. A
 * task's metrics are those of its test data, else of its validation data, else of training. What a
 * run has not measured is NaN, and so is what would be computed from it.
 */
#ifndef UMB_COMPARISON_H
#define UMB_COMPARISON_H

#include "group.h"
#include "run_dir.h"
#include "statistics.h"

#define UMB_COMPARISON_MAX_SEEDS 1000

struct umb_comparison_run {
    bool done;
    bool chosen;   /* by validation data; else it is the last epoch's numbers */
    int64_t epoch; /* whose numbers are taken */
    int64_t steps; /* of the whole run */
    double seconds;
};

struct umb_comparison_row {
    size_t task;
    const char *metric;
    bool first; /* of its task's metrics: the one that Δm is made of */
    bool lower_is_better;
    double *value; /* [n_ways][n_seeds] */
};

struct umb_comparison {
    struct umb_context *ctx;
    struct umb_arena *arena;
    const char *name; /* the experiment's */
    size_t n_tasks, n_rows, n_ways, n_seeds;
    const char **task;  /* [n_tasks] */
    const char **split; /* [n_tasks] that its metrics are of; NULL: none was measured yet */
    const char **way;   /* [n_ways], the first is "single" */
    uint64_t seed;      /* the first; the others follow it */
    struct umb_comparison_row *row;
    size_t n_runs;                     /* of a seed */
    struct umb_comparison_run *run;    /* [n_seeds][n_runs] */
    const struct umb_grouping *groups; /* NULL: there are none */
    const double *affinity;            /* [n_tasks,n_tasks] that they were made from */
};

/* The seeds begin with the experiment's. Names are copied. Destroying NULL is fine. */
UMB_MUST_USE enum umb_status umb__comparison_create(const struct umb_experiment *exp,
                                                    const char *const *methods, size_t n_methods,
                                                    size_t n_seeds,
                                                    struct umb_comparison **ret_comparison);
void umb__comparison_destroy(struct umb_comparison *c);

/* "single-digit-seed1", "equal-seed1": the folder of run r < n_runs with seed number s < n_seeds;
 * returns buffer. */
#define UMB_COMPARISON_FOLDER 192
const char *umb__comparison_folder(const struct umb_comparison *c, size_t r, size_t s,
                                   char buffer[UMB_COMPARISON_FOLDER]);
/* The task that run r trains alone, or NULL; its method, or NULL; its group as bits, or 0. */
const char *umb__comparison_task(const struct umb_comparison *c, size_t r);
const char *umb__comparison_method(const struct umb_comparison *c, size_t r);
uint64_t umb__comparison_group(const struct umb_comparison *c, size_t r);
/* The way whose numbers run r gives, and whether it does so for that task. */
size_t umb__comparison_way(const struct umb_comparison *c, size_t r);
bool umb__comparison_serves(const struct umb_comparison *c, size_t r, size_t task);

/* Takes the numbers of a run of `epochs` epochs. *ret_done: it has ended; else nothing is taken. A
 * run that has more epochs is UMB_ERR_INVALID, for it was not made the same way. */
UMB_MUST_USE enum umb_status umb__comparison_take(struct umb_comparison *c, size_t r, size_t s,
                                                  const struct umb_run *run, int64_t epochs,
                                                  bool *ret_done);

/* comparison_groups.c. Adds the way "groups", whose runs have not been made: once. A group that is
 * one task, or all, is a run that there is anyway, and shares its folder. */
UMB_MUST_USE enum umb_status umb__comparison_add_groups(struct umb_comparison *c,
                                                        const struct umb_grouping *groups,
                                                        const double *affinity);
/* What the groups are, a sentence a line; the same with the affinities' map as HTML; as JSON, NULL:
 * no memory. */
struct umb_text;
void umb__comparison_groups_notes(const struct umb_comparison *c, struct umb_text *out);
void umb__comparison_groups_draw(const struct umb_comparison *c, struct umb_text *out);
json_t *umb__comparison_groups_json(const struct umb_comparison *c);

/* comparison_figures.c: what the numbers say. */

/* A way's values of a row, and against single-task runs and the first method with the same seeds.
 * gain: as umb__gain of the means, gain_half its 95 % interval by the pairs of seeds, the single
 * runs' mean taken as exact. p: of paired tests; NaN where the way would be tested against itself,
 * or there is one seed. */
struct umb_comparison_figure {
    struct umb_summary value;
    double gain, gain_half, p_single, p_first;
};
struct umb_comparison_figure umb__comparison_figure(const struct umb_comparison *c, size_t row,
                                                    size_t way);
/* Δm of a way ≥ 1: the mean gain of the tasks' first metrics; value is not used. NaN where a task
 * has no gain. */
UMB_MUST_USE enum umb_status umb__comparison_all(const struct umb_comparison *c, size_t way,
                                                 struct umb_comparison_figure *ret_figure);
/* Negative transfer: the whole interval of a first metric's gain is below 0. */
bool umb__comparison_is_worse(const struct umb_comparison *c, size_t row, size_t way);
/* Runs that ended, and those among them whose epoch validation data chose. */
size_t umb__comparison_n_done(const struct umb_comparison *c);
size_t umb__comparison_n_chosen(const struct umb_comparison *c);

/* comparison_notes.c: what the numbers are of and what they say, a sentence a line. */
void umb__comparison_notes(const struct umb_comparison *c, struct umb_text *out);
/* comparison_draw.c: the gains as bars with their intervals, a figure for Δm and one for each task,
 * all on one scale. */
UMB_MUST_USE enum umb_status umb__comparison_draw(const struct umb_comparison *c,
                                                  struct umb_text *out);
/* comparison_json.c, comparison_page.c: the whole as one JSON value (NULL: no memory; the caller's
 * reference), and as a self-contained HTML page, written to path. */
json_t *umb__comparison_json(const struct umb_comparison *c);
UMB_MUST_USE enum umb_status umb__comparison_page(const struct umb_comparison *c, const char *path);

#endif

/*
 * gradient_survey.h: how far the tasks' gradients agree over many batches, and what a step for one
 * task does to the others: the measures of task/relate.h, averaged, by layer and of all that is
 * shared.
 *
 * A survey trains nothing but where it is asked to, and changes nothing by looking. Batches are
 * those of the training split as training draws them, augmented alike. Features are of training
 * samples as they are, drawn by the experiment's seed, in one order for streams with the same rows.
 */
#ifndef UMB_GRADIENT_SURVEY_H
#define UMB_GRADIENT_SURVEY_H

#include "experiment.h"
#include "relations.h"
#include "trainer.h"
#include <signal.h>

struct umb_gradient_survey;

struct umb_gradient_survey_desc {
    const struct umb_experiment *exp; /* with open data; outlives the survey, as the trainer does */
    struct umb_trainer *trainer;
    double rate;      /* η of the steps that affinity tries */
    double threshold; /* of a cosine, below which two tasks conflict */
    bool features;    /* also compares what heads read, by CKA; alone, where tasks share nothing */
    const volatile sig_atomic_t *stop; /* not 0: UMB_ERR_INTERRUPTED; may be NULL */
};
/* UMB_ERR_INVALID: tasks share nothing that is trained, and there is no pair of them whose features
 * are wanted; there are no training data, or a number makes no sense. */
UMB_MUST_USE enum umb_status umb__gradient_survey_create(
    struct umb_context *ctx, const struct umb_gradient_survey_desc *desc,
    struct umb_gradient_survey **ret_survey);
void umb__gradient_survey_destroy(struct umb_gradient_survey *s); /* NULL is fine */

/* Steps of an epoch. */
int64_t umb__gradient_survey_epoch(const struct umb_gradient_survey *s);
/* Trains for so many steps by the experiment's schedule; no run is made of it. The trainer is idle
 * before and after. A loss that is not finite is UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__gradient_survey_train(struct umb_gradient_survey *s,
                                                        int64_t steps);
/* Looks at n batches behind those that the trainer has had, with its present parameters. It is idle
 * before and after. */
UMB_MUST_USE enum umb_status umb__gradient_survey_look(struct umb_gradient_survey *s, int64_t n);

/* What was seen. */
struct umb_gradient_summary {
    int64_t batches, steps; /* looked at; that the trainer had had at the last look */
    double rate, threshold;
    bool gradients;  /* compared; false: tasks share nothing */
    int64_t samples; /* whose features were compared, of a stream at most; 0: not wanted */
    char apart[256]; /* of which pairs they were not, and why; "": of none */
    /* Between the pairs' affinities to first order and exact ones; NaN: fewer than two pairs. */
    double pearson, spearman;
};
UMB_MUST_USE enum umb_status umb__gradient_survey_summary(const struct umb_gradient_survey *s,
                                                          struct umb_gradient_summary *ret_summary);
/* Adds cosine, magnitude and conflict, of all and by layer, affinity and affinity_exact: means over
 * the batches in which they were defined; and cka, where features were wanted. Of tasks that share
 * nothing, cka alone. */
UMB_MUST_USE enum umb_status umb__gradient_survey_relations(const struct umb_gradient_survey *s,
                                                            struct umb_relations *relations);
/* [T,T] affinities to first order, and exact ones; NaN: never defined. */
void umb__gradient_survey_affinity(const struct umb_gradient_survey *s, double *ret_first,
                                   double *ret_exact);
size_t umb__gradient_survey_n_tasks(const struct umb_gradient_survey *s);
/* Forgets what was seen. */
void umb__gradient_survey_forget(struct umb_gradient_survey *s);

#endif

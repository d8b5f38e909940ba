/*
 * label_set.h: the training labels of an experiment's tasks, read once, without images.
 *
 * A task's labels are n·V observations of variables that each have n_codes values: a class is one
 * variable, of D numbers each is one, with its values cut into bins. Of masks the pixels are
 * observations of one variable: all, or those of a regular grid where all would take too much
 * memory. Frequencies of classes are always counted over all.
 */
#ifndef UMB_LABEL_SET_H
#define UMB_LABEL_SET_H

#include "experiment.h"

#define UMB_LABEL_BINS 16 /* of a number's values, as full as each other */
/* Observations of a mask's pixels that are kept, over all samples. */
#define UMB_LABEL_MOST_PIXELS ((size_t)1 << 24)

struct umb_label_set {
    const struct umb_exp_task *task;
    const char *target;        /* of the data's */
    enum umb_target_kind kind; /* yes or no of a class: CLASS */
    size_t n, n_labelled;      /* training samples; those with a label */
    bool *labelled;            /* [n] */
    size_t n_classes;          /* CLASS, PIXELS */
    uint64_t *count;           /* [n_classes] samples, or pixels */
    size_t V;                  /* variables; PIXELS: pixels kept of a sample, all one variable */
    size_t n_codes;
    int32_t *code; /* [n,V] 0…n_codes−1; −1: none */
    float *number; /* REAL: [n,V]; NaN: none */
};

/* The labels of all tasks of an experiment whose data are open: *ret_sets [n_tasks]. Errors: those
 * of reading data, and what umb__labels_fill refuses. */
UMB_MUST_USE enum umb_status umb__label_sets_read(const struct umb_experiment *exp,
                                                  struct umb_label_set **ret_sets);
void umb__label_sets_destroy(struct umb_label_set *sets, size_t n); /* NULL is fine */

/* label_variables.c: the codes of a set's numbers. */
UMB_MUST_USE enum umb_status umb__label_set_bin(struct umb_context *ctx, struct umb_label_set *s);

#endif

/*
 * twin.h: what a trainer with a balancer does, done once more in double: references of the net for
 * losses and each task's gradients, the balancer's own functions for weights, sgd by hand. Nothing
 * of the trainer is used but what it begins with and where it keeps its parameters.
 *
 * Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_TWIN_H
#define UMB_TEST_TWIN_H

#include "balance.h"
#include "lab.h"
#include "pair_watch.h"
#include "session.h"

struct twin_desc {
    const struct umb_balancing *balancing;
    /* Whose gradients are compared, where those are not all that tasks share: parameters whose
     * names begin so; or the net value that all heads read. */
    const char *last_block;
    int representation;
};

struct twin {
    const struct session *s;
    struct twin_desc desc;
    struct lab lab, alone; /* by rows; and of one task at a time */
    const struct umb_balancer *row;
    struct umb_arena *arena;
    void *attrs;
    double *state;
    int T;
    size_t n;                /* floats of the packed parameters */
    int64_t *at;             /* [lab values] where a parameter lies among them; −1: none */
    bool *shared;            /* [n] several tasks have a gradient there */
    double *first, *theta;   /* [n] at the beginning, now */
    double *gradient, *kept; /* [T][n] of this step, times the tasks' weights; kept over steps */
    double weight[UMB_MAX_TASKS];
    bool compared;                             /* this step's gradients, whose products are */
    double own[UMB_MAX_TASKS * UMB_MAX_TASKS]; /* [T,T], not those of rows that are kept */
    struct umb_pair_watch watch;               /* that is shown those products */
    bool labelled[UMB_MAX_TASKS];              /* in the latest step; a weight is told only then */
    int64_t step;
};

/* Before the session's first step; its net has no dropout. */
struct twin twin_open(const struct session *s, const struct twin_desc *desc);
void twin_close(struct twin *t);
/* The step that the session has done or will do with the batch that it holds. */
void twin_step(struct twin *t, double rate);
/* Fails unless the session has the twin's parameters, within that share of the farthest that one
 * has gone, and its latest step had the twin's weights and is told the same of how far this step's
 * gradients agree. */
void twin_compare(const struct twin *t, double tolerance, const char *what);
/* The parameters alone, where several weights give one direction. */
void twin_compare_parameters(const struct twin *t, double tolerance, const char *what);

#endif

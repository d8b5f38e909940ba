/*
 * balance.h: balancers: rules that turn the losses of tasks, or the Gram matrix of their gradients,
 * into the weights of a step. Host code in double, without a device and without allocations: facts
 * in, weights out, state kept by the caller.
 *
 * The order of a step k is: mix (MIXED only), weigh, the update, learn; weigh of step k+1 comes
 * behind learn of step k. Functions take up to 256 KiB of stack, and none is called by two threads
 * on one state.
 *
 * Invariants: finite facts give finite weights; same facts and state, same bits. A task whose loss
 * is NaN has no label in this step: its weight is 0, its state waits, and the others are weighed as
 * if it were not there. With one task the weight is 1 (fixed: the one given), whatever the rule.
 * Where all gradients are 0, rules of Gram matrices give 1 to every task. docs/methods.md has the
 * formulas and their sources.
 */
#ifndef UMB_BALANCE_H
#define UMB_BALANCE_H

#include "op.h"

#define UMB_BALANCE_MAX_TASKS 64

enum umb_balance_needs {
    UMB_BALANCE_NOTHING,  /* known before the step's losses are; learn() may want them */
    UMB_BALANCE_LOSSES,   /* this step's losses, before backward */
    UMB_BALANCE_GRAM,     /* [T,T] of the tasks' gradients */
    UMB_BALANCE_MIXED,    /* rows Y kept over steps, Y_t <- keep_t Y_t + take_t g_t, then their Gram
                             matrix */
    UMB_BALANCE_EXCESS,   /* excessmtl's numbers, which the device works out */
    UMB_BALANCE_ELEMENTS, /* no weights: the device chooses element by element */
};

struct umb_balance_facts {
    struct umb_context *ctx; /* for messages; may be NULL */
    int n_tasks;             /* T, 1…UMB_BALANCE_MAX_TASKS */
    int64_t step, epoch;     /* of this step, from 1 */
    bool epoch_begins;       /* first step of an epoch */
    uint64_t seed;
    double rate;              /* the main optimizer's in this step; 0: 0.001 */
    bool sgd;                 /* the main optimizer is sgd */
    const double *loss;       /* [T] NaN: no sample of that task has a label this step; NULL in
                                 weigh() of NOTHING: every task counts as present */
    const double *loss_after; /* [T] in learn() of what needs_second_forward, else NULL */
    const double *gram;       /* [T,T] GRAM: of the gradients; MIXED: of them for mix(), then of the
                                 rows Y for weigh(). GRAM: rows and columns of tasks without a label
                                 are 0 */
    const double *excess; /* [T] EXCESS: Σ g²/√(H+1e-7), H the sum of g² over steps, with this */
};

struct umb_balance_result {
    double *weight; /* [T] w_t of the update direction Σ w_t g_t (or Σ w_t Y_t, or of the loss) */
    double clip;    /* the shared update's norm is clipped to this; 0: it is not */
    double residual; /* of the solver, relative; 0 where there is none */
    bool fell_back;  /* the solver did not converge: `weight` is what docs/methods.md says */
};

/* A row. Functions get the attributes that the row's options describe. */
struct umb_balancer {
    const char *name;
    const char *help;  /* one line */
    char class_letter; /* 'A' losses, 'B' Gram matrix, 'C' gradient rows, 'D' elements */
    enum umb_balance_needs needs;
    bool needs_second_forward;
    bool weighs_heads; /* heads get w_t ∇L_t; else ∇L_t */
    const struct umb_attr_desc *attrs;
    size_t attrs_bytes;
    /* Doubles of state, all of them saved in checkpoints; may be 0. */
    int64_t (*n_state)(const void *attrs, int n_tasks);
    /* Fills all of the state. */
    void (*start)(const void *attrs, int n_tasks, double *state);
    /* keep[T], take[T] from the Gram matrix of this step's gradients; NULL unless MIXED. */
    void (*mix)(const void *attrs, const struct umb_balance_facts *f, double *state, double *keep,
                double *take);
    /* Errors: UMB_ERR_INVALID for facts that are not finite, which names the task by its index. The
     * state is as before then. */
    UMB_MUST_USE enum umb_status (*weigh)(const void *attrs, const struct umb_balance_facts *f,
                                          double *state, struct umb_balance_result *r);
    /* LOSSES, else NULL: what the device makes a step's weights of (ops/loss_weights.h, [5+5T], but
     * for tasks' weights and factors), from facts without losses; weigh() gives the same weights.
     */
    void (*coefficients)(const void *attrs, const struct umb_balance_facts *f, const double *state,
                         double *coefficient);
    /* After the step; NULL: nothing to learn. Losses that are not finite are left out. */
    void (*learn)(const void *attrs, const struct umb_balance_facts *f, double *state);
};

/* All rows, NULL-terminated, in the order of docs/methods.md; the first is equal weighting. */
extern const struct umb_balancer *const umb__balancers[];
const struct umb_balancer *umb__balancer_find(const char *name); /* NULL: unknown */
/* Names for messages; returns how many. */
size_t umb__balancer_names(const char **names, size_t max);
/* The row's name and options as an op that umb__attrs_default, _set, _check and _create take. */
struct umb_op umb__balancer_options(const struct umb_balancer *row);
/* Whether the options suit that many tasks (`fixed` wants a weight for each). */
UMB_MUST_USE enum umb_status umb__balancer_check(struct umb_context *ctx,
                                                 const struct umb_balancer *row, const void *attrs,
                                                 int n_tasks);
/* Epochs at the beginning in which a rule only prepares itself; 0 for most. */
int64_t umb__balancer_warmup(const struct umb_balancer *row, const void *attrs);
/* What weigh() checks of facts of that row, for callers that mix() first. */
UMB_MUST_USE enum umb_status umb__balance_check(enum umb_balance_needs needs,
                                                const struct umb_balance_facts *f);

/* graddrop at one element: g[n] are the tasks' gradients there, u is uniform in [0,1). Those of the
 * chosen sign are added up, and `leak` of the others. */
double umb__graddrop_element(int n, const double *g, double u, double leak);

#endif

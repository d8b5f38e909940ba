/*
 * balance_internal.h: what the files of balancers share: the tasks that are present, the table's
 * rows, descriptors of options.
 */
#ifndef UMB_BALANCE_INTERNAL_H
#define UMB_BALANCE_INTERNAL_H

#include "balance.h"
#include "dense_small.h"
#include "loss_weights.h"
#include <stddef.h>

#define UMB_BALANCE_FLOAT_EPS                                                     \
    1.1920928955078125e-7            /* of float32, which Gram matrices come from \
                                      */
#define UMB_BALANCE_LEAST_LOSS 1e-12 /* what losses count as at least, where logs are taken */

/* The tasks that have a label in this step, in order: k-th of n is task[k] of the net. */
struct umb_present {
    int n;
    int task[UMB_BALANCE_MAX_TASKS];
    double loss[UMB_BALANCE_MAX_TASKS]; /* as given; 1 where none are */
};

/* Their Gram matrix over its largest diagonal element, so that nothing overflows. */
struct umb_gram {
    struct umb_present present;
    int n;
    double scale;        /* that element; 0: all gradients are 0 */
    umb_matrix g;        /* [n,n] G/scale, made symmetric */
    double d[UMB_SMALL]; /* [n] √g_kk */
};

/* Checks the facts, sets the result to nothing for everybody, and finds who is present. */
UMB_MUST_USE enum umb_status umb__balance_begin(enum umb_balance_needs needs,
                                                const struct umb_balance_facts *f,
                                                struct umb_balance_result *r,
                                                struct umb_present *ret_present);
/* weight[task] of those present from w[n]. */
void umb__balance_scatter(const struct umb_present *p, const double *w,
                          struct umb_balance_result *r);

/* A rule on those present: w[n] from g (n ≥ 1, scale > 0). State is the whole row's. */
typedef void (*umb_balance_rule)(const void *attrs, const struct umb_balance_facts *f,
                                 const struct umb_gram *g, double *state, double *w,
                                 struct umb_balance_result *r);
/* weigh() of a rule of Gram matrices, with what is common to all of them. */
UMB_MUST_USE enum umb_status umb__balance_by_gram(enum umb_balance_needs needs,
                                                  umb_balance_rule rule, const void *attrs,
                                                  const struct umb_balance_facts *f, double *state,
                                                  struct umb_balance_result *r);
/* weigh() of a rule that has coefficients. */
UMB_MUST_USE enum umb_status umb__balance_by_losses(const struct umb_balancer *row,
                                                    const void *attrs,
                                                    const struct umb_balance_facts *f,
                                                    const double *state,
                                                    struct umb_balance_result *r);
/* Coefficients that give the weight 1/n to each of n tasks, to begin with. */
void umb__loss_coefficients(int T, double *coefficient);
/* Those of them that a rule has for every task by itself. */
#define UMB_LOSS_OF(coefficient, c, T, t) ((coefficient)[umb__loss_at(c, T, t)])
/* Those of g whose gradient is not 0, as ret_some; ret_index[n] are their numbers in g. */
void umb__gram_nonzero(const struct umb_gram *g, struct umb_gram *ret_some, int *ret_index);

/* C_st = G_st/(d_s d_t) of gradients that are not 0. */
void umb__gram_cosines(const struct umb_gram *g, umb_matrix ret_c);

/* softmax over n numbers, in place. */
void umb__softmax(int n, double *x);

/* The point of {w ≥ 0, Σw = 1} that minimises wᵀA w, A being the Gram matrix of n ≥ 1 points
 * (Wolfe, "Finding the nearest point in a polytope", Math. Programming 11, 1976). Begins at w, a
 * point of the simplex, or where w is 0 at the corner nearest to 0. ret_residual: how far wᵀAw is
 * above the bound that min_j (Aw)_j gives, over A's largest diagonal element; false: it stopped
 * above UMB_MIN_NORM_RESIDUAL. */
#define UMB_MIN_NORM_RESIDUAL 1e-6
bool umb__min_norm_point(int n, const umb_matrix a, double *w, double *ret_residual);
/* The point of the affine hull of points index[m] that is nearest to 0, as weights y[m] of sum 1.
 * False: the points are affinely dependent. */
bool umb__affine_min_norm(const umb_matrix a, int m, const int *index, double *ret_y);

/* State of one learned number: itself, Adam's moments, and how often it was updated. */
struct umb_learned {
    double x, m, v, n;
};
/* One step of Adam (β .9 and .999, ε 1e-8) or, with sgd, of plain descent. */
void umb__learn_step(struct umb_learned *l, double gradient, double rate, bool sgd);

int64_t umb__balance_no_state(const void *attrs, int n_tasks);
void umb__balance_start_nothing(const void *attrs, int n_tasks, double *state);

/* Rows of option tables: struct, field, range, default as a user would write it, help. */
#define UMB_OPTION_NUMBER(STRUCT, FIELD, MIN, MAX, FALLBACK, HELP)                        \
    {                                                                                     \
        .name = #FIELD, .type = UMB_ATTR_FLOAT, .offset = offsetof(struct STRUCT, FIELD), \
        .min = MIN, .max = MAX, .fallback = FALLBACK, .help = HELP                        \
    }
#define UMB_OPTION_CHOICE(STRUCT, FIELD, CHOICES, FALLBACK, HELP)                          \
    {                                                                                      \
        .name = #FIELD, .type = UMB_ATTR_CHOICE, .offset = offsetof(struct STRUCT, FIELD), \
        .choices = CHOICES, .fallback = FALLBACK, .help = HELP                             \
    }

extern const struct umb_balancer umb__balance_equal, umb__balance_fixed, umb__balance_random,
    umb__balance_uncertainty, umb__balance_dwa, umb__balance_gls, umb__balance_stch,
    umb__balance_famo, umb__balance_imtl_l, umb__balance_gradnorm, umb__balance_mgda,
    umb__balance_pcgrad, umb__balance_gradvac, umb__balance_cagrad, umb__balance_imtl_g,
    umb__balance_nash, umb__balance_fairgrad, umb__balance_aligned, umb__balance_upgrad,
    umb__balance_dualproj, umb__balance_config, umb__balance_db_mtl, umb__balance_moco,
    umb__balance_excessmtl, umb__balance_graddrop;
/* balance_given.c: `fixed` has a weight for each task. */
enum umb_status umb__balance_fixed_check(struct umb_context *ctx, const void *attrs, int n_tasks);
/* balance_losses.c: stch's epochs before its own objective. */
int64_t umb__balance_stch_warmup(const void *attrs);

#endif

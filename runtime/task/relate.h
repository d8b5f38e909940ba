/*
 * relate.h: how alike tasks are: by their gradients, their features, their labels, their weights.
 *
 * Plain functions of numbers that somebody else has gathered, in double, with one order of sums.
 * T×T matrices are row-major, row s and column t for the pair (s, t); where a measure has a
 * direction it goes from row to column. What is undefined (a gradient of zero, no labels) is NaN,
 * and only that. ret_ arrays may not overlap with inputs. Functions that take no context keep no
 * memory and cannot fail. docs/relations.md says what the measures are good for.
 */
#ifndef UMB_RELATE_H
#define UMB_RELATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

/* From gradients: gram [T,T] is G_st = ⟨g_s, g_t⟩ of one layer, or of all that tasks share. */

/* G_st/(d_s·d_t), d_t = √G_tt, kept within −1…1. NaN where either gradient is zero. */
void umb__relate_cosine(size_t T, const double *gram, double *ret_cosine);
/* 2·d_s·d_t/(d_s² + d_t²), 0…1: 1 where both are as long (Yu et al., "Gradient surgery for
 * multi-task learning", 2020). NaN where both are zero. */
void umb__relate_magnitude(size_t T, const double *gram, double *ret_magnitude);

/* How often pairs conflict: the share of steps whose cosine is below a threshold (Shi et al.,
 * "Recon: reducing conflicting gradients from the root", 2023). One of these a layer. */
struct umb_conflicts {
    size_t T;
    double threshold; /* 0: opposed at all; −0.1 leaves out what noise does */
    uint64_t *steps;  /* [T,T] in which the cosine was defined */
    uint64_t *below;  /* [T,T] */
};
UMB_MUST_USE enum umb_status umb__conflicts_create(struct umb_context *ctx, size_t T,
                                                   double threshold,
                                                   struct umb_conflicts **ret_conflicts);
void umb__conflicts_destroy(struct umb_conflicts *c); /* NULL is fine */
/* A step's Gram matrix; a step where a task's gradient is zero does not count for its pairs. */
void umb__conflicts_add(struct umb_conflicts *c, const double *gram);
/* below/steps; NaN where no step counted. */
void umb__conflicts_score(const struct umb_conflicts *c, double *ret_score);

/*
 * Affinity (Fifty et al., "Efficiently identifying task groupings for multi-task learning", 2021):
 * by which share a step of size rate along −g_s lessens the loss of t: Z_{s→t} = 1 − after/before.
 * To first order that is rate·G_st/L_t. loss [T], gram [T,T]; after [T,T] is L_t(θ − rate·g_s) at
 * (s, t). NaN where a loss is not above 0 or not finite.
 */
void umb__relate_affinity_first(size_t T, double rate, const double *gram, const double *loss,
                                double *ret_affinity);
void umb__relate_affinity(size_t T, const double *loss, const double *after, double *ret_affinity);

/* From features. */

/*
 * Centred kernel alignment with a linear kernel of x [n,d1] and y [n,d2], of the same n samples:
 * ‖YᵀX‖²/(‖XᵀX‖·‖YᵀY‖) on centred columns, 0…1 (Kornblith et al., "Similarity of neural network
 * representations revisited", 2019). unbiased: by the estimator of HSIC that is unbiased (Song et
 * al., "Feature selection via dependence maximization", 2012), which for few samples does not rise
 * with d; it may be slightly below 0, and wants n ≥ 4. NaN where either does not vary.
 * Time: n·d1·d2, or n²·(d1+d2) where that is less or unbiased is set; memory alike.
 */
UMB_MUST_USE enum umb_status umb__relate_cka(struct umb_context *ctx, size_t n, size_t d1,
                                             const float *x, size_t d2, const float *y,
                                             bool unbiased, double *ret_cka);

/* From labels: counts need no normalising. In bits: logarithms are to base 2. */

/* −Σ p·log p of n counts; NaN where all are 0. */
double umb__relate_entropy(size_t n, const uint64_t *count);
/* D(P‖Q) = Σ P·log(P/Q) over the same n classes: ∞ where P has what Q has not; NaN where either
 * has no counts. */
double umb__relate_kl(size_t n, const uint64_t *p, const uint64_t *q);
/* Jensen–Shannon, ½·D(P‖M) + ½·D(Q‖M) with M = (P+Q)/2: symmetric, 0…1. NaN as above. */
double umb__relate_js(size_t n, const uint64_t *p, const uint64_t *q);
/* Mutual information of a table of joint counts [n_s,n_t], over √(H_s·H_t): 0 where independent, 1
 * where either says all of the other. NaN where the table is empty or one side has one class. */
double umb__relate_mutual(size_t n_s, size_t n_t, const uint64_t *joint);

/* From weights. */

/* Named numbers of a net, for instance of a checkpoint. */
struct umb_relate_tensor {
    const char *name;
    size_t n;
    const float *value; /* [n] */
};
struct umb_relate_distance {
    double relative; /* ‖a−b‖/√((‖a‖²+‖b‖²)/2): 0 the same, √2 at right angles, 2 opposite; NaN
                        where nothing matched or all is 0 */
    double absolute;  /* ‖a−b‖ */
    size_t matched;   /* tensors of a that b has by name and count */
    size_t unmatched; /* of a and b together */
};
/* Between trained nets: over the tensors that both have. */
void umb__relate_parameters(const struct umb_relate_tensor *a, size_t n_a,
                            const struct umb_relate_tensor *b, size_t n_b,
                            struct umb_relate_distance *ret_distance);

/*
 * MTRL (Zhang, Yeung, "A convex formulation for learning task relationships in multi-task
 * learning", 2010): Ω = (WᵀW)^½/tr((WᵀW)^½) + ε·I of gram [T,T] = WᵀW, a column of W a task;
 * I/T + ε·I where W is zero. ret_omega [T,T]. The gram must be finite: UMB_ERR_INVALID.
 */
UMB_MUST_USE enum umb_status umb__relate_mtrl(struct umb_context *ctx, size_t T, const double *gram,
                                              double epsilon, double *ret_omega);
/* Ω_st/√(Ω_ss·Ω_tt) of any covariance: −1…1; NaN where a variance is not above 0. */
void umb__relate_correlations(size_t T, const double *covariance, double *ret_correlation);

/* Of measures. */

/* How far two rows of n numbers rise together: of values, and of ranks (equal values share the mean
 * of theirs). Pairs with a NaN are left out. NaN where fewer than two are left or one side is
 * constant. */
double umb__relate_pearson(size_t n, const double *a, const double *b);
UMB_MUST_USE enum umb_status umb__relate_spearman(struct umb_context *ctx, size_t n,
                                                  const double *a, const double *b,
                                                  double *ret_correlation);

#endif

/*
 * loss_weights.h: weights of tasks from this step's losses, by one formula with coefficients, so
 * that the device can work them out and training need not wait for the host:
 *
 *   w_t = factor_t · n^count · p_t · exp(mean · M − own · log D_t)
 *   p   = softmax over t of slope_t · log(D_t / scale_t) + offset_t
 *   D_t = max(weight_t · L_t, least) + extra,   M = the mean of log D_t
 *
 * Sums, means and n are over the tasks that are present: whose total (of their samples' weights)
 * and weight_t are not 0. The others have the weight 0, and where a present task's D is not finite,
 * or not above 0, all have.
 */
#ifndef UMB_LOSS_WEIGHTS_H
#define UMB_LOSS_WEIGHTS_H

#include <stdint.h>

/* Where coefficients lie in the op's input, [UMB_LOSS_RULE + 5T] in all; cl/loss_weights.cl has
 * the same. */
enum umb_loss_coefficient {
    UMB_LOSS_LEAST,
    UMB_LOSS_EXTRA,
    UMB_LOSS_MEAN,
    UMB_LOSS_OWN,
    UMB_LOSS_COUNT,
    UMB_LOSS_RULE, /* how many of a rule; then those of tasks, [T] each */
    UMB_LOSS_SLOPE = 0,
    UMB_LOSS_OFFSET,
    UMB_LOSS_SCALE,
    UMB_LOSS_WEIGHT,
    UMB_LOSS_FACTOR,
};

/* How far logarithms of weights are let go: exp(80) is finite in float32. */
#define UMB_LOSS_MOST_LOG 80.0

/* Of task t. */
static inline int umb__loss_at(enum umb_loss_coefficient c, int T, int t)
{
    return UMB_LOSS_RULE + (int)c * T + t;
}

/* The formula, in double: fact[2T] losses, then totals; coefficient as above; weight[T]. */
void umb__loss_weights(int T, const double *fact, const double *coefficient, double *weight);

#endif

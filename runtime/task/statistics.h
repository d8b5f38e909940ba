/*
 * statistics.h: means of few repetitions, and what can be said about their differences.
 *
 * Everything is in double and on the host. A number that is not finite, or too few of them, makes
 * NaN of what would need it; nothing is left out in silence. Intervals are of 95 %, by Student's t.
 */
#ifndef UMB_STATISTICS_H
#define UMB_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/* The regularised incomplete beta function I_x(a, b), a and b > 0, 0 ≤ x ≤ 1; else NaN. By its
 * continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22). */
double umb__beta_share(double a, double b, double x);
/* P(|T| ≥ |t|) for Student's T with df > 0 degrees of freedom: the p of a two-sided test. */
double umb__t_tail(double t, double df);
/* The t with P(T ≤ t) = p, 0 < p < 1; else NaN. */
double umb__t_quantile(double p, double df);

struct umb_summary {
    double mean; /* NaN: n = 0, or a number that is not finite */
    double sd;   /* of the sample, over n − 1; NaN: n < 2 */
    double half; /* the 95 % interval is mean ± half; NaN: n < 2 */
};
struct umb_summary umb__summary(const double *x, size_t n); /* x[n] */

/* A paired test of a[n] against b[n]: Student's, two-sided, of the differences a − b. Where they do
 * not vary, p is 1 if they are 0, else 0. n < 2: no p. */
struct umb_paired {
    struct umb_summary difference;
    double t, p;
};
struct umb_paired umb__paired_test(const double *a, const double *b, size_t n);

/* By which part of |base| a value is better than it, > 0 better: (value − base)/|base|, the sign
 * turned where lower is better. NaN: base is 0. The mean of it over tasks, each against its
 * single-task run, is Δm (Maninis et al., CVPR 2019). */
double umb__gain(double value, double base, bool lower_is_better);

#endif

/* statistics.c: see statistics.h. */
#include "statistics.h"

#include <float.h>
#include <math.h>

#define CONFIDENCE 0.95
/* The fraction needs O(√max(a, b)) terms; this is beyond every use here. */
#define MOST_TERMS 100000

/* The incomplete beta function. */

static double away_from_zero(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* The coefficients of 1/(1 + d₁/(1 + d₂/(1 + …))). */
static double coefficient(double a, double b, double x, int n)
{
    const double m = n / 2;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    return n % 2 ? odd : even;
}

/* From the front, by ratios of neighbouring convergents (Lentz's method), until nothing changes. */
static double fraction(double a, double b, double x)
{
    double value = 1, up = 1, down = 0;
    for (int n = 1; n < MOST_TERMS; n++) {
        const double d = coefficient(a, b, x, n);
        down = 1 / away_from_zero(1 + d * down);
        up = away_from_zero(1 + d / up);
        value *= up * down;
        if (fabs(up * down - 1) < DBL_EPSILON) { break; }
    }
    return 1 / value;
}

/* y is 1 − x, which the caller may know more exactly than the difference would be. */
static double beta_share(double a, double b, double x, double y)
{
    if (x <= 0 || y <= 0) { return x > 0; }
    /* The fraction is quick on this side; the other is one minus it. */
    const bool turned = x > (a + 1) / (a + b + 2);
    if (turned) { return 1 - beta_share(b, a, y, x); }
    const double front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y);
    return exp(front) / a * fraction(a, b, x);
}

double umb__beta_share(double a, double b, double x)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1) || isinf(a) || isinf(b)) { return (double)NAN; }
    return beta_share(a, b, x, 1 - x);
}

/* Student's t. */

double umb__t_tail(double t, double df)
{
    if (isnan(t) || !(df > 0) || isinf(df)) { return (double)NAN; }
    if (isinf(t)) { return 0; }
    const double square = t * t;
    return beta_share(df / 2, 0.5, df / (df + square), square / (df + square));
}

/* Halves the interval that holds the quantile until its ends are neighbours: some 60 steps, each
 * sure to be right. */
double umb__t_quantile(double p, double df)
{
    if (!(p > 0 && p < 1) || !(df > 0) || isinf(df)) { return (double)NAN; }
    if (p < 0.5) { return -umb__t_quantile(1 - p, df); }
    const double tail = 2 * (1 - p);
    double low = 0, high = 1;
    while (umb__t_tail(high, df) > tail && high < DBL_MAX / 2) {
        low = high;
        high *= 2;
    }
    for (;;) {
        const double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) { return middle; }
        if (umb__t_tail(middle, df) > tail) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/* Samples. */

/* x − y; y NULL: x itself. */
static double item(const double *x, const double *y, size_t i)
{
    return y ? x[i] - y[i] : x[i];
}

/* In two passes: the second takes what rounding left of the first, so that equal numbers have
 * themselves for a mean. */
static double mean_of(const double *x, const double *y, size_t n)
{
    double mean = 0, left = 0;
    for (size_t i = 0; i < n; i++) {
        mean += item(x, y, i) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        left += item(x, y, i) - mean;
    }
    return mean + left / (double)n;
}

static double sd_of(const double *x, const double *y, size_t n, double mean)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = item(x, y, i) - mean;
        squares += off * off;
    }
    return sqrt(squares / (double)(n - 1));
}

static struct umb_summary summary_of(const double *x, const double *y, size_t n)
{
    struct umb_summary s = {(double)NAN, (double)NAN, (double)NAN};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(item(x, y, i))) { return s; }
    }
    if (n == 0) { return s; }
    s.mean = mean_of(x, y, n);
    if (n < 2) { return s; }
    s.sd = sd_of(x, y, n, s.mean);
    s.half = umb__t_quantile(0.5 + CONFIDENCE / 2, (double)(n - 1)) * s.sd / sqrt((double)n);
    return s;
}

struct umb_summary umb__summary(const double *x, size_t n)
{
    return summary_of(x, NULL, n);
}

struct umb_paired umb__paired_test(const double *a, const double *b, size_t n)
{
    struct umb_paired r = {summary_of(a, b, n), (double)NAN, (double)NAN};
    if (n < 2 || isnan(r.difference.mean)) { return r; }
    const double error = r.difference.sd / sqrt((double)n);
    const bool none = !(fabs(r.difference.mean) > 0);
    r.t = none ? 0 : r.difference.mean / error;
    r.p = none ? 1 : umb__t_tail(r.t, (double)(n - 1));
    return r;
}

double umb__gain(double value, double base, bool lower_is_better)
{
    if (!(fabs(base) > 0)) { return (double)NAN; }
    return (lower_is_better ? base - value : value - base) / fabs(base);
}

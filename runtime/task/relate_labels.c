/* relate_labels.c: what counts of labels say of tasks; in bits. */
#include "relate.h"

#include <math.h>

static double total(size_t n, const uint64_t *count)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)count[i];
    }
    return sum;
}

/* p·log(p/q), 0 where p is 0. */
static double term(double p, double q)
{
    return p > 0 ? p * log2(p / q) : 0;
}

double umb__relate_entropy(size_t n, const uint64_t *count)
{
    const double all = total(n, count);
    double sum = 0;
    for (size_t i = 0; i < n && all > 0; i++) {
        sum -= term((double)count[i] / all, 1);
    }
    return all > 0 ? sum : (double)NAN;
}

double umb__relate_kl(size_t n, const uint64_t *p, const uint64_t *q)
{
    const double all_p = total(n, p), all_q = total(n, q);
    if (!(all_p > 0 && all_q > 0)) { return (double)NAN; }
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] > 0 && q[i] == 0) { return (double)INFINITY; }
        sum += term((double)p[i] / all_p, (double)q[i] / all_q);
    }
    return fmax(sum, 0);
}

double umb__relate_js(size_t n, const uint64_t *p, const uint64_t *q)
{
    const double all_p = total(n, p), all_q = total(n, q);
    if (!(all_p > 0 && all_q > 0)) { return (double)NAN; }
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double a = (double)p[i] / all_p, b = (double)q[i] / all_q, m = (a + b) / 2;
        sum += term(a, m) / 2 + term(b, m) / 2;
    }
    return fmin(1, fmax(sum, 0));
}

/* Entropies of the rows' sums and of the columns'. */
static double row_entropy(size_t n_s, size_t n_t, const uint64_t *joint, double all)
{
    double sum = 0;
    for (size_t i = 0; i < n_s; i++) {
        sum -= term(total(n_t, joint + i * n_t) / all, 1);
    }
    return sum;
}

static double column_entropy(size_t n_s, size_t n_t, const uint64_t *joint, double all)
{
    double sum = 0;
    for (size_t j = 0; j < n_t; j++) {
        double column = 0;
        for (size_t i = 0; i < n_s; i++) {
            column += (double)joint[i * n_t + j];
        }
        sum -= term(column / all, 1);
    }
    return sum;
}

/* I = H_s + H_t − H_st. */
double umb__relate_mutual(size_t n_s, size_t n_t, const uint64_t *joint)
{
    const double all = total(n_s * n_t, joint);
    if (!(all > 0)) { return (double)NAN; }
    const double H_s = row_entropy(n_s, n_t, joint, all);
    const double H_t = column_entropy(n_s, n_t, joint, all);
    if (!(H_s > 0 && H_t > 0)) { return (double)NAN; }
    const double shared = H_s + H_t - umb__relate_entropy(n_s * n_t, joint);
    return fmin(1, fmax(0, shared / (sqrt(H_s) * sqrt(H_t))));
}

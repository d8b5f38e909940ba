/* relate_weights.c: distances of trained nets, MTRL's covariance, and correlations. */
#include "relate.h"

#include "alloc.h"
#include "fail.h"
#include "symmetric.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Distances. */

static const struct umb_relate_tensor *find(const struct umb_relate_tensor *in, size_t n,
                                            const struct umb_relate_tensor *like)
{
    for (size_t i = 0; i < n; i++) {
        if (in[i].n == like->n && strcmp(in[i].name, like->name) == 0) { return &in[i]; }
    }
    return NULL;
}

struct squares {
    double a, b, difference;
};

static void add_squares(struct squares *s, const struct umb_relate_tensor *a,
                        const struct umb_relate_tensor *b)
{
    for (size_t i = 0; i < a->n; i++) {
        const double x = (double)a->value[i], y = (double)b->value[i];
        s->a += x * x;
        s->b += y * y;
        s->difference += (x - y) * (x - y);
    }
}

void umb__relate_parameters(const struct umb_relate_tensor *a, size_t n_a,
                            const struct umb_relate_tensor *b, size_t n_b,
                            struct umb_relate_distance *ret_distance)
{
    struct squares s = {0};
    size_t matched = 0;
    for (size_t i = 0; i < n_a; i++) {
        const struct umb_relate_tensor *same = find(b, n_b, &a[i]);
        if (!same) { continue; }
        add_squares(&s, &a[i], same);
        matched++;
    }
    const double size = (s.a + s.b) / 2;
    *ret_distance =
        (struct umb_relate_distance){.relative = size > 0 ? sqrt(s.difference / size) : (double)NAN,
                                     .absolute = matched > 0 ? sqrt(s.difference) : (double)NAN,
                                     .matched = matched,
                                     .unmatched = n_a + n_b - 2 * matched};
}

/* MTRL. */

enum umb_status umb__relate_mtrl(struct umb_context *ctx, size_t T, const double *gram,
                                 double epsilon, double *ret_omega)
{
    const enum umb_status st = umb__symmetric_root(ctx, T, gram, ret_omega);
    if (st != UMB_OK) { return st; }
    double trace = 0;
    for (size_t t = 0; t < T; t++) {
        trace += ret_omega[t * T + t];
    }
    for (size_t i = 0; i < T * T; i++) {
        const bool diagonal = i / T == i % T;
        const double flat = diagonal ? 1 / (double)T : 0;
        ret_omega[i] = (trace > 0 ? ret_omega[i] / trace : flat) + (diagonal ? epsilon : 0);
    }
    return UMB_OK;
}

void umb__relate_correlations(size_t T, const double *covariance, double *ret_correlation)
{
    for (size_t i = 0; i < T * T; i++) {
        const double ss = covariance[i / T * (T + 1)], tt = covariance[i % T * (T + 1)];
        const bool defined = ss > 0 && tt > 0;
        ret_correlation[i] =
            defined ? fmin(1, fmax(-1, covariance[i] / (sqrt(ss) * sqrt(tt)))) : (double)NAN;
    }
}

/* Correlations of measures. */

static bool both(const double *a, const double *b, size_t i)
{
    return !isnan(a[i]) && !isnan(b[i]);
}

/* The mean of a where b is there too; *ret_n: of how many. */
static double mean(size_t n, const double *a, const double *b, size_t *ret_n)
{
    double sum = 0;
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!both(a, b, i)) { continue; }
        sum += a[i];
        ++*ret_n;
    }
    return sum / (double)*ret_n;
}

double umb__relate_pearson(size_t n, const double *a, const double *b)
{
    size_t used;
    const double mean_a = mean(n, a, b, &used), mean_b = mean(n, b, a, &used);
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        if (!both(a, b, i)) { continue; }
        const double x = a[i] - mean_a, y = b[i] - mean_b;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if (used < 2 || !(aa > 0 && bb > 0)) { return (double)NAN; }
    return fmin(1, fmax(-1, ab / (sqrt(aa) * sqrt(bb))));
}

struct ranked {
    double value;
    size_t place;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* ret_rank[i] for the m values in list, whose places are in ret_rank; ties share their mean. */
static void rank(struct ranked *list, size_t m, double *ret_rank)
{
    qsort(list, m, sizeof *list, by_value);
    for (size_t i = 0; i < m;) {
        size_t end = i + 1;
        while (end < m && list[end].value <= list[i].value) {
            end++;
        }
        for (size_t k = i; k < end; k++) {
            ret_rank[list[k].place] = (double)(i + end - 1) / 2;
        }
        i = end;
    }
}

/* Ranks of a where b is there too, NaN elsewhere. */
static void rank_where(size_t n, const double *a, const double *b, struct ranked *list,
                       double *ret_rank)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        ret_rank[i] = (double)NAN;
        if (both(a, b, i)) { list[m++] = (struct ranked){a[i], i}; }
    }
    rank(list, m, ret_rank);
}

enum umb_status umb__relate_spearman(struct umb_context *ctx, size_t n, const double *a,
                                     const double *b, double *ret_correlation)
{
    struct ranked *list = umb__calloc(ctx, n, sizeof *list);
    double *ranks = umb__calloc(ctx, 2 * n, sizeof *ranks);
    const enum umb_status st = list && ranks ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        rank_where(n, a, b, list, ranks);
        rank_where(n, b, a, list, ranks + n);
        *ret_correlation = umb__relate_pearson(n, ranks, ranks + n);
    }
    umb__free(ranks);
    umb__free(list);
    return st;
}

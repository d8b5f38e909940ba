/*
 * The point of a polytope that is nearest to 0, from the Gram matrix of its corners, by Wolfe's
 * algorithm: it keeps an affinely independent set of corners (the corral) that holds the point
 * found so far in its inside, adds the corner that lies most below it, and steps to the nearest
 * point of the corral's affine hull, leaving out corners on the way. Finite, and exact but for
 * rounding.
 */
#include <math.h>
#include <string.h>

#include "balance_internal.h"

#define LEAST_PIVOT 1e-13

struct walk {
    int n;
    const double (*a)[UMB_SMALL];
    double *w;             /* [n] */
    double d[UMB_SMALL];   /* √a_kk */
    int corral[UMB_SMALL]; /* [m] */
    int m;
    double square, gap; /* wᵀAw, and how far the lowest corner lies below it */
};

/* The corners are scaled to unit length first, so that lengths far apart cost no digits: with
 * y_k = u_k/d_k it is (C + ppᵀ)u = p, p_k = 1/d_k, up to a factor. */
bool umb__affine_min_norm(const umb_matrix a, int m, const int *index, double *ret_y)
{
    umb_matrix c, l;
    double p[UMB_SMALL], d[UMB_SMALL], size = 0, sum = 0;
    for (int i = 0; i < m; i++) {
        d[i] = sqrt(a[index[i]][index[i]]);
        p[i] = 1 / d[i];
        size = fmax(size, p[i]);
    }
    for (int i = 0; i < m; i++) {
        p[i] /= size;
        for (int j = 0; j <= i; j++) {
            c[i][j] = a[index[i]][index[j]] / d[i] / d[j] + p[i] * p[j];
        }
    }
    if (!umb__small_cholesky(m, c, LEAST_PIVOT, l)) { return false; }
    umb__small_solve(m, l, p, ret_y);
    for (int i = 0; i < m; i++) {
        ret_y[i] *= p[i];
        sum += ret_y[i];
    }
    for (int i = 0; i < m; i++) {
        ret_y[i] /= sum;
    }
    return sum > 0;
}

/* Moves w towards y, inside the simplex; leaves out the corners that reach 0. False: w is y. */
static bool step_inside(struct walk *s, const double *y)
{
    double share = 1;
    int out = -1;
    for (int i = 0; i < s->m; i++) {
        const double w = s->w[s->corral[i]];
        if (y[i] <= 0 && w / (w - y[i]) < share) {
            share = fmax(w / (w - y[i]), 0);
            out = i;
        }
    }
    int kept = 0;
    for (int i = 0; i < s->m; i++) {
        double *w = &s->w[s->corral[i]];
        *w = i == out ? 0 : fmax((1 - share) * *w + share * y[i], 0);
        if (*w > 0) { s->corral[kept++] = s->corral[i]; }
    }
    s->m = kept;
    return out >= 0;
}

/* To the nearest point of the corral's hull. False: the corral is affinely dependent. */
static bool settle(struct walk *s)
{
    double y[UMB_SMALL];
    do {
        if (!umb__affine_min_norm(s->a, s->m, s->corral, y)) { return false; }
    } while (step_inside(s, y));
    return true;
}

/* The corner that lies most below the present point, or −1 where none does by more than the
 * rounding of its product. Sets s->square and s->gap. */
static int lowest(struct walk *s)
{
    double aw[UMB_SMALL], spread = 0, worst = 0;
    int best = -1;
    umb__small_times(s->n, s->a, s->w, aw);
    s->square = umb__small_dot(s->n, s->w, aw);
    for (int k = 0; k < s->n; k++) {
        spread += s->w[k] * s->d[k];
    }
    s->gap = 0;
    for (int k = 0; k < s->n; k++) {
        const double gap = s->square - aw[k], noise = 4e-16 * s->n * spread * (s->d[k] + spread);
        s->gap = fmax(s->gap, gap);
        if (gap > noise && gap / s->d[k] > worst) {
            worst = gap / s->d[k];
            best = k;
        }
    }
    return best;
}

static bool contains(const struct walk *s, int k)
{
    for (int i = 0; i < s->m; i++) {
        if (s->corral[i] == k) { return true; }
    }
    return false;
}

/* A corner at 0 is the point itself. */
static bool at_corner(struct walk *s)
{
    for (int k = 0; k < s->n; k++) {
        s->d[k] = s->a[k][k] > 0 ? sqrt(s->a[k][k]) : 0;
        if (s->d[k] > 0) { continue; }
        memset(s->w, 0, (size_t)s->n * sizeof *s->w);
        s->w[k] = 1;
        return true;
    }
    return false;
}

/* At the corner nearest to 0. */
static void begin_at_corner(struct walk *s)
{
    int best = 0;
    for (int k = 0; k < s->n; k++) {
        if (s->d[k] < s->d[best]) { best = k; }
        s->w[k] = 0;
    }
    s->w[best] = 1;
    s->corral[0] = best;
    s->m = 1;
}

static void begin(struct walk *s)
{
    for (int k = 0; k < s->n; k++) {
        if (s->w[k] > 0) { s->corral[s->m++] = k; }
    }
    if (s->m == 0 || !settle(s)) { begin_at_corner(s); }
}

bool umb__min_norm_point(int n, const umb_matrix a, double *w, double *ret_residual)
{
    struct walk s = {.n = n, .a = a, .w = w};
    double largest = 0, before = INFINITY;
    *ret_residual = 0;
    if (at_corner(&s)) { return true; }
    begin(&s);
    /* Rounding ends the descent where the mathematics would go on. */
    for (int k = lowest(&s); k >= 0 && s.square < before && !contains(&s, k); k = lowest(&s)) {
        before = s.square;
        s.corral[s.m++] = k;
        if (!settle(&s)) { break; }
    }
    lowest(&s);
    for (int k = 0; k < n; k++) {
        largest = fmax(largest, a[k][k]);
    }
    *ret_residual = s.gap / largest;
    return *ret_residual <= UMB_MIN_NORM_RESIDUAL;
}

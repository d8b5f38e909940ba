/* Products, Cholesky's factor and eigenvalues of small symmetric matrices. */
#include "dense_small.h"
#include <math.h>
#include <string.h>

#define MOST_SWEEPS 60

double umb__small_dot(int n, const double *a, const double *b)
{
    double sum[4] = {0}; /* four chains of additions, for they cannot be reordered */
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++) {
            sum[k] += a[i + k] * b[i + k];
        }
    }
    double rest = 0;
    for (; i < n; i++) {
        rest += a[i] * b[i];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]) + rest;
}

void umb__small_times(int n, const umb_matrix a, const double *x, double *ret_y)
{
    for (int i = 0; i < n; i++) {
        ret_y[i] = umb__small_dot(n, a[i], x);
    }
}

double umb__small_norm(int n, const umb_matrix a, const double *x)
{
    double y[UMB_SMALL];
    umb__small_times(n, a, x, y);
    const double square = umb__small_dot(n, x, y);
    return square > 0 ? sqrt(square) : 0;
}

bool umb__small_cholesky(int n, const umb_matrix a, double least, umb_matrix ret_l)
{
    for (int i = 0; i < n; i++) {
        double *row = ret_l[i];
        for (int j = 0; j < i; j++) {
            row[j] = (a[i][j] - umb__small_dot(j, row, ret_l[j])) / ret_l[j][j];
        }
        const double pivot = a[i][i] - umb__small_dot(i, row, row);
        if (!(pivot > least * a[i][i])) { return false; }
        row[i] = sqrt(pivot);
    }
    return true;
}

void umb__small_solve(int n, const umb_matrix l, const double *b, double *ret_x)
{
    for (int i = 0; i < n; i++) {
        ret_x[i] = (b[i] - umb__small_dot(i, l[i], ret_x)) / l[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        ret_x[i] /= l[i][i];
        for (int j = 0; j < i; j++) {
            ret_x[j] -= l[i][j] * ret_x[i];
        }
    }
}

/* Turns two rows so that they are orthogonal; false: they were. */
static bool rotate(int n, double *p, double *q, double nothing)
{
    const double pp = umb__small_dot(n, p, p), qq = umb__small_dot(n, q, q),
                 pq = umb__small_dot(n, p, q);
    if (pp <= nothing || qq <= nothing || fabs(pq) <= 1e-14 * sqrt(pp) * sqrt(qq)) { return false; }
    const double zeta = (qq - pp) / (2 * pq);
    const double t = (zeta < 0 ? -1 : 1) / (fabs(zeta) + hypot(1, zeta));
    const double c = 1 / hypot(1, t), s = c * t;
    for (int i = 0; i < n; i++) {
        const double a = p[i], b = q[i];
        p[i] = c * a - s * b;
        q[i] = s * a + c * b;
    }
    return true;
}

bool umb__small_eigen(int n, const umb_matrix a, double *ret_lambda, umb_matrix ret_v)
{
    double largest = 0;
    for (int i = 0; i < n; i++) {
        memcpy(ret_v[i], a[i], (size_t)n * sizeof **a);
        largest = fmax(largest, umb__small_dot(n, a[i], a[i]));
    }
    bool turned = true;
    for (int sweep = 0; turned && sweep < MOST_SWEEPS; sweep++) {
        turned = false;
        for (int p = 0; p < n; p++) {
            for (int q = p + 1; q < n; q++) {
                turned |= rotate(n, ret_v[p], ret_v[q], 1e-30 * largest);
            }
        }
    }
    for (int i = 0; i < n; i++) {
        ret_lambda[i] = sqrt(umb__small_dot(n, ret_v[i], ret_v[i]));
    }
    return !turned;
}

/* symmetric.c: see symmetric.h. */
#include "symmetric.h"

#include "alloc.h"
#include "fail.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Convergence is quadratic: some ten sweeps do for any matrix; more would be a mistake of ours. */
#define MOST_SWEEPS 60

static enum umb_status copy_lower(struct umb_context *ctx, size_t n, const double *a, double *m)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double v = a[i * n + j];
            if (!isfinite(v)) {
                return umb__fail(
                    ctx, UMB_ERR_INVALID,
                    "symmetric matrix: element %zu,%zu is %g; expected a finite number", i, j, v);
            }
            m[i * n + j] = m[j * n + i] = v;
        }
    }
    return UMB_OK;
}

static void set_identity(size_t n, double *v)
{
    memset(v, 0, n * n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        v[i * n + i] = 1;
    }
}

/* Columns p and q of m, then, for a matrix that stays symmetric, its rows. */
static void rotate_columns(size_t n, double *m, size_t p, size_t q, double c, double s)
{
    for (size_t k = 0; k < n; k++) {
        const double x = m[k * n + p], y = m[k * n + q];
        m[k * n + p] = c * x - s * y;
        m[k * n + q] = s * x + c * y;
    }
}

static void rotate_rows(size_t n, double *m, size_t p, size_t q, double c, double s)
{
    for (size_t k = 0; k < n; k++) {
        const double x = m[p * n + k], y = m[q * n + k];
        m[p * n + k] = c * x - s * y;
        m[q * n + k] = s * x + c * y;
    }
}

/* Makes m[p,q] zero; false where it is so small that it adds nothing to either diagonal element. */
static bool rotate(size_t n, double *m, double *v, size_t p, size_t q)
{
    const double off = m[p * n + q], pp = m[p * n + p], qq = m[q * n + q];
    if (fabs(off) <= 0.25 * DBL_EPSILON * sqrt(fabs(pp)) * sqrt(fabs(qq)) || fabs(off) <= DBL_MIN) {
        m[p * n + q] = m[q * n + p] = 0;
        return false;
    }
    const double theta = (qq / 2 - pp / 2) / off;
    const double t = copysign(1, theta) / (fabs(theta) + hypot(theta, 1));
    const double c = 1 / hypot(t, 1), s = t * c;
    rotate_columns(n, m, p, q, c, s);
    rotate_rows(n, m, p, q, c, s);
    m[p * n + q] = m[q * n + p] = 0;
    rotate_columns(n, v, p, q, c, s);
    return true;
}

static bool sweep(size_t n, double *m, double *v)
{
    bool turned = false;
    for (size_t p = 0; p + 1 < n; p++) {
        for (size_t q = p + 1; q < n; q++) {
            turned = rotate(n, m, v, p, q) || turned;
        }
    }
    return turned;
}

static void swap_columns(size_t n, double *m, double *v, size_t i, size_t j)
{
    const double value = m[i * n + i];
    m[i * n + i] = m[j * n + j];
    m[j * n + j] = value;
    for (size_t k = 0; k < n; k++) {
        const double x = v[k * n + i];
        v[k * n + i] = v[k * n + j];
        v[k * n + j] = x;
    }
}

/* Descending; equal ones keep their order. */
static void sort(size_t n, double *m, double *v)
{
    for (size_t i = 0; i < n; i++) {
        size_t largest = i;
        for (size_t j = i + 1; j < n; j++) {
            if (m[j * n + j] > m[largest * n + largest]) { largest = j; }
        }
        if (largest != i) { swap_columns(n, m, v, i, largest); }
    }
}

static void fix_signs(size_t n, double *v)
{
    for (size_t i = 0; i < n; i++) {
        size_t largest = 0;
        for (size_t k = 1; k < n; k++) {
            if (fabs(v[k * n + i]) > fabs(v[largest * n + i])) { largest = k; }
        }
        if (v[largest * n + i] > 0) { continue; }
        for (size_t k = 0; k < n; k++) {
            v[k * n + i] = -v[k * n + i];
        }
    }
}

enum umb_status umb__symmetric_eigen(struct umb_context *ctx, size_t n, const double *a,
                                     double *ret_values, double *ret_vectors)
{
    double *m = umb__calloc(ctx, n * n, sizeof *m);
    enum umb_status st = m ? copy_lower(ctx, n, a, m) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        set_identity(n, ret_vectors);
        for (int i = 0; i < MOST_SWEEPS && sweep(n, m, ret_vectors); i++) {}
        sort(n, m, ret_vectors);
        fix_signs(n, ret_vectors);
        for (size_t i = 0; i < n; i++) {
            ret_values[i] = m[i * n + i];
        }
    }
    umb__free(m);
    return st;
}

enum umb_status umb__symmetric_root(struct umb_context *ctx, size_t n, const double *a,
                                    double *ret_root)
{
    double *values = umb__calloc(ctx, n, sizeof *values);
    double *v = umb__calloc(ctx, n * n, sizeof *v);
    enum umb_status st =
        values && v ? umb__symmetric_eigen(ctx, n, a, values, v) : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) {
                sum += v[i * n + k] * v[j * n + k] * sqrt(fmax(values[k], 0));
            }
            ret_root[i * n + j] = ret_root[j * n + i] = sum;
        }
    }
    umb__free(v);
    umb__free(values);
    return st;
}

/* mtrl.c: see mtrl.h. Functions of symmetric matrices go through their eigenvalues. */
#include "mtrl.h"

#include <math.h>
#include <string.h>

#include "alloc.h"
#include "fail.h"

#define MOST_SWEEPS 60

/* A = V·diag(λ)·Vᵀ: at the end the diagonal of `a` is λ, and column i of `v` its vector. */
struct eigen {
    int T;
    double *a, *v;
};

/* The rotation of axes p and q that makes a[p,q] zero. */
static void rotate(struct eigen *e, int p, int q)
{
    const int T = e->T;
    double *a = e->a;
    const double theta = (a[q * T + q] - a[p * T + p]) / (2 * a[p * T + q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + hypot(theta, 1));
    const double c = 1 / hypot(t, 1), s = t * c;
    for (int k = 0; k < T; k++) {
        const double x = a[k * T + p], y = a[k * T + q];
        a[k * T + p] = c * x - s * y;
        a[k * T + q] = s * x + c * y;
    }
    for (int k = 0; k < T; k++) {
        const double x = a[p * T + k], y = a[q * T + k], u = e->v[k * T + p], w = e->v[k * T + q];
        a[p * T + k] = c * x - s * y;
        a[q * T + k] = s * x + c * y;
        e->v[k * T + p] = c * u - s * w;
        e->v[k * T + q] = s * u + c * w;
    }
    a[p * T + q] = a[q * T + p] = 0;
}

/* Jacobi's method, by rows: until what is off the diagonal vanishes beside it. */
static void find_eigenvalues(struct eigen *e)
{
    const int T = e->T;
    for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
        int rotations = 0;
        for (int p = 0; p < T; p++) {
            for (int q = p + 1; q < T; q++) {
                const double scale = sqrt(fabs(e->a[p * T + p] * e->a[q * T + q]));
                if (fabs(e->a[p * T + q]) <= 1e-300 + 1e-16 * scale) { continue; }
                rotate(e, p, q);
                rotations++;
            }
        }
        if (rotations == 0) { return; }
    }
}

static enum umb_status decompose(struct umb_context *ctx, int T, const double *matrix,
                                 struct eigen *ret)
{
    const size_t n = (size_t)T * (size_t)T;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(matrix[i])) { continue; }
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "relations between tasks: a product of parameters is not finite");
    }
    *ret = (struct eigen){T, umb__calloc(ctx, 2 * n, sizeof(double)), NULL};
    if (!ret->a) { return UMB_ERR_NO_MEMORY; }
    ret->v = ret->a + n;
    memcpy(ret->a, matrix, n * sizeof *matrix);
    for (int t = 0; t < T; t++) {
        ret->v[t * T + t] = 1;
    }
    find_eigenvalues(ret);
    return UMB_OK;
}

/* V·diag(f)·Vᵀ, exactly symmetric. */
static void compose(const struct eigen *e, const double *f, double *ret_matrix)
{
    const int T = e->T;
    for (int i = 0; i < T; i++) {
        for (int j = i; j < T; j++) {
            double sum = 0;
            for (int k = 0; k < T; k++) {
                sum += e->v[i * T + k] * f[k] * e->v[j * T + k];
            }
            ret_matrix[i * T + j] = ret_matrix[j * T + i] = sum;
        }
    }
}

/* The eigenvalues' square roots by their sum, on a's diagonal's place in f [T]; without any, all
 * alike. */
static void root_shares(const struct eigen *e, double epsilon, double *f)
{
    const int T = e->T;
    double trace = 0;
    for (int k = 0; k < T; k++) {
        f[k] = sqrt(fmax(e->a[k * T + k], 0)); /* rounding may leave it below 0 */
        trace += f[k];
    }
    for (int k = 0; k < T; k++) {
        f[k] = (trace > 0 ? f[k] / trace : 1.0 / T) + epsilon;
    }
}

enum umb_status umb__mtrl_covariance(struct umb_context *ctx, int T, const double *gram,
                                     double epsilon, double *ret_omega)
{
    struct eigen e;
    enum umb_status st = decompose(ctx, T, gram, &e);
    if (st != UMB_OK) { return st; }
    double *f = umb__calloc(ctx, (size_t)T, sizeof *f);
    if (f) {
        root_shares(&e, epsilon, f);
        compose(&e, f, ret_omega);
    }
    umb__free(f);
    umb__free(e.a);
    return f ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__mtrl_inverse(struct umb_context *ctx, int T, const double *omega,
                                  double *ret_inverse)
{
    struct eigen e;
    enum umb_status st = decompose(ctx, T, omega, &e);
    if (st != UMB_OK) { return st; }
    double *f = umb__calloc(ctx, (size_t)T, sizeof *f);
    if (!f) { st = UMB_ERR_NO_MEMORY; }
    for (int k = 0; st == UMB_OK && k < T; k++) {
        const double value = e.a[k * T + k];
        f[k] = 1 / value;
        if (value > 0 && isfinite(f[k])) { continue; }
        st = umb__fail(ctx, UMB_ERR_INVALID,
                       "relations between tasks: an eigenvalue is %g; expected one above 0", value);
    }
    if (st == UMB_OK) { compose(&e, f, ret_inverse); }
    umb__free(f);
    umb__free(e.a);
    return st;
}

void umb__mtrl_correlations(int T, const double *omega, double *ret_correlations)
{
    for (int t = 0; t < T; t++) {
        for (int s = 0; s < T; s++) {
            ret_correlations[t * T + s] =
                t == s ? 1 : omega[t * T + s] / sqrt(omega[t * T + t] * omega[s * T + s]);
        }
    }
}

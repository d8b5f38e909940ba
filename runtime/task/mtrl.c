/* mtrl.c: see mtrl.h. Functions of symmetric matrices go through their eigenvalues. */
#include "mtrl.h"

#include <math.h>

#include "alloc.h"
#include "fail.h"
#include "symmetric.h"

/* A = V·diag(λ)·Vᵀ; column i of v is λ_i's vector. */
struct eigen {
    int T;
    double *lambda, *v;
};

static enum umb_status decompose(struct umb_context *ctx, int T, const double *matrix,
                                 struct eigen *ret)
{
    const size_t n = (size_t)T * (size_t)T;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(matrix[i])) { continue; }
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "relations between tasks: a product of parameters is not finite");
    }
    *ret = (struct eigen){T, umb__calloc(ctx, n + (size_t)T, sizeof(double)), NULL};
    if (!ret->lambda) { return UMB_ERR_NO_MEMORY; }
    ret->v = ret->lambda + T;
    const enum umb_status st = umb__symmetric_eigen(ctx, (size_t)T, matrix, ret->lambda, ret->v);
    if (st != UMB_OK) { umb__free(ret->lambda); }
    return st;
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

/* The eigenvalues' square roots by their sum, and epsilon, in f [T]; without any, all alike. */
static void root_shares(const struct eigen *e, double epsilon, double *f)
{
    const int T = e->T;
    double trace = 0;
    for (int k = 0; k < T; k++) {
        f[k] = sqrt(fmax(e->lambda[k], 0)); /* rounding may leave it below 0 */
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
    umb__free(e.lambda);
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
        const double value = e.lambda[k];
        f[k] = 1 / value;
        if (value > 0 && isfinite(f[k])) { continue; }
        st = umb__fail(ctx, UMB_ERR_INVALID,
                       "relations between tasks: an eigenvalue is %g; expected one above 0", value);
    }
    if (st == UMB_OK) { compose(&e, f, ret_inverse); }
    umb__free(f);
    umb__free(e.lambda);
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

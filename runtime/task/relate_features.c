/*
 * relate_features.c: centred kernel alignment.
 *
 * ‖YᵀX‖²_F = ⟨XXᵀ, YYᵀ⟩, so the sums can be taken over features or over samples:
 *
 *   features:  YᵀX [d2,d1], XᵀX [d1,d1], YᵀY [d2,d2]     few features
 *   samples:   K = XXᵀ [n,n], L = YYᵀ [n,n]              few samples, and the unbiased estimator
 */
#include "relate.h"

#include "alloc.h"
#include "fail.h"
#include <math.h>

/* A copy in double whose columns have mean 0, [n,d]; NULL: no memory. */
static double *centred(struct umb_context *ctx, size_t n, size_t d, const float *x)
{
    size_t area = 0;
    double *copy = umb__mul_size(n, d, &area) ? umb__calloc(ctx, area, sizeof *copy) : NULL;
    for (size_t k = 0; copy && k < d; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i * d + k];
        }
        for (size_t i = 0; i < n; i++) {
            copy[i * d + k] = (double)x[i * d + k] - sum / (double)n;
        }
    }
    return copy;
}

/* Over features. */

/* ‖YᵀX‖²_F; row is scratch [d1]. */
static double cross(size_t n, size_t d1, const double *x, size_t d2, const double *y, double *row)
{
    double sum = 0;
    for (size_t j = 0; j < d2; j++) {
        for (size_t k = 0; k < d1; k++) {
            row[k] = 0;
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < d1; k++) {
                row[k] += y[i * d2 + j] * x[i * d1 + k];
            }
        }
        for (size_t k = 0; k < d1; k++) {
            sum += row[k] * row[k];
        }
    }
    return sum;
}

/* What alignment is made of: ⟨K,L⟩, ⟨K,K⟩, ⟨L,L⟩. */
struct products {
    double kl, kk, ll;
};

static enum umb_status by_features(struct umb_context *ctx, size_t n, size_t d1, const double *x,
                                   size_t d2, const double *y, struct products *ret)
{
    double *row = umb__calloc(ctx, d1 > d2 ? d1 : d2, sizeof *row);
    if (!row) { return UMB_ERR_NO_MEMORY; }
    *ret = (struct products){.kl = cross(n, d1, x, d2, y, row),
                             .kk = cross(n, d1, x, d1, x, row),
                             .ll = cross(n, d2, y, d2, y, row)};
    umb__free(row);
    return UMB_OK;
}

/* Over samples. */

/* XXᵀ [n,n]; NULL: no memory. */
static double *kernel(struct umb_context *ctx, size_t n, size_t d, const double *x)
{
    size_t area = 0;
    double *K = umb__mul_size(n, n, &area) ? umb__calloc(ctx, area, sizeof *K) : NULL;
    for (size_t i = 0; K && i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < d; k++) {
                sum += x[i * d + k] * x[j * d + k];
            }
            K[i * n + j] = K[j * n + i] = sum;
        }
    }
    return K;
}

static double inner(size_t n, const double *K, const double *L)
{
    double sum = 0;
    for (size_t i = 0; i < n * n; i++) {
        sum += K[i] * L[i];
    }
    return sum;
}

/* Song et al., eq. 5, without the factor 1/(n(n−3)) that the quotient drops; K and L have diagonals
 * of 0. */
static double hsic(size_t n, const double *K, const double *L)
{
    double sum_k = 0, sum_l = 0, sum_kl = 0;
    for (size_t i = 0; i < n; i++) {
        double row_k = 0, row_l = 0;
        for (size_t j = 0; j < n; j++) {
            row_k += K[i * n + j];
            row_l += L[i * n + j];
        }
        sum_k += row_k;
        sum_l += row_l;
        sum_kl += row_k * row_l;
    }
    const double m = (double)n;
    return inner(n, K, L) + sum_k * sum_l / ((m - 1) * (m - 2)) - 2 * sum_kl / (m - 2);
}

static void clear_diagonal(size_t n, double *K)
{
    for (size_t i = 0; i < n; i++) {
        K[i * n + i] = 0;
    }
}

static enum umb_status by_samples(struct umb_context *ctx, size_t n, size_t d1, const double *x,
                                  size_t d2, const double *y, bool unbiased, struct products *ret)
{
    double *K = kernel(ctx, n, d1, x), *L = kernel(ctx, n, d2, y);
    const enum umb_status st = K && L ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && unbiased) {
        clear_diagonal(n, K);
        clear_diagonal(n, L);
        *ret = (struct products){hsic(n, K, L), hsic(n, K, K), hsic(n, L, L)};
    } else if (st == UMB_OK) {
        *ret = (struct products){inner(n, K, L), inner(n, K, K), inner(n, L, L)};
    }
    umb__free(L);
    umb__free(K);
    return st;
}

enum umb_status umb__relate_cka(struct umb_context *ctx, size_t n, size_t d1, const float *x,
                                size_t d2, const float *y, bool unbiased, double *ret_cka)
{
    const size_t least = unbiased ? 4 : 2;
    if (n < least) {
        return umb__fail(ctx, UMB_ERR_INVALID, "alignment of features: %zu samples; expected %zu",
                         n, least);
    }
    double *cx = centred(ctx, n, d1, x), *cy = centred(ctx, n, d2, y);
    struct products p = {0};
    enum umb_status st = cx && cy ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && (unbiased || n < d1 || n < d2)) {
        st = by_samples(ctx, n, d1, cx, d2, cy, unbiased, &p);
    } else if (st == UMB_OK) {
        st = by_features(ctx, n, d1, cx, d2, cy, &p);
    }
    if (st == UMB_OK) {
        *ret_cka = p.kk > 0 && p.ll > 0 ? p.kl / (sqrt(p.kk) * sqrt(p.ll)) : (double)NAN;
    }
    umb__free(cy);
    umb__free(cx);
    return st;
}

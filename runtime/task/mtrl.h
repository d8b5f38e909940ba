/*
 * mtrl.h: relations between tasks that are learned: MTRL's covariance Ω, on the host in double.
 *
 * Ω = (WᵀW)^½ / tr((WᵀW)^½) + ε·I minimises tr(W·Ω⁻¹·Wᵀ) over Ω ≥ 0 with tr Ω = 1, but for ε
 * (Zhang and Yeung, UAI 2010). Matrices are [T,T], by rows, and symmetric.
 */
#ifndef UMB_MTRL_H
#define UMB_MTRL_H

#include <umbel/context.h>

/* gram: WᵀW. Of zeros: (1/T + ε)·I. UMB_ERR_INVALID: it is not finite. */
UMB_MUST_USE enum umb_status umb__mtrl_covariance(struct umb_context *ctx, int T,
                                                  const double *gram, double epsilon,
                                                  double *ret_omega);
/* Of a matrix whose eigenvalues are above 0; UMB_ERR_INVALID: they are not. */
UMB_MUST_USE enum umb_status umb__mtrl_inverse(struct umb_context *ctx, int T, const double *omega,
                                               double *ret_inverse);
/* Ω[t,s] / √(Ω[t,t]·Ω[s,s]). */
void umb__mtrl_correlations(int T, const double *omega, double *ret_correlations);

#endif

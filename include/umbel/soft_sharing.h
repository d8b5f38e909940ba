/*
 * soft_sharing.h: a network per task, whose parameters are drawn together.
 *
 * Parameters called TRUNK.REST in every trunk are matched by REST. W has a column per trunk: its
 * matched parameters, one after another. To the losses is added one of
 *
 *   α · Σ_{t<s} A[t,s] · ‖w_t − w_s‖²                  relations A given
 *   α · ‖W·R‖²                                         combinations R given
 *   λ₁/2 · tr(W·Wᵀ) + λ₂/2 · tr(W·Ω⁻¹·Wᵀ)              relations learned (MTRL)
 *
 * In the last, Ω = (WᵀW)^½ / tr((WᵀW)^½) + ε·I is worked out anew every so many steps (Zhang and
 * Yeung, "A convex formulation for learning task relationships", UAI 2010, for linear models; ε
 * keeps it invertible). Before, it is (1/T + ε)·I.
 */
#ifndef UMBEL_SOFT_SHARING_H
#define UMBEL_SOFT_SHARING_H

#include <umbel/context.h>

#include <stdbool.h>
#include <stdint.h>

#define UMB_SOFT_MAX_TRUNKS 64

/* Read while a trainer is created, which copies what it needs. */
struct umb_soft_sharing {
    int n_trunks;             /* T, 2 … UMB_SOFT_MAX_TRUNKS */
    const char *const *trunk; /* [T] their names: "a" for parameters a.conv1.weight … */
    /* NULL-terminated layers, "conv1": each must be in every trunk with equal shapes. NULL: all
     * parameters that are, and the log says which. */
    const char *const *layer;
    bool equal_start;           /* what is matched begins as the first trunk's */
    bool without_biases;        /* parameters called bias stay each trunk's own */
    double alpha;               /* ≥ 0; 0 adds nothing, not even a step. Not for MTRL */
    const double *relations;    /* A [T,T], symmetric, ≥ 0, its diagonal is not read; or NULL */
    const double *combinations; /* R [T,n_combinations], or NULL; with neither A is all ones */
    int n_combinations;
    int64_t every;                    /* MTRL: steps between two Ω; 0: no MTRL */
    double lambda1, lambda2, epsilon; /* MTRL: ≥ 0, ≥ 0, > 0 */
};

#endif

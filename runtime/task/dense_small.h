/*
 * dense_small.h: algebra of matrices of at most 64 rows, in double on the caller's stack.
 *
 * Matrices are [n][UMB_SMALL], of which n columns are used. Sums go in a fixed order.
 */
#ifndef UMB_DENSE_SMALL_H
#define UMB_DENSE_SMALL_H

#include <stdbool.h>

#define UMB_SMALL 64

typedef double umb_matrix[UMB_SMALL][UMB_SMALL];

double umb__small_dot(int n, const double *a, const double *b);
/* y = A x, A symmetric. */
void umb__small_times(int n, const umb_matrix a, const double *x, double *ret_y);
/* √(xᵀA x), 0 where rounding makes it negative. */
double umb__small_norm(int n, const umb_matrix a, const double *x);

/* The lower factor L of A = L Lᵀ, from A's lower half. False: a pivot is not above `least` times
 * the diagonal element it came from, so that A is as good as singular; L is then of no use. */
bool umb__small_cholesky(int n, const umb_matrix a, double least, umb_matrix ret_l);
/* L Lᵀ x = b; b and x may be one. */
void umb__small_solve(int n, const umb_matrix l, const double *b, double *ret_x);

/* A = Σ λ_i v_i v_iᵀ of a symmetric positive semidefinite A: rows of `ret_v` are λ_i v_i, and
 * ret_lambda[n] their lengths, in no order; eigenvalues below about 1e-15 of the largest have no
 * directions. One-sided Jacobi (Hestenes, SIAM J. 6, 1958). False: not orthogonal after the most
 * sweeps, never seen; ret_v holds what there is. Not symmetric.h's, which allocates and can fail,
 * as no rule of a balancer may, and takes any sign and size at twice the work. */
bool umb__small_eigen(int n, const umb_matrix a, double *ret_lambda, umb_matrix ret_v);

#endif

/*
 * symmetric.h: small symmetric matrices in double: eigenvalues, and functions of them.
 *
 * For matrices over tasks: n is a few, at most some hundreds. Matrices are row-major [n,n]; the
 * lower triangle is what is read. All sums have one order, so the same matrix gives the same bits.
 * Nothing here keeps memory.
 */
#ifndef UMB_SYMMETRIC_H
#define UMB_SYMMETRIC_H

#include <stddef.h>
#include <umbel/context.h>

/*
 * a = V·diag(λ)·Vᵀ by cyclic Jacobi rotations (Golub, Van Loan, "Matrix Computations", §8.5), which
 * keep small eigenvalues as exact as the matrix gives them. ret_values[n] descend; column i of
 * ret_vectors [n,n] belongs to λ_i, its largest component positive. The matrix may be anything
 * finite; UMB_ERR_INVALID where it is not, UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb__symmetric_eigen(struct umb_context *ctx, size_t n,
                                                  const double *a, double *ret_values,
                                                  double *ret_vectors);

/* The root of a positive semidefinite matrix that is so itself: root·root = a. Eigenvalues below 0,
 * which only rounding makes, count as 0. ret_root [n,n] may be a. Errors as above. */
UMB_MUST_USE enum umb_status umb__symmetric_root(struct umb_context *ctx, size_t n, const double *a,
                                                 double *ret_root);

#endif

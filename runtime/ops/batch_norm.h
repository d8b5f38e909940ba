/*
 * batch_norm.h: what the three files of batch normalisation share: attributes, inputs, extents; the
 * op itself is described in batch_norm.c.
 */
#ifndef UMB_BATCH_NORM_H
#define UMB_BATCH_NORM_H

#include "simple.h"

struct umb_batch_norm_attrs {
    double momentum, epsilon;
    bool relu, residual, frozen; /* inner */
};

enum { IN_X, IN_WEIGHT, IN_BIAS, IN_MEAN, IN_VAR, IN_ROWS };
enum { AGAIN_MEAN = IN_MEAN, AGAIN_INV_STD }; /* of batch_norm_again, behind x, weight and bias */
enum { BACK_X, BACK_DY, BACK_WEIGHT, BACK_MEAN, BACK_INV_STD, BACK_ROWS, BACK_BIAS };

/* Where an input of the forward op is: behind the residual, if there is one. */
int umb__batch_norm_in(const struct umb_batch_norm_attrs *a, int input);

struct umb_batch_norm {
    int channels, segments, first_stream;
    int samples, positions; /* of a segment; of a sample */
};
struct umb_batch_norm umb__batch_norm_of(const struct umb_type *x);

/* batch_norm_reference.c. */
void umb__batch_norm_reference(const struct umb_reference *r);
void umb__batch_norm_again_reference(const struct umb_reference *r);
void umb__batch_norm_backward_reference(const struct umb_reference *r);

/* batch_norm_emit.c. */
extern const struct umb_solver umb__batch_norm_solvers[];
extern const struct umb_solver umb__batch_norm_again_solvers[];
extern const struct umb_solver umb__batch_norm_backward_solvers[];

#endif

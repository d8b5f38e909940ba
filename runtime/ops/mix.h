/*
 * mix.h: sums of inputs by weights as steps, and the sums of products that are the gradients into
 * those weights: what multiply, mixture and cross_stitch are made of. The kernels are cl/mix.cl's.
 */
#ifndef UMB_MIX_H
#define UMB_MIX_H

#include "simple.h"

/*
 * Which weight belongs to input j at sample s and channel c: number
 * s·by_sample + j·by_input + c·channels of the weights.
 */
struct umb_mix {
    int64_t by_sample, by_input;
    bool channels; /* one a channel */
};

/* y = Σ_j w_j·x_j over the inputs first_input … first_input + n_in − 1 of the weights; x_j and y
 * have the type of output 0, [N,…,C]. */
struct umb_mix_sum {
    struct umb_mix by;
    int n_in, first_input;
    const int *in;
    int weight, out;
};
UMB_MUST_USE enum umb_status umb__emit_mix(struct umb_emit *e, const struct umb_mix_sum *sum);
/* The same in double: y[i] = Σ_j w_j·x[j][i]; x[j] and y have the type [N,…,C]. */
void umb__reference_mix(const struct umb_mix *by, const struct umb_type *type, int n_in,
                        int first_input, const struct umb_ref_tensor *x, const double *w,
                        double *y);

/* The gradient into one input, x_index: an op with inputs weights and dy [N,…,C], and these
 * attributes. umb__grad_mix_input adds a node of it and gives its output to input `to`. */
struct umb_mix_input_attrs {
    int64_t index;
};
UMB_MUST_USE enum umb_status umb__grad_mix_input(struct umb_grad *g, const char *op, int weights,
                                                 int index, int to);
UMB_MUST_USE enum umb_status umb__infer_mix_input(struct umb_infer *io);
UMB_MUST_USE enum umb_status umb__emit_mix_input(struct umb_emit *e, const struct umb_mix *by);
void umb__reference_mix_input(const struct umb_reference *r, const struct umb_mix *by);

/* The gradient into the weights, Σ dy·x_j over all that shares a weight: of an op whose input
 * number `dy` is dy, and the n behind it are x_0 …, all [N,…,C]. */
UMB_MUST_USE enum umb_status umb__emit_mix_weights(struct umb_emit *e, const struct umb_mix *by,
                                                   int dy, int n);
/* The same in double. */
void umb__reference_mix_weights(const struct umb_reference *r, const struct umb_mix *by, int dy,
                                int n);

#endif

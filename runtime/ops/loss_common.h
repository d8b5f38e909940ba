/*
 * loss_common.h: what every loss has in common.
 *
 * Forward: (prediction, labels, mask [N]) → (loss [1], total [1]), loss = Σ w·ℓ / total and total =
 * Σ w over what counts; both 0 where nothing does. Backward: (prediction, labels, mask, total,
 * dloss [1]) → dprediction, exactly 0 for what does not count, whatever stands there. A sample with
 * mask ≤ 0 does not count; a loss may leave out single labels too.
 */
#ifndef UMB_LOSS_COMMON_H
#define UMB_LOSS_COMMON_H

#include "spread.h"

/* Checks the types of the three inputs and sets the two outputs. label_shape: what the labels must
 * have for this prediction. */
UMB_MUST_USE enum umb_status umb__loss_infer(struct umb_infer *io, enum umb_dtype label_dtype,
                                             const struct umb_shape *label_shape);
UMB_MUST_USE enum umb_status umb__loss_backward_infer(struct umb_infer *io);
/* Adds the node `backward` for the prediction's gradient. */
UMB_MUST_USE enum umb_status umb__loss_grad(struct umb_grad *g, const char *backward);

/* How a loss kernel walks n rows or entries of `width` numbers. */
struct umb_loss_walk {
    struct umb_spread spread;
    const char *options;
    int sums;             /* the temporary [groups,2] of a forward kernel */
    size_t scratch_bytes; /* local memory of its group sums */
};
/* weights: of classes or columns, compiled in; n = 0 for none. */
UMB_MUST_USE enum umb_status umb__loss_walk(struct umb_emit *e, int64_t n, int64_t width,
                                            const struct umb_floats *weights,
                                            struct umb_loss_walk *ret_walk);
/* Behind the forward kernel: joins the groups' sums, where there is more than one. */
UMB_MUST_USE enum umb_status umb__loss_finish(struct umb_emit *e, const struct umb_loss_walk *walk);

/* For references: whether sample n counts, loss and total from their sums, dloss / total. */
bool umb__loss_counts(const struct umb_reference *r, int64_t n);
void umb__loss_put(const struct umb_reference *r, double loss_sum, double total);
double umb__loss_scale(const struct umb_reference *r);

#endif

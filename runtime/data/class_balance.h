/*
 * class_balance.h: classes of a target counted, and drawn equally often.
 *
 * In a balanced pass every class that occurs has the same number of places, or one more for the
 * first few; samples without a label have as many places as there are of them, and the pass as
 * many as the split has samples. Each class walks through its samples in a new order each time,
 * from pass to pass without a break, so that none is drawn again before all others were. What a
 * pass holds is a function of its number alone.
 */
#ifndef UMB_CLASS_BALANCE_H
#define UMB_CLASS_BALANCE_H

#include <umbel/data.h>

struct umb_balance;

/* Counts the labels of a split: of samples, or of pixels. label_of [the target's n_classes] → class
 * (−1: none), or NULL; counts [n_classes] are added to. Reads all masks of a PIXELS target. */
UMB_MUST_USE enum umb_status umb__class_counts(struct umb_context *ctx, struct umb_dataset *ds,
                                               enum umb_split split, size_t target,
                                               const int32_t *label_of, uint64_t *counts);

/* Of the training split and a CLASS target. n_classes: behind label_of. */
UMB_MUST_USE enum umb_status umb__balance_create(struct umb_context *ctx, struct umb_dataset *ds,
                                                 size_t target, const int32_t *label_of,
                                                 int64_t n_classes,
                                                 struct umb_balance **ret_balance);
void umb__balance_destroy(struct umb_balance *b);

/* The samples of a pass, in order [count of the split]. scratch [count]. */
void umb__balance_pass(const struct umb_balance *b, uint64_t seed, uint32_t stream, int64_t pass,
                       uint32_t *scratch, uint32_t *ret_order);

#endif

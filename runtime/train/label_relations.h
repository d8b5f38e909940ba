/*
 * label_relations.h: what the training labels say of how tasks are related, without a device.
 */
#ifndef UMB_LABEL_RELATIONS_H
#define UMB_LABEL_RELATIONS_H

#include "label_set.h"
#include "relations.h"

/*
 * Adds mutual_information, jensen_shannon, kl and both_labels, from the label sets of all tasks, in
 * the relations' order. Undefined (NaN) are:
 *   mutual_information, both_labels   tasks of different data; no sample with both labels, or one
 *                                     class alone in them; tables of more than UMB_LABEL_MOST_CELLS
 *   jensen_shannon, kl                classes against numbers, classes of different number, and
 *                                     tasks without labels
 * Of several numbers mutual information is the mean over the pairs of them, and distributions are
 * those of all their values, in UMB_LABEL_HISTOGRAM bins over both tasks' range.
 */
UMB_MUST_USE enum umb_status umb__label_relations(struct umb_relations *r,
                                                  const struct umb_label_set *sets);
#define UMB_LABEL_MOST_CELLS ((size_t)1 << 24)
#define UMB_LABEL_HISTOGRAM 32

#endif

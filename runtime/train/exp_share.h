/*
 * exp_share.h: the parts of the `share` section. Both read a key into exp->share, whose trunks are
 * known.
 */
#ifndef UMB_EXP_SHARE_H
#define UMB_EXP_SHARE_H

#include "experiment.h"

/* {a: {b: 1}}, [[a, b, 1]] or a symmetric matrix. */
UMB_MUST_USE enum umb_status umb__exp_read_relations(struct umb_experiment *exp,
                                                     const struct umb_yaml *node);
/* A row for each trunk, or `all`. */
UMB_MUST_USE enum umb_status umb__exp_read_combinations(struct umb_experiment *exp,
                                                        const struct umb_yaml *node);

#endif

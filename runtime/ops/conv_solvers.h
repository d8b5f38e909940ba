/*
 * conv_solvers.h: the emit functions behind the solver tables of convolution; see conv_solvers.c.
 */
#ifndef UMB_CONV_SOLVERS_H
#define UMB_CONV_SOLVERS_H

#include "conv.h"

UMB_MUST_USE enum umb_status umb__conv_naive_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_naive_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_naive_weights(struct umb_emit *e);

/* Register tiles, on CPUs. */
UMB_MUST_USE enum umb_status umb__conv_direct_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_direct_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_direct_weights(struct umb_emit *e);

/* One channel a group, on CPUs. */
UMB_MUST_USE enum umb_status umb__conv_depthwise_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_depthwise_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_depthwise_weights(struct umb_emit *e);

/* 1×1 by CLBlast. */
int umb__conv_pointwise_rank_forward(const struct umb_problem *p);
int umb__conv_pointwise_rank_data(const struct umb_problem *p);
int umb__conv_pointwise_rank_weights(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_pointwise_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_pointwise_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_pointwise_weights(struct umb_emit *e);

#endif

/*
 * gpu_depthwise.h: the solver of convolutions with one channel a group on GPUs.
 */
#ifndef UMB_GPU_DEPTHWISE_H
#define UMB_GPU_DEPTHWISE_H

#include "gpu_conv.h"

int umb__gpu_depthwise_rank(const struct umb_problem *p); /* of all three passes */
UMB_MUST_USE enum umb_status umb__emit_gpu_depthwise_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__emit_gpu_depthwise_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__emit_gpu_depthwise_weights(struct umb_emit *e);

#endif

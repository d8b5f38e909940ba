/*
 * gpu_conv.h: what is fused into a convolution, as kernels of their own beside a GPU solver's
 * product. Each does nothing where the convolution does not ask for it.
 */
#ifndef UMB_GPU_CONV_H
#define UMB_GPU_CONV_H

#include "gpu_tile.h"

/* Where the product goes: output 0, or a temporary [N,P,Q,K] that umb__emit_gpu_pool then reads. */
UMB_MUST_USE enum umb_status umb__gpu_unpooled(struct umb_emit *e, const struct umb_conv *g,
                                               int *ret_v);
UMB_MUST_USE enum umb_status umb__emit_gpu_pool(struct umb_emit *e, const struct umb_conv *g,
                                                int v);
/* Output 1 = Σ dv. */
UMB_MUST_USE enum umb_status umb__emit_gpu_dbias(struct umb_emit *e, const struct umb_conv *g,
                                                 int dv);

#endif

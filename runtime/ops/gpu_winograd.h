/*
 * gpu_winograd.h: convolution by Winograd's transforms on GPUs (cl/gpu_winograd.cl), as solver
 * rows: 3×3, stride 1, no dilation, one group, channels in fours.
 */
#ifndef UMB_GPU_WINOGRAD_H
#define UMB_GPU_WINOGRAD_H

#include "gpu_conv.h"

#define UMB_GPU_DECLARE_WINOGRAD(pass)     \
    UMB_GPU_DECLARE(conv, pass, winograd4) \
    UMB_GPU_DECLARE(conv, pass, winograd2)
UMB_GPU_DECLARE_WINOGRAD(forward)
UMB_GPU_DECLARE_WINOGRAD(data)
UMB_GPU_DECLARE_WINOGRAD(weights)

#define UMB_GPU_WINOGRAD_ROWS(pass)                                                          \
    {"gpu_winograd4", umb__gpu_conv_winograd4_##pass, umb__emit_gpu_conv_winograd4_##pass},  \
    {                                                                                        \
        "gpu_winograd2", umb__gpu_conv_winograd2_##pass, umb__emit_gpu_conv_winograd2_##pass \
    }

#endif

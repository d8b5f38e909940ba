/*
 * conv_solvers.h: the emit functions behind the solver tables of convolution; see conv_solvers.c.
 */
#ifndef UMB_CONV_SOLVERS_H
#define UMB_CONV_SOLVERS_H

#include "conv.h"

/* What is fused into a convolution (conv.h), as far as a row's kernels know it: a row must refuse
 * the rest, so `applicable` begins with `if (!umb__conv_knows(&g, UMB_FUSED_MASK)) { return 0; }`
 * or with 0 where it knows nothing. */
#define UMB_FUSED_POOL 1u
#define UMB_FUSED_MASK 2u
#define UMB_FUSED_DBIAS 4u
bool umb__conv_knows(const struct umb_conv *g, unsigned known);
/* For kernels that know pooling by its full gradient only. *ret_dv: dy itself, or with pool a
 * temporary [N,P,Q,K] made from it and pass (conv_spread.c). */
UMB_MUST_USE enum umb_status umb__emit_conv_spread(struct umb_emit *e, const struct umb_conv *g,
                                                   int dy, int pass, int *ret_dv);

UMB_MUST_USE enum umb_status umb__conv_naive_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_naive_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_naive_weights(struct umb_emit *e);

/* Register tiles, on CPUs. */
UMB_MUST_USE enum umb_status umb__conv_direct_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_direct_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_direct_weights(struct umb_emit *e);

/* 3×3 by Winograd's transforms, tiles of 4×4 or 2×2 outputs, on CPUs. */
int umb__conv_winograd4_rank_forward(const struct umb_problem *p);
int umb__conv_winograd4_rank_data(const struct umb_problem *p);
int umb__conv_winograd2_rank_forward(const struct umb_problem *p);
int umb__conv_winograd2_rank_data(const struct umb_problem *p);
int umb__conv_winograd4_rank_weights(const struct umb_problem *p);
int umb__conv_winograd2_rank_weights(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_winograd4_weights(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_winograd2_weights(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_winograd4_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_winograd4_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_winograd2_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_winograd2_data(struct umb_emit *e);

/* One channel a group, on CPUs. */
UMB_MUST_USE enum umb_status umb__conv_depthwise_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_depthwise_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_depthwise_weights(struct umb_emit *e);

/* Few channels in, on CPUs; the rank is the same both ways. */
int umb__conv_thin_rank(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_thin_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_thin_weights(struct umb_emit *e);

/* Few channels out, or in on the way back, on CPUs. */
int umb__conv_narrow_rank_forward(const struct umb_problem *p);
int umb__conv_narrow_rank_data(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_narrow_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_narrow_data(struct umb_emit *e);

/* Images of a few pixels, on CPUs. */
int umb__conv_small_rank_forward(const struct umb_problem *p);
int umb__conv_small_rank_data(const struct umb_problem *p);
int umb__conv_small_rank_weights(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_small_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_small_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_small_weights(struct umb_emit *e);
/* The same for a geometry of the caller's, if it fits the kernel's panels: a dense layer of few
 * rows is a convolution of images of one pixel. */
bool umb__small_weights_fit(const struct umb_conv *g);
UMB_MUST_USE enum umb_status umb__emit_small_weights(struct umb_emit *e, const struct umb_conv *g,
                                                     int beside);

/* 1×1 by CLBlast. */
int umb__conv_pointwise_rank_forward(const struct umb_problem *p);
int umb__conv_pointwise_rank_data(const struct umb_problem *p);
int umb__conv_pointwise_rank_weights(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_pointwise_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_pointwise_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_pointwise_weights(struct umb_emit *e);

/* 1×1 by packed panels, on CPUs; the rank is the same all three ways. */
int umb__conv_packed_rank(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_packed_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_packed_data(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_packed_weights(struct umb_emit *e);

/* 1×1 with x or dy read where it lies, on CPUs. */
int umb__conv_rows_rank_forward(const struct umb_problem *p);
int umb__conv_rows_rank_data(const struct umb_problem *p);
UMB_MUST_USE enum umb_status umb__conv_rows_forward(struct umb_emit *e);
UMB_MUST_USE enum umb_status umb__conv_rows_data(struct umb_emit *e);

#endif

/*
 * many.h: merged steps, for those that bind them.
 */
#ifndef UMB_MANY_H
#define UMB_MANY_H

#include "steps.h"

/* A buffer argument's place in elements. Errors: UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__step_offset(struct umb_context *ctx, const struct umb_step *step,
                                              const struct umb_step_arg *a,
                                              const struct umb_view *view, uint64_t *ret_offset);
/* The launch of a merged step; args[UMB_MAX_KERNEL_ARGS], zeroed. */
UMB_MUST_USE enum umb_status umb__many_describe(struct umb_context *ctx, const struct umb_step *s,
                                                struct umb_buffer *table, umb_resolve_fn resolve,
                                                void *user, struct umb_launch_arg *args,
                                                struct umb_launch_desc *ret_desc);
/* Where argument `arg` of the step, a buffer, stands among the launch's. */
size_t umb__many_index(const struct umb_step *s, size_t arg);

#endif

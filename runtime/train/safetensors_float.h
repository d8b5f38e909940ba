/*
 * safetensors_float.h: floats of other sizes than 32 bits, as other tools write them.
 *
 * F16 and BF16 become F32 exactly. F64 is rounded to the nearest; what is too large for F32 becomes
 * infinite.
 */
#ifndef UMB_SAFETENSORS_FLOAT_H
#define UMB_SAFETENSORS_FLOAT_H

#include <stdbool.h>
#include <stddef.h>
#include <umbel/context.h>

/* F16, BF16 or F64; *ret_bytes of one. */
bool umb__float_is_other(const char *dtype, size_t *ret_bytes);
/* n of them as F32, in an array to be freed with umb__free; NULL: no memory. `data` need not be
 * aligned. */
float *umb__float_to_f32(struct umb_context *ctx, const char *dtype, const void *data, size_t n);

#endif

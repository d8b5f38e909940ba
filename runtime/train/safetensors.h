/*
 * safetensors.h: reading and writing safetensors files.
 *
 * Format: u64 little-endian header size, a JSON object {name: {dtype, shape, data_offsets},
 * __metadata__: {text: text}}, then the data. Only F32, I32, U8 and I64 are understood, and F16,
 * BF16 and F64, which are F32 once they are read. A file is
 * read whole and checked wholly: header size, JSON, unknown dtypes, shapes against sizes, offsets
 * that overlap, leave holes or point outside. Written with sorted names, atomically.
 */
#ifndef UMB_SAFETENSORS_H
#define UMB_SAFETENSORS_H

#include <stddef.h>
#include <umbel/context.h>
#include <umbel/shape.h>

struct umb_safetensors; /* a set of named tensors and texts; owns its memory */

UMB_MUST_USE enum umb_status umb__safetensors_create(struct umb_context *ctx,
                                                     struct umb_safetensors **ret_file);
void umb__safetensors_destroy(struct umb_safetensors *f);
/* Copies the data (count of shape × size of dtype). A name twice is UMB_ERR_INVALID. dtype: "F32",
 * "I32", "U8", "I64". */
UMB_MUST_USE enum umb_status umb__safetensors_add(struct umb_safetensors *f, const char *name,
                                                  const char *dtype, const struct umb_shape *shape,
                                                  const void *data);
UMB_MUST_USE enum umb_status umb__safetensors_add_text(struct umb_safetensors *f, const char *key,
                                                       const char *value);
UMB_MUST_USE enum umb_status umb__safetensors_write(struct umb_safetensors *f, const char *path);
/* Errors: UMB_ERR_IO, UMB_ERR_FORMAT ("PATH: …"). */
UMB_MUST_USE enum umb_status umb__safetensors_read(struct umb_context *ctx, const char *path,
                                                   struct umb_safetensors **ret_file);

struct umb_safetensors_entry {
    const char *name, *dtype;
    struct umb_shape shape;
    const void *data;
};
size_t umb__safetensors_count(const struct umb_safetensors *f);
const struct umb_safetensors_entry *umb__safetensors_at(const struct umb_safetensors *f,
                                                        size_t index);
const struct umb_safetensors_entry *umb__safetensors_find(const struct umb_safetensors *f,
                                                          const char *name); /* NULL: none */
const char *umb__safetensors_text(const struct umb_safetensors *f,
                                  const char *key); /* NULL: none */

#endif

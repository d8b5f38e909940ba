/*
 * safetensors_set.h: what a set of tensors is made of, for safetensors.c (building and writing) and
 * safetensors_read.c alone.
 *
 * Invariant: entries and texts have distinct names; entry i's data has exactly the bytes that its
 * dtype and shape say.
 */
#ifndef UMB_SAFETENSORS_SET_H
#define UMB_SAFETENSORS_SET_H

#include "safetensors.h"
#include <stdbool.h>

struct umb_safetensors {
    struct umb_context *ctx;
    struct umb_safetensors_entry *entry;
    size_t n_entries, entry_capacity;
    struct umb_safetensors_metadata {
        const char *key, *value;
    } * text;
    size_t n_texts, text_capacity;
};

#define UMB_SAFETENSORS_METADATA "__metadata__"

/* The four dtypes; NULL when dtype is none of them. *ret_bytes of one element. */
const char *umb__safetensors_dtype(const char *dtype, size_t *ret_bytes);
/* Bytes of a tensor; false when an extent is below 1, the rank is wrong or the size overflows. */
bool umb__safetensors_bytes(const struct umb_shape *shape, size_t element, size_t *ret_bytes);

#endif

/*
 * cache_entry.h: the bytes of one file of the kernel cache. No files here, and no OpenCL.
 *
 *   8  magic "UMBKERN\n"
 *   4  format version        4  CRC-32 of everything behind this field
 *   8  key size              8  binary size            (all little-endian)
 *      key                      binary, to the end of the file
 *
 * The key is the whole text that determines the binary, so that neither a collision of file names
 * nor a file from elsewhere is ever taken for the right one. Nothing read is trusted: an entry is
 * right in every field, or it is none.
 */
#ifndef UMB_CACHE_ENTRY_H
#define UMB_CACHE_ENTRY_H

#include <stddef.h>
#include <umbel/context.h>

#define UMB_CACHE_HEADER_BYTES 32

struct umb_bytes {
    const void *data;
    size_t size;
};

/* *ret_data is freed with umb__free. Errors: UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__cache_entry_encode(struct umb_context *ctx, struct umb_bytes key,
                                                     struct umb_bytes binary,
                                                     unsigned char **ret_data, size_t *ret_size);

/* NULL if `file` is an entry for `key`: *ret_binary then points into it. Else what is wrong. */
const char *umb__cache_entry_decode(struct umb_bytes file, struct umb_bytes key,
                                    struct umb_bytes *ret_binary);

#endif

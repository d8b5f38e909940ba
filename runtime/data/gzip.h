/*
 * gzip.h: reading a gzip stream that lies in memory, piece by piece and never further than asked.
 *
 * Several members one after another are one stream. Whoever reads says how many bytes he expects;
 * a stream that holds fewer, or anything behind, is an error that names the path.
 */
#ifndef UMB_GZIP_H
#define UMB_GZIP_H

#include "fail.h"
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

struct umb_gzip {
    struct umb_context *ctx;
    const char *path;
    z_stream z;
    bool ended; /* the last member's end was read, and nothing follows */
};

bool umb__gzip_is(const void *data, size_t size); /* by the first two bytes */

/* data (size < 4 GiB) and path outlive the stream. On failure nothing is to be finished. */
UMB_MUST_USE enum umb_status umb__gzip_init(struct umb_context *ctx, const char *path,
                                            const void *data, size_t size, struct umb_gzip *gz);
void umb__gzip_finish(struct umb_gzip *gz);

/* Exactly n bytes. */
UMB_MUST_USE enum umb_status umb__gzip_read(struct umb_gzip *gz, void *out, size_t n);
/* Checks that the stream, and the data with it, ends here. */
UMB_MUST_USE enum umb_status umb__gzip_expect_end(struct umb_gzip *gz);

/* The whole stream at once, which must hold exactly n bytes. */
UMB_MUST_USE enum umb_status umb__gzip_unpack(struct umb_context *ctx, const char *path,
                                              const void *data, size_t size, void *out, size_t n);

/* No gzip stream of size bytes expands to more than this (deflate's limit is 1032 : 1). */
uint64_t umb__gzip_most(size_t size);

#endif

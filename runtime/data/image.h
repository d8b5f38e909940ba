/*
 * image.h: decoding PNG and JPEG, and bringing an image to a size and a number of channels.
 *
 * An encoded file is bytes in memory and a path for messages. Nothing here trusts a header: sizes
 * are checked before anything is allocated, and neither decoder can exit or print.
 */
#ifndef UMB_IMAGE_H
#define UMB_IMAGE_H

#include <umbel/data.h>

#define UMB_IMAGE_MAX_SIDE 16384
#define UMB_IMAGE_MAX_BYTES ((int64_t)256 << 20) /* decoded, and of a file */

enum umb_decode_mode {
    UMB_DECODE_IMAGE,   /* 8-bit grey or colour; alpha is dropped, 16 bits become 8 */
    UMB_DECODE_INDICES, /* a PNG's grey or palette values as they are stored: masks */
    UMB_DECODE_HEADER   /* height, width, channels; pixels stay NULL */
};

struct umb_encoded {
    struct umb_context *ctx;
    const char *path;
    const uint8_t *data;
    size_t size;
};

/* Decodes by content. *ret_image is written on success only and freed with umb_image_free. */
UMB_MUST_USE enum umb_status umb__image_decode(const struct umb_encoded *file,
                                               enum umb_decode_mode mode,
                                               struct umb_image *ret_image);
UMB_MUST_USE enum umb_status umb__png_decode(const struct umb_encoded *file,
                                             enum umb_decode_mode mode,
                                             struct umb_image *ret_image);
UMB_MUST_USE enum umb_status umb__jpeg_decode(const struct umb_encoded *file,
                                              enum umb_decode_mode mode,
                                              struct umb_image *ret_image);

/* Reads and decodes a file; HEADER reads no more of it than it has to. */
UMB_MUST_USE enum umb_status umb__image_open(struct umb_context *ctx, const char *path,
                                             enum umb_decode_mode mode,
                                             struct umb_image *ret_image);

/* Fails with `status` and the bounds when a side or the bytes are beyond what we hold. */
UMB_MUST_USE enum umb_status umb__image_check_size(struct umb_context *ctx, const char *what,
                                                   int64_t height, int64_t width, int64_t channels,
                                                   enum umb_status status);

/* src brought to shape (H, W, C) into dst[H·W·C]. */
UMB_MUST_USE enum umb_status umb__image_fit(struct umb_context *ctx, const struct umb_image *src,
                                            const int64_t shape[3], uint8_t *dst);

/*
 * Scales [h,w,c] to [H,W,c]. A separable triangle filter as wide as a source pixel when growing
 * (bilinear, pixel centres at half steps) and as a target pixel when shrinking (every source pixel
 * counts by its share).
 */
UMB_MUST_USE enum umb_status umb__scale_smooth(struct umb_context *ctx, const struct umb_image *src,
                                               int64_t height, int64_t width, uint8_t *dst);
/* The value of the source pixel that the centre of each target pixel lies in; one channel. */
void umb__scale_nearest(const struct umb_image *src, int64_t height, int64_t width, uint8_t *dst);

#endif

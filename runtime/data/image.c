/* image.c: from a file to an image of the size and channels asked for. */
#include "image.h"
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A header nearly always lies within this; only photographs with much metadata go beyond. */
#define HEADER_BYTES ((size_t)64 << 10)

enum umb_status umb__image_check_size(struct umb_context *ctx, const char *what, int64_t height,
                                      int64_t width, int64_t channels, enum umb_status status)
{
    if (height > UMB_IMAGE_MAX_SIDE || width > UMB_IMAGE_MAX_SIDE) {
        return umb__fail(ctx, status, "%s: an image of %lld×%lld; expected at most %d a side", what,
                         (long long)height, (long long)width, UMB_IMAGE_MAX_SIDE);
    }
    if (height * width * channels > UMB_IMAGE_MAX_BYTES) {
        return umb__fail(ctx, status,
                         "%s: an image of %lld×%lld with %lld channels; expected at most %lld MiB",
                         what, (long long)height, (long long)width, (long long)channels,
                         (long long)(UMB_IMAGE_MAX_BYTES >> 20));
    }
    return UMB_OK;
}

enum umb_status umb__image_decode(const struct umb_encoded *file, enum umb_decode_mode mode,
                                  struct umb_image *ret_image)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t jpeg[3] = {0xff, 0xd8, 0xff};
    if (file->size == 0) {
        return umb__fail(file->ctx, UMB_ERR_FORMAT, "%s: empty; expected an image", file->path);
    }
    if (file->size >= sizeof png && memcmp(file->data, png, sizeof png) == 0) {
        return umb__png_decode(file, mode, ret_image);
    }
    bool is_jpeg = file->size >= sizeof jpeg && memcmp(file->data, jpeg, sizeof jpeg) == 0;
    if (is_jpeg && mode == UMB_DECODE_INDICES) {
        return umb__fail(file->ctx, UMB_ERR_FORMAT,
                         "%s: a JPEG, which does not keep indices; expected a PNG as mask",
                         file->path);
    }
    if (is_jpeg) { return umb__jpeg_decode(file, mode, ret_image); }
    return umb__fail(file->ctx, UMB_ERR_FORMAT, "%s: neither a PNG nor a JPEG by its content",
                     file->path);
}

/* Tries the first bytes of a file; *ret_whole says that they are all of it. */
static enum umb_status open_head(struct umb_context *ctx, const char *path,
                                 struct umb_image *ret_image, bool *ret_whole)
{
    *ret_whole = true;
    uint8_t *head = umb__calloc(ctx, HEADER_BYTES, 1);
    FILE *f = head ? fopen(path, "rb") : NULL;
    enum umb_status st = UMB_OK;
    if (f == NULL) {
        st = head ? umb__fail(ctx, UMB_ERR_IO, "%s: cannot be read (%s)", path, strerror(errno))
                  : UMB_ERR_NO_MEMORY;
    } else {
        const struct umb_encoded file = {ctx, path, head, fread(head, 1, HEADER_BYTES, f)};
        *ret_whole = file.size < HEADER_BYTES;
        st = umb__image_decode(&file, UMB_DECODE_HEADER, ret_image);
        fclose(f);
    }
    umb__free(head);
    return st;
}

enum umb_status umb__image_open(struct umb_context *ctx, const char *path,
                                enum umb_decode_mode mode, struct umb_image *ret_image)
{
    if (mode == UMB_DECODE_HEADER && umb__is_file(path)) {
        bool whole;
        enum umb_status st = open_head(ctx, path, ret_image, &whole);
        if (st == UMB_OK || whole) { return st; }
    }
    char *data;
    size_t size;
    enum umb_status st = umb__file_read(ctx, path, (size_t)UMB_IMAGE_MAX_BYTES, &data, &size);
    if (st != UMB_OK) { return st; }
    const struct umb_encoded file = {ctx, path, (const uint8_t *)data, size};
    st = umb__image_decode(&file, mode, ret_image);
    umb__free(data);
    return st;
}

/* Weights of ITU-R BT.601, in 1/65536; they add up to one. */
static void to_grey(const uint8_t *rgb, size_t n, uint8_t *grey)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t y = 19595u * rgb[3 * i] + 38470u * rgb[3 * i + 1] + 7471u * rgb[3 * i + 2];
        grey[i] = (uint8_t)((y + 32768u) >> 16);
    }
}

/* In place, from the end: grey[0…n−1] becomes rgb[0…3n−1]. */
static void spread_grey(uint8_t *pixels, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
    }
}

/* Scales, or copies where the size is right. */
static enum umb_status resize(struct umb_context *ctx, const struct umb_image *src, int64_t height,
                              int64_t width, uint8_t *dst)
{
    if (src->height == height && src->width == width) {
        memcpy(dst, src->pixels, (size_t)(height * width * src->channels));
        return UMB_OK;
    }
    return umb__scale_smooth(ctx, src, height, width, dst);
}

/* Colours go before scaling and come behind it: either way the fewer channels are scaled. */
enum umb_status umb__image_fit(struct umb_context *ctx, const struct umb_image *src,
                               const int64_t shape[3], uint8_t *dst)
{
    if (src->channels == 1 || shape[2] == src->channels) {
        enum umb_status st = resize(ctx, src, shape[0], shape[1], dst);
        if (st == UMB_OK && shape[2] != src->channels) {
            spread_grey(dst, (size_t)(shape[0] * shape[1]));
        }
        return st;
    }
    size_t n = (size_t)(src->height * src->width);
    struct umb_image grey = {src->height, src->width, 1, umb__calloc(ctx, n, 1)};
    if (grey.pixels == NULL) { return UMB_ERR_NO_MEMORY; }
    to_grey(src->pixels, n, grey.pixels);
    enum umb_status st = resize(ctx, &grey, shape[0], shape[1], dst);
    umb__free(grey.pixels);
    return st;
}

static enum umb_status check_request(struct umb_context *ctx, const char *path, int64_t height,
                                     int64_t width, int64_t channels)
{
    if (path == NULL || height < 0 || width < 0 || (height == 0) != (width == 0) ||
        (channels != 0 && channels != 1 && channels != 3)) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: cannot be loaded as %lld×%lld with %lld channels; expected both "
                         "sides or 0, and 1, 3 or 0 channels",
                         path ? path : "(no path)", (long long)height, (long long)width,
                         (long long)channels);
    }
    return umb__image_check_size(ctx, path, height, width, 3, UMB_ERR_INVALID);
}

enum umb_status umb_image_load(struct umb_context *ctx, const char *path, int64_t height,
                               int64_t width, int64_t channels, struct umb_image *ret_image)
{
    enum umb_status st = check_request(ctx, path, height, width, channels);
    struct umb_image src = {.pixels = NULL};
    if (st == UMB_OK) { st = umb__image_open(ctx, path, UMB_DECODE_IMAGE, &src); }
    if (st != UMB_OK) { return st; }
    int64_t shape[3] = {height ? height : src.height, width ? width : src.width,
                        channels ? channels : src.channels};
    uint8_t *pixels = umb__calloc(ctx, (size_t)(shape[0] * shape[1] * shape[2]), 1);
    st = pixels ? umb__image_fit(ctx, &src, shape, pixels) : UMB_ERR_NO_MEMORY;
    umb_image_free(&src);
    if (st != UMB_OK) {
        umb__free(pixels);
        return st;
    }
    *ret_image = (struct umb_image){shape[0], shape[1], shape[2], pixels};
    return UMB_OK;
}

void umb_image_free(struct umb_image *image)
{
    if (image == NULL) { return; }
    umb__free(image->pixels);
    image->pixels = NULL;
}

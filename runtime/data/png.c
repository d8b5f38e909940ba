/*
 * png.c: PNG through libpng, from memory, with its errors caught.
 *
 * libpng leaves by longjmp. All that has to survive it lives in struct decoder, on the frame of the
 * function that calls the one with setjmp.
 */
#include "alloc.h"
#include "fail.h"
#include "image.h"
#include <png.h>
#include <stdio.h>
#include <string.h>

struct decoder {
    const struct umb_encoded *file;
    enum umb_decode_mode mode;
    size_t at;
    png_structp png;
    png_infop info;
    struct umb_image image;
    png_bytepp rows;
    enum umb_status status; /* set, with its message, before we leave by longjmp ourselves */
    bool out_of_memory;
    char text[160]; /* libpng's message */
};

static PNG_NORETURN void on_error(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);
    snprintf(d->text, sizeof d->text, "%s", text);
    png_longjmp(png, 1);
}

/* Warnings are about chunks that we do not use. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp take(png_structp png, png_alloc_size_t size)
{
    struct decoder *d = png_get_mem_ptr(png);
    void *p = umb__calloc(d->file->ctx, size, 1);
    d->out_of_memory |= p == NULL;
    return p;
}

static void give(png_structp png, png_voidp p)
{
    (void)png;
    umb__free(p);
}

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    struct decoder *d = png_get_io_ptr(png);
    if (n > d->file->size - d->at) { png_error(png, "it ends early"); }
    memcpy(out, d->file->data + d->at, n);
    d->at += n;
}

/* Leaves with a status of ours. */
static void require(struct decoder *d, enum umb_status status)
{
    d->status = status;
    if (status != UMB_OK) { png_longjmp(d->png, 1); }
}

static void check_indices(struct decoder *d, int colour, int depth)
{
    if ((colour != PNG_COLOR_TYPE_GRAY && colour != PNG_COLOR_TYPE_PALETTE) || depth > 8) {
        require(d, umb__fail(d->file->ctx, UMB_ERR_FORMAT,
                             "%s: a mask of %d bits with %d channels; expected 8-bit class indices "
                             "in one channel",
                             d->file->path, depth, (int)png_get_channels(d->png, d->info)));
    }
    png_set_packing(d->png); /* 1, 2 and 4 bits to a byte each, values as they are */
}

static void ask_for_8_bits(struct decoder *d)
{
    png_set_expand(d->png); /* palette to RGB, few bits of grey to 8 */
    png_set_scale_16(d->png);
    png_set_strip_alpha(d->png);
}

static void read_header(struct decoder *d)
{
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* our own check names them */
    /* Texts and profiles are skipped: packed ones may unfold to gigabytes. */
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(d->png, d->info);
    int colour = png_get_color_type(d->png, d->info);
    d->image.height = png_get_image_height(d->png, d->info);
    d->image.width = png_get_image_width(d->png, d->info);
    d->image.channels = colour & PNG_COLOR_MASK_COLOR ? 3 : 1;
    /* Four channels: an alpha channel is there until libpng has stripped it. */
    require(d, umb__image_check_size(d->file->ctx, d->file->path, d->image.height, d->image.width,
                                     4, UMB_ERR_FORMAT));
    if (d->mode == UMB_DECODE_INDICES) {
        check_indices(d, colour, png_get_bit_depth(d->png, d->info));
        d->image.channels = 1;
    } else {
        ask_for_8_bits(d);
    }
}

static void read_pixels(struct decoder *d)
{
    struct umb_image *image = &d->image;
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    size_t row_bytes = (size_t)(image->width * image->channels);
    if (png_get_rowbytes(d->png, d->info) != row_bytes) { png_error(d->png, "odd row size"); }
    image->pixels = umb__calloc(d->file->ctx, (size_t)image->height, row_bytes);
    d->rows = umb__calloc(d->file->ctx, (size_t)image->height, sizeof *d->rows);
    require(d, image->pixels && d->rows ? UMB_OK : UMB_ERR_NO_MEMORY);
    for (int64_t y = 0; y < image->height; y++) {
        d->rows[y] = image->pixels + (size_t)y * row_bytes;
    }
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL);
}

/* True when all went well; libpng's errors come back here. */
static bool decode(struct decoder *d)
{
    if (setjmp(png_jmpbuf(d->png))) { return false; }
    png_set_read_fn(d->png, d, read_bytes);
    read_header(d);
    if (d->mode != UMB_DECODE_HEADER) { read_pixels(d); }
    return true;
}

static enum umb_status run(struct decoder *d)
{
    struct umb_context *ctx = d->file->ctx;
    d->png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, d, on_error, on_warning, d, take, give);
    if (d->png) { d->info = png_create_info_struct(d->png); }
    if (d->info == NULL) {
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: no memory to decode it", d->file->path);
    }
    if (decode(d)) { return UMB_OK; }
    if (d->status != UMB_OK) { return d->status; }
    if (d->out_of_memory) {
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: no memory to decode it", d->file->path);
    }
    return umb__fail(ctx, UMB_ERR_FORMAT, "%s: damaged PNG: %s", d->file->path, d->text);
}

enum umb_status umb__png_decode(const struct umb_encoded *file, enum umb_decode_mode mode,
                                struct umb_image *ret_image)
{
    struct decoder d = {.file = file, .mode = mode};
    enum umb_status st = run(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    umb__free(d.rows);
    if (st != UMB_OK) {
        umb_image_free(&d.image);
        return st;
    }
    *ret_image = d.image;
    return UMB_OK;
}

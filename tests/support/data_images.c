/* data_images.c: PNG and JPEG files in memory, for data_files.h. */
#include "data_files.h"
#include "system.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jpeglib.h>
#include <png.h>

static void append(png_structp png, png_bytep data, size_t n)
{
    struct blob *b = png_get_io_ptr(png);
    b->data = realloc(b->data, b->n + n);
    if (!b->data) { abort(); }
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void add_palette(png_structp png, png_infop info, int depth)
{
    png_color colour[256];
    png_byte alpha[2] = {0, 128};
    int n = 1 << depth;
    for (int i = 0; i < n; i++) {
        colour[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(2 * i)};
    }
    png_set_PLTE(png, info, colour, n);
    png_set_tRNS(png, info, alpha, 2, NULL);
}

/* rows: [height][row bytes], in the file's own depth and order */
static struct blob write_png(const struct png_plan *p, const uint8_t *rows, size_t row_bytes)
{
    struct blob b = {NULL, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    assert_non_null(info);
    png_set_write_fn(png, &b, append, flush_nothing);
    png_set_IHDR(png, info, p->width, p->height, p->depth, p->colour,
                 p->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (p->colour == PNG_COLOR_TYPE_PALETTE) { add_palette(png, info, p->depth); }
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    for (int i = 0; i < passes; i++) {
        for (uint32_t y = 0; y < p->height; y++) {
            png_write_row(png, rows + y * row_bytes);
        }
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return b;
}

static size_t samples_a_pixel(int colour)
{
    return (colour == PNG_COLOR_TYPE_PALETTE ? 1u
            : colour & PNG_COLOR_MASK_COLOR  ? 3u
                                             : 1u) +
           (colour & PNG_COLOR_MASK_ALPHA ? 1u : 0u);
}

struct blob png_blob(const struct png_plan *p)
{
    size_t samples = p->width * samples_a_pixel(p->colour);
    size_t row_bytes = (samples * (size_t)p->depth + 7) / 8;
    struct blob rows = blob_copy(NULL, row_bytes * p->height);
    for (size_t i = 0; i < samples * p->height; i++) {
        uint8_t *row = rows.data + i / samples * row_bytes;
        size_t bit = i % samples * (size_t)p->depth;
        if (p->depth >= 8) {
            row[bit / 8] = pixel_at(i); /* the high byte of 16 bits */
        } else {
            unsigned value = pixel_at(i) & ((1u << p->depth) - 1);
            row[bit / 8] |= (uint8_t)(value << (8 - (size_t)p->depth - bit % 8));
        }
    }
    struct blob b = write_png(p, rows.data, row_bytes);
    blob_free(&rows);
    return b;
}

struct blob png_grey(uint32_t height, uint32_t width, const uint8_t *pixels)
{
    const struct png_plan plan = {height, width, 8, PNG_COLOR_TYPE_GRAY, false};
    return write_png(&plan, pixels, width);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int k = 0; k < 4; k++) {
        at[k] = (uint8_t)(value >> (24 - 8 * k));
    }
}

void png_lie(struct blob *b, uint32_t height, uint32_t width)
{
    put_u32(b->data + 16, width);
    put_u32(b->data + 20, height);
    put_u32(b->data + 29, umb__crc32(0, b->data + 12, 17));
}

struct blob jpeg_blob(const struct jpeg_plan *p)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long n = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &n);
    jpeg.image_width = p->width;
    jpeg.image_height = p->height;
    jpeg.input_components = p->channels;
    jpeg.in_color_space = p->channels == 1 ? JCS_GRAYSCALE : p->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (p->progressive) { jpeg_simple_progression(&jpeg); }
    jpeg_start_compress(&jpeg, TRUE);
    size_t row_bytes = (size_t)p->channels * p->width;
    struct blob row = blob_copy(NULL, row_bytes);
    for (uint32_t y = 0; y < p->height; y++) {
        /* A gentle slope, which JPEG keeps within a few steps: channel c at x, y. */
        for (size_t i = 0; i < row_bytes; i++) {
            size_t channels = (size_t)p->channels;
            row.data[i] = (uint8_t)(40 + 2 * (i / channels) + y + 50 * (i % channels));
        }
        jpeg_write_scanlines(&jpeg, &row.data, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    blob_free(&row);
    struct blob b = blob_copy(out, n);
    free(out);
    return b;
}

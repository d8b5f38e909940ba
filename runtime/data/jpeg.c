/*
 * jpeg.c: JPEG through libjpeg's plain interface, from memory, with its errors caught.
 *
 * libjpeg's own handlers print and exit; ours keep the message and leave by longjmp. All that has
 * to survive it lives in struct decoder, on the frame of the function that calls the one with
 * setjmp. EXIF is ignored: an image is as it is stored.
 */
#include "alloc.h"
#include "fail.h"
#include "image.h"
#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

/* A progressive file may say the same again and again; real ones have about ten scans. */
#define MAX_SCANS 200

struct decoder {
    const struct umb_encoded *file;
    enum umb_decode_mode mode;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    struct umb_image image;
    enum umb_status status; /* set, with its message, before we leave by longjmp ourselves */
    char text[JMSG_LENGTH_MAX];
};

static void leave(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;
    jpeg->err->format_message(jpeg, d->text);
    longjmp(d->leave, 1);
}

/* Faults that libjpeg would paint over. These few harm no pixel; the others mean a cut or damaged
 * file, whose grey rest nobody should train on. */
static bool is_harmless(int code)
{
    return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
           code == JWRN_BOGUS_PROGRESSION || code == JWRN_TOO_MUCH_DATA;
}

static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0 && !is_harmless(jpeg->err->msg_code)) { leave(jpeg); }
}

static void print_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void require(struct decoder *d, enum umb_status status)
{
    d->status = status;
    if (status != UMB_OK) { longjmp(d->leave, 1); }
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number > MAX_SCANS) {
        require(d, umb__fail(d->file->ctx, UMB_ERR_FORMAT,
                             "%s: a JPEG of more than %d scans; expected a dozen at most",
                             d->file->path, MAX_SCANS));
    }
}

static void choose_colours(struct decoder *d)
{
    J_COLOR_SPACE stored = d->jpeg.jpeg_color_space;
    if (stored != JCS_GRAYSCALE && stored != JCS_RGB && stored != JCS_YCbCr) {
        bool is_cmyk = stored == JCS_CMYK || stored == JCS_YCCK;
        require(d, umb__fail(d->file->ctx, UMB_ERR_FORMAT,
                             "%s: a JPEG in %s; expected grey or colour (RGB, YCbCr)",
                             d->file->path, is_cmyk ? "CMYK" : "an unknown colour space"));
    }
    d->jpeg.out_color_space = stored == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    d->image.channels = stored == JCS_GRAYSCALE ? 1 : 3;
}

static void read_header(struct decoder *d)
{
    jpeg_mem_src(&d->jpeg, d->file->data, d->file->size);
    jpeg_read_header(&d->jpeg, TRUE);
    d->image.height = d->jpeg.image_height;
    d->image.width = d->jpeg.image_width;
    choose_colours(d);
    require(d, umb__image_check_size(d->file->ctx, d->file->path, d->image.height, d->image.width,
                                     3, UMB_ERR_FORMAT));
}

static void read_pixels(struct decoder *d)
{
    d->jpeg.progress = &d->progress;
    d->jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&d->jpeg);
    size_t row_bytes = (size_t)(d->image.width * d->image.channels);
    d->image.pixels = umb__calloc(d->file->ctx, (size_t)d->image.height, row_bytes);
    require(d, d->image.pixels ? UMB_OK : UMB_ERR_NO_MEMORY);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        JSAMPROW row = d->image.pixels + d->jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&d->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&d->jpeg);
}

/* True when all went well; libjpeg's errors come back here. */
static bool decode(struct decoder *d)
{
    if (setjmp(d->leave)) { return false; }
    jpeg_create_decompress(&d->jpeg);
    read_header(d);
    if (d->mode != UMB_DECODE_HEADER) { read_pixels(d); }
    return true;
}

enum umb_status umb__jpeg_decode(const struct umb_encoded *file, enum umb_decode_mode mode,
                                 struct umb_image *ret_image)
{
    struct decoder d = {.file = file, .mode = mode};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = leave;
    d.errors.emit_message = on_message;
    d.errors.output_message = print_nothing;
    d.progress.progress_monitor = on_progress;
    bool done = decode(&d);
    jpeg_destroy_decompress(&d.jpeg);
    if (done) {
        *ret_image = d.image;
        return UMB_OK;
    }
    umb_image_free(&d.image);
    if (d.status != UMB_OK) { return d.status; }
    if (d.errors.msg_code == JERR_OUT_OF_MEMORY) {
        return umb__fail(file->ctx, UMB_ERR_NO_MEMORY, "%s: no memory to decode it", file->path);
    }
    return umb__fail(file->ctx, UMB_ERR_FORMAT, "%s: damaged JPEG: %s", file->path, d.text);
}

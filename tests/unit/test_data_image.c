/* test_data_image.c: PNG and JPEG, of every kind that occurs, and what is no image. */
#include "alloc.h"
#include "data_files.h"
#include "image.h"
#include "system.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>
#include <zlib.h>

static struct umb_image image;

static int tear_down(void **state)
{
    umb_image_free(&image);
    return files_tear_down(state);
}

static void load(int64_t height, int64_t width, int64_t channels)
{
    umb_image_free(&image);
    enum umb_status st = umb_image_load(files_context(), in_folder("a"), 0, 0, 0, &image);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(files_context())); }
    assert_int_equal(image.height, height);
    assert_int_equal(image.width, width);
    assert_int_equal(image.channels, channels);
}

static void refused_as(enum umb_status want, const char *piece)
{
    struct umb_image none = {.pixels = NULL};
    uint64_t before = umb__alloc_live();
    enum umb_status st = umb_image_load(files_context(), in_folder("a"), 0, 0, 0, &none);
    umb_image_free(&none);
    assert_failed(st, want, PIECES(in_folder("a"), piece));
    assert_int_equal(umb__alloc_live(), before);
}

static void refused(const char *piece)
{
    refused_as(UMB_ERR_FORMAT, piece);
}

static void put_png(int depth, int colour, bool interlaced)
{
    const struct png_plan plan = {13, 11, depth, colour, interlaced};
    put_blob("a", png_blob(&plan));
}

/* Pixel i, channel c is sample i·samples + c of the file, spread to 8 bits. */
static void assert_samples(size_t samples, int depth)
{
    unsigned most = (1u << (depth < 8 ? depth : 8)) - 1;
    for (size_t i = 0; i < 13 * 11; i++) {
        for (size_t c = 0; c < (size_t)image.channels; c++) {
            unsigned want = (pixel_at(i * samples + c) & most) * 255u / most;
            assert_int_equal(image.pixels[i * (size_t)image.channels + c], want);
        }
    }
}

static void png_grey_of_every_depth(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 8; depth *= 2) {
        put_png(depth, PNG_COLOR_TYPE_GRAY, false);
        load(13, 11, 1);
        assert_samples(1, depth);
    }
}

static void png_colour(void **state)
{
    (void)state;
    put_png(8, PNG_COLOR_TYPE_RGB, false);
    load(13, 11, 3);
    assert_samples(3, 8);
}

static void png_alpha_is_dropped(void **state)
{
    (void)state;
    put_png(8, PNG_COLOR_TYPE_RGB_ALPHA, false);
    load(13, 11, 3);
    assert_samples(4, 8);
    put_png(8, PNG_COLOR_TYPE_GRAY_ALPHA, false);
    load(13, 11, 1);
    assert_samples(2, 8);
}

/* The low byte is 0: v·256 of 65535 is v·255/255.99… of 255, at most 1 off. */
static void png_of_16_bits_becomes_8(void **state)
{
    (void)state;
    put_png(16, PNG_COLOR_TYPE_RGB, false);
    load(13, 11, 3);
    for (size_t i = 0; i < 13 * 11 * 3; i++) {
        assert_in_range(image.pixels[i] + 1, pixel_at(i), pixel_at(i) + 1u);
    }
}

/* The palette's entry i is (i, 255 − i, 2·i); two entries are transparent. */
static void png_palettes_become_colours(void **state)
{
    (void)state;
    put_png(8, PNG_COLOR_TYPE_PALETTE, false);
    load(13, 11, 3);
    for (size_t i = 0; i < 13 * 11; i++) {
        uint8_t v = pixel_at(i);
        assert_int_equal(image.pixels[3 * i], v);
        assert_int_equal(image.pixels[3 * i + 1], 255 - v);
        assert_int_equal(image.pixels[3 * i + 2], (uint8_t)(2 * v));
    }
}

static void png_interlaced(void **state)
{
    (void)state;
    put_png(8, PNG_COLOR_TYPE_RGB, true);
    load(13, 11, 3);
    assert_samples(3, 8);
    put_png(2, PNG_COLOR_TYPE_GRAY, true);
    load(13, 11, 1);
    assert_samples(1, 2);
}

static void png_indices_stay_as_they_are(void **state)
{
    (void)state;
    const int colours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE};
    for (int i = 0; i < 8; i++) {
        int depth = 1 << (i / 2);
        put_png(depth, colours[i % 2], false);
        umb_image_free(&image);
        assert_int_equal(
            umb__image_open(files_context(), in_folder("a"), UMB_DECODE_INDICES, &image), UMB_OK);
        assert_int_equal(image.channels, 1);
        for (size_t k = 0; k < 13 * 11; k++) {
            assert_int_equal(image.pixels[k], pixel_at(k) & ((1 << depth) - 1));
        }
    }
}

static void headers_say_the_size(void **state)
{
    (void)state;
    const struct jpeg_plan jpeg = {5, 9, 3, true};
    put_png(16, PNG_COLOR_TYPE_GRAY_ALPHA, true);
    assert_int_equal(umb__image_open(files_context(), in_folder("a"), UMB_DECODE_HEADER, &image),
                     UMB_OK);
    assert_int_equal(image.height * 1000 + image.width * 10 + image.channels, 13111);
    put_blob("a", jpeg_blob(&jpeg));
    assert_int_equal(umb__image_open(files_context(), in_folder("a"), UMB_DECODE_HEADER, &image),
                     UMB_OK);
    assert_int_equal(image.height * 1000 + image.width * 10 + image.channels, 5093);
    assert_null(image.pixels);
}

/* A comment of 64 KiB pushes the size of a JPEG beyond the first piece that is read. */
static void headers_behind_much_metadata_are_found(void **state)
{
    (void)state;
    const struct jpeg_plan plan = {5, 9, 1, false};
    struct blob b = jpeg_blob(&plan), more = blob_copy(NULL, b.n + 2 * 65537);
    memcpy(more.data, b.data, 2);
    for (size_t i = 0; i < 2; i++) {
        memcpy(more.data + 2 + i * 65537, "\xff\xfe\xff\xff", 4);
    }
    memcpy(more.data + 2 + 2 * 65537, b.data + 2, b.n - 2);
    blob_free(&b);
    put_blob("a", more);
    assert_int_equal(umb__image_open(files_context(), in_folder("a"), UMB_DECODE_HEADER, &image),
                     UMB_OK);
    assert_int_equal(image.width, 9);
    load(5, 9, 1);
}

/* Channel c at x, y was 40 + 2x + y + 50c. */
static void assert_slope(const struct jpeg_plan *plan)
{
    put_blob("a", jpeg_blob(plan));
    load(plan->height, plan->width, plan->channels);
    for (size_t i = 0; i < plan->height * plan->width; i++) {
        for (size_t c = 0; c < (size_t)plan->channels; c++) {
            int want = (int)(40 + 2 * (i % plan->width) + i / plan->width + 50 * c);
            int got = image.pixels[i * (size_t)plan->channels + c];
            if (abs(got - want) > 8) { fail_msg("pixel %zu: %d, expected %d", i, got, want); }
        }
    }
}

static void jpeg_grey_colour_and_progressive(void **state)
{
    (void)state;
    const struct jpeg_plan plans[] = {{17, 19, 1, false},
                                      {17, 19, 3, false},
                                      {16, 16, 3, true},
                                      {17, 19, 1, true},
                                      {1, 1, 3, false}};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        assert_slope(&plans[i]);
    }
}

static void jpeg_in_cmyk_is_refused(void **state)
{
    (void)state;
    const struct jpeg_plan plan = {8, 8, 4, false};
    put_blob("a", jpeg_blob(&plan));
    refused("a JPEG in CMYK; expected grey or colour");
}

/* Where standard output and error go while a decoder is at work: nothing may come. */
static void truncated_jpeg_is_refused_in_silence(void **state)
{
    (void)state;
    const struct jpeg_plan plans[] = {{17, 19, 3, false}, {17, 19, 3, true}};
    put_text("out", "");
    fflush(NULL);
    int out = dup(1), err = dup(2);
    FILE *caught = fopen(in_folder("out"), "ab");
    assert_non_null(caught);
    dup2(fileno(caught), 1);
    dup2(fileno(caught), 2);
    size_t n_wrong = 0;
    for (int p = 0; p < 2; p++) {
        struct blob b = jpeg_blob(&plans[p]);
        for (size_t n = 0; n < b.n - 2; n++) {
            struct umb_image none = {.pixels = NULL};
            const struct umb_encoded file = {files_context(), "cut", b.data, n};
            n_wrong += umb__image_decode(&file, UMB_DECODE_IMAGE, &none) != UMB_ERR_FORMAT;
            n_wrong += strncmp(umb_context_error(files_context()), "cut: ", 5) != 0;
            umb_image_free(&none);
        }
        blob_free(&b);
    }
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    assert_int_equal(ftell(caught), 0);
    fclose(caught);
    assert_int_equal(access(in_folder("out"), F_OK), 0);
    assert_int_equal(n_wrong, 0);
}

static void damaged_jpeg_is_refused(void **state)
{
    (void)state;
    const struct jpeg_plan plan = {32, 32, 3, false};
    struct blob b = jpeg_blob(&plan);
    memset(b.data + b.n / 2, 0xff, b.n / 4);
    put_blob("a", b);
    refused("damaged JPEG: ");
    put_text("a", "\xff\xd8\xff");
    refused("damaged JPEG: ");
}

/* Finds the frame header and sets its size. */
static void put_lying_jpeg(uint8_t high)
{
    const struct jpeg_plan plan = {8, 8, 3, false};
    struct blob b = jpeg_blob(&plan);
    for (size_t i = 0; i + 9 < b.n; i++) {
        if (b.data[i] != 0xff || b.data[i + 1] != 0xc0) { continue; }
        b.data[i + 5] = b.data[i + 7] = high;
        break;
    }
    put_blob("a", b);
}

static void huge_jpeg_is_refused(void **state)
{
    (void)state;
    put_lying_jpeg(0xff);
    refused("65288×65288; expected at most 16384 a side");
    put_lying_jpeg(0x40 - 1);
    refused("16136×16136 with 3 channels; expected at most 256 MiB");
}

static void truncated_png_is_refused(void **state)
{
    (void)state;
    const struct png_plan plan = {13, 11, 8, PNG_COLOR_TYPE_RGB, true};
    struct blob b = png_blob(&plan);
    for (size_t n = 0; n < b.n; n++) {
        put_file("a", b.data, n);
        refused(n == 0 ? "empty" : n < 8 ? "neither" : "damaged PNG: ");
    }
    blob_free(&b);
}

static void damaged_png_is_refused(void **state)
{
    (void)state;
    const struct png_plan plan = {13, 11, 8, PNG_COLOR_TYPE_GRAY, false};
    struct blob b = png_blob(&plan);
    b.data[b.n - 20] ^= 0xff;
    put_blob("a", b);
    refused("damaged PNG: ");
    b = png_blob(&plan);
    b.data[24] = 3; /* a depth that there is not */
    put_blob("a", b);
    refused("damaged PNG: ");
}

static void huge_png_is_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    const struct png_plan plan = {2, 2, 8, PNG_COLOR_TYPE_RGB, false};
    struct blob b = png_blob(&plan);
    png_lie(&b, 0x7fffffff, 0x7fffffff);
    put_blob("a", b);
    refused("2147483647×2147483647; expected at most 16384 a side");
    b = png_blob(&plan);
    png_lie(&b, 16384, 16384);
    put_blob("a", b);
    refused("expected at most 256 MiB");
    b = png_blob(&plan);
    png_lie(&b, 0, 2);
    put_blob("a", b);
    refused("damaged PNG: ");
}

/* How many allocations loading takes. */
static uint64_t allocations_of_loading(void)
{
    uint64_t n = 0;
    enum umb_status st;
    do {
        umb__alloc_fail_at(++n);
        st = umb_image_load(files_context(), in_folder("a"), 0, 0, 0, &image);
        umb__alloc_fail_at(0);
    } while (st == UMB_ERR_NO_MEMORY);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(files_context())); }
    umb_image_free(&image);
    return n;
}

/* Behind the header of 33 bytes, a packed text that unfolds to a thousand times its size. */
static void packed_texts_in_png_are_not_unpacked(void **state)
{
    (void)state;
    static uint8_t zeros[4 << 20], packed[8 << 10];
    uLongf n = sizeof packed;
    assert_int_equal(compress(packed, &n, zeros, sizeof zeros), Z_OK);
    const struct png_plan plan = {2, 2, 8, PNG_COLOR_TYPE_GRAY, false};
    struct blob b = png_blob(&plan), more = blob_copy(NULL, b.n + n + 15);
    const uint8_t head[11] = {
        0, 0, (uint8_t)((n + 3) >> 8), (uint8_t)(n + 3), 'z', 'T', 'X', 't', 'k', 0, 0};
    uint8_t *at = more.data + 33;
    memcpy(more.data, b.data, 33);
    memcpy(at, head, 11);
    memcpy(at + 11, packed, n);
    uint32_t crc = umb__crc32(0, at + 4, n + 7);
    for (int k = 0; k < 4; k++) {
        at[11 + n + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
    }
    memcpy(at + 15 + n, b.data + 33, b.n - 33);
    put_blob("a", b);
    uint64_t without = allocations_of_loading();
    put_blob("a", more);
    uint64_t with = allocations_of_loading();
    assert_int_equal(with, without);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    put_text("a", "");
    refused("empty; expected an image");
    put_text("a", "GIF89a and so on");
    refused("neither a PNG nor a JPEG");
    unlink(in_folder("a"));
    refused_as(UMB_ERR_IO, "cannot be opened");
    put_text("a/b", "x");
    refused_as(UMB_ERR_INVALID, "is a folder");
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const int64_t request[][3] = {{-1, 4, 1}, {4, 0, 1}, {0, 4, 3}, {4, 4, 2}, {4, -4, 4}};
    put_png(8, PNG_COLOR_TYPE_RGB, false);
    for (size_t i = 0; i < sizeof request / sizeof request[0]; i++) {
        const int64_t *r = request[i];
        assert_failed(umb_image_load(files_context(), in_folder("a"), r[0], r[1], r[2], &image),
                      UMB_ERR_INVALID, PIECES(in_folder("a"), "cannot be loaded as"));
    }
    assert_failed(umb_image_load(files_context(), in_folder("a"), 20000, 1, 0, &image),
                  UMB_ERR_INVALID, PIECES(in_folder("a"), "expected at most 16384"));
    assert_failed(umb_image_load(files_context(), NULL, 1, 1, 0, &image), UMB_ERR_INVALID,
                  PIECES("(no path)"));
}

static void failing_allocations_are_told_from_damage(void **state)
{
    (void)state;
    const struct jpeg_plan plan = {9, 9, 3, false};
    for (int kind = 0; kind < 2; kind++) {
        uint64_t before = umb__alloc_live(), n = 0;
        enum umb_status st;
        put_png(16, PNG_COLOR_TYPE_RGB_ALPHA, true);
        if (kind) { put_blob("a", jpeg_blob(&plan)); }
        do {
            umb__alloc_fail_at(++n);
            st = umb_image_load(files_context(), in_folder("a"), 7, 20, 1, &image);
            umb__alloc_fail_at(0);
            if (st != UMB_OK) { assert_failed(st, UMB_ERR_NO_MEMORY, PIECES("memory")); }
            if (st == UMB_OK) { umb_image_free(&image); }
            assert_int_equal(umb__alloc_live(), before);
        } while (st != UMB_OK);
        assert_in_range(n, 5, 100);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(png_grey_of_every_depth),
        CASE(png_colour),
        CASE(png_alpha_is_dropped),
        CASE(png_of_16_bits_becomes_8),
        CASE(png_palettes_become_colours),
        CASE(png_interlaced),
        CASE(png_indices_stay_as_they_are),
        CASE(headers_say_the_size),
        CASE(headers_behind_much_metadata_are_found),
        CASE(jpeg_grey_colour_and_progressive),
        CASE(jpeg_in_cmyk_is_refused),
        CASE(truncated_jpeg_is_refused_in_silence),
        CASE(damaged_jpeg_is_refused),
        CASE(huge_jpeg_is_refused),
        CASE(truncated_png_is_refused),
        CASE(damaged_png_is_refused),
        CASE(huge_png_is_refused_before_memory_is_asked_for),
        CASE(packed_texts_in_png_are_not_unpacked),
        CASE(other_files_are_refused),
        CASE(requests_that_make_no_sense_are_refused),
        CASE(failing_allocations_are_told_from_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

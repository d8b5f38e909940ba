/* test_data_idx.c: the idx format, plain and packed, right and lying. */
#include "data_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define IMAGES "train-images-idx3-ubyte"
#define LABELS "train-labels-idx1-ubyte"

static struct umb_dataset_desc desc(void)
{
    return (struct umb_dataset_desc){.format = "idx", .path = in_folder("")};
}

static void refused(const char *name, const char *piece)
{
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, UMB_ERR_FORMAT, PIECES(name, piece));
}

static void check_set(int64_t n, int64_t n_test)
{
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    int64_t shape[3];
    uint8_t image[6];
    umb_dataset_image_shape(ds, shape);
    assert_int_equal(shape[0], 3);
    assert_int_equal(shape[1], 2);
    assert_int_equal(shape[2], 1);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), n);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 0);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), n_test);
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 3);
    assert_string_equal(umb_dataset_target(ds, 0)->name, "label");
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, i, image), i % 3);
        for (size_t k = 0; k < 6; k++) {
            assert_int_equal(image[k], pixel_at((size_t)i * 6 + k));
        }
    }
    assert_int_equal(must_read(ds, UMB_SPLIT_TEST, 1, image), 1);
    umb_dataset_close(ds);
}

static void plain_files_are_read(void **state)
{
    (void)state;
    put_idx_set(7, 3);
    check_set(7, 3);
}

static void packed_files_are_read(void **state)
{
    (void)state;
    put_blob(IMAGES ".gz", gzip_blob(idx_images(7, 3, 2)));
    put_blob(LABELS ".gz", gzip_blob(idx_labels(7, 3)));
    put_blob("t10k-images-idx3-ubyte.gz", gzip_blob(idx_images(3, 3, 2)));
    put_blob("t10k-labels-idx1-ubyte", idx_labels(3, 3));
    check_set(7, 3);
}

/* What gzip makes of two files one after another. */
static void packed_files_of_several_members_are_read(void **state)
{
    (void)state;
    put_idx_set(7, 3);
    struct blob whole = idx_images(7, 3, 2);
    struct blob a = gzip_blob(blob_copy(whole.data, 5)), b = gzip_blob(blob_copy(NULL, 0)),
                c = gzip_blob(blob_copy(whole.data + 5, whole.n - 5));
    struct blob all = blob_copy(NULL, a.n + b.n + c.n);
    memcpy(all.data, a.data, a.n);
    memcpy(all.data + a.n, b.data, b.n);
    memcpy(all.data + a.n + b.n, c.data, c.n);
    put_blob(IMAGES, all);
    blob_free(&whole);
    blob_free(&a);
    blob_free(&b);
    blob_free(&c);
    check_set(7, 3);
}

static void images_are_scaled_and_coloured(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    struct umb_dataset_desc d = desc();
    d.height = d.width = 5;
    d.channels = 3;
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[75];
    must_read(ds, UMB_SPLIT_TRAIN, 2, image);
    for (size_t i = 0; i < 25; i++) {
        assert_int_equal(image[3 * i], image[3 * i + 1]);
        assert_int_equal(image[3 * i], image[3 * i + 2]);
    }
    umb_dataset_close(ds);
}

static void samples_out_of_range_are_refused(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[6];
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 4, image, NULL), UMB_ERR_INVALID,
                  PIECES("sample 4 of split 0", "has 4"));
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, -1, image, NULL), UMB_ERR_INVALID,
                  PIECES("sample -1"));
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_VALIDATION, 0, image, NULL), UMB_ERR_INVALID,
                  PIECES("sample 0 of split 1", "has 0"));
    umb_dataset_close(ds);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    unlink(in_folder("t10k-labels-idx1-ubyte"));
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, UMB_ERR_IO, PIECES("t10k-labels-idx1-ubyte", ".gz"));
}

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.path = in_folder("nowhere");
    must_refuse(&d, UMB_ERR_IO, PIECES("path", "nowhere", "folder"));
    put_text("file", "x");
    d.path = in_folder("file");
    must_refuse(&d, UMB_ERR_IO, PIECES("path", "file", "folder"));
}

static void empty_and_short_files_are_refused(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_text(LABELS, "");
    refused(LABELS, "0 bytes; expected a header of 8");
    put_idx_set(4, 3);
    put_file(IMAGES, "\0\0\10\3\0\0\0\4\0\0\0\3\0\0\0", 15);
    refused(IMAGES, "15 bytes; expected a header of 16");
}

/* Sets byte `at` of a file that put_idx_set wrote anew. */
static void spoil(const char *name, struct blob b, size_t at, uint8_t value)
{
    put_idx_set(4, 3);
    b.data[at] = value;
    put_blob(name, b);
}

static void wrong_beginnings_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 0, 'P');
    refused(IMAGES, "50 00; expected 00 00");
}

static void wrong_element_types_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 2, 0x0d);
    refused(IMAGES, "element type 0x0d; expected 0x08");
}

static void wrong_numbers_of_dimensions_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 3, 1);
    refused(IMAGES, "1 dimensions; expected 3");
    spoil(LABELS, idx_labels(4, 3), 3, 255);
    refused(LABELS, "255 dimensions; expected 1");
}

static void counts_beyond_the_file_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 7, 5);
    refused(IMAGES, "24 bytes behind the header, which announces 30");
    spoil(LABELS, idx_labels(4, 3), 4, 0xff);
    refused(LABELS, "which announces 4278190084");
}

static void counts_below_the_file_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 7, 3);
    refused(IMAGES, "24 bytes behind the header, which announces 18");
}

static void zero_and_overflowing_extents_are_refused(void **state)
{
    (void)state;
    spoil(IMAGES, idx_images(4, 3, 2), 11, 0);
    refused(IMAGES, "dimension 1 is 0");
    put_idx_set(4, 3);
    struct blob b = idx_images(4, 3, 2);
    memset(b.data + 4, 0xff, 12);
    put_blob(IMAGES, b);
    refused(IMAGES, "overflow");
}

static void counts_of_images_and_labels_must_agree(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_blob(LABELS, idx_labels(5, 3));
    refused(LABELS, "5 labels for the 4 images of ");
}

static void parts_must_have_images_of_one_size(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_blob("t10k-images-idx3-ubyte", idx_images(3, 2, 3));
    refused("t10k-images-idx3-ubyte", "2×3; expected 3×2");
}

static void sides_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_blob(IMAGES, idx_images(4, 20000, 1));
    refused(IMAGES, "20000×1; expected at most 16384");
    put_blob(IMAGES, idx_images(4, 1, 20000));
    refused(IMAGES, "1×20000; expected at most 16384");
}

static void test_labels_must_occur_in_training(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_blob("t10k-labels-idx1-ubyte", idx_labels(3, 3));
    put_blob(LABELS, idx_labels(4, 2));
    refused("t10k-labels-idx1-ubyte", "sample 2: label 2 does not occur in training");
}

static void truncated_gzip_is_refused(void **state)
{
    (void)state;
    struct blob whole = gzip_blob(idx_images(50, 3, 2));
    for (size_t n = 2; n < whole.n; n++) {
        put_idx_set(50, 3);
        put_file(IMAGES, whole.data, n);
        refused(IMAGES, "");
        const struct umb_dataset_desc d = desc();
        must_refuse(&d, UMB_ERR_FORMAT, PIECES(IMAGES, "early"));
    }
    blob_free(&whole);
}

static void damaged_gzip_is_refused(void **state)
{
    (void)state;
    put_idx_set(50, 3);
    struct blob b = gzip_blob(idx_images(50, 3, 2));
    b.data[b.n - 6] ^= 1; /* its checksum */
    put_blob(IMAGES, b);
    refused(IMAGES, "incorrect data check");
    put_file(IMAGES, "\x1f\x8bgarbage all through", 21);
    refused(IMAGES, "damaged gzip stream");
}

static void garbage_behind_gzip_is_refused(void **state)
{
    (void)state;
    put_idx_set(50, 3);
    struct blob b = gzip_blob(idx_images(50, 3, 2)), more = blob_copy(NULL, b.n + 3);
    memcpy(more.data, b.data, b.n);
    blob_free(&b);
    put_blob(IMAGES, more);
    refused(IMAGES, "3 bytes of garbage behind");
}

static void gzip_of_another_length_is_refused(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    struct blob b = idx_images(5, 3, 2);
    b.data[7] = 4;
    put_blob(IMAGES, gzip_blob(b));
    refused(IMAGES, "more data than its header announces");
    b = idx_images(5, 3, 2);
    b.data[7] = 6;
    put_blob(IMAGES, gzip_blob(b));
    refused(IMAGES, "6 bytes early; its header announces more");
}

/* Refused by arithmetic, before memory is asked for. */
static void gzip_that_cannot_hold_its_counts_is_refused(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    struct blob b = idx_images(4, 3, 2);
    b.data[5] = 0x40;
    put_blob(IMAGES, gzip_blob(b));
    refused(IMAGES, "more than");
    b = idx_images(4, 3, 2);
    b.data[4] = 0xff;
    put_blob(IMAGES, gzip_blob(b));
    refused(IMAGES, "expected at most 4294967295");
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    put_idx_set(4, 3);
    put_blob(IMAGES, gzip_blob(idx_images(4, 3, 2)));
    const struct umb_dataset_desc d = desc();
    must_open_without_memory(&d, 8, 60);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plain_files_are_read),
        CASE(packed_files_are_read),
        CASE(packed_files_of_several_members_are_read),
        CASE(images_are_scaled_and_coloured),
        CASE(samples_out_of_range_are_refused),
        CASE(missing_files_are_named),
        CASE(a_missing_folder_is_named),
        CASE(empty_and_short_files_are_refused),
        CASE(wrong_beginnings_are_refused),
        CASE(wrong_element_types_are_refused),
        CASE(wrong_numbers_of_dimensions_are_refused),
        CASE(counts_beyond_the_file_are_refused),
        CASE(counts_below_the_file_are_refused),
        CASE(zero_and_overflowing_extents_are_refused),
        CASE(counts_of_images_and_labels_must_agree),
        CASE(parts_must_have_images_of_one_size),
        CASE(sides_beyond_the_limit_are_refused),
        CASE(test_labels_must_occur_in_training),
        CASE(truncated_gzip_is_refused),
        CASE(damaged_gzip_is_refused),
        CASE(garbage_behind_gzip_is_refused),
        CASE(gzip_of_another_length_is_refused),
        CASE(gzip_that_cannot_hold_its_counts_is_refused),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

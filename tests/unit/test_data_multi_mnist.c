/*
 * test_data_multi_mnist.c: two digits in one picture: against the formula, pixel by pixel, on real
 * digits (skipped where they are absent) and on made-up ones; splits, seeds, and bad files.
 */
#include "data_files.h"
#include "rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SIDE 28
#define PIXELS (SIDE * SIDE)

/* The split's digits among the files': first and how many, of idx's own split. */
struct part {
    enum umb_split split, of;
    int64_t first, n;
};

static int pixel(const uint8_t *digit, int y, int x)
{
    return y >= 0 && y < SIDE && x >= 0 && x < SIDE ? digit[y * SIDE + x] : 0;
}

/* Nearest: target pixel y is the source pixel that (y + 1/2)·36/28 lies in. */
static void expect(const uint8_t *left, const uint8_t *right, uint8_t *ret)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const int v = (int)floor((y + 0.5) * 36 / 28), u = (int)floor((x + 0.5) * 36 / 28);
            const int a = pixel(left, v, u), b = pixel(right, v - 6, u - 6);
            ret[y * SIDE + x] = (uint8_t)(a > b ? a : b);
        }
    }
}

static void compare(struct umb_dataset *pairs, struct umb_dataset *digits, const struct part *p,
                    uint64_t seed, int64_t index)
{
    uint8_t left[PIXELS], right[PIXELS], expected[PIXELS], is[PIXELS];
    int32_t label[2];
    void *const targets[2] = {&label[0], &label[1]};
    const uint64_t word =
        umb__random_u32(seed, UMB_RNG_DATA, 16 + (uint32_t)p->split, (uint64_t)index);
    const int64_t other = (int64_t)(word * (uint64_t)p->n >> 32);
    const int left_label = must_read(digits, p->of, p->first + index, left);
    const int right_label = must_read(digits, p->of, p->first + other, right);
    assert_int_equal(umb_dataset_read(pairs, p->split, index, is, targets), UMB_OK);
    expect(left, right, expected);
    assert_int_equal(label[0], left_label);
    assert_int_equal(label[1], right_label);
    assert_memory_equal(is, expected, PIXELS);
}

static struct umb_dataset *open_pairs(const char *path, uint64_t seed)
{
    const struct umb_dataset_desc d = {.format = "multi_mnist", .path = path, .seed = seed};
    return must_open(&d);
}

static void compare_all(const char *path, const struct part parts[3], int64_t stride)
{
    const struct umb_dataset_desc d = {.format = "idx", .path = path};
    struct umb_dataset *digits = must_open(&d), *pairs = open_pairs(path, 7);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(umb_dataset_count(pairs, parts[i].split), parts[i].n);
        for (int64_t k = 0; k < parts[i].n; k += stride) {
            compare(pairs, digits, &parts[i], 7, k);
        }
        compare(pairs, digits, &parts[i], 7, parts[i].n - 1);
    }
    umb_dataset_close(pairs);
    umb_dataset_close(digits);
}

static void real_digits_are_paired(void **state)
{
    (void)state;
    const char *path = real_data("mnist");
    if (!path) { skip(); }
    static const struct part parts[3] = {{UMB_SPLIT_TRAIN, UMB_SPLIT_TRAIN, 0, 50000},
                                         {UMB_SPLIT_VALIDATION, UMB_SPLIT_TRAIN, 50000, 10000},
                                         {UMB_SPLIT_TEST, UMB_SPLIT_TEST, 0, 10000}};
    compare_all(path, parts, 97);
}

static void put_digits(uint32_t n, uint32_t n_test, uint32_t side)
{
    put_blob("train-images-idx3-ubyte", idx_images(n, side, side));
    put_blob("train-labels-idx1-ubyte", idx_labels(n, 3));
    put_blob("t10k-images-idx3-ubyte", idx_images(n_test, side, side));
    put_blob("t10k-labels-idx1-ubyte", idx_labels(n_test, 3));
}

static void made_up_digits_are_paired(void **state)
{
    (void)state;
    static const struct part parts[3] = {{UMB_SPLIT_TRAIN, UMB_SPLIT_TRAIN, 0, 11},
                                         {UMB_SPLIT_VALIDATION, UMB_SPLIT_TRAIN, 11, 2},
                                         {UMB_SPLIT_TEST, UMB_SPLIT_TEST, 0, 1}};
    put_digits(13, 1, SIDE);
    compare_all(in_folder("."), parts, 1);
}

static void targets_are_the_digits(void **state)
{
    (void)state;
    put_digits(13, 4, SIDE);
    struct umb_dataset *ds = open_pairs(in_folder("."), 1);
    int64_t shape[3];
    umb_dataset_image_shape(ds, shape);
    assert_int_equal(shape[0], SIDE);
    assert_int_equal(shape[1], SIDE);
    assert_int_equal(shape[2], 1);
    assert_int_equal(umb_dataset_n_targets(ds), 2);
    assert_int_equal(umb_dataset_find_target(ds, "left"), 0);
    assert_int_equal(umb_dataset_find_target(ds, "right"), 1);
    assert_int_equal(umb_dataset_target(ds, 1)->n_classes, 3);
    umb_dataset_close(ds);
}

/* Two openings of one seed have the same bytes; another seed pairs otherwise. */
static void a_seed_decides(void **state)
{
    (void)state;
    put_digits(60, 1, SIDE);
    struct umb_dataset *ds[3] = {open_pairs(in_folder("."), 1), open_pairs(in_folder("."), 1),
                                 open_pairs(in_folder("."), 2)};
    int differ = 0;
    for (int64_t k = 0; k < 50; k++) {
        uint8_t image[3][PIXELS];
        for (int i = 0; i < 3; i++) {
            assert_int_equal(umb_dataset_read(ds[i], UMB_SPLIT_TRAIN, k, image[i], NULL), UMB_OK);
        }
        assert_memory_equal(image[0], image[1], PIXELS);
        differ += memcmp(image[0], image[2], PIXELS) != 0;
    }
    assert_in_range(differ, 25, 50);
    for (int i = 0; i < 3; i++) {
        umb_dataset_close(ds[i]);
    }
}

static void what_cannot_be_paired_is_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = {.format = "multi_mnist"};
    must_refuse(&d, UMB_ERR_INVALID, PIECES("path: missing"));
    d.path = in_folder("nothing");
    must_refuse(&d, UMB_ERR_IO, PIECES("no folder"));
    put_digits(13, 1, 27);
    d.path = in_folder(".");
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("27×27", "expected 28×28"));
    put_digits(5, 1, SIDE);
    d.path = in_folder(".");
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("5 training images", "at least 6"));
    put_digits(13, 1, SIDE);
    d.path = in_folder(".");
    d.validation = 0.1;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("validation", "of its own"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_digits_are_paired, files_set_up, files_tear_down),
        cmocka_unit_test_setup_teardown(made_up_digits_are_paired, files_set_up, files_tear_down),
        cmocka_unit_test_setup_teardown(targets_are_the_digits, files_set_up, files_tear_down),
        cmocka_unit_test_setup_teardown(a_seed_decides, files_set_up, files_tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_paired_is_refused, files_set_up,
                                        files_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

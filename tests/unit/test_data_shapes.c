/* test_data_shapes.c: the generated set, and what every format shares: keys, shares, limits. */
#include "alloc.h"
#include "data_files.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AREA 1024

struct sample {
    uint8_t image[3 * AREA];
    int32_t shape, colour, mask[AREA];
    float place[2];
};

static struct umb_dataset_desc desc(void)
{
    return (struct umb_dataset_desc){.format = "shapes", .seed = 5, .count = 40};
}

static void read_sample(struct umb_dataset *ds, enum umb_split split, int64_t i, struct sample *s)
{
    void *targets[4] = {&s->shape, &s->colour, s->place, s->mask};
    memset(s, 0xee, sizeof *s);
    enum umb_status st = umb_dataset_read(ds, split, i, s->image, targets);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(files_context())); }
}

static void refused(const struct umb_dataset_desc *d, const char *const *pieces)
{
    must_refuse(d, UMB_ERR_INVALID, pieces);
}

static void targets_are_told(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.count = 0;
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 4000);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 1000);
    const char *const names[] = {"shape", "colour", "position", "mask"};
    assert_int_equal(umb_dataset_n_targets(ds), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(umb_dataset_find_target(ds, names[i]), i);
    }
    assert_string_equal(umb_dataset_target(ds, 0)->class_names[3], "cross");
    assert_int_equal(umb_dataset_target(ds, 1)->n_classes, 6);
    assert_int_equal(umb_dataset_target(ds, 2)->n_values, 2);
    assert_int_equal(umb_dataset_target(ds, 3)->height, 32);
    assert_null(umb_dataset_target(ds, 4));
    umb_dataset_close(ds);
}

static void samples_depend_on_seed_split_and_index_alone(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    struct umb_dataset *small = must_open(&d);
    d.count = 100;
    struct umb_dataset *large = must_open(&d);
    d.seed = 6;
    struct umb_dataset *other = must_open(&d);
    struct sample a, b;
    for (int64_t i = 9; i >= 0; i--) {
        for (int split = 0; split < 3; split += 2) {
            read_sample(small, (enum umb_split)split, i, &a);
            read_sample(large, (enum umb_split)split, i, &b);
            assert_memory_equal(&a, &b, sizeof a);
            read_sample(other, (enum umb_split)split, i, &b);
            assert_memory_not_equal(a.image, b.image, sizeof a.image);
        }
        read_sample(small, UMB_SPLIT_TRAIN, i, &a);
        read_sample(small, UMB_SPLIT_TEST, i, &b);
        assert_memory_not_equal(a.image, b.image, sizeof a.image);
        read_sample(small, UMB_SPLIT_TRAIN, i + 1, &b);
        assert_memory_not_equal(a.image, b.image, sizeof a.image);
    }
    umb_dataset_close(small);
    umb_dataset_close(large);
    umb_dataset_close(other);
}

/* The mask's centre of mass is near the position, it touches no border, and its colour is seen. */
static void targets_agree_with_one_another(void **state)
{
    (void)state;
    static const int has[6][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, 0, 1}, {0, 1, 1}};
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    struct sample s;
    int seen_shapes = 0, seen_colours = 0;
    for (int64_t i = 0; i < 40; i++) {
        double x = 0, y = 0, n = 0, mean[3] = {0, 0, 0};
        read_sample(ds, UMB_SPLIT_TRAIN, i, &s);
        for (int k = 0; k < AREA; k++) {
            if (!s.mask[k]) { continue; }
            assert_int_equal(s.mask[k], 1);
            assert_in_range(k % 32, 1, 30);
            assert_in_range(k / 32, 1, 30);
            x += k % 32 + 0.5;
            y += k / 32 + 0.5;
            n++;
            for (int c = 0; c < 3; c++) {
                mean[c] += s.image[3 * k + c];
            }
        }
        assert_true(n > 20);
        if (fabs(x / n / 32 - (double)s.place[0]) > 0.05 ||
            fabs(y / n / 32 - (double)s.place[1]) > 0.05) {
            fail_msg("sample %d: centre %g, %g, position %g, %g", (int)i, x / n / 32, y / n / 32,
                     (double)s.place[0], (double)s.place[1]);
        }
        for (int c = 0; c < 3; c++) {
            assert_int_equal(mean[c] / n > 112, has[s.colour][c]);
        }
        seen_shapes |= 1 << s.shape;
        seen_colours |= 1 << s.colour;
    }
    assert_int_equal(seen_shapes, 15);
    assert_int_equal(seen_colours, 63);
    umb_dataset_close(ds);
}

static void images_and_masks_are_scaled(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    struct umb_dataset *plain = must_open(&d);
    d.height = d.width = 16;
    d.channels = 1;
    struct umb_dataset *half = must_open(&d);
    struct sample a, b;
    read_sample(plain, UMB_SPLIT_TRAIN, 3, &a);
    read_sample(half, UMB_SPLIT_TRAIN, 3, &b);
    assert_int_equal(umb_dataset_target(half, 3)->height, 16);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(b.mask[i], a.mask[(i / 16 * 2 + 1) * 32 + i % 16 * 2 + 1]);
    }
    assert_int_equal(b.image[256], 0xee);
    assert_float_equal(a.place[0], b.place[0], 0);
    umb_dataset_close(plain);
    umb_dataset_close(half);
}

static void few_samples_have_a_test_sample(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.count = 1;
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 1);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 1);
    umb_dataset_close(ds);
}

/* ---- shares and limits, on an idx set whose image i begins with pixel_at(6·i) ---- */

static struct umb_dataset_desc idx_desc(double validation, uint64_t seed)
{
    put_idx_set(40, 3);
    return (struct umb_dataset_desc){
        .format = "idx", .path = in_folder(""), .validation = validation, .seed = seed};
}

/* Which of the 40 samples are in the split, by their pixels. */
static uint64_t members(struct umb_dataset *ds, enum umb_split split)
{
    uint64_t set = 0;
    uint8_t image[6];
    for (int64_t i = 0; i < umb_dataset_count(ds, split); i++) {
        must_read(ds, split, i, image);
        size_t k = 0;
        while (k < 40 && (image[0] != pixel_at(6 * k) || image[5] != pixel_at(6 * k + 5))) {
            k++;
        }
        assert_true(k < 40);
        assert_true((set >> k & 1) == 0 && set >> k == 0); /* once, and in ascending order */
        set |= UINT64_C(1) << k;
    }
    return set;
}

static void shares_are_disjoint_and_complete(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = idx_desc(0.25, 1);
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 30);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 10);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 3);
    uint64_t train = members(ds, UMB_SPLIT_TRAIN), validation = members(ds, UMB_SPLIT_VALIDATION);
    assert_true((train & validation) == 0);
    assert_true((train | validation) == (UINT64_C(1) << 40) - 1);
    assert_true(validation != (UINT64_C(1) << 10) - 1); /* by seed, not by place */
    umb_dataset_close(ds);
}

static void shares_depend_on_the_seed_alone(void **state)
{
    (void)state;
    uint64_t of[3];
    for (int i = 0; i < 3; i++) {
        const struct umb_dataset_desc d = idx_desc(0.25, i == 2 ? 9 : 1);
        struct umb_dataset *ds = must_open(&d);
        of[i] = members(ds, UMB_SPLIT_VALIDATION);
        umb_dataset_close(ds);
    }
    assert_true(of[0] == of[1]);
    assert_true(of[0] != of[2]);
}

static void test_and_validation_are_both_split_off(void **state)
{
    (void)state;
    const uint8_t pixels[4] = {0};
    char name[40];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "set/a/%02d.png", i);
        put_blob(name, png_grey(2, 2, pixels));
    }
    struct umb_dataset_desc d = {
        .format = "folder", .path = in_folder("set"), .validation = 0.2, .test = 0.1};
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 14);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 4);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 2);
    umb_dataset_close(ds);
    d.validation = 0.5;
    d.test = 0.5;
    refused(&d, PIECES("validation: ", "leave none of 20 samples for training"));
}

static void limits_take_the_first_of_each_split(void **state)
{
    (void)state;
    struct umb_dataset_desc d = idx_desc(0.25, 1);
    struct umb_dataset *all = must_open(&d);
    d.limit = 4;
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 4);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 4);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 3);
    uint64_t few = members(ds, UMB_SPLIT_VALIDATION), whole = members(all, UMB_SPLIT_VALIDATION);
    assert_true((few & ~whole) == 0 && (whole ^ few) > few);
    umb_dataset_close(ds);
    umb_dataset_close(all);
}

static void shares_that_take_nothing_are_refused(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = idx_desc(0.01, 1);
    refused(&d, PIECES("validation: 0.01 of 40 training samples is none"));
}

static void shares_of_everything_are_refused(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = idx_desc(0.99, 1);
    refused(&d, PIECES("validation: ", "leave none of 40 samples for training"));
}

static void shares_beside_a_split_are_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = idx_desc(0, 1);
    d.test = 0.5;
    refused(&d, PIECES("test: 0.5, but the data set has a test split of its own"));
}

static void shares_out_of_range_are_refused(void **state)
{
    (void)state;
    const double wrong[] = {-0.1, 1.0, 2.0, (double)NAN, (double)INFINITY};
    for (int i = 0; i < 5; i++) {
        struct umb_dataset_desc d = desc();
        d.validation = wrong[i];
        refused(&d, PIECES("validation: ", "expected 0 ≤ share < 1"));
        d.validation = 0;
        d.test = wrong[i];
        refused(&d, PIECES("test: ", "expected 0 ≤ share < 1"));
    }
}

static void unknown_formats_are_refused_with_the_nearest(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.format = "shape";
    refused(&d, PIECES("format: unknown format 'shape'", "did you mean 'shapes'?"));
    d.format = "parquet";
    refused(&d, PIECES("format: unknown format 'parquet'", "expected idx, cifar10"));
    d.format = NULL;
    refused(&d, PIECES("format: missing"));
}

static void keys_of_other_formats_are_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.path = "x";
    refused(&d, PIECES("path: the format shapes has no such key"));
    d.path = NULL;
    d.split_column = "x";
    refused(&d, PIECES("split_column: the format shapes"));
    d.split_column = NULL;
    d.image_column = "x";
    refused(&d, PIECES("image_column: the format shapes"));
    d = (struct umb_dataset_desc){.format = "idx", .path = "x", .count = 3};
    refused(&d, PIECES("count: the format idx"));
    d = (struct umb_dataset_desc){.format = "cifar10", .path = "x", .n_targets = 1};
    refused(&d, PIECES("targets: the format cifar10"));
}

static void paths_are_needed(void **state)
{
    (void)state;
    const char *const formats[] = {"idx", "cifar10", "folder", "csv"};
    for (int i = 0; i < 4; i++) {
        struct umb_dataset_desc d = {.format = formats[i]};
        refused(&d, PIECES("path: missing", formats[i]));
        d.path = "";
        refused(&d, PIECES("path: missing", formats[i]));
    }
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.height = -1;
    d.width = 4;
    refused(&d, PIECES("height: -1 is out of range"));
    d.height = 16385;
    refused(&d, PIECES("height: 16385 is out of range; expected 0 … 16384"));
    d.height = 0;
    refused(&d, PIECES("height: missing beside width 4"));
    d.height = d.width = 16384;
    refused(&d, PIECES("height and width: ", "at most 256 MiB"));
    d = desc();
    d.channels = 2;
    refused(&d, PIECES("channels: 2; expected 1 (grey), 3 (colour)"));
}

static void counts_out_of_range_are_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.count = -1;
    refused(&d, PIECES("count: -1 is out of range"));
    d.count = INT64_MAX;
    refused(&d, PIECES("count: 9223372036854775807 is out of range"));
    d = desc();
    d.limit = -5;
    refused(&d, PIECES("limit: -5 is out of range"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(targets_are_told),
        CASE(samples_depend_on_seed_split_and_index_alone),
        CASE(targets_agree_with_one_another),
        CASE(images_and_masks_are_scaled),
        CASE(few_samples_have_a_test_sample),
        CASE(shares_are_disjoint_and_complete),
        CASE(shares_depend_on_the_seed_alone),
        CASE(test_and_validation_are_both_split_off),
        CASE(limits_take_the_first_of_each_split),
        CASE(shares_that_take_nothing_are_refused),
        CASE(shares_of_everything_are_refused),
        CASE(shares_beside_a_split_are_refused),
        CASE(shares_out_of_range_are_refused),
        CASE(unknown_formats_are_refused_with_the_nearest),
        CASE(keys_of_other_formats_are_refused),
        CASE(paths_are_needed),
        CASE(sizes_out_of_range_are_refused),
        CASE(counts_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

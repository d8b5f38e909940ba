/* test_data_masks.c: pictures with a class a pixel, and what that says of the whole picture. */
#include "data_files.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {"sky", "road", "car"};
static const struct umb_csv_target classes = {
    .kind = UMB_TARGET_PIXELS, .classes = names, .n_classes = 3, .ignore = 11};

static struct umb_dataset_desc desc(void)
{
    return (struct umb_dataset_desc){
        .format = "masks", .path = in_folder("set"), .targets = &classes, .n_targets = 1};
}

static void refused(enum umb_status st, const char *const *pieces)
{
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, st, pieces);
}

/* A grey picture of 2×3, all of one value. */
static void put_picture(const char *name, uint8_t value)
{
    const uint8_t pixels[6] = {value, value, value, value, value, value};
    put_blob(name, png_grey(2, 3, pixels));
}

static void put_mask(const char *name, const uint8_t index[6])
{
    put_blob(name, png_grey(2, 3, index));
}

static const uint8_t mixed[6] = {0, 1, 1, 11, 1, 0}, void_all[6] = {11, 11, 11, 11, 11, 11},
                     equal[6] = {2, 2, 2, 1, 1, 1};

/* Three pictures of training, of which the last has no mask, and one of each other split. */
static void put_set(void)
{
    put_picture("set/train/a.png", 10);
    put_picture("set/train/b.PNG", 20);
    put_picture("set/train/c.png", 30);
    put_mask("set/train_labels/a.png", mixed);
    put_mask("set/train_labels/b.png", void_all);
    put_picture("set/val/d.png", 40);
    put_mask("set/val_labels/d.png", equal);
    put_picture("set/test/e.png", 50);
    put_mask("set/test_labels/e.png", mixed);
}

struct sample {
    uint8_t image[6];
    int32_t mask[6], dominant;
    float present[3], share[3];
};

static struct sample read_sample(struct umb_dataset *ds, enum umb_split split, int64_t index)
{
    struct sample s;
    void *const targets[4] = {s.mask, &s.dominant, s.present, s.share};
    assert_int_equal(umb_dataset_read(ds, split, index, s.image, targets), UMB_OK);
    return s;
}

static void targets_are_what_the_mask_says(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    const struct sample s = read_sample(ds, UMB_SPLIT_TRAIN, 0);
    const int32_t mask[6] = {0, 1, 1, -1, 1, 0};
    const float share[3] = {2.0f / 5, 3.0f / 5, 0};
    assert_int_equal(s.image[0], 10);
    assert_memory_equal(s.mask, mask, sizeof mask);
    assert_int_equal(s.dominant, 1);
    for (int c = 0; c < 3; c++) {
        assert_float_equal(s.present[c], c < 2, 0);
        assert_float_equal(s.share[c], share[c], 1e-7);
    }
    umb_dataset_close(ds);
}

static void without_a_labelled_pixel_there_is_no_label(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    for (int64_t i = 1; i < 3; i++) { /* one that is void, one that has no mask */
        const struct sample s = read_sample(ds, UMB_SPLIT_TRAIN, i);
        assert_int_equal(s.image[5], 10 * (i + 1));
        assert_int_equal(s.dominant, -1);
        assert_true(isnan(s.present[0]) && isnan(s.share[0]));
        for (int k = 0; k < 6; k++) {
            assert_int_equal(s.mask[k], -1);
        }
    }
    umb_dataset_close(ds);
}

static void splits_have_folders(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 3);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 1);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 1);
    assert_int_equal(read_sample(ds, UMB_SPLIT_TEST, 0).image[0], 50);
    /* of classes with as many pixels the first */
    assert_int_equal(read_sample(ds, UMB_SPLIT_VALIDATION, 0).dominant, 1);
    umb_dataset_close(ds);
}

static void one_target_is_read_alone(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    for (int t = 0; t < 4; t++) {
        struct sample s = {.dominant = 99}, whole = read_sample(ds, UMB_SPLIT_TRAIN, 0);
        void *const all[4] = {s.mask, &s.dominant, s.present, s.share};
        void *targets[4] = {NULL, NULL, NULL, NULL};
        targets[t] = all[t];
        assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, NULL, targets), UMB_OK);
        assert_memory_equal(s.mask, t == 0 ? whole.mask : (int32_t[6]){0}, sizeof s.mask);
        assert_int_equal(s.dominant, t == 1 ? whole.dominant : 99);
        assert_memory_equal(s.present, t == 2 ? whole.present : (float[3]){0}, sizeof s.present);
        assert_memory_equal(s.share, t == 3 ? whole.share : (float[3]){0}, sizeof s.share);
    }
    umb_dataset_close(ds);
}

static void targets_are_described(void **state)
{
    (void)state;
    put_set();
    struct umb_dataset_desc d = desc();
    d.height = 4;
    d.width = 6;
    struct umb_dataset *ds = must_open(&d);
    const struct umb_target_info *mask = umb_dataset_target(ds, 0),
                                 *dominant = umb_dataset_target(ds, 1),
                                 *share = umb_dataset_target(ds, 3);
    assert_int_equal(umb_dataset_n_targets(ds), 4);
    assert_string_equal(mask->name, "mask");
    assert_int_equal(mask->height, 4);
    assert_int_equal(mask->width, 6);
    assert_string_equal(dominant->class_names[2], "car");
    assert_int_equal(umb_dataset_find_target(ds, "present"), 2);
    assert_int_equal(share->n_values, 3);
    assert_int_equal(share->points, UMB_POINTS_NONE); /* pictures may be moved */
    umb_dataset_close(ds);
}

/* What folders must not be. */

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    refused(UMB_ERR_IO, PIECES("path: ", in_folder("set/train"), "No such file"));
    put_text("set/train/notes.txt", "x");
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/train"), "no images; expected .png"));
    put_picture("set/train/a.png", 1);
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/train_labels"), "no such folder"));
}

static void masks_of_other_names_are_refused(void **state)
{
    (void)state;
    put_picture("set/train/a.png", 1);
    put_mask("set/train_labels/a_label.png", mixed);
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/train_labels"), "no mask is called as a picture",
                                   "expected NAME.png"));
}

static void unknown_classes_are_named(void **state)
{
    (void)state;
    const uint8_t bad[6] = {0, 1, 2, 0, 7, 0};
    put_picture("set/train/a.png", 1);
    put_mask("set/train_labels/a.png", bad);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    float share[3];
    void *const targets[4] = {NULL, NULL, NULL, share};
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, NULL, targets), UMB_ERR_FORMAT,
                  PIECES(in_folder("set/train_labels/a.png"), "class 7 at x 1, y 1",
                         "expected 0 … 2 or the ignored index"));
    umb_dataset_close(ds);
}

static void masks_of_other_sizes_are_refused(void **state)
{
    (void)state;
    const uint8_t four[4] = {0, 1, 2, 0};
    put_picture("set/train/a.png", 1);
    put_blob("set/train_labels/a.png", png_grey(2, 2, four));
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/train_labels/a.png"), "2×2", "is 2×3"));
}

static void descs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    put_set();
    struct umb_csv_target t = classes;
    struct umb_dataset_desc d = desc();
    d.targets = &t;
    t.n_classes = 1;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("classes: 1; expected 2 … 256"));
    t.n_classes = 3;
    t.ignore = 256;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("ignore: 256; expected 0 … 255"));
    t = classes;
    t.kind = UMB_TARGET_CLASS;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("targets: the format masks wants one, of pixels"));
    d.n_targets = 0;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("targets: the format masks wants one"));
    d = desc();
    d.split_column = "split";
    must_refuse(&d, UMB_ERR_INVALID, PIECES("split_column: the format masks has no such key"));
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    must_open_without_memory(&d, 10, 200);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(targets_are_what_the_mask_says),
        CASE(without_a_labelled_pixel_there_is_no_label),
        CASE(splits_have_folders),
        CASE(one_target_is_read_alone),
        CASE(targets_are_described),
        CASE(a_missing_folder_is_named),
        CASE(masks_of_other_names_are_refused),
        CASE(unknown_classes_are_named),
        CASE(masks_of_other_sizes_are_refused),
        CASE(descs_that_do_not_fit_are_refused),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_data_csv_set.c: the csv format: targets, splits, images and masks of a CSV's rows. */
#include "alloc.h"
#include "data_files.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

#define GREY PNG_COLOR_TYPE_GRAY

static const char *const column_class[] = {"kind"};
static const char *const column_xy[] = {"x", "y"};
static const char *const column_mask[] = {"mask"};
static const char *const kinds[] = {"cat", "dog"};

static const struct umb_csv_target by_text = {.name = "what",
                                              .kind = UMB_TARGET_CLASS,
                                              .columns = column_class,
                                              .n_columns = 1,
                                              .classes = kinds,
                                              .n_classes = 2};
static const struct umb_csv_target by_number = {
    .name = "what", .kind = UMB_TARGET_CLASS, .columns = column_class, .n_columns = 1};
static const struct umb_csv_target place = {.name = "place",
                                            .kind = UMB_TARGET_REAL,
                                            .columns = column_xy,
                                            .n_columns = 2,
                                            .scale = 0.5,
                                            .offset = 1.0};
static const struct umb_csv_target mask = {.name = "mask",
                                           .kind = UMB_TARGET_PIXELS,
                                           .columns = column_mask,
                                           .n_columns = 1,
                                           .n_classes = 3,
                                           .ignore = 11};

/* The text as a.csv, with images a.png … d.png of 2×3 beside it, and a mask of 0 1 2 11 0 1. */
static struct umb_dataset_desc desc(const struct umb_csv_target *target, const char *text)
{
    static const uint8_t indices[6] = {0, 1, 2, 11, 0, 1};
    const char *const names[] = {"a.png", "b.png", "c.png", "d.png"};
    const struct png_plan plan = {2, 3, 8, GREY, false};
    for (int i = 0; i < 4; i++) {
        put_blob(names[i], png_blob(&plan));
    }
    put_blob("mask.png", png_grey(2, 3, indices));
    put_text("a.csv", text);
    return (struct umb_dataset_desc){
        .format = "csv", .path = in_folder("a.csv"), .targets = target, .n_targets = 1};
}

static void refused(const struct umb_csv_target *target, const char *text, enum umb_status st,
                    const char *const *pieces)
{
    const struct umb_dataset_desc d = desc(target, text);
    must_refuse(&d, st, pieces);
}

static void texts_become_classes(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = desc(&by_text, "path,kind\na.png,dog\nb.png,cat\nc.png,\n");
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[6];
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 3);
    assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, 0, image), 1);
    assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, 1, NULL), 0);
    assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, 2, NULL), -1);
    assert_int_equal(image[5], pixel_at(5));
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 2);
    assert_string_equal(umb_dataset_target(ds, 0)->class_names[1], "dog");
    assert_int_equal(umb_dataset_find_target(ds, "what"), 0);
    assert_int_equal(umb_dataset_find_target(ds, "kind"), -1);
    umb_dataset_close(ds);
}

static void numbers_become_as_many_classes_as_training_has(void **state)
{
    (void)state;
    struct umb_csv_target target = by_number;
    target.classes = kinds; /* a list without length is none */
    const struct umb_dataset_desc d = desc(&target, "path,kind\na.png,3\nb.png,0\n");
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, 0, NULL), 3);
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 4);
    assert_null(umb_dataset_target(ds, 0)->class_names);
    umb_dataset_close(ds);
}

static void numbers_are_scaled_and_holes_are_no_label(void **state)
{
    (void)state;
    const struct umb_dataset_desc d =
        desc(&place, "path,x,y\na.png,4,-1e1\nb.png,4,\nc.png,,\nd.png,,5\n");
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[6];
    float value[2];
    void *targets[1] = {value};
    assert_int_equal(umb_dataset_target(ds, 0)->n_values, 2);
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets), UMB_OK);
    assert_float_equal(value[0], 3.0f, 0);
    assert_float_equal(value[1], -4.0f, 0);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, i, image, targets), UMB_OK);
        assert_true(isnan(value[0]));
    }
    umb_dataset_close(ds);
}

static void masks_are_indices_and_what_is_ignored_is_minus_one(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = desc(&mask, "path,mask\na.png,mask.png\nb.png,\n");
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[6];
    int32_t class[6];
    void *targets[1] = {class};
    const int32_t want[6] = {0, 1, 2, -1, 0, 1};
    assert_int_equal(umb_dataset_target(ds, 0)->height, 2);
    assert_int_equal(umb_dataset_target(ds, 0)->width, 3);
    for (int again = 0; again < 2; again++) { /* decoded, then kept */
        assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets), UMB_OK);
        assert_memory_equal(class, want, sizeof want);
        assert_int_equal(image[1], pixel_at(1));
    }
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, image, targets), UMB_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(class[i], -1);
    }
    umb_dataset_close(ds);
}

static void masks_are_scaled_to_the_nearest(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&mask, "path,mask\na.png,mask.png\n");
    d.height = 4;
    d.width = 6;
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[24];
    int32_t class[24];
    void *targets[1] = {class};
    const int32_t want[6] = {0, 1, 2, -1, 0, 1};
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets), UMB_OK);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(class[i], want[i / 12 * 3 + i % 6 / 2]);
    }
    umb_dataset_close(ds);
}

static void a_column_says_the_split(void **state)
{
    (void)state;
    struct umb_dataset_desc d =
        desc(&by_number,
             "path,split,kind\na.png,test,1\nb.png,train,2\nc.png,validation,1\nd.png,val,2\na.png,"
             "train,1\n");
    d.split_column = "split";
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 2);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 2);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 1);
    assert_int_equal(must_read(ds, UMB_SPLIT_TEST, 0, NULL), 1);
    assert_int_equal(must_read(ds, UMB_SPLIT_VALIDATION, 1, NULL), 2);
    umb_dataset_close(ds);
}

static void absent_labels_are_not_asked_for(void **state)
{
    (void)state;
    const struct umb_csv_target both[2] = {by_text, place};
    struct umb_dataset_desc d = desc(both, "path,kind,x,y\na.png,dog,2,4\n");
    d.n_targets = 2;
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[6];
    float value[2] = {9, 9};
    void *targets[2] = {NULL, value};
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets), UMB_OK);
    assert_float_equal(value[1], 3.0f, 0);
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, NULL), UMB_OK);
    umb_dataset_close(ds);
}

static void unknown_texts_are_refused_with_the_nearest(void **state)
{
    (void)state;
    refused(&by_text, "path,kind\na.png,dog\nb.png,dgo\n", UMB_ERR_FORMAT,
            PIECES("a.csv:3: kind: 'dgo'", "none of the 2 classes of what"));
    refused(&by_text, "path,kind\na.png,catt\n", UMB_ERR_FORMAT,
            PIECES("a.csv:2: kind: 'catt'", "did you mean 'cat'?"));
}

static void classes_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    refused(&by_number, "path,kind\na.png,1\nb.png,1.5\n", UMB_ERR_FORMAT,
            PIECES("a.csv:3: kind: '1.5'", "whole number 0 … 65535"));
    refused(&by_number, "path,kind\na.png,-1\n", UMB_ERR_FORMAT, PIECES("a.csv:2: kind: '-1'"));
    refused(&by_number, "path,kind\na.png,99999999999999999999\n", UMB_ERR_FORMAT,
            PIECES("a.csv:2: kind: '9999", "is no class"));
    struct umb_csv_target two = by_number;
    two.n_classes = 2;
    refused(&two, "path,kind\na.png,2\n", UMB_ERR_FORMAT,
            PIECES("a.csv:2: kind: '2'", "whole number 0 … 1"));
}

static void test_classes_must_occur_in_training(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&by_number, "path,split,kind\na.png,train,2\nb.png,test,1\n");
    d.split_column = "split";
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("a.csv:3: kind: '1'", "no training row has"));
    d = desc(&by_number, "path,split,kind\na.png,train,\nb.png,train,\n");
    d.split_column = "split";
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("a.csv: kind: no training row has a class"));
}

static void cells_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    refused(&place, "path,x,y\na.png,1,2\nb.png,1,two\n", UMB_ERR_FORMAT,
            PIECES("a.csv:3: y: 'two' is no number"));
    refused(&place, "path,x,y\na.png,nan,2\n", UMB_ERR_FORMAT, PIECES("a.csv:2: x: 'nan'"));
    refused(&place, "path,x,y\na.png,inf,2\n", UMB_ERR_FORMAT, PIECES("a.csv:2: x: 'inf'"));
    refused(&place, "path,x,y\na.png, 1,2\n", UMB_ERR_FORMAT, PIECES("a.csv:2: x: ' 1'"));
    refused(&place, "path,x,y\na.png,1,1e300\n", UMB_ERR_FORMAT,
            PIECES("a.csv:2: y: '1e300'", "too great for a 32-bit float"));
}

static void missing_columns_are_named(void **state)
{
    (void)state;
    refused(&by_text, "path,kinds\na.png,dog\n", UMB_ERR_INVALID,
            PIECES("a.csv:1: ", "no column 'kind'", "did you mean 'kinds'?"));
    refused(&place, "path,x\na.png,1\n", UMB_ERR_INVALID, PIECES("a.csv:1: ", "no column 'y'"));
    refused(&by_text, "image,kind\na.png,dog\n", UMB_ERR_INVALID,
            PIECES("a.csv:1: ", "no column 'path'"));
    struct umb_dataset_desc d = desc(&by_text, "path,kind\na.png,dog\n");
    d.split_column = "split";
    must_refuse(&d, UMB_ERR_INVALID, PIECES("a.csv:1: ", "no column 'split'"));
}

static void unknown_splits_are_refused(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&by_text, "path,kind,part\na.png,dog,train\nb.png,cat,dev\n");
    d.split_column = "part";
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("a.csv:3: part: 'dev' is no split"));
    d = desc(&by_text, "path,kind,part\na.png,dog,test\n");
    d.split_column = "part";
    must_refuse(&d, UMB_ERR_FORMAT, PIECES("a.csv: no training samples"));
}

static void images_that_are_missing_are_named_by_line(void **state)
{
    (void)state;
    refused(&by_text, "path,kind\na.png,dog\nnone.png,cat\n", UMB_ERR_IO,
            PIECES("a.csv:3: path: ", "none.png"));
    refused(&by_text, "path,kind\n,dog\n", UMB_ERR_FORMAT, PIECES("a.csv:2: path: empty"));
    struct umb_dataset_desc d = desc(&by_text, "path,kind\na.png,dog\nnone.png,cat\n");
    d.height = d.width = 2;
    must_refuse(&d, UMB_ERR_IO, PIECES("a.csv:3: path: ", "none.png: no such file"));
}

static void images_of_other_sizes_are_refused(void **state)
{
    (void)state;
    const struct png_plan plan = {3, 2, 8, GREY, false};
    struct umb_dataset_desc d = desc(&by_text, "path,kind\na.png,dog\nb.png,cat\n");
    put_blob("b.png", png_blob(&plan));
    must_refuse(&d, UMB_ERR_FORMAT,
                PIECES("a.csv:3: path: ", "b.png: 3×2", "a.png is 2×3", "set height and width"));
}

static void damaged_images_are_named_by_line_when_read(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&by_text, "path,kind\na.png,dog\nb.png,cat\n");
    d.height = d.width = 2;
    put_text("b.png", "no image at all");
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[4];
    for (int again = 0; again < 2; again++) {
        assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, image, NULL), UMB_ERR_FORMAT,
                      PIECES("a.csv:3: path: ", "b.png: neither a PNG nor a JPEG"));
    }
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, NULL), UMB_OK);
    umb_dataset_close(ds);
}

/* Reads the one sample of a set whose mask is bad. */
static void refused_mask(const char *const *pieces)
{
    struct umb_dataset_desc d = {.format = "csv",
                                 .path = in_folder("a.csv"),
                                 .targets = &mask,
                                 .n_targets = 1,
                                 .height = 2,
                                 .width = 3};
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[18];
    int32_t class[6];
    void *targets[1] = {class};
    enum umb_status st = umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets);
    umb_dataset_close(ds);
    assert_failed(st, UMB_ERR_FORMAT, pieces);
}

static void masks_with_unknown_classes_are_refused(void **state)
{
    (void)state;
    desc(&mask, "path,mask\na.png,mask.png\n");
    const uint8_t indices[6] = {0, 1, 2, 0, 7, 1};
    put_blob("mask.png", png_grey(2, 3, indices));
    refused_mask(PIECES("a.csv:2: mask: ", "mask.png: class 7 at x 1, y 1; expected 0 … 2"));
}

static void masks_that_are_no_indices_are_refused(void **state)
{
    (void)state;
    const struct png_plan rgb = {2, 3, 8, PNG_COLOR_TYPE_RGB, false},
                          deep = {2, 3, 16, GREY, false};
    const struct jpeg_plan jpeg = {2, 3, 1, false};
    desc(&mask, "path,mask\na.png,mask.png\n");
    put_blob("mask.png", png_blob(&rgb));
    refused_mask(PIECES("a.csv:2: mask: ", "mask of 8 bits with 3 channels"));
    put_blob("mask.png", png_blob(&deep));
    refused_mask(PIECES("a.csv:2: mask: ", "mask of 16 bits"));
    put_blob("mask.png", jpeg_blob(&jpeg));
    refused_mask(PIECES("a.csv:2: mask: ", "a JPEG, which does not keep indices"));
}

static void bad_target(struct umb_csv_target target, const char *piece)
{
    refused(&target, "path,kind,x,y,mask\na.png,dog,1,2,mask.png\n", UMB_ERR_INVALID,
            PIECES("targets: ", piece));
}

static void targets_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const twice[] = {"cat", "dog", "cat"};
    struct umb_csv_target t = by_text;
    t.name = "";
    bad_target(t, "target 0 has no name");
    t = by_text;
    t.n_columns = 0;
    bad_target(t, "what: no column");
    t.columns = column_xy;
    t.n_columns = 2;
    bad_target(t, "what: 2 columns; expected one");
    t = by_text;
    t.classes = twice;
    t.n_classes = 3;
    bad_target(t, "what: the class 'cat' is there twice");
    t = by_number;
    t.n_classes = 65537;
    bad_target(t, "65537 classes; expected at most 65536");
    t.kind = (enum umb_target_kind)7;
    bad_target(t, "what: unknown kind 7");
}

static void numbers_of_targets_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct umb_csv_target t = place;
    t.scale = (double)INFINITY;
    bad_target(t, "place: scale inf");
    t = mask;
    t.n_classes = 0;
    bad_target(t, "mask: 0 classes a pixel; expected 1 … 256");
    t.n_classes = 257;
    bad_target(t, "mask: 257 classes a pixel");
    t.n_classes = 3;
    t.ignore = 256;
    bad_target(t, "mask: ignore 256");
}

static void targets_missing_or_there_twice_are_refused(void **state)
{
    (void)state;
    const struct umb_csv_target both[2] = {by_text, by_number};
    struct umb_dataset_desc d = desc(both, "path,kind\na.png,dog\n");
    d.n_targets = 2;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("targets: what is there twice"));
    d.n_targets = 0;
    must_refuse(&d, UMB_ERR_INVALID, PIECES("targets: missing", "csv"));
}

static enum umb_status open_and_read(const struct umb_dataset_desc *d)
{
    struct umb_dataset *ds = NULL;
    uint8_t image[24];
    int32_t class[6];
    void *targets[2] = {class, class};
    enum umb_status st = umb_dataset_open(files_context(), d, &ds);
    if (st == UMB_OK) { st = umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, targets); }
    umb_dataset_close(ds);
    return st;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    const struct umb_csv_target both[2] = {by_text, mask};
    struct umb_dataset_desc d = desc(both, "path,kind,mask\na.png,dog,mask.png\n");
    d.n_targets = 2;
    d.height = 2;
    d.width = 2;
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        umb__alloc_fail_at(++n);
        st = open_and_read(&d);
        umb__alloc_fail_at(0);
        if (st != UMB_OK) { assert_failed(st, UMB_ERR_NO_MEMORY, PIECES("memory")); }
        assert_int_equal(umb__alloc_live(), before);
    } while (st != UMB_OK);
    assert_in_range(n, 20, 200);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(texts_become_classes),
        CASE(numbers_become_as_many_classes_as_training_has),
        CASE(numbers_are_scaled_and_holes_are_no_label),
        CASE(masks_are_indices_and_what_is_ignored_is_minus_one),
        CASE(masks_are_scaled_to_the_nearest),
        CASE(a_column_says_the_split),
        CASE(absent_labels_are_not_asked_for),
        CASE(unknown_texts_are_refused_with_the_nearest),
        CASE(classes_that_are_no_numbers_are_refused),
        CASE(test_classes_must_occur_in_training),
        CASE(cells_that_are_no_numbers_are_refused),
        CASE(missing_columns_are_named),
        CASE(unknown_splits_are_refused),
        CASE(images_that_are_missing_are_named_by_line),
        CASE(images_of_other_sizes_are_refused),
        CASE(damaged_images_are_named_by_line_when_read),
        CASE(masks_with_unknown_classes_are_refused),
        CASE(masks_that_are_no_indices_are_refused),
        CASE(targets_that_make_no_sense_are_refused),
        CASE(numbers_of_targets_that_make_no_sense_are_refused),
        CASE(targets_missing_or_there_twice_are_refused),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

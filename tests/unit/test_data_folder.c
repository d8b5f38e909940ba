/* test_data_folder.c: folders of images by class. */
#include "data_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

static struct umb_dataset_desc desc(void)
{
    return (struct umb_dataset_desc){.format = "folder", .path = in_folder("set")};
}

/* A grey image of 2×2 pixels of one value. */
static void put_image(const char *name, uint8_t value)
{
    const uint8_t pixels[4] = {value, value, value, value};
    char path[200];
    snprintf(path, sizeof path, "set/%s", name);
    put_blob(path, png_grey(2, 2, pixels));
}

static void refused(enum umb_status st, const char *const *pieces)
{
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, st, pieces);
}

/* Sample i of the split has the label and the value. */
static void assert_sample(struct umb_dataset *ds, enum umb_split split, int64_t i, int label,
                          int value)
{
    uint8_t image[4];
    assert_int_equal(must_read(ds, split, i, image), label);
    assert_int_equal(image[0], value);
}

static void classes_alone_are_training(void **state)
{
    (void)state;
    put_image("dog/1.png", 21);
    put_image("cat/b.png", 12);
    put_image("cat/a.PNG", 11);
    put_image("ant/x.jpeg", 1); /* by content, not by name */
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    const struct umb_target_info *t = umb_dataset_target(ds, 0);
    assert_int_equal(t->n_classes, 3);
    assert_string_equal(t->class_names[0], "ant");
    assert_string_equal(t->class_names[1], "cat");
    assert_string_equal(t->class_names[2], "dog");
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 4);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 0);
    /* In turn through the classes. */
    assert_sample(ds, UMB_SPLIT_TRAIN, 0, 0, 1);
    assert_sample(ds, UMB_SPLIT_TRAIN, 1, 1, 11);
    assert_sample(ds, UMB_SPLIT_TRAIN, 2, 2, 21);
    assert_sample(ds, UMB_SPLIT_TRAIN, 3, 1, 12);
    umb_dataset_close(ds);
}

static void splits_have_folders(void **state)
{
    (void)state;
    put_image("train/a/1.png", 1);
    put_image("train/b/1.png", 2);
    put_image("test/b/1.png", 3);
    put_image("validation/a/1.png", 4);
    put_image("val/a/1.png", 5);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_sample(ds, UMB_SPLIT_TRAIN, 1, 1, 2);
    assert_sample(ds, UMB_SPLIT_TEST, 0, 1, 3);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_VALIDATION), 2);
    assert_sample(ds, UMB_SPLIT_VALIDATION, 0, 0, 5); /* val/ goes before validation/ */
    assert_sample(ds, UMB_SPLIT_VALIDATION, 1, 0, 4);
    umb_dataset_close(ds);
}

static void a_class_may_be_called_train(void **state)
{
    (void)state;
    put_image("train/1.png", 1);
    put_image("plane/1.png", 2);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_string_equal(umb_dataset_target(ds, 0)->class_names[1], "train");
    assert_sample(ds, UMB_SPLIT_TRAIN, 1, 1, 1);
    umb_dataset_close(ds);
}

static void hidden_and_other_files_are_passed_over(void **state)
{
    (void)state;
    put_image("a/1.png", 1);
    put_text("set/a/.hidden.png", "x");
    put_text("set/a/notes.txt", "x");
    put_text("set/a/png", "x");
    put_text("set/readme.png", "x");
    put_image(".git/1.png", 1);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 1);
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 1);
    umb_dataset_close(ds);
}

static void a_class_without_test_images_is_fine(void **state)
{
    (void)state;
    put_image("train/a/1.png", 1);
    put_image("train/b/1.png", 2);
    put_image("test/b/1.png", 3);
    mkdir(in_folder("set/test/a"), 0700);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), 1);
    umb_dataset_close(ds);
}

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    refused(UMB_ERR_IO, PIECES("path: ", in_folder("set"), "No such file"));
}

static void a_folder_without_classes_is_refused(void **state)
{
    (void)state;
    put_image("1.png", 1);
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set"), "no class folders; expected"));
}

static void a_class_without_images_is_refused(void **state)
{
    (void)state;
    put_image("a/1.png", 1);
    put_text("set/b/notes.txt", "x");
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/b"), "no images; expected .png"));
}

static void a_split_without_images_is_refused(void **state)
{
    (void)state;
    put_image("train/a/1.png", 1);
    put_text("set/test/a/notes.txt", "x");
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/test"), "no images in any class folder"));
}

static void classes_of_test_must_occur_in_training(void **state)
{
    (void)state;
    put_image("train/a/1.png", 1);
    put_image("test/b/1.png", 1);
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/test/b"), "does not occur in training"));
}

static void images_of_other_sizes_are_refused(void **state)
{
    (void)state;
    const struct png_plan plan = {3, 2, 8, PNG_COLOR_TYPE_RGB, false};
    put_image("a/1.png", 1);
    put_blob("set/a/2.png", png_blob(&plan));
    refused(UMB_ERR_FORMAT,
            PIECES(in_folder("set/a/2.png"), "3×2", "a/1.png is 2×2", "set height and width"));
}

static void damaged_images_are_named(void **state)
{
    (void)state;
    put_image("a/1.png", 1);
    put_text("set/a/2.png", "no image");
    refused(UMB_ERR_FORMAT, PIECES(in_folder("set/a/2.png"), "neither a PNG nor a JPEG"));
    struct umb_dataset_desc d = desc();
    d.height = d.width = 3; /* now only the first is looked at */
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[9];
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, image, NULL), UMB_ERR_FORMAT,
                  PIECES(in_folder("set/a/2.png"), "neither a PNG nor a JPEG"));
    umb_dataset_close(ds);
}

static void images_that_change_are_refused(void **state)
{
    (void)state;
    const struct png_plan plan = {3, 2, 8, PNG_COLOR_TYPE_GRAY, false};
    put_image("a/1.png", 1);
    put_image("a/2.png", 2);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[4];
    put_blob("set/a/1.png", png_blob(&plan));
    unlink(in_folder("set/a/2.png"));
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 0, image, NULL), UMB_ERR_FORMAT,
                  PIECES(in_folder("set/a/1.png"), "3×2; it was 2×2"));
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, image, NULL), UMB_ERR_IO,
                  PIECES(in_folder("set/a/2.png"), "cannot be opened"));
    umb_dataset_close(ds);
}

static void images_are_decoded_once_and_kept(void **state)
{
    (void)state;
    put_image("a/1.png", 77);
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    assert_sample(ds, UMB_SPLIT_TRAIN, 0, 0, 77);
    unlink(in_folder("set/a/1.png"));
    assert_sample(ds, UMB_SPLIT_TRAIN, 0, 0, 77);
    umb_dataset_close(ds);
}

/* At this size the set takes more than a GiB, so that each read decodes again. */
static void sets_too_large_to_keep_are_read_again(void **state)
{
    (void)state;
    static uint8_t image[9000 * 9000];
    char name[20];
    for (int i = 0; i < 14; i++) {
        snprintf(name, sizeof name, "a/%02d.png", i);
        put_image(name, 50);
    }
    struct umb_dataset_desc d = desc();
    d.height = d.width = 9000;
    struct umb_dataset *ds = must_open(&d);
    must_read(ds, UMB_SPLIT_TRAIN, 4, image);
    assert_int_equal(image[sizeof image - 1], 50);
    unlink(in_folder("set/a/04.png"));
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 4, image, NULL), UMB_ERR_IO,
                  PIECES("04.png"));
    umb_dataset_close(ds);
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    put_image("train/a/1.png", 1);
    put_image("train/b/1.png", 2);
    put_image("test/b/1.png", 3);
    const struct umb_dataset_desc d = desc();
    must_open_without_memory(&d, 10, 200);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(classes_alone_are_training),
        CASE(splits_have_folders),
        CASE(a_class_may_be_called_train),
        CASE(hidden_and_other_files_are_passed_over),
        CASE(a_class_without_test_images_is_fine),
        CASE(a_missing_folder_is_named),
        CASE(a_folder_without_classes_is_refused),
        CASE(a_class_without_images_is_refused),
        CASE(a_split_without_images_is_refused),
        CASE(classes_of_test_must_occur_in_training),
        CASE(images_of_other_sizes_are_refused),
        CASE(damaged_images_are_named),
        CASE(images_that_change_are_refused),
        CASE(images_are_decoded_once_and_kept),
        CASE(sets_too_large_to_keep_are_read_again),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

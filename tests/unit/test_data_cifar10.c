/* test_data_cifar10.c: CIFAR-10's records, and the order of its batches. */
#include "data_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct umb_dataset_desc desc(void)
{
    return (struct umb_dataset_desc){.format = "cifar10", .path = in_folder("")};
}

static void refused(const char *name, const char *piece)
{
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, UMB_ERR_FORMAT, PIECES(name, piece));
}

static void put_set(void)
{
    put_blob("data_batch_1.bin", cifar_batch(4, 0));
    put_blob("test_batch.bin", cifar_batch(2, 8));
}

static void planes_become_pixels(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    uint8_t image[3072];
    assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, 3, image), 3);
    for (size_t i = 0; i < 1024; i++) {
        assert_int_equal(image[3 * i], 3);
        assert_int_equal(image[3 * i + 1], 100);
        assert_int_equal(image[3 * i + 2], 200);
    }
    assert_int_equal(must_read(ds, UMB_SPLIT_TEST, 1, NULL), 9);
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 10);
    assert_string_equal(umb_dataset_target(ds, 0)->class_names[9], "truck");
    umb_dataset_close(ds);
}

/* By name, 10 would come before 2. */
static void batches_go_by_number(void **state)
{
    (void)state;
    put_blob("data_batch_10.bin", cifar_batch(1, 5));
    put_blob("data_batch_2.bin", cifar_batch(2, 1));
    put_blob("data_batch_1.bin", cifar_batch(1, 7));
    put_blob("test_batch.bin", cifar_batch(1, 0));
    put_text("data_batch_x.bin", "no batch");
    put_text("batches.meta.txt", "no batch");
    const struct umb_dataset_desc d = desc();
    struct umb_dataset *ds = must_open(&d);
    const int want[4] = {7, 1, 2, 5};
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, i, NULL), want[i]);
    }
    umb_dataset_close(ds);
}

static void two_batches_of_one_number_are_refused(void **state)
{
    (void)state;
    put_set();
    put_blob("data_batch_01.bin", cifar_batch(1, 0));
    refused("data_batch_01.bin", "one number");
}

static void cut_records_are_refused(void **state)
{
    (void)state;
    put_set();
    struct blob b = cifar_batch(2, 0);
    b.n--;
    put_blob("data_batch_2.bin", b);
    refused("data_batch_2.bin", "6145 bytes; expected a multiple of 3073");
}

static void empty_batches_are_refused(void **state)
{
    (void)state;
    put_set();
    put_text("test_batch.bin", "");
    refused("test_batch.bin", "0 bytes; expected a multiple of 3073");
}

static void labels_beyond_nine_are_refused(void **state)
{
    (void)state;
    put_set();
    struct blob b = cifar_batch(3, 0);
    b.data[2 * 3073] = 10;
    put_blob("data_batch_1.bin", b);
    refused("data_batch_1.bin", "sample 2: label 10; expected 0 … 9");
}

static void missing_batches_are_named(void **state)
{
    (void)state;
    put_set();
    const struct umb_dataset_desc d = desc();
    unlink(in_folder("test_batch.bin"));
    must_refuse(&d, UMB_ERR_IO, PIECES("test_batch.bin", "cannot be opened"));
    unlink(in_folder("data_batch_1.bin"));
    must_refuse(&d, UMB_ERR_IO, PIECES("no file data_batch_1.bin"));
}

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc();
    d.path = in_folder("nowhere");
    must_refuse(&d, UMB_ERR_IO, PIECES("path", "nowhere", "No such file"));
}

static void a_folder_in_place_of_a_batch_is_refused(void **state)
{
    (void)state;
    put_set();
    put_text("data_batch_3.bin/file", "x");
    const struct umb_dataset_desc d = desc();
    must_refuse(&d, UMB_ERR_INVALID, PIECES("data_batch_3.bin", "is a folder"));
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    put_set();
    put_blob("data_batch_2.bin", cifar_batch(1, 5));
    const struct umb_dataset_desc d = desc();
    must_open_without_memory(&d, 8, 60);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(planes_become_pixels),
        CASE(batches_go_by_number),
        CASE(two_batches_of_one_number_are_refused),
        CASE(cut_records_are_refused),
        CASE(empty_batches_are_refused),
        CASE(labels_beyond_nine_are_refused),
        CASE(missing_batches_are_named),
        CASE(a_missing_folder_is_named),
        CASE(a_folder_in_place_of_a_batch_is_refused),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

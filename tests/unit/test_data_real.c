/* test_data_real.c: real data sets, where they are there; $UMBEL_DATA says where. */
#include "data_files.h"
#include "sampler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct umb_dataset *open_real(const char *format, const char *name)
{
    struct umb_dataset_desc d = {.format = format, .path = real_data(name)};
    if (!d.path) { skip(); }
    return must_open(&d);
}

static void assert_shape(struct umb_dataset *ds, int64_t n_train, int64_t n_test, int64_t side,
                         int64_t channels)
{
    int64_t shape[3];
    umb_dataset_image_shape(ds, shape);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TRAIN), n_train);
    assert_int_equal(umb_dataset_count(ds, UMB_SPLIT_TEST), n_test);
    assert_int_equal(shape[0], side);
    assert_int_equal(shape[1], side);
    assert_int_equal(shape[2], channels);
}

/* The first labels and the mean, which the world knows to be 0.1307 of 255. */
static void mnist_is_read(void **state)
{
    (void)state;
    static const int first[10] = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
    struct umb_dataset *ds = open_real("idx", "mnist");
    assert_shape(ds, 60000, 10000, 28, 1);
    assert_int_equal(umb_dataset_target(ds, 0)->n_classes, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(must_read(ds, UMB_SPLIT_TRAIN, i, NULL), first[i]);
    }
    uint8_t image[784];
    double sum = 0;
    for (int64_t i = 0; i < 60000; i++) {
        must_read(ds, UMB_SPLIT_TRAIN, i, image);
        for (int k = 0; k < 784; k++) {
            sum += image[k];
        }
    }
    double mean = sum / 60000 / 784 / 255;
    if (mean < 0.1306 || mean > 0.1308) { fail_msg("mean %g, expected 0.1307", mean); }
    assert_int_equal(must_read(ds, UMB_SPLIT_TEST, 0, NULL), 7);
    umb_dataset_close(ds);
}

static void cifar10_is_read(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_real("cifar10", "cifar10");
    assert_shape(ds, 10000, 2000, 32, 3);
    int count[10] = {0};
    for (int64_t i = 0; i < 10000; i++) {
        count[must_read(ds, UMB_SPLIT_TRAIN, i, NULL)]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(count[i], 1000);
    }
    umb_dataset_close(ds);
}

/* Faces with landmarks and four attributes, some grey; all read by threads. */
static void mtfl_is_read(void **state)
{
    (void)state;
    static const char *const x_y[] = {"nose_x", "nose_y"}, *const gender[] = {"gender"};
    static const char *const genders[] = {"1", "2"};
    const struct umb_csv_target targets[2] = {{.name = "nose",
                                               .kind = UMB_TARGET_REAL,
                                               .columns = x_y,
                                               .n_columns = 2,
                                               .scale = 1.0 / 80},
                                              {.name = "gender",
                                               .kind = UMB_TARGET_CLASS,
                                               .columns = gender,
                                               .n_columns = 1,
                                               .classes = genders,
                                               .n_classes = 2}};
    struct umb_dataset_desc d = {.format = "csv",
                                 .path = real_data("mtfl/labels.csv"),
                                 .split_column = "split",
                                 .targets = targets,
                                 .n_targets = 2,
                                 .height = 20,
                                 .width = 20,
                                 .channels = 3};
    if (!d.path) { skip(); }
    struct umb_dataset *ds = must_open(&d);
    assert_shape(ds, 9983, 2931, 20, 3);
    static uint8_t images[2931][1200];
    static float nose[2931][2];
    static int32_t label[2931];
    static uint32_t indices[2931];
    for (uint32_t i = 0; i < 2931; i++) {
        indices[i] = i;
    }
    struct umb_reader *r = NULL;
    void *rows[2] = {nose, label};
    assert_int_equal(umb__reader_create(files_context(), 2, &r), UMB_OK);
    assert_int_equal(umb__reader_read(r, ds, UMB_SPLIT_TEST, indices, 2931, images[0], rows),
                     UMB_OK);
    umb__reader_destroy(r);
    double sum = 0;
    for (int i = 0; i < 2931; i++) {
        assert_in_range(label[i], 0, 1);
        sum += (double)nose[i][0];
    }
    if (sum / 2931 < 0.4 || sum / 2931 > 0.6) { fail_msg("mean nose at %g", sum / 2931); }
    umb_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mnist_is_read),
        CASE(cifar10_is_read),
        CASE(mtfl_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_data_points.c: columns of a CSV that are points in their pictures. */
#include "alloc.h"
#include "data_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>

static const char *const four[] = {"x1", "x2", "y1", "y2"}, *const kind[] = {"kind"};
static const struct umb_swap both = {0, 1};

static const struct umb_csv_target eyes = {.name = "eyes",
                                           .kind = UMB_TARGET_REAL,
                                           .columns = four,
                                           .n_columns = 4,
                                           .scale = 0.5,
                                           .offset = 1,
                                           .points = UMB_POINTS_XXYY,
                                           .swap = &both,
                                           .n_swaps = 1};

/* One image of 4×6. */
static struct umb_dataset_desc desc(const struct umb_csv_target *target)
{
    const struct png_plan plan = {4, 6, 8, PNG_COLOR_TYPE_GRAY, false};
    put_blob("a.png", png_blob(&plan));
    put_text("a.csv", "path,x1,x2,y1,y2,kind\na.png,1,5,2,2,0\na.png,1,5,2,2,1\n");
    return (struct umb_dataset_desc){
        .format = "csv", .path = in_folder("a.csv"), .targets = target, .n_targets = 1};
}

static void spans_are_the_picture_in_stored_units(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&eyes);
    struct umb_dataset *ds = must_open(&d);
    const struct umb_target_info *info = umb_dataset_target(ds, 0);
    assert_int_equal(info->points, UMB_POINTS_XXYY);
    assert_float_equal(info->span[0], 3, 0); /* 6 wide, halved */
    assert_float_equal(info->span[1], 2, 0);
    assert_float_equal(info->offset, 1, 0);
    assert_int_equal(info->n_swaps, 1);
    assert_int_equal(info->swap[0].b, 1);
    umb_dataset_close(ds);
    struct umb_csv_target within = eyes;
    within.within[0] = 40;
    within.within[1] = 60;
    d.targets = &within;
    d.height = d.width = 2;
    ds = must_open(&d);
    info = umb_dataset_target(ds, 0);
    assert_float_equal(info->span[0], 30, 0);
    assert_float_equal(info->span[1], 20, 0);
    umb_dataset_close(ds);
}

static void refuse(const struct umb_csv_target *target, int64_t side, const char *const *pieces)
{
    struct umb_dataset_desc d = desc(target);
    d.height = d.width = side;
    must_refuse(&d, UMB_ERR_INVALID, pieces);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct umb_csv_target t = eyes;
    const struct umb_swap far = {0, 2}, same = {1, 1}, twice[2] = {{0, 1}, {1, 0}};
    refuse(&t, 2, PIECES("targets: eyes: within is 0", "images are scaled"));
    t.swap = &far;
    refuse(&t, 0, PIECES("targets: eyes: swap of 0 and 2", "points of 0 … 1"));
    t.swap = &same;
    refuse(&t, 0, PIECES("swap of 1 and 1", "two different points"));
    t.swap = twice;
    t.n_swaps = 2;
    refuse(&t, 0, PIECES("1 is swapped twice"));
    t = eyes;
    t.n_columns = 3;
    refuse(&t, 0, PIECES("3 columns are no points"));
    t = eyes;
    t.points = UMB_POINTS_NONE;
    refuse(&t, 0, PIECES("swap of 0 and 1"));
    const struct umb_csv_target classes = {.name = "kind",
                                           .kind = UMB_TARGET_CLASS,
                                           .columns = kind,
                                           .n_columns = 1,
                                           .swap = &far,
                                           .n_swaps = 1};
    refuse(&classes, 0, PIECES("kind: swap of 0 and 2", "classes of 0 … 1")); /* counted */
}

/* Labels without their pictures, which are not even looked at. */
static void labels_come_without_pictures(void **state)
{
    (void)state;
    struct umb_dataset_desc d = desc(&eyes);
    d.height = d.width = 2;
    struct umb_csv_target within = eyes;
    within.within[0] = within.within[1] = 8;
    d.targets = &within;
    struct umb_dataset *ds = must_open(&d);
    put_text("a.png", "no image");
    float value[4];
    void *targets[1] = {value};
    uint8_t image[4];
    assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, NULL, targets), UMB_OK);
    assert_float_equal(value[1], 3.5f, 0);
    assert_failed(umb_dataset_read(ds, UMB_SPLIT_TRAIN, 1, image, targets), UMB_ERR_FORMAT,
                  PIECES("a.png"));
    umb_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(spans_are_the_picture_in_stored_units),
        CASE(what_makes_no_sense_is_refused),
        CASE(labels_come_without_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_data_balance.c: classes of unequal numbers, counted and drawn equally often. */
#include "alloc.h"
#include "class_balance.h"
#include "data_files.h"
#include "sampler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>

/* 20 of class 0, 5 of class 1, 2 of class 3, 4 without a label, mixed; no class 2. */
#define N 31
static int class_at(int i)
{
    return i % 8 == 3 ? -1 : i % 6 == 1 ? 1 : i % 15 == 5 ? 3 : 0;
}

static struct umb_dataset *open_unequal(void)
{
    static const char *const columns[] = {"kind"};
    const struct umb_csv_target target = {.name = "kind",
                                          .kind = UMB_TARGET_CLASS,
                                          .columns = columns,
                                          .n_columns = 1,
                                          .ignore = -1,
                                          .n_classes = 4};
    const struct png_plan plan = {2, 2, 8, PNG_COLOR_TYPE_GRAY, false};
    char text[1024] = "path,kind\n";
    put_blob("a.png", png_blob(&plan));
    for (int i = 0; i < N; i++) {
        char line[32];
        snprintf(line, sizeof line, class_at(i) < 0 ? "a.png,\n" : "a.png,%d\n", class_at(i));
        strcat(text, line);
    }
    put_text("a.csv", text);
    const struct umb_dataset_desc d = {
        .format = "csv", .path = in_folder("a.csv"), .targets = &target, .n_targets = 1};
    return must_open(&d);
}

static void count_kinds(int counts[5])
{
    for (int i = 0; i < N; i++) {
        counts[class_at(i) < 0 ? 4 : class_at(i)]++;
    }
}

static void labels_are_counted(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_unequal();
    uint64_t counts[4] = {0}, merged[2] = {0};
    int want[5] = {0};
    count_kinds(want);
    static const int32_t label_of[4] = {1, 0, 0, -1};
    assert_int_equal(umb__class_counts(files_context(), ds, UMB_SPLIT_TRAIN, 0, NULL, counts),
                     UMB_OK);
    for (int c = 0; c < 4; c++) {
        assert_int_equal(counts[c], want[c]);
    }
    assert_int_equal(umb__class_counts(files_context(), ds, UMB_SPLIT_TRAIN, 0, label_of, merged),
                     UMB_OK);
    assert_int_equal(merged[0], want[1]);
    assert_int_equal(merged[1], want[0]);
    umb_dataset_close(ds);
}

static void pixels_are_counted(void **state)
{
    (void)state;
    const struct umb_dataset_desc d = {.format = "shapes", .seed = 3, .count = 4};
    struct umb_dataset *ds = must_open(&d);
    uint64_t counts[2] = {0};
    assert_int_equal(umb__class_counts(files_context(), ds, UMB_SPLIT_TRAIN, 3, NULL, counts),
                     UMB_OK);
    assert_int_equal(counts[0] + counts[1], 4 * 1024);
    assert_true(counts[1] > 4 * 20 && counts[0] > counts[1]);
    umb_dataset_close(ds);
}

static struct umb_balance *balance(struct umb_dataset *ds)
{
    struct umb_balance *b = NULL;
    assert_int_equal(umb__balance_create(files_context(), ds, 0, NULL, 4, &b), UMB_OK);
    return b;
}

/* 27 places for 3 classes: 9 each; the 4 without a label once each. */
static void a_pass_has_as_many_of_each_class(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_unequal();
    struct umb_balance *b = balance(ds);
    int times[N] = {0}, have[5] = {0};
    count_kinds(have);
    const int places = (N - have[4]) / 3;
    for (int64_t pass = 0; pass < 12; pass++) {
        uint32_t order[N], work[N];
        int drawn[5] = {0};
        umb__balance_pass(b, 7, 1, pass, work, order);
        for (int i = 0; i < N; i++) {
            assert_true(order[i] < N);
            times[order[i]]++;
            drawn[class_at((int)order[i]) < 0 ? 4 : class_at((int)order[i])]++;
        }
        assert_int_equal(drawn[2], 0);
        assert_int_equal(drawn[4], have[4]);
        assert_in_range(drawn[0], places, places + 1);
        assert_in_range(drawn[1], places, places + 1);
        assert_in_range(drawn[3], places, places + 1);
    }
    for (int i = 0; i < N; i++) { /* none is drawn again before all others of its class were */
        for (int k = 0; k < N; k++) {
            if (class_at(i) == class_at(k)) { assert_true(abs(times[i] - times[k]) <= 1); }
        }
    }
    umb__balance_destroy(b);
    umb_dataset_close(ds);
}

static void passes_depend_on_their_number_alone(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_unequal();
    struct umb_balance *b = balance(ds), *again = balance(ds);
    uint32_t order[6][N], work[N], other[N];
    for (int64_t pass = 0; pass < 6; pass++) {
        umb__balance_pass(b, 7, 1, pass, work, order[pass]);
        for (int64_t k = 0; k < pass; k++) {
            assert_memory_not_equal(order[pass], order[k], sizeof other);
        }
    }
    for (int64_t pass = 6; pass-- > 0;) {
        umb__balance_pass(again, 7, 1, pass, work, other);
        assert_memory_equal(other, order[pass], sizeof other);
        umb__balance_pass(again, 8, 1, pass, work, other);
        assert_memory_not_equal(other, order[pass], sizeof other);
        umb__balance_pass(again, 7, 2, pass, work, other);
        assert_memory_not_equal(other, order[pass], sizeof other);
    }
    umb__balance_destroy(b);
    umb__balance_destroy(again);
    umb__balance_destroy(NULL);
    umb_dataset_close(ds);
}

/* Batches are cut from passes as without it. */
static void a_sampler_draws_so(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_unequal();
    struct umb_balance *b = balance(ds);
    const struct umb_sampler_desc d = {
        .dataset = ds, .batch = 8, .seed = 7, .stream = 1, .shuffle = true, .balance = b};
    struct umb_sampler *s = NULL;
    assert_int_equal(umb__sampler_create(files_context(), &d, &s), UMB_OK);
    for (int64_t batch = 7; batch >= 0; batch--) {
        uint32_t order[N], work[N], got[8];
        int64_t n = 0;
        umb__balance_pass(b, 7, 1, batch / 4, work, order);
        assert_int_equal(umb__sampler_batch(s, batch, got, &n), UMB_OK);
        assert_int_equal(n, batch % 4 == 3 ? 7 : 8);
        assert_memory_equal(got, order + batch % 4 * 8, (size_t)n * sizeof *got);
    }
    umb__sampler_destroy(s);
    umb__balance_destroy(b);
    umb_dataset_close(ds);
}

static void without_a_label_there_is_nothing_to_draw(void **state)
{
    (void)state;
    struct umb_dataset *ds = open_unequal();
    struct umb_balance *b = NULL;
    static const int32_t label_of[4] = {-1, -1, -1, -1};
    const uint64_t live = umb__alloc_live();
    assert_failed(umb__balance_create(files_context(), ds, 0, label_of, 1, &b), UMB_ERR_INVALID,
                  PIECES("no training sample has a label"));
    assert_null(b);
    assert_int_equal(umb__alloc_live(), live);
    umb_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(labels_are_counted),
        CASE(pixels_are_counted),
        CASE(a_pass_has_as_many_of_each_class),
        CASE(passes_depend_on_their_number_alone),
        CASE(a_sampler_draws_so),
        CASE(without_a_label_there_is_nothing_to_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

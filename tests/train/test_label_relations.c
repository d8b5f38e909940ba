/*
 * What training labels say of tasks, from small tables: against counts by hand, with labels that
 * are missing, one class alone, masks, numbers, tasks of different data, and no memory.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "data_files.h"
#include "label_relations.h"
#include "label_words.h"
#include "relate.h"
#include "relate_page.h"

/* ---- an experiment on a table ---- */

struct world {
    struct umb_experiment *exp;
    struct umb_label_set *sets;
    struct umb_relations *relations;
};

static enum umb_status relate(struct world *w)
{
    const char *names[16];
    enum umb_status st = umb__label_sets_read(w->exp, &w->sets);
    for (size_t t = 0; t < w->exp->n_tasks; t++) {
        names[t] = w->exp->task[t].name;
    }
    if (st == UMB_OK) {
        st = umb__relations_create(files_context(), w->exp->n_tasks, names, &w->relations);
    }
    return st == UMB_OK ? umb__label_relations(w->relations, w->sets) : st;
}

static void forget(struct world *w)
{
    umb__relations_destroy(w->relations);
    umb__label_sets_destroy(w->sets, w->exp->n_tasks);
    w->relations = NULL;
    w->sets = NULL;
}

/* The image goes once data are open: nobody may look at it any more. */
static struct world begin(const char *experiment, const char *table)
{
    struct world w = {0};
    const uint8_t grey[16] = {0};
    put_blob("i", png_grey(4, 4, grey));
    put_text("t.csv", table);
    put_text("e.yaml", experiment);
    enum umb_status st =
        umb__experiment_read(files_context(), in_folder("e.yaml"), NULL, 0, &w.exp);
    if (st == UMB_OK) { st = umb__experiment_open(w.exp); }
    assert_int_equal(remove(in_folder("i")), 0);
    if (st == UMB_OK) { st = relate(&w); }
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(files_context())); }
    return w;
}

static void end(struct world *w)
{
    forget(w);
    umb__experiment_destroy(w->exp);
}

static double pair(const struct world *w, const char *measure, size_t s, size_t t)
{
    const double *value = umb__relations_find(w->relations, measure, NULL);
    assert_non_null(value);
    return value[s * w->relations->T + t];
}

static void expect(const struct world *w, const char *measure, size_t s, size_t t, double expected)
{
    const double got = pair(w, measure, s, t);
    if (isnan(expected) ? isnan(got) : fabs(got - expected) < 1e-12 || got == expected) { return; }
    fail_msg("%s of %s, %s is %.15g, expected %.15g", measure, w->exp->task[s].name,
             w->exp->task[t].name, got, expected);
}

#define DATA "data: {d: {format: csv, path: t.csv, size: 4, channels: 1, targets: {"
#define TASKS "}}}\ntrunk: [{flatten: {}}]\ntasks:\n"
#define TRAIN "train: {epochs: 1, batch: 2, seed: 1}\n"
#define CLASSES(name, target, n, more)                                                            \
    "  " name ": {target: " target ", head: [{dense: {units: " #n "}}], loss: cross_entropy" more \
    "}\n"
#define YES_NO(name, target, more) \
    "  " name ": {target: " target \
    ", head: [{dense: {units: 1}}], loss: binary_cross_entropy" more "}\n"
#define NUMBERS(name, target, n) \
    "  " name ": {target: " target ", head: [{dense: {units: " #n "}}], loss: mse}\n"

/* ---- classes ---- */

/* Labels of a, b: (0,0) (0,0) (1,1) (1,0) (2,–) (–,1) (–,–) (2,1); kind is a < 2, as yes or no. */
static const char gaps[] = DATA "a: {column: a}, b: {column: b}" TASKS CLASSES("a", "a", 3, "")
    YES_NO("b", "b", "") YES_NO("kind", "a", ", map: {high: [2], low: [0, 1]}") TRAIN;
static const char gaps_table[] = "path,a,b\ni,0,0\ni,0,0\ni,1,1\ni,1,0\ni,2,\ni,,1\ni,,\ni,2,1\n";

static void missing_labels_are_left_out(void **state)
{
    (void)state;
    struct world w = begin(gaps, gaps_table);
    const uint64_t joint_ab[6] = {2, 0, 1, 1, 0, 1}, joint_b_kind[4] = {0, 3, 1, 1};
    assert_int_equal(w.sets[0].n, 8);
    assert_int_equal(w.sets[0].n_labelled, 6);
    assert_memory_equal(w.sets[0].count, ((uint64_t[]){2, 2, 2}), 24);
    assert_memory_equal(w.sets[1].count, ((uint64_t[]){3, 3}), 16);
    assert_memory_equal(w.sets[2].count, ((uint64_t[]){2, 4}), 16);
    expect(&w, "both_labels", 0, 1, 5 / 8.0);
    expect(&w, "both_labels", 1, 0, 5 / 8.0);
    expect(&w, "both_labels", 1, 1, 6 / 8.0);
    expect(&w, "mutual_information", 0, 1, umb__relate_mutual(3, 2, joint_ab));
    expect(&w, "mutual_information", 2, 1, umb__relate_mutual(2, 2, joint_b_kind));
    expect(&w, "kl", 1, 2, 0.5 * log2(0.5 * 3) + 0.5 * log2(0.5 * 3 / 2));
    expect(&w, "kl", 2, 1, log2(2 / 3.0) / 3 + 2 * log2(4 / 3.0) / 3);
    expect(&w, "kl", 0, 1, NAN); /* three classes against two */
    expect(&w, "jensen_shannon", 0, 2, NAN);
    end(&w);
}

static void tasks_without_labels_or_with_one_class(void **state)
{
    (void)state;
    struct world w = begin(
        DATA
        "a: {column: a}, b: {column: b, classes: [x, y]}, c: {column: c, classes: [x, y]}" TASKS
            YES_NO("a", "a", "") YES_NO("none", "b", "") YES_NO("one", "c", "") TRAIN,
        "path,a,b,c\ni,0,,y\ni,1,,y\ni,1,,y\ni,0,,y\n");
    struct umb_label_words words;
    expect(&w, "both_labels", 0, 1, 0);
    expect(&w, "mutual_information", 0, 1, NAN);
    expect(&w, "jensen_shannon", 0, 1, NAN);
    expect(&w, "kl", 1, 0, NAN);
    expect(&w, "both_labels", 0, 2, 1);
    expect(&w, "mutual_information", 0, 2, NAN);
    expect(&w, "kl", 0, 2, INFINITY);
    expect(&w, "kl", 2, 0, 1);
    umb__label_words(&w.sets[1], &words);
    assert_string_equal(words.spread, "–");
    assert_string_equal(words.share, "0.0 %");
    umb__label_words(&w.sets[2], &words);
    assert_string_equal(words.spread, "y: 100.0 %");
    assert_int_equal(umb__label_classes(&w.sets[2]), 1);
    end(&w);
}

/* ---- numbers ---- */

/* Sixteen rows: x rises, y falls where x rises, z has two values, one number is missing. */
static void numbers_are_cut_into_bins(void **state)
{
    (void)state;
    char table[2048] = "path,x,y,z,c\n", row[64];
    for (int i = 0; i < 32; i++) {
        snprintf(row, sizeof row, "i,%d,%d,%d,%d\n", i * i, -i, i % 2, i < 16);
        strcat(table, row);
    }
    strcat(table, "i,,5,1,0\n");
    struct world w =
        begin(DATA "x: {column: x, type: real}, y: {column: y, type: real}, z: {column: "
                   "z, type: real}, c: {column: c}" TASKS NUMBERS("x", "x", 1) NUMBERS("y", "y", 1)
                       NUMBERS("z", "z", 1) YES_NO("c", "c", "") TRAIN,
              table);
    assert_int_equal(w.sets[0].n_labelled, 32);
    assert_int_equal(w.sets[0].n_codes, UMB_LABEL_BINS);
    assert_int_equal(w.sets[0].code[31], 15);
    assert_int_equal(w.sets[0].code[2], 1); /* two of 32 in each bin */
    assert_int_equal(w.sets[0].code[32], -1);
    expect(&w, "both_labels", 0, 1, 32 / 33.0);
    expect(&w, "mutual_information", 0, 3, 1 / sqrt(4)); /* 1 of 4 bits, H_c = 1 */
    expect(&w, "mutual_information", 0, 2, 0);           /* each bin has one of both */
    assert_true(pair(&w, "mutual_information", 0, 1) > 0.8);
    expect(&w, "kl", 0, 3, NAN);
    expect(&w, "kl", 0, 1, INFINITY); /* x has values that y lacks */
    assert_true(pair(&w, "jensen_shannon", 0, 1) > 0.5);
    end(&w);
}

/* Nine of ten are 0: those above keep bins of their own. */
static void equal_numbers_share_a_bin(void **state)
{
    (void)state;
    char table[2048] = "path,x,c\n", row[64];
    for (int i = 0; i < 40; i++) {
        snprintf(row, sizeof row, "i,%d,%d\n", i < 36 ? 0 : 9, i < 36);
        strcat(table, row);
    }
    struct world w =
        begin(DATA "x: {column: x, type: real}, c: {column: c}" TASKS NUMBERS("x", "x", 1)
                  YES_NO("c", "c", "") TRAIN,
              table);
    expect(&w, "mutual_information", 0, 1, 1);
    end(&w);
}

/* ---- masks ---- */

/* Two masks of 4×4: class 1 in the left half; in the right half. Class 7 is ignored: a corner. */
static void masks_are_counted_by_pixels(void **state)
{
    (void)state;
    uint8_t left[16], right[16];
    for (int i = 0; i < 16; i++) {
        left[i] = i % 4 < 2;
        right[i] = i % 4 >= 2;
    }
    left[0] = 7;
    put_blob("left.png", png_grey(4, 4, left));
    put_blob("right.png", png_grey(4, 4, right));
    struct world w = begin(
        DATA "m: {column: m, type: pixels, classes: 2, ignore: 7}, a: {column: a}" TASKS
             "  m: {target: m, head: [{conv: {filters: 2, size: 1}}], loss: "
             "cross_entropy}\n" CLASSES(
                 "a", "a", 2, "") "  n: {target: m, head: [{conv: {filters: 2, size: 1}}], loss: "
                                  "cross_entropy}\n" TRAIN,
        "path,m,a\ni,left.png,0\ni,right.png,1\ni,,1\n");
    const uint64_t joint[4] = {8, 8, 7, 8};
    assert_int_equal(w.sets[0].n_labelled, 2);
    assert_int_equal(w.sets[0].V, 16);
    assert_memory_equal(w.sets[0].count, ((uint64_t[]){16, 15}), 16);
    expect(&w, "both_labels", 0, 1, 2 / 3.0);
    expect(&w, "mutual_information", 0, 1, umb__relate_mutual(2, 2, joint));
    expect(&w, "mutual_information", 0, 2, 1);
    expect(&w, "kl", 0, 2, 0);
    end(&w);
}

/* More than 2²⁴ pixels: every second row and column is kept, all are counted. */
static void many_masks_keep_a_grid(void **state)
{
    (void)state;
    struct world w = begin(
        "data: {s: {format: shapes, count: 17000}}\n"
        "trunk: [{flatten: {}}]\ntasks:\n" CLASSES(
            "a", "shape", 4, "") "  m: {target: mask, head: [{conv: {filters: 2, size: 1}}], loss: "
                                 "cross_entropy}\n" TRAIN,
        "");
    static int32_t mask[32 * 32];
    void *targets[4] = {NULL, NULL, NULL, mask};
    assert_int_equal(w.sets[1].V, 16 * 16);
    assert_int_equal(umb_dataset_read(w.exp->data[0].dataset, UMB_SPLIT_TRAIN, 7, NULL, targets),
                     UMB_OK);
    for (size_t k = 0; k < 16 * 16; k++) {
        assert_int_equal(w.sets[1].code[7 * 256 + k], mask[k / 16 * 64 + k % 16 * 2]);
    }
    assert_int_equal(w.sets[1].count[0] + w.sets[1].count[1], 17000 * 32 * 32);
    assert_true(pair(&w, "mutual_information", 0, 1) > 0.003); /* 0.0037 of all pixels of 4000 */
    assert_true(pair(&w, "mutual_information", 0, 1) < 0.005);
    end(&w);
}

/* ---- several data sets, one task ---- */

static void tasks_of_different_data_share_no_samples(void **state)
{
    (void)state;
    struct world w = begin("data: {p: {format: shapes, count: 60}, q: {format: shapes, count: 40, "
                           "seed: 2}}\n"
                           "trunk: [{flatten: {}}]\ntasks:\n" CLASSES("a", "shape", 4, ", data: p")
                               CLASSES("b", "shape", 4, ", data: q")
                                   CLASSES("c", "colour", 6, ", data: q") TRAIN,
                           "");
    assert_int_equal(w.sets[0].n, 60);
    assert_int_equal(w.sets[1].n, 40);
    expect(&w, "both_labels", 0, 1, NAN);
    expect(&w, "mutual_information", 0, 1, NAN);
    assert_true(pair(&w, "jensen_shannon", 0, 1) < 0.1);
    expect(&w, "both_labels", 1, 2, 1);
    assert_true(pair(&w, "mutual_information", 1, 2) < 0.3);
    end(&w);
}

static void one_task_is_no_pair(void **state)
{
    (void)state;
    struct world w =
        begin(DATA "a: {column: a}" TASKS CLASSES("a", "a", 2, "") TRAIN, "path,a\ni,0\ni,1\n");
    char title[UMB_RELATION_TITLE];
    struct umb_heat_map map;
    for (size_t i = 0; i < w.relations->n; i++) {
        assert_false(umb__relation_map(w.relations, i, title, &map));
    }
    expect(&w, "both_labels", 0, 0, 1);
    end(&w);
}

/* ---- faces ---- */

/* 9983 training faces: figures counted from the table by a few lines of Python. */
static void faces(void **state)
{
    (void)state;
    const char *folder = real_data("mtfl");
    char experiment[1024];
    if (!folder) { return; }
    snprintf(experiment, sizeof experiment,
             "data: {d: {format: csv, path: %s/labels.csv, split_column: split, targets: {gender: "
             "{column: gender, classes: [1, 2]}, glasses: {column: glasses, classes: [1, 2]}, "
             "pose: {column: pose, classes: [1, 2, 3, 4, 5]}" TASKS YES_NO("gender", "gender", "")
                 YES_NO("glasses", "glasses", "") CLASSES("pose", "pose", 5, "") TRAIN,
             folder);
    struct world w = begin(experiment, "");
    assert_int_equal(w.sets[0].n_labelled, 9983);
    assert_true(fabs(pair(&w, "mutual_information", 0, 1) - 0.0369) < 5e-5);
    assert_true(fabs(pair(&w, "mutual_information", 1, 2) - 0.0017) < 5e-5);
    assert_true(fabs(pair(&w, "jensen_shannon", 0, 1) - 0.1596779703986132) < 1e-12);
    assert_true(fabs(pair(&w, "kl", 0, 1) - 0.7533006340489903) < 1e-12);
    assert_true(fabs(pair(&w, "kl", 1, 0) - 0.6020001617143328) < 1e-12);
    end(&w);
}

/* ---- no memory ---- */

static enum umb_status relate_and_draw(struct world *w)
{
    const struct umb_relate_page page = {.name = "e"};
    struct umb_relate_page p = page;
    bool written;
    enum umb_status st = relate(w);
    p.sets = w->sets;
    p.relations = w->relations;
    if (st == UMB_OK) { st = umb__relate_page_write(files_context(), &p, in_folder("p.html")); }
    if (st == UMB_OK) {
        st = umb__relate_svg_write(files_context(), &p, in_folder("p.svg"), &written);
    }
    forget(w);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    struct world w = begin(gaps, gaps_table);
    forget(&w);
    const uint64_t live = umb__alloc_live();
    int failures = 0;
    for (uint64_t k = 1;; k++) {
        umb__alloc_fail_at(k);
        const enum umb_status st = relate_and_draw(&w);
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), live);
        if (st == UMB_OK) { break; }
        assert_int_equal(st, UMB_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 20);
    end(&w);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(missing_labels_are_left_out),
        CASE(tasks_without_labels_or_with_one_class),
        CASE(numbers_are_cut_into_bins),
        CASE(equal_numbers_share_a_bin),
        CASE(masks_are_counted_by_pixels),
        CASE(many_masks_keep_a_grid),
        CASE(tasks_of_different_data_share_no_samples),
        CASE(one_task_is_no_pair),
        CASE(faces),
        CASE(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_cli_compare.c: umbel compare from outside: every run that it promises, the same numbers as
 * `umbel train` gives, going on after any interruption, and what it says to wrong input.
 */
#define _XOPEN_SOURCE 700
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli_fixture.h"

/* Two streams of unequal length, so that a task alone has fewer steps. */
static const char together[] =
    "name: two\n"
    "data:\n"
    "  a: {format: shapes, count: 48, validation: 0.25}\n"
    "  b: {format: shapes, count: 24, validation: 0.25, seed: 2}\n"
    "trunk: [{max_pool: {size: 4}}, {flatten: {}}, {dense: {units: 6, activation: relu}}]\n"
    "tasks:\n"
    "  colour: {data: a, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"
    "  place: {data: b, target: position, head: [{dense: {units: 2}}], loss: mse, weight: 5}\n"
    "train: {epochs: 2, batch: 12, log_every: 1, optimizer: {adam: {rate: 0.01}}, seed: 3}\n";

/* The same with its first task only. */
static const char alone[] =
    "name: two\n"
    "data:\n"
    "  a: {format: shapes, count: 48, validation: 0.25}\n"
    "trunk: [{max_pool: {size: 4}}, {flatten: {}}, {dense: {units: 6, activation: relu}}]\n"
    "tasks:\n"
    "  colour: {data: a, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"
    "train: {epochs: 2, batch: 12, log_every: 1, optimizer: {adam: {rate: 0.01}}, seed: 4}\n";

/* What was measured and what it says, without times. */
static void assert_same_numbers(const char *a, const char *b)
{
    static const char *const keys[] = {"tasks", "delta_m", "negative_transfer", "methods", "seeds"};
    json_t *x = read_json(a), *y = read_json(b);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!json_equal(json_object_get(x, keys[i]), json_object_get(y, keys[i]))) {
            fail_msg("%s of %s and %s differ", keys[i], a, b);
        }
        assert_non_null(json_object_get(x, keys[i]));
    }
    json_decref(x);
    json_decref(y);
}

/* "whole": 2 tasks alone and one method, 2 seeds. */
static void every_run_is_made(void **state)
{
    (void)state;
    expect("umbel compare two.yaml --methods equal --seeds 2 --out whole", 0,
           "2 tasks alone and 1 method, 2 seeds: 6 runs");
    assert_non_null(strstr(output, "6/6 equal-seed4: epoch "));
    assert_non_null(strstr(output, "place alone was trained for "));
    assert_non_null(strstr(output, "report: whole/report.html"));
    static const char *const runs[] = {"single-colour-seed3", "single-place-seed3", "equal-seed3",
                                       "single-colour-seed4", "single-place-seed4", "equal-seed4"};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char line[256];
        snprintf(line, sizeof line, "umbel eval whole/%s --checkpoint best", runs[i]);
        expect(line, 0, "score");
    }
    expect("python3 -c 'import re, xml.etree.ElementTree as E; "
           "n = [E.fromstring(d) for d in re.findall(r\"(?s)<svg.*?</svg>\", "
           "open(\"whole/report.html\", encoding=\"utf-8\").read())]; "
           "print(len(n), \"drawings\")'",
           0, "4 drawings"); /* the mark, all tasks, two tasks */
}

#define ROWS(run) "grep '\"epoch\",' " run "/metrics.jsonl"

/* Alone is what an experiment with that task only is, and equal is the experiment as it stands. */
static void runs_are_what_training_by_hand_gives(void **state)
{
    (void)state;
    expect("umbel train alone.yaml --out hand && " ROWS("hand") " > x && " ROWS(
               "whole/single-colour-seed4") " | cmp - x && wc -l < x",
           0, "12");
    expect("umbel train two.yaml --set train.seed=4 --out both && " ROWS("both") " > x && " ROWS(
               "whole/equal-seed4") " | cmp - x && wc -l < x",
           0, "18");
}

/* The table's numbers are those of the best checkpoint on test data. */
static void numbers_are_the_best_checkpoints(void **state)
{
    (void)state;
    expect("umbel eval whole/equal-seed3 --checkpoint best --json > best.json", 0, "");
    json_t *table = read_json("whole/comparison.json"), *best = read_json("best.json");
    double said = 0, is = 0;
    assert_int_equal(json_unpack(table, "{s:{s:{s:{s:{s:{s:[F]}}}}}}", "tasks", "place", "metrics",
                                 "mae", "equal", "values", &said),
                     0);
    assert_int_equal(json_unpack(best, "{s:{s:{s:F}}}", "tasks", "place", "mae", &is), 0);
    if (!(said > 0) || said - is > 1e-6 || is - said > 1e-6) { fail_msg("%g and %g", said, is); }
    json_decref(table);
    json_decref(best);
}

/* One run is left without an end, with half a row; one before its first checkpoint; one is gone. */
static void an_interrupted_one_goes_on(void **state)
{
    (void)state;
    expect("cp -r whole cut && cd cut && sed -i '/\"end\"/d' single-place-seed3/metrics.jsonl && "
           "printf '{\"event\":\"ep' >> single-place-seed3/metrics.jsonl && "
           "rm equal-seed3/checkpoints/* && rm -r single-colour-seed4 && rm report.html",
           0, "");
    expect("umbel compare two.yaml --methods equal --seeds 2 --out cut --resume", 0,
           "1/6 single-colour-seed3: epoch ");
    assert_non_null(strstr(output, "was there"));
    expect("ls cut", 0, "report.html");
    assert_same_numbers("cut/comparison.json", "whole/comparison.json");
    expect("grep -c '\"end\"' cut/single-place-seed3/metrics.jsonl", 0, "1");
    expect(ROWS("whole/equal-seed3") " > x; " ROWS("cut/equal-seed3") " | cmp - x", 0, "");
}

/* --json is one value and nothing else; fewer seeds first, then more. */
static void seeds_can_be_added(void **state)
{
    (void)state;
    expect("umbel compare two.yaml --methods equal --seeds 1 --json 2>/dev/null > one.json", 0, "");
    json_decref(read_json("one.json"));
    expect("umbel compare two.yaml --methods equal --seeds 2 --resume --json 2>said > two.json", 0,
           "");
    expect("grep -c 'was there' said", 0, "3");
    assert_same_numbers("two.json", "whole/comparison.json");
    expect("cmp two.json runs/two-compare-1/comparison.json", 0, "");
}

/* The program itself is the shell's child, not a shell around it. */
static void ctrl_c_says_how_to_go_on(void **state)
{
    (void)state;
    char line[1400];
    snprintf(line, sizeof line,
             "'%s' compare two.yaml --methods equal --set train.epochs=5000 --seeds 1 --out stop "
             "--device cpu & "
             "i=0; until [ -e stop/single-colour-seed3/checkpoints/latest ] || [ $i = 300 ]; do "
             "sleep 0.1; i=$((i + 1)); done; kill -INT $!; wait $!",
             program);
    expect(line, 130,
           "to go on: umbel compare two.yaml --methods equal --seeds 1 --out stop --set "
           "train.epochs=5000 --device cpu --resume");
}

/* A rate at which nothing stays finite: the table is there, without numbers, and says so. */
static void runs_that_fail_are_left_out(void **state)
{
    (void)state;
    expect("umbel compare two.yaml --methods equal --seeds 1 --out wild --set "
           "'train.optimizer={sgd: {rate: 1000000}}' --set train.epochs=9",
           1, "equal-seed3 is left out: task '");
    assert_non_null(strstr(output, "runs have not ended"));
    assert_non_null(strstr(output, "report: wild/report.html"));
}

static void wrong_input_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *line, *expected;
    } rows[] = {
        {"two.yaml", "--methods is missing"},
        {"two.yaml --methods ''", "--methods: '' is no name"},
        {"two.yaml --methods equal,", "--methods: '' is no name"},
        {"two.yaml --methods 'a b'", "'a b' is no name"},
        {"two.yaml --methods single", "single is always trained"},
        {"two.yaml --methods equal,equal", "equal is there twice"},
        {"two.yaml --methods equal --seeds 0", "--seeds: '0' does not fit"},
        {"two.yaml --methods equal --seeds 1001", "--seeds: 1001 are too many"},
        {"two.yaml --methods equal,nosuch,nor,this",
         "umbel compare: --methods nosuch: train.balancer: unknown"},
        {"two.yaml --methods equal --set tasks.place.metrics=[]",
         "--set: tasks.place.metrics: has 0 metrics"},
        {"two.yaml --methods equal --set tasks.place.weight=0", "task 'place' alone: "},
        {"two.yaml --methods equal --set train.seed=9223372036854775806", "train.seed: "},
        {"nowhere.yaml --methods equal", "no such experiment"},
        {"two.yaml --methods equal --out whole", "whole: holds a comparison already"},
        {"two.yaml --methods equal --out whole/equal-seed3", "equal-seed3: holds a run already"},
        {"two.yaml --methods equal --out hand --resume", "hand: is no comparison"},
        {"two.yaml --methods equal --set name=else --resume", "runs/else-compare-N"},
        {"two.yaml --methods equal --seeds 2 --set train.batch=6 --out whole --resume",
         "whole/single-colour-seed3: --set: train.batch: the run has 12, the experiment 6"},
        {"two.yaml --methods equal --seeds 2 --set train.epochs=1 --out whole --resume",
         "whole/single-colour-seed3: has 2 epochs; expected at most"},
        {"two.yaml --methods equal --device nosuchdevice --out none", "nosuchdevice"},
    };
    char line[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "umbel compare %s", rows[i].line);
        expect(line, 2, rows[i].expected);
    }
    expect("ls none", 2, "none"); /* nothing is left of what could not begin */
}

static int set_up(void **state)
{
    if (enter(state) != 0) { return -1; }
    write_file("two.yaml", together);
    write_file("alone.yaml", alone);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_is_made),
        cmocka_unit_test(runs_are_what_training_by_hand_gives),
        cmocka_unit_test(numbers_are_the_best_checkpoints),
        cmocka_unit_test(an_interrupted_one_goes_on),
        cmocka_unit_test(seeds_can_be_added),
        cmocka_unit_test(ctrl_c_says_how_to_go_on),
        cmocka_unit_test(runs_that_fail_are_left_out),
        cmocka_unit_test(wrong_input_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, leave);
}

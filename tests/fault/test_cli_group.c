/*
 * test_cli_group.c: umbel group from outside: groups from affinities that are in the runs, each
 * group trained, one table; going on; and what it says to wrong input.
 */
#define _XOPEN_SOURCE 700
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli_fixture.h"

static const char three[] =
    "name: three\n"
    "data:\n"
    "  a: {format: shapes, count: 96, validation: 0.25}\n"
    "trunk: [{max_pool: {size: 4}}, {flatten: {}}, {dense: {units: 4, activation: relu}}]\n"
    "tasks:\n"
    "  red: {target: colour, map: {yes: [0, 1, 2], no: [3, 4, 5]}, head: [{dense: {units: 1}}], "
    "loss: binary_cross_entropy}\n"
    "  place: {target: position, head: [{dense: {units: 2}}], loss: mse, weight: 5}\n"
    "  warm: {target: colour, map: {yes: [0, 1, 2], no: [3, 4, 5]}, head: [{dense: {units: 1}}], "
    "loss: binary_cross_entropy}\n"
    "train: {epochs: 2, batch: 12, log_every: 1, optimizer: {adam: {rate: 0.01}}, seed: 3}\n";

/* "whole": 3 tasks together, alone, and in 2 groups. */
static void every_run_is_made(void **state)
{
    (void)state;
    expect("umbel group three.yaml --groups 2 --seeds 2 --batches 6 --out whole", 0,
           "three: 3 tasks together, then in at most 2 groups and alone");
    assert_non_null(strstr(output, "Group 1: "));
    assert_non_null(strstr(output, "no cover by so many groups has more"));
    assert_non_null(strstr(output, "report: whole/report.html"));
    expect("ls -d whole/group-*-seed3 whole/group-*-seed4", 0, "whole/group-");
    expect("ls whole", 0, "single-place-seed4\n");
    expect("python3 -c 'import re, xml.etree.ElementTree as E; "
           "n = [E.fromstring(d) for d in re.findall(r\"(?s)<svg.*?</svg>\", "
           "open(\"whole/report.html\", encoding=\"utf-8\").read())]; "
           "print(len(n), \"drawings\")'",
           0, "6 drawings"); /* the mark, all tasks, three tasks, affinities */
}

#define ROWS(run) "grep '\"epoch\",' " run "/metrics.jsonl"

/* Looking has changed no number, and a group is what an experiment of its tasks is. */
static void runs_are_what_training_by_hand_gives(void **state)
{
    (void)state;
    expect("umbel train three.yaml --set train.seed=4 --out hand && " ROWS("hand") " > x && " ROWS(
               "whole/together-seed4") " | cmp - x && wc -l < x",
           0, "24");
    expect("grep -c '\"affinity\"' whole/together-seed4/metrics.jsonl", 0, "2");
}

/* The groups are those of the mean of the rows in the runs. */
static void affinities_are_the_runs_mean(void **state)
{
    (void)state;
    expect("python3 -c 'import glob, json; rows = [json.loads(line)[\"exact\"] "
           "for run in sorted(glob.glob(\"whole/together-seed*\")) "
           "for line in open(run + \"/metrics.jsonl\") if \"\\\"affinity\\\"\" in line]; "
           "said = json.load(open(\"whole/comparison.json\"))[\"groups\"][\"affinity\"]; "
           "off = max(abs(sum(r[s][t] for r in rows) / len(rows) - said[s][t]) "
           "for s in range(3) for t in range(3)); print(len(rows), \"rows\", off < 1e-8)'",
           0, "4 rows True");
}

static void it_goes_on(void **state)
{
    (void)state;
    expect("cp -r whole cut && rm -r cut/group-*-seed4 cut/single-red-seed3 cut/report.html", 0,
           "");
    expect("umbel group three.yaml --groups 2 --seeds 2 --batches 6 --out cut --resume", 0,
           "was there");
    expect("python3 -c 'import json; a, b = (json.load(open(d + \"/comparison.json\")) for d in "
           "(\"cut\", \"whole\")); print([a[k] == b[k] for k in "
           "(\"tasks\", \"groups\", \"delta_m\")])'",
           0, "[True, True, True]");
    expect("umbel group three.yaml --groups 1 --seeds 1 --batches 6 --out cut --resume --json "
           "2>/dev/null > one.json",
           0, "");
    json_t *all = read_json("one.json");
    double groups = 0, together = 1;
    assert_int_equal(json_unpack(all, "{s:{s:{s:{s:{s:{s:F}, s:{s:F}}}}}}", "tasks", "place",
                                 "metrics", "mae", "groups", "mean", &groups, "together", "mean",
                                 &together),
                     0);
    assert_true(groups >= together && groups <= together); /* one group is all of them */
    json_decref(all);
}

static void wrong_input_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *line, *expected;
    } rows[] = {
        {"three.yaml", "--groups is missing"},
        {"three.yaml --groups 0", "--groups: '0' does not fit"},
        {"three.yaml --groups 2 --seeds 1001", "--seeds: 1001 are too many"},
        {"three.yaml --groups 2 --out whole", "whole: holds a comparison already"},
        {"three.yaml --groups 2 --seeds 1 --rate x --out bad", "--rate: 'x'"},
        {"three.yaml --groups 2 --seeds 1 --batches 6 --rate 5 --epochs 1 --out whole --resume",
         "expected at most"},
        {"one.yaml --groups 2", "one task makes no groups"},
        {"nowhere.yaml --groups 2", "no such experiment"},
    };
    char line[512];
    write_file("one.yaml",
               "name: one\ndata: {s: {format: shapes, count: 20}}\ntrunk: [{flatten: {}}]\n"
               "tasks: {t: {target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}}\n"
               "train: {epochs: 1, batch: 2, seed: 1}\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "umbel group %s", rows[i].line);
        expect(line, 2, rows[i].expected);
    }
    expect("ls bad", 2, "bad");
    expect("umbel group --help", 0, "umbel group shapes --groups 2 --seeds 3 --epochs 3");
    expect("umbel --help", 0, "group");
}

/* What looking finds wrong ends the first run behind its first epoch. */
static void a_look_that_fails_ends_training(void **state)
{
    (void)state;
    write_file("apart.yaml",
               "name: apart\ndata: {s: {format: shapes, count: 40}}\n"
               "trunks: {x: [{flatten: {}}, {dense: {units: 2}}], y: [{flatten: {}}]}\n"
               "tasks:\n"
               "  a: {trunk: x, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
               "  b: {trunk: y, target: position, head: [{dense: {units: 2}}], loss: mse}\n"
               "train: {epochs: 3, batch: 10, seed: 1}\n");
    expect("umbel group apart.yaml --groups 2 --seeds 1 --out apart", 1,
           "the tasks share no parameter that is trained");
    expect("ls apart/together-seed1/checkpoints", 0, "epoch-1");
    assert_null(strstr(output, "epoch-2"));
}

/* Two tasks that want the opposite of one head. */
static const char against[] =
    "name: against\n"
    "data:\n"
    "  a: {format: shapes, count: 120}\n"
    "trunk: [{max_pool: {size: 4}}, {flatten: {}}, {dense: {units: 4, activation: relu}}]\n"
    "tasks:\n"
    "  warm: {target: colour, map: {no: [0, 1, 2], yes: [3, 4, 5]}, head: [{dense: {name: answer, "
    "units: 1}}], loss: binary_cross_entropy}\n"
    "  cold: {target: colour, map: {no: [3, 4, 5], yes: [0, 1, 2]}, head: [{dense: {share: "
    "warm.answer, units: 1}}], loss: binary_cross_entropy}\n"
    "  place: {target: position, head: [{dense: {units: 2}}], loss: mse}\n"
    "train: {epochs: 5, batch: 12, balancer: mgda, seed: 1}\n";

/* While they train, where gradients are compared; once a pair. */
static void tasks_that_pull_are_named(void **state)
{
    (void)state;
    write_file("against.yaml", against);
    expect("umbel train against.yaml --out pull", 0,
           "warn: tasks warm and cold pull against each other: mean cosine -");
    expect("grep -c 'warm and cold pull' pull/log.txt", 0, "1\n");
    expect("grep 'warm and cold pull' pull/log.txt", 0, "over epoch 4");
    expect("umbel train against.yaml --set train.balancer=equal --out blind", 0, "report");
    expect("grep -c pull blind/log.txt", 1, "0");
}

/* The watch goes on over resuming: the same epoch's warning, and no second one. */
static void a_resumed_run_names_them_the_same(void **state)
{
    (void)state;
    expect("umbel train against.yaml --set train.epochs=2 --out on", 0, "report");
    expect("grep -c 'warm and cold pull' on/log.txt", 1, "0");
    expect("umbel train against.yaml --out on --resume", 0, "report");
    expect("grep -h 'warm and cold pull' on/log.txt pull/log.txt | sed 's/.*tasks/tasks/' | "
           "sort | uniq -c | grep -c '2 tasks'",
           0, "1\n");
    expect("umbel train against.yaml --set train.epochs=9 --out on --resume", 0, "report");
    expect("grep -c 'warm and cold pull' on/log.txt", 0, "1\n");
}

static int set_up(void **state)
{
    if (enter(state) != 0) { return -1; }
    write_file("three.yaml", three);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_is_made),
        cmocka_unit_test(runs_are_what_training_by_hand_gives),
        cmocka_unit_test(affinities_are_the_runs_mean),
        cmocka_unit_test(it_goes_on),
        cmocka_unit_test(a_look_that_fails_ends_training),
        cmocka_unit_test(tasks_that_pull_are_named),
        cmocka_unit_test(a_resumed_run_names_them_the_same),
        cmocka_unit_test(wrong_input_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, leave);
}

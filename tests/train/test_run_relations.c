/* Distances of nets from runs of one task each, written by hand. */
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
#include "run_relations.h"
#include "safetensors.h"

static const char *const tasks[3] = {"digit", "garment", "fur"};

static void add(struct umb_safetensors *f, const char *name, const float *value, int64_t n)
{
    const struct umb_shape shape = {.rank = 1, .dim = {n}};
    assert_int_equal(umb__safetensors_add(f, name, "F32", &shape, value), UMB_OK);
}

/* A run of `names` (one task a word) whose trunk has the given numbers; all else differs. */
static void put_run(const char *folder, const char *yaml_tasks, const float *trunk, float else_)
{
    char name[64], text[512];
    struct umb_safetensors *f;
    const float other[2] = {else_, 2 * else_};
    snprintf(text, sizeof text,
             "data: {s: {format: shapes}}\ntrunk: [{flatten: {}}]\ntasks:\n%s"
             "train: {epochs: 1, batch: 2, seed: 1}\n",
             yaml_tasks);
    snprintf(name, sizeof name, "%s/experiment.yaml", folder);
    put_text(name, text);
    snprintf(name, sizeof name, "%s/metrics.jsonl", folder);
    put_text(name, "");
    snprintf(name, sizeof name, "%s/checkpoints/latest", folder);
    put_text(name, "");
    assert_int_equal(umb__safetensors_create(files_context(), &f), UMB_OK);
    add(f, "conv1.weight", trunk, 3);
    add(f, "optimizer.first.conv1.weight", other, 2);
    add(f, "bn1.running_mean", other, 2);
    add(f, folder, other, 2); /* the head's, by the task's name */
    assert_int_equal(umb__safetensors_write(f, in_folder(name)), UMB_OK);
    umb__safetensors_destroy(f);
}

#define TASK(name) "  " name ": {target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"

static const float here[3] = {3, 4, 0}, there[3] = {3, 0, 0};

static enum umb_status relate(const char *a, const char *b, double *ret_distance)
{
    char path_a[512], path_b[512];
    const char *runs[2] = {path_a, path_b};
    struct umb_relations *r = NULL;
    snprintf(path_a, sizeof path_a, "%s", in_folder(a));
    snprintf(path_b, sizeof path_b, "%s", in_folder(b));
    enum umb_status st = umb__relations_create(files_context(), 3, tasks, &r);
    if (st == UMB_OK) { st = umb__run_relations(r, runs, 2); }
    if (st == UMB_OK) {
        memcpy(ret_distance, umb__relations_find(r, "parameter_distance", NULL),
               9 * sizeof(double));
    }
    umb__relations_destroy(r);
    return st;
}

/* By the trunk alone: neither heads nor the optimizer's state, nor statistics, count. */
static void what_both_nets_have_counts(void **state)
{
    (void)state;
    double distance[9];
    put_run("digit", TASK("digit"), here, 1);
    put_run("fur", TASK("fur"), there, 100);
    assert_int_equal(relate("fur", "digit", distance), UMB_OK);
    assert_true(fabs(distance[2] - 4 / sqrt((25 + 9) / 2.0)) < 1e-15);
    assert_true(fabs(distance[6] - distance[2]) < 1e-15);
    assert_true(isnan(distance[1]) && isnan(distance[5]) && isnan(distance[0]));
}

static void refused(const char *a, const char *b, const char *piece)
{
    double distance[9];
    assert_failed(relate(a, b, distance), UMB_ERR_INVALID, PIECES(piece));
}

static void runs_that_do_not_suit_are_refused(void **state)
{
    (void)state;
    put_run("digit", TASK("digit"), here, 1);
    put_run("both", TASK("digit") TASK("garment"), here, 1);
    put_run("alien", TASK("alien"), here, 1);
    refused("digit", "digit", "another run has its task 'digit' already");
    refused("digit", "both", "has 2 tasks; expected a run of one task alone");
    refused("digit", "alien", "its task 'alien' is none of the experiment's");
    refused("digit", "nowhere", "nowhere: is no run");
}

/* With any status: what looks for a run without memory says that there is none. */
static void every_allocation_fails_once(void **state)
{
    (void)state;
    double distance[9];
    enum umb_status st = UMB_ERR_NO_MEMORY;
    put_run("digit", TASK("digit"), here, 1);
    put_run("fur", TASK("fur"), there, 1);
    const uint64_t live = umb__alloc_live();
    int failures = 0;
    for (uint64_t k = 1; st != UMB_OK; k++, failures++) {
        umb__alloc_fail_at(k);
        st = relate("digit", "fur", distance);
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), live);
    }
    assert_true(failures > 20);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)
    const struct CMUnitTest cases[] = {
        CASE(what_both_nets_have_counts),
        CASE(runs_that_do_not_suit_are_refused),
        CASE(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}

/*
 * test_experiment_share.c: the share section: forms that mean the same, and mistakes, whose
 * messages name file, line and key.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "mistake.yaml"

/* The share section is line 1. */
static const char rest[] =
    "data:\n"
    "  pictures: {format: shapes, count: 40}\n"
    "trunks:\n"
    "  a: &layers [{conv: {filters: 4, size: 3, name: low}}, {conv: {filters: 4, size: 3}}, "
    "flatten]\n"
    "  b: *layers\n"
    "  c: [{conv: {filters: 4, size: 3, name: low}}, {conv: {filters: 6, size: 3}}, flatten]\n"
    "tasks:\n"
    "  shape: {trunk: a, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
    "  colour: {trunk: b, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"
    "  %s: {trunk: c, target: position, head: [{dense: {units: 2}}], loss: mse}\n";

static const struct mistake {
    const char *share, *place, *expected;
} mistakes[] = {
    {"share: soft", ":1: share: ", "expected a map"},
    {"share: {penalty: 1, layer: [low]}", ":1: share.layer: ", "did you mean 'layers'?"},
    {"share: {}", ":1: share: ", "penalty: is missing"},
    {"share: {penalty: -1}", ":1: share.penalty: ", "from 0 to"},
    {"share: {penalty: much}", ":1: share.penalty: ", "'much' does not fit"},
    {"share: {penalty: .nan}", ":1: share.penalty: ", "'.nan' does not fit"},
    {"share: {penalty: 1, layers: []}", ":1: share.layers: ", "is empty"},
    {"share: {penalty: 1, layers: low}", ":1: share.layers: ", "expected a list"},
    {"share: {penalty: 1, layers: [lo]}", ":1: share.layers: ", "layer 'lo' of the trunks has no"},
    {"share: {penalty: 1, layers: [low, conv1]}",
     ":1: share.layers: ", "conv1.weight is [4,4,3,3] in trunk a and [6,4,3,3] in trunk c"},
    {"share: {penalty: 1, biases: some}", ":1: share.biases: ", "true or false"},
    {"share: {penalty: 1, start: same}", ":1: share.start: ", "expected own or equal"},
    {"share: {penalty: 1, relations: a}", ":1: share.relations: ", "is no relation"},
    {"share: {penalty: 1, relations: {a: {d: 1}}}",
     ":1: share.relations.a.d: ", "unknown trunk"},
    {"share: {penalty: 1, relations: {d: {a: 1}}}",
     ":1: share.relations.d.a: ", "unknown trunk 'd'"},
    {"share: {penalty: 1, relations: {a: {a: 1}}}", ":1: share.relations.a.a: ", "to itself"},
    {"share: {penalty: 1, relations: {a: {b: -1}}}", ":1: share.relations.a.b: ", "from 0 to"},
    {"share: {penalty: 1, relations: {a: {b: 1}, b: {a: 2}}}",
     ":1: share.relations.b.a: ", "related by 1 already"},
    {"share: {penalty: 1, relations: {a: b}}", ":1: share.relations.a: ", "expected a map"},
    {"share: {penalty: 1, relations: [[a]]}", ":1: share.relations.0: ", "[TRUNK, TRUNK, NUMBER]"},
    {"share: {penalty: 1, relations: [[a, [b]]]}", ":1: share.relations.0: ", "unknown trunk ''"},
    {"share: {penalty: 1, relations: [[a, b, x]]}",
     ":1: share.relations.0.2: ", "'x' does not fit"},
    {"share: {penalty: 1, relations: [[0, 1], [1, 0]]}",
     ":1: share.relations: ", "expected a row for each of 3 trunks"},
    {"share: {penalty: 1, relations: [[0, 1], [1, 0], [0, 0]]}",
     ":1: share.relations: ", "has rows of 2 numbers"},
    {"share: {penalty: 1, relations: [[0, 1, 0], [1, 0], [0, 0, 0]]}",
     ":1: share.relations.1: ", "has 2 numbers; expected 3"},
    {"share: {penalty: 1, relations: [[0, 1, 0], [2, 0, 0], [0, 0, 0]]}",
     ":1: share.relations.1.0: ", "expected a symmetric matrix"},
    {"share: {penalty: 1, combinations: some}", ":1: share.combinations: ", "is no matrix"},
    {"share: {penalty: 1, combinations: []}", ":1: share.combinations: ", "is no matrix"},
    {"share: {penalty: 1, combinations: [[1], [x], [0]]}",
     ":1: share.combinations.1.0: ", "'x' does not fit"},
    {"share: {penalty: 1, combinations: all, relations: {}}",
     ":1: share.combinations: ", "beside relations"},
    {"share: {penalty: 1, mtrl: {}}", ":1: share.mtrl: ", "expected no penalty"},
    {"share: {mtrl: {lambda: 1}}", ":1: share.mtrl.lambda: ", "did you mean 'lambda1'?"},
    {"share: {mtrl: {every: 0}}", ":1: share.mtrl.every: ", "from 1 to"},
    {"share: {mtrl: {epsilon: 0}}", ":1: share.mtrl.epsilon: ", "does not fit"},
    {"share: {mtrl: 3}", ":1: share.mtrl: ", "expected a map"},
};

static void write_file(const char *share, const char *task)
{
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", share);
    fprintf(f, rest, task);
    assert_int_equal(fclose(f), 0);
}

/* Up to the device; look (may be NULL) sees what was read. */
static enum umb_status build(struct umb_context *ctx, void (*look)(const struct umb_soft_sharing *))
{
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    enum umb_status st = umb__experiment_read(ctx, FILE_NAME, NULL, 0, &exp);
    if (st == UMB_OK) { st = umb__experiment_open(exp); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    if (st == UMB_OK && look) { look(exp->share); }
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    return st;
}

static void check_answer(const char *share, const char *task, const char *where,
                         const char *expected)
{
    struct umb_context *ctx = NULL;
    char place[160];
    const uint64_t live = umb__alloc_live();
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file(share, task);
    const enum umb_status st = build(ctx, NULL);
    const char *message = umb_context_error(ctx);
    snprintf(place, sizeof place, FILE_NAME "%s", where);
    if (st != UMB_ERR_INVALID || strncmp(message, place, strlen(place)) != 0 ||
        !strstr(message, expected)) {
        fail_msg("%s: status %s, message '%s'; expected '%s…%s'", share, umb_status_name(st),
                 message, place, expected);
    }
    umb_context_destroy(ctx);
    assert_int_equal(umb__alloc_live(), live);
}

static void mistakes_are_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        check_answer(mistakes[i].share, "place", mistakes[i].place, mistakes[i].expected);
    }
}

static void names_must_be_told_apart(void **state)
{
    (void)state;
    check_answer("share: {penalty: 1}", "c", ":11: tasks.c: ", "a trunk has this name");
    check_answer("share: {penalty: 1}", "share", ":11: tasks.share: ", "has this name");
}

static void see_relations(const struct umb_soft_sharing *s)
{
    const double expected[9] = {0, 1, 0, 1, 0, 0.5, 0, 0.5, 0};
    assert_int_equal(s->n_trunks, 3);
    assert_string_equal(s->trunk[2], "c");
    assert_true(s->alpha == 0.125 && s->every == 0 && !s->layer);
    assert_memory_equal(s->relations, expected, sizeof expected);
}

static void see_all(const struct umb_soft_sharing *s)
{
    assert_true(s->n_combinations == 3 && s->without_biases && s->equal_start);
    for (int i = 0; i < 9; i++) {
        const double expected = i % 4 == 0 ? 2.0 / 3 : -1.0 / 3;
        assert_true(s->combinations[i] - expected < 1e-15 && expected - s->combinations[i] < 1e-15);
    }
}

static void see_defaults(const struct umb_soft_sharing *s)
{
    assert_true(s->every == 100 && s->lambda1 == 0 && s->lambda2 == 0.001 && s->epsilon == 0.001);
}

static void forms_mean_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *share;
        void (*look)(const struct umb_soft_sharing *s);
    } rows[] = {
        {"share: {penalty: 0.125, relations: {a: {b: 1}, c: {b: 0.5}}}", see_relations},
        {"share: {penalty: 0.125, relations: {a: {b: 1}, b: {a: 1, c: 0.5}}}", see_relations},
        {"share: {penalty: 0.125, relations: [[a, b], [c, b, 0.5]]}", see_relations},
        {"share: {penalty: 0.125, relations: [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]}",
         see_relations},
        {"share: {penalty: 1, combinations: all, biases: false, start: equal}", see_all},
        {"share: {mtrl: {}}", see_defaults},
        {"share: {mtrl: }", see_defaults}};
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(rows[i].share, "place");
        if (build(ctx, rows[i].look) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    }
    umb_context_destroy(ctx);
}

/* Makes allocation 1, 2, 3 … fail until everything succeeds. */
static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    enum umb_status st = UMB_ERR_NO_MEMORY;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file("share: {penalty: 1, layers: [low], relations: {a: {b: 1}}}", "place");
    for (uint64_t n = 1; st != UMB_OK && n < 100000; n++) {
        const uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(n);
        st = build(ctx, NULL);
        umb__alloc_fail_at(0);
        if (umb__alloc_live() != live || (st != UMB_OK && st != UMB_ERR_NO_MEMORY)) {
            fail_msg("allocation %llu: status %s (%s)", (unsigned long long)n, umb_status_name(st),
                     umb_context_error(ctx));
        }
    }
    assert_int_equal(st, UMB_OK);
    umb_context_destroy(ctx);
}

static char folder[] = "/tmp/umbel-share-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    unlink(FILE_NAME);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_answered), cmocka_unit_test(names_must_be_told_apart),
        cmocka_unit_test(forms_mean_the_same), cmocka_unit_test(survives_every_failed_allocation)};
    return cmocka_run_group_tests_name("share", tests, enter, leave);
}

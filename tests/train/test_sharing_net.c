/*
 * Structures of sharing in whole nets: what their parameters begin with, tables that evaluation
 * finds made, matrices counted from labels, and what is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "experiment.h"
#include "nets.h"
#include "session.h"
#include "world.h"

/* ---- a graph over classes ---- */

static int table_layer(struct umb_net *net, const char *attrs)
{
    const struct umb_layer_desc desc = {.op = "embedding", .attrs = attrs};
    int value;
    must(umb_net_layer(net, &desc, &value));
    return value;
}

/* Task `kind` against a table that a graph layer makes, `trait` against an embedding as it is. */
static struct umb_net *graph_net(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "pictures", 8, 8, 3);
    h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=relu", h);
    h = test_layer(ctx, net, "dense", "units=16", test_layer(ctx, net, "flatten", NULL, h));
    int table = table_layer(net, "rows=3 size=5");
    table = test_layer(ctx, net, "graph_mix", "adjacency=0.8,0.2,0,0.1,0.9,0,0,-0.5,1.5", table);
    table = test_layer(ctx, net, "dense", "units=16 bias=false activation=leaky_relu", table);
    const int scores = test_layer2(ctx, net, "match", NULL, h, table);
    const int traits = test_layer2(ctx, net, "match", NULL, h, table_layer(net, "rows=2 size=16"));
    test_task(ctx, net, "kind", scores, "cross_entropy", 1);
    test_task(ctx, net, "trait", test_layer(ctx, net, "pick", "first=1", traits),
              "binary_cross_entropy", 1);
    return net;
}

static struct session open_session(const struct umb_net *net)
{
    return session_open(
        world.ctx,
        &(struct session_desc){
            .device = world.device, .net = net, .batch = 6, .optimizer = "sgd", .seed = 4});
}

static int count_ops(const struct umb_graph *g, const char *op)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        n += strcmp(g->node[i].op->name, op) == 0;
    }
    return n;
}

/* What evaluation says of the batch, and what a step of rate 0, which folds nothing, does. */
static void assert_evaluation_is_current(struct session *s, const char *when)
{
    struct umb_task_result r[2];
    must(umb_trainer_results(s->tr, r));
    must(umb_trainer_evaluate(s->tr, s->batch, s->labels));
    must(umb_trainer_results(s->tr, r));
    session_step(s, 0);
    for (int t = 0; t < 2; t++) {
        if (fabs(r[t].loss - s->losses[t]) <= 1e-5 * fabs(s->losses[t])) { continue; }
        fail_msg("%s, task %d: evaluated %.9g, a step has %.9g", when, t, r[t].loss, s->losses[t]);
    }
}

static void tables_follow_the_parameters(void **state)
{
    (void)state;
    struct umb_net *net = graph_net();
    struct session s = open_session(net);
    float kind[6 * 3], *outputs[2] = {kind, NULL};
    double first = 0;
    session_fill(&s, 0);
    assert_evaluation_is_current(&s, "at first");
    first = s.losses[0];
    must(umb_trainer_save(s.tr, "sharing.safetensors"));
    for (int i = 0; i < 3; i++) {
        session_step(&s, 0.5);
        assert_evaluation_is_current(&s, "after a step");
    }
    assert_true(fabs(s.losses[0] - first) > 1e-3); /* or nothing was looked at */
    must(umb_trainer_predict(s.tr, s.batch, outputs));
    must(umb_trainer_load(s.tr, "sharing.safetensors"));
    unlink("sharing.safetensors");
    assert_evaluation_is_current(&s, "after a checkpoint");
    assert_true(fabs(s.losses[0] - first) < 1e-6);
    session_close(&s);
    umb_net_destroy(net);
}

static void inference_has_a_product_only(void **state)
{
    (void)state;
    struct umb_net *net = graph_net();
    struct session s = open_session(net);
    session_fill(&s, 0);
    must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
    const struct umb_graph *train = umb__trainer_graph(s.tr, UMB_TRAINER_TRAIN);
    const struct umb_graph *look = umb__trainer_graph(s.tr, UMB_TRAINER_EVALUATE);
    assert_int_equal(count_ops(train, "graph_mix"), 1);
    assert_int_equal(count_ops(train, "dense"), 2);
    assert_int_equal(count_ops(look, "graph_mix"), 0);
    assert_int_equal(count_ops(look, "dense"), 1); /* of the features */
    assert_int_equal(count_ops(look, "match"), 2);
    assert_int_equal(s.tr->side[UMB_TRAINER_EVALUATE].n_folded, 1);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- what does not fit ---- */

static void expect_refused(struct umb_net *net, const char *op, const char *attrs, int a, int b,
                           const char *message)
{
    const int in[2] = {a, b};
    const struct umb_layer_desc desc = {.op = op,
                                        .attrs = attrs,
                                        .in = in,
                                        .n_in = a < 0   ? 0
                                                : b < 0 ? 1
                                                        : 2};
    int value;
    assert_int_equal(umb_net_layer(net, &desc, &value), UMB_ERR_INVALID);
    const char *is = umb_context_error(world.ctx);
    if (!strstr(is, message)) { fail_msg("%s: '%s', expected '%s'", op, is, message); }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    const int map = test_stream(ctx, net, "a", 8, 8, 3);
    const int other = test_stream(ctx, net, "b", 8, 8, 3);
    const int flat = test_layer(ctx, net, "flatten", NULL, map);
    const int two = test_layer(ctx, net, "dense", "units=2", flat);
    const int table = table_layer(net, "rows=2 size=5");
    expect_refused(net, "multiply", NULL, map, two, "[1,8,8,3], input 1 has [1,2]");
    expect_refused(net, "multiply", NULL, map, other, "of the same streams");
    expect_refused(net, "multiply", NULL, map, -1, "takes 2 to 16 inputs");
    expect_refused(net, "mixture", NULL, two, map, "a gate [N,1]");
    expect_refused(net, "mixture", NULL, map, map, "a gate [N,experts]");
    expect_refused(net, "cross_stitch", "own=2", map, map, "own is 2 with 2 inputs");
    expect_refused(net, "cross_stitch", "own=0", map, other, "of the same streams");
    expect_refused(net, "cross_stitch", NULL, map, map, "own");
    expect_refused(net, "embedding", "rows=2 size=2 values=1,2,3", -1, -1, "expected 4");
    expect_refused(net, "embedding", "rows=2 size=2", map, -1, "takes 0 to 0 inputs");
    expect_refused(net, "graph_mix", "adjacency=1,0,0,1", two, -1, "holds samples");
    expect_refused(net, "graph_mix", "adjacency=1,0,0", table, -1, "expected 2 × 2");
    expect_refused(net, "match", NULL, two, table, "[1,2] against [2,5]");
    expect_refused(net, "match", NULL, two, two, "samples [1,2]");
    expect_refused(net, "pick", "first=1 count=2", two, -1, "channels 1 to 2 of an input with 2");
    umb_net_destroy(net);
}

/* ---- what parameters begin with ---- */

static const float *tensor(const struct umb_safetensors *file, const char *name)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    if (!e) { fail_msg("no tensor %s", name); }
    return (const float *)e->data;
}

static void expect_numbers(const struct umb_safetensors *file, const char *name, int n,
                           const double *expected)
{
    const float *got = tensor(file, name);
    for (int i = 0; i < n; i++) {
        if (got[i] == (float)expected[i]) { continue; }
        fail_msg("%s[%d] is %g, expected %g", name, i, (double)got[i], expected[i]);
    }
}

static void parameters_begin_as_said(void **state)
{
    (void)state;
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = graph_net();
    const int in = test_stream(ctx, net, "more", 8, 8, 3);
    int units[3], mixed[2];
    for (int i = 0; i < 3; i++) {
        units[i] = test_layer(ctx, net, "conv", "filters=2 size=8", in);
    }
    static const char *const attrs[] = {"own=1", "own=0 per=channel diagonal=0.5"};
    for (int i = 0; i < 2; i++) {
        const struct umb_layer_desc desc = {
            .op = "cross_stitch", .attrs = attrs[i], .in = units, .n_in = 3};
        must(umb_net_layer(net, &desc, &mixed[i]));
    }
    const int sum = test_layer2(ctx, net, "add", NULL, mixed[0], mixed[1]);
    test_task(ctx, net, "both", test_layer(ctx, net, "flatten", NULL, sum), "mse", 1);
    table_layer(net, "rows=2 size=2 values=1,-2,0.5,4");
    struct session s = open_session(net);
    struct umb_safetensors *file = session_collect(&s);
    expect_numbers(file, "cross_stitch1.alpha", 3, (double[]){(1 - 0.9) / 2, 0.9, (1 - 0.9) / 2});
    expect_numbers(file, "cross_stitch2.alpha", 6, (double[]){0.5, 0.5, 0.25, 0.25, 0.25, 0.25});
    expect_numbers(file, "embedding3.table", 4, (double[]){1, -2, 0.5, 4});
    expect_numbers(file, "graph_mix1.adjacency", 9,
                   (double[]){0.8, 0.2, 0, 0.1, 0.9, 0, 0, -0.5, 1.5});
    umb__safetensors_destroy(file);
    session_fill(&s, 0);
    session_step(&s, 0.1);
    file = session_collect(&s);
    expect_numbers(file, "graph_mix1.adjacency", 9, /* not trained */
                   (double[]){0.8, 0.2, 0, 0.1, 0.9, 0, 0, -0.5, 1.5});
    assert_true(tensor(file, "cross_stitch1.alpha")[1] != 0.9f);
    umb__safetensors_destroy(file);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- matrices of experiments ---- */

#define FILE_NAME "sharing-net.yaml"
#define HEAD                                                                            \
    "data: {a: {format: shapes, count: 60}, b: {format: shapes, count: 40, seed: 2}}\n" \
    "trunk: [{max_pool: {size: 8}}, flatten, {dense: {units: 4, name: features}},\n"    \
    "  {embedding: {rows: 10, size: 4}}, {graph_mix: {name: table, adjacency: "
#define TAIL                                                                                       \
    "}},\n  {match: {from: [features, table], name: scores}}]\n"                                   \
    "tasks:\n"                                                                                     \
    "  shape: {data: a, target: shape, head: [{pick: {from: scores, first: 0, count: 4}}], loss: " \
    "cross_entropy}\n"                                                                             \
    "  colour: {data: a, target: colour, head: [{pick: {from: scores, first: 4, count: 6}}], "     \
    "loss: cross_entropy}\n"                                                                       \
    "  place: {data: a, target: position, head: [{pick: {from: scores, first: 0, count: 2}}], "    \
    "loss: mse}\n"                                                                                 \
    "  other: {data: b, target: shape, head: [{match: {from: [features, table]}}, {pick: {first: " \
    "0, count: 4}}], loss: cross_entropy}\n"

struct rig {
    struct umb_context *ctx;
    struct umb_experiment *exp;
    struct umb_net *net;
};

static enum umb_status build(struct rig *r, const char *adjacency)
{
    *r = (struct rig){0};
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fprintf(f, HEAD "%s" TAIL, adjacency);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    enum umb_status st = umb__experiment_read(r->ctx, FILE_NAME, NULL, 0, &r->exp);
    if (st == UMB_OK) { st = umb__experiment_open(r->exp); }
    if (st == UMB_OK) { st = umb__experiment_net(r->exp, &r->net); }
    unlink(FILE_NAME);
    return st;
}

static void drop(struct rig *r)
{
    umb_net_destroy(r->net);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

/* The numbers that the layer's matrix begins with; in the net's arena. */
static const double *matrix_of(struct rig *r)
{
    struct umb_graph *g = NULL;
    struct umb_net_values values;
    const double *found = NULL;
    assert_int_equal(umb__graph_create(r->ctx, true, umb_net_n_streams(r->net), &g), UMB_OK);
    assert_int_equal(umb__net_build(r->net, g, 4, &values), UMB_OK);
    for (int i = 0; i < g->n_specs; i++) {
        if (strcmp(g->spec[i].name, "table.adjacency") == 0) { found = g->spec[i].values; }
    }
    umb__graph_destroy(g);
    assert_non_null(found);
    return found;
}

/* P by hand: shapes are nodes 0…3, colours 4…9. */
static void count_by_hand(struct umb_dataset *ds, double p[10][10])
{
    double both[10][10] = {{0}};
    uint8_t *image = calloc(32 * 32 * 3, 1);
    void *targets[8] = {0};
    int32_t shape, colour;
    targets[umb_dataset_find_target(ds, "shape")] = &shape;
    targets[umb_dataset_find_target(ds, "colour")] = &colour;
    for (int64_t i = 0; i < umb_dataset_count(ds, UMB_SPLIT_TRAIN); i++) {
        assert_int_equal(umb_dataset_read(ds, UMB_SPLIT_TRAIN, i, image, targets), UMB_OK);
        both[shape][shape]++;
        both[4 + colour][4 + colour]++;
        both[shape][4 + colour]++;
        both[4 + colour][shape]++;
    }
    free(image);
    for (int i = 0; i < 100; i++) {
        p[i / 10][i % 10] = both[i / 10][i % 10] / fmax(both[i / 10][i / 10], 1);
    }
}

static void a_matrix_is_counted_from_labels(void **state)
{
    (void)state;
    struct rig r;
    double p[10][10], a[10][10], root[10];
    enum umb_status st = build(&r, "{count: [shape, colour], threshold: 0.2, weight: 0.5}");
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(r.ctx)); }
    count_by_hand(r.exp->data[0].dataset, p);
    for (int i = 0; i < 10; i++) {
        double related = 0, sum = 0;
        for (int j = 0; j < 10; j++) {
            related += j != i && p[i][j] >= 0.2;
        }
        for (int j = 0; j < 10; j++) {
            a[i][j] = (j != i && p[i][j] >= 0.2 ? 0.5 / related : 0) + (j == i);
            sum += a[i][j];
        }
        root[i] = 1 / sqrt(sum);
    }
    const double *got = matrix_of(&r);
    int n_related = 0;
    for (int i = 0; i < 100; i++) {
        const double expected = a[i / 10][i % 10] * root[i / 10] * root[i % 10];
        n_related += expected > 0 && i / 10 != i % 10;
        if (fabs(got[i] - expected) > 1e-12) { fail_msg("%d: %g, not %g", i, got[i], expected); }
    }
    assert_in_range(n_related, 5, 70); /* or the threshold cut nothing */
    drop(&r);
}

static void rows_may_be_completed(void **state)
{
    (void)state;
    struct rig r;
    char rows[400] = "{given: [";
    for (int i = 0; i < 10; i++) {
        strcat(rows, i == 0 ? "[0,3,0,0,0,0,0,0,0,0]" : ",[0,0,0,0,0,0,0,0,0,0]");
    }
    strcat(rows, "]}");
    enum umb_status st = build(&r, rows);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(r.ctx)); }
    const double *got = matrix_of(&r);
    assert_true(fabs(got[0] - 0.25) < 1e-12); /* (0 + 1)/4 */
    assert_true(fabs(got[1] - 1.5) < 1e-12);  /* 3/√4/√1 */
    assert_true(got[11] == 1 && got[10] == 0);
    drop(&r);
}

static void wrong_matrices_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *adjacency, *message;
    } rows[] = {
        {"{count: [shape, color]}", "unknown task 'color'"},
        {"{count: [shape, place]}", "'place' has 0 classes"},
        {"{count: [shape, other]}", "'other' has other data than 'shape'"},
        {"{count: []}", "is empty"},
        {"{count: [shape, colour], treshold: 0.4}", "threshold"},
        {"{count: [shape, colour], threshold: 2}", "threshold: "},
        {"{threshold: 0.4}", "has neither count nor given"},
        {"{count: [shape]}", "16 numbers for a table of 10 rows"},
        {"[[1, 0], [1]]", "has 1 numbers; expected 2"},
        {"[[1, x], [1, 0]]", "adjacency.0.1"},
        {"[1, 2, 3]", "3 numbers for a table of 10 rows"},
        {"{given: [[1]], count: [shape]}", "given"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        assert_int_not_equal(build(&r, rows[i].adjacency), UMB_OK);
        const char *message = umb_context_error(r.ctx);
        if (!strstr(message, rows[i].message) || !strstr(message, FILE_NAME ":")) {
            fail_msg("%s: '%s', expected '%s'", rows[i].adjacency, message, rows[i].message);
        }
        drop(&r);
    }
}

/* {given: [[0,0,…],[0,0,…],…]} of so many rows; free it. */
static char *square(int rows)
{
    const size_t n = (size_t)(rows * (2 * rows + 3)) + 32;
    char *text = calloc(n, 1), *end = text;
    assert_non_null(text);
    end += snprintf(end, n, "{given: [");
    for (int i = 0; i < rows; i++) {
        *end++ = i ? ',' : ' ';
        for (int j = 0; j < rows; j++) {
            *end++ = j ? ',' : '[';
            *end++ = '0';
        }
        *end++ = ']';
    }
    strcpy(end, "]}");
    return text;
}

/* As of COCO's 80 classes. */
static void matrices_may_have_256_rows(void **state)
{
    static const struct {
        int rows;
        const char *message;
    } sizes[] = {{80, "6400 numbers for a table of 10 rows"},
                 {256, "65536 numbers for a table of 10 rows"},
                 {257, "has 257 rows; expected 1 to 256"}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rig r;
        char *text = square(sizes[i].rows);
        assert_int_not_equal(build(&r, text), UMB_OK);
        if (!strstr(umb_context_error(r.ctx), sizes[i].message)) {
            fail_msg("%d rows: %s", sizes[i].rows, umb_context_error(r.ctx));
        }
        drop(&r);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_follow_the_parameters),
        cmocka_unit_test(inference_has_a_product_only),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(parameters_begin_as_said),
        cmocka_unit_test(a_matrix_is_counted_from_labels),
        cmocka_unit_test(rows_may_be_completed),
        cmocka_unit_test(wrong_matrices_are_refused),
        cmocka_unit_test(matrices_may_have_256_rows),
    };
    return cmocka_run_group_tests_name("sharing_net", tests, open_world, close_world);
}

/*
 * test_experiment_net.c: what experiments become: layer names, shared parameters, streams, targets
 * and labels.
 */
#include "experiment.h"

#include "feed.h"
#include "graph.h"
#include "labels.h"
#include "tasks.h"
#include "text.h"
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

#define FILE_NAME "experiment-net.yaml"

struct rig {
    struct umb_context *ctx;
    struct umb_experiment *exp;
    struct umb_net *net;
};

static void build(struct rig *r, const char *text)
{
    *r = (struct rig){0};
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    enum umb_status st = umb__experiment_read(r->ctx, FILE_NAME, NULL, 0, &r->exp);
    if (st == UMB_OK) { st = umb__experiment_open(r->exp); }
    if (st == UMB_OK) { st = umb__experiment_net(r->exp, &r->net); }
    unlink(FILE_NAME);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(r->ctx)); }
}

static void drop(struct rig *r)
{
    umb_net_destroy(r->net);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

/* "conv1.weight conv1.bias …", in the order in which the net makes them. */
static void assert_parameters(struct rig *r, const char *expected)
{
    struct umb_graph *g = NULL;
    struct umb_net_values values;
    struct umb_text names = {0};
    assert_int_equal(umb__graph_create(r->ctx, true, umb_net_n_streams(r->net), &g), UMB_OK);
    assert_int_equal(umb__net_build(r->net, g, 4, &values), UMB_OK);
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].kind != UMB_VALUE_PARAM) { continue; }
        umb__text_printf(&names, "%s%s", names.length ? " " : "", g->value[v].name);
    }
    assert_string_equal(umb__text_string(&names), expected);
    umb__text_finish(&names);
    umb__graph_destroy(g);
}

#define HEAD_A "  a: {data: a, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
#define HEAD_B "  b: {data: b, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"

static void layers_are_named_by_op_and_number(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}}\n"
              "trunk:\n"
              "  - conv: {filters: 2, size: 3, stride: 4, bias: false}\n"
              "  - relu\n"
              "  - {conv: {filters: 2, size: 3, bias: false}, name: last}\n"
              "  - flatten\n"
              "tasks:\n" HEAD_A);
    assert_parameters(&r, "conv1.weight last.weight a.dense1.weight a.dense1.bias");
    drop(&r);
}

/* Weights are n/(C·n_c), behind the map, of training samples alone; the loss's other keys stay. */
static void weights_balance_classes(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 60, validation: 0.3}}\n"
              "trunk: [{conv: {filters: 2, size: 3, stride: 4}}, flatten]\n"
              "tasks:\n"
              "  a: {target: shape, head: [{dense: {units: 4}}], balance: weights,\n"
              "      loss: {cross_entropy: {label_smoothing: 0.1}}}\n"
              "  b: {target: shape, map: {x: [1], y: [0, 3]}, head: [{dense: {units: 1}}],\n"
              "      loss: binary_cross_entropy, balance: weights}\n");
    const struct umb_exp_data *d = &r.exp->data[0];
    int n[4] = {0};
    for (int64_t i = 0; i < umb_dataset_count(d->dataset, UMB_SPLIT_TRAIN); i++) {
        int32_t label;
        void *targets[4] = {&label, NULL, NULL, NULL};
        assert_int_equal(umb_dataset_read(d->dataset, UMB_SPLIT_TRAIN, i, NULL, targets), UMB_OK);
        n[label]++;
    }
    char want[160];
    const double all = n[0] + n[1] + n[2] + n[3];
    snprintf(want, sizeof want, "label_smoothing=0.1 class_weights=%.9g,%.9g,%.9g,%.9g",
             all / (4 * n[0]), all / (4 * n[1]), all / (4 * n[2]), all / (4 * n[3]));
    assert_string_equal(r.exp->task[0].loss_attrs, want);
    snprintf(want, sizeof want, "pos_weight=%.9g", (double)n[1] / (n[0] + n[3]));
    assert_string_equal(r.exp->task[1].loss_attrs, want);
    drop(&r);
}

/* What a landmark metric needs is known from a checkpoint's text, too. */
static void points_are_known_without_data(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}}\n"
              "trunk: [{conv: {filters: 2, size: 3, stride: 4}}, flatten]\n"
              "tasks:\n"
              "  a: {target: position, head: [{dense: {units: 2}}], loss: mse}\n");
    char *json = NULL;
    assert_int_equal(umb__experiment_shapes(r.exp, &json), UMB_OK);
    r.exp->data[0].target[2].points = UMB_POINTS_UNSAID;
    assert_int_equal(umb__experiment_bind(r.exp, json, "test"), UMB_OK);
    assert_int_equal(r.exp->data[0].target[2].points, UMB_POINTS_XYXY);
    umb__free(json);
    drop(&r);
}

static void repeats_have_their_own_parameters(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}}\n"
              "trunk:\n"
              "  - max_pool: {size: 8}\n"
              "  - conv: {filters: 2, size: 1, bias: false}\n"
              "  - repeat:\n"
              "      times: 2\n"
              "      body:\n"
              "        - conv: {filters: 2, size: 1, bias: false, name: c}\n"
              "        - add: {from: [c, c]}\n"
              "        - repeat: {times: 2, body: [{conv: {filters: 2, size: 1, bias: false, "
              "name: d}}]}\n"
              "  - concat: {from: [c, d]}\n"
              "  - flatten\n"
              "tasks:\n" HEAD_A);
    assert_parameters(&r, "conv1.weight c_1.weight d_1_1.weight d_1_2.weight c_2.weight "
                          "d_2_1.weight d_2_2.weight a.dense1.weight a.dense1.bias");
    struct umb_shape shape = umb_net_shape(r.net, umb__net_task(r.net, 0)->output);
    assert_int_equal(shape.dim[1], 4);
    drop(&r);
}

static void streams_of_one_shape_pass_the_trunk_once(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}, b: {format: shapes, count: 40}}\n"
              "trunk: [{conv: {filters: 2, size: 3, stride: 4, name: c}}, flatten]\n"
              "tasks:\n" HEAD_A HEAD_B
              "  c: {data: b, target: shape, head: [{flatten: {from: c}}, {dense: {units: 4}}], "
              "loss: cross_entropy}\n");
    assert_parameters(&r, "c.weight c.bias a.dense1.weight a.dense1.bias b.dense1.weight "
                          "b.dense1.bias c.dense1.weight c.dense1.bias");
    assert_int_equal(umb_net_n_streams(r.net), 2);
    assert_int_equal(umb__net_task(r.net, 0)->stream, 0);
    assert_int_equal(umb__net_task(r.net, 1)->stream, 1);
    assert_int_equal(umb__net_task(r.net, 2)->stream, 1);
    drop(&r);
}

static void streams_of_two_shapes_share_the_trunk_too(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data:\n"
              "  a: {format: shapes, count: 40}\n"
              "  b: {format: shapes, count: 40, size: 16}\n"
              "  c: {format: shapes, count: 40}\n"
              "trunk: [{conv: {filters: 2, size: 3}}, global_avg_pool]\n"
              "tasks:\n" HEAD_A HEAD_B
              "  c: {data: c, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n");
    assert_parameters(&r, "conv1.weight conv1.bias a.dense1.weight a.dense1.bias b.dense1.weight "
                          "b.dense1.bias c.dense1.weight c.dense1.bias");
    /* c stands beside a, for they pass together. */
    assert_int_equal(umb__net_task(r.net, 0)->stream, 0);
    assert_int_equal(umb__net_task(r.net, 1)->stream, 2);
    assert_int_equal(umb__net_task(r.net, 2)->stream, 1);
    drop(&r);
}

static void a_shape_that_cannot_share_is_explained(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fputs("data: {a: {format: shapes, count: 40}, b: {format: shapes, count: 40, size: 16}}\n"
          "trunk:\n"
          "  - flatten\n"
          "  - dense: {units: 4}\n"
          "tasks:\n" HEAD_A HEAD_B,
          f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__experiment_read(ctx, FILE_NAME, NULL, 0, &exp), UMB_OK);
    assert_int_equal(umb__experiment_open(exp), UMB_OK);
    assert_int_equal(umb__experiment_net(exp, &net), UMB_ERR_INVALID);
    const char *message = umb_context_error(ctx);
    if (!strstr(message, ":4: trunk.1.dense: ") || !strstr(message, "images of 'b', [16,16,3]")) {
        fail_msg("'%s'", message);
    }
    unlink(FILE_NAME);
    umb__experiment_destroy(exp);
    umb_context_destroy(ctx);
}

static void trunks_are_apart(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}, b: {format: shapes, count: 40}}\n"
              "trunks:\n"
              "  left: [{conv: {filters: 2, size: 3, stride: 4}}, flatten]\n"
              "  right: [{conv: {filters: 2, size: 3, stride: 4}}, flatten]\n"
              "tasks:\n"
              "  a: {data: a, trunk: left, target: shape, head: [{dense: {units: 4}}], loss: "
              "cross_entropy}\n"
              "  b: {data: b, trunk: right, target: shape, head: [{dense: {units: 4}}], loss: "
              "cross_entropy}\n"
              "  c: {data: a, trunk: right, target: shape, head: [{dense: {units: 4}}], loss: "
              "cross_entropy}\n");
    assert_parameters(&r, "left.conv1.weight left.conv1.bias right.conv1.weight right.conv1.bias "
                          "a.dense1.weight a.dense1.bias b.dense1.weight b.dense1.bias "
                          "c.dense1.weight c.dense1.bias");
    drop(&r);
}

static void labels_are_mapped_and_masked(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}}\n"
              "trunk: [{max_pool: {size: 8}}, {conv: {filters: 2, size: 1, name: c}}, flatten]\n"
              "tasks:\n"
              "  sharp: {target: shape, map: {round: [circle], sharp: [2, square]}, head: [{dense: "
              "{units: 1}}], loss: binary_cross_entropy}\n"
              "  three: {target: shape, map: {x: [3], y: [0], z: [1]}, head: [{dense: {units: "
              "3}}], loss: cross_entropy}\n"
              "  place: {head: [{dense: {units: 2}}], loss: huber}\n");
    const int32_t shapes[] = {0, 1, 2, 3, -1};
    const uint32_t index[] = {0, 1, 2, 3, 4};
    float numbers[5], mask[5];
    int32_t classes[5];
    assert_int_equal(umb__labels_fill(r.exp, &r.exp->task[0], shapes, index, 5, numbers, mask),
                     UMB_OK);
    const float sharp[] = {0, 1, 1, 0, 0}, sharp_mask[] = {1, 1, 1, 0, 0};
    assert_memory_equal(numbers, sharp, sizeof sharp);
    assert_memory_equal(mask, sharp_mask, sizeof sharp_mask);
    assert_int_equal(umb__labels_fill(r.exp, &r.exp->task[1], shapes, index, 5, classes, mask),
                     UMB_OK);
    const int32_t three[] = {1, 2, -1, 0, -1};
    assert_memory_equal(classes, three, sizeof three);
    const float places[] = {0.25f, 0.5f, NAN, NAN};
    assert_int_equal(umb__labels_fill(r.exp, &r.exp->task[2], places, index, 2, numbers, mask),
                     UMB_OK);
    const float given[] = {0.25f, 0.5f, 0, 0};
    assert_memory_equal(numbers, given, sizeof given);
    assert_true(mask[0] == 1 && mask[1] == 0);
    assert_string_equal(r.exp->data[0].target[r.exp->task[2].target].name, "position");
    drop(&r);
}

static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct rig r;
    build(&r, "data: {a: {format: shapes, count: 40}}\n"
              "trunk: [{max_pool: {size: 8}}, flatten]\n"
              "tasks:\n" HEAD_A);
    const struct umb_exp_train *t = &r.exp->train;
    assert_string_equal(r.exp->name, "experiment-net");
    assert_int_equal(t->epochs, 10);
    assert_int_equal(t->batch, 64);
    assert_int_equal(t->keep, 2);
    assert_int_equal(t->log_every, 50);
    assert_int_equal(t->seed, 1);
    assert_string_equal(t->optimizer, "adam");
    assert_true(t->schedule.rate == 0.001 && t->clip_norm == 0 && !t->early_stop.on);
    assert_true(r.exp->task[0].weight == 1);
    drop(&r);
}

static void schedules_follow_their_formulas(void **state)
{
    (void)state;
    struct umb_schedule s = {.rate = 1, .warmup = 0.5};
    assert_true(umb__schedule_rate(&s, 0, 10) == 0.2);
    assert_true(umb__schedule_rate(&s, 4, 10) == 1);
    assert_true(umb__schedule_rate(&s, 99, 10) == 1);
    s = (struct umb_schedule){.kind = UMB_SCHEDULE_STEP, .rate = 1, .every = 2, .factor = 0.5};
    assert_true(umb__schedule_rate(&s, 19, 10) == 1);
    assert_true(umb__schedule_rate(&s, 20, 10) == 0.5);
    assert_true(umb__schedule_rate(&s, 45, 10) == 0.25);
    s = (struct umb_schedule){.kind = UMB_SCHEDULE_COSINE, .rate = 1, .span = 4, .minimum = 0.2};
    assert_true(fabs(umb__schedule_rate(&s, 0, 10) - 1) < 1e-15);
    assert_true(fabs(umb__schedule_rate(&s, 20, 10) - 0.6) < 1e-15);
    assert_true(fabs(umb__schedule_rate(&s, 40, 10) - 0.2) < 1e-15);
    assert_true(fabs(umb__schedule_rate(&s, 400, 10) - 0.2) < 1e-15);
}

static void the_examples_can_be_read(void **state)
{
    static const char *const names[] = {
        "shapes",      "mnist-fashion", "many-heads",       "two-devices",   "cifar10",
        "resnet18",    "faces",         "fine-tune",        "two-inputs",    "two-inputs-joint",
        "multi-mnist", "cifar10-dense", "residual-sharing", "cross-stitch",  "mixture",
        "attention",   "task-graph",    "soft-sharing",     "related-tasks", "street",
        "balancing",   "class-vectors"};
    const char *source = getenv("UMBEL_TEST_SOURCE");
    struct umb_context *ctx = NULL;
    char data[512];
    (void)state;
    snprintf(data, sizeof data, "%s/../shared/data", source ? source : ".");
    setenv("UMBEL_DATA", data, 0);
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        struct umb_experiment *exp = NULL;
        snprintf(path, sizeof path, "%s/examples/%s.yaml", source ? source : ".", names[i]);
        enum umb_status st = umb__experiment_read(ctx, path, NULL, 0, &exp);
        bool no_data = st != UMB_OK && strstr(umb_context_error(ctx), ".path: ");
        if (st != UMB_OK && !no_data) { fail_msg("%s", umb_context_error(ctx)); }
        if (no_data) { print_message("# %s: its data are not here\n", names[i]); }
        umb__experiment_destroy(exp);
    }
    umb_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_named_by_op_and_number),
        cmocka_unit_test(weights_balance_classes),
        cmocka_unit_test(points_are_known_without_data),
        cmocka_unit_test(repeats_have_their_own_parameters),
        cmocka_unit_test(streams_of_one_shape_pass_the_trunk_once),
        cmocka_unit_test(streams_of_two_shapes_share_the_trunk_too),
        cmocka_unit_test(a_shape_that_cannot_share_is_explained),
        cmocka_unit_test(trunks_are_apart),
        cmocka_unit_test(labels_are_mapped_and_masked),
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(schedules_follow_their_formulas),
        cmocka_unit_test(the_examples_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

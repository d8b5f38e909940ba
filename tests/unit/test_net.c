/*
 * Nets as descriptions: shapes, names, shared parameters, streams joined and taken apart, tasks;
 * and what is refused, with the words that say why.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab.h"
#include "nets.h"

struct world {
    struct umb_context *ctx;
    struct umb_net *net;
    int image; /* [1,8,6,3] of stream "image" */
};

static int open_world(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    assert_int_equal(umb_context_create(NULL, &w->ctx), UMB_OK);
    w->net = test_net(w->ctx);
    w->image = test_stream(w->ctx, w->net, "image", 8, 6, 3);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    umb_net_destroy(w->net);
    umb_context_destroy(w->ctx);
    test_free(w);
    return 0;
}

static void assert_refused(const struct world *w, enum umb_status st, const char *words)
{
    const char *said = umb_context_error(w->ctx);
    assert_int_equal(st, UMB_ERR_INVALID);
    if (!strstr(said, words)) { fail_msg("said '%s', expected '%s'", said, words); }
}

static void assert_shape(const struct world *w, int value, const char *expected)
{
    char text[UMB_SHAPE_TEXT];
    struct umb_shape shape = umb_net_shape(w->net, value);
    assert_string_equal(umb__shape_text(&shape, text, sizeof text), expected);
}

static enum umb_status add(const struct world *w, const char *op, const char *attrs, int in)
{
    int value = 1234;
    struct umb_layer_desc desc = {.op = op, .attrs = attrs, .in = &in, .n_in = 1};
    enum umb_status st = umb_net_layer(w->net, &desc, &value);
    if (st != UMB_OK) { assert_int_equal(value, 1234); }
    return st;
}

static enum umb_status add_named(const struct world *w, const char *op, const char *name,
                                 const char *share, int in, int *ret_value)
{
    struct umb_layer_desc desc = {
        .op = op, .attrs = "units=4", .name = name, .share = share, .in = &in, .n_in = 1};
    return umb_net_layer(w->net, &desc, ret_value);
}

/* ---- layers ---- */

static void shapes_follow_the_layers(void **state)
{
    const struct world *w = *state;
    assert_shape(w, w->image, "[1,8,6,3]");
    int h = test_layer(w->ctx, w->net, "conv", "filters=5 size=3 activation=relu", w->image);
    assert_shape(w, h, "[1,6,4,5]");
    int pooled = test_layer(w->ctx, w->net, "max_pool", "size=2", h);
    assert_shape(w, pooled, "[1,3,2,5]");
    assert_shape(w, test_layer(w->ctx, w->net, "upsample", "factor=3", pooled), "[1,9,6,5]");
    assert_shape(w, test_layer(w->ctx, w->net, "dense", "units=7", pooled), "[1,3,2,7]");
    int flat = test_layer(w->ctx, w->net, "flatten", NULL, pooled);
    assert_shape(w, flat, "[1,30]");
    assert_shape(w, test_layer(w->ctx, w->net, "global_avg_pool", NULL, h), "[1,5]");
    assert_shape(w, test_layer2(w->ctx, w->net, "concat", NULL, h, h), "[1,6,4,10]");
}

static void no_value_has_no_shape(void **state)
{
    const struct world *w = *state;
    assert_int_equal(umb_net_shape(w->net, -1).rank, 0);
    assert_int_equal(umb_net_shape(w->net, 99).rank, 0);
}

static void an_unknown_layer_is_named_with_the_nearest(void **state)
{
    const struct world *w = *state;
    assert_refused(w, add(w, "convv", "filters=1 size=1", w->image),
                   "'convv'; did you mean 'conv'");
    assert_refused(w, add(w, "transformer", NULL, w->image), "no layer is called 'transformer'");
}

static void backward_ops_losses_and_optimizers_are_no_layers(void **state)
{
    const struct world *w = *state;
    assert_refused(w, add(w, "conv_backward_data", "filters=1 size=1", w->image), "no layer");
    assert_refused(w, add(w, "adam", NULL, w->image), "no layer");
    assert_refused(w, add(w, "cross_entropy", NULL, w->image), "no layer");
}

static void wrong_attributes_name_layer_and_key(void **state)
{
    const struct world *w = *state;
    assert_refused(w, add(w, "conv", "filtres=3 size=1", w->image), "conv1: conv: filtres");
    assert_refused(w, add(w, "conv", "filters=3", w->image), "size: missing");
    assert_refused(w, add(w, "conv", "filters=0 size=1", w->image), "filters");
    assert_refused(w, add(w, "conv", "filters=three size=1", w->image), "'three' is wrong");
    assert_refused(w, add(w, "dense", "units=3 activation=rely", w->image), "did you mean 'relu'");
    assert_refused(w, add(w, "dense", "units", w->image), "expected KEY=VALUE");
}

static void wrong_shapes_are_shown(void **state)
{
    const struct world *w = *state;
    assert_refused(w, add(w, "conv", "filters=3 size=9", w->image), "conv1: ");
    assert_refused(w, add(w, "conv", "filters=3 size=9", w->image), "8x6");
    int flat = test_layer(w->ctx, w->net, "flatten", NULL, w->image);
    assert_refused(w, add(w, "conv", "filters=3 size=3", flat), "[1,144]");
    int value, in[2] = {w->image, flat};
    struct umb_layer_desc sum = {.op = "add", .in = in, .n_in = 2};
    assert_refused(w, umb_net_layer(w->net, &sum, &value), "[1,144]");
}

static void wrong_inputs_are_refused(void **state)
{
    const struct world *w = *state;
    assert_refused(w, add(w, "relu", NULL, -1), "no value of this net");
    assert_refused(w, add(w, "relu", NULL, 1000), "no value of this net");
    int value, in[2] = {w->image, w->image};
    struct umb_layer_desc two = {.op = "relu", .in = in, .n_in = 2};
    assert_refused(w, umb_net_layer(w->net, &two, &value), "1 to 1 inputs, not 2");
    struct umb_layer_desc none = {.op = "relu", .in = in, .n_in = 0};
    assert_refused(w, umb_net_layer(w->net, &none, &value), "not 0");
}

/* ---- names ---- */

static void names_are_made_and_kept_apart(void **state)
{
    const struct world *w = *state;
    int h;
    assert_int_equal(add_named(w, "dense", "dense1", NULL, w->image, &h), UMB_OK);
    h = test_layer(w->ctx, w->net, "dense", "units=4", h);
    struct lab lab = lab_open(w->ctx, w->net, 2, false, 1);
    assert_true(umb__graph_find_value(lab.graph, "dense1.weight") >= 0);
    assert_true(umb__graph_find_value(lab.graph, "dense2.weight") >= 0);
    lab_close(&lab);
    assert_refused(w, add_named(w, "dense", "dense2", NULL, h, &h), "dense2: there is a layer");
}

static void names_that_files_cannot_hold_are_refused(void **state)
{
    const struct world *w = *state;
    char name[200];
    int h;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_refused(w, add_named(w, "dense", name, NULL, w->image, &h), "199 bytes");
    assert_refused(w, add_named(w, "dense", "", NULL, w->image, &h), "0 bytes");
    assert_refused(w, add_named(w, "dense", "two words", NULL, w->image, &h), "without blanks");
    assert_refused(w, add_named(w, "dense", "a\nb", NULL, w->image, &h), "without blanks");
    assert_refused(w, add_named(w, "dense", "a=b", NULL, w->image, &h), "'='");
    assert_refused(w, add_named(w, "dense", "optimizer.first.x", NULL, w->image, &h),
                   "checkpoints use 'optimizer'");
    assert_refused(w, add_named(w, "dense", "results", NULL, w->image, &h), "'results'");
    assert_int_equal(add_named(w, "dense", "resultsx", NULL, w->image, &h), UMB_OK);
}

/* A layer called like another's parameter is not that parameter. */
static void a_layer_called_like_a_parameter_is_none(void **state)
{
    const struct world *w = *state;
    int flat = test_layer(w->ctx, w->net, "flatten", NULL, w->image), h;
    assert_int_equal(add_named(w, "dense", "late.bias", NULL, flat, &h), UMB_OK); /* [1,4] */
    assert_int_equal(add_named(w, "dense", "late", NULL, h, &h), UMB_OK);
    test_task(w->ctx, w->net, "t", h, "cross_entropy", 1);
    struct lab lab = lab_open(w->ctx, w->net, 2, true, 1);
    int params = 0;
    for (int v = 0; v < lab.n_values; v++) {
        params += lab.graph->value[v].kind == UMB_VALUE_PARAM;
    }
    assert_int_equal(params, 4);
    (void)lab_evaluate(&lab);
    lab_close(&lab);
}

/* ---- sharing ---- */

static void shared_layers_have_one_set_of_parameters(void **state)
{
    const struct world *w = *state;
    int flat = test_layer(w->ctx, w->net, "dense", "units=4", w->image), a, b, c;
    assert_int_equal(add_named(w, "dense", "a", NULL, flat, &a), UMB_OK);
    assert_int_equal(add_named(w, "dense", "b", "a", a, &b), UMB_OK);
    assert_int_equal(add_named(w, "dense", "c", "b", b, &c), UMB_OK);
    struct lab lab = lab_open(w->ctx, w->net, 2, false, 1);
    assert_true(umb__graph_find_value(lab.graph, "a.weight") >= 0);
    assert_int_equal(umb__graph_find_value(lab.graph, "b.weight"), -1);
    assert_int_equal(umb__graph_find_value(lab.graph, "c.weight"), -1);
    lab_close(&lab);
}

static void sharing_needs_an_equal_layer(void **state)
{
    const struct world *w = *state;
    int a, b;
    assert_int_equal(add_named(w, "dense", "a", NULL, w->image, &a), UMB_OK);
    assert_refused(w, add_named(w, "dense", "b", "nobody", a, &b), "no layer named 'nobody'");
    struct umb_layer_desc conv = {
        .op = "conv", .attrs = "filters=4 size=1", .share = "a", .in = &a, .n_in = 1};
    assert_refused(w, umb_net_layer(w->net, &conv, &b), "which is a dense");
    assert_refused(w, add_named(w, "dense", "d", "a", a, &b), "a.weight: shared with shape [3,4]");
}

/* ---- streams ---- */

static enum umb_status stream(const struct world *w, const char *name, int64_t height,
                              int64_t channels, size_t n_norm, double std)
{
    const double means[4] = {0, 0, 0, 0}, stds[4] = {1, 1, std, 1};
    struct umb_stream_desc d = {.name = name,
                                .height = height,
                                .width = 4,
                                .channels = channels,
                                .mean = means,
                                .std = stds,
                                .n_norm = n_norm};
    int value;
    return umb_net_stream(w->net, &d, &value);
}

static void wrong_streams_are_refused(void **state)
{
    const struct world *w = *state;
    assert_refused(w, stream(w, "image", 4, 3, 0, 1), "image: there is one of this name already");
    assert_refused(w, stream(w, "x", 0, 3, 0, 1), "stream x");
    assert_refused(w, stream(w, "x", 4, -3, 0, 1), "stream x");
    assert_refused(w, stream(w, "x", INT64_MAX, 3, 0, 1), "stream x");
    assert_refused(w, stream(w, "x", 4, 3, 2, 1), "2 numbers; expected 1 or 3");
    assert_refused(w, stream(w, "x", 4, 3, 3, 0), "std is 0");
    assert_refused(w, stream(w, "x", 4, 3, 3, -1), "std is -1");
    assert_refused(w, stream(w, "two words", 4, 3, 3, 1), "without blanks");
    assert_int_equal(stream(w, "x", 4, 3, 3, 1), UMB_OK);
    assert_int_equal(umb_net_n_streams(w->net), 2);
}

static void any_number_of_channels_is_normalised(void **state)
{
    const struct world *w = *state;
    double mean[40], std[40];
    for (int c = 0; c < 40; c++) {
        mean[c] = 0.1 + 0.01 * c;
        std[c] = 1.0 / (1 + c);
    }
    struct umb_stream_desc d = {.name = "many",
                                .height = 2,
                                .width = 2,
                                .channels = 40,
                                .mean = mean,
                                .std = std,
                                .n_norm = 40};
    int value;
    assert_int_equal(umb_net_stream(w->net, &d, &value), UMB_OK);
    struct lab lab = lab_open(w->ctx, w->net, 2, false, 1);
    (void)lab_evaluate(&lab);
    const double *x = lab.data[lab.values.image[1]], *y = lab.data[lab.values.value[value]];
    for (int i = 0; i < 320; i++) {
        double expected = (x[i] / 255 - mean[i % 40]) / std[i % 40];
        if (!(y[i] - expected < 1e-9 && expected - y[i] < 1e-9)) {
            fail_msg("[%d] is %g, expected %g", i, y[i], expected);
        }
    }
    lab_close(&lab);
}

static void join_and_rows_keep_streams_in_order(void **state)
{
    const struct world *w = *state;
    int b = test_stream(w->ctx, w->net, "b", 8, 6, 3),
        c = test_stream(w->ctx, w->net, "c", 8, 6, 3);
    int ab = test_layer2(w->ctx, w->net, "join", NULL, w->image, b);
    int all = test_layer2(w->ctx, w->net, "join", NULL, ab, c);
    assert_shape(w, all, "[3,8,6,3]");
    int bc = test_rows(w->ctx, w->net, 1, 2, all);
    assert_shape(w, bc, "[2,8,6,3]");
    int last = test_rows(w->ctx, w->net, 1, 1, bc);
    assert_int_equal(umb__net_value_stream(w->net, last), 2);
    assert_int_equal(umb__net_value_stream(w->net, bc), -1);
    struct lab lab = lab_open(w->ctx, w->net, 2, false, 1);
    (void)lab_evaluate(&lab);
    const double *x = lab.data[lab.values.value[c]], *y = lab.data[lab.values.value[last]];
    assert_int_equal(lab_count(&lab, lab.values.value[last]), 2 * 8 * 6 * 3);
    assert_memory_equal(x, y, 2 * 8 * 6 * 3 * sizeof *x);
    lab_close(&lab);
}

static void wrong_joins_and_rows_are_refused(void **state)
{
    const struct world *w = *state;
    int b = test_stream(w->ctx, w->net, "b", 8, 6, 3),
        c = test_stream(w->ctx, w->net, "c", 8, 6, 3);
    int other = test_stream(w->ctx, w->net, "d", 4, 4, 3), value;
    const int pairs[4][2] = {{b, w->image}, {w->image, c}, {c, other}, {b, b}};
    for (int i = 0; i < 4; i++) {
        struct umb_layer_desc join = {.op = "join", .in = pairs[i], .n_in = 2};
        assert_refused(w, umb_net_layer(w->net, &join, &value), "consecutive streams");
    }
    int joined = test_layer2(w->ctx, w->net, "join", NULL, w->image, b);
    assert_refused(w, add(w, "rows", "first=1 count=2", joined), "streams 1 to 2");
    assert_refused(w, add(w, "rows", "first=2", joined), "streams 2 to 2");
    assert_refused(w, add(w, "rows", "first=-1", joined), "first");
    assert_refused(w, add(w, "rows", NULL, joined), "first: missing");
    struct umb_layer_desc sum = {.op = "add", .in = pairs[0], .n_in = 2};
    assert_refused(w, umb_net_layer(w->net, &sum, &value), "same streams");
}

/* ---- tasks ---- */

static struct umb_task_desc head(const struct world *w, const char *loss)
{
    int pooled = test_layer(w->ctx, w->net, "global_avg_pool", NULL, w->image);
    return (struct umb_task_desc){.name = "t",
                                  .output = test_layer(w->ctx, w->net, "dense", "units=4", pooled),
                                  .loss = loss,
                                  .weight = 1};
}

static void labels_follow_loss_and_output(void **state)
{
    const struct world *w = *state;
    struct umb_task_desc d = head(w, "cross_entropy");
    assert_int_equal(umb_net_task(w->net, &d), UMB_OK);
    d.name = "numbers";
    d.loss = "huber";
    d.loss_attrs = "delta=2";
    assert_int_equal(umb_net_task(w->net, &d), UMB_OK);
    test_task(w->ctx, w->net, "pixels", w->image, "cross_entropy", 1);
    assert_int_equal(umb_net_n_tasks(w->net), 3);
    const struct umb_net_task *t = umb__net_task(w->net, 0);
    assert_int_equal(t->label.dtype, UMB_I32);
    assert_int_equal(t->label.shape.rank, 1);
    assert_int_equal(t->n_classes, 4);
    assert_string_equal(t->metric[0]->name, "accuracy");
    t = umb__net_task(w->net, 1);
    assert_int_equal(t->label.dtype, UMB_F32);
    assert_int_equal(t->label.shape.rank, 2);
    assert_string_equal(t->metric[0]->name, "mae");
    assert_int_equal(umb__net_task(w->net, 2)->label.shape.rank, 3);
}

static void wrong_tasks_are_refused(void **state)
{
    const struct world *w = *state;
    struct umb_task_desc d = head(w, "cross_entropie");
    assert_refused(w, umb_net_task(w->net, &d), "no loss is called 'cross_entropie'");
    d.loss = NULL;
    assert_refused(w, umb_net_task(w->net, &d), "no loss is called ''");
    d.loss = "conv";
    assert_refused(w, umb_net_task(w->net, &d), "no loss is called 'conv'");
    d.loss = "cross_entropy";
    d.loss_attrs = "label_smothing=0.1";
    assert_refused(w, umb_net_task(w->net, &d), "task t: cross_entropy: label_smothing");
    d.loss_attrs = "class_weights=1,2";
    assert_refused(w, umb_net_task(w->net, &d), "task t: class_weights has 2 numbers");
    d.loss_attrs = NULL;
    d.weight = -1;
    assert_refused(w, umb_net_task(w->net, &d), "weight is -1");
    d.weight = (double)NAN;
    assert_refused(w, umb_net_task(w->net, &d), "expected a number from 0");
    d.weight = 1;
    d.output = 77;
    assert_refused(w, umb_net_task(w->net, &d), "no value of this net");
    assert_int_equal(umb_net_n_tasks(w->net), 0);
    d = head(w, "cross_entropy");
    assert_int_equal(umb_net_task(w->net, &d), UMB_OK);
    assert_refused(w, umb_net_task(w->net, &d), "task t: there is one of this name");
}

static void a_task_has_one_stream(void **state)
{
    const struct world *w = *state;
    int b = test_stream(w->ctx, w->net, "b", 8, 6, 3);
    struct umb_task_desc d = {.name = "t",
                              .output = test_layer2(w->ctx, w->net, "join", NULL, w->image, b),
                              .loss = "mse",
                              .weight = 1};
    assert_refused(w, umb_net_task(w->net, &d), "several streams");
}

static void metrics_are_those_of_the_loss(void **state)
{
    const struct world *w = *state;
    const char *names[] = {"iou", "f1", NULL}, *wrong[] = {"accuracy", "rmse", NULL},
               *many[UMB_TASK_METRICS + 2] = {0};
    struct umb_task_desc d = head(w, "cross_entropy");
    d.metrics = wrong;
    assert_refused(w, umb_net_task(w->net, &d), "called 'rmse'; expected some of accuracy, ");
    for (int i = 0; i <= UMB_TASK_METRICS; i++) {
        many[i] = "accuracy";
    }
    d.metrics = many;
    assert_refused(w, umb_net_task(w->net, &d), "more than 12 metrics");
    d.metrics = names;
    assert_int_equal(umb_net_task(w->net, &d), UMB_OK);
    assert_int_equal(umb__net_task(w->net, 0)->n_metrics, 2);
    assert_string_equal(umb__net_task(w->net, 0)->metric[0]->name, "iou");
    d.name = "u";
    d.loss = "mse";
    assert_refused(w, umb_net_task(w->net, &d), "no metric of mse is called 'iou'");
}

static void there_is_an_end_to_tasks_and_streams(void **state)
{
    const struct world *w = *state;
    struct umb_task_desc d = head(w, "mse");
    char name[16];
    d.name = name;
    for (int i = 0; i < UMB_NET_MAX_TASKS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(umb_net_task(w->net, &d), UMB_OK);
    }
    d.name = "more";
    assert_refused(w, umb_net_task(w->net, &d), "at most 64 tasks");
    for (int i = 1; i < UMB_NET_MAX_STREAMS; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(stream(w, name, 4, 3, 0, 1), UMB_OK);
    }
    assert_refused(w, stream(w, "more", 4, 3, 0, 1), "at most 64 streams");
}

/* ---- random layers ---- */

static void dropouts_draw_apart(void **state)
{
    const struct world *w = *state;
    int a = test_layer(w->ctx, w->net, "dropout", "rate=0.5", w->image);
    int b = test_layer(w->ctx, w->net, "dropout", "rate=0.5", w->image);
    int pooled = test_layer(w->ctx, w->net, "global_avg_pool", NULL, a);
    test_task(w->ctx, w->net, "t", pooled, "mse", 1);
    struct lab lab = lab_open(w->ctx, w->net, 2, true, 1);
    (void)lab_evaluate(&lab);
    const double *x = lab.data[lab.values.value[a]], *y = lab.data[lab.values.value[b]];
    int differ = 0, n = 2 * 8 * 6 * 3;
    for (int i = 0; i < n; i++) {
        differ += (x[i] < y[i] || x[i] > y[i]);
    }
    if (differ < n / 3 || differ > 2 * n / 3) { fail_msg("%d of %d differ", differ, n); }
    lab_close(&lab);
}

/* ---- the graph's own checks ---- */

static void reading_what_nothing_makes_is_refused(void **state)
{
    const struct world *w = *state;
    struct umb_graph *g;
    struct umb_type type = {.dtype = UMB_F32, .shape = {1, {4}}};
    int out[UMB_OP_MAX_OUT];
    assert_int_equal(umb__graph_create(w->ctx, true, 1, &g), UMB_OK);
    int v = umb__graph_value(g, "nobody", UMB_VALUE_TEMP, &type);
    struct umb_graph_node_desc desc = {
        .op = umb__op_find("sum"), .name = "reader", .n_in = 1, .in = &v};
    assert_int_equal(umb__graph_node(g, &desc, out), UMB_OK);
    assert_refused(w, umb__graph_verify(g), "reader: it reads what no earlier node makes");
    g->value[v].kind = UMB_VALUE_INPUT;
    assert_int_equal(umb__graph_verify(g), UMB_OK);
    g->value[out[0]].base = v;
    g->value[out[0]].base_offset = 4;
    assert_refused(w, umb__graph_verify(g), "beyond its base");
    umb__graph_destroy(g);
}

/* A new value may be given another's type, though adding it moves them all. */
static void values_may_take_each_others_types(void **state)
{
    const struct world *w = *state;
    struct umb_graph *g;
    struct umb_type type = {.dtype = UMB_I32, .shape = {2, {3, 5}}};
    assert_int_equal(umb__graph_create(w->ctx, true, 1, &g), UMB_OK);
    int v = umb__graph_value(g, "first", UMB_VALUE_TEMP, &type);
    for (int i = 0; i < 300; i++) {
        v = umb__graph_value(g, "next", UMB_VALUE_TEMP, &g->value[v].type);
        assert_true(v >= 0);
    }
    assert_memory_equal(&g->value[v].type, &type, sizeof type);
    umb__graph_destroy(g);
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_WORLD(shapes_follow_the_layers),
                                       IN_WORLD(no_value_has_no_shape),
                                       IN_WORLD(an_unknown_layer_is_named_with_the_nearest),
                                       IN_WORLD(backward_ops_losses_and_optimizers_are_no_layers),
                                       IN_WORLD(wrong_attributes_name_layer_and_key),
                                       IN_WORLD(wrong_shapes_are_shown),
                                       IN_WORLD(wrong_inputs_are_refused),
                                       IN_WORLD(names_are_made_and_kept_apart),
                                       IN_WORLD(names_that_files_cannot_hold_are_refused),
                                       IN_WORLD(a_layer_called_like_a_parameter_is_none),
                                       IN_WORLD(shared_layers_have_one_set_of_parameters),
                                       IN_WORLD(sharing_needs_an_equal_layer),
                                       IN_WORLD(wrong_streams_are_refused),
                                       IN_WORLD(any_number_of_channels_is_normalised),
                                       IN_WORLD(join_and_rows_keep_streams_in_order),
                                       IN_WORLD(wrong_joins_and_rows_are_refused),
                                       IN_WORLD(labels_follow_loss_and_output),
                                       IN_WORLD(wrong_tasks_are_refused),
                                       IN_WORLD(a_task_has_one_stream),
                                       IN_WORLD(metrics_are_those_of_the_loss),
                                       IN_WORLD(there_is_an_end_to_tasks_and_streams),
                                       IN_WORLD(dropouts_draw_apart),
                                       IN_WORLD(values_may_take_each_others_types),
                                       IN_WORLD(reading_what_nothing_makes_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

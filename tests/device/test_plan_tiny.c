/*
 * Whole training steps of two tiny nets that use every kind of layer, for simulators and software
 * rasterizers, where larger ones would take hours: right by the interpreter, and finite after two
 * updates on two queues, an evaluation and a prediction.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "nets.h"
#include "rig.h"
#include "session.h"
#include "world.h"

/* Two streams through convolution, pool and dense, a head each. */
static struct umb_net *plain(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int a = test_stream(ctx, net, "a", 6, 6, 1), b = test_stream(ctx, net, "b", 6, 6, 1);
    int h = test_layer2(ctx, net, "join", NULL, a, b);
    h = test_layer(ctx, net, "conv", "filters=2 size=3 activation=relu", h);
    h = test_layer(ctx, net, "max_pool", "size=2", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    h = test_layer(ctx, net, "dense", "units=3 activation=relu", h);
    int x = test_layer(ctx, net, "dense", "units=3", test_rows(ctx, net, 0, 1, h));
    int y = test_layer(ctx, net, "dense", "units=2", test_rows(ctx, net, 1, 1, h));
    test_task(ctx, net, "x", x, "cross_entropy", 0.5);
    test_task(ctx, net, "y", y, "huber", 0.5);
    return net;
}

/* One stream through everything else; heads a pixel, an image, numbers, yes or no. */
static struct umb_net *rich(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int in = test_stream(ctx, net, "image", 4, 4, 2);
    int a = test_layer(ctx, net, "conv", "filters=4 size=3 padding=same bias=false", in);
    a = test_layer(ctx, net, "batch_norm", NULL, a);
    a = test_layer(ctx, net, "gelu", NULL, a);
    int low = test_layer(ctx, net, "conv", "filters=4 size=3 stride=2 padding=1 groups=4", a);
    low = test_layer(ctx, net, "dropout", "rate=0.25", low);
    int pool = test_layer(ctx, net, "avg_pool", "size=2", a);
    low = test_layer2(ctx, net, "add", NULL, low, pool);
    int up = test_layer(ctx, net, "upsample", "factor=2 mode=bilinear", low);
    int both = test_layer2(ctx, net, "concat", NULL, a, up);
    int pixels = test_layer(ctx, net, "conv", "filters=2 size=1", both);
    int mean = test_layer(ctx, net, "global_avg_pool", NULL, low);
    int flat = test_layer(ctx, net, "softmax", NULL, test_layer(ctx, net, "flatten", NULL, low));
    test_task(ctx, net, "pixels", pixels, "cross_entropy", 1);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=3", mean), "cross_entropy", 1);
    test_task(ctx, net, "place", test_layer(ctx, net, "dense", "units=2", flat), "l1", 1);
    test_task(ctx, net, "traits", test_layer(ctx, net, "dense", "units=2", flat),
              "binary_cross_entropy", 1);
    return net;
}

struct tiny {
    struct umb_net *(*build)(void);
    const char *optimizer, *attrs;
};

static void is_the_interpreters(void **state)
{
    const struct tiny *c = *state;
    struct umb_net *net = c->build();
    struct lab lab = lab_open(world.ctx, net, 2, true, 5);
    (void)lab_evaluate(&lab);
    struct rig_desc desc = {.device = world.device, .queues = 2};
    struct rig rig = rig_open(&lab, &desc);
    rig_run(&rig, 0);
    rig_compare_loosely(&rig, 2e-5);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

static void trains_evaluates_predicts(void **state)
{
    const struct tiny *c = *state;
    struct umb_net *net = c->build();
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = 2,
                                .optimizer = c->optimizer,
                                .attrs = c->attrs,
                                .clip_norm = 0.5,
                                .queues = 2};
    struct session s = session_open(world.ctx, &desc);
    struct umb_task_result results[4];
    float outputs[4][64];
    session_train(&s, 0, 2);
    assert_same_bits(&s, &s, "finite");
    assert_int_equal(umb_trainer_evaluate(s.tr, s.batch, s.labels), UMB_OK);
    assert_int_equal(umb_trainer_results(s.tr, results), UMB_OK);
    for (int t = 0; t < umb_net_n_tasks(net); t++) {
        assert_true(isfinite(results[t].loss) && isfinite(results[t].metric[0].value));
    }
    assert_int_equal(
        umb_trainer_predict(s.tr, s.batch,
                            (float *[]){outputs[0], outputs[1], outputs[2], outputs[3]}),
        UMB_OK);
    for (int i = 0; i < 4; i++) {
        assert_true(isfinite(outputs[0][i]));
    }
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    static struct tiny first = {plain, "adam", NULL}, second = {rich, "sgd", "momentum=0.9"};
    const struct CMUnitTest tests[] = {
        {"a plain net is the interpreter's", is_the_interpreters, NULL, NULL, &first},
        {"a plain net trains", trains_evaluates_predicts, NULL, NULL, &first},
        {"a net of many layers is the interpreter's", is_the_interpreters, NULL, NULL, &second},
        {"a net of many layers trains", trains_evaluates_predicts, NULL, NULL, &second}};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

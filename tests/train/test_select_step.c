/*
 * test_select_step.c: a step of a task that selects samples is one in which the others are masked,
 * to the bit; and its metrics still count them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "rig.h"
#include <umbel/train.h>

#define BATCH 4
#define PIXELS 6

struct world {
    struct umb_context *ctx;
    struct umb_device *device;
};
static struct world world;

static void must(enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(world.ctx)); }
}

static int open_world(void **state)
{
    (void)state;
    assert_int_equal(umb_context_create(NULL, &world.ctx), UMB_OK);
    world.device = rig_device(world.ctx);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    umb_device_close(world.device);
    umb_context_destroy(world.ctx);
    return 0;
}

/* Six pixels, one number of them. */
static struct umb_net *one_number(const char *select)
{
    struct umb_net *net = NULL;
    int at;
    must(umb_net_create(world.ctx, &net));
    const struct umb_stream_desc stream = {.name = "a", .height = 2, .width = 3, .channels = 1};
    must(umb_net_stream(net, &stream, &at));
    const struct umb_layer_desc flat = {.op = "flatten", .in = &at, .n_in = 1};
    must(umb_net_layer(net, &flat, &at));
    const struct umb_layer_desc dense = {
        .op = "dense", .attrs = "units=1", .name = "d", .in = &at, .n_in = 1};
    must(umb_net_layer(net, &dense, &at));
    const struct umb_task_desc task = {
        .name = "t", .output = at, .loss = "mse", .weight = 1, .select_attrs = select};
    must(umb_net_task(net, &task));
    return net;
}

static const uint8_t images[BATCH * PIXELS] = {0,   9,  80,  3,   4,  255, 200, 7,  8, 9, 10, 11,
                                               120, 13, 140, 150, 16, 17,  18,  19, 5, 1, 99, 7};
/* What a new net answers is small, so 1 and 3 are the ones that are most wrong. */
static const float numbers[BATCH] = {0.5f, 40, -1, -60};

struct outcome {
    double loss;
    double mae;
    float answer[BATCH];
};

static struct outcome train(const char *select, const float *mask)
{
    struct umb_net *net = one_number(select);
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = BATCH,
                                          .optimizer = "sgd",
                                          .optimizer_attrs = "momentum=0.9",
                                          .seed = 3};
    const struct umb_batch batch = {.n = BATCH, .images = images};
    const struct umb_labels labels = {.labels = numbers, .mask = mask};
    struct umb_trainer *tr = NULL;
    struct umb_task_result result;
    struct outcome o;
    float *answers[1] = {o.answer};
    must(umb_trainer_create(world.ctx, &desc, &tr));
    must(umb_trainer_step(tr, &batch, &labels, 0.001, &o.loss));
    must(umb_trainer_results(tr, &result));
    must(umb_trainer_predict(tr, &batch, answers));
    o.mae = result.metric[0].value;
    umb_trainer_destroy(tr);
    umb_net_destroy(net);
    return o;
}

static void the_others_are_as_if_masked(void **state)
{
    (void)state;
    static const float two[BATCH] = {0, 1, 0, 1}, three[BATCH] = {1, 1, 0, 1};
    const struct outcome all = train(NULL, NULL), masked = train(NULL, two),
                         selected = train("of=mse by=loss share=0.5", NULL),
                         whole = train("of=mse by=loss share=1", NULL),
                         some = train("of=mse by=loss share=0.5", three);
    assert_memory_equal(&masked.loss, &selected.loss, sizeof(double));
    assert_memory_equal(masked.answer, selected.answer, sizeof masked.answer);
    assert_memory_equal(masked.answer, some.answer, sizeof masked.answer); /* two of three */
    assert_memory_equal(all.answer, whole.answer, sizeof all.answer);
    assert_memory_not_equal(all.answer, selected.answer, sizeof all.answer);
    assert_memory_equal(&all.mae, &selected.mae, sizeof(double));
    assert_true(masked.mae > selected.mae);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_others_are_as_if_masked, open_world, close_world)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

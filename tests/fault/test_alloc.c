/*
 * Every allocation fails once: building a net, creating a trainer, a step, evaluation, prediction,
 * saving and loading then report UMB_ERR_NO_MEMORY, leave nothing behind and do no harm.
 *
 * Kernels are built before, and kept by the device; their own failures are program's to test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"
#include "session.h"
#include "timeline.h"

struct world {
    struct umb_context *ctx;
    struct umb_device *device, *second;
    struct umb_net *net;
    struct session session;
    char path[64];
};
static struct world world;

/* ---- the operations ---- */

static enum umb_status layer(struct umb_net *net, const char *op, const char *attrs, int in,
                             int *ret_value)
{
    struct umb_layer_desc desc = {.op = op, .attrs = attrs, .in = &in, .n_in = 1};
    return umb_net_layer(net, &desc, ret_value);
}

static enum umb_status head(struct umb_net *net, const char *name, const char *rows, int in,
                            const char *loss)
{
    static const char *const f1[] = {"f1", NULL};
    struct umb_task_desc task = {.name = name, .loss = loss, .weight = 1};
    task.metrics = strcmp(loss, "cross_entropy") == 0 ? f1 : NULL;
    enum umb_status st = layer(net, "rows", rows, in, &in);
    if (st == UMB_OK) { st = layer(net, "dense", "units=3 activation=relu", in, &in); }
    task.output = in;
    return st == UMB_OK ? umb_net_task(net, &task) : st;
}

/* A task against a table that evaluation and prediction find made. */
static enum umb_status describe_graph(struct umb_net *net, int h)
{
    const struct umb_layer_desc embedding = {.op = "embedding", .attrs = "rows=2 size=4"};
    struct umb_task_desc task = {.name = "z", .loss = "cross_entropy", .weight = 1};
    int in[2] = {h, -1};
    enum umb_status st = layer(net, "rows", "first=0", h, &in[0]);
    if (st == UMB_OK) { st = layer(net, "dense", "units=4", in[0], &in[0]); }
    if (st == UMB_OK) { st = umb_net_layer(net, &embedding, &in[1]); }
    if (st == UMB_OK) { st = layer(net, "graph_mix", "adjacency=1,0,0.5,1", in[1], &in[1]); }
    const struct umb_layer_desc match = {.op = "match", .in = in, .n_in = 2};
    if (st == UMB_OK) { st = umb_net_layer(net, &match, &task.output); }
    return st == UMB_OK ? umb_net_task(net, &task) : st;
}

static enum umb_status describe(struct umb_net *net)
{
    static const double half[2] = {0.5, 0.25};
    struct umb_stream_desc a = {.name = "a",
                                .height = 6,
                                .width = 6,
                                .channels = 2,
                                .mean = half,
                                .std = half,
                                .n_norm = 2},
                           b = a;
    b.name = "b";
    int in[2], h = -1;
    enum umb_status st = umb_net_stream(net, &a, &in[0]);
    if (st == UMB_OK) { st = umb_net_stream(net, &b, &in[1]); }
    struct umb_layer_desc join = {.op = "join", .in = in, .n_in = 2};
    if (st == UMB_OK) { st = umb_net_layer(net, &join, &h); }
    if (st == UMB_OK) { st = layer(net, "conv", "filters=3 size=3 activation=relu", h, &h); }
    if (st == UMB_OK) { st = layer(net, "batch_norm", NULL, h, &h); }
    if (st == UMB_OK) { st = layer(net, "dropout", "rate=0.1", h, &h); }
    if (st == UMB_OK) { st = layer(net, "max_pool", "size=2", h, &h); }
    if (st == UMB_OK) { st = layer(net, "flatten", NULL, h, &h); }
    if (st == UMB_OK) { st = head(net, "x", "first=0", h, "cross_entropy"); }
    if (st == UMB_OK) { st = head(net, "y", "first=1", h, "mse"); }
    return st == UMB_OK ? describe_graph(net, h) : st;
}

static enum umb_status build_net(void)
{
    struct umb_net *net;
    enum umb_status st = umb_net_create(world.ctx, &net);
    if (st != UMB_OK) { return st; }
    st = describe(net);
    umb_net_destroy(net);
    return st;
}

/* Activations that wait for backward while others are made. */
static enum umb_status describe_chain(struct umb_net *net)
{
    struct umb_stream_desc a = {.name = "a", .height = 8, .width = 8, .channels = 2};
    struct umb_task_desc task = {.name = "x", .loss = "cross_entropy", .weight = 1};
    int h = -1;
    enum umb_status st = umb_net_stream(net, &a, &h);
    for (int i = 0; st == UMB_OK && i < 3; i++) {
        st = layer(net, "conv", "filters=4 size=3 padding=1", h, &h);
        if (st == UMB_OK) { st = layer(net, "tanh", NULL, h, &h); }
    }
    if (st == UMB_OK) { st = layer(net, "batch_norm", NULL, h, &h); }
    if (st == UMB_OK) { st = layer(net, "global_avg_pool", NULL, h, &h); }
    if (st == UMB_OK) { st = layer(net, "dense", "units=3", h, &task.output); }
    return st == UMB_OK ? umb_net_task(net, &task) : st;
}

/* Bytes that the trainer may use; 0: no limit. */
static uint64_t limit;
/* Where there is a second device, which is the first once more, two share the batch. */
static const int64_t two_shares[] = {2, 1};

static enum umb_status create_trainer(void)
{
    const bool two = world.second != NULL;
    struct umb_trainer *tr = NULL;
    struct umb_trainer_desc desc = {.device = world.device,
                                    .net = world.net,
                                    .batch = 3,
                                    .optimizer = "adamw",
                                    .clip_norm = 1,
                                    .queues = 2,
                                    .memory = limit,
                                    .more = two ? &world.second : NULL,
                                    .n_more = two,
                                    .shares = two ? two_shares : NULL};
    enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    if (st != UMB_OK) { assert_null(tr); }
    if (st == UMB_OK && limit) { assert_true(umb__trainer_fit(tr, UMB_TRAINER_TRAIN).n_again > 0); }
    umb_trainer_destroy(tr);
    return st;
}

/* A trainer whose batch two devices share, and a step. */
static enum umb_status share_a_step(void)
{
    struct session *s = &world.session;
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = world.net,
                                          .batch = 3,
                                          .optimizer = "sgd",
                                          .clip_norm = 1,
                                          .queues = 2,
                                          .more = &world.second,
                                          .n_more = 1,
                                          .shares = two_shares};
    enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    if (st == UMB_OK) { st = umb_trainer_step(tr, s->batch, s->labels, 0.01, s->losses); }
    umb_trainer_destroy(tr);
    return st;
}

static enum umb_status step(void)
{
    struct session *s = &world.session;
    return umb_trainer_step(s->tr, s->batch, s->labels, 0.01, s->losses);
}

static enum umb_status evaluate(void)
{
    struct session *s = &world.session;
    enum umb_status st = umb_trainer_evaluate(s->tr, s->batch, s->labels);
    struct umb_task_result r[3];
    return st == UMB_OK ? umb_trainer_results(s->tr, r) : st;
}

static enum umb_status predict(void)
{
    static float x[9], y[9], z[6];
    return umb_trainer_predict(world.session.tr, world.session.batch, (float *[]){x, y, z});
}

/* Leaves nothing compiled, so that each time it is anew. */
static enum umb_status compile_and_evaluate(void)
{
    struct umb_trainer *tr = world.session.tr;
    const enum umb_status st = evaluate();
    umb__trainer_drop_side(&tr->side[UMB_TRAINER_EVALUATE]);
    umb__trainer_drop_side(&tr->side[UMB_TRAINER_FOLD]);
    tr->folded = false;
    return st;
}

static enum umb_status save(void)
{
    return umb_trainer_save(world.session.tr, world.path);
}

static enum umb_status load(void)
{
    return umb_trainer_load(world.session.tr, world.path);
}

static enum umb_status trace(void)
{
    uint64_t bound;
    struct umb_plan *p = umb__trainer_plan(world.session.tr, UMB_TRAINER_TRAIN);
    struct umb_forecast forecast;
    enum umb_status st = umb__plan_trace(p, 0);
    struct umb_timeline *timeline = NULL;
    if (st == UMB_OK) { st = umb__plan_time_alone(p, 0); }
    if (st == UMB_OK) { st = umb__plan_bound(p, &bound); }
    if (st == UMB_OK) { st = umb__plan_forecast(p, 3, 5, &forecast); }
    if (st == UMB_OK) { st = umb__timeline_of_trainer(world.session.tr, "trace", 1, &timeline); }
    umb__timeline_destroy(timeline);
    return st;
}

/* ---- failing ---- */

#define ENOUGH 20 /* runs in a row that meet no failure: there are no more allocations */

/* Lets allocation 1, 2 … of the operation fail; returns how many failures there were. Destroying a
 * queue does without memory (`spares`); nothing else may swallow a failure. */
static int fail_each(const char *name, enum umb_status (*run)(void), bool spares)
{
    int failures = 0, well = 0;
    if (run() != UMB_OK) { fail_msg("%s: %s", name, umb_context_error(world.ctx)); }
    for (uint64_t k = 1; well < ENOUGH; k++) {
        uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(k);
        enum umb_status st = run();
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("%s, allocation %d: %s: %s", name, (int)k, umb_status_name(st),
                     umb_context_error(world.ctx));
        }
        if (umb__alloc_live() != live) {
            fail_msg("%s, allocation %d: %d blocks before, %d after (%s)", name, (int)k, (int)live,
                     (int)umb__alloc_live(), umb_status_name(st));
        }
        if (st != UMB_OK && well > 0 && !spares) {
            fail_msg("%s: allocation %d failed, and nobody said so", name, (int)k - 1);
        }
        failures += st != UMB_OK;
        well = st == UMB_OK ? well + 1 : 0;
    }
    print_message("# %s: %d failures\n", name, failures);
    if (run() != UMB_OK) { fail_msg("%s afterwards: %s", name, umb_context_error(world.ctx)); }
    return failures;
}

static void a_net(void **state)
{
    (void)state;
    assert_true(fail_each("net", build_net, false) > 20);
}

static void a_trainer(void **state)
{
    (void)state;
    assert_true(fail_each("trainer", create_trainer, false) > 200);
}

/* Less than one queue needs: activations are computed again. */
static void limit_a_trainer(const char *what)
{
    const bool two = world.second != NULL;
    struct umb_net *usual = world.net;
    assert_int_equal(umb_net_create(world.ctx, &world.net), UMB_OK);
    assert_int_equal(describe_chain(world.net), UMB_OK);
    struct session_desc desc = {.device = world.device,
                                .net = world.net,
                                .batch = 3,
                                .clip_norm = 1,
                                .queues = 1,
                                .more = &world.second,
                                .n_more = two,
                                .shares = two ? two_shares : NULL};
    struct session s = session_open(world.ctx, &desc);
    limit = umb__trainer_fit(s.tr, UMB_TRAINER_TRAIN).needs.total * (two ? 9 : 10) / 10 - 1;
    session_close(&s);
    assert_true(fail_each(what, create_trainer, false) > 400);
    umb_net_destroy(world.net);
    world.net = usual;
    limit = 0;
}

static void a_limited_trainer(void **state)
{
    (void)state;
    limit_a_trainer("limited trainer");
}

static void open_second(void)
{
    assert_int_equal(umb_device_open(world.ctx, NULL, &world.second), UMB_OK);
}

static void close_second(void)
{
    umb_device_close(world.second);
    world.second = NULL;
}

static void a_limited_trainer_on_two_devices(void **state)
{
    (void)state;
    open_second();
    limit_a_trainer("limited trainer on two devices");
    close_second();
}

static void a_step_on_two_devices(void **state)
{
    (void)state;
    open_second();
    assert_true(fail_each("two devices", share_a_step, false) > 400);
    close_second();
}

static void a_step(void **state)
{
    (void)state;
    assert_true(fail_each("step", step, false) > 0);
}

static void an_evaluation(void **state)
{
    (void)state;
    assert_true(fail_each("evaluation", evaluate, false) > 0);
    assert_int_equal(compile_and_evaluate(), UMB_OK); /* and dropped what there was */
    assert_true(fail_each("first evaluation", compile_and_evaluate, false) > 100);
}

static void a_prediction(void **state)
{
    (void)state;
    assert_true(fail_each("prediction", predict, false) > 0);
}

static void a_trace(void **state)
{
    (void)state;
    assert_true(fail_each("trace", trace, true) > 40);
}

static void saving(void **state)
{
    (void)state;
    assert_true(fail_each("saving", save, false) > 20);
}

/* The state that is loaded is the present one, so a half-done load would show only in what it
 * changed by mistake: nothing may change. */
static void loading(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(save(), UMB_OK);
    float *before = session_buffer(&world.session, "parameters", &n);
    int64_t steps = umb_trainer_n_steps(world.session.tr);
    assert_true(fail_each("loading", load, false) > 20);
    float *after = session_buffer(&world.session, "parameters", &n);
    assert_memory_equal(before, after, n * sizeof *before);
    assert_int_equal(umb_trainer_n_steps(world.session.tr), steps);
    umb__free(before);
    umb__free(after);
}

static int open_world(void **state)
{
    (void)state;
    assert_int_equal(umb_context_create(NULL, &world.ctx), UMB_OK);
    world.device = rig_device(world.ctx);
    snprintf(world.path, sizeof world.path, "/tmp/umbel-alloc-XXXXXX");
    int fd = mkstemp(world.path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(umb_net_create(world.ctx, &world.net), UMB_OK);
    assert_int_equal(describe(world.net), UMB_OK);
    struct session_desc desc = {
        .device = world.device, .net = world.net, .batch = 3, .clip_norm = 1, .queues = 2};
    world.session = session_open(world.ctx, &desc);
    session_train(&world.session, 0, 1);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    unlink(world.path);
    session_close(&world.session);
    umb_net_destroy(world.net);
    umb_device_close(world.device);
    umb_context_destroy(world.ctx);
    assert_int_equal(umb__alloc_live(), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_net),
                                       cmocka_unit_test(a_trainer),
                                       cmocka_unit_test(a_limited_trainer),
                                       cmocka_unit_test(a_limited_trainer_on_two_devices),
                                       cmocka_unit_test(a_step),
                                       cmocka_unit_test(a_step_on_two_devices),
                                       cmocka_unit_test(an_evaluation),
                                       cmocka_unit_test(a_prediction),
                                       cmocka_unit_test(a_trace),
                                       cmocka_unit_test(saving),
                                       cmocka_unit_test(loading)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

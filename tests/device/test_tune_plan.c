/*
 * test_tune_plan.c: what was measured, and what is built in, decides plans, their costs and nothing
 * else.
 */
#include "nets.h"
#include "plan_internal.h"
#include "session.h"
#include "system.h"
#include "tune_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Built-in rows. */

static void built_in_rows_go_by_what_a_device_can(void **state)
{
    static const struct {
        enum umb_device_type type;
        uint32_t width;
        const char *problem, *solver;
    } rows[] = {
        {UMB_DEVICE_CPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         "small"},
        {UMB_DEVICE_CPU, 8,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_GPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_CPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,4,4,512] "
         "f32[32,4,4,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_CPU, 16, "conv_backward_weights filters=512 size=3 padding=1", NULL},
        {UMB_DEVICE_CPU, 16, "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct umb_device_caps caps = {.type = rows[i].type, .float_width = rows[i].width};
        const char *is = umb__built_in_solver(&caps, rows[i].problem);
        if ((is == NULL) != (rows[i].solver == NULL) || (is && strcmp(is, rows[i].solver) != 0)) {
            fail_msg("row %zu: %s, expected %s", i, is ? is : "none",
                     rows[i].solver ? rows[i].solver : "none");
        }
    }
}

/* Plans and trainers. */

static struct umb_net *small_net(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "x", 6, 6, 2);
    h = test_layer(ctx, net, "conv", "filters=4 size=3", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    test_task(ctx, net, "t", test_layer(ctx, net, "dense", "units=3", h), "mse", 1);
    return net;
}

static int find_node(const struct umb_graph *g, const char *op)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].op->name, op) == 0) { return i; }
    }
    fail_msg("no %s", op);
    return -1;
}

/* Writes into the database that `solver` takes `ns` for the trainer's dense layer, and others more.
 */
static void pretend(struct fixture *f, const struct session *s, const char *solver, uint64_t ns)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    struct umb_problem p;
    struct umb_text text = {0};
    struct umb_tuning *t = NULL;
    assert_int_equal(
        umb__node_problem(g, find_node(g, "dense"), umb_device_get_caps(f->device), g->arena, &p),
        UMB_OK);
    assert_true(umb__problem_text(&p, &text));
    const struct umb_tuned tuned = {
        .problem = text.data, .n = 1, .solver = {{UMB_VERDICT_RIGHT, ns, solver, ""}}};
    assert_int_equal(umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &t), UMB_OK);
    assert_int_equal(umb__tuning_put(t, &tuned), UMB_OK);
    assert_int_equal(umb__tuning_save(t), UMB_OK);
    umb__tuning_close(t);
    umb__text_finish(&text);
}

static struct session train_on(struct fixture *f, const struct umb_net *net)
{
    const struct session_desc desc = {.device = f->device, .net = net, .batch = 5, .seed = 3};
    return session_open(f->ctx, &desc);
}

static const char *dense_solver(const struct session *s)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    return umb__plan_solver(umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN), find_node(g, "dense"));
}

static int setup_trainer(void **state)
{
    if (fixture_setup(state) != 0) { return -1; }
    unsetenv("UMBEL_KERNEL_DIR");
    unsetenv("UMBEL_TUNE");
    return 0;
}

static void measurements_decide_plans_and_their_costs(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 77000000);
    session_close(&a);
    struct session b = train_on(f, net);
    assert_string_equal(dense_solver(&b), "naive");
    const struct umb_plan *plan = umb__trainer_plan(b.tr, UMB_TRAINER_TRAIN);
    const int node = find_node(plan->graph, "dense");
    assert_int_equal(umb__plan_choice(plan, node).source, UMB_CHOICE_MEASURED);
    double cost = 0;
    for (size_t i = 0; i < plan->steps.n; i++) {
        if (plan->steps.step[i].node == node) { cost += plan->cost_ns[i]; }
    }
    if (!(cost >= 77e6 && cost < 78e6)) { fail_msg("a cost of %g ns; expected 77e6", cost); }
    session_close(&b);
    setenv("UMBEL_TUNE", "off", 1);
    struct session c = train_on(f, net);
    assert_int_not_equal(umb__plan_choice(umb__trainer_plan(c.tr, UMB_TRAINER_TRAIN), node).source,
                         UMB_CHOICE_MEASURED);
    session_close(&c);
    umb_net_destroy(net);
}

static void a_resumed_run_keeps_its_solvers(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    char path[1024];
    snprintf(path, sizeof path, "%s", path_in(f, "saved.safetensors"));
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 100);
    session_close(&a);
    struct session b = train_on(f, net);
    session_train(&b, 0, 3);
    assert_string_equal(dense_solver(&b), "naive");
    assert_int_equal(umb_trainer_save(b.tr, path), UMB_OK);
    assert_int_equal(unlink(umb__tuning_path(umb__trainer_tuning(b.tr))), 0);
    struct session c = train_on(f, net);
    assert_int_equal(umb_trainer_load(c.tr, path), UMB_OK);
    assert_string_equal(dense_solver(&c), "naive");
    session_train(&b, 3, 2);
    session_train(&c, 3, 2);
    assert_same_bits(&b, &c, "a resumed run, measurements gone");
    session_close(&b);
    session_close(&c);
    umb_net_destroy(net);
}

static size_t count_kept(struct fixture *f)
{
    struct umb_tuning *t = NULL;
    assert_int_equal(umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &t), UMB_OK);
    if (umb__tuning_trouble(t)) { fail_msg("%s", umb__tuning_trouble(t)); }
    const size_t n = umb__tuning_count(t);
    umb__tuning_close(t);
    return n;
}

static void quick_measures_before_the_plan_is_made(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    setenv("UMBEL_TUNE", "quick", 1);
    struct session a = train_on(f, net);
    const struct umb_plan *plan = umb__trainer_plan(a.tr, UMB_TRAINER_TRAIN);
    for (int i = 0; i < plan->graph->n_nodes; i++) {
        const struct umb_choice c = umb__plan_choice(plan, i);
        if (c.solver && c.source != UMB_CHOICE_MEASURED) {
            fail_msg("%s was not measured", plan->graph->node[i].name);
        }
    }
    session_train(&a, 0, 2);
    const size_t kept = count_kept(f);
    assert_true(kept >= 5);
    session_close(&a);
    unsetenv("UMBEL_TUNE");
    struct session b = train_on(f, net);
    assert_int_equal(umb__tuning_count(umb__trainer_tuning(b.tr)), kept);
    session_close(&b);
    umb_net_destroy(net);
}

static void a_damaged_database_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 100);
    write_file(umb__tuning_path(umb__trainer_tuning(a.tr)), "umbel tuning 1\nx", 16);
    session_close(&a);
    struct session b = train_on(f, net);
    const char *trouble = umb__tuning_trouble(umb__trainer_tuning(b.tr));
    assert_non_null(trouble);
    assert_int_not_equal(
        umb__plan_choice(umb__trainer_plan(b.tr, UMB_TRAINER_TRAIN),
                         find_node(umb__trainer_graph(b.tr, UMB_TRAINER_TRAIN), "dense"))
            .source,
        UMB_CHOICE_MEASURED);
    session_close(&b);
    umb_net_destroy(net);
}

static void an_unwritable_folder_is_no_error_for_a_training(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    write_file(path_in(f, "file"), "x", 1);
    setenv("UMBEL_CACHE", path_in(f, "file/below"), 1);
    setenv("UMBEL_TUNE", "quick", 1);
    struct session a = train_on(f, net);
    session_train(&a, 0, 1);
    session_close(&a);
    umb_net_destroy(net);
}

#define TRAINER(f) cmocka_unit_test_setup_teardown(f, setup_trainer, tune_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_rows_go_by_what_a_device_can),
        TRAINER(measurements_decide_plans_and_their_costs),
        TRAINER(a_resumed_run_keeps_its_solvers),
        TRAINER(quick_measures_before_the_plan_is_made),
        TRAINER(a_damaged_database_is_no_error),
        TRAINER(an_unwritable_folder_is_no_error_for_a_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

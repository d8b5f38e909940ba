/*
 * Plans on the device against the interpreter in double: losses, outputs and gradients of whole
 * nets, fused and not, on one queue and several; and what a plan says of itself.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "rig.h"
#include "world.h"

/* ---- nets ---- */

/* ---- against the interpreter ---- */

struct plan_case {
    struct umb_net *(*build)(struct umb_context *ctx);
    int64_t batch, rows;
    bool evaluation, unfused;
    int queues;
};

static void is_the_interpreters(void **state)
{
    const struct plan_case *c = *state;
    struct umb_net *net = c->build(world.ctx);
    struct lab lab = lab_open(world.ctx, net, c->batch, !c->evaluation, 11);
    if (c->rows) { lab_set_rows(&lab, 0, c->rows); }
    (void)lab_evaluate(&lab);
    struct rig_desc desc = {.device = world.device, .queues = c->queues, .unfused = c->unfused};
    struct rig rig = rig_open(&lab, &desc);
    assert_int_equal(umb__plan_verify(rig.plan), UMB_OK);
    rig_run(&rig, 0);
    double worst = rig_compare(&rig, 0);
    rig_compare_states(&rig);
    print_message("# worst is %.2f of the tolerance\n", worst);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

/* A relu behind the pool that alone reads it, to the bit; not where others read it, too. */
static void simplifying_keeps_every_bit(void **state)
{
    (void)state;
    struct umb_net *(*const build[])(struct umb_context *) = {test_net_mnist_fashion,
                                                              test_net_mixed};
    for (int k = 0; k < 2; k++) {
        struct umb_net *net = build[k](world.ctx);
        struct lab a = lab_open(world.ctx, net, 2, true, 3),
                   b = lab_open_simplified(world.ctx, net, 2, true, 3);
        int moved = 0;
        for (int i = 0; i < b.graph->n_nodes; i++) {
            const struct umb_node *n = &b.graph->node[i];
            moved += strcmp(n->op->name, "relu") == 0 &&
                     strstr(b.graph->value[n->in[0]].name, ".pooled") != NULL;
        }
        assert_int_equal(moved, k == 0 ? 2 : 0); /* mixed: a concat reads it as well */
        lab_compare(&a, &b, 0);
        lab_close(&a);
        lab_close(&b);
        umb_net_destroy(net);
    }
}

/* Sharing memory changes no bit, and saves copies and memory. */
static void aliasing_changes_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_residual(world.ctx);
    struct lab a = lab_open(world.ctx, net, 3, true, 3), b = lab_open(world.ctx, net, 3, true, 3);
    struct rig_desc desc = {.device = world.device};
    struct rig x = rig_open(&a, &desc);
    size_t with = umb__plan_n_steps(x.plan);
    rig_run(&x, 0);
    /* A join of what the host reads cannot be arranged, and copies. */
    struct umb_graph *g = b.graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].op->name, "join") != 0) { continue; }
        g->value[g->node[i].in[0]].output = true;
    }
    struct rig y = rig_open(&b, &desc);
    rig_run(&y, 0);
    assert_true(umb__plan_n_steps(y.plan) > with);
    for (int v = 0; v < a.n_values; v++) {
        if (!a.graph->value[v].output || a.graph->value[v].kind != UMB_VALUE_TEMP) { continue; }
        size_t bytes = umb__type_bytes(&a.graph->value[v].type);
        assert_memory_equal(rig_output(&x, 0, v), rig_output(&y, 0, v), bytes);
    }
    rig_close(&x);
    rig_close(&y);
    lab_close(&a);
    lab_close(&b);
    umb_net_destroy(net);
}

/* ---- what a plan says of itself ---- */

static void deep_nets_share_memory(void **state)
{
    (void)state;
    struct umb_net *net = test_net_small_resnet18(world.ctx);
    struct lab lab = lab_open(world.ctx, net, 2, false, 3);
    struct rig_desc desc = {.device = world.device};
    struct rig rig = rig_open(&lab, &desc);
    size_t shared = umb__plan_scratch_bytes(rig.plan), apart = umb__plan_unshared_bytes(rig.plan);
    if (shared * 4 > apart) { fail_msg("evaluation: %zu of %zu bytes", shared, apart); }
    rig_close(&rig);
    lab_close(&lab);
    lab = lab_open(world.ctx, net, 2, true, 3);
    rig = rig_open(&lab, &desc);
    shared = umb__plan_scratch_bytes(rig.plan);
    apart = umb__plan_unshared_bytes(rig.plan);
    if (shared * 10 > apart * 9) { fail_msg("training: %zu of %zu bytes", shared, apart); }
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

/* Steps of one queue begin in order and do not overlap, as far as the device's clock can tell. */
#define CLOCK_NS 2000

static uint64_t check_times(const struct umb_plan *p, int n_queues)
{
    uint64_t end_of[UMB_MAX_QUEUES] = {0}, makespan = 0;
    for (size_t i = 0; i < umb__plan_n_steps(p); i++) {
        struct umb_plan_step_info s = umb__plan_step(p, i);
        assert_in_range(s.queue, 0, n_queues - 1);
        assert_true(s.node && s.solver && s.kernel);
        if (s.end_ns < s.start_ns || s.start_ns + CLOCK_NS < end_of[s.queue]) {
            fail_msg("step %zu (%s) on queue %d: %llu to %llu ns, the one before ended at %llu", i,
                     s.node, s.queue, (unsigned long long)s.start_ns, (unsigned long long)s.end_ns,
                     (unsigned long long)end_of[s.queue]);
        }
        end_of[s.queue] = s.end_ns;
        makespan = s.end_ns > makespan ? s.end_ns : makespan;
    }
    return makespan;
}

/* More units and queues than there are: never worse than the bound for so many. */
static void check_forecasts(struct umb_plan *p, uint64_t bound_ns)
{
    const int units = (int)umb_device_get_caps(world.device)->compute_units;
    struct umb_forecast one, f;
    assert_int_equal(umb__plan_forecast(p, 1, units, &one), UMB_OK);
    assert_true(fabs(one.bound_ns - (double)bound_ns) <= 1);
    for (int queues = 1; queues <= 64; queues *= 4) {
        assert_int_equal(umb__plan_forecast(p, queues, 2 * units, &f), UMB_OK);
        assert_true(f.n_queues == queues && f.units == 2 * units && f.scratch_bytes > 0);
        assert_true(f.idle >= 0 && f.idle < 1 && f.bound_ns <= one.bound_ns);
        assert_true(f.makespan_ns >= f.bound_ns * 0.999999);
        assert_true(f.makespan_ns <= one.makespan_ns * 1.000001);
    }
}

/* On one queue it is the sum of what the steps take alone, of which a share of runs stays below. */
static void check_shares(struct umb_plan *p)
{
    const int units = (int)umb_device_get_caps(world.device)->compute_units;
    double before = 0;
    for (int quarter = 0; quarter <= 4; quarter++) {
        struct umb_forecast f;
        umb__plan_settle_alone(p, quarter / 4.0);
        assert_int_equal(umb__plan_forecast(p, 1, units, &f), UMB_OK);
        assert_true(f.makespan_ns >= before && f.makespan_ns > 0);
        before = f.makespan_ns;
    }
    umb__plan_settle_alone(p, 0.5);
}

static void traces_have_sane_times(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    for (int queues = 1; queues <= 4; queues += 3) {
        struct lab lab = lab_open(world.ctx, net, 4, true, 3);
        struct rig_desc desc = {.device = world.device, .queues = queues};
        struct rig rig = rig_open(&lab, &desc);
        rig_run(&rig, 0);
        assert_int_equal(umb__plan_trace(rig.plan, 0), UMB_OK);
        uint64_t makespan = check_times(rig.plan, queues), bound = 0;
        assert_int_equal(umb__plan_bound(rig.plan, &bound), UMB_ERR_INVALID);
        for (int run = 0; run < 3; run++) {
            assert_int_equal(umb__plan_time_alone(rig.plan, 0), UMB_OK);
        }
        assert_int_equal(umb__plan_bound(rig.plan, &bound), UMB_OK);
        check_forecasts(rig.plan, bound);
        check_shares(rig.plan);
        assert_true(makespan > 0 && bound > 0);
        /* Two runs are compared, on a machine that does other things too. */
        if (queues == 1 && makespan > CLOCK_NS && bound > 3 * makespan) {
            fail_msg("bound %llu ns, makespan %llu ns", (unsigned long long)bound,
                     (unsigned long long)makespan);
        }
        rig_close(&rig);
        lab_close(&lab);
    }
    umb_net_destroy(net);
}

/* A trace is a run like others: what comes after it is right. */
static void traces_leave_results_right(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct lab lab = lab_open(world.ctx, net, 3, true, 3);
    (void)lab_evaluate(&lab);
    struct rig_desc desc = {.device = world.device, .queues = 3, .slots = 2};
    struct rig rig = rig_open(&lab, &desc);
    assert_int_equal(umb__plan_trace(rig.plan, 1), UMB_OK);
    (void)rig_compare(&rig, 1);
    assert_int_equal(umb__plan_time_alone(rig.plan, 0), UMB_OK);
    (void)rig_compare(&rig, 0);
    rig_reset(&rig, 1);
    rig_run(&rig, 1);
    (void)rig_compare(&rig, 1);
    rig_compare_states(&rig);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

static void places_lie_within(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct lab lab = lab_open(world.ctx, net, 2, true, 3);
    struct rig_desc desc = {.device = world.device, .queues = 2};
    struct rig rig = rig_open(&lab, &desc);
    size_t total = umb__plan_scratch_bytes(rig.plan);
    for (int v = 0; v < lab.n_values; v++) {
        struct umb_plan_place at = umb__plan_place(rig.plan, v);
        bool made = !at.scratch || lab.graph->value[v].producer >= 0;
        assert_int_equal(at.bytes, made ? umb__type_bytes(&lab.graph->value[v].type) : 0);
        assert_true(!at.scratch || at.offset + at.bytes <= total);
    }
    assert_int_equal(umb__plan_n_queues(rig.plan), 2);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

/* ---- refusals ---- */

static const char *no_such_solver(void *user, const char *node)
{
    (void)user;
    return strcmp(node, "conv1") == 0 ? "abacus" : NULL;
}

static void wrong_plans_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct lab lab = lab_open(world.ctx, net, 2, true, 3);
    struct rig_desc rig_desc = {.device = world.device};
    struct rig rig = rig_open(&lab, &rig_desc);
    struct umb_plan_desc good = {.device = world.device,
                                 .graph = lab.graph,
                                 .store = rig.store,
                                 .n_queues = 1,
                                 .n_slots = 1},
                         d = good;
    struct umb_plan *plan = NULL;
    d.n_queues = 9;
    assert_int_equal(umb__plan_create(world.ctx, &d, &plan), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "1 to 8 queues, not 9"));
    d = good;
    d.n_slots = 0;
    assert_int_equal(umb__plan_create(world.ctx, &d, &plan), UMB_ERR_INVALID);
    d = good;
    d.solver_of = no_such_solver;
    assert_int_equal(umb__plan_create(world.ctx, &d, &plan), UMB_ERR_UNSUPPORTED);
    assert_non_null(strstr(umb_context_error(world.ctx), "abacus"));
    assert_null(plan);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

int main(void)
{
    static struct plan_case cases[] = {{test_net_mnist_fashion, 4, 0, false, false, 1},
                                       {test_net_mnist_fashion, 4, 3, false, true, 2},
                                       {test_net_two_streams, 5, 0, false, false, 1},
                                       {test_net_mixed, 4, 0, false, false, 1},
                                       {test_net_mixed, 4, 3, false, false, 4},
                                       {test_net_mixed, 4, 0, false, true, 1},
                                       {test_net_mixed, 4, 0, true, false, 1},
                                       {test_net_two_residual, 4, 0, false, false, 1},
                                       {test_net_two_residual, 4, 2, false, false, 3},
                                       {test_net_two_residual, 4, 0, true, false, 1},
                                       {test_net_small_resnet18, 3, 0, false, false, 2},
                                       {test_net_small_resnet18, 3, 0, true, true, 1}};
    const struct CMUnitTest tests[] = {
        {"mnist-fashion", is_the_interpreters, NULL, NULL, &cases[0]},
        {"mnist-fashion, unfused, fewer samples, two queues", is_the_interpreters, NULL, NULL,
         &cases[1]},
        {"two streams", is_the_interpreters, NULL, NULL, &cases[2]},
        {"four heads", is_the_interpreters, NULL, NULL, &cases[3]},
        {"four heads, fewer samples, four queues", is_the_interpreters, NULL, NULL, &cases[4]},
        {"four heads, unfused", is_the_interpreters, NULL, NULL, &cases[5]},
        {"four heads, evaluation", is_the_interpreters, NULL, NULL, &cases[6]},
        {"residual blocks of two streams", is_the_interpreters, NULL, NULL, &cases[7]},
        {"residual blocks, fewer samples, three queues", is_the_interpreters, NULL, NULL,
         &cases[8]},
        {"residual blocks, evaluation", is_the_interpreters, NULL, NULL, &cases[9]},
        {"ResNet-18, two queues", is_the_interpreters, NULL, NULL, &cases[10]},
        {"ResNet-18, evaluation, unfused", is_the_interpreters, NULL, NULL, &cases[11]},
        cmocka_unit_test(simplifying_keeps_every_bit),
        cmocka_unit_test(aliasing_changes_no_bit),
        cmocka_unit_test(deep_nets_share_memory),
        cmocka_unit_test(traces_have_sane_times),
        cmocka_unit_test(traces_leave_results_right),
        cmocka_unit_test(places_lie_within),
        cmocka_unit_test(wrong_plans_are_refused)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

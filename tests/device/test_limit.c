/*
 * test_limit.c: plans within a limit of device memory (fit.h): what is given up and in which order,
 * that the account is right, that limits which are too low are refused, and that no bit changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"
#include "nets.h"

static uint64_t needs(const struct spread *how, const struct umb_net *net, int queues)
{
    struct session s = open_within(how, net, queues, 0);
    const struct umb_fit fit = fit_of(&s);
    assert_int_equal(fit.queues, queues);
    assert_int_equal(fit.n_again, 0);
    session_close(&s);
    return fit.needs.total;
}

/* Within several limits down to the lowest: what was computed again changes nothing. */
static void within_limits(void **state)
{
    const struct spread *how = *state;
    struct umb_net *net = spread_net(how);
    const uint64_t most = needs(how, net, 1), least = lowest(how, net);
    struct session free_one = open_within(how, net, 1, 0);
    int n_again = 0;
    session_train(&free_one, 0, 4);
    for (int part = 0; part <= 3; part++) {
        char what[64];
        const uint64_t limit = least + (most - least) * (uint64_t)part / 4;
        struct session s = open_within(how, net, 1, limit);
        const struct umb_fit fit = fit_of(&s);
        assert_true(fit.needs.total <= limit);
        snprintf(what, sizeof what, "%d nodes computed again", fit.n_again);
        session_train(&s, 0, 4);
        assert_same_training(&free_one, &s, what);
        must(umb__plan_verify(umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN)));
        n_again = fit.n_again > n_again ? fit.n_again : n_again;
        session_close(&s);
    }
    print_message("# %.2f MiB freely, %.2f at the least with %d nodes computed again\n",
                  (double)most / 1048576, (double)least / 1048576, n_again);
    assert_true(n_again > 0);
    session_close(&free_one);
    umb_net_destroy(net);
}

/* ---- the account ---- */

static void what_is_counted_is_what_is_there(void **state)
{
    (void)state;
    const struct spread *how = &(struct spread){.make = limit_net_resnet18};
    struct umb_net *net = spread_net(how);
    const uint64_t most = needs(how, net, 1), before = umb_device_bytes(world.device);
    for (int part = 20; part >= 18; part--) {
        struct session s = open_within(how, net, 1, most * (uint64_t)part / 20);
        const uint64_t there = umb_device_bytes(world.device) - before;
        assert_int_equal(there, fit_of(&s).needs.total);
        assert_true(there <= most * (uint64_t)part / 20);
        session_close(&s);
    }
    assert_int_equal(umb_device_bytes(world.device), before);
    umb_net_destroy(net);
}

static void just_enough_is_enough(void **state)
{
    (void)state;
    const struct spread *how = &(struct spread){.make = limit_net_resnet18};
    struct umb_net *net = spread_net(how);
    const uint64_t most = needs(how, net, 1);
    struct session s = open_within(how, net, 1, most);
    struct umb_fit fit = fit_of(&s);
    assert_false(umb__fit_gave_up(&fit));
    session_close(&s);
    s = open_within(how, net, 1, most - 1);
    fit = fit_of(&s);
    assert_true(umb__fit_gave_up(&fit));
    assert_true(fit.n_again > 0);
    session_close(&s);
    umb_net_destroy(net);
}

static void queues_go_first(void **state)
{
    (void)state;
    const struct spread *how = &(struct spread){.make = limit_net_branches};
    struct umb_net *net = spread_net(how);
    const uint64_t four = needs(how, net, 4), one = needs(how, net, 1);
    char text[UMB_FIT_TEXT];
    print_message("# %llu bytes with four queues, %llu with one\n", (unsigned long long)four,
                  (unsigned long long)one);
    assert_true(one < four);
    struct session s = open_within(how, net, 4, four), free_one = open_within(how, net, 4, 0);
    assert_int_equal(fit_of(&s).queues, 4);
    session_close(&s);
    s = open_within(how, net, 4, one);
    struct umb_fit fit = fit_of(&s);
    assert_true(fit.queues < 4);
    assert_int_equal(fit.n_again, 0);
    session_train(&s, 0, 3);
    session_train(&free_one, 0, 3);
    assert_same_training(&free_one, &s, "fewer queues");
    session_close(&s);
    s = open_within(how, net, 4, one - one / 50);
    fit = fit_of(&s);
    assert_int_equal(fit.queues, 1);
    assert_true(fit.n_again > 0);
    assert_non_null(strstr(umb__fit_text(&fit, text), "1 of 4 queues, "));
    session_close(&s);
    session_close(&free_one);
    umb_net_destroy(net);
}

static void too_low_is_refused(void **state)
{
    (void)state;
    const struct spread *how = &(struct spread){.make = test_net_mixed};
    struct umb_net *net = spread_net(how);
    assert_false(opens(how, net, 2, 1));
    assert_false(opens(how, net, 1, needs(how, net, 1) / 20));
    assert_non_null(strstr(umb_context_error(world.ctx), "memory limit of "));
    assert_non_null(strstr(umb_context_error(world.ctx), "parameters and states"));
    umb_net_destroy(net);
}

/* ---- the same plan ---- */

static void assert_same_plan(const struct session *a, const struct session *b)
{
    const struct umb_graph *x = umb__trainer_graph(a->tr, UMB_TRAINER_TRAIN),
                           *y = umb__trainer_graph(b->tr, UMB_TRAINER_TRAIN);
    assert_int_equal(x->n_nodes, y->n_nodes);
    assert_int_equal(x->n_values, y->n_values);
    for (int i = 0; i < x->n_nodes; i++) {
        assert_string_equal(x->node[i].name, y->node[i].name);
    }
    for (int v = 0; v < x->n_values; v++) {
        const struct umb_plan_place p = umb__plan_place(umb__trainer_plan(a->tr, UMB_TRAINER_TRAIN),
                                                        v),
                                    q = umb__plan_place(umb__trainer_plan(b->tr, UMB_TRAINER_TRAIN),
                                                        v);
        assert_int_equal(p.offset, q.offset);
        assert_int_equal(p.bytes, q.bytes);
    }
}

/* A checkpoint goes on within the same limit with the same plan, and within another, or none, with
 * the same bits. */
static void checkpoints_know_no_limit(void **state)
{
    (void)state;
    static const char path[] = "limit.safetensors";
    const struct spread *how = &(struct spread){.make = test_net_two_residual};
    struct umb_net *net = spread_net(how);
    const uint64_t most = needs(how, net, 1), low = most * 9 / 10;
    struct session whole = open_within(how, net, 1, low), first = open_within(how, net, 1, low);
    session_train(&whole, 0, 5);
    session_train(&first, 0, 2);
    must(umb_trainer_save(first.tr, path));
    const uint64_t limit[] = {low, 0, most * 95 / 100};
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
        struct session s = open_within(how, net, 1, limit[i]);
        must(umb_trainer_load(s.tr, path));
        assert_int_equal(fit_of(&s).n_again > 0, limit[i] > 0);
        if (limit[i] == low) { assert_same_plan(&first, &s); }
        session_train(&s, 2, 3);
        assert_same_training(&whole, &s, "resumed within another limit");
        session_close(&s);
    }
    remove(path);
    session_close(&first);
    session_close(&whole);
    umb_net_destroy(net);
}

int main(void)
{
    static struct spread mixed = {.make = test_net_mixed}, chain = {.make = limit_net_chain},
                         two_residual = {.make = test_net_two_residual},
                         resnet18 = {.make = limit_net_resnet18},
                         mnist_fashion = {.make = test_net_mnist_fashion};
    const struct CMUnitTest tests[] = {
        SPREAD_TEST(within_limits, mixed),
        SPREAD_TEST(within_limits, chain),
        SPREAD_TEST(within_limits, two_residual),
        SPREAD_TEST(within_limits, resnet18),
        SPREAD_TEST(within_limits, mnist_fashion),
        cmocka_unit_test(what_is_counted_is_what_is_there),
        cmocka_unit_test(just_enough_is_enough),
        cmocka_unit_test(queues_go_first),
        cmocka_unit_test(too_low_is_refused),
        cmocka_unit_test(checkpoints_know_no_limit),
    };
    return cmocka_run_group_tests_name("memory limits", tests, open_world, close_world);
}

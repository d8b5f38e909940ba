/*
 * test_limit_devices.c: a limit of device memory on several devices. Each has it for itself, what
 * is computed again stays on the device of what it copies, the account is right on every device, a
 * limit that is too low is refused by the device's name, and no bit changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"
#include "net_internal.h"
#include "nets.h"

#define N_DEVICES (1 + N_MORE)

static uint64_t most_on_any(const struct session *s)
{
    uint64_t most = 0;
    for (int d = 0; d < N_DEVICES; d++) {
        const uint64_t total = umb__plan_needs(plan_of(s), d).total;
        most = total > most ? total : most;
    }
    return most;
}

/* ---- the account ---- */

static void note_bytes(uint64_t bytes[N_DEVICES])
{
    for (int d = 0; d < N_DEVICES; d++) {
        bytes[d] = umb_device_bytes(several_device(d));
    }
}

/* What the plan says of each device is what was allocated there, and within the limit. */
static void assert_account(const struct session *s, const uint64_t before[N_DEVICES],
                           uint64_t limit)
{
    for (int d = 0; d < N_DEVICES; d++) {
        const uint64_t there = umb_device_bytes(several_device(d)) - before[d];
        assert_int_equal(there, umb__plan_needs(plan_of(s), d).total);
        assert_true(there <= limit);
    }
    assert_int_equal(fit_of(s).needs.total, most_on_any(s));
}

static int n_transfers(const struct umb_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        n += (g->node[i].op->flags & UMB_OP_TRANSFER) != 0;
    }
    return n;
}

/* ---- within limits ---- */

static void within_limits(void **state)
{
    const struct spread *how = *state;
    struct umb_net *net = spread_net(how);
    uint64_t before[N_DEVICES];
    const uint64_t least = lowest(how, net);
    int n_again = 0;
    note_bytes(before);
    struct session free_one = open_within(how, net, 1, 0);
    const uint64_t most = most_on_any(&free_one);
    const int n = n_transfers(free_one.tr->side[UMB_TRAINER_TRAIN].graph);
    assert_account(&free_one, before, most);
    assert_int_equal(fit_of(&free_one).n_again, 0);
    session_train(&free_one, 0, 4);
    for (int part = 0; part <= 3; part++) {
        char what[64];
        const uint64_t limit = least + (most - least) * (uint64_t)part / 4;
        note_bytes(before);
        struct session s = open_within(how, net, 2, limit);
        const struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
        const struct umb_fit fit = fit_of(&s);
        assert_account(&s, before, limit);
        assert_true(assert_copies_stay(g) >= fit.n_again);
        assert_int_equal(n_transfers(g), n);
        snprintf(what, sizeof what, "%d nodes computed again", fit.n_again);
        session_train(&s, 0, 4);
        assert_same_training(&free_one, &s, what);
        must(umb__plan_verify(plan_of(&s)));
        n_again = fit.n_again > n_again ? fit.n_again : n_again;
        session_close(&s);
    }
    print_message("# the fullest device: %.2f MiB freely, %.2f at the least with %d nodes computed "
                  "again\n",
                  (double)most / 1048576, (double)least / 1048576, n_again);
    assert_true(least < most);
    assert_int_equal(n_again > 0, !how->in_order);
    session_close(&free_one);
    umb_net_destroy(net);
}

/* ---- limits of their own ---- */

/* A percentage is of each device's own memory. */
static void a_share_is_of_each_device(void **state)
{
    (void)state;
    static const int64_t shares[] = {2, 2, 2};
    const struct spread how = {.make = limit_net_large_images, .n_more = N_MORE, .shares = shares};
    struct umb_net *net = spread_net(&how);
    struct session free_one = open_within(&how, net, 1, 0);
    /* The same device says of itself that it has less when it is opened again. */
    struct umb_device_caps *caps = (struct umb_device_caps *)umb_device_get_caps(more[0]);
    const struct umb_needs needs = umb__plan_needs(plan_of(&free_one), 1);
    const uint64_t has = caps->global_bytes;
    caps->global_bytes = needs.total * 9 / 5;
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = LIMIT_BATCH,
                                      .seed = 5,
                                      .memory_share = 0.5,
                                      .more = more,
                                      .n_more = N_MORE,
                                      .shares = shares};
    struct session s = session_open(world.ctx, &desc);
    const struct umb_fit fit = fit_of(&s);
    caps->global_bytes = has;
    assert_int_equal(fit.device, 1);
    assert_int_equal(fit.limit, (uint64_t)(0.5 * (double)(needs.total * 9 / 5)));
    assert_true(fit.n_again > 0);
    assert_true(umb__plan_needs(plan_of(&s), 1).total <= fit.limit);
    /* The others have enough, and compute nothing again. */
    const struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].again_of) { assert_int_equal(g->node[i].device, 1); }
    }
    session_train(&free_one, 0, 3);
    session_train(&s, 0, 3);
    assert_same_training(&free_one, &s, "half of device 1");
    session_close(&s);
    session_close(&free_one);
    umb_net_destroy(net);
}

static void expect_refusal(const struct umb_trainer_desc *desc, enum umb_status status,
                           const char *piece)
{
    struct umb_trainer *tr = NULL;
    assert_int_equal(umb_trainer_create(world.ctx, desc, &tr), status);
    assert_null(tr);
    if (!strstr(umb_context_error(world.ctx), piece)) {
        fail_msg("%s", umb_context_error(world.ctx));
    }
}

/* By number, since devices may share a name; whether the limit or the device itself is too small.
 */
static void the_device_is_named(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_residual(world.ctx);
    for (int l = 0; l < net->n_layers; l++) {
        net->layer[l].device = 2;
    }
    struct umb_trainer_desc desc = {.device = world.device,
                                    .net = net,
                                    .batch = LIMIT_BATCH,
                                    .optimizer = "sgd",
                                    .queues = 1,
                                    .memory = 65536,
                                    .more = more,
                                    .n_more = N_MORE};
    expect_refusal(&desc, UMB_ERR_INVALID, "a memory limit of 64 KiB is too low for device 2: ");
    struct umb_device_caps *caps = (struct umb_device_caps *)umb_device_get_caps(more[1]);
    const uint64_t has = caps->global_bytes;
    caps->global_bytes = 65536;
    desc.memory = 0;
    expect_refusal(&desc, UMB_ERR_NO_MEMORY, "in one piece for device 2: a step needs ");
    caps->global_bytes = has;
    desc.memory_share = 1.5;
    expect_refusal(&desc, UMB_ERR_INVALID, "memory_share is 1.5; expected 0 to 1");
    desc.memory_share = -0.5;
    expect_refusal(&desc, UMB_ERR_INVALID, "memory_share is -0.5; expected 0 to 1");
    umb_net_destroy(net);
}

#define SPREAD(net, ...)                           \
    {                                              \
        .make = net, .n_more = N_MORE, __VA_ARGS__ \
    }

int main(void)
{
    static const int64_t parts[] = {3, 2, 1}, two[] = {0, 3, 3};
    static struct spread mixed = SPREAD(test_net_mixed, .seed = 1),
                         residual_1 = SPREAD(test_net_two_residual, .seed = 1, .in_order = true),
                         residual_3 = SPREAD(test_net_two_residual, .seed = 3),
                         resnet18_1 = SPREAD(limit_net_large_images, .seed = 1),
                         resnet18_2 = SPREAD(limit_net_large_images, .seed = 2),
                         resnet18_shared = SPREAD(limit_net_large_images, .shares = parts),
                         resnet18_two = SPREAD(limit_net_large_images, .shares = two);
    const struct CMUnitTest tests[] = {
        SPREAD_TEST(within_limits, mixed),        SPREAD_TEST(within_limits, residual_1),
        SPREAD_TEST(within_limits, residual_3),   SPREAD_TEST(within_limits, resnet18_1),
        SPREAD_TEST(within_limits, resnet18_2),   SPREAD_TEST(within_limits, resnet18_shared),
        SPREAD_TEST(within_limits, resnet18_two), cmocka_unit_test(a_share_is_of_each_device),
        cmocka_unit_test(the_device_is_named),
    };
    return cmocka_run_group_tests_name("memory limits of several devices", tests, open_devices,
                                       close_devices);
}

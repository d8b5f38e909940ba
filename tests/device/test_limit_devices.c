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

#include "net_internal.h"
#include "nets.h"
#include "rng.h"
#include "session.h"
#include "several.h"
#include "text.h"

#define BATCH 6
#define N_DEVICES (1 + N_MORE)

static struct umb_net *mixed(void)
{
    return test_net_mixed(world.ctx);
}

static struct umb_net *two_residual(void)
{
    return test_net_two_residual(world.ctx);
}

static struct umb_net *resnet18(void)
{
    return test_net_resnet18(world.ctx, 32, 4);
}

/* How a net is spread: over devices that `seed` draws, or by its batch. */
struct spread {
    struct umb_net *(*make)(void);
    uint32_t seed;
    const int64_t *shares;
    bool in_order; /* the order is all that there is to give up: one node needs the rest */
};

static struct umb_net *make(const struct spread *s)
{
    struct umb_net *net = s->make();
    several_put(net, s->seed, N_DEVICES);
    return net;
}

static struct session open_within(const struct spread *how, const struct umb_net *net, int queues,
                                  uint64_t memory)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BATCH,
                                      .queues = queues,
                                      .seed = 5,
                                      .memory = memory,
                                      .more = more,
                                      .n_more = N_MORE,
                                      .shares = how->shares};
    return session_open(world.ctx, &desc);
}

static struct umb_plan *plan_of(const struct session *s)
{
    return umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN);
}

static struct umb_fit fit_of(const struct session *s)
{
    return umb__trainer_fit(s->tr, UMB_TRAINER_TRAIN);
}

static uint64_t most_on_any(const struct session *s)
{
    uint64_t most = 0;
    for (int d = 0; d < N_DEVICES; d++) {
        const uint64_t total = umb__plan_needs(plan_of(s), d).total;
        most = total > most ? total : most;
    }
    return most;
}

/* Whether a trainer can be made within the limit; else it says INVALID, why, and on what device. */
static bool opens(const struct spread *how, const struct umb_net *net, uint64_t memory)
{
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = BATCH,
                                          .optimizer = "adam",
                                          .queues = 1,
                                          .memory = memory,
                                          .more = more,
                                          .n_more = N_MORE,
                                          .shares = how->shares};
    const enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    if (st != UMB_OK) {
        assert_null(tr);
        assert_int_equal(st, UMB_ERR_INVALID);
        assert_non_null(strstr(umb_context_error(world.ctx), " is too low for device "));
    }
    umb_trainer_destroy(tr);
    return st == UMB_OK;
}

/* What is said to be needed where there is nothing: it is enough, and a little less is not. */
static uint64_t lowest(const struct spread *how, const struct umb_net *net)
{
    char size[UMB_BYTES_TEXT];
    uint64_t least = 0;
    assert_false(opens(how, net, 1));
    const char *at = strstr(umb_context_error(world.ctx), "a step needs ");
    assert_non_null(at);
    snprintf(size, sizeof size, "%.*s", (int)strcspn(at + 13, ","), at + 13);
    assert_true(umb__parse_bytes(size, &least));
    assert_true(opens(how, net, least));
    assert_false(opens(how, net, least * 9 / 10));
    return least;
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

/* ---- where copies are ---- */

static int device_of_node(const struct umb_graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].name, name) == 0) { return g->node[i].device; }
    }
    fail_msg("no node is called %s", name);
    return -1;
}

static void assert_is_on(const struct umb_graph *g, int value, int device)
{
    const struct umb_value *v = &g->value[value];
    if (v->kind == UMB_VALUE_INPUT || v->kind == UMB_VALUE_CONSTANT) { return; }
    if (v->device != device) { fail_msg("%s is not on device %d", v->name, device); }
}

/* A copy is where its original is, with all that it reads and makes; nothing crosses for it. */
static int assert_copies_stay(const struct umb_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *node = &g->node[i];
        if (!node->again_of) { continue; }
        assert_int_equal(node->op->flags & UMB_OP_TRANSFER, 0);
        assert_int_equal(node->device, device_of_node(g, node->again_of));
        for (int k = 0; k < node->n_in; k++) {
            assert_is_on(g, node->in[k], node->device);
        }
        for (int k = 0; k < node->n_out; k++) {
            assert_is_on(g, node->out[k], node->device);
        }
        n++;
    }
    return n;
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
    struct umb_net *net = make(how);
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
        assert_same_checkpoints(&free_one, &s, what);
        assert_memory_equal(free_one.losses, s.losses, (size_t)s.tr->n_tasks * sizeof *s.losses);
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

/* ---- any cuts ---- */

static int draw_cuts(const struct umb_recompute *r, uint64_t seed, struct umb_cut *cut, int most)
{
    int n = 0;
    for (int i = 0; i < umb__recompute_n_nodes(r); i++) {
        const int reader = umb__recompute_reader(r, i);
        const bool can = reader >= 0 && umb__recompute_can(r, i, reader);
        if (can && n < most && umb__random_unit(seed, UMB_RNG_TEST, 0, (uint64_t)i) < 0.5f) {
            cut[n++] = (struct umb_cut){i, reader};
        }
    }
    return n;
}

/* The session's plan, of its graph rewritten by random cuts, each device's steps in order or not.
 */
static int cut_at_random(struct session *s, uint64_t seed)
{
    static struct umb_cut cut[1000];
    struct umb_plan_member members[N_MORE];
    struct umb_trainer_side *side = &s->tr->side[UMB_TRAINER_TRAIN];
    struct umb_recompute *r = NULL;
    umb__plan_destroy(side->plan);
    side->plan = NULL;
    must(umb__recompute_open(side->graph, &r));
    must(umb__recompute_apply(r, cut, draw_cuts(r, seed, cut, 1000)));
    const int n_again = umb__recompute_n_again(r);
    umb__recompute_close(r);
    for (int i = 0; i < N_MORE; i++) {
        members[i] = (struct umb_plan_member){.device = more[i]};
    }
    const struct umb_plan_desc desc = {.device = world.device,
                                       .graph = side->graph,
                                       .store = s->tr->store,
                                       .n_queues = seed % 2 ? 1 : 3,
                                       .in_order = seed % 2,
                                       .n_slots = UMB_TRAINER_SLOTS,
                                       .merge = true,
                                       .more = members,
                                       .n_more = N_MORE};
    must(umb__plan_create(world.ctx, &desc, &side->plan));
    return n_again;
}

static void any_cuts(void **state)
{
    const struct spread *how = *state;
    struct umb_net *net = make(how);
    struct session plain = open_within(how, net, 1, 0);
    int n_again = 0;
    session_train(&plain, 0, 3);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        char what[64];
        struct session s = open_within(how, net, 1, 0);
        const int n = cut_at_random(&s, seed);
        assert_true(assert_copies_stay(s.tr->side[UMB_TRAINER_TRAIN].graph) >= n);
        session_train(&s, 0, 3);
        snprintf(what, sizeof what, "seed %d, %d nodes computed again", (int)seed, n);
        assert_same_checkpoints(&plain, &s, what);
        n_again += n;
        session_close(&s);
    }
    print_message("# %d copies\n", n_again);
    assert_true(n_again > 8);
    session_close(&plain);
    umb_net_destroy(net);
}

/* ---- limits of their own ---- */

/* A percentage is of each device's own memory. */
static void a_share_is_of_each_device(void **state)
{
    (void)state;
    static const int64_t shares[] = {2, 2, 2};
    const struct spread how = {.make = resnet18, .shares = shares};
    struct umb_net *net = make(&how);
    struct session free_one = open_within(&how, net, 1, 0);
    /* The same device says of itself that it has less when it is opened again. */
    struct umb_device_caps *caps = (struct umb_device_caps *)umb_device_get_caps(more[0]);
    const struct umb_needs needs = umb__plan_needs(plan_of(&free_one), 1);
    const uint64_t has = caps->global_bytes;
    caps->global_bytes = needs.total * 9 / 5;
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BATCH,
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
    assert_same_checkpoints(&free_one, &s, "half of device 1");
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
    struct umb_net *net = two_residual();
    for (int l = 0; l < net->n_layers; l++) {
        net->layer[l].device = 2;
    }
    struct umb_trainer_desc desc = {.device = world.device,
                                    .net = net,
                                    .batch = BATCH,
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

#define SPREAD_TEST(test, how)                 \
    {                                          \
#test " " #how, test, NULL, NULL, &how \
    }

int main(void)
{
    static const int64_t parts[] = {3, 2, 1}, two[] = {0, 3, 3};
    static struct spread mixed_1 = {.make = mixed, .seed = 1},
                         residual_1 = {.make = two_residual, .seed = 1, .in_order = true},
                         residual_3 = {.make = two_residual, .seed = 3},
                         resnet18_1 = {.make = resnet18, .seed = 1},
                         resnet18_2 = {.make = resnet18, .seed = 2},
                         resnet18_shared = {.make = resnet18, .shares = parts},
                         resnet18_two = {.make = resnet18, .shares = two};
    const struct CMUnitTest tests[] = {
        SPREAD_TEST(within_limits, mixed_1),
        SPREAD_TEST(within_limits, residual_1),
        SPREAD_TEST(within_limits, residual_3),
        SPREAD_TEST(within_limits, resnet18_1),
        SPREAD_TEST(within_limits, resnet18_2),
        SPREAD_TEST(within_limits, resnet18_shared),
        SPREAD_TEST(within_limits, resnet18_two),
        SPREAD_TEST(any_cuts, mixed_1),
        SPREAD_TEST(any_cuts, residual_3),
        SPREAD_TEST(any_cuts, resnet18_2),
        SPREAD_TEST(any_cuts, resnet18_shared),
        cmocka_unit_test(a_share_is_of_each_device),
        cmocka_unit_test(the_device_is_named),
    };
    return cmocka_run_group_tests_name("memory limits of several devices", tests, open_devices,
                                       close_devices);
}

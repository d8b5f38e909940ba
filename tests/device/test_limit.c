/*
 * test_limit.c: plans within a limit of device memory (fit.h), and activations computed again
 * (recompute.h): what is given up and in which order, that the account is right, that limits which
 * are too low are refused, and that no bit changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "rng.h"
#include "session.h"
#include "text.h"
#include "world.h"

#define BATCH 6

static struct umb_net *mnist_fashion(void)
{
    return test_net_mnist_fashion(world.ctx);
}

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
    return test_net_resnet18(world.ctx, 16, 8);
}

static struct umb_net *large(void)
{
    return test_net_large(world.ctx);
}

/* Branches beside each other, whose values may not share memory where queues run them at once. */
static struct umb_net *branches(void)
{
    struct umb_net *net = test_net(world.ctx);
    const int in = test_stream(world.ctx, net, "images", 16, 16, 3);
    for (int t = 0; t < 4; t++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", t);
        int h = test_layer(world.ctx, net, "conv", "filters=16 size=3 padding=1", in);
        h = test_layer(world.ctx, net, "tanh", NULL, h);
        h = test_layer(world.ctx, net, "conv", "filters=16 size=3 padding=1", h);
        h = test_layer(world.ctx, net, "tanh", NULL, h);
        h = test_layer(world.ctx, net, "global_avg_pool", NULL, h);
        test_task(world.ctx, net, name, test_layer(world.ctx, net, "dense", "units=3", h),
                  "cross_entropy", 1);
    }
    return net;
}

/* A chain whose middle is read by nothing but the next: it can be made again as a whole only. */
static struct umb_net *chain(void)
{
    struct umb_net *net = test_net(world.ctx);
    int h = test_stream(world.ctx, net, "images", 12, 12, 2);
    for (int i = 0; i < 4; i++) {
        h = test_layer(world.ctx, net, "conv", "filters=8 size=3 padding=1", h);
        h = test_layer(world.ctx, net, "upsample", i < 2 ? "factor=2" : "factor=1", h);
        h = test_layer(world.ctx, net, "sigmoid", NULL, h);
        h = test_layer(world.ctx, net, "dropout", "rate=0.2", h);
    }
    h = test_layer(world.ctx, net, "global_avg_pool", NULL, h);
    test_task(world.ctx, net, "x", test_layer(world.ctx, net, "dense", "units=3", h),
              "cross_entropy", 1);
    return net;
}

struct maker {
    struct umb_net *(*make)(void);
};

static struct session_desc desc_of(const struct umb_net *net, int queues, uint64_t memory)
{
    return (struct session_desc){.device = world.device,
                                 .net = net,
                                 .batch = BATCH,
                                 .queues = queues,
                                 .seed = 5,
                                 .memory = memory};
}

static struct session open_within(const struct umb_net *net, int queues, uint64_t memory)
{
    const struct session_desc desc = desc_of(net, queues, memory);
    return session_open(world.ctx, &desc);
}

/* Whether a trainer can be made within the limit; else it says INVALID and why. */
static bool opens(const struct umb_net *net, int queues, uint64_t memory)
{
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = BATCH,
                                          .optimizer = "adam",
                                          .queues = queues,
                                          .memory = memory};
    const enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    if (st != UMB_OK) {
        assert_null(tr);
        assert_int_equal(st, UMB_ERR_INVALID);
        assert_non_null(strstr(umb_context_error(world.ctx), "too low"));
    }
    umb_trainer_destroy(tr);
    return st == UMB_OK;
}

static struct umb_fit fit_of(const struct session *s)
{
    return umb__trainer_fit(s->tr, UMB_TRAINER_TRAIN);
}

static uint64_t needs(const struct umb_net *net, int queues)
{
    struct session s = open_within(net, queues, 0);
    const struct umb_fit fit = fit_of(&s);
    assert_int_equal(fit.queues, queues);
    assert_int_equal(fit.n_again, 0);
    session_close(&s);
    return fit.needs.total;
}

/* The number behind "needs " in the latest message. */
static uint64_t said_to_be_needed(void)
{
    char size[UMB_BYTES_TEXT];
    uint64_t bytes = 0;
    const char *at = strstr(umb_context_error(world.ctx), "a step needs ");
    assert_non_null(at);
    snprintf(size, sizeof size, "%.*s", (int)strcspn(at + 13, ","), at + 13);
    assert_true(umb__parse_bytes(size, &bytes));
    return bytes;
}

/* What is said to be needed where there is nothing: it is enough. */
static uint64_t lowest(const struct umb_net *net)
{
    assert_false(opens(net, 1, 1));
    const uint64_t least = said_to_be_needed();
    assert_true(opens(net, 1, least));
    return least;
}

/* ---- the same bits ---- */

/* Running statistics. */
static void assert_same_states(const struct session *a, const struct session *b)
{
    const struct umb_graph *g = umb__trainer_graph(a->tr, UMB_TRAINER_TRAIN);
    static unsigned char x[1 << 20], y[1 << 20];
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        const size_t bytes = umb__type_bytes(&value->type);
        if (value->kind != UMB_VALUE_STATE || value->spec < 0 || bytes > sizeof x) { continue; }
        must(umb__store_read(a->tr->store, value->name, 0, bytes, x));
        must(umb__store_read(b->tr->store, value->name, 0, bytes, y));
        if (memcmp(x, y, bytes) != 0) { fail_msg("%s differs", value->name); }
    }
}

static void assert_same(const struct session *a, const struct session *b, const char *what)
{
    assert_same_bits(a, b, what);
    assert_same_states(a, b);
    assert_memory_equal(a->losses, b->losses, (size_t)a->tr->n_tasks * sizeof *a->losses);
}

/* Within several limits down to the lowest: what was computed again changes nothing. */
static void within_limits(void **state)
{
    struct umb_net *net = ((const struct maker *)*state)->make();
    const uint64_t most = needs(net, 1), least = lowest(net);
    struct session free_one = open_within(net, 1, 0);
    int n_again = 0;
    session_train(&free_one, 0, 4);
    for (int part = 0; part <= 3; part++) {
        char what[64];
        const uint64_t limit = least + (most - least) * (uint64_t)part / 4;
        struct session s = open_within(net, 1, limit);
        const struct umb_fit fit = fit_of(&s);
        assert_true(fit.needs.total <= limit);
        snprintf(what, sizeof what, "%d nodes computed again", fit.n_again);
        session_train(&s, 0, 4);
        assert_same(&free_one, &s, what);
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

/* ---- any cuts ---- */

/* Random nodes, made again for random readers behind the forward pass. */
static int draw_cuts(const struct umb_recompute *r, uint64_t seed, struct umb_cut *cut, int most)
{
    int n = 0;
    const int n_nodes = umb__recompute_n_nodes(r);
    for (int i = 0; i < n_nodes; i++) {
        int last = umb__recompute_reader(r, i);
        while (last >= 0 && n < most) {
            const float u = umb__random_unit(seed, UMB_RNG_TEST, (uint32_t)i, (uint64_t)last);
            if (u < 0.4f && umb__recompute_can(r, i, last)) {
                cut[n++] = (struct umb_cut){i, last};
            }
            last += 1 + (int)(u * 40);
            if (last >= n_nodes) { last = -1; }
        }
    }
    return n;
}

/* The session's plan, of its graph rewritten by these cuts. */
static int cut_at_random(struct session *s, uint64_t seed, int queues)
{
    static struct umb_cut cut[1000];
    struct umb_trainer_side *side = &s->tr->side[UMB_TRAINER_TRAIN];
    struct umb_recompute *r = NULL;
    umb__plan_destroy(side->plan);
    side->plan = NULL;
    must(umb__recompute_open(side->graph, &r));
    /* Another choice before, of which nothing may be left. */
    must(umb__recompute_apply(r, cut, draw_cuts(r, seed + 1000, cut, 1000)));
    must(umb__recompute_apply(r, cut, draw_cuts(r, seed, cut, 1000)));
    const int n_again = umb__recompute_n_again(r);
    umb__recompute_close(r);
    const struct umb_plan_desc desc = {.device = world.device,
                                       .graph = side->graph,
                                       .store = s->tr->store,
                                       .n_queues = queues,
                                       .n_slots = UMB_TRAINER_SLOTS,
                                       .merge = true};
    must(umb__plan_create(world.ctx, &desc, &side->plan));
    return n_again;
}

static void any_cuts(void **state)
{
    struct umb_net *net = ((const struct maker *)*state)->make();
    struct session plain = open_within(net, 1, 0);
    int n_again = 0;
    session_train(&plain, 0, 3);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        char what[64];
        struct session s = open_within(net, 1, 0);
        const int n = cut_at_random(&s, seed, seed % 2 ? 1 : 3);
        session_train(&s, 0, 3);
        snprintf(what, sizeof what, "seed %d, %d nodes computed again", (int)seed, n);
        assert_same(&plain, &s, what);
        n_again += n;
        session_close(&s);
    }
    print_message("# %d copies\n", n_again);
    assert_true(n_again > 8);
    session_close(&plain);
    umb_net_destroy(net);
}

/* What reads a parameter is not made again for readers behind the parameter's update, which stands
 * within backward for large ones. */
static void no_copy_behind_an_update(void **state)
{
    (void)state;
    struct umb_net *net = large();
    struct session s = open_within(net, 1, 0);
    struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
    struct umb_recompute *r = NULL;
    int n = 0;
    must(umb__recompute_open(g, &r));
    for (int i = 0; i < g->n_nodes; i++) {
        const int reader = umb__recompute_reader(r, i);
        if (reader < 0 || !umb__recompute_can(r, i, reader)) { continue; }
        n += g->value[g->node[i].in[g->node[i].n_in - 1]].kind == UMB_VALUE_PARAM &&
             !umb__recompute_can(r, i, g->n_nodes);
    }
    assert_true(n >= 4);
    umb__recompute_close(r);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- the account ---- */

static void what_is_counted_is_what_is_there(void **state)
{
    (void)state;
    struct umb_net *net = resnet18();
    const uint64_t most = needs(net, 1), before = umb_device_bytes(world.device);
    for (int part = 20; part >= 18; part--) {
        struct session s = open_within(net, 1, most * (uint64_t)part / 20);
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
    struct umb_net *net = resnet18();
    const uint64_t most = needs(net, 1);
    struct session s = open_within(net, 1, most);
    struct umb_fit fit = fit_of(&s);
    assert_false(umb__fit_gave_up(&fit));
    session_close(&s);
    s = open_within(net, 1, most - 1);
    fit = fit_of(&s);
    assert_true(umb__fit_gave_up(&fit));
    assert_true(fit.n_again > 0);
    session_close(&s);
    umb_net_destroy(net);
}

static void queues_go_first(void **state)
{
    (void)state;
    struct umb_net *net = branches();
    const uint64_t four = needs(net, 4), one = needs(net, 1);
    char text[UMB_FIT_TEXT];
    print_message("# %llu bytes with four queues, %llu with one\n", (unsigned long long)four,
                  (unsigned long long)one);
    assert_true(one < four);
    struct session s = open_within(net, 4, four), free_one = open_within(net, 4, 0);
    assert_int_equal(fit_of(&s).queues, 4);
    session_close(&s);
    s = open_within(net, 4, one);
    struct umb_fit fit = fit_of(&s);
    assert_true(fit.queues < 4);
    assert_int_equal(fit.n_again, 0);
    session_train(&s, 0, 3);
    session_train(&free_one, 0, 3);
    assert_same(&free_one, &s, "fewer queues");
    session_close(&s);
    s = open_within(net, 4, one - one / 50);
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
    struct umb_net *net = mixed();
    assert_false(opens(net, 2, 1));
    assert_false(opens(net, 1, needs(net, 1) / 20));
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
    struct umb_net *net = two_residual();
    const uint64_t most = needs(net, 1), low = most * 9 / 10;
    struct session whole = open_within(net, 1, low), first = open_within(net, 1, low);
    session_train(&whole, 0, 5);
    session_train(&first, 0, 2);
    must(umb_trainer_save(first.tr, path));
    const uint64_t limit[] = {low, 0, most * 95 / 100};
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
        struct session s = open_within(net, 1, limit[i]);
        must(umb_trainer_load(s.tr, path));
        assert_int_equal(fit_of(&s).n_again > 0, limit[i] > 0);
        if (limit[i] == low) { assert_same_plan(&first, &s); }
        session_train(&s, 2, 3);
        assert_same(&whole, &s, "resumed within another limit");
        session_close(&s);
    }
    remove(path);
    session_close(&first);
    session_close(&whole);
    umb_net_destroy(net);
}

#define NET_TEST(test, net)                          \
    {                                                \
#test " " #net, test, NULL, NULL, &net##_net \
    }

int main(void)
{
    static struct maker mixed_net = {mixed}, chain_net = {chain}, two_residual_net = {two_residual},
                        resnet18_net = {resnet18}, mnist_fashion_net = {mnist_fashion},
                        large_net = {large};
    const struct CMUnitTest tests[] = {
        NET_TEST(within_limits, mixed),
        NET_TEST(within_limits, chain),
        NET_TEST(within_limits, two_residual),
        NET_TEST(within_limits, resnet18),
        NET_TEST(within_limits, mnist_fashion),
        NET_TEST(any_cuts, mixed),
        NET_TEST(any_cuts, chain),
        NET_TEST(any_cuts, two_residual),
        NET_TEST(any_cuts, resnet18),
        NET_TEST(any_cuts, mnist_fashion),
        NET_TEST(any_cuts, large),
        cmocka_unit_test(no_copy_behind_an_update),
        cmocka_unit_test(what_is_counted_is_what_is_there),
        cmocka_unit_test(just_enough_is_enough),
        cmocka_unit_test(queues_go_first),
        cmocka_unit_test(too_low_is_refused),
        cmocka_unit_test(checkpoints_know_no_limit),
    };
    return cmocka_run_group_tests_name("memory limits", tests, open_world, close_world);
}

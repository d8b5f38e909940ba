/*
 * test_recompute.c: activations computed again (recompute.h) for any choice of nodes and readers,
 * on one device and on several: no bit changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "limits.h"
#include "nets.h"
#include "rng.h"

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

/* The session's plan, of its graph rewritten by these cuts; of several devices, every other one
 * with the graph's order on each. */
static int cut_at_random(struct session *s, const struct spread *how, uint64_t seed)
{
    static struct umb_cut cut[1000];
    struct umb_plan_member members[N_MORE];
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
                                       .n_more = how->n_more};
    must(umb__plan_create(world.ctx, &desc, &side->plan));
    return n_again;
}

static void any_cuts(void **state)
{
    const struct spread *how = *state;
    struct umb_net *net = spread_net(how);
    struct session plain = open_within(how, net, 1, 0);
    int n_again = 0;
    session_train(&plain, 0, 3);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        char what[64];
        struct session s = open_within(how, net, 1, 0);
        const int n = cut_at_random(&s, how, seed);
        assert_true(assert_copies_stay(s.tr->side[UMB_TRAINER_TRAIN].graph) >= n);
        session_train(&s, 0, 3);
        snprintf(what, sizeof what, "seed %d, %d nodes computed again", (int)seed, n);
        assert_same_training(&plain, &s, what);
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
    const struct spread how = {.make = test_net_large};
    struct umb_net *net = spread_net(&how);
    struct session s = open_within(&how, net, 1, 0);
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

#define SPREAD(net, ...)                           \
    {                                              \
        .make = net, .n_more = N_MORE, __VA_ARGS__ \
    }

int main(void)
{
    static const int64_t parts[] = {3, 2, 1};
    static struct spread mixed = {.make = test_net_mixed}, chain = {.make = limit_net_chain},
                         two_residual = {.make = test_net_two_residual},
                         resnet18 = {.make = limit_net_resnet18},
                         mnist_fashion = {.make = test_net_mnist_fashion},
                         large = {.make = test_net_large},
                         mixed_on_three = SPREAD(test_net_mixed, .seed = 1),
                         two_residual_on_three = SPREAD(test_net_two_residual, .seed = 3),
                         resnet18_on_three = SPREAD(limit_net_resnet18, .seed = 2),
                         resnet18_shared = SPREAD(limit_net_resnet18, .shares = parts);
    const struct CMUnitTest tests[] = {
        SPREAD_TEST(any_cuts, mixed),
        SPREAD_TEST(any_cuts, chain),
        SPREAD_TEST(any_cuts, two_residual),
        SPREAD_TEST(any_cuts, resnet18),
        SPREAD_TEST(any_cuts, mnist_fashion),
        SPREAD_TEST(any_cuts, large),
        SPREAD_TEST(any_cuts, mixed_on_three),
        SPREAD_TEST(any_cuts, two_residual_on_three),
        SPREAD_TEST(any_cuts, resnet18_on_three),
        SPREAD_TEST(any_cuts, resnet18_shared),
        cmocka_unit_test(no_copy_behind_an_update),
    };
    return cmocka_run_group_tests_name("activations computed again", tests, open_devices,
                                       close_devices);
}

/*
 * Parameters lie in the graphs of evaluation and prediction where training put them, also where a
 * balancer has shared ones packed first: large ones and small ones, before and behind heads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "trainer_internal.h"
#include "world.h"

/* A head that is there before the trunk ends, and large layers in trunk and head. */
static struct umb_net *build(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_layer(ctx, net, "flatten", NULL, test_stream(ctx, net, "a", 24, 24, 1));
    test_task(ctx, net, "own", test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 1);
    h = test_layer(ctx, net, "dense", "units=512 activation=relu", h);
    const int wide = test_layer(ctx, net, "dense", "units=520 activation=relu", h);
    h = test_layer(ctx, net, "dense", "units=8 activation=relu", h);
    test_task(ctx, net, "large", test_layer(ctx, net, "dense", "units=2", wide), "mse", 1);
    test_task(ctx, net, "small", test_layer(ctx, net, "dense", "units=2", h), "mse", 1);
    return net;
}

static void compare(const struct umb_trainer *tr, int mode)
{
    const struct umb_graph *a = tr->side[UMB_TRAINER_TRAIN].graph, *b = tr->side[mode].graph;
    int n = 0;
    for (int v = 0; v < b->n_values; v++) {
        const struct umb_value *value = &b->value[v];
        if (value->kind != UMB_VALUE_PARAM || value->spec < 0) { continue; }
        const int w = umb__graph_find_value(a, value->name);
        assert_in_range(w, 0, a->n_values - 1);
        n++;
        if (a->value[w].base_offset == value->base_offset) { continue; }
        fail_msg("mode %d: %s lies at %zu, in training at %zu", mode, value->name,
                 value->base_offset, a->value[w].base_offset);
    }
    assert_int_equal(n, 12);
}

static void every_graph_has_the_same_places(void **state)
{
    const struct umb_balancing balancing = {.name = *state};
    struct umb_net *net = build(world.ctx);
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = 3,
                                          .optimizer = "sgd",
                                          .balancing = &balancing};
    struct umb_trainer *tr = NULL;
    must(umb_trainer_create(world.ctx, &desc, &tr));
    must(umb__trainer_compile(tr, UMB_TRAINER_EVALUATE));
    must(umb__trainer_compile(tr, UMB_TRAINER_PREDICT));
    compare(tr, UMB_TRAINER_EVALUATE);
    compare(tr, UMB_TRAINER_PREDICT);
    umb_trainer_destroy(tr);
    umb_net_destroy(net);
}

int main(void)
{
#define CASE(name)                                                                              \
    {                                                                                           \
        "places by " name, every_graph_has_the_same_places, NULL, NULL, (void *)(uintptr_t)name \
    }
    const struct CMUnitTest cases[] = {CASE("equal"), CASE("uncertainty"), CASE("pcgrad"),
                                       CASE("moco"), CASE("graddrop")};
    return cmocka_run_group_tests(cases, open_world, close_world);
}

/*
 * test_planning.c: that planning takes time in proportion to the graph, pass by pass, and that what
 * comes out is what the graph says.
 *
 * A graph of LARGE nodes must not take MOST_RATIO times as long as one of SMALL: what is linear
 * takes 16 times as long, what is quadratic 256. Each time is the best of some, of the processor
 * alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planning.h"
#include "world.h"

#define SMALL 2000
#define LARGE 32000
#define MOST_RATIO 80.0
#define LEAST_SECONDS 0.4e-3 /* less is taken for this: too short to be measured */
#define TRIES 3
#define MOST_PASSES 20

struct times {
    int n, n_passes;
    const char *pass[MOST_PASSES];
    double seconds[MOST_PASSES];
};

static void note(void *user, const char *pass, double seconds)
{
    struct times *t = user;
    const int i = t->n++;
    assert_true(i < MOST_PASSES);
    if (i == t->n_passes) {
        t->pass[i] = pass;
        t->seconds[t->n_passes++] = seconds;
    }
    if (seconds < t->seconds[i]) { t->seconds[i] = seconds; }
}

static struct planning_counts plan(enum planning_shape shape, int n_nodes, int n_queues,
                                   struct times *t)
{
    struct planning_counts c = {0};
    *t = (struct times){0};
    for (int i = 0; i < TRIES; i++) {
        const struct planning_desc desc = {.device = world.device,
                                           .shape = shape,
                                           .n_nodes = n_nodes,
                                           .n_queues = n_queues,
                                           .passed = note,
                                           .user = t};
        t->n = 0;
        must(planning_run(world.ctx, &desc, &c));
    }
    return c;
}

static void expect_linear(enum planning_shape shape, int n_queues)
{
    struct times small, large;
    const struct planning_counts c = plan(shape, SMALL, n_queues, &small);
    const struct planning_counts d = plan(shape, LARGE, n_queues, &large);
    assert_true(c.n_nodes > SMALL * 9 / 10 && d.n_nodes > LARGE * 9 / 10);
    assert_true(d.scratch_bytes <= d.unshared_bytes);
    for (int i = 0; i < large.n_passes; i++) {
        const double least = small.seconds[i] > LEAST_SECONDS ? small.seconds[i] : LEAST_SECONDS;
        if (large.seconds[i] > MOST_RATIO * least) {
            fail_msg("%s, %d queues: %s took %.6f s for %d nodes, but %.6f s for %d",
                     planning_shape_names[shape], n_queues, large.pass[i], small.seconds[i],
                     c.n_nodes, large.seconds[i], d.n_nodes);
        }
    }
}

static void chains_take_linear_time(void **state)
{
    (void)state;
    expect_linear(PLANNING_CHAIN, 1);
}

static void heads_take_linear_time(void **state)
{
    (void)state;
    expect_linear(PLANNING_HEADS, 4);
}

static void mixed_nets_take_linear_time(void **state)
{
    (void)state;
    expect_linear(PLANNING_MIX, 4);
}

static void nets_take_linear_time(void **state)
{
    (void)state;
    double small = 1e9, large = 1e9;
    for (int i = 0; i < TRIES; i++) {
        double seconds;
        must(planning_net(world.ctx, SMALL / 2, &seconds));
        small = seconds < small ? seconds : small;
        must(planning_net(world.ctx, LARGE / 2, &seconds));
        large = seconds < large ? seconds : large;
    }
    if (large > MOST_RATIO * (small > LEAST_SECONDS ? small : LEAST_SECONDS)) {
        fail_msg("%d layers took %.6f s, but %d %.6f s", SMALL / 2, small, LARGE / 2, large);
    }
}

/* Launches that are alike go together, 256 at most, so that heads cost launches by the hundred. */
static void many_heads_are_few_launches(void **state)
{
    (void)state;
    struct times t;
    const struct planning_counts few = plan(PLANNING_HEADS, 100 * 13, 1, &t);
    const struct planning_counts many = plan(PLANNING_HEADS, 1000 * 13, 1, &t);
    const size_t sums =
        (size_t)(many.n_heads - few.n_heads) / 3 + 1; /* a launch adds three heads */
    print_message("# %d heads: %zu launches, %d heads: %zu\n", few.n_heads, few.n_launches,
                  many.n_heads, many.n_launches);
    assert_true(many.n_launches <= 4 * few.n_launches + sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_take_linear_time),     cmocka_unit_test(heads_take_linear_time),
        cmocka_unit_test(mixed_nets_take_linear_time), cmocka_unit_test(nets_take_linear_time),
        cmocka_unit_test(many_heads_are_few_launches),
    };
    return cmocka_run_group_tests_name("planning", tests, open_world, close_world);
}

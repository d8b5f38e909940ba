/*
 * test_heads.c: one net with every kind of head, at three depths of its trunk: softmax behind all
 * of it, sigmoid and linear behind its middle, a class a pixel behind its first layer. All learn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "small_run.h"

#define STEPS 60
#define SPAN 6 /* steps that a mean loss is taken over */
#define TASKS 4

static const char text[] =
    "data: {pictures: {format: shapes, count: 256, normalize: {mean: 0.5, std: 0.25}}}\n"
    "trunk:\n"
    "  - conv: {filters: 8, size: 3, padding: same, activation: relu, name: early}\n"
    "  - max_pool: {size: 2}\n"
    "  - conv: {filters: 16, size: 3, padding: same, activation: relu, name: middle}\n"
    "  - max_pool: {size: 2}\n"
    "  - conv: {filters: 16, size: 3, padding: same, activation: relu}\n"
    "  - max_pool: {size: 2}\n"
    "  - flatten\n"
    "tasks:\n"
    "  colour:\n"
    "    {target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"
    "  warm:\n"
    "    target: colour\n"
    "    map: {warm: [0, 1, 2], cold: [3, 4, 5]}\n"
    "    head: [{max_pool: {size: 8, from: middle}}, flatten, {dense: {units: 1}}]\n"
    "    loss: binary_cross_entropy\n"
    "  position:\n"
    "    target: position\n"
    "    head: [{max_pool: {size: 4, from: middle}}, flatten, {dense: {units: 2}}]\n"
    "    loss: mse\n"
    "  mask:\n"
    "    {target: mask, head: [{conv: {filters: 2, size: 1, from: early}}], loss: cross_entropy}\n"
    "train: {batch: 32, optimizer: {adam: {rate: 0.005}}, seed: 1}\n";

static void heads_have_the_shapes_of_their_targets(const struct small_run *r)
{
    static const struct umb_shape shapes[TASKS] = {
        {2, {1, 6}}, {2, {1, 1}}, {2, {1, 2}}, {4, {1, 32, 32, 2}}};
    for (int t = 0; t < TASKS; t++) {
        const struct umb_shape shape = umb_net_shape(r->net, umb__net_task(r->net, t)->output);
        assert_true(umb__shape_equal(&shape, &shapes[t]));
    }
}

static void every_kind_of_head_learns_at_its_depth(void **state)
{
    (void)state;
    double first[TASKS] = {0}, last[TASKS] = {0};
    struct small_run r = small_run_open_text(text, NULL);
    heads_have_the_shapes_of_their_targets(&r);
    small_run_start(&r, STEPS);
    for (int i = 0; i < STEPS; i++) {
        small_run_step(&r, small_run_batch(&r));
        for (int t = 0; t < TASKS; t++) {
            first[t] += i < SPAN ? r.losses[t] / SPAN : 0;
            last[t] += i >= STEPS - SPAN ? r.losses[t] / SPAN : 0;
        }
    }
    for (int t = 0; t < TASKS; t++) {
        const char *name = r.exp->task[t].name;
        print_message("# %-8s loss %.4f, then %.4f\n", name, first[t], last[t]);
        if (!(last[t] < 0.8 * first[t])) {
            fail_msg("%s: loss %g, then %g; expected it to fall by a fifth", name, first[t],
                     last[t]);
        }
    }
    small_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_kind_of_head_learns_at_its_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

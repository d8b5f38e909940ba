/*
 * Same plan, same seed, same bits: for any number of queues, in any slot, run after run, and
 * whatever lies in rows that are not real and in samples without a label.
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
#include "session.h"
#include "world.h"

static struct session open_session(const struct umb_net *net, int64_t batch, int queues)
{
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = batch, .queues = queues, .seed = 9};
    return session_open(world.ctx, &desc);
}

/* ---- queues ---- */

static void any_number_of_queues(struct umb_net *net, int64_t batch, int steps)
{
    static const int queues[] = {2, 3, 4, 8};
    struct session one = open_session(net, batch, 1);
    session_train(&one, 0, steps);
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        char what[32];
        struct session many = open_session(net, batch, queues[i]);
        session_train(&many, 0, steps);
        snprintf(what, sizeof what, "1 and %d queues", queues[i]);
        assert_same_bits(&one, &many, what);
        for (int t = 0; t < one.tr->n_tasks; t++) {
            assert_memory_equal(&one.losses[t], &many.losses[t], sizeof *one.losses);
        }
        session_close(&many);
    }
    session_close(&one);
    umb_net_destroy(net);
}

static void queues_of_mnist_fashion(void **state)
{
    (void)state;
    any_number_of_queues(test_net_mnist_fashion(world.ctx), 16, 5);
}

static void queues_of_four_heads(void **state)
{
    (void)state;
    any_number_of_queues(test_net_mixed(world.ctx), 6, 8);
}

static void queues_of_resnet(void **state)
{
    (void)state;
    any_number_of_queues(test_net_resnet18(world.ctx, 8, 4), 4, 4);
}

static void queues_of_large_layers(void **state)
{
    (void)state;
    any_number_of_queues(test_net_large(world.ctx), 9, 3);
}

static void the_same_seed_twice(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session a = open_session(net, 5, 2), b = open_session(net, 5, 2);
    assert_same_bits(&a, &b, "at the start");
    session_train(&a, 0, 6);
    session_train(&b, 0, 6);
    assert_same_bits(&a, &b, "after six steps");
    session_close(&b);
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = 5, .queues = 2, .seed = 10};
    struct session c = session_open(world.ctx, &desc);
    size_t n;
    float *x = session_buffer(&a, "parameters", &n), *y = session_buffer(&c, "parameters", &n);
    assert_memory_not_equal(x, y, n * sizeof *x);
    umb__free(x);
    umb__free(y);
    session_close(&a);
    session_close(&c);
    umb_net_destroy(net);
}

/* ---- slots ---- */

static void slots_in_turn(struct umb_net *net)
{
    for (int queues = 1; queues <= 4; queues += 3) {
        struct session a = open_session(net, 4, queues), b = open_session(net, 4, queues);
        session_train(&a, 0, 10);
        for (int step = 0; step < 10; step++) {
            int slot = step % UMB_TRAINER_SLOTS;
            if (step >= UMB_TRAINER_SLOTS) {
                assert_int_equal(umb__trainer_wait(b.tr, UMB_TRAINER_TRAIN, slot, b.losses),
                                 UMB_OK);
            }
            session_fill(&b, step);
            session_fill_slot(&b, slot);
            assert_int_equal(umb__trainer_submit(b.tr, UMB_TRAINER_TRAIN, slot, 0.01), UMB_OK);
        }
        for (int step = 10 - UMB_TRAINER_SLOTS; step < 10; step++) {
            assert_int_equal(
                umb__trainer_wait(b.tr, UMB_TRAINER_TRAIN, step % UMB_TRAINER_SLOTS, b.losses),
                UMB_OK);
        }
        assert_same_bits(&a, &b, "step by step, and three at once");
        struct umb_task_result x[UMB_MAX_TASKS], y[UMB_MAX_TASKS];
        assert_int_equal(umb_trainer_results(a.tr, x), UMB_OK);
        assert_int_equal(umb_trainer_results(b.tr, y), UMB_OK);
        for (int t = 0; t < umb_net_n_tasks(net); t++) {
            assert_memory_equal(&x[t].loss, &y[t].loss, sizeof x[t].loss);
            assert_memory_equal(&x[t].metric[0].value, &y[t].metric[0].value, sizeof(double));
        }
        session_close(&a);
        session_close(&b);
    }
    umb_net_destroy(net);
}

static void slots_in_turn_without_waiting(void **state)
{
    (void)state;
    slots_in_turn(test_net_mixed(world.ctx));
    slots_in_turn(test_net_mnist_fashion(world.ctx));
    slots_in_turn(test_net_resnet18(world.ctx, 8, 4));
}

/* ---- rows that are not real, labels that are not there ---- */

static struct session open_sgd(const struct umb_net *net, int64_t batch)
{
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = batch,
                                .optimizer = "sgd",
                                .attrs = "momentum=0.9",
                                .seed = 9};
    return session_open(world.ctx, &desc);
}

/* Batch 8 with 3 real rows gives what batch 3 gives; the gradient is sgd's buffer after one step.
 */
static void part_of_a_batch(struct umb_net *net)
{
    struct session small = open_sgd(net, 3), large = open_sgd(net, 8);
    session_fill(&small, 0);
    session_fill(&large, 0);
    for (int i = 0; i < large.tr->n_streams; i++) {
        large.batch[i].n = 3;
    }
    session_step(&small, 0.1);
    session_step(&large, 0.1);
    for (int t = 0; t < small.tr->n_tasks; t++) {
        if (!(fabs(small.losses[t] - large.losses[t]) <= 1e-5 * fabs(small.losses[t]))) {
            fail_msg("task %d: loss %.9g of batch 3, %.9g of 3 in 8", t, small.losses[t],
                     large.losses[t]);
        }
    }
    size_t n;
    float *x = session_buffer(&small, "optimizer.first", &n),
          *y = session_buffer(&large, "optimizer.first", &n);
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)x[i]));
    }
    assert_true(largest > 0);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)x[i] - (double)y[i]) <= 2e-5 * largest)) {
            fail_msg("gradient %zu of %zu: %.9g of batch 3, %.9g of 3 in 8", i, n, (double)x[i],
                     (double)y[i]);
        }
    }
    umb__free(x);
    umb__free(y);
    session_close(&small);
    session_close(&large);
    umb_net_destroy(net);
}

static void part_of_a_batch_of_two_streams(void **state)
{
    (void)state;
    part_of_a_batch(test_net_two_streams(world.ctx));
}

static void part_of_a_batch_with_statistics(void **state)
{
    (void)state;
    part_of_a_batch(test_net_undropped(world.ctx));
}

static void part_of_a_batch_of_resnet(void **state)
{
    (void)state;
    part_of_a_batch(test_net_resnet18(world.ctx, 8, 4));
}

/* Spoils labels of row i of stream 0's tasks as badly as they can be. */
static void spoil_labels(struct session *s, int64_t i)
{
    for (int t = 0; t < s->tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(s->tr->net, t);
        if (task->stream != 0) { continue; }
        int64_t per = umb__shape_count(&task->label.shape);
        for (int64_t k = i * per; k < (i + 1) * per; k++) {
            if (task->judge == UMB_JUDGE_CLASSES) {
                ((int32_t *)s->labels_of[t])[k] = k % 2 ? INT32_MAX : INT32_MIN;
            } else {
                ((float *)s->labels_of[t])[k] = k % 2 ? (float)NAN : (float)INFINITY;
            }
        }
    }
}

static void spoil_image(struct session *s, int stream, int64_t i)
{
    const struct umb_stream_desc *d = umb__net_image(s->tr->net, stream);
    size_t bytes = (size_t)(d->height * d->width * d->channels);
    memset((char *)s->images_of[stream] + (size_t)i * bytes, 255, bytes);
}

/* Two sessions, one with other bytes where nothing should count: all bits must be the same. */
static void spoiled(struct umb_net *net, int64_t n, bool images)
{
    struct session a = open_session(net, 5, 2), b = open_session(net, 5, 2);
    struct session *const both[2] = {&a, &b};
    for (int step = 0; step < 3; step++) {
        for (int k = 0; k < 2; k++) {
            session_fill(both[k], step);
            both[k]->batch[0].n = n;
            for (int t = 0; t < a.tr->n_tasks; t++) {
                both[k]->mask_of[t][1] = 0;
            }
        }
        spoil_labels(&b, 1);
        for (int64_t i = n; i < 5; i++) {
            spoil_labels(&b, i);
            spoil_image(&b, 0, i);
        }
        if (images) { spoil_image(&b, 0, 1); }
        session_step(&a, 0.01);
        session_step(&b, 0.01);
        for (int t = 0; t < a.tr->n_tasks; t++) {
            assert_memory_equal(&a.losses[t], &b.losses[t], sizeof *a.losses);
        }
    }
    assert_same_bits(&a, &b, "spoiled where nothing counts");
    struct umb_task_result x[UMB_MAX_TASKS], y[UMB_MAX_TASKS];
    assert_int_equal(umb_trainer_results(a.tr, x), UMB_OK);
    assert_int_equal(umb_trainer_results(b.tr, y), UMB_OK);
    for (int t = 0; t < a.tr->n_tasks; t++) {
        assert_true(isfinite(x[t].metric[0].value));
        assert_memory_equal(&x[t].metric[0].value, &y[t].metric[0].value, sizeof(double));
    }
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

static void masked_labels_count_for_nothing(void **state)
{
    (void)state;
    spoiled(test_net_mixed(world.ctx), 5, false);
}

static void images_without_a_label_count_for_nothing(void **state)
{
    (void)state;
    spoiled(test_net_two_streams(world.ctx), 5, true);
}

static void rows_beyond_the_real_ones_count_for_nothing(void **state)
{
    (void)state;
    spoiled(test_net_mixed(world.ctx), 3, false);
    spoiled(test_net_two_streams(world.ctx), 3, true);
}

/* ---- gaps between packed parameters ---- */

static void gaps_stay_zero_and_do_not_count_in_the_norm(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = 4, .clip_norm = 1e-3, .seed = 9};
    struct session s = session_open(world.ctx, &desc);
    session_train(&s, 0, 4);
    const char *names[] = {"parameters", "gradients", "optimizer.first", "optimizer.second"};
    for (int k = 0; k < 4; k++) {
        size_t n, gaps = 0;
        float *data = session_buffer(&s, names[k], &n);
        char *used = session_used(&s, n);
        for (size_t i = 0; i < n; i++) {
            gaps += !used[i];
            if (!used[i] && (data[i] < 0 || data[i] > 0 || isnan(data[i]))) {
                fail_msg("%s[%zu], in a gap, is %g", names[k], i, (double)data[i]);
            }
        }
        assert_true(gaps > 0);
        umb__free(used);
        umb__free(data);
    }
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_of_mnist_fashion),
        cmocka_unit_test(queues_of_four_heads),
        cmocka_unit_test(queues_of_resnet),
        cmocka_unit_test(queues_of_large_layers),
        cmocka_unit_test(the_same_seed_twice),
        cmocka_unit_test(slots_in_turn_without_waiting),
        cmocka_unit_test(part_of_a_batch_of_two_streams),
        cmocka_unit_test(part_of_a_batch_with_statistics),
        cmocka_unit_test(part_of_a_batch_of_resnet),
        cmocka_unit_test(masked_labels_count_for_nothing),
        cmocka_unit_test(images_without_a_label_count_for_nothing),
        cmocka_unit_test(rows_beyond_the_real_ones_count_for_nothing),
        cmocka_unit_test(gaps_stay_zero_and_do_not_count_in_the_norm)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

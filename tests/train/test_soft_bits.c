/* Soft sharing does not depend on queues, merging, devices or resuming. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "soft_world.h"

static void queues_and_merging_change_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    for (int way = SOME; way <= LEARNED; way += LEARNED - SOME) {
        const struct umb_soft_sharing soft = soft_sharing((enum way)way);
        struct session one = soft_trained(net, &soft, 1);
        for (int queues = 2; queues <= 4; queues++) {
            struct session several = soft_trained(net, &soft, queues);
            assert_same_bits(&one, &several, "on one queue and on several");
            session_close(&several);
        }
        assert_int_equal(setenv("UMBEL_MERGE", "0", 1), 0);
        struct session apart = soft_trained(net, &soft, 3);
        assert_int_equal(unsetenv("UMBEL_MERGE"), 0);
        assert_same_bits(&one, &apart, "merged and not");
        session_close(&apart);
        session_close(&one);
    }
    umb_net_destroy(net);
}

/* Layers wherever they are drawn to: parameters are then drawn to those of another device. */
static void devices_change_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(LEARNED);
    struct session one = soft_trained(net, &soft, 1);
    for (uint32_t seed = 1; seed <= 2; seed++) {
        struct umb_net *spread = soft_net();
        several_put(spread, seed, 1 + N_MORE);
        const struct session_desc desc = {.device = world.device,
                                          .net = spread,
                                          .batch = 4,
                                          .seed = 7,
                                          .more = more,
                                          .n_more = N_MORE,
                                          .soft = &soft};
        struct session several = session_open(world.ctx, &desc);
        session_train(&several, 0, 5);
        assert_same_checkpoints(&one, &several, "on one device and on several");
        session_close(&several);
        umb_net_destroy(spread);
    }
    session_close(&one);
    umb_net_destroy(net);
}

/* A batch that devices share: parameters are all on the first, and drawn together there. */
static void a_batch_may_be_shared_too(void **state)
{
    (void)state;
    static const int64_t shares[1 + N_MORE] = {1, 2, 1};
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(SOME);
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 4,
                                      .seed = 7,
                                      .more = more,
                                      .n_more = N_MORE,
                                      .shares = shares,
                                      .soft = &soft};
    struct session one = soft_open(net, "adam", &soft), several = session_open(world.ctx, &desc);
    for (int step = 0; step < 3; step++) {
        session_train(&one, step, 1);
        session_train(&several, step, 1);
        const double a = umb_trainer_penalty(one.tr), b = umb_trainer_penalty(several.tr);
        assert_true(a > 0 && fabs(a - b) < (step ? 1e-3 * a : 1e-12));
    }
    session_close(&several);
    session_close(&one);
    umb_net_destroy(net);
}

/* Stopped behind each step, also where a new Ω is due next. */
static void a_resumed_run_has_the_same_bits(void **state)
{
    (void)state;
    char path[] = "/tmp/umbel-soft-XXXXXX";
    const int file = mkstemp(path);
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(LEARNED);
    assert_true(file >= 0);
    struct session straight = soft_trained(net, &soft, 1);
    for (int stop = 1; stop < 5; stop++) {
        struct session first = soft_open(net, "adam", &soft), second = soft_trained(net, &soft, 3);
        session_train(&first, 0, stop);
        must(umb_trainer_save(first.tr, path));
        must(umb_trainer_load(second.tr, path));
        session_train(&second, stop, 5 - stop);
        assert_same_bits(&straight, &second, "straight on, and resumed");
        double a[T * T], b[T * T];
        assert_true(umb_trainer_relations(straight.tr, a) && umb_trainer_relations(second.tr, b));
        assert_memory_equal(a, b, sizeof a);
        session_close(&first);
        session_close(&second);
    }
    close(file);
    unlink(path);
    session_close(&straight);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queues_and_merging_change_no_bit),
                                       cmocka_unit_test(devices_change_no_bit),
                                       cmocka_unit_test(a_batch_may_be_shared_too),
                                       cmocka_unit_test(a_resumed_run_has_the_same_bits)};
    return cmocka_run_group_tests_name("soft bits", tests, open_devices, close_devices);
}

/*
 * Training with every balancer has one outcome, to the bit: however many queues there are, whether
 * launches are merged, whether steps are waited for one by one or several are under way, and
 * whether it was stopped, saved and resumed in between; and about the same one without fusing.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "balance_nets.h"
#include "nets.h"
#include "session.h"
#include "trainer_balance.h"
#include "world.h"

#define STEPS 7
#define RATE 0.01 /* session_train's */

static char path[64];

static struct session session_of(const struct umb_net *net, const struct umb_balancing *b,
                                 int queues, const char *optimizer)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BALANCE_BATCH,
                                      .optimizer = optimizer,
                                      .queues = queues,
                                      .seed = 5,
                                      .balancing = b};
    return session_open(world.ctx, &desc);
}

static struct session open_session(const struct umb_net *net, const struct umb_balancing *b,
                                   int queues)
{
    return session_of(net, b, queues, "adam");
}

/* What all rules are tried with; which: every rule as it is, or rules of the Gram matrix in steps
 * of their own. */
static struct umb_balancing balancing_of(const struct umb_balancer *row, int which)
{
    static const struct {
        enum umb_gradients gradients;
        int64_t every;
    } ways[] = {{UMB_GRADIENTS_SHARED, 1},
                {UMB_GRADIENTS_SHARED, 4},
                {UMB_GRADIENTS_LAST_BLOCK, 3},
                {UMB_GRADIENTS_REPRESENTATION, 1}};
    return (struct umb_balancing){.name = row->name,
                                  .options = balance_options(row),
                                  .gradients = ways[which].gradients,
                                  .every = ways[which].every,
                                  .epoch_steps = 2};
}

typedef void (*way_fn)(const struct umb_net *net, const struct umb_balancing *b, const char *what);

static void in_all_ways(const struct umb_balancer *row, way_fn way)
{
    const int n_ways = row->needs == UMB_BALANCE_GRAM ? 4 : 1;
    for (int k = 0; k < n_ways; k++) {
        char what[96];
        const struct umb_balancing b = balancing_of(row, k);
        struct balance_net n = balance_net(world.ctx, k % BALANCE_NETS);
        snprintf(what, sizeof what, "%s, way %d", row->name, k);
        way(n.net, &b, what);
        umb_net_destroy(n.net);
    }
}

static void assert_same_steps(const struct session *a, const struct session *b, int slot_b,
                              const char *what)
{
    const struct umb_balance_step x = umb__trainer_balance_step(a->tr, 0),
                                  y = umb__trainer_balance_step(b->tr, slot_b);
    assert_int_equal(x.step, y.step);
    for (int t = 0; t < a->tr->n_tasks; t++) {
        if (memcmp(&x.weight[t], &y.weight[t], sizeof x.weight[t]) != 0) {
            fail_msg("%s: task %d has the weights %.17g and %.17g", what, t, x.weight[t],
                     y.weight[t]);
        }
        assert_true(isfinite(x.weight[t]));
    }
}

/* ---- resuming ---- */

/* What was seen of pairs so far, from which warnings follow. */
static void assert_same_pairs(const struct session *a, const struct session *b, const char *what)
{
    int64_t x[3 * UMB_PAIR_WORDS], y[3 * UMB_PAIR_WORDS];
    assert_int_equal(umb__pair_watch_pairs(&a->tr->balance->watch), 3);
    umb__pair_watch_write(&a->tr->balance->watch, x);
    umb__pair_watch_write(&b->tr->balance->watch, y);
    for (int i = 0; i < 3 * UMB_PAIR_WORDS; i++) {
        if (x[i] != y[i]) {
            fail_msg("%s: word %d of the pairs is %llx and %llx", what, i, (unsigned long long)x[i],
                     (unsigned long long)y[i]);
        }
    }
}

static void resume(const struct umb_net *net, const struct umb_balancing *b, const char *what)
{
    struct session straight = open_session(net, b, 1), first = open_session(net, b, 1);
    session_train(&straight, 0, 3);
    session_train(&first, 0, 3);
    must(umb_trainer_save(first.tr, path));
    session_close(&first);
    struct session second = open_session(net, b, 2);
    session_train(&second, 20, 2); /* whatever it did before */
    must(umb_trainer_load(second.tr, path));
    assert_same_bits(&straight, &second, what);
    assert_same_pairs(&straight, &second, what);
    for (int step = 3; step < STEPS; step++) {
        session_train(&straight, step, 1);
        session_train(&second, step, 1);
        assert_same_steps(&straight, &second, 0, what);
    }
    assert_same_bits(&straight, &second, what);
    assert_same_checkpoints(&straight, &second, what);
    assert_same_pairs(&straight, &second, what);
    session_close(&straight);
    session_close(&second);
}

static void a_resumed_run_has_the_same_bits(void **state)
{
    in_all_ways(*state, resume);
}

/* ---- queues, merging, runs under way, fusing ---- */

/* Steps are submitted before those ahead of them are waited for; the other waits for each. */
static void train_without_waiting(struct session *a, struct session *s, const char *what)
{
    for (int step = 0; step < STEPS + UMB_TRAINER_SLOTS; step++) {
        const int slot = step % UMB_TRAINER_SLOTS;
        if (step >= UMB_TRAINER_SLOTS) {
            must(umb__trainer_wait(s->tr, UMB_TRAINER_TRAIN, slot, s->losses));
            session_train(a, step - UMB_TRAINER_SLOTS, 1);
            assert_same_steps(a, s, slot, what);
        }
        if (step >= STEPS) { continue; }
        session_fill(s, step);
        session_fill_slot(s, slot);
        must(umb__trainer_submit(s->tr, UMB_TRAINER_TRAIN, slot, RATE));
    }
}

static void run_otherwise(const struct umb_net *net, const struct umb_balancing *b,
                          const char *what)
{
    struct session a = open_session(net, b, 1);
    session_train(&a, 0, STEPS);
    for (int queues = 2; queues <= 4; queues += 2) {
        struct session s = open_session(net, b, queues);
        session_train(&s, 0, STEPS);
        assert_same_bits(&a, &s, what);
        assert_same_steps(&a, &s, 0, what);
        session_close(&s);
    }
    assert_int_equal(setenv("UMBEL_MERGE", "0", 1), 0);
    struct session unmerged = open_session(net, b, 2);
    assert_int_equal(unsetenv("UMBEL_MERGE"), 0);
    assert_false(unmerged.tr->merges);
    session_train(&unmerged, 0, STEPS);
    assert_same_bits(&a, &unmerged, what);
    session_close(&unmerged);
    session_close(&a);
    struct session ahead = open_session(net, b, 2), one = open_session(net, b, 1);
    train_without_waiting(&one, &ahead, what);
    assert_same_bits(&one, &ahead, what);
    session_close(&ahead);
    session_close(&one);
}

static void the_same_bits_however_it_runs(void **state)
{
    in_all_ways(*state, run_otherwise);
}

/* By sgd: Adam's first steps magnify what is rounded otherwise. */
static void run_unfused(const struct umb_net *net, const struct umb_balancing *b, const char *what)
{
    struct session a = session_of(net, b, 1, "sgd"), u = {0};
    assert_int_equal(setenv("UMBEL_FUSE", "0", 1), 0);
    u = session_of(net, b, 1, "sgd");
    assert_int_equal(unsetenv("UMBEL_FUSE"), 0);
    assert_false(u.tr->fuses);
    for (int step = 0; step < 3; step++) {
        session_fill(&a, step);
        session_fill(&u, step);
        session_step(&a, 0.1);
        session_step(&u, 0.1);
    }
    size_t n, m;
    float *x = session_buffer(&a, "parameters", &n), *y = session_buffer(&u, "parameters", &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i] - y[i]) <= 2e-5f)) {
            fail_msg("%s: parameters[%zu] is %.9g, unfused %.9g", what, i, (double)x[i],
                     (double)y[i]);
        }
    }
    umb__free(x);
    umb__free(y);
    session_close(&a);
    session_close(&u);
}

static void about_the_same_without_fusing(void **state)
{
    in_all_ways(*state, run_unfused);
}

int main(void)
{
    static const struct {
        const char *what;
        CMUnitTestFunction run;
    } cases[3] = {{"resumed", a_resumed_run_has_the_same_bits},
                  {"run otherwise", the_same_bits_however_it_runs},
                  {"not fused", about_the_same_without_fusing}};
    static char names[128][64];
    struct CMUnitTest tests[128];
    size_t n = 0;
    snprintf(path, sizeof path, "/tmp/umbel-balancing-%ld.safetensors", (long)getpid());
    for (int i = 0; umb__balancers[i]; i++) {
        for (int k = 0; k < 3; k++) {
            snprintf(names[n], sizeof names[n], "%s, %s", umb__balancers[i]->name, cases[k].what);
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = cases[k].run,
                                           .initial_state = (void *)(uintptr_t)umb__balancers[i]};
            n++;
        }
    }
    const int failed = _cmocka_run_group_tests("balancing_bits", tests, n, open_world, close_world);
    unlink(path);
    return failed;
}

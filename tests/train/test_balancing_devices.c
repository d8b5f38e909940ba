/*
 * Training with every balancer on several devices: whoever has which rows of a batch, and wherever
 * layers and heads are, weights, losses and parameters are those of one device within rounding; and
 * the same bits on other numbers of queues, merged or not, with several steps under way, and from a
 * checkpoint on.
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
#include "net_internal.h"
#include "nets.h"
#include "session.h"
#include "several.h"
#include "trainer_balance.h"

#define BATCH 6
#define STEPS 5
#define RATE 0.05
#define ALIKE 1e-4 /* rules divide by what may be small; a fault shows as tenths */

/* How a net lies on devices. */
struct way {
    const char *name;
    int64_t shares[1 + N_MORE]; /* all 0: not shared */
    bool heads;                 /* on the others, in turn */
    uint32_t drawn;             /* a seed: every layer and task somewhere; 0: not drawn */
    int64_t rows;               /* of the second batch; 0: all */
};
static const struct way ways[] = {
    {.name = "equal shares", .shares = {2, 2, 2}},
    {.name = "unequal shares, a short batch", .shares = {3, 2, 1}, .rows = 2},
    {.name = "no rows for the first", .shares = {0, 5, 1}},
    {.name = "all rows on the last", .shares = {0, 0, 6}},
    {.name = "heads", .heads = true},
    {.name = "layers anywhere", .drawn = 3},
    {.name = "layers elsewhere", .drawn = 4, .rows = 3},
};
#define N_WAYS (int)(sizeof ways / sizeof *ways)

static char path[64];

static struct umb_net *net_for(const struct way *w, int which)
{
    const bool shared = w->shares[0] + w->shares[1] + w->shares[2] > 0;
    struct umb_net *net =
        shared ? balance_net_plain(world.ctx, which).net : balance_net(world.ctx, which).net;
    if (w->drawn) { several_put(net, w->drawn, 1 + N_MORE); }
    for (int t = 0; w->heads && t < net->n_tasks; t++) {
        net->task[t].device = 1 + t % N_MORE;
        net->layer[net->value[net->task[t].output].layer].device = 1 + t % N_MORE;
    }
    return net;
}

/* way NULL: one device. */
static struct session_desc desc_of(const struct umb_net *net, const struct umb_balancing *b,
                                   const struct way *w, int queues)
{
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = BATCH,
                                .optimizer = "sgd",
                                .attrs = "momentum=0.5",
                                .queues = queues,
                                .seed = 5,
                                .balancing = b};
    if (w) {
        desc.more = more;
        desc.n_more = N_MORE;
        desc.shares = w->shares[0] + w->shares[1] + w->shares[2] ? w->shares : NULL;
    }
    return desc;
}

static struct session open_way(const struct umb_net *net, const struct umb_balancing *b,
                               const struct way *w, int queues)
{
    const struct session_desc desc = desc_of(net, b, w, queues);
    return session_open(world.ctx, &desc);
}

/* Every kind of step that the rule has. */
static int n_kinds(const struct umb_balancer *row)
{
    return row->needs == UMB_BALANCE_GRAM ? 5 : 1;
}

static struct umb_balancing balancing_of(const struct umb_balancer *row, int kind)
{
    static const struct {
        enum umb_gradients gradients;
        int64_t every;
        enum umb_heads heads;
    } kinds[] = {{UMB_GRADIENTS_SHARED, 1, UMB_HEADS_USUAL},
                 {UMB_GRADIENTS_SHARED, 3, UMB_HEADS_WEIGHTED},
                 {UMB_GRADIENTS_LAST_BLOCK, 2, UMB_HEADS_UNWEIGHTED},
                 {UMB_GRADIENTS_REPRESENTATION, 1, UMB_HEADS_USUAL},
                 {UMB_GRADIENTS_LAST_BLOCK, 1, UMB_HEADS_USUAL}};
    return (struct umb_balancing){.name = row->name,
                                  .options = balance_options(row),
                                  .gradients = kinds[kind].gradients,
                                  .every = kinds[kind].every,
                                  .heads = kinds[kind].heads,
                                  .epoch_steps = 2};
}

static void fill(struct session *s, const struct way *w, int number)
{
    session_fill(s, number);
    for (int i = 0; number == 1 && w->rows && i < s->tr->n_images; i++) {
        s->batch[i].n = w->rows;
    }
    for (int i = 0; number == 3 && i < BATCH; i++) {
        s->mask_of[1][i] = 0; /* nobody knows of the second task */
    }
}

static void step(struct session *s, const struct way *w, int number)
{
    fill(s, w, number);
    session_step(s, RATE);
}

/* ---- as on one device ---- */

static void expect_close(double x, double y, double size, const char *what, const char *which)
{
    if (isnan(x) && isnan(y)) { return; } /* a loss without labels */
    if (fabs(x - y) <= ALIKE * fmax(size, 0.1)) { return; }
    fail_msg("%s: %s is %.9g, on one device %.9g", what, which, y, x);
}

static void compare_steps(const struct session *one, const struct session *many, const char *what)
{
    const struct umb_balance_step x = umb__trainer_balance_step(one->tr, 0),
                                  y = umb__trainer_balance_step(many->tr, 0);
    assert_int_equal(x.step, y.step);
    assert_int_equal(x.compared, y.compared);
    for (int t = 0; t < one->tr->n_tasks; t++) {
        assert_true(isfinite(x.weight[t]) && isfinite(y.weight[t]));
        expect_close(x.weight[t], y.weight[t], fabs(x.weight[t]), what, "a weight");
        expect_close(one->losses[t], many->losses[t], fabs(one->losses[t]), what, "a loss");
        expect_close(x.norm[t], y.norm[t], x.norm[t], what, "a gradient's norm");
    }
    expect_close(x.mean_cosine, y.mean_cosine, 1, what, "the mean cosine");
}

/* Parameters and what rules keep: every tensor of floats in the checkpoint. */
static void compare_tensor(const struct umb_safetensors_entry *a,
                           const struct umb_safetensors_entry *b, const char *name,
                           const char *what)
{
    double largest = 0;
    assert_non_null(a);
    assert_non_null(b);
    assert_true(umb__shape_equal(&a->shape, &b->shape));
    const float *x = a->data, *y = b->data;
    for (int64_t i = 0; i < umb__shape_count(&a->shape); i++) {
        largest = fmax(largest, fabs((double)x[i]));
    }
    for (int64_t i = 0; i < umb__shape_count(&a->shape); i++) {
        expect_close((double)x[i], (double)y[i], largest, what, name);
    }
}

static void compare_checkpoints(struct session *one, struct session *many, const char *what)
{
    struct umb_safetensors *a = session_collect(one), *b = session_collect(many);
    const struct umb_graph *g = one->tr->side[UMB_TRAINER_TRAIN].graph;
    int n = 0;
    for (int v = 0; v < g->n_values; v++) {
        const char *name = g->value[v].name;
        const bool kept = strcmp(name, UMB_BALANCE_ROWS) == 0;
        if (g->value[v].spec < 0 && !kept) { continue; }
        compare_tensor(umb__safetensors_find(a, name), umb__safetensors_find(b, name), name, what);
        n++;
    }
    assert_true(n >= 10);
    umb__safetensors_destroy(a);
    umb__safetensors_destroy(b);
}

/* The net on one device beside the same net on several. */
static void train_both(const struct umb_balancing *b, const struct way *w, int which,
                       const char *what)
{
    struct umb_net *spread = net_for(w, which), *whole = net_for(w, which);
    several_put(whole, 0, 1);
    struct session one = open_way(whole, b, NULL, 1), many = open_way(spread, b, w, 1);
    for (int k = 0; k < STEPS; k++) {
        step(&one, w, k);
        step(&many, w, k);
        compare_steps(&one, &many, what);
    }
    compare_checkpoints(&one, &many, what);
    session_close(&one);
    session_close(&many);
    umb_net_destroy(spread);
    umb_net_destroy(whole);
}

static void as_on_one_device(void **state)
{
    const struct umb_balancer *row = *state;
    for (int k = 0; k < n_kinds(row); k++) {
        const struct umb_balancing b = balancing_of(row, k);
        for (int i = 0; i < N_WAYS; i++) {
            char what[128];
            const int which = (k + i) % BALANCE_NETS;
            snprintf(what, sizeof what, "%s, kind %d, %s, net %d", row->name, k, ways[i].name,
                     which);
            train_both(&b, &ways[i], which, what);
        }
    }
}

/* The host is told no more numbers than by one device. */
static void many_tasks_share_a_batch(void **state)
{
    (void)state;
    const struct umb_balancing b = {.name = "pcgrad", .gradients = UMB_GRADIENTS_REPRESENTATION};
    struct umb_net *net = test_net(world.ctx);
    int h = test_layer(world.ctx, net, "flatten", NULL, test_stream(world.ctx, net, "a", 3, 3, 1));
    h = test_layer(world.ctx, net, "dense", "units=4 activation=tanh", h);
    for (int t = 0; t < UMB_MAX_TASKS; t++) {
        char name[16];
        snprintf(name, sizeof name, "task%d", t);
        test_task(world.ctx, net, name, test_layer(world.ctx, net, "dense", "units=1", h), "mse",
                  1);
    }
    struct session one = open_way(net, &b, NULL, 1), many = open_way(net, &b, &ways[0], 1);
    for (int k = 0; k < 2; k++) {
        step(&one, &ways[0], k);
        step(&many, &ways[0], k);
        compare_steps(&one, &many, "many tasks");
    }
    session_close(&one);
    session_close(&many);
    umb_net_destroy(net);
}

/* ---- the same bits ---- */

static void expect_same_steps(const struct session *a, const struct session *b, const char *what)
{
    const struct umb_balance_step x = umb__trainer_balance_step(a->tr, 0),
                                  y = umb__trainer_balance_step(b->tr, 0);
    assert_int_equal(x.step, y.step);
    for (int t = 0; t < a->tr->n_tasks; t++) {
        if (memcmp(&x.weight[t], &y.weight[t], sizeof x.weight[t]) == 0) { continue; }
        fail_msg("%s: task %d has the weights %.17g and %.17g", what, t, x.weight[t], y.weight[t]);
    }
}

/* Steps are submitted before those ahead of them are waited for. */
static void train_without_waiting(struct session *s, const struct way *w)
{
    for (int k = 0; k < STEPS + UMB_TRAINER_SLOTS; k++) {
        const int slot = k % UMB_TRAINER_SLOTS;
        if (k >= UMB_TRAINER_SLOTS) {
            must(umb__trainer_wait(s->tr, UMB_TRAINER_TRAIN, slot, s->losses));
        }
        if (k >= STEPS) { continue; }
        fill(s, w, k);
        session_fill_slot(s, slot);
        must(umb__trainer_submit(s->tr, UMB_TRAINER_TRAIN, slot, RATE));
    }
}

/* What the rule keeps, and what was seen of pairs, beside what assert_same_checkpoints knows. */
static void expect_same_state(struct session *one, struct session *other, const char *what)
{
    static const char *const names[] = {"balancer.state", "balancer.pairs", UMB_BALANCE_ROWS};
    struct umb_safetensors *a = session_collect(one), *b = session_collect(other);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct umb_safetensors_entry *x = umb__safetensors_find(a, names[i]),
                                           *y = umb__safetensors_find(b, names[i]);
        assert_int_equal(!x, !y);
        if (!x) { continue; }
        const size_t each = strcmp(x->dtype, "I64") == 0 ? 8 : 4;
        assert_true(umb__shape_equal(&x->shape, &y->shape));
        if (memcmp(x->data, y->data, (size_t)umb__shape_count(&x->shape) * each) != 0) {
            fail_msg("%s: %s differs", what, names[i]);
        }
    }
    umb__safetensors_destroy(a);
    umb__safetensors_destroy(b);
}

/* As it may be measured when a run is resumed, which takes its checkpoint's shares. */
static struct way shared_otherwise(const struct way *w)
{
    struct way other = *w;
    for (int d = 0; d <= N_MORE; d++) {
        other.shares[d] = w->shares[(d + 1) % (1 + N_MORE)];
    }
    return other;
}

static void run_to_the_bit(const struct umb_balancing *b, const struct way *w, int which,
                           const char *what)
{
    struct umb_net *net = net_for(w, which);
    struct session a = open_way(net, b, w, 1);
    for (int k = 0; k < 2; k++) {
        step(&a, w, k);
    }
    must(umb_trainer_save(a.tr, path));
    assert_int_equal(setenv("UMBEL_MERGE", "0", 1), 0);
    const struct way other = shared_otherwise(w);
    struct session resumed = open_way(net, b, &other, 3);
    assert_int_equal(unsetenv("UMBEL_MERGE"), 0);
    step(&resumed, w, 20); /* whatever it did before */
    must(umb_trainer_load(resumed.tr, path));
    struct session ahead = open_way(net, b, w, 2);
    train_without_waiting(&ahead, w);
    for (int k = 2; k < STEPS; k++) {
        step(&a, w, k);
        step(&resumed, w, k);
        expect_same_steps(&a, &resumed, what);
    }
    assert_same_checkpoints(&a, &resumed, what);
    assert_same_checkpoints(&a, &ahead, what);
    expect_same_state(&a, &resumed, what);
    expect_same_state(&a, &ahead, what);
    session_close(&a);
    session_close(&resumed);
    session_close(&ahead);
    umb_net_destroy(net);
}

static void the_same_bits(void **state)
{
    const struct umb_balancer *row = *state;
    for (int k = 0; k < n_kinds(row); k++) {
        const struct umb_balancing b = balancing_of(row, k);
        for (int i = k % 2; i < N_WAYS; i += 2) {
            char what[128];
            const int which = (k + i + 1) % BALANCE_NETS;
            snprintf(what, sizeof what, "%s, kind %d, %s, net %d", row->name, k, ways[i].name,
                     which);
            run_to_the_bit(&b, &ways[i], which, what);
        }
    }
}

/* ---- what else a plan has to fit ---- */

static const struct umb_balancing fitting[] = {
    {.name = "cagrad"},
    {.name = "cagrad", .gradients = UMB_GRADIENTS_LAST_BLOCK, .every = 2},
    {.name = "pcgrad", .gradients = UMB_GRADIENTS_REPRESENTATION},
    {.name = "db_mtl"},
    {.name = "graddrop"},
    {.name = "famo"},
    {.name = "dwa", .heads = UMB_HEADS_UNWEIGHTED}};
#define N_FITTING (sizeof fitting / sizeof *fitting)

/* Beside a trainer that begins, with the same parts, with what the other has now. */
static void train_beside_a_fresh_one(struct session *s, const struct session_desc *desc, int first,
                                     const char *what)
{
    struct umb_safetensors *file = session_collect(s);
    struct session fresh = session_open(world.ctx, desc);
    must(umb__trainer_restore(fresh.tr, file, "another"));
    umb__safetensors_destroy(file);
    session_train(s, first, 2);
    session_train(&fresh, first, 2);
    assert_same_checkpoints(s, &fresh, what);
    session_close(&fresh);
}

static void frozen_parts_come_and_go(void **state)
{
    (void)state;
    static const struct umb_frozen conv[] = {{"conv.*", false}};
    const struct umb_trainer_desc free_parts = {.refreezes = true};
    const struct umb_trainer_desc conv_frozen = {.refreezes = true, .frozen = conv, .n_frozen = 1};
    for (size_t k = 0; k < N_FITTING; k++) {
        const struct way *w = &ways[k % (size_t)N_WAYS];
        struct umb_net *net = net_for(w, 0);
        struct session_desc desc = desc_of(net, &fitting[k], w, 2);
        char what[96];
        snprintf(what, sizeof what, "%s, %s", fitting[k].name, w->name);
        desc.parts = &free_parts;
        struct session s = session_open(world.ctx, &desc);
        session_train(&s, 0, 2);
        must(umb_trainer_freeze(s.tr, conv, 1));
        desc.parts = &conv_frozen;
        train_beside_a_fresh_one(&s, &desc, 2, what);
        must(umb_trainer_freeze(s.tr, NULL, 0));
        desc.parts = &free_parts;
        train_beside_a_fresh_one(&s, &desc, 4, what);
        session_close(&s);
        umb_net_destroy(net);
    }
}

/* Activations that wait for backward while others are made. */
static struct umb_net *long_net(const struct way *w)
{
    struct umb_net *net = test_net(world.ctx);
    int h = test_stream(world.ctx, net, "image", 12, 12, 2);
    for (int i = 0; i < 6; i++) {
        h = test_layer(world.ctx, net, "conv", "filters=6 size=3 padding=1", h);
        h = test_layer(world.ctx, net, "tanh", NULL, h);
    }
    h = test_layer(world.ctx, net, "global_avg_pool", NULL, h);
    test_task(world.ctx, net, "kind", test_layer(world.ctx, net, "dense", "units=3", h),
              "cross_entropy", 1);
    test_task(world.ctx, net, "place", test_layer(world.ctx, net, "dense", "units=2", h), "mse", 2);
    if (w->drawn) { several_put(net, w->drawn, 1 + N_MORE); }
    return net;
}

static void less_memory_changes_no_bit(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_FITTING; k++) {
        const struct way *w = &ways[k % 2 ? N_WAYS - 2 : 0];
        struct umb_net *net = long_net(w);
        struct session_desc desc = desc_of(net, &fitting[k], w, 1);
        struct session a = session_open(world.ctx, &desc);
        desc.memory = umb__trainer_fit(a.tr, UMB_TRAINER_TRAIN).needs.total * 49 / 50;
        struct session b = session_open(world.ctx, &desc);
        assert_true(umb__trainer_fit(b.tr, UMB_TRAINER_TRAIN).needs.total <= desc.memory);
        session_train(&a, 0, 4);
        session_train(&b, 0, 4);
        assert_same_checkpoints(&a, &b, fitting[k].name);
        session_close(&a);
        session_close(&b);
        umb_net_destroy(net);
    }
}

int main(void)
{
    static char names[128][64];
    struct CMUnitTest tests[128];
    size_t n = 0;
    snprintf(path, sizeof path, "/tmp/umbel-balancing-devices-%ld.safetensors", (long)getpid());
    for (int i = 0; umb__balancers[i]; i++) {
        for (int k = 0; k < 2; k++) {
            snprintf(names[n], sizeof names[n], "%s, %s", umb__balancers[i]->name,
                     k ? "the same bits" : "as on one device");
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = k ? the_same_bits : as_on_one_device,
                                           .initial_state = (void *)(uintptr_t)umb__balancers[i]};
            n++;
        }
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(many_tasks_share_a_batch);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(frozen_parts_come_and_go);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(less_memory_changes_no_bit);
    const int failed =
        _cmocka_run_group_tests("balancing_devices", tests, n, open_devices, close_devices);
    unlink(path);
    return failed;
}

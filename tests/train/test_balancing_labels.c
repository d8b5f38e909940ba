/*
 * Balancers where labels, tasks or gradients are missing, equal or beyond float: what each does
 * then is what docs/methods.md says, and nothing is NaN in silence.
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
#include "trainer_balance.h"
#include "twin.h"
#include "world.h"

#define TOLERANCE 3e-4

static struct session open_session(const struct umb_net *net, const struct umb_balancing *b,
                                   const char *optimizer)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BALANCE_BATCH,
                                      .optimizer = optimizer,
                                      .seed = 7,
                                      .balancing = b};
    return session_open(world.ctx, &desc);
}

static struct umb_balancing balancing_of(const struct umb_balancer *row)
{
    return (struct umb_balancing){
        .name = row->name, .options = balance_options(row), .epoch_steps = 2};
}

static void unlabel(struct session *s, int task)
{
    for (int64_t i = 0; i < s->tr->batch; i++) {
        s->mask_of[task][i] = 0;
    }
}

/* The parameters whose names begin so. */
static void read_layer(const struct session *s, const char *layer, float *ret_numbers, size_t n)
{
    char name[64];
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    snprintf(name, sizeof name, "%s.weight", layer);
    const int v = umb__graph_find_value(g, name);
    assert_true(v >= 0 && (size_t)umb__shape_count(&g->value[v].type.shape) == n);
    must(umb__store_read(s->tr->store, "parameters", g->value[v].base_offset, n * sizeof(float),
                         ret_numbers));
}

/* ---- missing labels ---- */

/* Task 1 in steps 1 and 4, both others in step 2, all in step 3. */
static void forget_labels(struct session *s, int step)
{
    for (int t = 0; t < 3; t++) {
        if (step == 3 || (step == 2 && t != 1) || ((step == 1 || step == 4) && t == 1)) {
            unlabel(s, t);
        }
    }
}

static void tasks_without_labels_wait(void **state)
{
    const struct umb_balancing b = balancing_of(*state);
    const struct umb_balancer *row = *state;
    for (int k = 0; k < BALANCE_NETS; k++) {
        struct balance_net n = balance_net(world.ctx, k);
        const struct twin_desc desc = {.balancing = &b};
        struct session s = open_session(n.net, &b, "sgd");
        struct twin t = twin_open(&s, &desc);
        for (int step = 0; step < 6; step++) {
            session_fill(&s, step);
            forget_labels(&s, step);
            session_step(&s, 0.1);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(isnan(s.losses[i]), !(s.mask_of[i][0] > 0));
            }
            twin_step(&t, 0.1);
            twin_compare(&t, TOLERANCE, row->name);
        }
        twin_close(&t);
        session_close(&s);
        umb_net_destroy(n.net);
    }
}

/* Of task 1 alone: its parameters do not move, whatever the heads' weights. */
static void heads_without_labels_stay(void **state)
{
    struct umb_balancing b = balancing_of(*state);
    for (int heads = UMB_HEADS_UNWEIGHTED; heads <= UMB_HEADS_WEIGHTED; heads++) {
        float before[18], after[18], first[27], last[27];
        b.heads = (enum umb_heads)heads;
        struct balance_net n = balance_net(world.ctx, 1);
        struct session s = open_session(n.net, &b, "sgd");
        session_train(&s, 0, 2);
        read_layer(&s, "place", before, 18);
        read_layer(&s, "kind", first, 27);
        session_fill(&s, 2);
        unlabel(&s, 1);
        session_step(&s, 0.1);
        assert_true(umb__trainer_balance_step(s.tr, 0).weight[1] == 0);
        read_layer(&s, "place", after, 18);
        read_layer(&s, "kind", last, 27);
        assert_memory_equal(before, after, sizeof before);
        assert_memory_not_equal(first, last, sizeof first);
        session_close(&s);
        umb_net_destroy(n.net);
    }
}

/* Labels of masked samples; and images of samples whose labels are all masked. */
static void change_masked(struct session *s)
{
    for (int t = 0; t < s->tr->n_tasks; t++) {
        const int64_t per = umb__shape_count(&umb__net_task(s->tr->net, t)->label.shape);
        const bool whole = umb__net_task(s->tr->net, t)->judge == UMB_JUDGE_CLASSES;
        for (int64_t i = 0; i < s->tr->batch * per; i++) {
            if (s->mask_of[t][i / per] > 0) { continue; }
            if (whole) {
                ((int32_t *)s->labels_of[t])[i] = 0;
            } else {
                ((float *)s->labels_of[t])[i] = 0.75f;
            }
        }
    }
    for (int64_t i = 0; i < s->tr->batch; i++) { /* stream k is task k's */
        const size_t bytes = 7 * 7 * 2;
        for (int k = 0; k < s->tr->n_images; k++) {
            if (s->mask_of[k][i] > 0) { continue; }
            memset((char *)s->images_of[k] + (size_t)i * bytes, 200, bytes);
        }
    }
}

static void masked_samples_change_nothing(void **state)
{
    struct umb_balancing b = balancing_of(*state);
    if (strcmp(b.name, "fixed") == 0) { b.options = "weights=1,2"; }
    struct umb_net *net = test_net_two_streams(world.ctx); /* no statistics of the batch */
    struct session x = open_session(net, &b, "adam"), y = open_session(net, &b, "adam");
    for (int step = 0; step < 4; step++) {
        session_fill(&x, step);
        session_fill(&y, step);
        for (int t = 0; t < 2; t++) {
            for (int64_t i = 0; i < BALANCE_BATCH; i++) {
                const bool masked = (i + step + t) % 3 == 0 || (step == 2 && t == 1);
                x.mask_of[t][i] = y.mask_of[t][i] = !masked;
            }
        }
        change_masked(&y);
        session_step(&x, 0.01);
        session_step(&y, 0.01);
        assert_same_bits(&x, &y, b.name);
    }
    session_close(&x);
    session_close(&y);
    umb_net_destroy(net);
}

/* ---- few tasks, equal tasks ---- */

static struct umb_net *weighing_net(double weight)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 7, 7, 2);
    h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=tanh", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    const int out[3] = {test_layer(ctx, net, "dense", "units=3", h),
                        test_layer(ctx, net, "dense", "units=2", h),
                        test_layer(ctx, net, "dense", "units=2", h)};
    test_task(ctx, net, "kind", out[0], "cross_entropy", 1);
    test_task(ctx, net, "place", out[1], "mse", weight);
    test_task(ctx, net, "other", out[2], "mse", 1);
    return net;
}

static void a_task_of_weight_0_has_no_say(void **state)
{
    const struct umb_balancer *row = *state;
    const struct umb_balancing b = balancing_of(row);
    const struct twin_desc desc = {.balancing = &b};
    struct umb_net *net = weighing_net(0);
    struct session s = open_session(net, &b, "sgd");
    struct twin t = twin_open(&s, &desc);
    for (int step = 0; step < 3; step++) {
        session_fill(&s, step);
        session_step(&s, 0.1);
        assert_true(isfinite(s.losses[1]));
        twin_step(&t, 0.1);
        twin_compare(&t, TOLERANCE, row->name);
    }
    twin_close(&t);
    session_close(&s);
    umb_net_destroy(net);
}

static int warnings;

static void count_warnings(void *user, enum umb_log_level level, const char *line)
{
    (void)user;
    warnings += level == UMB_LOG_WARN && strstr(line, "there is one task") != NULL;
}

static struct umb_net *single_net(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 7, 7, 2);
    h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=tanh", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 0.5);
    return net;
}

static void one_task_has_the_weight_1(void **state)
{
    const struct umb_balancer *row = *state;
    const struct umb_context_desc desc = {.log = count_warnings, .log_level = UMB_LOG_WARN};
    struct umb_context *ctx;
    assert_int_equal(umb_context_create(&desc, &ctx), UMB_OK);
    struct umb_device *device;
    assert_int_equal(umb_device_open(ctx, NULL, &device), UMB_OK);
    struct umb_net *net = single_net(ctx);
    struct umb_balancing b = {.name = row->name, .epoch_steps = 2};
    if (strcmp(row->name, "fixed") == 0) { b.options = "weights=1"; }
    if (row->needs == UMB_BALANCE_GRAM) { b.every = 2; }
    struct session_desc plain = {.device = device, .net = net, .batch = 4, .seed = 2}, own = plain;
    own.balancing = &b;
    warnings = 0;
    struct session x = session_open(ctx, &plain), y = session_open(ctx, &own);
    const bool warned = row->needs != UMB_BALANCE_NOTHING || row->learn;
    assert_int_equal(warnings, warned);
    session_train(&x, 0, 4);
    session_train(&y, 0, 4);
    assert_same_bits(&x, &y, row->name);
    assert_true(umb__trainer_balance_step(y.tr, 0).weight[0] == 1);
    session_close(&x);
    session_close(&y);
    umb_net_destroy(net);
    umb_device_close(device);
    umb_context_destroy(ctx);
}

/* Two heads begin with the same numbers, and are given the same labels. */
static void make_equal(struct session *s)
{
    static const char *const suffixes[] = {"weight", "bias"};
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    for (int k = 0; k < 2; k++) {
        char from[32], to[32];
        float numbers[256];
        snprintf(from, sizeof from, "dense2.%s", suffixes[k]);
        snprintf(to, sizeof to, "dense3.%s", suffixes[k]);
        const int v = umb__graph_find_value(g, from), w = umb__graph_find_value(g, to);
        assert_true(v >= 0 && w >= 0);
        const size_t bytes = umb__type_bytes(&g->value[v].type);
        assert_true(bytes <= sizeof numbers);
        must(umb__store_read(s->tr->store, "parameters", g->value[v].base_offset, bytes, numbers));
        must(umb__store_write(s->tr->store, "parameters", g->value[w].base_offset, bytes, numbers));
    }
}

static void equal_tasks_stay_equal(void **state)
{
    const struct umb_balancer *row = *state;
    struct umb_balancing b = balancing_of(row);
    if (strcmp(row->name, "fixed") == 0) { b.options = "weights=1,1,1"; }
    const struct twin_desc desc = {.balancing = &b};
    struct umb_net *net = weighing_net(1);
    struct session s = open_session(net, &b, "sgd");
    make_equal(&s);
    struct twin t = twin_open(&s, &desc);
    for (int step = 0; step < 3; step++) {
        session_fill(&s, step);
        memcpy(s.labels_of[2], s.labels_of[1], BALANCE_BATCH * 2 * sizeof(float));
        session_step(&s, 0.1);
        if (row->class_letter != 'A') { assert_true(s.losses[1] == s.losses[2]); }
        for (int i = 0; i < 3; i++) {
            assert_true(isfinite(umb__trainer_balance_step(s.tr, 0).weight[i]));
        }
        twin_step(&t, 0.1);
        twin_compare_parameters(&t, 1e-3, row->name);
    }
    twin_close(&t);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- what is refused ---- */

static void expect_refusal(const struct umb_trainer_desc *desc, enum umb_status status,
                           const char *piece)
{
    struct umb_trainer *tr = NULL;
    assert_int_equal(umb_trainer_create(world.ctx, desc, &tr), status);
    assert_null(tr);
    if (!strstr(umb_context_error(world.ctx), piece)) {
        fail_msg("'%s' without '%s'", umb_context_error(world.ctx), piece);
    }
}

static struct umb_trainer_desc trainer_desc(const struct umb_net *net,
                                            const struct umb_balancing *b)
{
    return (struct umb_trainer_desc){.device = world.device,
                                     .net = net,
                                     .batch = 4,
                                     .optimizer = "adam",
                                     .queues = 1,
                                     .balancing = b};
}

static void a_frozen_trunk_is_refused(void **state)
{
    static const struct umb_frozen trunk[] = {
        {"conv.*", false}, {"norm.*", false}, {"last.*", false}};
    const struct umb_balancer *row = *state;
    const struct umb_balancing b = balancing_of(row);
    struct balance_net n = balance_net(world.ctx, 0);
    struct umb_trainer_desc desc = trainer_desc(n.net, &b);
    desc.frozen = trunk;
    desc.n_frozen = 3;
    for (int k = 0; k < 2; k++) {
        desc.refreezes = k;
        if (row->needs >= UMB_BALANCE_GRAM) {
            expect_refusal(&desc, UMB_ERR_INVALID, "they share no parameter that is trained");
            continue;
        }
        struct umb_trainer *tr;
        must(umb_trainer_create(world.ctx, &desc, &tr));
        umb_trainer_destroy(tr);
    }
    umb_net_destroy(n.net);
}

static void networks_apart_are_refused(void **state)
{
    const struct umb_balancer *row = *state;
    struct umb_balancing b = balancing_of(row);
    if (strcmp(row->name, "fixed") == 0) { b.options = "weights=1,2"; }
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    const int in = test_stream(ctx, net, "image", 7, 7, 2);
    for (int t = 0; t < 2; t++) {
        int h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=tanh", in);
        h = test_layer(ctx, net, "flatten", NULL, h);
        test_task(ctx, net, t ? "y" : "x", test_layer(ctx, net, "dense", "units=3", h), "mse", 1);
    }
    const struct umb_trainer_desc desc = trainer_desc(net, &b);
    if (row->needs >= UMB_BALANCE_GRAM) {
        char piece[64];
        snprintf(piece, sizeof piece, "balancer %s compares gradients", row->name);
        expect_refusal(&desc, UMB_ERR_INVALID, piece);
    } else {
        struct session s = open_session(net, &b, "adam");
        session_train(&s, 0, 2);
        session_close(&s);
    }
    umb_net_destroy(net);
}

static void infinite_losses_are_errors(void **state)
{
    const struct umb_balancer *row = *state;
    const struct umb_balancing b = balancing_of(row);
    char path[64];
    snprintf(path, sizeof path, "/tmp/umbel-balancing-%ld.safetensors", (long)getpid());
    if (row->needs == UMB_BALANCE_NOTHING || row->needs == UMB_BALANCE_ELEMENTS) { return; }
    struct balance_net n = balance_net(world.ctx, 1);
    struct session s = open_session(n.net, &b, "sgd");
    session_train(&s, 0, 2);
    for (int again = 0; again < 2; again++) {
        session_fill(&s, 2);
        for (int i = 0; i < 2 * BALANCE_BATCH && !again; i++) {
            ((float *)s.labels_of[1])[i] = 1e30f;
        }
        assert_int_equal(umb_trainer_step(s.tr, s.batch, s.labels, 0.1, s.losses), UMB_ERR_INVALID);
        const char *message = umb_context_error(world.ctx);
        char expected[128];
        snprintf(expected, sizeof expected,
                 "task 'place': the loss is infinite at step 3, and balancer %s ", row->name);
        if (strncmp(message, expected, strlen(expected)) != 0) { fail_msg("'%s'", message); }
    }
    must(umb_trainer_save(s.tr, path));
    unlink(path);
    session_close(&s);
    umb_net_destroy(n.net);
}

/* On the host's thread; what another has just said of the context that all share stays. */
static void a_rule_that_fails_is_quoted(void **state)
{
    const struct umb_balancer *row = *state;
    const struct umb_balancing b = balancing_of(row);
    const bool mixed = row->needs == UMB_BALANCE_MIXED;
    float facts[6 + 9], out[6], weights[3];
    char expected[128];
    if (row->needs != UMB_BALANCE_GRAM && !mixed) { return; }
    struct balance_net n = balance_net(world.ctx, 0);
    struct session s = open_session(n.net, &b, "sgd");
    for (int i = 0; i < 15; i++) {
        facts[i] = 1;
    }
    facts[6 + 5] = NAN; /* of tasks 1 and 2 */
    must(umb__balancing_prepare(s.tr, 0, 0.1, weights));
    assert_int_equal(umb__fail(world.ctx, UMB_ERR_IO, "another's"), UMB_ERR_IO);
    (mixed ? umb__balancing_mix : umb__balancing_weigh)(s.tr->balance, 0, facts, out);
    assert_string_equal(umb_context_error(world.ctx), "another's");
    assert_int_equal(umb__balancing_result(s.tr), UMB_ERR_INVALID);
    snprintf(expected, sizeof expected,
             "balancer %s at step 1: task 'place': its gradient's product with that of task 2 is ",
             row->name);
    const char *message = umb_context_error(world.ctx);
    if (strncmp(message, expected, strlen(expected)) != 0) { fail_msg("'%s'", message); }
    session_close(&s);
    umb_net_destroy(n.net);
}

int main(void)
{
    static const struct {
        const char *what;
        CMUnitTestFunction run;
    } cases[] = {{"tasks without labels", tasks_without_labels_wait},
                 {"heads without labels", heads_without_labels_stay},
                 {"masked samples", masked_samples_change_nothing},
                 {"a weight of 0", a_task_of_weight_0_has_no_say},
                 {"one task", one_task_has_the_weight_1},
                 {"equal tasks", equal_tasks_stay_equal},
                 {"a frozen trunk", a_frozen_trunk_is_refused},
                 {"networks apart", networks_apart_are_refused},
                 {"an infinite loss", infinite_losses_are_errors},
                 {"a failure", a_rule_that_fails_is_quoted}};
    enum { CASES = sizeof cases / sizeof *cases, MOST = 32 * CASES };
    static char names[MOST][64];
    static struct CMUnitTest tests[MOST];
    size_t n = 0;
    for (int i = 0; umb__balancers[i]; i++) {
        for (int k = 0; k < CASES && n < MOST; k++) {
            snprintf(names[n], sizeof names[n], "%s, %s", umb__balancers[i]->name, cases[k].what);
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = cases[k].run,
                                           .initial_state = (void *)(uintptr_t)umb__balancers[i]};
            n++;
        }
    }
    return _cmocka_run_group_tests("balancing_labels", tests, n, open_world, close_world);
}

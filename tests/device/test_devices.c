/*
 * A plan over several devices: whatever layer is put on whatever device, and however a batch is
 * shared, training does what it does on one device, within rounding; and the same bits for any
 * number of queues. The devices are one, opened several times, or the halves of one, which have
 * units of their own too.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device_internal.h"
#include "net_internal.h"
#include "nets.h"
#include "session.h"
#include "several.h"

#define STEPS 5

static struct session open_with(const struct umb_net *net, const struct session_desc *other)
{
    struct session_desc desc = *other;
    if (!desc.device) { desc.device = world.device; }
    desc.net = net;
    desc.optimizer = "sgd";
    desc.attrs = "momentum=0.9";
    desc.seed = 9;
    return session_open(world.ctx, &desc);
}

/* The largest difference of a tensor's numbers, as a share of the largest of them. */
static double difference(const struct umb_safetensors_entry *a,
                         const struct umb_safetensors_entry *b)
{
    const float *x = a->data, *y = b->data;
    double worst = 0, largest = 1e-3;
    assert_true(umb__shape_equal(&a->shape, &b->shape));
    for (int64_t i = 0; i < umb__shape_count(&a->shape); i++) {
        assert_true(isfinite(x[i]) && isfinite(y[i]));
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    return worst / largest;
}

/* Every tensor that the one's checkpoint has, the other has too, equal within `tolerance`; 0: to
 * the bit. Texts may differ. */
static void assert_alike(struct session *one, struct session *other, double tolerance,
                         const char *what)
{
    struct umb_safetensors *a = session_collect(one), *b = session_collect(other);
    const struct umb_graph *g = one->tr->side[UMB_TRAINER_TRAIN].graph;
    int n = 0;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].spec < 0) { continue; }
        const char *name = g->value[v].name;
        const struct umb_safetensors_entry *x = umb__safetensors_find(a, name),
                                           *y = umb__safetensors_find(b, name);
        if (!x || !y) { fail_msg("%s: %s is not in both", what, name); }
        const double d = difference(x, y);
        if (d > tolerance) { fail_msg("%s: %s differs by %.3g", what, name, d); }
        n++;
    }
    assert_true(n > 3);
    for (int t = 0; t < one->tr->n_tasks; t++) {
        assert_true(fabs(one->losses[t] - other->losses[t]) <= tolerance * 10);
    }
    umb__safetensors_destroy(a);
    umb__safetensors_destroy(b);
}

#define ALIKE 1e-4

static void train(struct session *s)
{
    for (int step = 0; step < STEPS; step++) {
        session_fill(s, step);
        session_step(s, 0.05);
    }
}

static void anywhere(struct umb_net *net, int64_t batch, double clip_norm)
{
    struct session one =
        open_with(net, &(struct session_desc){.batch = batch, .clip_norm = clip_norm});
    train(&one);
    for (uint32_t seed = 1; seed <= 4; seed++) {
        several_put(net, seed, 1 + N_MORE);
        struct session_desc desc = {.batch = batch,
                                    .clip_norm = clip_norm,
                                    .queues = 1 + (int)seed % 2,
                                    .more = more,
                                    .n_more = N_MORE};
        struct session many = open_with(net, &desc);
        char what[32];
        snprintf(what, sizeof what, "placement %u", seed);
        train(&many);
        assert_alike(&one, &many, ALIKE, what);
        desc.queues = 3;
        struct session again = open_with(net, &desc);
        train(&again);
        assert_same_checkpoints(&many, &again, what);
        session_close(&again);
        session_close(&many);
    }
    several_put(net, 0, 1);
    session_close(&one);
    umb_net_destroy(net);
}

static void layers_of_two_streams_are_anywhere(void **state)
{
    (void)state;
    anywhere(test_net_two_streams(world.ctx), 4, 0);
}

static void layers_of_four_heads_are_anywhere(void **state)
{
    (void)state;
    anywhere(test_net_mixed(world.ctx), 6, 0);
}

/* The device says that it is a GPU, whose copies have queues of their own; again: what it is. */
static void disguise(struct umb_device *device, struct umb_device_caps *other,
                     const struct umb_device_caps **own)
{
    if (*own) {
        device->caps = *own;
        *own = NULL;
        return;
    }
    *own = device->caps;
    *other = **own;
    other->type = UMB_DEVICE_GPU;
    device->caps = other;
}

static void copies_of_gpus_are_beside_their_kernels(void **state)
{
    (void)state;
    struct umb_device_caps other[1 + N_MORE];
    const struct umb_device_caps *own[1 + N_MORE] = {NULL};
    for (int d = 0; d <= N_MORE; d++) {
        disguise(several_device(d), &other[d], &own[d]);
    }
    anywhere(test_net_two_streams(world.ctx), 4, 0);
    disguise(more[0], &other[1], &own[1]); /* one is no GPU */
    anywhere(test_net_mixed(world.ctx), 6, 0);
    disguise(more[0], &other[1], &own[1]);
    for (int d = 0; d <= N_MORE; d++) {
        disguise(several_device(d), &other[d], &own[d]);
    }
}

static void residual_layers_are_anywhere(void **state)
{
    (void)state;
    anywhere(test_net_two_residual(world.ctx), 4, 0);
}

static void one_norm_clips_the_gradients_of_all_devices(void **state)
{
    (void)state;
    anywhere(test_net_two_streams(world.ctx), 4, 0.05);
}

static void large_parameters_are_updated_where_they_are(void **state)
{
    (void)state;
    anywhere(test_net_large(world.ctx), 2, 0);
}

/* Both look at a batch with the parameters that they have. */
static void assert_alike_evaluated(struct session *one, struct session *other, const char *what)
{
    struct session *both[] = {one, other};
    struct umb_task_result results[2][UMB_MAX_TASKS];
    static float answers[2][UMB_MAX_TASKS][64];
    for (int i = 0; i < 2; i++) {
        float *outputs[UMB_MAX_TASKS];
        for (int t = 0; t < one->tr->n_tasks; t++) {
            outputs[t] = answers[i][t];
        }
        must(umb_trainer_results(both[i]->tr, results[i])); /* of training */
        must(umb_trainer_evaluate(both[i]->tr, both[i]->batch, both[i]->labels));
        must(umb_trainer_results(both[i]->tr, results[i]));
        must(umb_trainer_predict(both[i]->tr, both[i]->batch, outputs));
    }
    for (int t = 0; t < one->tr->n_tasks; t++) {
        const double a = results[0][t].loss, b = results[1][t].loss;
        if (!(fabs(a - b) <= ALIKE * 10)) { fail_msg("%s: loss %.9g, not %.9g", what, b, a); }
        for (int i = 0; i < 64; i++) {
            const double x = (double)answers[0][t][i], y = (double)answers[1][t][i];
            if (!(fabs(x - y) <= ALIKE * 10)) { fail_msg("%s: answer %.9g, not %.9g", what, y, x); }
        }
    }
}

/* Without batch norm and dropout, what several devices make of a batch is what one does. */
static void a_batch_is_shared(void **state)
{
    (void)state;
    static const int64_t shares[][3] = {{3, 2, 1}, {0, 5, 1}, {6, 0, 0}, {2, 2, 2}};
    struct umb_net *net = test_net_mnist_fashion(world.ctx);
    struct session one = open_with(net, &(struct session_desc){.batch = 6});
    train(&one);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct session_desc desc = {
            .batch = 6, .more = more, .n_more = N_MORE, .shares = shares[i]};
        struct session many = open_with(net, &desc);
        char what[32];
        snprintf(what, sizeof what, "shares %zu", i);
        train(&many);
        assert_alike(&one, &many, ALIKE, what);
        assert_alike_evaluated(&one, &many, what);
        session_close(&many);
    }
    session_close(&one);
    umb_net_destroy(net);
}

/* The devices are all parts of world.device that the cut says; their number, or 0: none. */
static size_t open_parts(const char *cut, struct umb_device *ret_parts[UMB_MAX_DEVICES])
{
    const struct umb_device_caps *whole = umb_device_get_caps(world.device);
    char selector[256];
    size_t n = 0;
    if (whole->max_parts < 2) { return 0; }
    snprintf(selector, sizeof selector, "%s%s", whole->selector, cut);
    must(umb_devices_open(world.ctx, selector, ret_parts, &n));
    return n;
}

static void close_parts(struct umb_device *const parts[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        umb_device_close(parts[i]);
    }
}

/* Trained twice on parts, which gives the same bits, and close to what `one` became. */
static void expect_alike(struct session *one, const struct umb_net *net, struct session_desc desc,
                         const char *what)
{
    desc.batch = 6;
    struct session many = open_with(net, &desc);
    train(&many);
    assert_alike(one, &many, ALIKE, what);
    struct session again = open_with(net, &desc);
    train(&again);
    assert_same_checkpoints(&many, &again, what);
    session_close(&again);
    session_close(&many);
}

static void parts_do_what_the_whole_does(void **state)
{
    (void)state;
    static const int64_t even[] = {3, 3}, uneven[] = {5, 1};
    struct umb_device *parts[UMB_MAX_DEVICES];
    const size_t n = open_parts("/2", parts);
    if (n == 0) { skip(); }
    assert_int_equal(n, 2);
    struct umb_net *net = test_net_mnist_fashion(world.ctx);
    struct session one = open_with(net, &(struct session_desc){.batch = 6});
    train(&one);
    struct session_desc desc = {.device = parts[0], .more = &parts[1], .n_more = 1, .shares = even};
    expect_alike(&one, net, desc, "even shares");
    desc.shares = uneven;
    expect_alike(&one, net, desc, "uneven shares");
    /* the later layers and all losses on the other half */
    desc.shares = NULL;
    for (int t = 0; t < net->n_tasks; t++) {
        net->task[t].device = 1;
    }
    for (int l = 0; l < net->n_layers; l++) {
        net->layer[l].device = l >= net->n_layers / 2;
    }
    expect_alike(&one, net, desc, "heads apart");
    session_close(&one);
    umb_net_destroy(net);
    close_parts(parts, n);
}

/* A part beside the device that it is of: both have the same units, and wait for each other. */
static void a_part_works_beside_the_whole(void **state)
{
    (void)state;
    static const int64_t shares[] = {4, 2};
    struct umb_device *parts[UMB_MAX_DEVICES];
    const size_t n = open_parts("/2#1", parts);
    if (n == 0) { skip(); }
    assert_int_equal(n, 1);
    struct umb_net *net = test_net_mnist_fashion(world.ctx);
    struct session one = open_with(net, &(struct session_desc){.batch = 6});
    train(&one);
    expect_alike(&one, net,
                 (struct session_desc){.more = parts, .n_more = 1, .queues = 2, .shares = shares},
                 "a part beside the whole");
    session_close(&one);
    umb_net_destroy(net);
    close_parts(parts, n);
}

/* Statistics and draws are a device's own, so only the bits over queues can be compared. */
static void a_shared_batch_gives_the_same_bits(void **state)
{
    (void)state;
    static const int64_t shares[] = {3, 2, 1};
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session_desc desc = {.batch = 6, .more = more, .n_more = N_MORE, .shares = shares};
    struct session one = open_with(net, &desc);
    train(&one);
    desc.queues = 4;
    struct session other = open_with(net, &desc);
    train(&other);
    assert_same_checkpoints(&one, &other, "1 and 4 queues");
    session_close(&other);
    session_close(&one);
    umb_net_destroy(net);
}

/* By which another plan of the trainer's is told what this one was. */
static void inputs_have_names_of_their_own(void **state)
{
    (void)state;
    static const int64_t shares[] = {3, 2, 1};
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session s = open_with(
        net, &(struct session_desc){.batch = 6, .more = more, .n_more = N_MORE, .shares = shares});
    const struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
    int n_rows = 0;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].kind != UMB_VALUE_INPUT) { continue; }
        n_rows += g->value[v].ambient && v != g->random_value;
        if (umb__graph_find_value(g, g->value[v].name) != v) {
            fail_msg("two inputs are called %s", g->value[v].name);
        }
    }
    assert_int_equal(n_rows, 1 + N_MORE);
    session_close(&s);
    umb_net_destroy(net);
}

/* Rows that are not real count nothing, in whatever part they lie. */
static void a_partial_batch_is_shared(void **state)
{
    (void)state;
    static const int64_t shares[] = {3, 2, 1};
    struct umb_net *net = test_net_mnist_fashion(world.ctx);
    for (int64_t rows = 1; rows <= 5; rows += 2) {
        struct session one = open_with(net, &(struct session_desc){.batch = 6});
        struct session_desc desc = {.batch = 6, .more = more, .n_more = N_MORE, .shares = shares};
        struct session many = open_with(net, &desc);
        struct session *both[] = {&one, &many};
        for (int i = 0; i < 2; i++) {
            session_fill(both[i], 0);
            both[i]->batch[0].n = rows;
            session_step(both[i], 0.05);
        }
        assert_alike(&one, &many, ALIKE, "a partial batch");
        session_close(&many);
        session_close(&one);
    }
    umb_net_destroy(net);
}

/* A run that is resumed takes its checkpoint's shares, whatever was measured now, and whoever kept
 * parameters and statistics by that. */
static void resume(struct umb_net *net)
{
    static const int64_t before[] = {3, 2, 1}, now[] = {0, 2, 4};
    struct session_desc desc = {.batch = 6, .more = more, .n_more = N_MORE, .shares = before};
    struct session one = open_with(net, &desc);
    train(&one);
    struct umb_safetensors *file = session_collect(&one);
    desc.shares = now;
    struct session other = open_with(net, &desc);
    train(&other);
    must(umb_trainer_evaluate(other.tr, other.batch, other.labels)); /* where it keeps parameters */
    must(umb__trainer_restore(other.tr, file, "a checkpoint"));
    assert_memory_equal(other.tr->share, one.tr->share, sizeof one.tr->share);
    train(&one);
    train(&other);
    assert_same_checkpoints(&one, &other, "a resumed run");
    assert_alike_evaluated(&one, &other, "a resumed run");
    umb__safetensors_destroy(file);
    session_close(&other);
    session_close(&one);
    umb_net_destroy(net);
}

static void a_resumed_run_has_its_shares(void **state)
{
    (void)state;
    resume(test_net_mnist_fashion(world.ctx));
    resume(test_net_two_residual(world.ctx)); /* with statistics */
}

static void shares_are_divided(void **state)
{
    (void)state;
    int64_t s[4];
    char text[UMB_SHARES_TEXT];
    umb__shares_even(66, 4, s);
    assert_string_equal(umb__shares_text(s, 4, text), "17,17,16,16");
    umb__shares_by_time(64, 3, (const uint64_t[]){100, 300, 100}, s);
    assert_string_equal(umb__shares_text(s, 3, text), "28,9,27");
    umb__shares_by_time(64, 2, (const uint64_t[]){0, 1000000000}, s);
    assert_int_equal(s[0] + s[1], 64);
    assert_true(umb__shares_parse("40,24", 64, 2, s) && s[0] == 40 && s[1] == 24);
    static const char *const wrong[] = {
        "40",  "40,24,0", "41,24", "-1,65", "40,",
        ",64", "",        "4x,24", "40;24", "99999999999999999999999999,1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(umb__shares_parse(wrong[i], 64, 2, s));
    }
}

static void expect_refusal(struct umb_net *net, const struct umb_trainer_desc *other,
                           const char *piece)
{
    struct umb_trainer_desc desc = *other;
    struct umb_trainer *tr = NULL;
    desc.device = world.device;
    desc.net = net;
    desc.batch = 6;
    desc.optimizer = "sgd";
    assert_int_equal(umb_trainer_create(world.ctx, &desc, &tr), UMB_ERR_INVALID);
    if (!strstr(umb_context_error(world.ctx), piece)) {
        fail_msg("%s", umb_context_error(world.ctx));
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const int64_t few[] = {3, 2, 0}, negative[] = {7, -1, 0};
    struct umb_net *net = test_net_two_streams(world.ctx);
    net->layer[1].device = 2;
    expect_refusal(net, &(struct umb_trainer_desc){0}, "names device 2; the trainer has 1");
    expect_refusal(net, &(struct umb_trainer_desc){.n_more = -1}, "expected 0 to 7");
    expect_refusal(net, &(struct umb_trainer_desc){.more = more, .n_more = N_MORE, .shares = few},
                   "shares of 5 rows; expected the batch's 6");
    expect_refusal(net,
                   &(struct umb_trainer_desc){.more = more, .n_more = N_MORE, .shares = negative},
                   "device 1 has -1 rows");
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_two_streams_are_anywhere),
        cmocka_unit_test(layers_of_four_heads_are_anywhere),
        cmocka_unit_test(copies_of_gpus_are_beside_their_kernels),
        cmocka_unit_test(residual_layers_are_anywhere),
        cmocka_unit_test(one_norm_clips_the_gradients_of_all_devices),
        cmocka_unit_test(large_parameters_are_updated_where_they_are),
        cmocka_unit_test(a_batch_is_shared),
        cmocka_unit_test(parts_do_what_the_whole_does),
        cmocka_unit_test(a_part_works_beside_the_whole),
        cmocka_unit_test(a_shared_batch_gives_the_same_bits),
        cmocka_unit_test(inputs_have_names_of_their_own),
        cmocka_unit_test(a_partial_batch_is_shared),
        cmocka_unit_test(a_resumed_run_has_its_shares),
        cmocka_unit_test(shares_are_divided),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

/*
 * Parts of a network that are frozen: their bits stay and the others' change; what leads only to
 * them costs nothing; frozen statistics are those of inference; what is unfrozen goes on as if it
 * had been taken from a file; a training that stops in any phase goes on with the same bits.
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

#include "nets.h"
#include "plan.h"
#include "session.h"
#include "several.h"
#include "system.h"

static const struct umb_frozen trunk[] = {{"trunk.*", false}},
                               trunk_running[] = {{"trunk.*", true}},
                               first_layer[] = {{"conv1.*", false}};

static struct session open_session(const struct umb_net *net, const char *optimizer,
                                   const char *attrs, double clip,
                                   const struct umb_trainer_desc *parts)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 6,
                                      .optimizer = optimizer,
                                      .attrs = attrs,
                                      .clip_norm = clip,
                                      .queues = 2,
                                      .seed = 4,
                                      .parts = parts};
    return session_open(world.ctx, &desc);
}

static bool same_tensor(const struct umb_safetensors *a, const struct umb_safetensors *b,
                        const char *name)
{
    const struct umb_safetensors_entry *x = umb__safetensors_find(a, name),
                                       *y = umb__safetensors_find(b, name);
    if (!x || !y) { fail_msg("%s is not in both", name); }
    return memcmp(x->data, y->data, (size_t)umb__shape_count(&x->shape) * sizeof(float)) == 0;
}

static void expect_tensors(const struct umb_safetensors *a, const struct umb_safetensors *b,
                           const char *const *names, bool same)
{
    for (; *names; names++) {
        if (same_tensor(a, b, *names) != same) {
            fail_msg("%s %s", *names, same ? "changed" : "is as it was");
        }
    }
}

static const char
    *const trunk_parameters[] = {"conv1.weight",     "conv1.bias",   "batch_norm1.weight",
                                 "batch_norm1.bias", "conv2.weight", "conv2.bias",
                                 "dense1.weight",    "dense1.bias",  NULL},
           *const statistics[] = {"batch_norm1.running_mean", "batch_norm1.running_var", NULL},
           *const heads[] = {"kind.dense1.weight", "kind.dense1.bias", "place.dense1.weight",
                             "place.dense1.bias", NULL};

/* ---- bits ---- */

struct way {
    const char *optimizer, *attrs;
    double clip;
};

static void frozen_bits_stay(void **state)
{
    static const struct way ways[] = {{"sgd", "momentum=0.9 weight_decay=0.1", 0},
                                      {"adam", NULL, 0.3},
                                      {"adamw", "weight_decay=0.1", 0}};
    struct umb_net *net = test_net_named(world.ctx);
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof ways / sizeof *ways); i++) {
        const struct way *w = &ways[i / 2];
        const bool running = i % 2;
        const struct umb_trainer_desc parts = {.frozen = running ? trunk_running : trunk,
                                               .n_frozen = 1};
        struct session s = open_session(net, w->optimizer, w->attrs, w->clip, &parts);
        struct umb_safetensors *before = session_collect(&s);
        session_train(&s, 0, 3);
        struct umb_safetensors *after = session_collect(&s);
        expect_tensors(before, after, trunk_parameters, true);
        expect_tensors(before, after, statistics, !running);
        expect_tensors(before, after, heads, false);
        umb__safetensors_destroy(before);
        umb__safetensors_destroy(after);
        session_close(&s);
    }
    umb_net_destroy(net);
}

/* A frozen layer at the bottom takes nothing from the gradients above it. */
static void what_is_not_frozen_trains_as_before(void **state)
{
    static const char *const others[] = {"conv2.weight", "dense1.weight", "kind.dense1.weight",
                                         NULL};
    const struct umb_trainer_desc parts = {.frozen = first_layer, .n_frozen = 1};
    struct umb_net *net = test_net_named(world.ctx);
    struct session a = open_session(net, "sgd", NULL, 0, NULL),
                   b = open_session(net, "sgd", NULL, 0, &parts);
    (void)state;
    session_train(&a, 0, 1);
    session_train(&b, 0, 1);
    struct umb_safetensors *x = session_collect(&a), *y = session_collect(&b);
    expect_tensors(x, y, others, true);
    expect_tensors(x, y, (const char *const[]){"conv1.weight", NULL}, false);
    umb__safetensors_destroy(x);
    umb__safetensors_destroy(y);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

/* ---- cost ---- */

static int nodes_of(const struct session *s, const char *prefix, enum umb_phase phase)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *node = &g->node[i];
        n += node->phase == phase && strncmp(node->name, prefix, strlen(prefix)) == 0;
    }
    return n;
}

static double flops_of(const struct session *s)
{
    const struct umb_plan *p = umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN);
    double sum = 0;
    for (size_t i = 0; i < umb__plan_n_steps(p); i++) {
        sum += umb__plan_step(p, i).flops;
    }
    return sum;
}

static void what_leads_only_to_frozen_ones_is_left_out(void **state)
{
    static const char *const layers[] = {"conv1", "batch_norm1", "max_pool1", "conv2", "dense1"};
    const struct umb_trainer_desc all = {.frozen = trunk, .n_frozen = 1},
                                  one = {.frozen = first_layer, .n_frozen = 1};
    struct umb_net *net = test_net_named(world.ctx);
    struct session none = open_session(net, "adam", NULL, 0, NULL),
                   some = open_session(net, "adam", NULL, 0, &one),
                   most = open_session(net, "adam", NULL, 0, &all);
    (void)state;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        assert_int_equal(nodes_of(&most, layers[i], UMB_PHASE_BACKWARD), 0);
        assert_true(nodes_of(&none, layers[i], UMB_PHASE_BACKWARD) > 0);
    }
    assert_int_equal(nodes_of(&some, "conv1", UMB_PHASE_BACKWARD), 0);
    assert_true(nodes_of(&some, "conv2", UMB_PHASE_BACKWARD) > 0);
    assert_true(nodes_of(&most, "kind.dense1", UMB_PHASE_BACKWARD) > 0);
    print_message("# flops of a step: %.0f, conv1 frozen %.0f, trunk frozen %.0f\n",
                  flops_of(&none), flops_of(&some), flops_of(&most));
    assert_true(flops_of(&most) < 0.5 * flops_of(&none));
    assert_true(flops_of(&some) < flops_of(&none));
    session_close(&none);
    session_close(&some);
    session_close(&most);
    umb_net_destroy(net);
}

/* ---- statistics ---- */

/* With the trunk at rest, a training step's losses are those that evaluation finds. */
static void frozen_statistics_are_inferences(void **state)
{
    const struct umb_trainer_desc fixed = {.frozen = trunk, .n_frozen = 1},
                                  running = {.frozen = trunk_running, .n_frozen = 1};
    struct umb_net *net = test_net_named(world.ctx);
    struct session a = open_session(net, "sgd", NULL, 0, &fixed),
                   b = open_session(net, "sgd", NULL, 0, &running);
    struct umb_task_result results[2];
    (void)state;
    session_fill(&a, 0);
    must(umb_trainer_evaluate(a.tr, a.batch, a.labels));
    must(umb_trainer_results(a.tr, results));
    session_step(&a, 0.01);
    session_fill(&b, 0);
    session_step(&b, 0.01);
    for (int t = 0; t < 2; t++) {
        assert_true(fabs(a.losses[t] - results[t].loss) < 1e-5 * (1 + results[t].loss));
        assert_true(fabs(b.losses[t] - results[t].loss) > 1e-3 * results[t].loss);
    }
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

/* ---- phases ---- */

static void temporary(char path[64])
{
    snprintf(path, 64, "/tmp/umbel-freeze-%ld.safetensors", (long)getpid());
}

/* Frozen for 3 steps, then free: as a second training that begins with the first one's file. */
static void unfreezing_is_beginning_anew_from_a_file(void **state)
{
    const struct umb_trainer_desc parts = {.frozen = trunk, .n_frozen = 1, .refreezes = true},
                                  frozen = {.frozen = trunk, .n_frozen = 1};
    char path[64];
    struct umb_net *net = test_net_named(world.ctx);
    struct session a = open_session(net, "sgd", NULL, 0, &parts),
                   b = open_session(net, "sgd", NULL, 0, &frozen),
                   c = open_session(net, "sgd", NULL, 0, NULL);
    (void)state;
    temporary(path);
    session_train(&a, 0, 3);
    must(umb_trainer_freeze(a.tr, NULL, 0));
    session_train(&a, 3, 3);
    session_train(&b, 0, 3);
    must(umb_trainer_save(b.tr, path));
    must(umb_trainer_init_from(c.tr, &(struct umb_init_desc){.path = path, .strict = true}));
    session_train(&c, 3, 3);
    assert_same_checkpoints(&a, &c, "unfrozen, and begun anew");
    unlink(path);
    session_close(&a);
    session_close(&b);
    session_close(&c);
    umb_net_destroy(net);
}

/* Adam's first step moves every number by the rate: a late beginner's too. */
static void corrections_go_by_a_parameters_own_updates(void **state)
{
    const struct umb_trainer_desc parts = {.frozen = trunk, .n_frozen = 1, .refreezes = true};
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, "adam", NULL, 0, &parts);
    double most = 0;
    (void)state;
    session_train(&s, 0, 5);
    must(umb_trainer_freeze(s.tr, NULL, 0));
    struct umb_safetensors *x = session_collect(&s);
    session_fill(&s, 5);
    session_step(&s, 0.01);
    struct umb_safetensors *y = session_collect(&s);
    const struct umb_safetensors_entry *a = umb__safetensors_find(x, "conv2.weight"),
                                       *b = umb__safetensors_find(y, "conv2.weight");
    for (int64_t i = 0; i < umb__shape_count(&a->shape); i++) {
        const double d =
            fabs((double)((const float *)a->data)[i] - (double)((const float *)b->data)[i]);
        most = d > most ? d : most;
    }
    if (!(most > 0.0099 && most < 0.010001)) { fail_msg("moved by %g, not by 0.01", most); }
    umb__safetensors_destroy(x);
    umb__safetensors_destroy(y);
    session_close(&s);
    umb_net_destroy(net);
}

/* Phases of 2 steps: trunk frozen, conv1 frozen, nothing, trunk again with its statistics going on.
 */
static void steps(struct session *s, int first, int last)
{
    for (int i = first; i < last; i++) {
        const int n = i / 2 == 2 ? 0 : 1;
        const struct umb_frozen *now = i / 2 == 0   ? trunk
                                       : i / 2 == 1 ? first_layer
                                                    : trunk_running;
        must(umb_trainer_freeze(s->tr, now, n));
        session_train(s, i, 1);
    }
}

static void a_stop_in_any_phase_leaves_no_trace(void **state)
{
    static const struct way ways[] = {{"adam", "weight_decay=0.01", 0.5},
                                      {"sgd", "momentum=0.9 nesterov=true", 0}};
    const struct umb_trainer_desc parts = {.frozen = trunk, .n_frozen = 1, .refreezes = true};
    char path[64];
    struct umb_net *net = test_net_named(world.ctx);
    (void)state;
    temporary(path);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct session whole =
            open_session(net, ways[w].optimizer, ways[w].attrs, ways[w].clip, &parts);
        steps(&whole, 0, 8);
        for (int stop = 1; stop < 8; stop++) {
            char what[32];
            struct session a = open_session(net, ways[w].optimizer, ways[w].attrs, ways[w].clip,
                                            &parts),
                           b = open_session(net, ways[w].optimizer, ways[w].attrs, ways[w].clip,
                                            &parts);
            steps(&a, 0, stop);
            must(umb_trainer_save(a.tr, path));
            must(umb_trainer_load(b.tr, path));
            steps(&b, stop, 8);
            snprintf(what, sizeof what, "stopped at step %d", stop);
            assert_same_checkpoints(&whole, &b, what);
            session_close(&a);
            session_close(&b);
        }
        session_close(&whole);
    }
    unlink(path);
    umb_net_destroy(net);
}

/* ---- several devices ---- */

static struct session open_several(const struct umb_net *net, const int64_t *shares,
                                   const struct umb_trainer_desc *parts)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 6,
                                      .clip_norm = 0.5,
                                      .seed = 4,
                                      .more = more,
                                      .n_more = N_MORE,
                                      .shares = shares,
                                      .parts = parts};
    return session_open(world.ctx, &desc);
}

/* Of a batch that devices share, each keeps statistics of its own. */
static void devices_that_share_batches_freeze_too(void **state)
{
    static const int64_t shares[] = {3, 2, 1};
    const struct umb_trainer_desc running = {.frozen = trunk_running, .n_frozen = 1};
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_several(net, shares, &running);
    struct umb_trainer *refused = NULL;
    const struct umb_trainer_desc fixed = {.device = world.device,
                                           .net = net,
                                           .batch = 6,
                                           .optimizer = "adam",
                                           .more = more,
                                           .n_more = N_MORE,
                                           .shares = shares,
                                           .frozen = trunk,
                                           .n_frozen = 1};
    (void)state;
    struct umb_safetensors *before = session_collect(&s);
    session_train(&s, 0, 2);
    struct umb_safetensors *after = session_collect(&s);
    expect_tensors(before, after, trunk_parameters, true);
    expect_tensors(before, after, heads, false);
    assert_int_equal(umb_trainer_create(world.ctx, &fixed, &refused), UMB_ERR_UNSUPPORTED);
    assert_non_null(strstr(umb_context_error(world.ctx), "batch_norm1: statistics cannot be"));
    umb__safetensors_destroy(before);
    umb__safetensors_destroy(after);
    session_close(&s);
    umb_net_destroy(net);
}

/* Layers here and there, with phases: stopped in one and taken up again. */
static void devices_with_layers_of_their_own_have_phases(void **state)
{
    const struct umb_part rate[] = {{"dense1.*", 0.5, -1}};
    const struct umb_trainer_desc parts = {
        .frozen = trunk, .n_frozen = 1, .refreezes = true, .parts = rate, .n_parts = 1};
    char path[64];
    struct umb_net *net = test_net_named(world.ctx);
    (void)state;
    temporary(path);
    several_put(net, 3, 1 + N_MORE);
    struct session a = open_several(net, NULL, &parts), b = open_several(net, NULL, &parts);
    steps(&a, 0, 3);
    must(umb_trainer_save(a.tr, path));
    steps(&a, 3, 8);
    must(umb_trainer_load(b.tr, path));
    steps(&b, 3, 8);
    assert_same_checkpoints(&a, &b, "on three devices");
    unlink(path);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

/* ---- refusals ---- */

static void expect(enum umb_status st, const char *part)
{
    assert_int_equal(st, UMB_ERR_INVALID);
    if (!strstr(umb_context_error(world.ctx), part)) {
        fail_msg("'%s' says nothing of '%s'", umb_context_error(world.ctx), part);
    }
}

/* Puts `to` in place of `from`, of the same length, in the file at path. */
static void patch(const char *path, const char *from, const char *to)
{
    char *data = NULL;
    size_t size = 0, n = strlen(from), at = 0;
    must(umb__file_read(world.ctx, path, 1 << 24, &data, &size));
    while (at + n <= size && memcmp(data + at, from, n) != 0) {
        at++;
    }
    assert_true(at + n <= size && strlen(to) == n);
    memcpy(data + at, to, n);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, size, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    umb__free(data);
}

static void lying_checkpoints_are_refused(void **state)
{
    static const char *const lies[][3] = {
        {"\"umbel.frozen\":\"conv1.*", "\"umbel.frozen\":\"*      ", "freezes every parameter"},
        {"conv1.weight=0", "conv1.weight=9", "has the line 'conv1.weight=9'"},
        {"conv1.weight=0", "conv9.weight=0", "has the line 'conv9.weight=0'"},
        {"conv1.weight=0", "conv1.weight 0", "has the line 'conv1.weight 0'"}};
    const struct umb_trainer_desc parts = {.frozen = first_layer, .n_frozen = 1, .refreezes = true};
    char path[64];
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, "sgd", NULL, 0, &parts);
    (void)state;
    temporary(path);
    session_train(&s, 0, 2);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        must(umb_trainer_save(s.tr, path));
        patch(path, lies[i][0], lies[i][1]);
        assert_int_equal(umb_trainer_load(s.tr, path), UMB_ERR_FORMAT);
        if (!strstr(umb_context_error(world.ctx), lies[i][2])) {
            fail_msg("'%s' says nothing of '%s'", umb_context_error(world.ctx), lies[i][2]);
        }
    }
    session_train(&s, 2, 1);
    unlink(path);
    session_close(&s);
    umb_net_destroy(net);
}

static void wrong_ones_are_refused(void **state)
{
    static const struct umb_frozen nothing[] = {{"conf1.*", false}}, everything[] = {{"*", false}},
                                   blank[] = {{"conv1 .*", false}};
    const struct umb_trainer_desc parts = {.frozen = first_layer, .n_frozen = 1, .refreezes = true};
    char path[64];
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, "sgd", NULL, 0, &parts),
                   plain = open_session(net, "sgd", NULL, 0, NULL);
    (void)state;
    temporary(path);
    expect(umb_trainer_freeze(s.tr, nothing, 1), "'conf1.*' fits no parameter");
    char stars[600];
    const struct umb_frozen longest = {.pattern = memset(stars, '*', sizeof stars)};
    memcpy(stars, "conv1.", 6);
    stars[sizeof stars - 1] = 0;
    expect(umb_trainer_freeze(s.tr, &longest, 1), "has 599 bytes; expected at most 511");
    expect(umb_trainer_freeze(s.tr, everything, 1), "every parameter is frozen");
    expect(umb_trainer_freeze(s.tr, blank, 1), "without blanks");
    expect(umb_trainer_freeze(plain.tr, first_layer, 1), "refreezes");
    must(umb_trainer_save(s.tr, path));
    expect(umb_trainer_load(plain.tr, path), "parameters were frozen in it");
    session_train(&plain, 0, 1);
    session_train(&s, 0, 1);
    unlink(path);
    session_close(&s);
    session_close(&plain);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_bits_stay),
        cmocka_unit_test(what_is_not_frozen_trains_as_before),
        cmocka_unit_test(what_leads_only_to_frozen_ones_is_left_out),
        cmocka_unit_test(frozen_statistics_are_inferences),
        cmocka_unit_test(unfreezing_is_beginning_anew_from_a_file),
        cmocka_unit_test(corrections_go_by_a_parameters_own_updates),
        cmocka_unit_test(a_stop_in_any_phase_leaves_no_trace),
        cmocka_unit_test(devices_that_share_batches_freeze_too),
        cmocka_unit_test(devices_with_layers_of_their_own_have_phases),
        cmocka_unit_test(lying_checkpoints_are_refused),
        cmocka_unit_test(wrong_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

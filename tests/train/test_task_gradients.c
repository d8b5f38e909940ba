/*
 * Tasks' gradients and features beside a trainer: Gram matrices of layers, losses, and losses
 * behind a step for one task, against the same net in double; and that looking changes nothing.
 */
#include "task_gradients.h"

#include "task_features.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "lab.h"
#include "nets.h"
#include "relate.h"
#include "session.h"
#include "world.h"

#define DRAW 5
#define SEED 3
#define RATE 0.05
#define MOST_TASKS 4
#define MOST_GRAMS 12

static double number(const void *data, enum umb_dtype dtype, int64_t i)
{
    if (dtype == UMB_U8) { return ((const uint8_t *)data)[i]; }
    return dtype == UMB_I32 ? ((const int32_t *)data)[i] : (double)((const float *)data)[i];
}

/* The trainer's parameters, and the batch in a slot of it. */
static void fill_lab(struct lab *lab, const struct session *s, int slot)
{
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    size_t n;
    float *params = session_buffer(s, "parameters", &n);
    for (int v = 0; v < lab->graph->n_values; v++) {
        const struct umb_value *value = &lab->graph->value[v];
        const int w = umb__graph_find_value(g, value->name);
        if (w < 0) { continue; }
        for (int64_t i = 0; i < lab_count(lab, v); i++) {
            if (value->kind == UMB_VALUE_PARAM) {
                const size_t at = g->value[w].base_offset / sizeof(float);
                lab->data[v][i] = (double)params[at + (size_t)i];
            } else if (value->kind == UMB_VALUE_INPUT) {
                const void *in = umb__plan_input(s->tr->side[UMB_TRAINER_TRAIN].plan, slot, w);
                lab->data[v][i] = number(in, value->type.dtype, i);
            }
        }
    }
    umb__free(params);
    if (lab->graph->random_value < 0) { return; }
    double *key = lab->data[lab->graph->random_value];
    key[0] = SEED;
    key[2] = DRAW;
    key[1] = key[3] = 0;
}

/* Times its weight. */
static double loss_of(const struct lab *lab, int t)
{
    return umb__net_task(lab->net, t)->weight * lab_loss(lab, t);
}

static bool is_shared(const struct lab *lab, int v)
{
    int n = 0;
    for (int t = 0; t < lab->n_tasks; t++) {
        n += lab->rows[t * lab->n_row + v] >= 0;
    }
    return lab->graph->value[v].kind == UMB_VALUE_PARAM && n > 1;
}

/* Whether the parameter is that layer's; NULL: any is. */
static bool is_of(const char *param, const char *layer)
{
    const size_t n = layer ? strlen(layer) : 0;
    return !layer ||
           (strncmp(param, layer, n) == 0 && param[n] == '.' && !strchr(param + n + 1, '.'));
}

static double product(const struct lab *lab, const char *layer, int s, int t)
{
    double sum = 0;
    for (int v = 0; v < lab->n_row; v++) {
        const int a = lab->rows[s * lab->n_row + v], b = lab->rows[t * lab->n_row + v];
        if (!is_shared(lab, v) || !is_of(lab->graph->value[v].name, layer)) { continue; }
        for (int64_t i = 0; a >= 0 && b >= 0 && i < lab_count(lab, v); i++) {
            sum += lab->data[a][i] * lab->data[b][i];
        }
    }
    return sum;
}

static void assert_near(const char *what, int i, int j, double got, double expected, double size)
{
    if (fabs(got - expected) <= 2e-5 * size + 1e-9) { return; }
    fail_msg("%s (%d, %d): %.9g, expected %.9g", what, i, j, got, expected);
}

static void check_gram(const struct lab *lab, const char *layer, const double *gram)
{
    const int T = lab->n_tasks;
    for (int i = 0; i < T * T; i++) {
        const int s = i / T, t = i % T;
        const double size = sqrt(product(lab, layer, s, s)) * sqrt(product(lab, layer, t, t));
        assert_near(layer ? layer : "all", s, t, gram[i], product(lab, layer, s, t), size);
    }
}

/* Moves what is shared along the row of task t; by −rate back again. */
static void step(struct lab *lab, int t, double **row, double rate)
{
    for (int v = 0; v < lab->n_row; v++) {
        if (!is_shared(lab, v) || lab->rows[t * lab->n_row + v] < 0) { continue; }
        for (int64_t i = 0; i < lab_count(lab, v); i++) {
            lab->data[v][i] -= rate * row[v][i];
        }
    }
}

static void check_after(struct lab *lab, const double *after)
{
    double **row = umb__calloc(lab->ctx, (size_t)lab->n_row, sizeof *row);
    for (int t = 0; t < lab->n_tasks; t++) {
        (void)lab_evaluate(lab);
        for (int v = 0; v < lab->n_row; v++) {
            const int d = lab->rows[t * lab->n_row + v];
            if (!is_shared(lab, v) || d < 0) { continue; }
            row[v] = umb__calloc(lab->ctx, (size_t)lab_count(lab, v), sizeof **row);
            memcpy(row[v], lab->data[d], (size_t)lab_count(lab, v) * sizeof **row);
        }
        step(lab, t, row, RATE);
        (void)lab_evaluate(lab);
        for (int j = 0; j < lab->n_tasks; j++) {
            assert_near("after", t, j, after[t * lab->n_tasks + j], loss_of(lab, j),
                        fabs(loss_of(lab, j)));
        }
        step(lab, t, row, -RATE);
        for (int v = 0; v < lab->n_row; v++) {
            umb__free(row[v]);
            row[v] = NULL;
        }
    }
    umb__free(row);
}

typedef struct umb_net *(*build_fn)(struct umb_context *ctx);

static struct session open_session(const struct umb_net *net)
{
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = 6, .optimizer = "sgd", .seed = SEED};
    return session_open(world.ctx, &desc);
}

static void agree_with_doubles(build_fn build)
{
    double gram[MOST_GRAMS][MOST_TASKS * MOST_TASKS], loss[MOST_TASKS];
    double after[MOST_TASKS * MOST_TASKS], *grams = gram[0];
    struct umb_net *net = build(world.ctx);
    struct session s = open_session(net);
    struct umb_task_gradients *d = NULL;
    const int T = umb_net_n_tasks(net);
    session_train(&s, 0, 3);
    session_fill(&s, 3);
    session_fill_slot(&s, 0);
    must(umb__task_gradients_create(s.tr, &d));
    const int n = umb__task_gradients_n_layers(d);
    assert_in_range(n, 1, MOST_GRAMS - 1);
    must(umb__task_gradients_follow(d));
    must(umb__task_gradients_look(d, 0, DRAW, grams, loss));
    must(umb__task_gradients_after(d, RATE, after));
    struct lab lab = lab_open_rows(world.ctx, net, 6, 1, 0);
    fill_lab(&lab, &s, 0);
    (void)lab_evaluate(&lab);
    check_gram(&lab, NULL, grams);
    for (int k = 0; k < n; k++) {
        check_gram(&lab, umb__task_gradients_layer(d, k), grams + (1 + k) * T * T);
    }
    for (int t = 0; t < T; t++) {
        assert_near("loss", t, t, loss[t], loss_of(&lab, t), fabs(loss_of(&lab, t)));
    }
    check_after(&lab, after);
    lab_close(&lab);
    umb__task_gradients_destroy(d);
    session_close(&s);
    umb_net_destroy(net);
}

static void two_streams(void **state)
{
    (void)state;
    agree_with_doubles(test_net_two_streams);
}

static void one_stream_four_tasks(void **state)
{
    (void)state;
    agree_with_doubles(test_net_mixed);
}

/* A trainer that was looked at goes on like one that was not; and the same look, the same bits. */
static void looking_changes_nothing(void **state)
{
    (void)state;
    double first[MOST_GRAMS * 16], again[MOST_GRAMS * 16], loss[MOST_TASKS], after[16];
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session a = open_session(net), b = open_session(net);
    struct umb_task_gradients *d = NULL;
    session_train(&a, 0, 2);
    session_train(&b, 0, 2);
    must(umb__task_gradients_create(a.tr, &d));
    session_fill(&a, 9);
    session_fill_slot(&a, 1);
    const size_t n = (size_t)(1 + umb__task_gradients_n_layers(d)) * 16;
    must(umb__task_gradients_follow(d));
    must(umb__task_gradients_look(d, 1, DRAW, first, loss));
    must(umb__task_gradients_after(d, 0.5, after));
    must(umb__task_gradients_look(d, 1, DRAW, again, loss));
    assert_memory_equal(first, again, n * sizeof *first);
    session_train(&a, 2, 2);
    session_train(&b, 2, 2);
    assert_same_checkpoints(&a, &b, "looked at");
    must(umb__task_gradients_follow(d));
    must(umb__task_gradients_look(d, 1, DRAW, again, loss));
    assert_memory_not_equal(first, again, n * sizeof *first);
    umb__task_gradients_destroy(d);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

/* A task without labels in the batch has no loss and a gradient of zero. */
static void no_label_no_gradient(void **state)
{
    (void)state;
    double gram[MOST_GRAMS * 16], loss[MOST_TASKS], after[16];
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session s = open_session(net);
    struct umb_task_gradients *d = NULL;
    session_fill(&s, 0);
    memset(s.mask_of[2], 0, 6 * sizeof(float));
    session_fill_slot(&s, 0);
    must(umb__task_gradients_create(s.tr, &d));
    must(umb__task_gradients_follow(d));
    must(umb__task_gradients_look(d, 0, DRAW, gram, loss));
    must(umb__task_gradients_after(d, RATE, after));
    for (int t = 0; t < 4; t++) {
        assert_true(gram[2 * 4 + t] == 0 && gram[t * 4 + 2] == 0);
        assert_int_equal(isnan(loss[t]), t == 2);
        assert_true(t == 2 || after[2 * 4 + t] == loss[t]);
        assert_int_equal(isnan(after[t * 4 + 2]), 1);
    }
    umb__task_gradients_destroy(d);
    session_close(&s);
    umb_net_destroy(net);
}

/* Two tasks side by side on layers of their own. */
static void nothing_shared_is_refused(void **state)
{
    (void)state;
    struct umb_net *net = test_net(world.ctx);
    struct umb_task_gradients *d = NULL;
    const int in = test_stream(world.ctx, net, "a", 4, 4, 1);
    for (int t = 0; t < 2; t++) {
        const int h = test_layer(world.ctx, net, "flatten", NULL, in);
        test_task(world.ctx, net, t ? "x" : "y", test_layer(world.ctx, net, "dense", "units=2", h),
                  "cross_entropy", 1);
    }
    struct session s = open_session(net);
    assert_int_equal(umb__task_gradients_create(s.tr, &d), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "share no parameter"));
    assert_null(d);
    session_close(&s);
    umb_net_destroy(net);
}

/* Three tasks on one stream, the last two on one value; and one on a stream of its own. a and b get
 * what the first two read. */
static struct umb_net *with_features(struct umb_context *ctx, int *a, int *b)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "one", 6, 6, 2);
    const int other = test_layer(ctx, net, "flatten", NULL, test_stream(ctx, net, "two", 3, 3, 1));
    h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=relu", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    h = test_layer(ctx, net, "dropout", "rate=0.5", h);
    *a = test_layer(ctx, net, "dense", "units=5 activation=relu", h);
    *b = test_layer(ctx, net, "dense", "units=7 activation=tanh", h);
    test_task(ctx, net, "a", test_layer(ctx, net, "dense", "units=3", *a), "cross_entropy", 1);
    test_task(ctx, net, "b", test_layer(ctx, net, "dense", "units=2", *b), "mse", 1);
    test_task(ctx, net, "c", test_layer(ctx, net, "dense", "units=2 activation=tanh", *b), "mse",
              1);
    test_task(ctx, net, "d", test_layer(ctx, net, "dense", "units=2", other), "mse", 1);
    return net;
}

/* [n,d] of a value, as floats. */
static float *floats_of(const struct lab *lab, int value, size_t *ret_d)
{
    const int64_t n = lab_count(lab, value);
    float *x = umb__calloc(lab->ctx, (size_t)n, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)lab->data[value][i];
    }
    *ret_d = (size_t)(n / lab->batch);
    return x;
}

/* As in evaluation, and of the first samples alone: a second batch finds no room. */
static void features_are_what_heads_read(void **state)
{
    (void)state;
    double cka[MOST_TASKS * MOST_TASKS], expected;
    size_t d_a, d_b;
    int a, b;
    struct umb_net *net = with_features(world.ctx, &a, &b);
    struct session s = open_session(net);
    struct umb_task_features *f = NULL;
    session_train(&s, 0, 3);
    session_fill(&s, 3);
    session_fill_slot(&s, 0);
    must(umb__task_features_create(s.tr, 6, NULL, &f));
    must(umb__task_features_follow(f));
    must(umb__task_features_look(f, 0));
    struct lab lab = lab_open(world.ctx, net, 6, false, 1);
    fill_lab(&lab, &s, 0);
    session_fill(&s, 4);
    session_fill_slot(&s, 0);
    must(umb__task_features_look(f, 0));
    must(umb__task_features_cka(f, cka));
    (void)lab_evaluate(&lab);
    float *x = floats_of(&lab, lab.values.value[a], &d_a),
          *y = floats_of(&lab, lab.values.value[b], &d_b);
    must(umb__relate_cka(world.ctx, 6, d_a, x, d_b, y, true, &expected));
    assert_true(d_a == 5 && d_b == 7);
    assert_near("cka", 0, 1, cka[1], expected, 10);
    assert_near("cka", 0, 2, cka[2], expected, 10);
    assert_near("cka", 1, 2, cka[6], 1, 1);
    assert_true(isnan(cka[3]) && isnan(cka[13]) && cka[4] >= cka[1] && cka[4] <= cka[1]);
    umb__free(x);
    umb__free(y);
    lab_close(&lab);
    umb__task_features_destroy(f);
    session_close(&s);
    umb_net_destroy(net);
}

static enum umb_status look_once(struct umb_trainer *tr)
{
    double gram[MOST_GRAMS * 16], loss[MOST_TASKS], after[16];
    struct umb_task_gradients *d = NULL;
    enum umb_status st = umb__task_gradients_create(tr, &d);
    if (st == UMB_OK) { st = umb__task_gradients_follow(d); }
    if (st == UMB_OK) { st = umb__task_gradients_look(d, 0, DRAW, gram, loss); }
    if (st == UMB_OK) { st = umb__task_gradients_after(d, RATE, after); }
    umb__task_gradients_destroy(d);
    struct umb_task_features *f = NULL;
    if (st == UMB_OK) { st = umb__task_features_create(tr, 6, NULL, &f); }
    if (st == UMB_OK) { st = umb__task_features_follow(f); }
    if (st == UMB_OK) { st = umb__task_features_look(f, 0); }
    if (st == UMB_OK) { st = umb__task_features_cka(f, gram); }
    umb__task_features_destroy(f);
    return st;
}

/* Some of the allocations, one after another: a refusal, and nothing is left. */
static void without_memory_it_is_refused(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = open_session(net);
    session_fill(&s, 0);
    session_fill_slot(&s, 0);
    must(look_once(s.tr)); /* kernels are built and kept */
    const uint64_t live = umb__alloc_live();
    int failures = 0;
    enum umb_status st = UMB_ERR_NO_MEMORY;
    for (uint64_t k = 1; st != UMB_OK; k += 5, failures++) {
        umb__alloc_fail_at(k);
        st = look_once(s.tr);
        umb__alloc_fail_at(0);
        assert_true(st == UMB_OK || st == UMB_ERR_NO_MEMORY);
        if (umb__alloc_live() != live) { fail_msg("allocation %d leaves memory", (int)k); }
    }
    assert_true(failures > 20);
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(two_streams),
        cmocka_unit_test(one_stream_four_tasks),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(no_label_no_gradient),
        cmocka_unit_test(nothing_shared_is_refused),
        cmocka_unit_test(features_are_what_heads_read),
        cmocka_unit_test(without_memory_it_is_refused),
    };
    return cmocka_run_group_tests(cases, open_world, close_world);
}

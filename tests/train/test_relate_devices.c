/*
 * Tasks' gradients and features of a trainer on several devices: whoever has which rows of a batch,
 * and wherever layers and heads are, they are those of one device with the same parameters, within
 * rounding; and looking changes nothing.
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
#include "several.h"
#include "task_features.h"
#include "task_gradients.h"

enum { BATCH = 6, DRAW = 5, T = 4, MOST_GRAMS = 12 };
#define RATE 0.05
#define ALIKE 2e-5

struct way {
    const char *name;
    int64_t shares[1 + N_MORE]; /* all 0: not shared */
    uint32_t drawn;             /* a seed: every layer and task somewhere; 0: not drawn */
    int64_t rows;               /* of the batch */
};
static const struct way ways[] = {
    {"shares", {3, 2, 1}, 0, BATCH},
    {"shares, a short batch", {3, 2, 1}, 0, 4},
    {"no rows for the first", {0, 5, 1}, 0, 5},
    {"layers anywhere", {0}, 1, BATCH},
    {"layers elsewhere", {0}, 2, 3},
};

struct seen {
    double gram[MOST_GRAMS * T * T], loss[T], after[T * T], cka[T * T];
    int n_layers;
};

static struct session open_way(const struct umb_net *net, const struct way *w)
{
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = BATCH, .optimizer = "sgd", .seed = 3};
    if (w) {
        desc.more = more;
        desc.n_more = N_MORE;
        desc.shares = w->drawn ? NULL : w->shares;
    }
    return session_open(world.ctx, &desc);
}

static void look(struct session *s, const struct way *w, struct seen *ret)
{
    struct umb_task_gradients *d = NULL;
    struct umb_task_features *f = NULL;
    session_fill(s, 3);
    for (int i = 0; i < s->tr->n_images; i++) {
        s->batch[i].n = w->rows;
    }
    session_fill_slot(s, 0);
    must(umb__task_gradients_create(s->tr, &d));
    must(umb__task_gradients_follow(d));
    must(umb__task_gradients_look(d, 0, DRAW, ret->gram, ret->loss));
    must(umb__task_gradients_after(d, RATE, ret->after));
    ret->n_layers = umb__task_gradients_n_layers(d);
    assert_in_range(ret->n_layers, 1, MOST_GRAMS - 1);
    umb__task_gradients_destroy(d);
    must(umb__task_features_create(s->tr, BATCH, NULL, &f));
    must(umb__task_features_follow(f));
    must(umb__task_features_look(f, 0));
    must(umb__task_features_cka(f, ret->cka));
    umb__task_features_destroy(f);
}

static void expect_close(double x, double y, double size, const char *way, const char *what)
{
    if (isnan(x) && isnan(y)) { return; }
    if (fabs(x - y) <= ALIKE * size + 1e-9) { return; }
    fail_msg("%s: %s is %.9g, on one device %.9g", way, what, y, x);
}

static void compare(const struct seen *one, const struct seen *many, const char *way)
{
    assert_int_equal(one->n_layers, many->n_layers);
    for (int k = 0; k <= one->n_layers; k++) {
        const double *x = one->gram + k * T * T, *y = many->gram + k * T * T;
        for (int i = 0; i < T * T; i++) {
            const double size = sqrt(x[i / T * (T + 1)]) * sqrt(x[i % T * (T + 1)]);
            expect_close(x[i], y[i], size, way, "a product");
        }
    }
    for (int i = 0; i < T * T; i++) {
        expect_close(one->loss[i % T], many->loss[i % T], fabs(one->loss[i % T]), way, "a loss");
        expect_close(one->after[i], many->after[i], fabs(one->after[i]), way, "a loss behind it");
        expect_close(one->cka[i], many->cka[i], 10, way, "features' likeness");
    }
}

static void as_on_one_device(void **state)
{
    const struct way *w = *state;
    static struct seen seen[2];
    struct umb_net *whole = test_net_mixed(world.ctx), *net = test_net_mixed(world.ctx);
    if (w->drawn) { several_put(net, w->drawn, 1 + N_MORE); }
    struct session one = open_way(whole, NULL), many = open_way(net, w);
    session_train(&many, 0, 2);
    struct umb_safetensors *file = session_collect(&many);
    must(umb__trainer_restore(one.tr, file, "the other's"));
    umb__safetensors_destroy(file);
    look(&one, w, &seen[0]);
    look(&many, w, &seen[1]);
    compare(&seen[0], &seen[1], w->name);
    session_close(&one);
    session_close(&many);
    umb_net_destroy(whole);
    umb_net_destroy(net);
}

static void looking_changes_nothing(void **state)
{
    const struct way *w = *state;
    static struct seen seen[2];
    struct umb_net *net = test_net_mixed(world.ctx);
    if (w->drawn) { several_put(net, w->drawn, 1 + N_MORE); }
    struct session a = open_way(net, w), b = open_way(net, w);
    session_train(&a, 0, 2);
    session_train(&b, 0, 2);
    look(&a, w, &seen[0]);
    look(&a, w, &seen[1]);
    assert_memory_equal(&seen[0], &seen[1], sizeof seen[0]);
    session_train(&a, 2, 2);
    session_train(&b, 2, 2);
    assert_same_checkpoints(&a, &b, w->name);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

int main(void)
{
    enum { N = sizeof ways / sizeof *ways };
    static char names[2 * N][80];
    struct CMUnitTest tests[2 * N];
    for (int i = 0; i < 2 * N; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s", ways[i / 2].name,
                 i % 2 ? "looking changes nothing" : "as on one device");
        tests[i] =
            (struct CMUnitTest){.name = names[i],
                                .test_func = i % 2 ? looking_changes_nothing : as_on_one_device,
                                .initial_state = (void *)(uintptr_t)&ways[i / 2]};
    }
    return _cmocka_run_group_tests("relate_devices", tests, 2 * N, open_devices, close_devices);
}

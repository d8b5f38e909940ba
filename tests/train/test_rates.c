/*
 * Learning rates of parts: a step by hand, factors of 1 that change no bit, and what is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "session.h"
#include "world.h"

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
                                      .seed = 4,
                                      .parts = parts};
    return session_open(world.ctx, &desc);
}

/* The trunk at half the rate; all biases without weight decay and at a fifth. The later one counts
 * for the trunk's biases. */
static const struct umb_part parts[] = {{"trunk.*", 0.5, -1}, {"*.bias", 0.2, 0}};

static void expected_of(const char *name, double *rate, double *decay)
{
    const size_t n = strlen(name);
    const bool bias = n > 5 && strcmp(name + n - 5, ".bias") == 0;
    const bool head = strncmp(name, "kind.", 5) == 0 || strncmp(name, "place.", 6) == 0;
    *rate = bias ? 0.2 : head ? 1 : 0.5;
    *decay = bias ? 0 : 0.1;
}

/* param − rate·factor·(scale·gradient + decay·param), in double, of one parameter. */
static void check_param(const struct umb_value *v, const float *before, const float *gradient,
                        const float *after, double scale)
{
    double factor, decay;
    expected_of(v->name, &factor, &decay);
    const size_t at = v->base_offset / sizeof(float);
    for (int64_t i = 0; i < umb__shape_count(&v->type.shape); i++) {
        const double p = (double)before[at + (size_t)i], g = (double)gradient[at + (size_t)i];
        const double expected = p - 0.03 * factor * (scale * g + decay * p);
        if (!(fabs((double)after[at + (size_t)i] - expected) <= 2e-7 * (1 + fabs(expected)))) {
            fail_msg("%s[%lld] is %.9g, expected %.9g", v->name, (long long)i,
                     (double)after[at + (size_t)i], expected);
        }
    }
}

static double scale_of(const float *gradient, size_t n, double clip)
{
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        norm += (double)gradient[i] * (double)gradient[i];
    }
    norm = sqrt(norm);
    assert_true(norm > 0.1);
    return clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1;
}

static void a_step_is_what_its_formula_says(void **state)
{
    const double clip = *(const double *)*state;
    const struct umb_trainer_desc rated = {.parts = parts, .n_parts = 2};
    struct umb_net *net = test_net_named(world.ctx);
    struct session plain = open_session(net, "sgd", "weight_decay=0.1", 0, NULL),
                   s = open_session(net, "sgd", "weight_decay=0.1", clip, &rated);
    size_t n;
    session_fill(&plain, 0);
    session_step(&plain, 0);
    float *before = session_buffer(&plain, "parameters", &n),
          *gradient = session_buffer(&plain, "gradients", &n);
    session_fill(&s, 0);
    session_step(&s, 0.03);
    float *after = session_buffer(&s, "parameters", &n);
    const struct umb_graph *g = umb__trainer_graph(s.tr, UMB_TRAINER_TRAIN);
    int checked = 0;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].kind != UMB_VALUE_PARAM || g->value[v].spec < 0) { continue; }
        check_param(&g->value[v], before, gradient, after, scale_of(gradient, n, clip));
        checked++;
    }
    assert_int_equal(checked, 12);
    umb__free(before);
    umb__free(gradient);
    umb__free(after);
    session_close(&plain);
    session_close(&s);
    umb_net_destroy(net);
}

/* Updates that the maker of a gradient does itself. */
static int count_fused(const struct session *s)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        n += g->node[i].feeds_update;
    }
    return n;
}

/* Ranges in place of one vector change nothing else: large parameters are still updated where their
 * gradients are made. */
static void factors_of_one_keep_every_bit(void **state)
{
    static const struct umb_part ones[] = {
        {"conv2.*", 1, -1}, {"kind.*", 1, -1}, {"*.bias", 1, -1}};
    static const char *const optimizers[] = {"sgd", "adam", "adamw"};
    const struct umb_trainer_desc rated = {.parts = ones, .n_parts = 3};
    struct umb_net *const nets[] = {test_net_named(world.ctx), test_net_large(world.ctx)};
    (void)state;
    for (size_t i = 0; i < 2 * 3; i++) {
        const struct umb_trainer_desc large = {.parts = ones + 2, .n_parts = 1};
        const char *optimizer = optimizers[i / 2], *attrs = i / 2 ? NULL : "momentum=0.9";
        struct session a = open_session(nets[i % 2], optimizer, attrs, 0, NULL),
                       b = open_session(nets[i % 2], optimizer, attrs, 0, i % 2 ? &large : &rated);
        session_train(&a, 0, 2);
        session_train(&b, 0, 2);
        assert_same_checkpoints(&a, &b, optimizer);
        assert_int_equal(count_fused(&a), count_fused(&b));
        assert_true((count_fused(&a) > 0) == (i % 2 == 1));
        session_close(&a);
        session_close(&b);
    }
    umb_net_destroy(nets[0]);
    umb_net_destroy(nets[1]);
}

static void refuse(const struct umb_net *net, struct umb_part part, const char *said)
{
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = 2,
                                          .optimizer = "sgd",
                                          .parts = &part,
                                          .n_parts = 1};
    assert_int_equal(umb_trainer_create(world.ctx, &desc, &tr), UMB_ERR_INVALID);
    if (!strstr(umb_context_error(world.ctx), said)) {
        fail_msg("'%s' says nothing of '%s'", umb_context_error(world.ctx), said);
    }
}

static void wrong_parts_are_refused(void **state)
{
    struct umb_net *net = test_net_named(world.ctx);
    (void)state;
    refuse(net, (struct umb_part){"conv9.*", 1, -1}, "'conv9.*' fits no parameter");
    refuse(net, (struct umb_part){"", 1, -1}, "expected a pattern");
    refuse(net, (struct umb_part){"conv1.*", 0, -1}, "expected a rate above 0");
    refuse(net, (struct umb_part){"conv1.*", NAN, -1}, "expected a rate above 0");
    refuse(net, (struct umb_part){"conv1.*", 1, NAN}, "a weight_decay to");
    refuse(net, (struct umb_part){"conv1.*", 1, 1e9}, "a weight_decay to");
    umb_net_destroy(net);
}

int main(void)
{
    static double unclipped = 0, clipped = 0.3;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_step_is_what_its_formula_says, &unclipped),
        cmocka_unit_test_prestate(a_step_is_what_its_formula_says, &clipped),
        cmocka_unit_test(factors_of_one_keep_every_bit),
        cmocka_unit_test(wrong_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}

/*
 * Soft sharing in training steps: what it adds to gradients, by a plain reference; that trunks meet
 * under a strong penalty; and MTRL's relations.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mtrl.h"
#include "soft_world.h"

#define RATE 0.125

/* ---- the reference ---- */

/* tr(W·B·Wᵀ)'s B by its definition. omega: of MTRL. */
static void matrix_of(const struct umb_soft_sharing *s, const double *omega, double *b)
{
    double inverse[T * T];
    if (s->every) { must(umb__mtrl_inverse(world.ctx, T, omega, inverse)); }
    memset(b, 0, T * T * sizeof *b);
    for (int i = 0; i < T; i++) {
        for (int j = 0; j < T; j++) {
            const double a = i == j ? 0 : s->alpha * (s->relations ? s->relations[i * T + j] : 1);
            for (int k = 0; k < s->n_combinations; k++) {
                b[i * T + j] += s->alpha * s->combinations[i * s->n_combinations + k] *
                                s->combinations[j * s->n_combinations + k];
            }
            if (s->every) {
                b[i * T + j] = s->lambda2 / 2 * inverse[i * T + j] + (i == j) * s->lambda1 / 2;
            } else if (!s->combinations) { /* the Laplacian: degrees, less the relations */
                b[i * T + i] += a;
                b[i * T + j] -= a;
            }
        }
    }
}

/* Adds rate·2·W·B to what the plain step left of parameter `name`, and its part of the penalty. */
static double apply(const struct session *s, const char *name, const double *b, const float *before,
                    double *expected)
{
    int64_t n = umb__shape_count(&soft_parameter(s, 0, name)->type.shape);
    size_t at[T];
    double penalty = 0;
    for (int t = 0; t < T; t++) {
        at[t] = soft_parameter(s, t, name)->base_offset / sizeof(float);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int t = 0; t < T; t++) {
            double sum = 0;
            for (int k = 0; k < T; k++) {
                sum += b[t * T + k] * (double)before[at[k] + (size_t)i];
            }
            penalty += sum * (double)before[at[t] + (size_t)i];
            expected[at[t] + (size_t)i] -= RATE * 2 * sum;
        }
    }
    return penalty;
}

/* A step of plain gradient descent with sharing, against one without and the reference. */
static void check_step(const struct umb_net *net, enum way way)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    const struct umb_soft_sharing soft = soft_sharing(way);
    struct session with = soft_open(net, "sgd", &soft), plain = soft_open(net, "sgd", NULL);
    double b[T * T], omega[T * T], penalty = 0;
    size_t n, m;
    float *before = session_buffer(&with, "parameters", &n);
    if (umb_trainer_relations(with.tr, omega) != (way == LEARNED)) { fail_msg("relations"); }
    matrix_of(&soft, omega, b);
    session_fill(&with, 0);
    session_fill(&plain, 0);
    session_step(&with, RATE);
    session_step(&plain, RATE);
    float *got = session_buffer(&with, "parameters", &m),
          *without = session_buffer(&plain, "parameters", &m);
    double *expected = calloc(n, sizeof *expected);
    assert_true(m == n && expected);
    for (size_t i = 0; i < n; i++) {
        expected[i] = (double)without[i];
    }
    for (int k = 0; k < (way == CONV ? 1 : 4); k++) {
        penalty += apply(&with, names[k], b, before, expected);
    }
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)got[i] - expected[i]) > 1e-6) {
            fail_msg("way %d, parameter %zu: %.9g, expected %.9g; %.9g without", (int)way, i,
                     (double)got[i], expected[i], (double)without[i]);
        }
    }
    assert_true(fabs(umb_trainer_penalty(with.tr) - penalty) <= 1e-5 * penalty);
    assert_true(penalty > 0 && umb_trainer_penalty(plain.tr) == 0);
    for (int t = 0; t < T; t++) {
        assert_true(with.losses[t] == plain.losses[t]); /* the penalty is none of them */
    }
    free(expected);
    umb__free(before);
    umb__free(got);
    umb__free(without);
    session_close(&with);
    session_close(&plain);
}

static void steps_follow_the_reference(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    for (int way = 0; way < N_WAYS; way++) {
        check_step(net, (enum way)way);
    }
    umb_net_destroy(net);
}

/* Whether the update of a.dense1.weight is fused into what makes its gradient. */
static bool is_fused(const struct session *s)
{
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        if (n->feeds_update && strncmp(n->name, "a.dense1", 8) == 0) { return true; }
    }
    return false;
}

/* A large parameter's update is fused into its gradient's maker, but not where it is shared: that
 * would leave the penalty out. */
static void fused_updates_do_not_pass_it_by(void **state)
{
    (void)state;
    struct umb_net *net = soft_large_net();
    const struct umb_soft_sharing all = soft_sharing(ALL), conv = soft_sharing(CONV);
    struct session plain = soft_open(net, "sgd", NULL), shared = soft_open(net, "sgd", &all),
                   partly = soft_open(net, "sgd", &conv);
    const bool can = is_fused(&plain);
    assert_false(is_fused(&shared));
    assert_true(is_fused(&partly) == can);
    print_message("# updates are %s here\n", can ? "fused" : "not fused");
    session_close(&plain);
    session_close(&shared);
    session_close(&partly);
    check_step(net, ALL);
    check_step(net, CONV);
    umb_net_destroy(net);
}

/* ---- what it does ---- */

/* Σ ‖w_a − w_t‖² over the trunks' parameters. */
static double distance(const struct session *s)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    double sum = 0;
    size_t n;
    float *p = session_buffer(s, "parameters", &n);
    for (int k = 0; k < 4; k++) {
        const struct umb_value *a = soft_parameter(s, 0, names[k]);
        for (int64_t i = 0; i < umb__shape_count(&a->type.shape); i++) {
            for (int t = 1; t < T; t++) {
                const double d =
                    (double)p[a->base_offset / 4 + (size_t)i] -
                    (double)p[soft_parameter(s, t, names[k])->base_offset / 4 + (size_t)i];
                sum += d * d;
            }
        }
    }
    umb__free(p);
    return sum;
}

static void a_strong_penalty_makes_trunks_one(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    double last = INFINITY, first = 0;
    for (double alpha = 0.01; alpha < 1000; alpha *= 10) {
        struct umb_soft_sharing soft = soft_sharing(ALL);
        soft.alpha = alpha;
        struct session s = soft_open(net, "sgd", &soft);
        first = distance(&s);
        for (int step = 0; step < 400; step++) {
            session_fill(&s, step);
            session_step(&s, fmin(0.05, 0.1 / alpha)); /* 2·α·T·rate < 2 */
        }
        const double now = distance(&s);
        if (alpha > 0.5) { assert_true(now < last); }
        last = now;
        session_close(&s);
    }
    print_message("# %g apart at first, %g under the strongest penalty\n", first, last);
    assert_true(last < 1e-4 * first);
    umb_net_destroy(net);
}

static void an_equal_start_is_one(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    struct umb_soft_sharing soft = soft_sharing(ALL);
    soft.equal_start = true;
    struct session s = soft_open(net, "sgd", &soft), own = soft_open(net, "sgd", NULL);
    assert_true(distance(&s) == 0 && distance(&own) > 1);
    session_train(&s, 0, 1);
    assert_true(umb_trainer_penalty(s.tr) == 0 && distance(&s) > 0);
    session_close(&s);
    session_close(&own);
    umb_net_destroy(net);
}

static void no_penalty_changes_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    struct umb_soft_sharing soft = soft_sharing(ALL), learned = soft_sharing(LEARNED);
    soft.alpha = learned.lambda1 = learned.lambda2 = 0;
    struct session none = soft_open(net, "adam", NULL), zero = soft_open(net, "adam", &soft),
                   watched = soft_open(net, "adam", &learned);
    session_train(&none, 0, 5);
    session_train(&zero, 0, 5);
    session_train(&watched, 0, 5);
    assert_same_bits(&none, &zero, "without sharing, and with a penalty of 0");
    assert_same_bits(&none, &watched,
                     "without sharing, and with relations that are only looked at");
    double omega[T * T], first[T * T];
    assert_true(umb_trainer_relations(watched.tr, omega));
    struct session fresh = soft_open(net, "adam", &learned);
    assert_true(umb_trainer_relations(fresh.tr, first));
    assert_memory_not_equal(omega, first, sizeof omega);
    session_close(&fresh);
    session_close(&none);
    session_close(&zero);
    session_close(&watched);
    umb_net_destroy(net);
}

/* A task without a label has no gradient, and its trunk is drawn to the others all the same. */
static void a_task_without_labels_is_drawn_along(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(ALL);
    struct session s = soft_open(net, "sgd", &soft);
    session_fill(&s, 0);
    memset(s.mask_of[0], 0, 4 * sizeof(float));
    const double before = distance(&s);
    session_step(&s, RATE);
    assert_true(isnan(s.losses[0]) && isfinite(umb_trainer_penalty(s.tr)));
    const double after = distance(&s);
    assert_true(after < before); /* false for NaN */
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- MTRL ---- */

/* Ω of the parameters as a session has them. */
static void omega_of(const struct session *s, double *omega)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    double gram[T * T] = {0};
    size_t n;
    float *p = session_buffer(s, "parameters", &n);
    for (int k = 0; k < 4; k++) {
        const int64_t count = umb__shape_count(&soft_parameter(s, 0, names[k])->type.shape);
        for (int i = 0; i < T * T; i++) {
            const float *x = p + soft_parameter(s, i / T, names[k])->base_offset / sizeof(float);
            const float *y = p + soft_parameter(s, i % T, names[k])->base_offset / sizeof(float);
            for (int64_t e = 0; e < count; e++) {
                gram[i] += (double)x[e] * (double)y[e];
            }
        }
    }
    umb__free(p);
    must(umb__mtrl_covariance(world.ctx, T, gram, 0.25, omega));
}

/* Every second step begins with a new one. */
static void relations_are_learned_when_due(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(LEARNED);
    struct session s = soft_open(net, "adam", &soft);
    double expected[T * T], got[T * T];
    assert_true(umb_trainer_relations(s.tr, expected));
    for (int i = 0; i < T * T; i++) {
        assert_true(fabs(expected[i] - (i % (T + 1) == 0 ? 1.0 / T + 0.25 : 0)) < 1e-15);
    }
    for (int step = 0; step < 6; step++) {
        if (step > 0 && step % 2 == 0) { omega_of(&s, expected); }
        session_train(&s, step, 1);
        assert_true(umb_trainer_relations(s.tr, got));
        for (int i = 0; i < T * T; i++) {
            assert_true(fabs(got[i] - expected[i]) < 1e-12);
        }
    }
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_follow_the_reference),
                                       cmocka_unit_test(fused_updates_do_not_pass_it_by),
                                       cmocka_unit_test(a_strong_penalty_makes_trunks_one),
                                       cmocka_unit_test(an_equal_start_is_one),
                                       cmocka_unit_test(no_penalty_changes_no_bit),
                                       cmocka_unit_test(a_task_without_labels_is_drawn_along),
                                       cmocka_unit_test(relations_are_learned_when_due)};
    return cmocka_run_group_tests_name("soft sharing", tests, open_devices, close_devices);
}

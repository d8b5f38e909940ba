/*
 * Balancers of class A and gradnorm, against their objectives: weights are the derivatives of what
 * is minimised, taken by finite differences, and what is learned follows them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance_world.h"

#define N 5

static struct world w;

static void set_losses(const double *loss)
{
    memcpy(w.loss, loss, N * sizeof *loss);
}

/* ∂f/∂x_t by central differences. */
static void differences(double (*f)(const double *x, const void *user), const void *user,
                        const double *x, double *ret_slope)
{
    for (int t = 0; t < N; t++) {
        double up[N], down[N];
        const double h = 1e-5 * fmax(fabs(x[t]), 0.1);
        memcpy(up, x, sizeof up);
        memcpy(down, x, sizeof down);
        up[t] += h;
        down[t] -= h;
        ret_slope[t] = (f(up, user) - f(down, user)) / (2 * h);
    }
}

static void given_weights(void **state)
{
    (void)state;
    double got[N];
    const double ones[N] = {1, 1, 1, 1, 1}, given[N] = {0.5, 2, 0, 1, 3};
    world_make(&w, N, 9, 1, 0, 0);
    rule_once("equal", "", &w, got);
    assert_weights("equal", N, got, ones, 0);
    rule_once("fixed", "weights=0.5,2,0,1,3", &w, got);
    assert_weights("fixed", N, got, given, 0);
    struct rule r;
    rule_open(&r, "fixed", "weights=1,2", N);
    assert_int_equal(umb__balancer_check(r.ctx, r.row, r.attrs, N), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(r.ctx),
                        "weights: 2 are there; expected 5, one for each task");
    assert_int_equal(umb__balancer_check(r.ctx, r.row, r.attrs, 2), UMB_OK);
    w.f.ctx = r.ctx;
    assert_int_equal(r.row->weigh(r.attrs, &w.f, r.state, &r.result), UMB_ERR_INVALID);
    rule_close(&r);
}

/* Sums are N, steps differ, and the spread is the distribution's: log w_i − log w_j of softmax is
 * normal with variance 2; a share of Dirichlet(1) times N has variance (N−1)/(N+1). */
static void random_weights(void **state)
{
    (void)state;
    double first = 0, spread_normal = 0, spread_dirichlet = 0;
    const int steps = 4000;
    world_make(&w, N, 9, 1, 0, 0);
    for (int i = 1; i <= steps; i++) {
        double got[N], sum = 0;
        w.f.step = i;
        rule_once("random", i % 2 ? "" : "distribution=dirichlet", &w, got);
        for (int t = 0; t < N; t++) {
            assert_true(got[t] >= 0);
            sum += got[t];
        }
        assert_true(fabs(sum - N) < 1e-12 && got[0] != first);
        first = got[0];
        spread_normal += i % 2 ? pow(log(got[1] / got[3]), 2) : 0;
        spread_dirichlet += i % 2 ? 0 : pow(got[2] - 1, 2);
    }
    assert_true(fabs(spread_normal / (steps / 2) - 2) < 0.25);
    assert_true(fabs(spread_dirichlet / (steps / 2) - 4.0 / 6) < 0.15);
}

static void dwa_by_hand(void **state)
{
    (void)state;
    double sums[4][N] = {{0}};
    struct rule r;
    rule_open(&r, "dwa", "temperature=3", N);
    for (int epoch = 1; epoch <= 4; epoch++) {
        for (int step = 0; step < 3; step++) {
            double expected[N] = {0}, sum = 0;
            world_make(&w, N, 9, (uint64_t)(10 * epoch + step), 0, 0);
            w.f.epoch = epoch;
            w.f.epoch_begins = step == 0;
            const int late = epoch == 1 ? 1 : 0; /* the last task's labels begin in epoch 2 */
            if (late) { w.loss[N - 1] = NAN; }
            for (int t = 0; t < N - late; t++) {
                const bool two = epoch > (t < N - 1 ? 2 : 3);
                expected[t] = exp(two ? sums[epoch - 2][t] / sums[epoch - 3][t] / 3 : 1. / 3);
                sum += expected[t];
            }
            for (int t = 0; t < N; t++) {
                expected[t] *= t < N - late ? (N - late) / sum : 0;
                sums[epoch - 1][t] += w.loss[t];
            }
            assert_weights("dwa", N, rule_weigh(&r, &w), expected, 1e-12);
            r.row->learn(r.attrs, &w.f, r.state);
        }
    }
    rule_close(&r);
}

static double geometric(const double *x, const void *user)
{
    (void)user;
    double product = 1;
    for (int t = 0; t < N; t++) {
        product *= x[t];
    }
    return pow(product, 1.0 / N);
}

static void gls_is_a_gradient(void **state)
{
    (void)state;
    double got[N], expected[N];
    world_make(&w, N, 9, 3, 0, 0);
    differences(geometric, NULL, w.loss, expected);
    rule_once("gls", "", &w, got);
    assert_weights("gls", N, got, expected, 1e-8);
    const double far[N] = {1e-30, 1e250, 0, 1, 1}; /* products of these leave double */
    set_losses(far);
    rule_once("gls", "", &w, got);
    for (int t = 0; t < N; t++) {
        assert_true(isfinite(got[t]) && got[t] >= 0);
    }
}

struct tchebycheff {
    double mu, nadir[N];
};

static double smooth_maximum(const double *x, const void *user)
{
    const struct tchebycheff *c = user;
    double sum = 0;
    for (int t = 0; t < N; t++) {
        sum += pow(x[t] / c->nadir[t], 1 / c->mu);
    }
    return N * c->mu * log(sum);
}

static void stch_is_a_gradient(void **state)
{
    (void)state;
    struct tchebycheff c = {.mu = 0.5};
    struct rule r;
    rule_open(&r, "stch", "mu=0.5 warmup=2", N);
    for (int epoch = 1; epoch <= 5; epoch++) {
        for (int step = 0; step < 4; step++) {
            double expected[N];
            world_make(&w, N, 9, (uint64_t)(10 * epoch + step), 0, 0);
            w.f.epoch = epoch;
            for (int t = 0; t < N; t++) {
                expected[t] = 1 / w.loss[t]; /* of Σ log L */
            }
            if (epoch > 3) { differences(smooth_maximum, &c, w.loss, expected); }
            assert_weights("stch", N, rule_weigh(&r, &w), expected, 1e-8);
            r.row->learn(r.attrs, &w.f, r.state);
            for (int t = 0; epoch == 3 && t < N; t++) {
                c.nadir[t] += w.loss[t] / 4;
            }
        }
    }
    rule_close(&r);
}

/* What is learned. */

struct adam {
    double x[N], m[N], v[N];
    int n;
};

static void adam_step(struct adam *a, const double *g, double rate)
{
    a->n++;
    for (int t = 0; t < N; t++) {
        a->m[t] += 0.1 * (g[t] - a->m[t]);
        a->v[t] += 0.001 * (g[t] * g[t] - a->v[t]);
        const double root = sqrt(a->v[t]) / sqrt(1 - pow(0.999, a->n));
        a->x[t] -= rate / (1 - pow(0.9, a->n)) * a->m[t] / (root + 1e-8);
    }
}

static double kendall(const double *s, const void *user)
{
    const double *loss = user;
    double sum = 0;
    for (int t = 0; t < N; t++) {
        sum += 0.5 * exp(-s[t]) * loss[t] + 0.5 * s[t];
    }
    return sum;
}

static double kendall_classes(const double *s, const void *user)
{
    const double *loss = user;
    double sum = 0;
    for (int t = 0; t < N; t++) {
        sum += exp(-s[t]) * loss[t] + 0.5 * s[t];
    }
    return sum;
}

static double impartial(const double *s, const void *user)
{
    const double *loss = user;
    double sum = 0;
    for (int t = 0; t < N; t++) {
        sum += exp(s[t]) * loss[t] - s[t];
    }
    return sum;
}

/* The rule's weights are the objective's derivatives with respect to the losses, at scales that
 * follow its derivatives with respect to them. */
static void follow(const char *name, const char *options, double sign, double half, bool sgd,
                   double (*objective)(const double *, const void *))
{
    struct adam a = {.n = 0};
    struct rule r;
    rule_open(&r, name, options, N);
    for (int step = 1; step <= 20; step++) {
        double expected[N], slope[N];
        world_make(&w, N, 9, (uint64_t)step, 0, 0);
        w.f.rate = 0.05;
        w.f.sgd = sgd;
        w.f.loss = NULL; /* known before the losses are */
        for (int t = 0; t < N; t++) {
            expected[t] = half * exp(sign * a.x[t]);
        }
        assert_weights(name, N, rule_weigh(&r, &w), expected, 1e-7);
        differences(objective, w.loss, a.x, slope);
        w.f.loss = w.loss;
        r.row->learn(r.attrs, &w.f, r.state);
        if (!sgd) { adam_step(&a, slope, 0.05); }
        for (int t = 0; sgd && t < N; t++) {
            a.x[t] -= 0.05 * slope[t];
        }
    }
    rule_close(&r);
}

static void scales_follow_their_objectives(void **state)
{
    (void)state;
    follow("uncertainty", "", -1, 0.5, false, kendall);
    follow("uncertainty", "", -1, 0.5, true, kendall);
    follow("uncertainty", "optimizer=sgd rate=0.05", -1, 0.5, true, kendall);
    follow("uncertainty", "form=classification", -1, 1, false, kendall_classes);
    follow("imtl_l", "", 1, 1, false, impartial);
}

/* With losses that stay, uncertainty ends at s = log L, imtl_l at s = −log L. */
static void scales_end_where_they_should(void **state)
{
    (void)state;
    struct rule u, i;
    rule_open(&u, "uncertainty", "rate=0.05", N);
    rule_open(&i, "imtl_l", "rate=0.05", N);
    world_make(&w, N, 9, 1, 0, 0);
    for (int step = 0; step < 4000; step++) {
        u.row->learn(u.attrs, &w.f, u.state);
        i.row->learn(i.attrs, &w.f, i.state);
    }
    rule_weigh(&u, &w);
    rule_weigh(&i, &w);
    for (int t = 0; t < N; t++) {
        assert_true(fabs(u.weight[t] * w.loss[t] - 0.5) < 1e-3);
        assert_true(fabs(i.weight[t] * w.loss[t] - 1) < 1e-3);
    }
    rule_close(&u);
    rule_close(&i);
}

static double gain(const double *logit, const void *user)
{
    const double *delta = user;
    double sum = 0, mean = 0;
    for (int t = 0; t < N; t++) {
        sum += exp(logit[t]);
        mean += exp(logit[t]) * delta[t];
    }
    return mean / sum;
}

static void famo_by_hand(void **state)
{
    (void)state;
    struct adam a = {.n = 0};
    struct rule r;
    rule_open(&r, "famo", "", N);
    assert_true(r.row->needs_second_forward);
    for (int step = 1; step <= 20; step++) {
        double expected[N], delta[N], slope[N], after[N], total = 0;
        world_make(&w, N, 9, (uint64_t)step, 0, 0);
        w.f.loss_after = after;
        for (int t = 0; t < N; t++) {
            after[t] = w.loss[t] * (0.8 + 0.3 * world_unit(77, (uint64_t)(step * N + t)));
            delta[t] = log(w.loss[t] + 1e-8) - log(after[t] + 1e-8);
            total += exp(a.x[t]) / (w.loss[t] + 1e-8);
        }
        for (int t = 0; t < N; t++) {
            expected[t] = exp(a.x[t]) / (w.loss[t] + 1e-8) / total;
        }
        assert_weights("famo", N, rule_weigh(&r, &w), expected, 1e-8);
        r.row->learn(r.attrs, &w.f, r.state);
        differences(gain, delta, a.x, slope);
        for (int t = 0; t < N; t++) {
            slope[t] += 1e-3 * a.x[t];
        }
        adam_step(&a, slope, 0.025);
    }
    rule_close(&r);
}

static void gradnorm_by_hand(void **state)
{
    (void)state;
    double weight[N] = {1, 1, 1, 1, 1}, first[N];
    struct rule r;
    rule_open(&r, "gradnorm", "alpha=0.5 rate=0.01", N);
    for (int step = 1; step <= 20; step++) {
        double target[N], norm[N], mean = 0, rate = 0, sum = 0;
        world_make(&w, N, 97, (uint64_t)step, 0.3, 0.3);
        if (step == 1) { memcpy(first, w.loss, sizeof first); }
        for (int t = 0; t < N; t++) {
            norm[t] = sqrt(world_dot(97, w.g[t], w.g[t]));
            mean += weight[t] * norm[t] / N;
            rate += w.loss[t] / first[t] / N;
        }
        for (int t = 0; t < N; t++) {
            target[t] = mean * pow(w.loss[t] / first[t] / rate, 0.5);
        }
        assert_weights("gradnorm", N, rule_weigh(&r, &w), weight, 1e-9);
        for (int t = 0; t < N; t++) {
            const double over = weight[t] * norm[t] - target[t];
            weight[t] = fmax(weight[t] - 0.01 * (over > 0 ? 1 : -1) * norm[t], 1e-6);
            sum += weight[t];
        }
        for (int t = 0; t < N; t++) {
            weight[t] *= N / sum;
        }
    }
    rule_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_weights),
        cmocka_unit_test(random_weights),
        cmocka_unit_test(dwa_by_hand),
        cmocka_unit_test(gls_is_a_gradient),
        cmocka_unit_test(stch_is_a_gradient),
        cmocka_unit_test(scales_follow_their_objectives),
        cmocka_unit_test(scales_end_where_they_should),
        cmocka_unit_test(famo_by_hand),
        cmocka_unit_test(gradnorm_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

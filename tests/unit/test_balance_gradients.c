/*
 * pcgrad, gradvac and graddrop against their papers' versions, on the gradients themselves; rows
 * that are kept over steps (db_mtl, moco) and excessmtl against the same by hand.
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
#include "rng.h"

static struct world w;

static void order_of(const struct umb_balance_facts *f, int task, uint32_t *order)
{
    umb__random_permutation(f->seed, UMB_RNG_BALANCER, (uint32_t)(f->step * 64 + task), order,
                            (size_t)f->n_tasks);
}

static void add_to(double *x, double by, const double *y)
{
    for (int p = 0; p < w.n_params; p++) {
        x[p] += by * y[p];
    }
}

static void assert_direction(const char *what, const double *got, const double *expected)
{
    double off = 0, size = 0;
    for (int p = 0; p < w.n_params; p++) {
        off = fmax(off, fabs(got[p] - expected[p]));
        size = fmax(size, fabs(expected[p]));
    }
    if (!(off <= 1e-11 * size)) { fail_msg("%s: off by %g of %g", what, off, size); }
}

static void pcgrad_on_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        double got[WORLD_TASKS], d[WORLD_PARAMS], sum[WORLD_PARAMS] = {0};
        uint32_t order[WORLD_TASKS];
        world_make(&w, 2 + (i * 9) % 39, i % 3 ? 97 : 11, (uint64_t)i, i % 2 ? -0.7 : 0, i % 3);
        w.f.step = i + 1;
        for (int t = 0; t < w.n; t++) {
            double g[WORLD_PARAMS];
            memcpy(g, w.g[t], sizeof g);
            order_of(&w.f, t, order);
            for (int k = 0; k < w.n; k++) {
                const double *other = w.g[order[k]];
                const double dot = world_dot(w.n_params, g, other);
                if ((int)order[k] == t || dot >= 0) { continue; }
                add_to(g, -dot / world_dot(w.n_params, other, other), other);
            }
            add_to(sum, 1, g);
        }
        rule_once("pcgrad", "", &w, got);
        world_direction(&w, got, d);
        assert_direction("pcgrad", d, sum);
    }
}

/* Five steps, with the targets of cosines in between. */
static void gradvac_on_gradients(void **state)
{
    (void)state;
    static double target[WORLD_TASKS][WORLD_TASKS];
    static const double betas[] = {0.01, 0.5};
    for (int i = 0; i < 10; i++) {
        const int n = 2 + (i * 9) % 39;
        struct rule r;
        memset(target, 0, sizeof target);
        rule_open(&r, "gradvac", i % 2 ? "beta=0.5" : "", n);
        for (int step = 1; step <= 5; step++) {
            double d[WORLD_PARAMS], sum[WORLD_PARAMS] = {0};
            uint32_t order[WORLD_TASKS];
            world_make(&w, n, 97, (uint64_t)(100 * i + step), i % 3 ? 0.5 : -0.7, 0.5);
            w.f.step = step;
            for (int t = 0; t < n; t++) {
                double g[WORLD_PARAMS];
                memcpy(g, w.g[t], sizeof g);
                order_of(&w.f, t, order);
                for (int k = 0; k < n; k++) {
                    const int j = (int)order[k];
                    const double length = sqrt(world_dot(97, g, g)),
                                 other = sqrt(world_dot(97, w.g[j], w.g[j])),
                                 rho = world_dot(97, g, w.g[j]) / (length * other);
                    double *hat = &target[t][j];
                    if (j == t) { continue; }
                    if (rho < *hat) {
                        add_to(g,
                               length * (*hat * sqrt(1 - rho * rho) - rho * sqrt(1 - *hat * *hat)) /
                                   (other * sqrt(1 - *hat * *hat)),
                               w.g[j]);
                        const double now =
                            world_dot(97, g, w.g[j]) / (sqrt(world_dot(97, g, g)) * other);
                        assert_true(fabs(now - *hat) < 1e-9); /* what the formula is for */
                    }
                    *hat += betas[i % 2] * (rho - *hat);
                }
                add_to(sum, 1, g);
            }
            world_direction(&w, rule_weigh(&r, &w), d);
            assert_direction("gradvac", d, sum);
        }
        rule_close(&r);
    }
}

/* Over many draws each sign is taken as often as its share says; nothing of the other is left. */
static void graddrop_draws_signs(void **state)
{
    (void)state;
    const double g[4] = {3, -1, 0.5, -0.5};
    const double p = 0.5 * (1 + 2.0 / 5);
    int positive = 0;
    for (uint64_t i = 0; i < 4000; i++) {
        const double got = umb__graddrop_element(4, g, world_unit(7, i), 0);
        assert_true(got == 3.5 || got == -1.5);
        positive += got > 0;
    }
    assert_true(fabs(positive / 4000.0 - p) < 0.03);
    assert_true(umb__graddrop_element(4, g, 0.1, 1) == 2);
    assert_true(umb__graddrop_element(4, g, 0.1, 0.5) == 3.5 - 0.75);
    const double zero[2] = {0, 0}, minus[2] = {-1, -2};
    assert_true(umb__graddrop_element(2, zero, 0, 0) == 0);
    assert_true(umb__graddrop_element(2, minus, 0, 0) == -3);
}

/* Rows as the device keeps them: y[t] ← keep·y + take·g, then their Gram matrix in place of g's. */
static void mix_rows(struct rule *r, double y[][WORLD_PARAMS])
{
    double keep[WORLD_TASKS], take[WORLD_TASKS];
    r->row->mix(r->attrs, &w.f, r->state, keep, take);
    for (int t = 0; t < w.n; t++) {
        for (int p = 0; p < w.n_params; p++) {
            y[t][p] = keep[t] * y[t][p] + take[t] * w.g[t][p];
        }
    }
    memcpy(w.g, y, (size_t)w.n * sizeof *y);
    world_gram(&w);
}

static void db_mtl_means(void **state)
{
    (void)state;
    enum { N = 5 };
    static double y[N][WORLD_PARAMS], mean[N][WORLD_PARAMS];
    struct rule r;
    rule_open(&r, "db_mtl", "beta=0.7", N);
    memset(y, 0, sizeof y);
    for (int step = 1; step <= 4; step++) {
        double longest = 0, expected[N];
        world_make(&w, N, 97, (uint64_t)step, 0.3, 1);
        w.f.step = step;
        if (step == 3) { w.loss[2] = NAN; } /* its row waits */
        for (int t = 0; t < N; t++) {
            const double b = step == 1 ? 0 : 0.7;
            for (int p = 0; !isnan(w.loss[t]) && p < 97; p++) {
                mean[t][p] = b * mean[t][p] + (1 - b) * w.g[t][p] / (w.loss[t] + 1e-8);
            }
        }
        mix_rows(&r, y);
        for (int t = 0; t < N; t++) {
            assert_direction("row", y[t], mean[t]);
            if (!isnan(w.loss[t])) { longest = fmax(longest, world_dot(97, mean[t], mean[t])); }
        }
        for (int t = 0; t < N; t++) {
            expected[t] = isnan(w.loss[t]) ? 0 : sqrt(longest / world_dot(97, mean[t], mean[t]));
        }
        assert_weights("db_mtl", N, rule_weigh(&r, &w), expected, 1e-12);
    }
    rule_close(&r);
}

/* The nearest point of the simplex: x − θ where positive, θ by halving. */
static void project(int n, double *x)
{
    double low = -1e9, high = 1e9;
    for (int i = 0; i < 200; i++) {
        const double theta = 0.5 * (low + high);
        double sum = 0;
        for (int t = 0; t < n; t++) {
            sum += fmax(x[t] - theta, 0);
        }
        if (sum > 1) {
            low = theta;
        } else {
            high = theta;
        }
    }
    for (int t = 0; t < n; t++) {
        x[t] = fmax(x[t] - low, 0);
    }
}

static void moco_steps(void **state)
{
    (void)state;
    enum { N = 6 };
    static double y[N][WORLD_PARAMS];
    for (int softmax = 0; softmax < 2; softmax++) {
        double lambda[N], next[N];
        struct rule r;
        rule_open(&r, "moco", softmax ? "projection=softmax rho=0.1" : "gamma=2 rho=0.1", N);
        memset(y, 0, sizeof y);
        for (int t = 0; t < N; t++) {
            lambda[t] = 1.0 / (double)N;
        }
        for (int step = 1; step <= 5; step++) {
            double before[N][WORLD_PARAMS], d[WORLD_PARAMS], sum = 0;
            world_make(&w, N, 97, (uint64_t)step, 0.3, 1);
            memcpy(before, y, sizeof before);
            struct world given = w;
            mix_rows(&r, y);
            for (int t = 0; t < N; t++) {
                const double share = 0.5 / sqrt(step),
                             length = sqrt(world_dot(97, given.g[t], given.g[t]));
                for (int p = 0; p < 97; p++) {
                    before[t][p] -= share * (before[t][p] - given.loss[t] * given.g[t][p] / length);
                }
                assert_direction("row", y[t], before[t]);
            }
            world_direction(&w, lambda, d);
            for (int t = 0; t < N; t++) {
                const double rate = (softmax ? 0.1 : 2) / sqrt(step);
                next[t] = lambda[t] - rate * (world_dot(97, w.g[t], d) + 0.1 * lambda[t]);
                sum += exp(next[t]);
            }
            for (int t = 0; softmax && t < N; t++) {
                next[t] = exp(next[t]) / sum;
            }
            if (!softmax) { project(N, next); }
            memcpy(lambda, next, sizeof lambda);
            assert_weights("moco", N, rule_weigh(&r, &w), lambda, 1e-9);
        }
        rule_close(&r);
    }
}

static void excess_grows(void **state)
{
    (void)state;
    enum { N = 4 };
    double expected[N] = {1, 1, 1, 1}, first[N];
    struct rule r;
    rule_open(&r, "excessmtl", "rate=0.5", N);
    for (int step = 1; step <= 6; step++) {
        double sum = 0;
        world_make(&w, N, 9, (uint64_t)step, 0, 0);
        for (int t = 0; t < N; t++) {
            if (step == 1) { first[t] = w.excess[t] + 1e-7; }
            expected[t] *= exp(0.5 * w.excess[t] / first[t]);
            sum += expected[t];
        }
        for (int t = 0; t < N; t++) {
            expected[t] *= (double)N / sum;
        }
        assert_weights("excessmtl", N, rule_weigh(&r, &w), expected, 1e-12);
    }
    rule_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcgrad_on_gradients),  cmocka_unit_test(gradvac_on_gradients),
        cmocka_unit_test(graddrop_draws_signs), cmocka_unit_test(db_mtl_means),
        cmocka_unit_test(moco_steps),           cmocka_unit_test(excess_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

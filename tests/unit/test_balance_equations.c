/*
 * nash, fairgrad, aligned, imtl_g and config: against descent one coordinate at a time, an
 * iteration for the matrix's root, elimination, and what their papers say of the direction.
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

static struct world w;

/* The root of a·x + b = x^−beta for x > 0, by halving. */
static double balance_point(double a, double b, double beta)
{
    double low = 0, high = 1;
    while (a * high + b < pow(high, -beta)) {
        high *= 2;
    }
    for (int i = 0; i < 200; i++) {
        const double x = 0.5 * (low + high);
        if (a * x + b < pow(x, -beta)) {
            low = x;
        } else {
            high = x;
        }
    }
    return 0.5 * (low + high);
}

/* G x = x^−beta, one coordinate after another until nothing moves. */
static void by_coordinates(int n, const double *g, double beta, double *ret_x)
{
    for (int t = 0; t < n; t++) {
        ret_x[t] = 1;
    }
    double moved = 1;
    for (int round = 0; moved > 1e-13 && round < 20000; round++) {
        moved = 0;
        for (int t = 0; t < n; t++) {
            const double rest = world_dot(n, &g[t * n], ret_x) - g[t * n + t] * ret_x[t],
                         x = balance_point(g[t * n + t], rest, beta);
            moved = fmax(moved, fabs(x - ret_x[t]) / x);
            ret_x[t] = x;
        }
    }
}

static void nash_matrix(double *h)
{
    const double size = sqrt(world_dot(w.n * w.n, w.gram, w.gram));
    for (int i = 0; i < w.n * w.n; i++) {
        h[i] = w.gram[i] / size + (i % (w.n + 1) == 0 ? 1e-6 : 0);
    }
}

static void nash_by_coordinates(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        const int n = 2 + (int)seed % 4;
        double h[25], got[5], expected[5];
        world_make(&w, n, 97, seed, seed % 2 ? 0.5 : -0.4, 0.3);
        nash_matrix(h);
        by_coordinates(n, h, 1, expected);
        const struct umb_balance_result r = rule_once("nash", "", &w, got);
        assert_weights("nash", n, got, expected, 1e-8);
        assert_true(r.clip == 1 && !r.fell_back);
    }
}

/* α_t (Ĝα)_t = 1 for every task, also where G is singular: few parameters, equal or opposite
 * tasks, and lengths that are far apart. */
static void nash_solves_its_equations(void **state)
{
    (void)state;
    static double h[WORLD_TASKS * WORLD_TASKS];
    for (int i = 0; i < 60; i++) {
        const int n = 2 + (i * 7) % 39;
        double got[WORLD_TASKS];
        world_make(&w, n, i % 2 ? 3 : 97, (uint64_t)i, i % 3 - 1, i % 4);
        if (i % 5 == 0) { memcpy(w.g[1], w.g[0], sizeof w.g[0]); }
        for (int p = 0; i % 7 == 0 && p < w.n_params; p++) {
            w.g[1][p] = -w.g[0][p];
        }
        world_gram(&w);
        nash_matrix(h);
        const struct umb_balance_result r = rule_once("nash", "", &w, got);
        if (r.fell_back) { fail_msg("nash case %d, %d tasks: residual %g", i, n, r.residual); }
        for (int t = 0; t < n; t++) {
            assert_true(got[t] > 0);
            const double off = got[t] * world_dot(n, &h[t * n], got) - 1;
            if (fabs(off) > 1e-5) { fail_msg("nash case %d, task %d: off by %g", i, t, off); }
        }
    }
}

static void fairgrad_by_coordinates(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        double alpha;
    } rows[] = {{"", 2}, {"alpha=1", 1}, {"alpha=0.5", 0.5}, {"alpha=5", 5}};
    for (int i = 0; i < 24; i++) {
        const int n = 2 + i % 5;
        double got[6], expected[6];
        world_make(&w, n, 97, (uint64_t)i, i % 2 ? 0.5 : -0.3, i % 3);
        by_coordinates(n, w.gram, 1 / rows[i % 4].alpha, expected);
        const struct umb_balance_result r = rule_once("fairgrad", rows[i % 4].options, &w, got);
        if (r.fell_back) { fail_msg("fairgrad case %d: residual %g", i, r.residual); }
        for (int t = 0; t < n; t++) { /* each by itself, for they are far apart */
            assert_weights("fairgrad", 1, &got[t], &expected[t], 1e-8);
        }
    }
}

/* w^(1/α) Gw = 1 for every task, also of many tasks and the outermost α. */
static void fairgrad_solves_its_equations(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        double alpha;
    } rows[] = {{"alpha=0.5", 0.5}, {"alpha=1", 1}, {"", 2}, {"alpha=6", 6}, {"alpha=20", 20}};
    for (int i = 0; i < 60; i++) {
        const int n = 2 + (i * 7) % 39;
        double got[WORLD_TASKS];
        world_make(&w, n, 97, (uint64_t)i, i % 2 ? 0.5 : 0, i % 3);
        const struct umb_balance_result r = rule_once("fairgrad", rows[i % 5].options, &w, got);
        if (r.fell_back) { fail_msg("fairgrad case %d: residual %g", i, r.residual); }
        for (int t = 0; t < n; t++) {
            const double off =
                pow(got[t], 1 / rows[i % 5].alpha) * world_dot(n, &w.gram[t * n], got) - 1;
            if (!(fabs(off) <= 1e-7)) { fail_msg("fairgrad case %d, task %d: %g", i, t, off); }
        }
    }
}

static void fairgrad_of_opposite_tasks_is_told(void **state)
{
    (void)state;
    double got[2];
    world_make(&w, 2, 97, 5, 0, 0);
    for (int p = 0; p < 97; p++) {
        w.g[1][p] = -w.g[0][p];
    }
    world_gram(&w);
    const struct umb_balance_result r = rule_once("fairgrad", "", &w, got);
    assert_true(r.fell_back);
    assert_true(isfinite(got[0]) && got[0] > 0);
    assert_weights("both", 1, &got[1], &got[0], 1e-6);
}

/* aligned: G^−½ by Newton's iteration X ← ½(X + (XG)⁻¹ …), in the coupled form of Denman and
 * Beavers: Y ← ½(Y + Z⁻¹), Z ← ½(Z + Y⁻¹), from G and I. */
static void invert(int n, const double *a, double *ret_inverse)
{
    for (int k = 0; k < n; k++) {
        double copy[64], unit[8] = {0}, x[8];
        memcpy(copy, a, (size_t)(n * n) * sizeof *a);
        unit[k] = 1;
        world_solve(n, copy, unit, x);
        for (int i = 0; i < n; i++) {
            ret_inverse[i * n + k] = x[i];
        }
    }
}

static void inverse_root(int n, const double *a, double *ret_z)
{
    double y[64], iy[64], iz[64];
    for (int i = 0; i < n * n; i++) {
        y[i] = a[i];
        ret_z[i] = i % (n + 1) == 0;
    }
    for (int round = 0; round < 40; round++) {
        invert(n, y, iy);
        invert(n, ret_z, iz);
        for (int i = 0; i < n * n; i++) {
            y[i] = 0.5 * (y[i] + iz[i]);
            ret_z[i] = 0.5 * (ret_z[i] + iy[i]);
        }
    }
}

/* The least eigenvalue, by powers of the inverse. */
static double least_eigenvalue(int n, const double *a)
{
    double inverse[64], x[8], y[8], size = 1;
    invert(n, a, inverse);
    for (int t = 0; t < n; t++) {
        x[t] = 1 + 0.1 * t;
    }
    for (int round = 0; round < 20000; round++) {
        for (int t = 0; t < n; t++) {
            y[t] = world_dot(n, &inverse[t * n], x);
        }
        size = sqrt(world_dot(n, y, y) / world_dot(n, x, x));
        for (int t = 0; t < n; t++) {
            x[t] = y[t] / size;
        }
    }
    return 1 / size;
}

static void aligned_by_the_root(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 14; seed++) {
        const int n = 2 + (int)seed % 7;
        double z[64], got[8], expected[8];
        world_make(&w, n, 97, seed, seed % 2 ? 0.5 : -0.4, 0.3);
        inverse_root(n, w.gram, z);
        const double least = least_eigenvalue(n, w.gram);
        for (int t = 0; t < n; t++) {
            expected[t] = 0;
            for (int s = 0; s < n; s++) {
                expected[t] += sqrt(least) * z[t * n + s];
            }
        }
        rule_once("aligned", "", &w, got);
        assert_weights("aligned", n, got, expected, 1e-8);
    }
}

/* Of n tasks with m < n parameters the rank is m: what is left out does not blow up. */
static void aligned_of_dependent_tasks(void **state)
{
    (void)state;
    double got[40], d[WORLD_PARAMS];
    world_make(&w, 40, 5, 3, 0.3, 0);
    rule_once("aligned", "", &w, got);
    world_direction(&w, got, d);
    /* B G B = λ_min P, so the squared length is λ_min times that of 1's part in G's range */
    double trace = 0;
    for (int t = 0; t < 40; t++) {
        trace += w.gram[t * 41];
    }
    assert_true(world_dot(5, d, d) > 0 && world_dot(5, d, d) <= 40 * trace / 5);
    for (int t = 0; t < 40; t++) {
        assert_true(fabs(got[t]) <= 7);
    }
}

static void imtl_g_by_elimination(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const int n = 2 + (int)(seed * 7) % 39;
        static double a[WORLD_TASKS * WORLD_TASKS];
        double b[WORLD_TASKS], v[WORLD_TASKS], got[WORLD_TASKS], d[WORLD_PARAMS], sum = 0;
        world_make(&w, n, 97, seed, seed % 2 ? 0.5 : 0, (double)(seed % 3));
        for (int t = 0; t < n; t++) {
            b[t] = sqrt(w.gram[t * n + t]);
        }
        memcpy(a, w.gram, sizeof a);
        world_solve(n, a, b, v);
        for (int t = 0; t < n; t++) {
            sum += v[t];
        }
        for (int t = 0; t < n; t++) {
            v[t] *= n / sum;
        }
        rule_once("imtl_g", "", &w, got);
        assert_weights("imtl_g", n, got, v, 1e-6);
        world_direction(&w, got, d);
        const double first = world_dot(97, d, w.g[0]) / sqrt(w.gram[0]);
        for (int t = 1; t < n; t++) {
            const double along = world_dot(97, d, w.g[t]) / sqrt(w.gram[t * n + t]);
            assert_true(fabs(along - first) <= 1e-8 * fabs(first));
        }
    }
}

/* Lengths 10^±4 apart do not make tasks vanish. */
static void imtl_g_of_lengths_far_apart(void **state)
{
    (void)state;
    double got[2], d[WORLD_PARAMS];
    world_make(&w, 2, 97, 1, 0, 0);
    for (int p = 0; p < 97; p++) {
        w.g[1][p] *= 1e-5;
    }
    world_gram(&w);
    rule_once("imtl_g", "", &w, got);
    world_direction(&w, got, d);
    const double one = world_dot(97, d, w.g[0]) / sqrt(w.gram[0]),
                 other = world_dot(97, d, w.g[1]) / sqrt(w.gram[3]);
    assert_true(one > 0 && fabs(one - other) < 1e-8 * one);
}

/* The same angle to all gradients, as long as the sum of their parts along it. */
static void config_has_equal_angles(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const int n = 2 + (int)(seed * 7) % 39;
        static double a[WORLD_TASKS * WORLD_TASKS];
        double b[WORLD_TASKS], q[WORLD_TASKS], got[WORLD_TASKS], d[WORLD_PARAMS], along = 0;
        world_make(&w, n, 97, seed, seed % 2 ? 0.5 : 0, (double)(seed % 3));
        for (int i = 0; i < n * n; i++) {
            a[i] = w.gram[i] / sqrt(w.gram[i / n * (n + 1)] * w.gram[i % n * (n + 1)]);
        }
        for (int t = 0; t < n; t++) {
            b[t] = 1;
        }
        world_solve(n, a, b, q);
        for (int t = 0; t < n; t++) {
            q[t] /= sqrt(w.gram[t * n + t]);
        }
        world_direction(&w, q, d);
        for (int t = 0; t < n; t++) {
            along += world_dot(97, d, w.g[t]);
        }
        for (int t = 0; t < n; t++) {
            q[t] *= along / world_dot(97, d, d);
        }
        rule_once("config", "", &w, got);
        assert_weights("config", n, got, q, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nash_by_coordinates),
        cmocka_unit_test(nash_solves_its_equations),
        cmocka_unit_test(fairgrad_by_coordinates),
        cmocka_unit_test(fairgrad_solves_its_equations),
        cmocka_unit_test(fairgrad_of_opposite_tasks_is_told),
        cmocka_unit_test(aligned_by_the_root),
        cmocka_unit_test(aligned_of_dependent_tasks),
        cmocka_unit_test(imtl_g_by_elimination),
        cmocka_unit_test(imtl_g_of_lengths_far_apart),
        cmocka_unit_test(config_has_equal_angles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

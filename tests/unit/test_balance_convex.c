/*
 * mgda, cagrad, upgrad and dualproj: against every face of the simplex or cone tried in turn, a
 * search by golden sections, and certificates of optimality from the gradients themselves.
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

#define SEEDS 6

static struct world w;

/* wᵀG w, by the gradients. */
static double square(const double *weight)
{
    double d[WORLD_PARAMS];
    world_direction(&w, weight, d);
    return world_dot(w.n_params, d, d);
}

/* mgda: the nearest point of the affine hull of a subset, by its equations with a multiplier. */
static bool nearest_on(unsigned subset, double *ret_weight)
{
    int index[WORLD_TASKS], m = 0;
    double a[81], b[9], x[9];
    for (int t = 0; t < w.n; t++) {
        ret_weight[t] = 0;
        if (subset >> t & 1) { index[m++] = t; }
    }
    for (int i = 0; i <= m; i++) {
        for (int j = 0; j <= m; j++) {
            a[i * (m + 1) + j] = i < m && j < m ? w.gram[index[i] * w.n + index[j]] : i != j;
        }
        b[i] = i == m;
    }
    world_solve(m + 1, a, b, x);
    bool inside = true;
    for (int i = 0; i < m; i++) {
        ret_weight[index[i]] = x[i];
        inside = inside && x[i] >= 0;
    }
    return inside;
}

static void mgda_is_the_best_face(void **state)
{
    (void)state;
    for (int n = 2; n <= 8; n++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            double got[8], best[8], trial[8], least = INFINITY;
            world_make(&w, n, 97, seed, seed % 2 ? 1 : -0.3, seed > 2 ? 1 : 0.2);
            for (unsigned subset = 1; subset < 1u << n; subset++) {
                if (!nearest_on(subset, trial) || square(trial) >= least) { continue; }
                least = square(trial);
                memcpy(best, trial, sizeof best);
            }
            const struct umb_balance_result r = rule_once("mgda", "", &w, got);
            assert_false(r.fell_back);
            assert_weights("mgda", n, got, best, 1e-8);
        }
    }
}

/* No task is against the direction, and it is no longer than its part along any gradient; few
 * parameters make G singular, spread makes it badly scaled. */
static void mgda_is_against_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        const int n = 1 + (i * 13) % 40, p = i % 3 == 0 ? 5 : 97;
        double got[WORLD_TASKS], d[WORLD_PARAMS], sum = 0;
        world_make(&w, n, p, (uint64_t)i, i % 2 ? 1 : 0, i % 4);
        const struct umb_balance_result r = rule_once("mgda", "", &w, got);
        world_direction(&w, got, d);
        const double dd = world_dot(p, d, d);
        for (int t = 0; t < n; t++) {
            const double along = world_dot(p, d, w.g[t]);
            const double length = sqrt(w.gram[t * n + t]);
            assert_true(got[t] >= 0);
            if (along < dd - 1e-7 * length * fmax(length, sqrt(dd))) {
                fail_msg("mgda %d of %d: %g along, %g square, %g", t, n, along, dd, length);
            }
            sum += got[t];
        }
        assert_true(fabs(sum - 1) < 1e-12);
        assert_true(!r.fell_back && r.residual < 1e-12);
    }
}

static void mgda_scales(void **state)
{
    (void)state;
    double plain[5], scaled[5], expected[5];
    static const char *const options[] = {"scale=norm", "scale=loss", "scale=loss_norm"};
    for (int i = 0; i < 3; i++) {
        world_make(&w, 5, 97, 11, 0.5, 1);
        rule_once("mgda", options[i], &w, scaled);
        for (int t = 0; t < w.n; t++) {
            const double by = (i != 1 ? sqrt(w.gram[t * w.n + t]) : 1) * (i > 0 ? w.loss[t] : 1);
            for (int p = 0; p < w.n_params; p++) {
                w.g[t][p] /= by;
            }
            expected[t] = by; /* its diagonal is gone below */
        }
        world_gram(&w);
        rule_once("mgda", "", &w, plain);
        assert_weights(options[i], 5, scaled, plain, 1e-8);
        assert_true(expected[0] > 0);
    }
}

/* cagrad. */

static double cagrad_value(const double *weight, double c)
{
    double x[WORLD_PARAMS], mean[WORLD_PARAMS], ones[WORLD_TASKS];
    for (int t = 0; t < w.n; t++) {
        ones[t] = 1.0 / w.n;
    }
    world_direction(&w, weight, x);
    world_direction(&w, ones, mean);
    return world_dot(w.n_params, x, mean) +
           c * sqrt(world_dot(w.n_params, mean, mean) * world_dot(w.n_params, x, x));
}

/* The least of a convex function of one number in [low, high]. */
static double golden(double (*f)(double, void *), void *user, double low, double high,
                     double *ret_least)
{
    const double r = 0.6180339887498949;
    double a = high - r * (high - low), b = low + r * (high - low);
    double fa = f(a, user), fb = f(b, user);
    for (int i = 0; i < 80; i++) {
        if (fa < fb) {
            high = b, b = a, fb = fa, a = high - r * (high - low), fa = f(a, user);
        } else {
            low = a, a = b, fa = fb, b = low + r * (high - low), fb = f(b, user);
        }
    }
    *ret_least = f(0.5 * (low + high), user);
    return 0.5 * (low + high);
}

struct plane {
    double first, second, c;
};

static double of_second(double second, void *user)
{
    struct plane *p = user;
    const double weight[3] = {p->first, second, 1 - p->first - second};
    return cagrad_value(weight, p->c);
}

static double of_first(double first, void *user)
{
    struct plane *p = user;
    double least;
    p->first = first;
    p->second = golden(of_second, p, 0, 1 - first, &least);
    return least;
}

/* Weights of the search, within its precision: the root of double's. */
static void cagrad_is_where_the_search_ends(void **state)
{
    (void)state;
    static const char *const options[] = {"c=0.4", "c=0.9", "c=0.1"};
    static const double cs[] = {0.4, 0.9, 0.1};
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct plane p = {.c = cs[seed % 3]};
        double got[3], expected[3], least, mean[WORLD_PARAMS], x[WORLD_PARAMS];
        const double b[3] = {1. / 3, 1. / 3, 1. / 3};
        world_make(&w, 3, 97, seed, seed % 2 ? 1 : -0.5, 0.5);
        const double first = golden(of_first, &p, 0, 1, &least);
        of_first(first, &p);
        const double at[3] = {first, p.second, 1 - first - p.second};
        world_direction(&w, b, mean);
        world_direction(&w, at, x);
        const double lambda = p.c * sqrt(world_dot(97, mean, mean) / world_dot(97, x, x));
        for (int t = 0; t < 3; t++) {
            expected[t] = (b[t] + lambda * at[t]) / (1 + p.c * p.c) * 3;
        }
        rule_once("cagrad", options[seed % 3], &w, got);
        assert_weights("cagrad", 3, got, expected, 1e-6);
    }
}

/* The direction d is in the ball round the mean, and the worst task's gain, min ⟨g_t,d⟩, is what
 * the minimum over the simplex says that it can be: neither can be better. */
static void cagrad_is_optimal(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        const int n = 2 + (i * 7) % 39, params = i % 3 == 0 ? 7 : 97;
        double got[WORLD_TASKS], w_star[WORLD_TASKS], d[WORLD_PARAMS], worst = INFINITY, sum = 0;
        const double c = 0.4;
        world_make(&w, n, params, (uint64_t)i, i % 2 ? 0.7 : 0, i % 4 * 0.7);
        const struct umb_balance_result r = rule_once("cagrad", "", &w, got);
        for (int t = 0; t < n; t++) {
            got[t] *= (1 + c * c) / n;
            w_star[t] = got[t] - 1.0 / n;
            sum += w_star[t];
        }
        for (int t = 0; t < n; t++) {
            w_star[t] /= sum; /* λ is the sum */
            assert_true(w_star[t] > -1e-12);
        }
        world_direction(&w, got, d);
        for (int t = 0; t < n; t++) {
            worst = fmin(worst, world_dot(params, d, w.g[t]));
        }
        const double best = cagrad_value(w_star, c);
        if (fabs(worst - best) > 1e-8 * (fabs(best) + fabs(worst) + square(got))) {
            fail_msg("cagrad case %d, %d tasks: gain %.12g of %.12g", i, n, worst, best);
        }
        if (!(r.residual < 1e-10)) { fail_msg("cagrad case %d: residual %g", i, r.residual); }
    }
}

/* upgrad, dualproj. */

static void cone_matrix(double *h)
{
    double trace = 0;
    for (int t = 0; t < w.n; t++) {
        trace += w.gram[t * w.n + t];
    }
    for (int i = 0; i < w.n * w.n; i++) {
        h[i] = w.gram[i] / trace + (i % (w.n + 1) == 0 ? 1e-4 : 0);
    }
}

/* The v ≥ u that minimises vᵀHv: of all ways to say which v stay at u, the one that is right. */
static void project_by_trying(const double *h, const double *u, double *ret_v)
{
    for (unsigned subset = 0; subset < 1u << w.n; subset++) {
        int index[8], m = 0;
        double a[64], b[8], x[8];
        for (int t = 0; t < w.n; t++) {
            ret_v[t] = u[t];
            if (subset >> t & 1) { index[m++] = t; }
        }
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < m; j++) {
                a[i * m + j] = h[index[i] * w.n + index[j]];
            }
            b[i] = -world_dot(w.n, &h[index[i] * w.n], u);
        }
        world_solve(m, a, b, x);
        bool right = true;
        for (int i = 0; i < m; i++) {
            right = right && x[i] >= 0;
            ret_v[index[i]] += x[i];
        }
        for (int t = 0; t < w.n; t++) {
            right = right && (subset >> t & 1 || world_dot(w.n, &h[t * w.n], ret_v) >= -1e-14);
        }
        if (right) { return; }
    }
    fail_msg("no subset is right");
}

static void cones_by_trying(void **state)
{
    (void)state;
    for (int n = 2; n <= 8; n++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            double h[64], got[8], v[8], sum[8] = {0};
            world_make(&w, n, seed == 5 ? 3 : 97, seed, seed % 2 ? 0.2 : -0.5, seed > 2 ? 1 : 0.1);
            cone_matrix(h);
            for (int i = 0; i < n; i++) {
                double u[8] = {0};
                u[i] = 1;
                project_by_trying(h, u, v);
                for (int t = 0; t < n; t++) {
                    sum[t] += v[t];
                }
            }
            rule_once("upgrad", "", &w, got);
            assert_weights("upgrad", n, got, sum, 1e-8);
            const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
            project_by_trying(h, ones, v);
            rule_once("dualproj", "", &w, got);
            assert_weights("dualproj", n, got, v, 1e-8);
        }
    }
}

/* v ≥ u, Hv ≥ 0, and one of the two is tight for every task. */
static void dualproj_is_optimal(void **state)
{
    (void)state;
    static double h[WORLD_TASKS * WORLD_TASKS];
    for (int i = 0; i < 60; i++) {
        const int n = 1 + (i * 11) % 40;
        double v[WORLD_TASKS];
        world_make(&w, n, i % 3 == 0 ? 6 : 97, (uint64_t)i, i % 2 ? -0.8 : 0, i % 3 * 0.5);
        cone_matrix(h);
        const struct umb_balance_result r = rule_once("dualproj", "", &w, v);
        assert_false(r.fell_back);
        for (int t = 0; n > 1 && t < n; t++) {
            const double slope = world_dot(n, &h[t * n], v);
            assert_true(v[t] >= 1);
            assert_true(slope >= -1e-10);
            assert_true(fmin(slope, v[t] - 1) <= 1e-10);
        }
    }
}

/* Its own figures tell of every one of its programs. */
static void upgrad_is_optimal(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        const int n = 2 + (i * 11) % 39;
        double v[WORLD_TASKS], d[WORLD_PARAMS];
        world_make(&w, n, 97, (uint64_t)i, i % 2 ? -0.8 : 0, i % 3 * 0.5);
        const struct umb_balance_result r = rule_once("upgrad", "epsilon=0.00000001", &w, v);
        if (r.fell_back) { fail_msg("upgrad case %d: residual %g", i, r.residual); }
        assert_true(r.residual <= 1e-10);
        world_direction(&w, v, d);
        for (int t = 0; t < n; t++) {
            const double length = sqrt(w.gram[t * n + t] * world_dot(97, d, d));
            assert_true(world_dot(97, d, w.g[t]) >= -1e-4 * length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mgda_is_the_best_face), cmocka_unit_test(mgda_is_against_nobody),
        cmocka_unit_test(mgda_scales),           cmocka_unit_test(cagrad_is_where_the_search_ends),
        cmocka_unit_test(cagrad_is_optimal),     cmocka_unit_test(cones_by_trying),
        cmocka_unit_test(dualproj_is_optimal),   cmocka_unit_test(upgrad_is_optimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

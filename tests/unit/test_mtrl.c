/* MTRL's covariance against its own definition, on drawn and on awkward matrices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mtrl.h"
#include "rng.h"

#define MOST 40

static struct umb_context *ctx;

static void must(enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(ctx)); }
}

/* WᵀW of `rank` drawn rows: of that rank. */
static void draw_gram(int T, int rank, uint32_t seed, double *gram)
{
    memset(gram, 0, (size_t)(T * T) * sizeof *gram);
    for (int r = 0; r < rank; r++) {
        double w[MOST];
        for (int t = 0; t < T; t++) {
            w[t] = 2 * (double)umb__random_unit(seed, UMB_RNG_TEST, (uint32_t)r, (uint64_t)t) - 1;
        }
        for (int i = 0; i < T * T; i++) {
            gram[i] += w[i / T] * w[i % T];
        }
    }
}

static double product(int T, const double *a, const double *b, int i, int j)
{
    double sum = 0;
    for (int k = 0; k < T; k++) {
        sum += a[i * T + k] * b[k * T + j];
    }
    return sum;
}

static double trace(int T, const double *a)
{
    double sum = 0;
    for (int t = 0; t < T; t++) {
        sum += a[t * T + t];
    }
    return sum;
}

/* S = Ω − ε·I is a positive square root of the Gram matrix by its trace: S·S is the Gram matrix but
 * for one factor, tr S = 1, and xᵀ·S·x ≥ 0. */
static void check_covariance(int T, int rank, uint32_t seed)
{
    static double gram[MOST * MOST], s[MOST * MOST];
    draw_gram(T, rank, seed, gram);
    must(umb__mtrl_covariance(ctx, T, gram, 0.25, s));
    for (int t = 0; t < T; t++) {
        s[t * T + t] -= 0.25;
    }
    assert_true(fabs(trace(T, s) - 1) < 1e-12);
    double squares = 0, form = 0;
    for (int i = 0; i < T * T; i++) {
        squares += s[i] * s[i];
        form += s[i] * (i / T % 2 ? -1 : 1) * (i % T % 2 ? -1 : 1);
        assert_true(s[i] == s[i % T * T + i / T]);
    }
    assert_true(form > -1e-12);
    const double factor = trace(T, gram) / squares; /* (tr G^½)² */
    for (int i = 0; i < T * T; i++) {
        const double got = factor * product(T, s, s, i / T, i % T);
        if (fabs(got - gram[i]) > 1e-10 * trace(T, gram)) {
            fail_msg("T %d, rank %d: at %d %.15g, expected %.15g", T, rank, i, got, gram[i]);
        }
    }
}

static void it_is_the_root_by_its_trace(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 5, 8, 17, 40};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_covariance(sizes[i], 2 * sizes[i] + 3, (uint32_t)i);
        check_covariance(sizes[i], 1, 100 + (uint32_t)i);
        check_covariance(sizes[i], (sizes[i] + 1) / 2, 200 + (uint32_t)i);
    }
}

static void two_tasks_by_hand(void **state)
{
    (void)state;
    /* (1, 1) and (1, −1) have eigenvalues 16 and 4, roots 4 and 2. */
    const double gram[4] = {10, 6, 6, 10};
    double omega[4], inverse[4], correlations[4];
    must(umb__mtrl_covariance(ctx, 2, gram, 0.1, omega));
    assert_true(fabs(omega[0] - 0.6) < 1e-15 && fabs(omega[1] - 1.0 / 6) < 1e-15);
    must(umb__mtrl_inverse(ctx, 2, omega, inverse));
    const double determinant = 0.36 - 1.0 / 36;
    assert_true(fabs(inverse[0] - 0.6 / determinant) < 1e-14);
    assert_true(fabs(inverse[1] + 1.0 / 6 / determinant) < 1e-14);
    umb__mtrl_correlations(2, omega, correlations);
    assert_true(correlations[0] == 1 && fabs(correlations[1] - 1 / 3.6) < 1e-15);
}

static void inverses_are(void **state)
{
    (void)state;
    static double gram[MOST * MOST], omega[MOST * MOST], inverse[MOST * MOST];
    static const int sizes[] = {1, 2, 7, 40};
    for (size_t k = 0; k < 4; k++) {
        const int T = sizes[k];
        draw_gram(T, 1, (uint32_t)k, gram);
        must(umb__mtrl_covariance(ctx, T, gram, 1e-4, omega));
        must(umb__mtrl_inverse(ctx, T, omega, inverse));
        for (int i = 0; i < T * T; i++) {
            const double expected = i % (T + 1) == 0;
            assert_true(fabs(product(T, omega, inverse, i / T, i % T) - expected) < 1e-9);
        }
    }
}

static void without_parameters_all_are_alike(void **state)
{
    (void)state;
    const double gram[9] = {0};
    double omega[9];
    must(umb__mtrl_covariance(ctx, 3, gram, 0.5, omega));
    for (int i = 0; i < 9; i++) {
        assert_true(fabs(omega[i] - (i % 4 == 0 ? 1.0 / 3 + 0.5 : 0)) < 1e-15);
    }
}

static void bad_matrices_are_errors(void **state)
{
    (void)state;
    double out[4];
    const double infinite[4] = {1, INFINITY, INFINITY, 1}, nan[4] = {NAN, 0, 0, 1};
    const double singular[4] = {1, 1, 1, 1}, negative[4] = {1, 0, 0, -1};
    assert_int_equal(umb__mtrl_covariance(ctx, 2, infinite, 0.1, out), UMB_ERR_INVALID);
    assert_int_equal(umb__mtrl_covariance(ctx, 2, nan, 0.1, out), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "not finite"));
    assert_int_equal(umb__mtrl_inverse(ctx, 2, negative, out), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "an eigenvalue is -1"));
    assert_int_equal(umb__mtrl_inverse(ctx, 2, singular, out), UMB_ERR_INVALID);
}

static int open_context(void **state)
{
    (void)state;
    return umb_context_create(NULL, &ctx) == UMB_OK ? 0 : -1;
}

static int close_context(void **state)
{
    (void)state;
    umb_context_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_root_by_its_trace), cmocka_unit_test(two_tasks_by_hand),
        cmocka_unit_test(inverses_are), cmocka_unit_test(without_parameters_all_are_alike),
        cmocka_unit_test(bad_matrices_are_errors)};
    return cmocka_run_group_tests_name("mtrl", tests, open_context, close_context);
}

/* Statistics of few repetitions, against SciPy 1.17 (scipy.special, scipy.stats) to its digits. */
#include "statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void near(double got, double expected, double relative, const char *what)
{
    if (fabs(got - expected) <= relative * fabs(expected)) { return; }
    fail_msg("%s is %.17g, expected %.17g", what, got, expected);
}

/* scipy.special.betainc */
static void beta_shares(void **state)
{
    (void)state;
    static const struct {
        double a, b, x, share;
    } rows[] = {{0.5, 0.5, 0.3, 0.36901011956554536},
                {2, 3, 0.4, 0.5248},
                {5, 0.5, 0.99, 0.7571581091015623},
                {0.5, 10, 1e-4, 0.03522884111408523},
                {50, 0.5, 0.9, 0.001204149832559813},
                {1, 1, 0.25, 0.25},
                {10, 20, 0.5, 0.9692858271300793},
                {3, 4, 0, 0},
                {3, 4, 1, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        near(umb__beta_share(rows[i].a, rows[i].b, rows[i].x), rows[i].share, 1e-12, "I_x(a, b)");
    }
    assert_true(isnan(umb__beta_share(0, 1, 0.5)));
    assert_true(isnan(umb__beta_share(1, 1, 1.5)));
    assert_true(isnan(umb__beta_share(1, 1, (double)NAN)));
}

/* 2·scipy.stats.t.sf(|t|) */
static void tails(void **state)
{
    (void)state;
    static const struct {
        double t, df, p;
    } rows[] = {{0.5, 1, 0.7048327646991335},    {2, 2, 0.18350341907227397},
                {-2.5, 4, 0.06676654481198814},  {12.7, 1, 0.050024327689344165},
                {1e-3, 7, 0.9992300172449988},   {30, 3, 8.135280427163958e-05},
                {6, 200, 9.115120348810346e-09}, {0, 5, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        near(umb__t_tail(rows[i].t, rows[i].df), rows[i].p, 1e-11, "the tail");
    }
    assert_true(umb__t_tail((double)INFINITY, 3) == 0);
    assert_true(isnan(umb__t_tail(1, 0)));
    assert_true(isnan(umb__t_tail((double)NAN, 3)));
}

/* scipy.stats.t.ppf */
static void quantiles(void **state)
{
    (void)state;
    static const struct {
        double p, df, t;
    } rows[] = {{0.975, 1, 12.706204736174694},  {0.975, 2, 4.302652729749462},
                {0.975, 4, 2.7764451051977934},  {0.975, 9, 2.262157162798205},
                {0.95, 3, 2.3533634348018233},   {0.995, 7, 3.4994832973504924},
                {0.975, 30, 2.0422724563012378}, {0.975, 1000, 1.9623390808264083},
                {0.6, 2, 0.2886751345948128},    {0.9999, 2.5, 34.867969321116306},
                {0.025, 4, -2.7764451051977934}, {0.975, 1e6, 1.959966356814107}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        near(umb__t_quantile(rows[i].p, rows[i].df), rows[i].t, 1e-9, "the quantile");
    }
    assert_true(fabs(umb__t_quantile(0.5, 3)) < 1e-15);
    assert_true(isnan(umb__t_quantile(1, 3)));
    assert_true(isnan(umb__t_quantile(0, 3)));
    assert_true(isnan(umb__t_quantile(0.9, 0)));
}

/* Accuracies of five seeds; numpy.mean, numpy.std(ddof=1), scipy.stats.ttest_rel. */
static const double one[] = {0.9871, 0.9902, 0.9888, 0.9879, 0.9910};
static const double other[] = {0.9860, 0.9881, 0.9890, 0.9861, 0.9893};

static void summaries(void **state)
{
    (void)state;
    const struct umb_summary s = umb__summary(one, 5);
    near(s.mean, 0.989, 1e-14, "the mean");
    near(s.sd, 0.0016046806535881192, 1e-12, "the deviation");
    near(s.half, 0.001992474196174453, 1e-9, "half the interval");
}

static void paired_tests(void **state)
{
    (void)state;
    const struct umb_paired r = umb__paired_test(one, other, 5);
    near(r.t, 3.1811570975106185, 1e-11, "t");
    near(r.p, 0.03349811202646656, 1e-10, "p");
    near(r.difference.mean, 0.0013, 1e-12, "the difference");
    near(r.difference.half, (0.0024346118805580793 - 0.0001653881194419451) / 2, 1e-9, "half");
    const double a[] = {0.11, 0.13, 0.09}, b[] = {0.12, 0.16, 0.10};
    const struct umb_paired few = umb__paired_test(a, b, 3);
    near(few.t, -2.5, 1e-12, "t");
    near(few.p, 0.12961172022151074, 1e-11, "p");
    near(few.difference.mean + few.difference.half, 0.012017684864996409, 1e-9, "the upper end");
}

/* Of one number there is a mean and nothing else. */
static void one_is_too_few(void **state)
{
    (void)state;
    const struct umb_summary s = umb__summary(one, 1);
    assert_true(s.mean == one[0]);
    assert_true(isnan(s.sd) && isnan(s.half));
    assert_true(isnan(umb__paired_test(one, other, 1).p));
    assert_true(isnan(umb__summary(one, 0).mean));
}

static void what_is_missing_is_not_left_out(void **state)
{
    (void)state;
    const double holed[] = {0.9, (double)NAN, 0.8}, wild[] = {0.9, (double)INFINITY, 0.8};
    assert_true(isnan(umb__summary(holed, 3).mean));
    assert_true(isnan(umb__summary(wild, 3).mean));
    assert_true(isnan(umb__paired_test(holed, one, 3).p));
    assert_true(isnan(umb__paired_test(one, holed, 3).difference.mean));
}

/* Equal numbers have no spread, not one of rounding. */
static void no_spread(void **state)
{
    (void)state;
    const double same[] = {0.1, 0.1, 0.1}, more[] = {0.6, 0.6, 0.6};
    const struct umb_summary s = umb__summary(same, 3);
    assert_true(s.mean == 0.1 && s.sd == 0 && s.half == 0);
    assert_true(umb__paired_test(same, same, 3).p == 1);
    assert_true(umb__paired_test(more, same, 3).p == 0);
}

static void gains(void **state)
{
    (void)state;
    near(umb__gain(0.9, 0.8, false), 0.125, 1e-12, "a gain");
    near(umb__gain(0.9, 0.8, true), -0.125, 1e-12, "a loss");
    near(umb__gain(-0.1, -0.2, false), 0.5, 1e-12, "a gain below 0");
    assert_true(isnan(umb__gain(0.5, 0, false)));
    assert_true(isnan(umb__gain((double)NAN, 1, false)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beta_shares),
        cmocka_unit_test(tails),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(summaries),
        cmocka_unit_test(paired_tests),
        cmocka_unit_test(one_is_too_few),
        cmocka_unit_test(what_is_missing_is_not_left_out),
        cmocka_unit_test(no_spread),
        cmocka_unit_test(gains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * How alike tasks are, against numbers worked out by hand, against plain other ways to compute the
 * same, and at the edges: zero gradients, one class, no labels, one task.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "relate.h"
#include "rng.h"
#include "symmetric.h"

static void near(const char *what, double got, double expected, double tolerance)
{
    if (isnan(expected) ? isnan(got) : fabs(got - expected) <= tolerance) { return; }
    fail_msg("%s is %.17g, expected %.17g", what, got, expected);
}

static double draw(uint64_t seed, uint64_t i)
{
    return 2 * (double)umb__random_unit(seed, UMB_RNG_TEST, 0, i) - 1;
}

/* G = ggᵀ of rows g [T,n]. */
static void gram_of(size_t T, size_t n, const double *g, double *ret_gram)
{
    for (size_t i = 0; i < T * T; i++) {
        ret_gram[i] = 0;
        for (size_t k = 0; k < n; k++) {
            ret_gram[i] += g[i / T * n + k] * g[i % T * n + k];
        }
    }
}

/* ---- gradients ---- */

/* (3,4), (−3,−4)·2, (4,−3), 0. */
static const double four[16] = {25, -50, 0, 0, -50, 100, 0, 0, 0, 0, 25, 0, 0, 0, 0, 0};

static void cosine_and_magnitude(void **state)
{
    (void)state;
    double cosine[16], magnitude[16];
    umb__relate_cosine(4, four, cosine);
    umb__relate_magnitude(4, four, magnitude);
    near("cos(0,0)", cosine[0], 1, 0);
    near("cos(0,1)", cosine[1], -1, 0);
    near("cos(0,2)", cosine[2], 0, 0);
    near("cos of a zero gradient", cosine[3], NAN, 0);
    near("magnitude(0,1)", magnitude[1], 2 * 5 * 10 / 125.0, 1e-15);
    near("magnitude(0,2)", magnitude[2], 1, 0);
    near("magnitude with a zero", magnitude[3], 0, 0);
    near("magnitude of zeros", magnitude[15], NAN, 0);
}

/* Lengths whose squares' product would leave double's range. */
static void cosine_of_extreme_lengths(void **state)
{
    (void)state;
    const double large[4] = {1e200, 0.5e200, 0.5e200, 1e200}, small[4] = {1e-200, 0, 0, 1e-200};
    double cosine[4];
    umb__relate_cosine(2, large, cosine);
    near("cos of long gradients", cosine[1], 0.5, 1e-15);
    umb__relate_cosine(2, small, cosine);
    near("cos of short gradients", cosine[0], 1, 1e-15);
}

static void conflicts_are_counted_where_defined(void **state)
{
    (void)state;
    struct umb_conflicts *c;
    double score[4];
    const double steps[5][4] = {
        {1, -0.5, -0.5, 1}, {1, 0.5, 0.5, 1}, {1, -0.05, -0.05, 1}, {1, 0, 0, 0}, {1, -1, -1, 1}};
    assert_int_equal(umb__conflicts_create(NULL, 2, -0.1, &c), UMB_OK);
    umb__conflicts_score(c, score);
    near("score before any step", score[1], NAN, 0);
    for (size_t i = 0; i < 5; i++) {
        umb__conflicts_add(c, steps[i]);
    }
    umb__conflicts_score(c, score);
    near("score(0,1)", score[1], 2.0 / 4, 0);
    near("score(1,0)", score[2], 2.0 / 4, 0);
    near("score(1,1)", score[3], 0, 0);
    umb__conflicts_destroy(c);
    umb__conflicts_destroy(NULL);
}

/* Losses ½‖θ − c_t‖², whose gradients at 0 are −c_t: the exact affinity is the first order's less
 * η²‖c_s‖²/(2·L_t). */
static void affinity_first_and_exact(void **state)
{
    (void)state;
    enum { T = 3, D = 4 };
    const double rate = 0.01;
    double c[T * D], gram[T * T], loss[T], after[T * T], first[T * T], exact[T * T];
    for (size_t i = 0; i < T * D; i++) {
        c[i] = draw(1, i);
    }
    gram_of(T, D, c, gram);
    for (size_t i = 0; i < T * T; i++) {
        const size_t s = i / T, t = i % T;
        double square = 0;
        for (size_t k = 0; k < D; k++) {
            square += pow(rate * c[s * D + k] - c[t * D + k], 2);
        }
        after[i] = square / 2;
        loss[t] = gram[t * T + t] / 2;
    }
    umb__relate_affinity_first(T, rate, gram, loss, first);
    umb__relate_affinity(T, loss, after, exact);
    for (size_t i = 0; i < T * T; i++) {
        const double second = rate * rate * gram[i / T * (T + 1)] / 2 / loss[i % T];
        near("affinity", exact[i], first[i] - second, 1e-14);
    }
    near("their correlation", umb__relate_pearson(T * T, first, exact), 1, 1e-4);
}

static void affinity_of_bad_losses_is_undefined(void **state)
{
    (void)state;
    const double gram[4] = {1, 1, 1, 1}, loss[2] = {0, 2}, after[4] = {1, (double)INFINITY, 1, 1};
    double z[4];
    umb__relate_affinity_first(2, 0.1, gram, loss, z);
    near("with a loss of 0", z[0], NAN, 0);
    near("first order", z[1], 0.05, 1e-16);
    umb__relate_affinity(2, loss, after, z);
    near("with a loss of 0", z[2], NAN, 0);
    near("that became infinite", z[1], NAN, 0);
    near("exact", z[3], 0.5, 0);
}

/* ---- features ---- */

enum { MOST_N = 12, MOST_D = 15 };

static void features(uint64_t seed, size_t n, size_t d, float *x)
{
    for (size_t i = 0; i < n * d; i++) {
        x[i] = (float)draw(seed, i);
    }
}

/* Centring as matrices HKH with H = I − 11ᵀ/n, as the paper has it. */
static double plain_hsic(size_t n, size_t d1, const float *x, size_t d2, const float *y)
{
    double K[MOST_N * MOST_N] = {0}, L[MOST_N * MOST_N] = {0}, sum = 0;
    for (size_t i = 0; i < n * n; i++) {
        for (size_t k = 0; k < d1; k++) {
            K[i] += (double)x[i / n * d1 + k] * (double)x[i % n * d1 + k];
        }
        for (size_t k = 0; k < d2; k++) {
            L[i] += (double)y[i / n * d2 + k] * (double)y[i % n * d2 + k];
        }
    }
    for (size_t i = 0; i < n * n; i++) {
        double row = 0, column = 0, all = 0;
        for (size_t k = 0; k < n; k++) {
            row += K[i / n * n + k] / (double)n;
            column += K[k * n + i % n] / (double)n;
        }
        for (size_t k = 0; k < n * n; k++) {
            all += K[k] / (double)(n * n);
        }
        sum += (K[i] - row - column + all) * L[i];
    }
    return sum;
}

static double cka(size_t n, size_t d1, const float *x, size_t d2, const float *y, bool unbiased)
{
    double value;
    assert_int_equal(umb__relate_cka(NULL, n, d1, x, d2, y, unbiased, &value), UMB_OK);
    return value;
}

/* More samples than features, fewer, and one feature. */
static void alignment_is_the_papers(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{12, 3, 5}, {7, 15, 4}, {5, 15, 13}, {12, 1, 1}, {2, 3, 2}};
    float x[MOST_N * MOST_D], y[MOST_N * MOST_D];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t n = shapes[i][0], d1 = shapes[i][1], d2 = shapes[i][2];
        features(2 * i + 1, n, d1, x);
        features(2 * i + 2, n, d2, y);
        const double expected = plain_hsic(n, d1, x, d2, y) /
                                sqrt(plain_hsic(n, d1, x, d1, x) * plain_hsic(n, d2, y, d2, y));
        near("alignment", cka(n, d1, x, d2, y, false), expected, 1e-13);
        near("alignment the other way", cka(n, d2, y, d1, x, false), expected, 1e-13);
        near("with itself", cka(n, d1, x, d1, x, false), 1, 1e-14);
    }
}

/* Turned, stretched and moved features are the same; a feature that does not vary has none. */
static void alignment_is_invariant(void **state)
{
    (void)state;
    float x[MOST_N * 2], y[MOST_N * 2], flat[MOST_N];
    features(11, MOST_N, 2, x);
    for (size_t i = 0; i < MOST_N; i++) {
        y[2 * i] = 3 * (0.6F * x[2 * i] - 0.8F * x[2 * i + 1]) + 7;
        y[2 * i + 1] = 3 * (0.8F * x[2 * i] + 0.6F * x[2 * i + 1]) - 9;
        flat[i] = 5;
    }
    near("turned", cka(MOST_N, 2, x, 2, y, false), 1, 1e-6);
    near("turned, unbiased", cka(MOST_N, 2, x, 2, y, true), 1, 1e-6);
    near("flat", cka(MOST_N, 2, x, 1, flat, false), NAN, 0);
}

/* Over many draws of independent features the unbiased form is about 0, the other far above. */
static void unbiased_alignment_is_about_zero(void **state)
{
    (void)state;
    float x[MOST_N * MOST_D], y[MOST_N * MOST_D];
    double biased = 0, unbiased = 0;
    enum { DRAWS = 200 };
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        features(100 + 2 * seed, MOST_N, MOST_D, x);
        features(101 + 2 * seed, MOST_N, MOST_D, y);
        biased += cka(MOST_N, MOST_D, x, MOST_D, y, false) / (double)DRAWS;
        unbiased += cka(MOST_N, MOST_D, x, MOST_D, y, true) / (double)DRAWS;
    }
    assert_true(biased > 0.4);
    near("the mean of unbiased ones", unbiased, 0, 0.03);
    double value;
    assert_int_equal(umb__relate_cka(NULL, 3, 1, x, 1, y, true, &value), UMB_ERR_INVALID);
    assert_int_equal(umb__relate_cka(NULL, 1, 1, x, 1, y, false, &value), UMB_ERR_INVALID);
}

/* ---- labels ---- */

static void distances_of_distributions(void **state)
{
    (void)state;
    const uint64_t half[2] = {50, 50}, quarter[2] = {1, 3}, one[2] = {9, 0}, other[2] = {0, 4},
                   none[2] = {0, 0};
    near("KL", umb__relate_kl(2, half, quarter), 0.5 + 0.5 * log2(2.0 / 3), 1e-15);
    near("KL back", umb__relate_kl(2, quarter, half), 0.25 * log2(0.5) + 0.75 * log2(1.5), 1e-15);
    near("KL to itself", umb__relate_kl(2, quarter, quarter), 0, 0);
    assert_true(isinf(umb__relate_kl(2, half, one)));
    near("KL from one class", umb__relate_kl(2, one, half), 1, 0);
    near("KL without labels", umb__relate_kl(2, one, none), NAN, 0);
    near("JS of strangers", umb__relate_js(2, one, other), 1, 0);
    near("JS", umb__relate_js(2, one, half), 0.5 * log2(4.0 / 3) + 0.25 * log2(2.0 / 3) + 0.25,
         1e-15);
    near("JS without labels", umb__relate_js(2, none, half), NAN, 0);
    near("entropy", umb__relate_entropy(2, quarter), 2 - 0.75 * log2(3), 1e-15);
    near("entropy of one class", umb__relate_entropy(2, one), 0, 0);
    near("entropy of nothing", umb__relate_entropy(2, none), NAN, 0);
}

static void mutual_information(void **state)
{
    (void)state;
    const uint64_t apart[6] = {2, 4, 6, 3, 6, 9}, same[4] = {7, 0, 0, 5}, turned[4] = {0, 1, 3, 0},
                   some[4] = {3, 1, 1, 3}, one_class[4] = {4, 5, 0, 0}, none[4] = {0};
    near("independent", umb__relate_mutual(2, 3, apart), 0, 1e-15);
    near("the same", umb__relate_mutual(2, 2, same), 1, 1e-15);
    near("the opposite", umb__relate_mutual(2, 2, turned), 1, 1e-15);
    const double H = -(0.75 * log2(0.375) + 0.25 * log2(0.125));
    near("some", umb__relate_mutual(2, 2, some), 2 - H, 1e-15);
    near("one class", umb__relate_mutual(2, 2, one_class), NAN, 0);
    near("no labels", umb__relate_mutual(2, 2, none), NAN, 0);
}

/* A class derived from ten (4 of them against 6): all it says is known, of the ten's some. */
static void mutual_information_of_a_derived_class(void **state)
{
    (void)state;
    uint64_t joint[20] = {0};
    for (size_t c = 0; c < 10; c++) {
        joint[2 * c + (c < 4)] = 5000;
    }
    const double H = -(0.4 * log2(0.4) + 0.6 * log2(0.6));
    near("derived", umb__relate_mutual(10, 2, joint), sqrt(H / log2(10)), 1e-14);
}

/* ---- weights ---- */

static void distance_of_nets(void **state)
{
    (void)state;
    const float a1[2] = {3, 4}, a2[3] = {1, 1, 1}, b1[2] = {3, 0}, b3[3] = {0, 0, 0};
    const struct umb_relate_tensor a[] = {{"conv1.weight", 2, a1}, {"head.bias", 3, a2}},
                                   b[] = {{"other.bias", 3, b3}, {"conv1.weight", 2, b1}},
                                   c[] = {{"conv1.weight", 1, b1}};
    struct umb_relate_distance d;
    umb__relate_parameters(a, 2, b, 2, &d);
    near("absolute", d.absolute, 4, 0);
    near("relative", d.relative, 4 / sqrt((25 + 9) / 2.0), 1e-15);
    assert_int_equal(d.matched, 1);
    assert_int_equal(d.unmatched, 2);
    umb__relate_parameters(a, 2, a, 2, &d);
    near("of itself", d.relative, 0, 0);
    umb__relate_parameters(a, 2, c, 1, &d); /* the name, of another size */
    near("of strangers", d.relative, NAN, 0);
    assert_int_equal(d.matched, 0);
    assert_int_equal(d.unmatched, 3);
}

static void eigenvalues_of_random_matrices(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n = n < 8 ? n + 1 : n * 2 + 1) {
        double a[40 * 40], values[40], v[40 * 40], root[40 * 40];
        double rows[40 * 40];
        for (size_t i = 0; i < n * n; i++) {
            rows[i] = draw(n, i);
        }
        gram_of(n, n, rows, a);
        assert_int_equal(umb__symmetric_eigen(NULL, n, a, values, v), UMB_OK);
        assert_int_equal(umb__symmetric_root(NULL, n, a, root), UMB_OK);
        for (size_t i = 0; i < n * n; i++) {
            double product = 0, back = 0, unit = 0;
            for (size_t k = 0; k < n; k++) {
                product += v[i / n * n + k] * values[k] * v[i % n * n + k];
                unit += v[k * n + i / n] * v[k * n + i % n];
                back += root[i / n * n + k] * root[k * n + i % n];
            }
            near("VΛVᵀ", product, a[i], 1e-13 * (double)n);
            near("VᵀV", unit, i / n == i % n, 1e-13);
            near("root·root", back, a[i], 1e-13 * (double)n);
        }
        for (size_t k = 1; k < n; k++) {
            assert_true(values[k] <= values[k - 1]);
        }
    }
}

/* Eigenvalues twelve digits apart, equal ones, zeros, and what is not finite. */
static void eigenvalues_of_awkward_matrices(void **state)
{
    (void)state;
    double values[3], v[9];
    const double graded[9] = {1, 1e-7, 0, 1e-7, 1e-12, 0, 0, 0, 0},
                 equal[9] = {2, 0, 0, 0, 2, 0, 0, 0, 2},
                 bad[9] = {1, 0, 0, (double)NAN, 1, 0, 0, 0, 1};
    assert_int_equal(umb__symmetric_eigen(NULL, 3, graded, values, v), UMB_OK);
    near("the greatest", values[0], 1 + 1e-14, 1e-15);
    near("a small one", values[1] * 1e12, 0.99, 1e-3);
    near("none", values[2], 0, 0);
    assert_int_equal(umb__symmetric_eigen(NULL, 3, equal, values, v), UMB_OK);
    near("an equal one", values[2], 2, 0);
    assert_int_equal(umb__symmetric_eigen(NULL, 3, bad, values, v), UMB_ERR_INVALID);
}

/* Two tasks alike, a third at right angles and ten times as long. */
static void mtrl_covariance(void **state)
{
    (void)state;
    const double W[9] = {1, 0, 0, 1, 0, 0, 0, 10, 0};
    double gram[9], omega[9], correlation[9], trace = 0;
    gram_of(3, 3, W, gram);
    assert_int_equal(umb__relate_mtrl(NULL, 3, gram, 0, omega), UMB_OK);
    for (size_t t = 0; t < 3; t++) {
        trace += omega[4 * t];
    }
    near("trace", trace, 1, 1e-15);
    near("Ω(2,2)", omega[8], 10 / (10 + sqrt(2)), 1e-14);
    near("Ω(0,1)", omega[1], 1 / sqrt(2) / (10 + sqrt(2)), 1e-14);
    umb__relate_correlations(3, omega, correlation);
    near("alike", correlation[1], 1, 1e-14);
    near("apart", correlation[2], 0, 1e-14);
    assert_int_equal(umb__relate_mtrl(NULL, 3, gram, 0.1, omega), UMB_OK);
    umb__relate_correlations(3, omega, correlation);
    assert_true(correlation[1] < 0.5 && correlation[1] > 0.1);
}

static void mtrl_of_nothing_and_of_one(void **state)
{
    (void)state;
    const double zero[4] = {0}, one[1] = {9}, bad[1] = {(double)INFINITY};
    double omega[4];
    assert_int_equal(umb__relate_mtrl(NULL, 2, zero, 0.25, omega), UMB_OK);
    near("Ω(0,0)", omega[0], 0.75, 0);
    near("Ω(0,1)", omega[1], 0, 0);
    assert_int_equal(umb__relate_mtrl(NULL, 1, one, 0, omega), UMB_OK);
    near("of one task", omega[0], 1, 1e-16);
    assert_int_equal(umb__relate_mtrl(NULL, 1, bad, 0, omega), UMB_ERR_INVALID);
    umb__relate_correlations(2, zero, omega);
    near("of no variance", omega[1], NAN, 0);
}

/* ---- correlations ---- */

static void correlations(void **state)
{
    (void)state;
    const double a[6] = {1, 2, 3, 4, (double)NAN, 9}, b[6] = {2, 4, 6, 8, 1, (double)NAN},
                 cubes[4] = {1, 8, 27, 64}, ties[4] = {1, 1, 2, 2}, flat[4] = {5, 5, 5, 5};
    double rank;
    near("in proportion", umb__relate_pearson(6, a, b), 1, 1e-15);
    near("with a constant", umb__relate_pearson(4, a, flat), NAN, 0);
    near("of one pair", umb__relate_pearson(1, a, b), NAN, 0);
    assert_int_equal(umb__relate_spearman(NULL, 4, a, cubes, &rank), UMB_OK);
    near("ranks of cubes", rank, 1, 1e-15);
    assert_true(umb__relate_pearson(4, a, cubes) < 0.96);
    assert_int_equal(umb__relate_spearman(NULL, 4, a, ties, &rank), UMB_OK);
    near("ranks with ties", rank, 2 / sqrt(5), 1e-15);
    assert_int_equal(umb__relate_spearman(NULL, 6, a, b, &rank), UMB_OK);
    near("ranks with holes", rank, 1, 1e-15);
}

/* ---- no memory ---- */

static enum umb_status use_memory(void)
{
    static const float x[8] = {1, 2, 3, 5, 8, 13, 21, 34};
    static const double gram[4] = {2, 1, 1, 2};
    struct umb_conflicts *c = NULL;
    double value, omega[4];
    enum umb_status st = umb__relate_cka(NULL, 4, 2, x, 1, x, true, &value);
    if (st == UMB_OK) { st = umb__relate_cka(NULL, 4, 2, x, 1, x, false, &value); }
    if (st == UMB_OK) { st = umb__relate_mtrl(NULL, 2, gram, 0, omega); }
    if (st == UMB_OK) { st = umb__relate_spearman(NULL, 4, gram, omega, &value); }
    if (st == UMB_OK) { st = umb__conflicts_create(NULL, 3, 0, &c); }
    umb__conflicts_destroy(c);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    const uint64_t live = umb__alloc_live();
    uint64_t k = 1;
    enum umb_status st;
    do {
        umb__alloc_fail_at(k++);
        st = use_memory();
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), live);
    } while (st == UMB_ERR_NO_MEMORY);
    assert_int_equal(st, UMB_OK);
    assert_true(k > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_and_magnitude),
        cmocka_unit_test(cosine_of_extreme_lengths),
        cmocka_unit_test(conflicts_are_counted_where_defined),
        cmocka_unit_test(affinity_first_and_exact),
        cmocka_unit_test(affinity_of_bad_losses_is_undefined),
        cmocka_unit_test(alignment_is_the_papers),
        cmocka_unit_test(alignment_is_invariant),
        cmocka_unit_test(unbiased_alignment_is_about_zero),
        cmocka_unit_test(distances_of_distributions),
        cmocka_unit_test(mutual_information),
        cmocka_unit_test(mutual_information_of_a_derived_class),
        cmocka_unit_test(distance_of_nets),
        cmocka_unit_test(eigenvalues_of_random_matrices),
        cmocka_unit_test(eigenvalues_of_awkward_matrices),
        cmocka_unit_test(mtrl_covariance),
        cmocka_unit_test(mtrl_of_nothing_and_of_one),
        cmocka_unit_test(correlations),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

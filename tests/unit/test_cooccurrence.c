/* Relations counted from labels, against values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc.h"
#include "cooccurrence.h"

static void expect(const double *got, const double *expected, int n)
{
    for (int i = 0; i < n; i++) {
        if (!(fabs(got[i] - expected[i]) <= 1e-12)) {
            fail_msg("%d is %.15g, expected %.15g", i, got[i], expected[i]);
        }
    }
}

static void count(struct umb_context *ctx, const signed char (*samples)[3], int n, double *p)
{
    struct umb_cooccurrence c;
    assert_int_equal(umb__cooccurrence_init(ctx, 3, &c), UMB_OK);
    for (int i = 0; i < n; i++) {
        umb__cooccurrence_add(&c, samples[i]);
    }
    umb__cooccurrence_shares(&c, p);
    umb__cooccurrence_finish(&c);
}

static void pairs_are_counted(void **state)
{
    static const signed char samples[][3] = {{1, 1, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}};
    double p[9];
    count(*state, samples, 4, p);
    expect(p, (double[]){1, 2.0 / 3, 0, 2.0 / 3, 1, 0, 0, 0, 0}, 9);
}

/* A label that is not known takes its sample out of that pair, and of no other. */
static void unknown_labels_count_for_nothing(void **state)
{
    static const signed char samples[][3] = {{1, -1, 1}, {1, 1, -1}, {-1, 1, 1}, {1, 0, 1}};
    double p[9];
    count(*state, samples, 4, p);
    expect(p, (double[]){1, 1.0 / 2, 1, 1, 1, 1, 1, 1.0 / 2, 1}, 9);
    static const signed char nothing[][3] = {{-1, -1, -1}};
    count(*state, nothing, 1, p);
    expect(p, (double[9]){0}, 9);
}

static void a_matrix_is_cut_weighed_and_normalised(void **state)
{
    (void)state;
    const double shares[9] = {1, 0.4, 0.6, 0.39, 1, 0, 0.9, 0, 1};
    double a[9], scratch[3];
    for (int i = 0; i < 9; i++) {
        a[i] = shares[i];
    }
    struct umb_adjacency_desc desc = {.threshold = 0.4, .weight = 0.25, .self = true};
    umb__adjacency_of_shares(&desc, 3, a, scratch);
    expect(a, (double[]){1, 0.125, 0.125, 0, 1, 0, 0.25, 0, 1}, 9);
    desc = (struct umb_adjacency_desc){.normalize = true};
    umb__adjacency_complete(&desc, 3, a, scratch);
    const double r = 1 / sqrt(1.25);
    expect(a, (double[]){r * r, 0.125 * r, 0.125 * r * r, 0, 1, 0, 0.25 * r * r, 0, r * r}, 9);
}

/* No row and no column is lost, and nothing is NaN, where a row has no relations. */
static void rows_without_relations_stay(void **state)
{
    (void)state;
    double a[4] = {0, 4, 0, 0}, scratch[2];
    const struct umb_adjacency_desc desc = {.normalize = true};
    umb__adjacency_complete(&desc, 2, a, scratch);
    expect(a, (double[]){0, 2, 0, 0}, 4);
}

static int open_context(void **state)
{
    return umb_context_create(NULL, (struct umb_context **)state) == UMB_OK ? 0 : -1;
}

static int close_context(void **state)
{
    umb_context_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_counted),
        cmocka_unit_test(unknown_labels_count_for_nothing),
        cmocka_unit_test(a_matrix_is_cut_weighed_and_normalised),
        cmocka_unit_test(rows_without_relations_stay),
    };
    return cmocka_run_group_tests_name("cooccurrence", tests, open_context, close_context);
}

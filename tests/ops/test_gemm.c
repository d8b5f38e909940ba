/*
 * Matrix products by every provider and in every transposition, against double; and that CLBlast
 * is what computes where CLBlast was chosen: the link gives this program CLBlast's entry point
 * (--wrap), which counts.
 */
#include "dense.h"
#include "harness.h"
#include "rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef UMB_HAVE_CLBLAST
#include "cl_handles.h"
#include "clblast.h"
#include <clblast_c.h>

static int clblast_calls;

CLBlastStatusCode __real_CLBlastSgemmWithTempBuffer(
    CLBlastLayout layout, CLBlastTranspose ta, CLBlastTranspose tb, size_t m, size_t n, size_t k,
    float alpha, cl_mem a, size_t a_at, size_t lda, cl_mem b, size_t b_at, size_t ldb, float beta,
    cl_mem c, size_t c_at, size_t ldc, cl_command_queue *queue, cl_event *event, cl_mem temporary);
CLBlastStatusCode __wrap_CLBlastSgemmWithTempBuffer(
    CLBlastLayout layout, CLBlastTranspose ta, CLBlastTranspose tb, size_t m, size_t n, size_t k,
    float alpha, cl_mem a, size_t a_at, size_t lda, cl_mem b, size_t b_at, size_t ldb, float beta,
    cl_mem c, size_t c_at, size_t ldc, cl_command_queue *queue, cl_event *event, cl_mem temporary);
CLBlastStatusCode __wrap_CLBlastSgemmWithTempBuffer(
    CLBlastLayout layout, CLBlastTranspose ta, CLBlastTranspose tb, size_t m, size_t n, size_t k,
    float alpha, cl_mem a, size_t a_at, size_t lda, cl_mem b, size_t b_at, size_t ldb, float beta,
    cl_mem c, size_t c_at, size_t ldc, cl_command_queue *queue, cl_event *event, cl_mem temporary)
{
    clblast_calls++;
    return __real_CLBlastSgemmWithTempBuffer(layout, ta, tb, m, n, k, alpha, a, a_at, lda, b, b_at,
                                             ldb, beta, c, c_at, ldc, queue, event, temporary);
}
#endif

/* One product by one provider. */

static enum umb_status emit_naive(struct umb_emit *e)
{
    return umb__emit_gemm_naive(e, e->p.attrs, e->in[0], e->in[1], e->in[2], e->out[0]);
}

static enum umb_status emit_packed(struct umb_emit *e)
{
    return umb__emit_gemm_packed(e, e->p.attrs, e->in[0], e->in[1], e->in[2], e->out[0]);
}

static enum umb_status emit_rows(struct umb_emit *e)
{
    return umb__emit_gemm_rows(e, e->p.attrs, e->in[0], e->in[1], e->in[2], e->out[0]);
}

static const struct umb_solver naive = {"naive", NULL, emit_naive};
static const struct umb_solver packed = {"packed", NULL, emit_packed};
static const struct umb_solver rows = {"rows", NULL, emit_rows};

#define MOST (1 << 17)
static float a[MOST], b[MOST], bias[MOST], out[MOST];

static void fill(float *to, int n, uint32_t stream)
{
    for (int i = 0; i < n; i++) {
        to[i] = 2.0f * umb__random_unit(7, UMB_RNG_TEST, stream, (uint64_t)i) - 1.0f;
    }
}

static double expected(const struct umb_gemm *g, int i, int j, double *ret_size)
{
    double sum = g->bias ? (double)bias[j] : 0.0, size = fabs(sum);
    for (int l = 0; l < g->L; l++) {
        const double product = (double)a[g->transpose_a ? l * g->M + i : i * g->L + l] *
                               (double)b[g->transpose_b ? j * g->L + l : l * g->N + j];
        sum += product;
        size += fabs(product);
    }
    *ret_size = size;
    return g->relu && sum < 0.0 ? 0.0 : sum;
}

/* The number of steps it took. */
static size_t check_product(const struct umb_gemm *g, const struct umb_solver *solver)
{
    static const struct umb_op op = {.name = "gemm"};
    size_t steps = 0;
    const struct umb_type in[] = {
        {.shape = {2, {g->transpose_a ? g->L : g->M, g->transpose_a ? g->M : g->L}}},
        {.shape = {2, {g->transpose_b ? g->N : g->L, g->transpose_b ? g->L : g->N}}},
        {.shape = {1, {g->N}}}};
    const struct umb_type result = {.shape = {2, {g->M, g->N}}};
    fill(a, g->M * g->L, 1);
    fill(b, g->L * g->N, 2);
    fill(bias, g->N, 3);
    const struct umb_op_run run = {.p = {.ctx = harness_context(),
                                         .op = &op,
                                         .attrs = g,
                                         .n_in = 3,
                                         .n_out = 1,
                                         .in = in,
                                         .out = &result},
                                   .solver = solver,
                                   .in = (void *[]){a, b, bias},
                                   .out = (void *[]){out},
                                   .repeats = 1,
                                   .ret_n_steps = &steps};
    if (umb__op_run(harness_device(), &run) != UMB_OK) {
        fail_msg("%s %dx%dx%d: %s", solver->name, g->M, g->N, g->L,
                 umb_context_error(harness_context()));
    }
    for (int at = 0; at < g->M * g->N; at++) {
        double size;
        const double right = expected(g, at / g->N, at % g->N, &size);
        if (!(fabs((double)out[at] - right) <= 1e-6 * (size + 1.0))) {
            fail_msg("%s %dx%dx%d%s%s, element %d: %.9g; expected %.9g", solver->name, g->M, g->N,
                     g->L, g->transpose_a ? " Aᵀ" : "", g->transpose_b ? " Bᵀ" : "", at,
                     (double)out[at], right);
        }
    }
    return steps;
}

static const int sizes[][3] = {{1, 1, 1},    {1, 7, 13},    {17, 1, 5},     {31, 29, 37},
                               {32, 32, 32}, {33, 31, 33},  {63, 65, 64},   {64, 64, 64},
                               {65, 63, 1},  {127, 2, 129}, {128, 128, 17}, {97, 101, 211}};

static void check_all(const struct umb_solver *solver, int transposes)
{
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const struct umb_gemm g = {.M = sizes[s][0],
                                   .N = sizes[s][1],
                                   .L = sizes[s][2],
                                   .transpose_a = transposes & 1,
                                   .transpose_b = transposes & 2,
                                   .bias = s % 2 == 0,
                                   .relu = s % 3 == 0};
        check_product(&g, solver);
    }
}

static void naive_plain(void **state)
{
    (void)state;
    check_all(&naive, 0);
}

static void naive_transposed(void **state)
{
    (void)state;
    for (int t = 1; t < 4; t++) {
        check_all(&naive, t);
    }
}

/* Packed panels. */

/* Rows around a third of a tile and around a block, columns around a vector, a strip and a block,
 * sums around a vector of terms, a piece, and slabs. */
static const int packed_sizes[][3] = {{4, 16, 16},   {5, 15, 15},    {8, 17, 17},   {11, 31, 256},
                                      {12, 32, 257}, {13, 33, 255},  {16, 48, 31},  {23, 47, 33},
                                      {25, 49, 300}, {288, 10, 20},  {289, 16, 40}, {301, 7, 12},
                                      {3, 256, 64},  {2, 257, 70},   {1, 300, 65},  {20, 12, 6000},
                                      {9, 70, 1024}, {37, 41, 3079}, {1, 1, 4099}};

static bool skip_packed(void)
{
    return !umb__gemm_packed_applies(umb_device_get_caps(harness_device()));
}

static void check_tiles(const struct umb_solver *solver, int transposes)
{
    if (skip_packed()) { skip(); }
    check_all(solver, transposes);
    const size_t n = sizeof packed_sizes / sizeof *packed_sizes;
    for (size_t s = 0; s < (harness_small() ? 6 : n); s++) {
        const int *size = packed_sizes[s];
        check_product(&(struct umb_gemm){.M = size[0],
                                         .N = size[1],
                                         .L = size[2],
                                         .transpose_a = transposes & 1,
                                         .transpose_b = transposes & 2,
                                         .bias = s % 2 == 0,
                                         .relu = s % 3 == 0},
                      solver);
    }
}

/* Large enough for a step that packs (on few cores), and for slabs (on any) that a step adds. */
static void packed_in_two_steps(void **state)
{
    (void)state;
    if (skip_packed() || harness_small()) { skip(); }
    for (int t = 0; t < 4; t++) {
        struct umb_gemm g = {.M = 300, .N = 290, .L = 259, .bias = true, .relu = true};
        g.transpose_a = t & 1;
        g.transpose_b = t & 2;
        check_product(&g, &packed);
        g.M = g.N = 61;
        g.L = 2003;
        assert_in_range(check_product(&g, &packed), 2, 3);
    }
}

static void packed_plain(void **state)
{
    (void)state;
    check_tiles(&packed, 0);
}

static void packed_a_transposed(void **state)
{
    (void)state;
    check_tiles(&packed, 1);
}

static void packed_b_transposed(void **state)
{
    (void)state;
    check_tiles(&packed, 2);
}

static void packed_both_transposed(void **state)
{
    (void)state;
    check_tiles(&packed, 3);
}

/* A where it lies. */

static void rows_plain(void **state)
{
    (void)state;
    check_tiles(&rows, 0);
}

static void rows_b_transposed(void **state)
{
    (void)state;
    check_tiles(&rows, 2);
}

/* More rows and columns than an item's block has (on few cores). */
static void rows_in_blocks(void **state)
{
    (void)state;
    if (skip_packed() || harness_small()) { skip(); }
    for (int t = 0; t < 2; t++) {
        struct umb_gemm g = {.M = 901, .N = 130, .L = 145, .bias = true, .relu = true};
        g.transpose_b = t;
        check_product(&g, &rows);
        g.M = 60, g.N = 1100, g.L = 40;
        assert_int_equal(check_product(&g, &rows), 1 + t);
    }
}

/* CLBlast. */

#ifdef UMB_HAVE_CLBLAST
static enum umb_status emit_clblast(struct umb_emit *e)
{
    return umb__emit_gemm_clblast(e, e->p.attrs, e->in[0], e->in[1], e->in[2], e->out[0]);
}

static const struct umb_solver clblast = {"clblast", NULL, emit_clblast};

static void clblast_plain(void **state)
{
    (void)state;
    check_all(&clblast, 0);
}

static void clblast_a_transposed(void **state)
{
    (void)state;
    check_all(&clblast, 1);
}

static void clblast_b_transposed(void **state)
{
    (void)state;
    check_all(&clblast, 2);
}

static void clblast_both_transposed(void **state)
{
    (void)state;
    check_all(&clblast, 3);
}

/* The kernel of large products, which pads and transposes in the temporary, and the other. */
static void clblast_by_given_parameters(void **state)
{
    const struct umb_gemm g = {.M = 101, .N = 107, .L = 103, .transpose_a = true};
    (void)state;
    assert_int_equal(
        umb__clblast_try(harness_device(), "indirect:0.1.32.2.8.8.32.8.8.32.1.1.0.0.4.4"), UMB_OK);
    check_product(&g, &clblast);
    assert_int_equal(umb__clblast_try(harness_device(), "direct:2.8.8.8.8.1.1.2.2.16"), UMB_OK);
    check_product(&g, &clblast);
}

/* Runs problem `index` of a case by the solver of that name; the number of calls CLBlast got. */
static int calls_of(const char *op_name, const struct umb_op_case *row, int index,
                    const char *solver_name)
{
    struct umb_trial *t = NULL;
    struct umb_trial_result result;
    const int before = clblast_calls;
    enum umb_status st = umb__trial_create(harness_context(), umb__op_find(op_name), row, 3, &t);
    if (st != UMB_OK) { fail_msg("%s: %s", op_name, umb_context_error(harness_context())); }
    struct umb_problem p = *umb__trial_problem(t, index);
    p.caps = umb_device_get_caps(harness_device());
    const struct umb_solver *solver = umb__solver_choose(&p, solver_name);
    if (!solver) { fail_msg("%s: no solver %s", p.op->name, solver_name); }
    st = umb__trial_check(t, harness_device(), index, solver, &result);
    if (st != UMB_OK) { fail_msg("%s: %s", p.op->name, umb_context_error(harness_context())); }
    assert_true(result.score <= 1.0);
    umb__trial_destroy(t);
    return clblast_calls - before;
}

static void clblast_is_called_where_chosen(void **state)
{
    static const struct umb_op_case dense = {.attrs = "units=20", .in = "30,40"};
    static const struct umb_op_case conv = {.attrs = "filters=20 size=1", .in = "2,3,4,10"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(calls_of("dense", &dense, i, "clblast"), 1);
        assert_int_equal(calls_of("conv", &conv, i, "clblast"), 1);
        assert_int_equal(calls_of("dense", &dense, i, "naive"), 0);
    }
}

static void clblast_is_not_for_other_convolutions(void **state)
{
    static const char *const others[] = {"filters=20 size=3", "filters=20 size=1 stride=2",
                                         "filters=20 size=1 padding=1",
                                         "filters=20 size=1 groups=2"};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct umb_op_case row = {.attrs = others[i], .in = "2,3,4,10"};
        struct umb_trial *t = NULL;
        assert_int_equal(umb__trial_create(harness_context(), umb__op_find("conv"), &row, 3, &t),
                         UMB_OK);
        for (int k = 0; k < 3; k++) {
            struct umb_problem p = *umb__trial_problem(t, k);
            p.caps = umb_device_get_caps(harness_device());
            assert_null(umb__solver_choose(&p, "clblast"));
        }
        umb__trial_destroy(t);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(naive_plain),
        cmocka_unit_test(naive_transposed),
        cmocka_unit_test(packed_plain),
        cmocka_unit_test(packed_a_transposed),
        cmocka_unit_test(packed_b_transposed),
        cmocka_unit_test(packed_both_transposed),
        cmocka_unit_test(packed_in_two_steps),
        cmocka_unit_test(rows_plain),
        cmocka_unit_test(rows_b_transposed),
        cmocka_unit_test(rows_in_blocks),
#ifdef UMB_HAVE_CLBLAST
        cmocka_unit_test(clblast_plain),
        cmocka_unit_test(clblast_a_transposed),
        cmocka_unit_test(clblast_b_transposed),
        cmocka_unit_test(clblast_both_transposed),
        cmocka_unit_test(clblast_is_called_where_chosen),
        cmocka_unit_test(clblast_is_not_for_other_convolutions),
        cmocka_unit_test(clblast_by_given_parameters),
#endif
    };
    return harness_main("gemm",
                        &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof *tests});
}

/*
 * test_tune_clblast.c: CLBlast's parameters measured: a set that is wrong or refused loses, the
 * fastest is kept, and what was measured by an earlier one is dropped.
 *
 * The link puts this program's own functions in CLBlast's place (--wrap): parameters are noted and
 * not handed on, so that CLBlast compiles once, and products are spoilt for a set of the test's
 * choice.
 */
#include "cl_handles.h"
#include "clblast.h"
#include "tune_world.h"
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of umb__clblast_sets. */
#define REFUSED 1
#define WRONG 3
#define FAILING 5

static int n_overrides;
static char given[512]; /* the numbers of the last kernel's parameters, "1.2.3" */
static size_t least_indirect;

CLBlastStatusCode __wrap_CLBlastOverrideParameters(cl_device_id device, const char *kernel,
                                                   CLBlastPrecision precision, size_t n,
                                                   const char **names, const size_t *numbers);
CLBlastStatusCode __wrap_CLBlastOverrideParameters(cl_device_id device, const char *kernel,
                                                   CLBlastPrecision precision, size_t n,
                                                   const char **names, const size_t *numbers)
{
    (void)device;
    assert_int_equal(precision, CLBlastPrecisionSingle);
    n_overrides++;
    if (strcmp(kernel, "GemmRoutine") == 0) {
        assert_string_equal(names[0], "XGEMM_MIN_INDIRECT_SIZE");
        least_indirect = numbers[0];
        return CLBlastSuccess;
    }
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        length +=
            (size_t)snprintf(given + length, sizeof given - length, i ? ".%zu" : "%zu", numbers[i]);
    }
    const char *refused = strchr(umb__clblast_sets[REFUSED], ':') + 1;
    return strcmp(given, refused) == 0 ? CLBlastMissingOverrideParameter : CLBlastSuccess;
}

static bool is_given(int set)
{
    return strcmp(given, strchr(umb__clblast_sets[set], ':') + 1) == 0;
}

#define GEMM_ARGUMENTS                                                                            \
    CLBlastLayout layout, CLBlastTranspose ta, CLBlastTranspose tb, size_t m, size_t n, size_t k, \
        float alpha, cl_mem a, size_t a_at, size_t lda, cl_mem b, size_t b_at, size_t ldb,        \
        float beta, cl_mem c, size_t c_at, size_t ldc, cl_command_queue *queue, cl_event *event,  \
        cl_mem temporary
CLBlastStatusCode __real_CLBlastSgemmWithTempBuffer(GEMM_ARGUMENTS);
CLBlastStatusCode __wrap_CLBlastSgemmWithTempBuffer(GEMM_ARGUMENTS);
CLBlastStatusCode __wrap_CLBlastSgemmWithTempBuffer(GEMM_ARGUMENTS)
{
    if (is_given(FAILING)) { return CLBlastInvalidLocalMemUsage; }
    if (is_given(WRONG)) { alpha = 1.001f; }
    return __real_CLBlastSgemmWithTempBuffer(layout, ta, tb, m, n, k, alpha, a, a_at, lda, b, b_at,
                                             ldb, beta, c, c_at, ldc, queue, event, temporary);
}

static size_t count_sets(void)
{
    size_t n = 0;
    while (umb__clblast_sets[n]) {
        n++;
    }
    return n;
}

struct heard {
    int n_sets, n_ends;
    double flops;
};

static void listen(void *user, const struct umb_tune_report *r)
{
    struct heard *h = user;
    h->n_sets += r->event == UMB_TUNE_SOLVER;
    if (r->event != UMB_TUNE_CLBLAST) { return; }
    h->n_ends++;
    h->flops = r->flops;
    assert_int_equal(r->n_nodes, 1);
    assert_string_equal(r->nodes[0], "layer");
}

/* What an earlier search and an earlier measurement left. */
static void put_earlier(const struct tune_world *w)
{
    const struct umb_tuned problem = {.problem = "dense of old",
                                      .n = 2,
                                      .solver = {{UMB_VERDICT_RIGHT, 9, "naive", ""},
                                                 {UMB_VERDICT_RIGHT, 5, UMB_CLBLAST_SOLVER, ""}}},
                           alone = {.problem = "dense of CLBlast alone",
                                    .n = 1,
                                    .solver = {{UMB_VERDICT_ALONE, 5, UMB_CLBLAST_SOLVER, ""}}},
                           best = {
                               .problem = UMB_CLBLAST_SOLVER,
                               .n = 1,
                               .solver = {{UMB_VERDICT_RIGHT, 1, umb__clblast_sets[WRONG], ""}}};
    tune_must(w, umb__tuning_put(w->tuning, &problem));
    tune_must(w, umb__tuning_put(w->tuning, &alone));
    tune_must(w, umb__tuning_put(w->tuning, &best));
}

static void expect_verdicts(const struct umb_tuned *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct umb_tuned_solver *s = &t->solver[i];
        if (strcmp(s->name, umb__clblast_sets[WRONG]) == 0) {
            assert_int_equal(s->verdict, UMB_VERDICT_WRONG);
            assert_non_null(strstr(s->note, "layer: output 0 at "));
        } else if (strcmp(s->name, umb__clblast_sets[REFUSED]) == 0) {
            assert_int_equal(s->verdict, UMB_VERDICT_FAILED);
            assert_non_null(strstr(s->note, "status -2047"));
        } else if (strcmp(s->name, umb__clblast_sets[FAILING]) == 0) {
            assert_int_equal(s->verdict, UMB_VERDICT_FAILED);
        } else {
            assert_int_equal(s->verdict, UMB_VERDICT_RIGHT);
            assert_true(s->ns > 0);
        }
    }
}

static void the_fastest_right_set_is_kept(void **state)
{
    struct tune_world w = tune_world_open(*state, umb__op_find("dense")->solvers, 6);
    struct heard heard = {0};
    const struct umb_tune_desc desc = {.device = w.f->device,
                                       .graph = w.graph,
                                       .tuning = w.tuning,
                                       .listen = listen,
                                       .user = &heard};
    w.graph->node[0].op = &w.op;
    put_earlier(&w);
    assert_string_equal(umb__tuned_clblast(w.tuning), umb__clblast_sets[WRONG]);
    tune_must(&w, umb__tune_clblast(w.f->ctx, &desc));
    const struct umb_tuned *t = umb__tuning_find(w.tuning, UMB_CLBLAST_SOLVER);
    assert_int_equal(t->n, count_sets() + 1);
    assert_int_equal(heard.n_sets, (int)t->n);
    assert_int_equal(heard.n_ends, 1);
    assert_float_equal(heard.flops, 2.0 * 6 * 12 * 5, 6 * 5 + 0.5);
    /* every set's two overrides, but the refused one's second */
    assert_int_equal(n_overrides, 2 * (int)count_sets() - 1);
    expect_verdicts(t);
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < t->n; i++) {
        if (t->solver[i].ns && t->solver[i].ns < least) { least = t->solver[i].ns; }
    }
    assert_int_equal(tune_entry(t, umb__tuned_clblast(w.tuning))->ns, least);
    assert_int_equal(umb__tuning_find(w.tuning, "dense of old")->n, 1);
    assert_string_equal(umb__tuning_find(w.tuning, "dense of old")->solver[0].name, "naive");
    assert_int_equal(umb__tuning_find(w.tuning, "dense of CLBlast alone")->n, 1);
    tune_world_close(&w);
}

/* The process is past its first product now. */
static void a_process_keeps_its_set(void **state)
{
    struct fixture *f = *state;
    const char *direct = umb__clblast_sets[count_sets() - 1], *indirect = umb__clblast_sets[0];
    assert_int_equal(umb__clblast_use(f->device, "nonsense"), UMB_ERR_UNSUPPORTED);
    assert_non_null(strstr(umb_context_error(f->ctx), "no parameters 'nonsense' here"));
    assert_int_equal(umb__clblast_try(f->device, indirect), UMB_OK);
    assert_int_equal(umb__clblast_begin(f->device), UMB_OK);
    umb__clblast_end();
    assert_int_equal(umb__clblast_try(f->device, direct), UMB_OK);
    assert_int_equal(umb__clblast_use(f->device, direct), UMB_OK);
    assert_int_equal(umb__clblast_use(f->device, indirect), UMB_ERR_UNSUPPORTED);
    assert_non_null(strstr(umb_context_error(f->ctx), "its parameters in this process are"));
    assert_string_equal(umb__clblast_used(f->device), direct);
    n_overrides = 0;
    assert_int_equal(umb__clblast_begin(f->device), UMB_OK);
    umb__clblast_end();
    assert_int_equal(umb__clblast_begin(f->device), UMB_OK);
    umb__clblast_end();
    assert_int_equal(n_overrides, 2);
    assert_true(is_given((int)count_sets() - 1));
    assert_true(least_indirect > 1000000); /* every product is smaller */
    assert_int_equal(umb__clblast_try(f->device, indirect), UMB_OK);
    assert_int_equal(umb__clblast_begin(f->device), UMB_OK);
    umb__clblast_end();
    assert_int_equal(least_indirect, 0);
    assert_int_equal(umb__clblast_try(f->device, UMB_CLBLAST_OWN), UMB_OK);
    assert_int_equal(umb__clblast_begin(f->device), UMB_ERR_UNSUPPORTED);
    assert_non_null(strstr(umb_context_error(f->ctx), "do not come back"));
    assert_int_equal(umb__clblast_try(f->device, indirect), UMB_OK);
}

/* Each is of a kernel's numbers, none 0 where CLBlast divides by it. */
static void sets_are_well_formed(void **state)
{
    (void)state;
    static const size_t may_be_0[] = {0, 10, 11, 12, 13}; /* GEMMK, SA, SB, STRM, STRN */
    for (size_t s = 0; s < count_sets(); s++) {
        const bool direct = strncmp(umb__clblast_sets[s], "direct:", 7) == 0;
        const char *at = strchr(umb__clblast_sets[s], ':');
        size_t n = 0;
        assert_true(strlen(umb__clblast_sets[s]) <= 64); /* what the database takes */
        for (; at; at = strchr(at + 1, '.'), n++) {
            bool may = false;
            for (size_t i = 0; i < sizeof may_be_0 / sizeof *may_be_0 && !direct; i++) {
                may = may || may_be_0[i] == n;
            }
            assert_true(may || strtoul(at + 1, NULL, 10) > 0);
        }
        assert_int_equal(n, direct ? 10 : 16);
    }
}

static void failed_allocations_are_survived(void **state)
{
    struct tune_world w = tune_world_open(*state, umb__op_find("dense")->solvers, 6);
    const struct umb_tune_desc desc = {.device = w.f->device, .graph = w.graph, .tuning = w.tuning};
    w.graph->node[0].op = &w.op;
    for (uint64_t n = 1; n < 400; n += 1 + n / 6) {
        umb__alloc_fail_at(n);
        const enum umb_status st = umb__tune_clblast(w.f->ctx, &desc);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("allocation %d: %s", (int)n, umb_context_error(w.f->ctx));
        }
    }
    tune_world_close(&w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, tune_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_well_formed),
        CASE(the_fastest_right_set_is_kept),
        CASE(a_process_keeps_its_set),
        CASE(failed_allocations_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

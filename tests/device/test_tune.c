/*
 * test_tune.c: solvers measured and chosen: whatever is wrong, does not build or is slow loses,
 * also where it is hard to see.
 */
#include "plan_internal.h"
#include "tune_world.h"
#include <inttypes.h>
#include <string.h>

static struct umb_tune_summary tune(struct tune_world *w, bool full, bool again)
{
    const struct umb_tune_desc desc = {.device = w->f->device,
                                       .graph = w->graph,
                                       .tuning = w->tuning,
                                       .full = full,
                                       .again = again};
    struct umb_tune_summary sum;
    w->graph->node[0].op = &w->op; /* the world may have moved */
    tune_must(w, umb__tune_graph(w->f->ctx, &desc, &sum));
    return sum;
}

static struct umb_problem problem_of(struct tune_world *w)
{
    struct umb_problem p;
    w->graph->node[0].op = &w->op;
    tune_must(
        w, umb__node_problem(w->graph, 0, umb_device_get_caps(w->f->device), w->graph->arena, &p));
    return p;
}

static struct umb_choice choose(struct tune_world *w, const struct umb_tuning *tuning)
{
    const struct umb_problem p = problem_of(w);
    struct umb_choice c;
    tune_must(w, umb__solver_pick(&p, tuning, NULL, &c));
    return c;
}

static void expect_verdict(const struct umb_tuned *t, const char *name, enum umb_verdict verdict,
                           const char *note)
{
    const struct umb_tuned_solver *s = tune_entry(t, name);
    const bool right = verdict != UMB_VERDICT_WRONG && verdict != UMB_VERDICT_FAILED;
    if (s->verdict != verdict || (s->ns > 0) != right || !strstr(s->note, note)) {
        fail_msg("%s: verdict %d, %" PRIu64 " ns, '%s'; expected %d and '%s'", name,
                 (int)s->verdict, s->ns, s->note, (int)verdict, note);
    }
}

/* Contests. */

static void expect_losers(struct tune_world *w, const struct umb_tune_summary *sum)
{
    const struct umb_tuned *t = choose(w, w->tuning).tuned;
    assert_non_null(t);
    assert_int_equal(t->n, 7); /* absent is not asked */
    expect_verdict(t, "almost", UMB_VERDICT_WRONG, "output 0 at ");
    expect_verdict(t, "nan", UMB_VERDICT_WRONG, "output 0 at 3 is nan");
    expect_verdict(t, "nothing", UMB_VERDICT_WRONG, "output 0 at 0 is ");
    expect_verdict(t, "broken", UMB_VERDICT_FAILED, "broken.cl");
    expect_verdict(t, "refused", UMB_VERDICT_FAILED, "refuses");
    expect_verdict(t, "slow", UMB_VERDICT_ROUGH, "");
    assert_int_equal(sum->n_wrong, 3);
    assert_int_equal(sum->n_failed, 2);
    assert_int_equal(sum->n_hopeless, 0);
    assert_int_equal(sum->n_measured, 1);
    assert_string_equal(umb__tuned_best(t)->name, "naive");
}

static void wrong_broken_and_slow_solvers_lose(void **state)
{
    struct tune_world w = tune_world_open(*state, some_solvers, 6);
    const struct umb_choice before = choose(&w, NULL);
    assert_string_equal(before.solver->name, "almost"); /* by rank, a wrong one */
    assert_int_equal(before.source, UMB_CHOICE_RANK);
    const struct umb_tune_summary sum = tune(&w, false, false);
    expect_losers(&w, &sum);
    const struct umb_choice after = choose(&w, w.tuning);
    assert_string_equal(after.solver->name, "naive");
    assert_int_equal(after.source, UMB_CHOICE_MEASURED);
    tune_world_close(&w);
}

static void a_full_measurement_agrees(void **state)
{
    struct tune_world w = tune_world_open(*state, some_solvers, 6);
    const struct umb_tune_summary sum = tune(&w, true, false);
    expect_losers(&w, &sum);
    assert_true(choose(&w, w.tuning).tuned->full);
    tune_world_close(&w);
}

static void what_is_known_is_not_measured_again(void **state)
{
    struct tune_world w = tune_world_open(*state, some_solvers, 6);
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    assert_int_equal(tune(&w, false, false).n_measured, 0);
    assert_int_equal(tune(&w, false, true).n_measured, 1);
    assert_int_equal(tune(&w, true, false).n_measured, 1); /* more carefully */
    assert_int_equal(tune(&w, false, false).n_known, 1);
    tune_world_close(&w);
}

static void a_new_solver_makes_a_problem_unknown(void **state)
{
    struct tune_world w = tune_world_open(*state, one_solver, 6);
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    expect_verdict(choose(&w, w.tuning).tuned, "naive", UMB_VERDICT_ALONE, "");
    w.op.solvers = wrong_solvers;
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    tune_world_close(&w);
}

static void without_any_right_solver_ranks_decide(void **state)
{
    struct tune_world w = tune_world_open(*state, wrong_solvers, 6);
    assert_int_equal(tune(&w, false, false).n_hopeless, 1);
    const struct umb_choice c = choose(&w, w.tuning);
    assert_int_equal(c.source, UMB_CHOICE_RANK);
    assert_string_equal(c.solver->name, "almost");
    tune_world_close(&w);
}

static void a_known_bad_solver_is_avoided_though_nothing_has_a_time(void **state)
{
    struct tune_world w = tune_world_open(*state, wrong_solvers, 6);
    struct umb_text text = {0};
    const struct umb_problem p = problem_of(&w);
    assert_true(umb__problem_text(&p, &text));
    const struct umb_tuned known = {
        .problem = text.data, .n = 1, .solver = {{UMB_VERDICT_WRONG, 0, "almost", "why"}}};
    tune_must(&w, umb__tuning_put(w.tuning, &known));
    assert_string_equal(choose(&w, w.tuning).solver->name, "nan");
    umb__text_finish(&text);
    tune_world_close(&w);
}

static void training_serves_inference(void **state)
{
    struct tune_world w = tune_world_open(*state, some_solvers, 6);
    (void)tune(&w, false, false);
    w.graph->training = false;
    const struct umb_choice c = choose(&w, w.tuning);
    assert_int_equal(c.source, UMB_CHOICE_MEASURED);
    assert_string_equal(c.solver->name, "naive");
    tune_world_close(&w);
}

static void a_given_solver_goes_first(void **state)
{
    struct tune_world w = tune_world_open(*state, some_solvers, 6);
    struct umb_choice c;
    (void)tune(&w, false, false);
    const struct umb_problem p = problem_of(&w);
    tune_must(&w, umb__solver_pick(&p, w.tuning, "slow", &c));
    assert_string_equal(c.solver->name, "slow");
    assert_int_equal(c.source, UMB_CHOICE_GIVEN);
    tune_must(&w, umb__solver_pick(&p, w.tuning, "absent", &c));
    assert_null(c.solver);
    tune_world_close(&w);
}

/* Whichever allocation fails: an answer or UMB_ERR_NO_MEMORY, and nothing is kept (teardown). */
static void failed_allocations_are_survived(void **state)
{
    struct tune_world w = tune_world_open(*state, one_solver, 6);
    const struct umb_tune_desc desc = {
        .device = w.f->device, .graph = w.graph, .tuning = w.tuning, .again = true};
    w.op.solvers = umb__op_find("dense")->solvers;
    w.graph->node[0].op = &w.op;
    for (uint64_t n = 1; n < 400; n += 1 + n / 12) {
        struct umb_tune_summary sum;
        umb__alloc_fail_at(n);
        const enum umb_status st = umb__tune_graph(w.f->ctx, &desc, &sum);
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
        CASE(wrong_broken_and_slow_solvers_lose),
        CASE(a_full_measurement_agrees),
        CASE(what_is_known_is_not_measured_again),
        CASE(a_new_solver_makes_a_problem_unknown),
        CASE(without_any_right_solver_ranks_decide),
        CASE(a_known_bad_solver_is_avoided_though_nothing_has_a_time),
        CASE(training_serves_inference),
        CASE(a_given_solver_goes_first),
        CASE(failed_allocations_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

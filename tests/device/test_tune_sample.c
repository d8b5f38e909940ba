/*
 * test_tune_sample.c: numbers for a problem and what must come out: whatever way the expected
 * result is worked out, sound solvers are right by it, and a wrong one is noticed.
 */
#include "lab.h"
#include "nets.h"
#include "plan_internal.h"
#include "tune_world.h"
#include <stdlib.h>
#include <string.h>

/* Samples. */

static struct umb_sample *sample_of(struct fixture *f, const struct umb_graph *g, int node,
                                    double max_flops)
{
    struct umb_sample_desc desc = {
        .ctx = f->ctx, .graph = g, .node = node, .checked = true, .max_flops = max_flops};
    struct umb_sample *s = NULL;
    enum umb_status st =
        umb__node_problem(g, node, umb_device_get_caps(f->device), g->arena, &desc.p);
    if (st == UMB_OK) { st = umb__sample_create(&desc, &s); }
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(f->ctx)); }
    return s;
}

static void run_right(struct fixture *f, struct umb_sample *s, const struct umb_solver *solver,
                      const char *what)
{
    char wrong[UMB_TUNE_NOTE];
    uint64_t ns = 0;
    if (umb__sample_run(s, f->device, solver, 1, &ns, wrong) != UMB_OK || wrong[0] || ns == 0) {
        fail_msg("%s by %s, %s: '%s' %s, %d ns", s->p.op->name, solver->name, what, wrong,
                 umb_context_error(f->ctx), (int)ns);
    }
    if (!s->row_of) { return; }
    if (umb__sample_run_one(s, f->device, solver, &ns, wrong) != UMB_OK || wrong[0]) {
        fail_msg("%s by %s, one row: '%s'", s->p.op->name, solver->name, wrong);
    }
}

/* Every solver of a net's nodes is right by either way of expecting; returns those by rows. */
static int check_nodes(struct fixture *f, const struct umb_graph *g)
{
    int by_rows = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_op *op = g->node[i].op;
        if (!umb__node_has_steps(g, i) || !op->solvers[0].name || !op->solvers[1].name) {
            continue;
        }
        struct umb_sample *whole = sample_of(f, g, i, 1e18), *rows = sample_of(f, g, i, 0);
        assert_null(whole->row_of);
        for (const struct umb_solver *s = op->solvers; s->name; s++) {
            if (s->applicable(&whole->p) <= 0) { continue; }
            run_right(f, whole, s, "whole");
            run_right(f, rows, s, "by rows");
        }
        by_rows += rows->row_of != NULL;
        umb__sample_destroy(whole);
        umb__sample_destroy(rows);
    }
    return by_rows;
}

static void sound_solvers_are_right_either_way(void **state)
{
    struct fixture *f = *state;
    unsetenv("UMBEL_KERNEL_DIR");
    struct umb_net *net = test_net_two_streams(f->ctx);
    struct lab lab = lab_open_simplified(f->ctx, net, 11, true, 5);
    const int by_rows = check_nodes(f, lab.graph);
    if (by_rows < 6) { fail_msg("%d nodes by rows, expected 6", by_rows); }
    lab_close(&lab);
    umb_net_destroy(net);
}

static int high(const struct umb_problem *p)
{
    (void)p;
    return 9;
}

/* A sum that leaves out the last of its rows, as a kernel with a wrong bound would. */
static enum umb_status emit_short(struct umb_emit *e)
{
    struct umb_type in[4];
    const struct umb_type *kept = e->p.in;
    const struct umb_op *own = e->p.op;
    memcpy(in, kept, (size_t)e->p.n_in * sizeof *in);
    for (int k = 0; k < e->p.n_in; k++) {
        in[k].shape.dim[0] -= 13;
    }
    e->p.in = in;
    e->p.op = umb__op_find("dense_backward_weights");
    const enum umb_status st = umb__solver_choose(&e->p, "naive")->emit(e);
    e->p.in = kept;
    e->p.op = own;
    return st;
}

static void a_sum_that_lacks_rows_is_noticed(void **state)
{
    struct fixture *f = *state;
    unsetenv("UMBEL_KERNEL_DIR");
    const struct umb_solver lacking = {"short", high, emit_short};
    struct umb_net *net = test_net(f->ctx);
    const int x = test_stream(f->ctx, net, "x", 3, 3, 1);
    const int y = test_layer(f->ctx, net, "flatten", NULL, x);
    test_task(f->ctx, net, "t", test_layer(f->ctx, net, "dense", "units=3", y), "mse", 1);
    struct lab lab = lab_open(f->ctx, net, 96, true, 5);
    int seen = 0;
    for (int i = 0; i < lab.graph->n_nodes; i++) {
        if (strcmp(lab.graph->node[i].op->name, "dense_backward_weights") != 0) { continue; }
        struct umb_sample *s = sample_of(f, lab.graph, i, 0);
        char wrong[UMB_TUNE_NOTE];
        uint64_t ns;
        assert_non_null(s->row_of);
        assert_int_equal(umb__sample_run(s, f->device, &lacking, 1, &ns, wrong), UMB_OK);
        assert_non_null(strstr(wrong, "output 0 at"));
        umb__sample_destroy(s);
        seen++;
    }
    assert_int_equal(seen, 1);
    lab_close(&lab);
    umb_net_destroy(net);
}

static void a_wrong_element_of_the_last_row_is_noticed_by_rows(void **state)
{
    struct fixture *f = *state;
    struct tune_world w = tune_world_open(f, some_solvers, 64);
    w.graph->node[0].op = &w.op;
    struct umb_sample *s = sample_of(f, w.graph, 0, 0);
    char wrong[UMB_TUNE_NOTE];
    uint64_t ns;
    assert_non_null(s->row_of);
    tune_must(&w, umb__sample_run(s, f->device, &some_solvers[ALMOST], 1, &ns, wrong));
    if (!strstr(wrong, "output 0 at 319 ")) { fail_msg("'%s'; expected output 0 at 319", wrong); }
    tune_must(&w, umb__sample_run(s, f->device, &some_solvers[0], 1, &ns, wrong));
    assert_string_equal(wrong, "");
    umb__sample_destroy(s);
    tune_world_close(&w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, tune_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sound_solvers_are_right_either_way),
        CASE(a_sum_that_lacks_rows_is_noticed),
        CASE(a_wrong_element_of_the_last_row_is_noticed_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

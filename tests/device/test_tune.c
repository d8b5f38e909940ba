/*
 * test_tune.c: solvers measured and chosen: whatever is wrong, does not build or is slow loses,
 * also where it is hard to see; what was measured decides plans, their costs and nothing else.
 *
 * The problem is a dense layer under a table of solvers of its own: the product's naive one, and
 * others that spoil its result with a kernel of this test's (UMBEL_KERNEL_DIR).
 */
#include "lab.h"
#include "nets.h"
#include "plan_internal.h"
#include "program_fixture.h"
#include "session.h"
#include "system.h"
#include "tune_internal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Solvers. */

/* Adds `by` to element `at` of y, after `busy` rounds of nothing. */
#define SPOIL                                                                                \
    "__kernel void spoil(__global float *y, ulong o, int at, float by, int busy)\n{\n"       \
    "    float x = 0;\n"                                                                     \
    "    for (int i = 0; i < busy; i++) {\n        x = fma(x, 0.5f, y[o + i % 7]);\n    }\n" \
    "    y[o + at] += by + (x == 12345.0f ? x : 0.0f);\n}\n"
#define BROKEN "__kernel void spoil(__global float *y, ulong o)\n{\n    this is no OpenCL C\n}\n"

static const struct umb_kernel spoil = {"spoil", "spoil.cl", "spoil", "mifi"};
static const struct umb_kernel broken = {"broken", "broken.cl", "spoil", "m"};

static int rank_of_naive(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

static int high(const struct umb_problem *p)
{
    (void)p;
    return 9;
}

static int never(const struct umb_problem *p)
{
    (void)p;
    return 0;
}

static enum umb_status emit_naive(struct umb_emit *e)
{
    return umb__solver_choose(&e->p, "naive")->emit(e);
}

static enum umb_status emit_spoil(struct umb_emit *e, int at, double by, int busy)
{
    const struct umb_emit_launch one = {.kernel = &spoil, .dimensions = 1, .global = {1}};
    return umb__emit_launch(e, &one, e->out[0], at, by, busy);
}

static enum umb_status emit_real(struct umb_emit *e)
{
    const struct umb_op *own = e->p.op;
    e->p.op = umb__op_find("dense");
    const enum umb_status st = emit_naive(e);
    e->p.op = own;
    return st;
}

/* The right result, and one element of the last row off by a thousandth. */
static enum umb_status emit_almost(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    const int last = (int)umb__shape_count(&e->p.out[0].shape) - 1;
    return st == UMB_OK ? emit_spoil(e, last, 1e-3, 0) : st;
}

static enum umb_status emit_nan(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    return st == UMB_OK ? emit_spoil(e, 3, (double)NAN, 0) : st;
}

/* Nothing is written at all, and very quickly. */
static enum umb_status emit_nothing(struct umb_emit *e)
{
    (void)e;
    return UMB_OK;
}

static enum umb_status emit_broken(struct umb_emit *e)
{
    const struct umb_emit_launch one = {.kernel = &broken, .dimensions = 1, .global = {1}};
    return umb__emit_launch(e, &one, e->out[0]);
}

static enum umb_status emit_refused(struct umb_emit *e)
{
    return umb__fail(e->p.ctx, UMB_ERR_UNSUPPORTED, "this solver\nrefuses");
}

static enum umb_status emit_slow(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    return st == UMB_OK ? emit_spoil(e, 0, 0, 20000000) : st;
}

static const struct umb_solver solvers[] = {{"naive", rank_of_naive, emit_real},
                                            {"almost", high, emit_almost},
                                            {"nan", high, emit_nan},
                                            {"nothing", high, emit_nothing},
                                            {"broken", high, emit_broken},
                                            {"refused", high, emit_refused},
                                            {"slow", high, emit_slow},
                                            {"absent", never, emit_real},
                                            {0}};
static const struct umb_solver wrong_solvers[] = {
    {"nan", rank_of_naive, emit_nan}, {"almost", high, emit_almost}, {0}};
static const struct umb_solver one_solver[] = {{"naive", rank_of_naive, emit_real}, {0}};

/* Graphs. */

struct world {
    struct fixture *f;
    struct umb_op op; /* dense, with other solvers */
    struct umb_graph *graph;
    struct umb_tuning *tuning;
};

static void must(const struct world *w, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(w->f->ctx)); }
}

/* A dense layer over rows × 12, to 5. */
static struct world open_world(struct fixture *f, const struct umb_solver *table, int64_t rows)
{
    struct world w = {.f = f, .op = *umb__op_find("dense")};
    const struct umb_type x = {.shape = {2, {rows, 12}}, .n_segments = 1};
    int out[UMB_OP_MAX_OUT];
    w.op.solvers = table;
    write_kernel(f, "spoil.cl", SPOIL);
    write_kernel(f, "broken.cl", BROKEN);
    must(&w, umb__graph_create(f->ctx, true, 1, &w.graph));
    void *attrs = NULL;
    must(&w, umb__attrs_create(f->ctx, w.graph->arena, &w.op, "units=5", &attrs));
    const int in = umb__graph_value(w.graph, "x", UMB_VALUE_INPUT, &x);
    const struct umb_graph_node_desc desc = {
        .op = &w.op, .attrs = attrs, .name = "layer", .n_in = 1, .in = &in};
    must(&w, umb__graph_node(w.graph, &desc, out));
    must(&w, umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &w.tuning));
    return w;
}

static void close_world(struct world *w)
{
    umb__tuning_close(w->tuning);
    umb__graph_destroy(w->graph);
}

static struct umb_tune_summary tune(struct world *w, bool full, bool again)
{
    const struct umb_tune_desc desc = {.device = w->f->device,
                                       .graph = w->graph,
                                       .tuning = w->tuning,
                                       .full = full,
                                       .again = again};
    struct umb_tune_summary sum;
    w->graph->node[0].op = &w->op; /* the world may have moved */
    must(w, umb__tune_graph(w->f->ctx, &desc, &sum));
    return sum;
}

static struct umb_problem problem_of(struct world *w)
{
    struct umb_problem p;
    w->graph->node[0].op = &w->op;
    must(w, umb__node_problem(w->graph, 0, umb_device_get_caps(w->f->device), w->graph->arena, &p));
    return p;
}

static struct umb_choice choose(struct world *w, const struct umb_tuning *tuning)
{
    const struct umb_problem p = problem_of(w);
    struct umb_choice c;
    must(w, umb__solver_pick(&p, tuning, NULL, &c));
    return c;
}

static const struct umb_tuned_solver *entry(const struct umb_tuned *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->solver[i].name, name) == 0) { return &t->solver[i]; }
    }
    fail_msg("%s has no entry", name);
    return NULL;
}

static void expect_verdict(const struct umb_tuned *t, const char *name, enum umb_verdict verdict,
                           const char *note)
{
    const struct umb_tuned_solver *s = entry(t, name);
    const bool right = verdict != UMB_VERDICT_WRONG && verdict != UMB_VERDICT_FAILED;
    if (s->verdict != verdict || (s->ns > 0) != right || !strstr(s->note, note)) {
        fail_msg("%s: verdict %d, %" PRIu64 " ns, '%s'; expected %d and '%s'", name,
                 (int)s->verdict, s->ns, s->note, (int)verdict, note);
    }
}

/* Contests. */

static void expect_losers(struct world *w, const struct umb_tune_summary *sum)
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
    struct world w = open_world(*state, solvers, 6);
    const struct umb_choice before = choose(&w, NULL);
    assert_string_equal(before.solver->name, "almost"); /* by rank, a wrong one */
    assert_int_equal(before.source, UMB_CHOICE_RANK);
    const struct umb_tune_summary sum = tune(&w, false, false);
    expect_losers(&w, &sum);
    const struct umb_choice after = choose(&w, w.tuning);
    assert_string_equal(after.solver->name, "naive");
    assert_int_equal(after.source, UMB_CHOICE_MEASURED);
    close_world(&w);
}

static void a_full_measurement_agrees(void **state)
{
    struct world w = open_world(*state, solvers, 6);
    const struct umb_tune_summary sum = tune(&w, true, false);
    expect_losers(&w, &sum);
    assert_true(choose(&w, w.tuning).tuned->full);
    close_world(&w);
}

static void what_is_known_is_not_measured_again(void **state)
{
    struct world w = open_world(*state, solvers, 6);
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    assert_int_equal(tune(&w, false, false).n_measured, 0);
    assert_int_equal(tune(&w, false, true).n_measured, 1);
    assert_int_equal(tune(&w, true, false).n_measured, 1); /* more carefully */
    assert_int_equal(tune(&w, false, false).n_known, 1);
    close_world(&w);
}

static void a_new_solver_makes_a_problem_unknown(void **state)
{
    struct world w = open_world(*state, one_solver, 6);
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    expect_verdict(choose(&w, w.tuning).tuned, "naive", UMB_VERDICT_ALONE, "");
    w.op.solvers = wrong_solvers;
    assert_int_equal(tune(&w, false, false).n_measured, 1);
    close_world(&w);
}

static void without_any_right_solver_ranks_decide(void **state)
{
    struct world w = open_world(*state, wrong_solvers, 6);
    assert_int_equal(tune(&w, false, false).n_hopeless, 1);
    const struct umb_choice c = choose(&w, w.tuning);
    assert_int_equal(c.source, UMB_CHOICE_RANK);
    assert_string_equal(c.solver->name, "almost");
    close_world(&w);
}

static void a_known_bad_solver_is_avoided_though_nothing_has_a_time(void **state)
{
    struct world w = open_world(*state, wrong_solvers, 6);
    struct umb_text text = {0};
    const struct umb_problem p = problem_of(&w);
    assert_true(umb__problem_text(&p, &text));
    const struct umb_tuned known = {
        .problem = text.data, .n = 1, .solver = {{UMB_VERDICT_WRONG, 0, "almost", "why"}}};
    must(&w, umb__tuning_put(w.tuning, &known));
    assert_string_equal(choose(&w, w.tuning).solver->name, "nan");
    umb__text_finish(&text);
    close_world(&w);
}

static void training_serves_inference(void **state)
{
    struct world w = open_world(*state, solvers, 6);
    (void)tune(&w, false, false);
    w.graph->training = false;
    const struct umb_choice c = choose(&w, w.tuning);
    assert_int_equal(c.source, UMB_CHOICE_MEASURED);
    assert_string_equal(c.solver->name, "naive");
    close_world(&w);
}

static void a_given_solver_goes_first(void **state)
{
    struct world w = open_world(*state, solvers, 6);
    struct umb_choice c;
    (void)tune(&w, false, false);
    const struct umb_problem p = problem_of(&w);
    must(&w, umb__solver_pick(&p, w.tuning, "slow", &c));
    assert_string_equal(c.solver->name, "slow");
    assert_int_equal(c.source, UMB_CHOICE_GIVEN);
    must(&w, umb__solver_pick(&p, w.tuning, "absent", &c));
    assert_null(c.solver);
    close_world(&w);
}

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
    const enum umb_status st = emit_naive(e);
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
    struct world w = open_world(f, solvers, 64);
    w.graph->node[0].op = &w.op;
    struct umb_sample *s = sample_of(f, w.graph, 0, 0);
    char wrong[UMB_TUNE_NOTE];
    uint64_t ns;
    assert_non_null(s->row_of);
    must(&w, umb__sample_run(s, f->device, &solvers[1], 1, &ns, wrong));
    if (!strstr(wrong, "output 0 at 319 ")) { fail_msg("'%s'; expected output 0 at 319", wrong); }
    must(&w, umb__sample_run(s, f->device, &solvers[0], 1, &ns, wrong));
    assert_string_equal(wrong, "");
    umb__sample_destroy(s);
    close_world(&w);
}

/* Built-in rows. */

static void built_in_rows_go_by_what_a_device_can(void **state)
{
    static const struct {
        enum umb_device_type type;
        uint32_t width;
        const char *problem, *solver;
    } rows[] = {
        {UMB_DEVICE_CPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         "winograd2"},
        {UMB_DEVICE_CPU, 8,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_GPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,2,2,512] "
         "f32[32,2,2,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_CPU, 16,
         "conv_backward_weights filters=512 size=3 padding=1 bias=false : f32[32,4,4,512] "
         "f32[32,4,4,512] > f32[3,3,512,512] training",
         NULL},
        {UMB_DEVICE_CPU, 16, "conv_backward_weights filters=512 size=3 padding=1", NULL},
        {UMB_DEVICE_CPU, 16, "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct umb_device_caps caps = {.type = rows[i].type, .float_width = rows[i].width};
        const char *is = umb__built_in_solver(&caps, rows[i].problem);
        if ((is == NULL) != (rows[i].solver == NULL) || (is && strcmp(is, rows[i].solver) != 0)) {
            fail_msg("row %zu: %s, expected %s", i, is ? is : "none",
                     rows[i].solver ? rows[i].solver : "none");
        }
    }
}

/* Plans and trainers. */

static struct umb_net *small_net(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "x", 6, 6, 2);
    h = test_layer(ctx, net, "conv", "filters=4 size=3", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    test_task(ctx, net, "t", test_layer(ctx, net, "dense", "units=3", h), "mse", 1);
    return net;
}

static int find_node(const struct umb_graph *g, const char *op)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].op->name, op) == 0) { return i; }
    }
    fail_msg("no %s", op);
    return -1;
}

/* Writes into the database that `solver` takes `ns` for the trainer's dense layer, and others more.
 */
static void pretend(struct fixture *f, const struct session *s, const char *solver, uint64_t ns)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    struct umb_problem p;
    struct umb_text text = {0};
    struct umb_tuning *t = NULL;
    assert_int_equal(
        umb__node_problem(g, find_node(g, "dense"), umb_device_get_caps(f->device), g->arena, &p),
        UMB_OK);
    assert_true(umb__problem_text(&p, &text));
    const struct umb_tuned tuned = {
        .problem = text.data, .n = 1, .solver = {{UMB_VERDICT_RIGHT, ns, solver, ""}}};
    assert_int_equal(umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &t), UMB_OK);
    assert_int_equal(umb__tuning_put(t, &tuned), UMB_OK);
    assert_int_equal(umb__tuning_save(t), UMB_OK);
    umb__tuning_close(t);
    umb__text_finish(&text);
}

static struct session train_on(struct fixture *f, const struct umb_net *net)
{
    const struct session_desc desc = {.device = f->device, .net = net, .batch = 5, .seed = 3};
    return session_open(f->ctx, &desc);
}

static const char *dense_solver(const struct session *s)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    return umb__plan_solver(umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN), find_node(g, "dense"));
}

static int setup_trainer(void **state)
{
    if (fixture_setup(state) != 0) { return -1; }
    unsetenv("UMBEL_KERNEL_DIR");
    unsetenv("UMBEL_TUNE");
    return 0;
}

static void measurements_decide_plans_and_their_costs(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 77000000);
    session_close(&a);
    struct session b = train_on(f, net);
    assert_string_equal(dense_solver(&b), "naive");
    const struct umb_plan *plan = umb__trainer_plan(b.tr, UMB_TRAINER_TRAIN);
    const int node = find_node(plan->graph, "dense");
    assert_int_equal(umb__plan_choice(plan, node).source, UMB_CHOICE_MEASURED);
    double cost = 0;
    for (size_t i = 0; i < plan->steps.n; i++) {
        if (plan->steps.step[i].node == node) { cost += plan->cost_ns[i]; }
    }
    if (!(cost >= 77e6 && cost < 78e6)) { fail_msg("a cost of %g ns; expected 77e6", cost); }
    session_close(&b);
    setenv("UMBEL_TUNE", "off", 1);
    struct session c = train_on(f, net);
    assert_int_not_equal(umb__plan_choice(umb__trainer_plan(c.tr, UMB_TRAINER_TRAIN), node).source,
                         UMB_CHOICE_MEASURED);
    session_close(&c);
    umb_net_destroy(net);
}

static void a_resumed_run_keeps_its_solvers(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    char path[1024];
    snprintf(path, sizeof path, "%s", path_in(f, "saved.safetensors"));
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 100);
    session_close(&a);
    struct session b = train_on(f, net);
    session_train(&b, 0, 3);
    assert_string_equal(dense_solver(&b), "naive");
    assert_int_equal(umb_trainer_save(b.tr, path), UMB_OK);
    assert_int_equal(unlink(umb__tuning_path(umb__trainer_tuning(b.tr))), 0);
    struct session c = train_on(f, net);
    assert_int_equal(umb_trainer_load(c.tr, path), UMB_OK);
    assert_string_equal(dense_solver(&c), "naive");
    session_train(&b, 3, 2);
    session_train(&c, 3, 2);
    assert_same_bits(&b, &c, "a resumed run, measurements gone");
    session_close(&b);
    session_close(&c);
    umb_net_destroy(net);
}

static size_t count_kept(struct fixture *f)
{
    struct umb_tuning *t = NULL;
    assert_int_equal(umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &t), UMB_OK);
    if (umb__tuning_trouble(t)) { fail_msg("%s", umb__tuning_trouble(t)); }
    const size_t n = umb__tuning_count(t);
    umb__tuning_close(t);
    return n;
}

static void quick_measures_before_the_plan_is_made(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    setenv("UMBEL_TUNE", "quick", 1);
    struct session a = train_on(f, net);
    const struct umb_plan *plan = umb__trainer_plan(a.tr, UMB_TRAINER_TRAIN);
    for (int i = 0; i < plan->graph->n_nodes; i++) {
        const struct umb_choice c = umb__plan_choice(plan, i);
        if (c.solver && c.source != UMB_CHOICE_MEASURED) {
            fail_msg("%s was not measured", plan->graph->node[i].name);
        }
    }
    session_train(&a, 0, 2);
    const size_t kept = count_kept(f);
    assert_true(kept >= 5);
    session_close(&a);
    unsetenv("UMBEL_TUNE");
    struct session b = train_on(f, net);
    assert_int_equal(umb__tuning_count(umb__trainer_tuning(b.tr)), kept);
    session_close(&b);
    umb_net_destroy(net);
}

static void a_damaged_database_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    struct session a = train_on(f, net);
    pretend(f, &a, "naive", 100);
    write_file(umb__tuning_path(umb__trainer_tuning(a.tr)), "umbel tuning 1\nx", 16);
    session_close(&a);
    struct session b = train_on(f, net);
    const char *trouble = umb__tuning_trouble(umb__trainer_tuning(b.tr));
    assert_non_null(trouble);
    assert_int_not_equal(
        umb__plan_choice(umb__trainer_plan(b.tr, UMB_TRAINER_TRAIN),
                         find_node(umb__trainer_graph(b.tr, UMB_TRAINER_TRAIN), "dense"))
            .source,
        UMB_CHOICE_MEASURED);
    session_close(&b);
    umb_net_destroy(net);
}

static void an_unwritable_folder_is_no_error_for_a_training(void **state)
{
    struct fixture *f = *state;
    struct umb_net *net = small_net(f->ctx);
    write_file(path_in(f, "file"), "x", 1);
    setenv("UMBEL_CACHE", path_in(f, "file/below"), 1);
    setenv("UMBEL_TUNE", "quick", 1);
    struct session a = train_on(f, net);
    session_train(&a, 0, 1);
    session_close(&a);
    umb_net_destroy(net);
}

/* Whichever allocation fails: an answer or UMB_ERR_NO_MEMORY, and nothing is kept (teardown). */
static void failed_allocations_are_survived(void **state)
{
    struct world w = open_world(*state, one_solver, 6);
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
    close_world(&w);
}

static int teardown_tune(void **state)
{
    unsetenv("UMBEL_TUNE");
    return fixture_teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, teardown_tune)
#define TRAINER(f) cmocka_unit_test_setup_teardown(f, setup_trainer, teardown_tune)

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
        CASE(sound_solvers_are_right_either_way),
        CASE(a_sum_that_lacks_rows_is_noticed),
        CASE(a_wrong_element_of_the_last_row_is_noticed_by_rows),
        cmocka_unit_test(built_in_rows_go_by_what_a_device_can),
        TRAINER(measurements_decide_plans_and_their_costs),
        TRAINER(a_resumed_run_keeps_its_solvers),
        TRAINER(quick_measures_before_the_plan_is_made),
        TRAINER(a_damaged_database_is_no_error),
        TRAINER(an_unwritable_folder_is_no_error_for_a_training),
        CASE(failed_allocations_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

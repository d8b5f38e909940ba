/*
 * Nodes that the host computes, between kernels: every slot's run gets its own numbers, in the
 * order of runs and one call at a time, on any number of queues, with runs under way, traced and
 * timed; a plan that goes while its runs are under way waits for them.
 *
 *   x ─► gram ─► host: squares ─► combined ─► first ─┐
 *   │               │                                ├─► sum
 *   │               └─► host: halves ─► combined ────┘
 *   y ─► relu ─► beside
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"
#include "plan_internal.h"
#include "system.h"
#include "world.h"

#define T 2
#define N 4099
#define SLOTS 3
#define RUNS 50

/* What the functions see. Nothing here is guarded: the host's calls and our waits are. */
struct seen {
    int calls[2];   /* of both functions */
    uint64_t sleep; /* ns, in every third call */
    int slot[RUNS + 2 * SLOTS];
};

struct rig {
    struct umb_store *store;
    struct umb_graph *graph;
    struct umb_plan *plan;
    struct seen seen;
    int x, y, sum, beside, weights;
};

static void note(struct seen *s, int function, int slot)
{
    if (s->sleep && (s->calls[0] + s->calls[1]) % 3 == 0) { umb__sleep_ns(s->sleep); }
    if (!function) { s->slot[s->calls[0] % (RUNS + 2 * SLOTS)] = slot; }
    s->calls[function]++;
}

/* in: the Gram matrix of x. */
static void squares(void *user, int slot, const float *in, float *out)
{
    note(user, 0, slot);
    for (int t = 0; t < T; t++) {
        out[t] = in[t * (T + 1)] / N;
    }
}

static void halves(void *user, int slot, const float *in, float *out)
{
    struct seen *s = user;
    note(s, 1, slot);
    for (int t = 0; t < T; t++) {
        out[t] = in[t] / 2 + (float)slot;
    }
}

static int add_node(struct rig *r, const char *op, const void *attrs, const char *name, int a,
                    int b)
{
    int in[2] = {a, b}, out[UMB_OP_MAX_OUT] = {-1};
    must(umb__graph_add(r->graph, UMB_PHASE_FORWARD, op, attrs, name, b < 0 ? 1 : 2, in, out));
    return out[0];
}

static int add_host(struct rig *r, const char *name, umb_host_fn call, int in)
{
    const struct umb_host_attrs attrs = {.call = call, .user = &r->seen, .n_out = T};
    return add_node(r, "host", &attrs, name, in, -1);
}

static void build(struct rig *r)
{
    const struct umb_type rows = {.dtype = UMB_F32, .shape = {2, {T, N}}};
    must(umb__graph_create(world.ctx, false, 1, &r->graph));
    r->x = umb__graph_value(r->graph, "x", UMB_VALUE_INPUT, &rows);
    r->y = umb__graph_value(r->graph, "y", UMB_VALUE_INPUT, &rows);
    assert_true(r->x >= 0 && r->y >= 0);
    r->beside = add_node(r, "relu", NULL, "beside", r->y, -1);
    const int gram = add_node(r, "gram", NULL, "gram", r->x, -1);
    r->weights = add_host(r, "squares", squares, gram);
    const int half = add_host(r, "halves", halves, r->weights);
    r->sum = add_node(r, "add", NULL, "sum",
                      add_node(r, "combine_rows", NULL, "first", r->x, r->weights),
                      add_node(r, "combine_rows", NULL, "second", r->x, half));
    r->graph->value[r->sum].output = true;
    r->graph->value[r->beside].output = true;
    must(umb__graph_verify(r->graph));
}

static void make_plan(struct rig *r, int queues)
{
    const struct umb_plan_desc desc = {.device = world.device,
                                       .graph = r->graph,
                                       .store = r->store,
                                       .n_queues = queues,
                                       .n_slots = SLOTS,
                                       .merge = true};
    must(umb__plan_create(world.ctx, &desc, &r->plan));
    must(umb__plan_verify(r->plan));
}

static void open_rig(struct rig *r, int queues)
{
    memset(r, 0, sizeof *r);
    must(umb__store_create(world.device, &r->store));
    build(r);
    make_plan(r, queues);
}

static void close_rig(struct rig *r)
{
    umb__plan_destroy(r->plan);
    umb__graph_destroy(r->graph);
    umb__store_destroy(r->store);
}

/* ±a in row 0 and ±b in row 1, so that products are exact. */
static float first_row(int run)
{
    return (float)(1 + run % 5);
}

static float second_row(int run)
{
    return (float)(-1 - run % 3);
}

static void fill_x(const struct rig *r, int run)
{
    float *x = umb__plan_input(r->plan, run % SLOTS, r->x);
    for (int i = 0; i < N; i++) {
        x[i] = first_row(run);
        x[N + i] = second_row(run);
    }
}

static void fill(const struct rig *r, int run)
{
    float *y = umb__plan_input(r->plan, run % SLOTS, r->y);
    fill_x(r, run);
    for (int i = 0; i < N; i++) {
        y[i] = (float)(i % 7) + (float)run;
        y[N + i] = -1;
    }
}

static void expect(const struct rig *r, int run)
{
    const int slot = run % SLOTS;
    const float *sum = umb__plan_output(r->plan, slot, r->sum),
                *beside = umb__plan_output(r->plan, slot, r->beside);
    const float a = first_row(run), b = second_row(run);
    const float expected =
        a * a * a + b * b * b + a * (a * a / 2 + (float)slot) + b * (b * b / 2 + (float)slot);
    for (int i = 0; i < N; i++) {
        if (sum[i] != expected) {
            fail_msg("run %d, [%d]: %g, expected %g", run, i, (double)sum[i], (double)expected);
        }
        if (beside[i] != (float)(i % 7) + (float)run || beside[N + i] != 0) {
            fail_msg("run %d, beside [%d]: %g", run, i, (double)beside[i]);
        }
    }
}

/* As many under way as there are slots. */
static void run_all(struct rig *r)
{
    for (int run = 0; run < RUNS + SLOTS; run++) {
        if (run >= SLOTS) {
            must(umb__plan_wait(r->plan, run % SLOTS));
            expect(r, run - SLOTS);
        }
        if (run < RUNS) {
            fill(r, run);
            must(umb__plan_submit(r->plan, run % SLOTS));
        }
    }
    assert_int_equal(r->seen.calls[0], RUNS);
    assert_int_equal(r->seen.calls[1], RUNS);
    for (int run = 0; run < RUNS; run++) {
        assert_int_equal(r->seen.slot[run], run % SLOTS);
    }
}

static void runs_get_their_own_numbers(void **state)
{
    (void)state;
    for (int queues = 1; queues <= 4; queues *= 2) {
        for (uint64_t sleep = 0; sleep <= 1000000; sleep += 1000000) {
            struct rig r;
            open_rig(&r, queues);
            r.seen.sleep = sleep;
            run_all(&r);
            close_rig(&r);
        }
    }
}

/* With runs under way before, and after; every step has been timed. */
static void so_do_runs_that_are_timed(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, 2);
    r.seen.sleep = 2000000;
    for (int run = 0; run < 12; run++) {
        const int slot = run % SLOTS;
        must(umb__plan_wait(r.plan, slot));
        if (run >= SLOTS) { expect(&r, run - SLOTS); }
        fill(&r, run);
        must(run % 4 == 2   ? umb__plan_trace(r.plan, slot)
             : run % 4 == 3 ? umb__plan_time_alone(r.plan, slot)
                            : umb__plan_submit(r.plan, slot));
    }
    for (int run = 9; run < 12; run++) {
        must(umb__plan_wait(r.plan, run % SLOTS));
        expect(&r, run);
    }
    assert_int_equal(r.seen.calls[0], 12);
    int n_host = 0;
    for (size_t s = 0; s < umb__plan_n_steps(r.plan); s++) {
        const struct umb_plan_step_info info = umb__plan_step(r.plan, s);
        assert_true(info.start_ns <= info.end_ns);
        n_host += strcmp(info.solver, "host") == 0;
    }
    assert_int_equal(n_host, 4); /* each is fetched for, and delivered */
    uint64_t bound = 0;
    must(umb__plan_bound(r.plan, &bound));
    assert_true(bound > 0);
    close_rig(&r);
}

static void a_plan_that_goes_waits_for_its_runs(void **state)
{
    (void)state;
    for (int queues = 1; queues <= 2; queues++) {
        for (int again = 0; again < 5; again++) {
            struct rig r;
            open_rig(&r, queues);
            r.seen.sleep = 3000000;
            for (int run = 0; run < SLOTS; run++) {
                fill(&r, run);
                must(umb__plan_submit(r.plan, run));
            }
            umb__plan_destroy(r.plan);
            r.plan = NULL;
            assert_int_equal(r.seen.calls[0], SLOTS);
            assert_int_equal(r.seen.calls[1], SLOTS);
            close_rig(&r);
        }
    }
}

static int step_of(const struct umb_plan *p, const char *node, int transfer)
{
    for (int i = 0; i < (int)p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        const bool named = strcmp(p->graph->node[s->node].name, node) == 0;
        if (named && (int)s->transfer == transfer) { return i; }
    }
    fail_msg("no step of %s", node);
    return -1;
}

static bool depends_on(const struct umb_deps *d, int step, int on)
{
    for (int e = d->start[step]; e < d->start[step + 1]; e++) {
        if (d->pred[e] == on) { return true; }
    }
    return false;
}

/* A gradient that only an update waits for stands first in the list, and is kept until the host is
 * asked; what somebody reads before is not. */
static void gradients_fill_the_time_of_a_question(void **state)
{
    (void)state;
    for (int read = 0; read < 2; read++) {
        struct rig r = {0};
        must(umb__store_create(world.device, &r.store));
        build(&r);
        struct umb_graph *g = r.graph;
        const int gradients =
            umb__graph_value(g, "gradients", UMB_VALUE_STATE, &g->value[r.beside].type);
        g->value[r.beside].base = gradients;
        g->value[r.beside].output = false;
        if (read) { add_node(&r, "gram", NULL, "reads", gradients, -1); }
        for (int i = 0; i < g->n_nodes; i++) {
            g->node[i].phase = UMB_PHASE_BACKWARD;
        }
        make_plan(&r, 2);
        const int question = step_of(r.plan, "squares", UMB_FETCH);
        const int gradient = step_of(r.plan, "beside", UMB_NO_TRANSFER);
        assert_int_equal(depends_on(&r.plan->deps, gradient, question), !read);
        assert_int_equal(gradient > question, !read);
        close_rig(&r);
    }
}

/* x ─► combined with what the run before left ─► gram ─► host: squares ─► for the next run */
static void open_late(struct rig *r, int queues)
{
    const struct umb_type rows = {.dtype = UMB_F32, .shape = {2, {T, N}}};
    const struct umb_type weights = {.dtype = UMB_F32, .shape = {1, {T}}};
    static const float first[T] = {1, 1};
    memset(r, 0, sizeof *r);
    must(umb__store_create(world.device, &r->store));
    must(umb__graph_create(world.ctx, false, 1, &r->graph));
    r->x = umb__graph_value(r->graph, "x", UMB_VALUE_INPUT, &rows);
    r->weights = umb__graph_value(r->graph, "kept", UMB_VALUE_STATE, &weights);
    r->sum = add_node(r, "combine_rows", NULL, "sum", r->x, r->weights);
    r->graph->value[r->sum].output = true;
    const int made = add_host(r, "squares", squares, add_node(r, "gram", NULL, "gram", r->x, -1));
    r->graph->value[made].base = r->weights;
    make_plan(r, queues);
    must(umb__store_write(r->store, "kept", 0, sizeof first, first));
    assert_true(r->plan->late >= 0);
}

static void expect_late(const struct rig *r, int run)
{
    const float *sum = umb__plan_output(r->plan, run % SLOTS, r->sum);
    const float a = run ? first_row(run - 1) : 1, b = run ? second_row(run - 1) : 1;
    const float expected = first_row(run) * a * a + second_row(run) * b * b;
    for (int i = 0; i < N; i++) {
        if (sum[i] != expected) {
            fail_msg("run %d, [%d]: %g, expected %g", run, i, (double)sum[i], (double)expected);
        }
    }
}

/* With runs under way, traced ones among them; what was waited for is in the store. */
static void late_answers_are_the_next_runs(void **state)
{
    (void)state;
    for (int queues = 1; queues <= 4; queues *= 2) {
        struct rig r;
        float kept[T];
        open_late(&r, queues);
        r.seen.sleep = 2000000;
        for (int run = 0; run < RUNS; run++) {
            const int slot = run % SLOTS;
            must(umb__plan_wait(r.plan, slot));
            if (run >= SLOTS) { expect_late(&r, run - SLOTS); }
            fill_x(&r, run);
            must(run % 9 == 7   ? umb__plan_trace(r.plan, slot)
                 : run % 9 == 8 ? umb__plan_time_alone(r.plan, slot)
                                : umb__plan_submit(r.plan, slot));
        }
        must(umb__plan_wait(r.plan, (RUNS - 1) % SLOTS));
        expect_late(&r, RUNS - 1);
        must(umb__store_read(r.store, "kept", 0, sizeof kept, kept));
        assert_true(kept[0] == first_row(RUNS - 1) * first_row(RUNS - 1));
        close_rig(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_get_their_own_numbers),
        cmocka_unit_test(so_do_runs_that_are_timed),
        cmocka_unit_test(a_plan_that_goes_waits_for_its_runs),
        cmocka_unit_test(gradients_fill_the_time_of_a_question),
        cmocka_unit_test(late_answers_are_the_next_runs),
    };
    return cmocka_run_group_tests_name("host", tests, open_world, close_world);
}

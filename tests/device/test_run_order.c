/*
 * A run does not begin before the one ahead of it has ended, on no queue.
 *
 * The event that ends a queue's wait is held back by the test, so that one queue stands still for
 * as long as it likes while the other could go on: what two runs in flight could do to each other
 * by bad luck, they do here for certain.
 *
 *   queue 0:  [held back]  relu(x) of run 1 … sum of run 1 │ relu(x) of run 2 …
 *   queue 1:  relu(y) of run 1 │ relu(y) of run 2: must wait, for the sum of run 1 reads its memory
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cl_handles.h"
#include "plan_internal.h"
#include "system.h"

#define N 4096
#define HELD_NS UINT64_C(50000000) /* what is free to run has run by then */

struct world {
    struct umb_context *ctx;
    struct umb_device *device;
    struct umb_store *store;
    struct umb_graph *graph;
    struct umb_plan *plan;
    int x, y, sum;
};

static void check(const struct world *w, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(w->ctx)); }
}

static int node(struct world *w, const char *op, const char *name, int a, int b)
{
    int in[] = {a, b}, out[UMB_OP_MAX_OUT];
    struct umb_graph_node_desc desc = {
        .op = umb__op_find(op), .name = name, .n_in = b < 0 ? 1 : 2, .in = in};
    check(w, umb__graph_node(w->graph, &desc, out));
    return out[0];
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const struct umb_type type = {.dtype = UMB_F32, .shape = {2, {4, N / 4}}};
    *state = w;
    check(w, umb_context_create(NULL, &w->ctx));
    check(w, umb_device_open(w->ctx, NULL, &w->device));
    check(w, umb__store_create(w->device, &w->store));
    check(w, umb__graph_create(w->ctx, false, 1, &w->graph));
    w->x = umb__graph_value(w->graph, "x", UMB_VALUE_INPUT, &type);
    w->y = umb__graph_value(w->graph, "y", UMB_VALUE_INPUT, &type);
    w->sum = node(w, "add", "sum", node(w, "relu", "a", w->x, -1), node(w, "relu", "b", w->y, -1));
    w->graph->value[w->sum].output = true;
    struct umb_plan_desc desc = {
        .device = w->device, .graph = w->graph, .store = w->store, .n_queues = 2, .n_slots = 2};
    check(w, umb__plan_create(w->ctx, &desc, &w->plan));
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    umb__plan_destroy(w->plan);
    umb__graph_destroy(w->graph);
    umb__store_destroy(w->store);
    umb_device_close(w->device);
    umb_context_destroy(w->ctx);
    free(w);
    return 0;
}

static void fill(struct world *w, int slot, float value)
{
    float *x = umb__plan_input(w->plan, slot, w->x), *y = umb__plan_input(w->plan, slot, w->y);
    for (int i = 0; i < N; i++) {
        x[i] = value;
        y[i] = 10 * value;
    }
}

/* The first two steps in the order of enqueueing, which need nothing of each other. */
static void expect_two_queues(const struct world *w)
{
    int first = umb__plan_step(w->plan, 0).queue, second = umb__plan_step(w->plan, 1).queue;
    if (first == second) { fail_msg("both branches on queue %d", first); }
}

static cl_event hold(const struct world *w, int queue)
{
    cl_int code;
    cl_event gate = clCreateUserEvent(umb__device_cl_context(w->device), &code);
    assert_int_equal(code, CL_SUCCESS);
    cl_command_queue cl = umb__queue_cl(w->plan->queue[queue]);
    assert_int_equal(clEnqueueBarrierWithWaitList(cl, 1, &gate, NULL), CL_SUCCESS);
    return gate;
}

static void expect(const struct world *w, int slot, float expected)
{
    const float *sum = umb__plan_output(w->plan, slot, w->sum);
    for (int i = 0; i < N; i++) {
        if (sum[i] != expected) {
            fail_msg("slot %d, [%d]: %g, expected %g", slot, i, (double)sum[i], (double)expected);
        }
    }
}

static void the_second_run_waits(struct world *w, int held)
{
    expect_two_queues(w);
    fill(w, 0, 1);
    fill(w, 1, 2);
    cl_event gate = hold(w, held);
    check(w, umb__plan_submit(w->plan, 0));
    check(w, umb__plan_submit(w->plan, 1));
    umb__sleep_ns(HELD_NS);
    assert_int_equal(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    check(w, umb__plan_wait(w->plan, 0));
    check(w, umb__plan_wait(w->plan, 1));
    clReleaseEvent(gate);
    expect(w, 0, 11);
    expect(w, 1, 22);
}

static void while_queue_0_stands_still(void **state)
{
    the_second_run_waits(*state, 0);
}

static void while_queue_1_stands_still(void **state)
{
    the_second_run_waits(*state, 1);
}

/* Submitting waits for nothing: with a queue held back for good, both runs are enqueued. */
static void nothing_waits_inside_a_step(void **state)
{
    struct world *w = *state;
    fill(w, 0, 3);
    fill(w, 1, 4);
    cl_event gate = hold(w, 0);
    uint64_t start = umb__clock_ns();
    check(w, umb__plan_submit(w->plan, 0));
    check(w, umb__plan_submit(w->plan, 1));
    uint64_t took = umb__clock_ns() - start;
    bool done = true;
    check(w, umb__event_done(w->device, w->plan->slot[0].done[0], &done));
    assert_false(done);
    assert_int_equal(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    check(w, umb__plan_wait(w->plan, 0));
    check(w, umb__plan_wait(w->plan, 1));
    clReleaseEvent(gate);
    expect(w, 0, 33);
    expect(w, 1, 44);
    if (took > UINT64_C(5000000000)) { fail_msg("%g s to submit", (double)took * 1e-9); }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(while_queue_0_stands_still, open_world, close_world),
        cmocka_unit_test_setup_teardown(while_queue_1_stands_still, open_world, close_world),
        cmocka_unit_test_setup_teardown(nothing_waits_inside_a_step, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

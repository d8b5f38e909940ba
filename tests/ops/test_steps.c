/* Emission, binding and running one op. */
#include "add.h"
#include "harness.h"
#include <string.h>

/* An op that writes its input. */

/* in[0] += in[1], then out = in[0]. */
static enum umb_status emit_in_place(struct umb_emit *e)
{
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    const struct umb_sum sum = {.n_in = 2, .in = e->in, .mask = -1, .out = e->in[0], .n = n};
    const struct umb_sum copy = {.n_in = 1, .in = e->in, .mask = -1, .out = e->out[0], .n = n};
    const enum umb_status st = umb__emit_sum(e, &sum);
    return st == UMB_OK ? umb__emit_sum(e, &copy) : st;
}

static const struct umb_type vector = {.dtype = UMB_F32, .shape = {1, {5}}};

static void inputs_are_restored_before_each_repeat(void **state)
{
    (void)state;
    const struct umb_solver solver = {"in place", umb__applies_always, emit_in_place};
    const struct umb_type in[2] = {vector, vector};
    float a[5] = {1, 2, 3, 4, 5}, b[5] = {10, 20, 30, 40, 50}, y[5] = {0};
    void *const inputs[2] = {a, b}, *const outputs[1] = {y};
    uint64_t ns[3] = {0};
    size_t n_steps = 0;
    const struct umb_op_run run = {
        .p = {.op = umb__op_find("add"), .n_in = 2, .n_out = 1, .in = in, .out = &vector},
        .solver = &solver,
        .in = inputs,
        .out = outputs,
        .repeats = 3,
        .ret_ns = ns,
        .ret_n_steps = &n_steps};
    assert_int_equal(umb__op_run(harness_device(), &run), UMB_OK);
    assert_int_equal(n_steps, 2);
    for (int i = 0; i < 5; i++) {
        assert_int_equal((int)y[i], 11 * (i + 1));
        assert_int_equal((int)a[i], 11 * (i + 1));
    }
    assert_true(ns[0] > 0 && ns[1] > 0 && ns[2] > 0);
}

/* The list. */

struct emission {
    struct umb_steps steps;
    struct umb_emit e;
    struct umb_type types[3];
    int ids[3];
};

/* add of values 4 and 7 to 9, in a graph of 10 values. */
static void begin(struct emission *m)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(umb__steps_init(harness_context(), 10, &m->steps), UMB_OK);
    for (int i = 0; i < 3; i++) {
        m->types[i] = vector;
    }
    memcpy(m->ids, (const int[]){4, 7, 9}, sizeof m->ids);
    m->e = (struct umb_emit){.p = {.ctx = harness_context(),
                                   .op = umb__op_find("add"),
                                   .caps = umb_device_get_caps(harness_device()),
                                   .n_in = 2,
                                   .n_out = 1,
                                   .in = m->types,
                                   .out = m->types + 2},
                             .in = m->ids,
                             .out = m->ids + 2,
                             .steps = &m->steps,
                             .node = 3};
}

static const struct umb_kernel row = {"row", "shape.cl", "add_inputs", "rrrrrwiii"};

static enum umb_status launch_on(struct emission *m, int value)
{
    const struct umb_emit_launch launch = {
        .kernel = &row, .options = "-DVW=1", .dimensions = 1, .global = {5}, .local = {4}};
    return umb__emit_launch(&m->e, &launch, 4, 7, 4, value, 4, 9, 0, 5, 8);
}

static void a_launch_is_data(void **state)
{
    (void)state;
    struct emission m;
    begin(&m);
    assert_int_equal(launch_on(&m, 4), UMB_OK);
    const struct umb_step *s = &m.steps.step[0];
    assert_int_equal(m.steps.n, 1);
    assert_int_equal(s->node, 3);
    assert_int_equal(s->global[0], 8);
    assert_int_equal(s->n_args, 9);
    assert_int_equal(s->args[1].value, 7);
    assert_int_equal(s->args[1].element_bytes, 4);
    assert_int_equal(s->args[7].u.i, 5);
    assert_string_equal(s->options, "-DVW=1");
    umb__steps_finish(&m.steps);
}

static void a_foreign_value_is_refused(void **state)
{
    (void)state;
    struct emission m;
    begin(&m);
    assert_int_equal(launch_on(&m, 5), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(harness_context()),
                        "add: a step names value 5, which is none of the node's");
    assert_int_equal(launch_on(&m, 10), UMB_ERR_INVALID);
    assert_int_equal(m.steps.n, 0);
    umb__steps_finish(&m.steps);
}

static void temporaries_come_after_the_values(void **state)
{
    (void)state;
    struct emission m;
    begin(&m);
    for (int i = 0; i < 40; i++) {
        int value = 0;
        assert_int_equal(umb__emit_temp(&m.e, (size_t)(4 * (i + 1)), &value), UMB_OK);
        assert_int_equal(value, 10 + i);
        assert_int_equal(launch_on(&m, value), UMB_OK);
    }
    assert_int_equal(m.steps.n_temps, 40);
    assert_int_equal(m.steps.temp_bytes[39], 160);
    assert_int_equal(m.steps.n, 40);
    umb__steps_finish(&m.steps);
}

/* Binding. */

struct places {
    struct umb_view view[10];
};

static struct umb_view resolve(void *user, int value)
{
    return ((struct places *)user)->view[value];
}

static void offsets_and_moves(void **state)
{
    (void)state;
    struct umb_device *device = harness_device();
    struct emission m;
    struct umb_buffer *buffer = NULL;
    struct umb_queue *queue = NULL;
    struct umb_bound_step *bound = NULL;
    float numbers[20], y[5];
    for (int i = 0; i < 20; i++) {
        numbers[i] = (float)i;
    }
    begin(&m);
    assert_int_equal(launch_on(&m, 4), UMB_OK);
    assert_int_equal(umb__buffer_create(device, sizeof numbers, &buffer), UMB_OK);
    assert_int_equal(umb__queue_create(device, false, &queue), UMB_OK);
    assert_int_equal(umb__queue_write_now(queue, buffer, 0, sizeof numbers, numbers), UMB_OK);
    struct places places = {0};
    places.view[4] = (struct umb_view){buffer, 0};
    places.view[7] = (struct umb_view){buffer, 8};
    places.view[9] = (struct umb_view){buffer, 40};
    assert_int_equal(umb__step_bind(device, &m.steps.step[0], NULL, resolve, &places, &bound),
                     UMB_OK);
    assert_int_equal(umb__bound_step_enqueue(bound, queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(queue, buffer, 40, sizeof y, y), UMB_OK);
    assert_int_equal((int)y[3], 3); /* one input: a copy of value 4 */
    assert_int_equal(umb__bound_step_move(bound, 4, (struct umb_view){buffer, 12}), UMB_OK);
    assert_int_equal(umb__bound_step_enqueue(bound, queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(queue, buffer, 40, sizeof y, y), UMB_OK);
    assert_int_equal((int)y[3], 6);
    assert_int_equal(umb__bound_step_move(bound, 4, (struct umb_view){buffer, 3}), UMB_ERR_INVALID);
    umb__bound_step_destroy(bound);
    umb__queue_destroy(queue);
    umb__buffer_destroy(buffer);
    umb__steps_finish(&m.steps);
}

static void a_value_without_a_place_is_refused(void **state)
{
    (void)state;
    struct emission m;
    struct umb_bound_step *bound = NULL;
    struct places places = {0};
    begin(&m);
    assert_int_equal(launch_on(&m, 4), UMB_OK);
    assert_int_equal(
        umb__step_bind(harness_device(), &m.steps.step[0], NULL, resolve, &places, &bound),
        UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(harness_context()),
                        "row: value 4 has no place, or one off its elements");
    umb__steps_finish(&m.steps);
}

/* Calls. */

static struct {
    size_t offsets[2];
    int32_t ints[2];
    float floats[1];
} seen;

static enum umb_status note(struct umb_queue *q, const struct umb_view *views, const int32_t *ints,
                            const float *floats, umb_event *const *waits, size_t n_waits,
                            umb_event **ret_event)
{
    (void)q, (void)waits, (void)n_waits, (void)ret_event;
    for (int i = 0; i < 2; i++) {
        seen.offsets[i] = views[i].byte_offset;
        seen.ints[i] = ints[i];
    }
    seen.floats[0] = floats[0];
    return UMB_OK;
}

static void a_call_gets_its_arguments_by_kind(void **state)
{
    (void)state;
    static const struct umb_call call = {"note", "irfwi", note};
    struct umb_device *device = harness_device();
    struct emission m;
    struct umb_buffer *buffer = NULL;
    struct umb_bound_step *bound = NULL;
    begin(&m);
    assert_int_equal(umb__emit_call(&m.e, &call, 11, 4, 0.5, 9, 22), UMB_OK);
    assert_int_equal(umb__buffer_create(device, 64, &buffer), UMB_OK);
    struct places places = {0};
    places.view[4] = (struct umb_view){buffer, 4};
    places.view[9] = (struct umb_view){buffer, 16};
    assert_int_equal(umb__step_bind(device, &m.steps.step[0], NULL, resolve, &places, &bound),
                     UMB_OK);
    assert_int_equal(umb__bound_step_move(bound, 9, (struct umb_view){buffer, 32}), UMB_OK);
    assert_int_equal(umb__bound_step_enqueue(bound, NULL, NULL, 0, NULL), UMB_OK);
    assert_int_equal(seen.offsets[0], 4);
    assert_int_equal(seen.offsets[1], 32);
    assert_int_equal(seen.ints[0], 11);
    assert_int_equal(seen.ints[1], 22);
    assert_true(seen.floats[0] >= 0.5f && seen.floats[0] <= 0.5f);
    umb__bound_step_destroy(bound);
    umb__buffer_destroy(buffer);
    umb__steps_finish(&m.steps);
}

/* Choice. */

static int rank_0(const struct umb_problem *p)
{
    (void)p;
    return 0;
}

static int rank_5(const struct umb_problem *p)
{
    (void)p;
    return 5;
}

static void the_highest_rank_is_chosen(void **state)
{
    (void)state;
    const struct umb_solver solvers[] = {{"plain", umb__applies_always, emit_in_place},
                                         {"fast", rank_5, emit_in_place},
                                         {"other", rank_0, emit_in_place},
                                         {0}};
    const struct umb_op op = {.name = "thing", .solvers = solvers};
    const struct umb_problem p = {.op = &op};
    assert_string_equal(umb__solver_choose(&p, NULL)->name, "fast");
    assert_string_equal(umb__solver_choose(&p, "plain")->name, "plain");
    assert_null(umb__solver_choose(&p, "other"));
    assert_null(umb__solver_choose(&p, "unknown"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_restored_before_each_repeat),
        cmocka_unit_test(a_launch_is_data),
        cmocka_unit_test(a_foreign_value_is_refused),
        cmocka_unit_test(temporaries_come_after_the_values),
        cmocka_unit_test(offsets_and_moves),
        cmocka_unit_test(a_value_without_a_place_is_refused),
        cmocka_unit_test(a_call_gets_its_arguments_by_kind),
        cmocka_unit_test(the_highest_rank_is_chosen),
    };
    return harness_main(
        "steps", &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof tests[0]});
}

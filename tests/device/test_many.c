/*
 * test_many.c: kernels that do several launches' work (kernel_many.c, many.c): every member
 * computes what it does alone, whatever it asks about its place.
 */
#include "many.h"
#include "program_fixture.h"
#include <string.h>

#define MEMBERS 3
#define NUMBERS 600

/* Two dimensions of groups, local memory, a macro that asks for its place, and both kinds of
 * numbers. */
#define BLEND                                                                                  \
    "#define LINE get_global_id(1)\n"                                                          \
    "__kernel void blend(__global const float *restrict x, ulong x_at,\n"                      \
    "                  __global float *y, ulong y_at, int n, float by,\n"                      \
    "                  __local float *scratch, int add)\n"                                     \
    "{\n"                                                                                      \
    "    const int i = get_global_id(0), l = get_local_id(0);\n"                               \
    "    scratch[l] = i < n ? x[x_at + i] : 0.0f;\n"                                           \
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"                                                      \
    "    const float next = scratch[(l + 1) % get_local_size(0)];\n"                           \
    "    const int place = get_group_id(0) + 10 * get_group_id(1) + 100 * get_num_groups(0)\n" \
    "                      + 1000 * get_num_groups(1) + 10000 * get_global_size(0);\n"         \
    "    if (i < n) {\n"                                                                       \
    "        y[y_at + LINE * n + i] = next * by + place + add;\n"                              \
    "    }\n"                                                                                  \
    "}\n"
/* One item a group: on PoCL its body is a function of its own (kernel_body.c). */
#define ONE                                                                          \
    "#define ONE_ITEM __attribute__((reqd_work_group_size(1, 1, 1)))\n"              \
    "__kernel ONE_ITEM void one(__global const float *x, ulong x_at,\n"              \
    "                           __global float *y, ulong y_at, int n, float by)\n"   \
    "{\n"                                                                            \
    "    const int i = get_group_id(0), j = get_group_id(1), k = get_group_id(2);\n" \
    "    const int at = (k * get_num_groups(1) + j) * get_num_groups(0) + i;\n"      \
    "    if (at < n) {\n"                                                            \
    "        y[y_at + at] = x[x_at + at] * by + k;\n"                                \
    "    }\n"                                                                        \
    "}\n"
/* Of a form that is not taken apart. */
#define MADE                                                                             \
    "#define MAKE(name) \\\n"                                                            \
    "    __kernel void name##_made(__global float *y, ulong y_at) { y[y_at] = 1.0f; }\n" \
    "MAKE(x)\n"

static const struct umb_kernel blend = {"blend", "blend.cl", "blend", "rwifli"};
static const struct umb_kernel one = {"one", "one.cl", "one", "rwif"};
static const struct umb_kernel made = {"made", "made.cl", "x_made", "w"};

/* Value 0 is read; 1, 2, 3 are the members' results, 4, 5, 6 the same made one by one. */
struct bench {
    struct fixture *f;
    struct umb_steps steps;
    struct umb_buffer *in, *out, *table;
    float numbers[NUMBERS];
};

static struct umb_view resolve(void *user, int value)
{
    const struct bench *b = user;
    if (value == 0) { return (struct umb_view){b->in, 5 * sizeof(float)}; }
    return (struct umb_view){b->out, (size_t)(value - 1) * NUMBERS * sizeof(float)};
}

static void must(const struct bench *b, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(b->f->ctx)); }
}

static void bench_open(struct bench *b, struct fixture *f)
{
    *b = (struct bench){.f = f};
    must(b, umb__steps_init(f->ctx, 10, &b->steps));
    must(b, umb__buffer_create(f->device, (NUMBERS + 5) * sizeof(float), &b->in));
    must(b, umb__buffer_create(f->device, 6 * NUMBERS * sizeof(float), &b->out));
    must(b, umb__queue_fill_zero(f->queue, b->out, 0, 6 * NUMBERS * sizeof(float), NULL, 0, NULL));
    for (int i = 0; i < NUMBERS; i++) {
        b->numbers[i] = 0.5f * (float)i - 7.0f;
    }
    must(b, umb__queue_write_now(f->queue, b->in, 5 * sizeof(float), NUMBERS * sizeof(float),
                                 b->numbers));
}

static void bench_close(struct bench *b)
{
    umb__buffer_destroy(b->in);
    umb__buffer_destroy(b->out);
    umb__buffer_destroy(b->table);
    umb__steps_finish(&b->steps);
}

static void run(struct bench *b, const struct umb_step *step)
{
    struct umb_bound_step *bound = NULL;
    must(b, umb__step_bind(b->f->device, step, b->table, resolve, b, &bound));
    must(b, umb__bound_step_enqueue(bound, b->f->queue, NULL, 0, NULL));
    must(b, umb__queue_finish(b->f->queue));
    umb__bound_step_destroy(bound);
}

/* Runs the steps merged, and one by one into other values. */
static void run_both(struct bench *b, const struct umb_step *step)
{
    const struct umb_step *steps[MEMBERS];
    struct umb_step merged;
    for (int m = 0; m < MEMBERS; m++) {
        steps[m] = &step[m];
    }
    must(b, umb__step_merge(&b->steps, steps, MEMBERS, &merged));
    b->steps.step = &merged;
    b->steps.n = 1;
    const size_t words = umb__steps_table_words(&b->steps);
    b->steps.step = NULL;
    b->steps.n = 0;
    assert_int_equal(words, MEMBERS * UMB_MANY_ROW);
    int64_t table[MEMBERS * UMB_MANY_ROW];
    memset(table, 0xff, sizeof table);
    must(b, umb__step_fill_table(b->f->ctx, &merged, resolve, b, table));
    must(b, umb__buffer_create(b->f->device, sizeof table, &b->table));
    must(b, umb__queue_write_now(b->f->queue, b->table, 0, sizeof table, table));
    run(b, &merged);
    for (int m = 0; m < MEMBERS; m++) {
        step[m].args[1].value += MEMBERS;
        run(b, &step[m]);
    }
}

static void expect_same(struct bench *b)
{
    static float out[6 * NUMBERS];
    must(b, umb__queue_read_now(b->f->queue, b->out, 0, sizeof out, out));
    assert_memory_equal(out, out + MEMBERS * NUMBERS, MEMBERS * NUMBERS * sizeof(float));
    for (int m = 0; m < MEMBERS; m++) {
        bool any = false;
        for (int i = 0; i < NUMBERS; i++) {
            any = any || out[m * NUMBERS + i] != 0;
        }
        assert_true(any);
    }
}

static void two_dimensions_and_local_memory(void **state)
{
    struct bench b;
    struct umb_step step[MEMBERS];
    struct umb_step_arg args[MEMBERS][6];
    write_kernel(*state, "blend.cl", BLEND);
    bench_open(&b, *state);
    for (int m = 0; m < MEMBERS; m++) {
        const size_t groups = (size_t)(3 - m), lines = (size_t)(1 + 2 * m);
        const int n = (int)groups * 8 - m;
        const struct umb_step_arg row[6] = {{.kind = 'r', .value = 0, .element_bytes = 4},
                                            {.kind = 'w', .value = 1 + m, .element_bytes = 4},
                                            {.kind = 'i', .u.i = n},
                                            {.kind = 'f', .u.f = 1.5f - (float)m},
                                            {.kind = 'l', .u.local_bytes = 8 * sizeof(float)},
                                            {.kind = 'i', .u.i = -100 * m}};
        memcpy(args[m], row, sizeof row);
        step[m] = (struct umb_step){.kernel = &blend,
                                    .dimensions = 2,
                                    .global = {groups * 8, lines},
                                    .local = {8, 1},
                                    .n_args = 6,
                                    .args = args[m],
                                    .node = m};
    }
    run_both(&b, step);
    expect_same(&b);
    bench_close(&b);
}

static void three_dimensions_of_one_item(void **state)
{
    struct bench b;
    struct umb_step step[MEMBERS];
    struct umb_step_arg args[MEMBERS][4];
    write_kernel(*state, "one.cl", ONE);
    bench_open(&b, *state);
    for (int m = 0; m < MEMBERS; m++) {
        const struct umb_step_arg row[4] = {{.kind = 'r', .value = 0, .element_bytes = 4},
                                            {.kind = 'w', .value = 1 + m, .element_bytes = 4},
                                            {.kind = 'i', .u.i = 100 - m},
                                            {.kind = 'f', .u.f = (float)m - 0.25f}};
        memcpy(args[m], row, sizeof row);
        step[m] =
            (struct umb_step){.kernel = &one,
                              .dimensions = 3,
                              .global = {(size_t)(2 + m), (size_t)(5 - m), (size_t)(3 + 2 * m)},
                              .local = {1, 1, 1},
                              .n_args = 4,
                              .args = args[m],
                              .node = m};
    }
    run_both(&b, step);
    expect_same(&b);
    bench_close(&b);
}

static void who_can_be_many(void **state)
{
    struct fixture *f = *state;
    bool can = false;
    write_kernel(f, "blend.cl", BLEND);
    write_kernel(f, "made.cl", MADE);
    assert_int_equal(umb__kernel_can_be_many(f->ctx, &blend, &can), UMB_OK);
    assert_true(can);
    assert_int_equal(umb__kernel_can_be_many(f->ctx, &made, &can), UMB_OK);
    assert_false(can);
}

/* Values of one argument that lie in different buffers cannot be one launch's. */
static void other_buffers_are_refused(void **state)
{
    struct bench b;
    struct umb_step_arg args[2][4];
    struct umb_step step[2], merged;
    struct umb_bound_step *bound = NULL;
    write_kernel(*state, "one.cl", ONE);
    bench_open(&b, *state);
    for (int m = 0; m < 2; m++) {
        const struct umb_step_arg row[4] = {{.kind = 'r', .value = m, .element_bytes = 4},
                                            {.kind = 'w', .value = 2 + m, .element_bytes = 4},
                                            {.kind = 'i', .u.i = 1},
                                            {.kind = 'f', .u.f = 1}};
        memcpy(args[m], row, sizeof row);
        step[m] = (struct umb_step){.kernel = &one,
                                    .dimensions = 1,
                                    .global = {1},
                                    .local = {1},
                                    .n_args = 4,
                                    .args = args[m]};
    }
    must(&b, umb__step_merge(&b.steps, (const struct umb_step *const[]){&step[0], &step[1]}, 2,
                             &merged));
    must(&b, umb__buffer_create(b.f->device, 2 * UMB_MANY_ROW * sizeof(int64_t), &b.table));
    assert_int_equal(umb__step_bind(b.f->device, &merged, b.table, resolve, &b, &bound),
                     UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(b.f->ctx), "different buffers"));
    bench_close(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_dimensions_and_local_memory),
        CASE(three_dimensions_of_one_item),
        CASE(who_can_be_many),
        CASE(other_buffers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

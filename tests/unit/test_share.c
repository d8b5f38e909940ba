/*
 * test_share.c: steps that fill a temporary with what an earlier one has already are left out, and
 * no others (share.c). Lists are made up; no device is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan_internal.h"

enum { X, Y, OUT, N_VALUES, T0 = N_VALUES }; /* T0 + i: temporaries */

static const struct umb_kernel pack = {"pack", "made_up.cl", "pack", "rwi"};
static const struct umb_kernel product = {"product", "made_up.cl", "product", "rm"};

struct world {
    struct umb_context *ctx;
    struct umb_graph *g;
    struct umb_plan plan;
};

static void world_open(struct world *w)
{
    static const char *const names[] = {"x", "y", "out"};
    *w = (struct world){0};
    assert_int_equal(umb_context_create(NULL, &w->ctx), UMB_OK);
    assert_int_equal(umb__graph_create(w->ctx, true, 1, &w->g), UMB_OK);
    for (int v = 0; v < N_VALUES; v++) {
        const struct umb_type type = {.dtype = UMB_F32, .shape = {1, {64}}};
        assert_int_equal(umb__graph_value(w->g, names[v], UMB_VALUE_TEMP, &type), v);
    }
    w->g->node = umb__calloc(w->ctx, 2, sizeof *w->g->node);
    assert_non_null(w->g->node);
    w->g->node[1].phase = UMB_PHASE_BACKWARD;
    w->plan.ctx = w->ctx;
    w->plan.graph = w->g;
    assert_int_equal(umb__steps_init(w->ctx, N_VALUES, &w->plan.steps), UMB_OK);
}

static void world_close(struct world *w)
{
    umb__steps_finish(&w->plan.steps);
    umb__graph_destroy(w->g);
    umb_context_destroy(w->ctx);
}

/* What steps of a node may name. */
static struct umb_emit emit_of(struct world *w, int node)
{
    static const struct umb_op op = {.name = "made up"};
    static const struct umb_type types[N_VALUES] = {
        {.shape = {1, {64}}}, {.shape = {1, {64}}}, {.shape = {1, {64}}}};
    static const int values[N_VALUES] = {X, Y, OUT};
    return (struct umb_emit){.p = {.op = &op, .n_in = N_VALUES, .in = types},
                             .in = values,
                             .steps = &w->plan.steps,
                             .node = node};
}

/* A temporary, and the step that packs a value into it. */
static int add_pack(struct world *w, int node, int from, size_t bytes, int number)
{
    struct umb_emit e = emit_of(w, node);
    const struct umb_emit_launch launch = {
        .kernel = &pack, .options = "-DVW=4", .dimensions = 1, .global = {8}, .local = {1}};
    int to;
    assert_int_equal(umb__emit_temp(&e, bytes, &to), UMB_OK);
    assert_int_equal(umb__emit_launch(&e, &launch, from, to, number), UMB_OK);
    return to;
}

static void add_product(struct world *w, int node, int from, int to)
{
    struct umb_emit e = emit_of(w, node);
    const struct umb_emit_launch launch = {
        .kernel = &product, .dimensions = 1, .global = {8}, .local = {1}};
    assert_int_equal(umb__emit_launch(&e, &launch, from, to), UMB_OK);
}

static int packs_left(const struct world *w)
{
    int n = 0;
    for (size_t i = 0; i < w->plan.steps.n; i++) {
        n += w->plan.steps.step[i].kernel == &pack;
    }
    return n;
}

static void expect(struct world *w, int n_packs)
{
    assert_int_equal(umb__plan_share(&w->plan), UMB_OK);
    assert_int_equal(packs_left(w), n_packs);
    world_close(w);
}

static void one_pack_for_all(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    for (int i = 0; i < 5; i++) {
        add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    }
    assert_int_equal(umb__plan_share(&w.plan), UMB_OK);
    assert_int_equal(packs_left(&w), 1);
    assert_int_equal(w.plan.steps.n, 6);
    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(w.plan.steps.step[i].args[0].value, T0);
    }
    assert_int_equal(w.plan.steps.temp_bytes[0], 64);
    assert_int_equal(w.plan.steps.temp_bytes[4], 0);
    world_close(&w);
}

/* A pack of a shared pack is shared as well. */
static void chains(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    for (int i = 0; i < 3; i++) {
        add_product(&w, 0, add_pack(&w, 0, add_pack(&w, 0, X, 64, 3), 128, 4), OUT);
    }
    expect(&w, 2);
}

static void what_differs_stays(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    add_product(&w, 0, add_pack(&w, 0, Y, 64, 3), OUT);  /* another value */
    add_product(&w, 0, add_pack(&w, 0, X, 64, 4), OUT);  /* another number */
    add_product(&w, 0, add_pack(&w, 0, X, 128, 3), OUT); /* another size */
    add_product(&w, 1, add_pack(&w, 1, X, 64, 3), OUT);  /* another phase */
    expect(&w, 5);
}

static void not_past_a_write(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    add_product(&w, 0, Y, X);
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT); /* as the one before */
    expect(&w, 2);
}

/* Somebody adds to what was packed, so that it is not what the next one needs. */
static void not_what_is_changed_later(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    const int first = add_pack(&w, 0, X, 64, 3);
    add_product(&w, 0, Y, first);
    add_product(&w, 0, first, OUT);
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    expect(&w, 2);
}

static void nor_what_is_made_again(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.g->node[1].phase = UMB_PHASE_FORWARD;
    w.g->node[1].again_of = "x";
    add_product(&w, 0, add_pack(&w, 0, X, 64, 3), OUT);
    add_product(&w, 1, add_pack(&w, 1, X, 64, 3), OUT);
    expect(&w, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pack_for_all),          cmocka_unit_test(chains),
        cmocka_unit_test(what_differs_stays),        cmocka_unit_test(not_past_a_write),
        cmocka_unit_test(not_what_is_changed_later), cmocka_unit_test(nor_what_is_made_again),
    };
    return cmocka_run_group_tests_name("sharing", tests, NULL, NULL);
}

/*
 * Rows that are combined piece by piece: where parameters that have rows do not lie side by side,
 * each stretch of them gets a part of its own, however large the graph is by then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trainer_balance.h"
#include "trainer_internal.h"
#include "world.h"

enum { T = 2, N = 5, COUNT = 20, PLACE = 32 }; /* floats of a parameter, and of its place */

struct made_up {
    struct umb_graph *g;
    int in_rows[N], gradients;
    struct umb_trainer_gradients d;
};

static int value(struct umb_graph *g, const char *name, enum umb_value_kind kind,
                 struct umb_shape shape)
{
    const struct umb_type type = {.dtype = UMB_F32, .shape = shape};
    const int v = umb__graph_value(g, name, kind, &type);
    assert_true(v >= 0);
    return v;
}

/* Parameters with a gap behind each of the first three; the last two lie side by side. */
static void make(struct made_up *m, int padding)
{
    static const size_t place[N] = {0, 2, 4, 6, 7};
    must(umb__graph_create(world.ctx, true, 1, &m->g));
    const int packed = value(m->g, "parameters", UMB_VALUE_PARAM, (struct umb_shape){1, {256}});
    m->gradients = value(m->g, "gradients", UMB_VALUE_STATE, (struct umb_shape){1, {256}});
    for (int k = 0; k < N; k++) {
        m->in_rows[k] = value(m->g, "p", UMB_VALUE_PARAM, (struct umb_shape){1, {COUNT}});
        m->g->value[m->in_rows[k]].base = packed;
        m->g->value[m->in_rows[k]].base_offset = place[k] * PLACE * sizeof(float);
    }
    m->d = (struct umb_trainer_gradients){
        .rows = value(m->g, "rows", UMB_VALUE_STATE, (struct umb_shape){2, {T, N * PLACE}}),
        .weights = value(m->g, "weights", UMB_VALUE_INPUT, (struct umb_shape){1, {T}}),
        .in_rows = m->in_rows,
        .n_in_rows = N,
        .to_learn = -1};
    for (int i = 0; i < padding; i++) {
        value(m->g, "padding", UMB_VALUE_CONSTANT, (struct umb_shape){1, {1}});
    }
}

static void stretches_have_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t count;
        size_t place;
    } expected[] = {{"balancer.combined0", PLACE, 0},
                    {"balancer.combined32", PLACE, 2},
                    {"balancer.combined64", PLACE, 4},
                    {"balancer.combined96", 2 * PLACE, 6}};
    struct umb_trainer_balance b = {.ctx = world.ctx, .row = umb__balancer_find("cagrad"), .T = T};
    struct umb_trainer tr = {.ctx = world.ctx, .balance = &b, .n_devices = 1, .n_tasks = T};
    for (int padding = 0; padding < 64; padding++) {
        struct made_up m;
        make(&m, padding);
        must(umb__balancing_combine(&tr, m.g, &m.d, &m.gradients));
        assert_int_equal(m.g->n_nodes, 4);
        for (int k = 0; k < 4; k++) {
            const struct umb_value *out = &m.g->value[m.g->node[k].out[0]];
            assert_string_equal(m.g->node[k].name, expected[k].name);
            assert_int_equal(umb__shape_count(&out->type.shape), expected[k].count);
            assert_int_equal(out->base, m.gradients);
            assert_int_equal(out->base_offset, expected[k].place * PLACE * sizeof(float));
        }
        umb__graph_destroy(m.g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stretches_have_their_places)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

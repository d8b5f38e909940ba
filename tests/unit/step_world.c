#include "step_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void world_open(struct world *w, int n_values)
{
    assert_int_equal(umb_context_create(NULL, &w->ctx), UMB_OK);
    assert_int_equal(umb__graph_create(w->ctx, true, 1, &w->g), UMB_OK);
    for (int v = 0; v < n_values; v++) {
        struct umb_type type = {.dtype = UMB_F32, .shape = {1, {16 * (1 + v % 7)}}};
        char name[32];
        snprintf(name, sizeof name, "v%d", v);
        assert_int_equal(umb__graph_value(w->g, name, UMB_VALUE_TEMP, &type), v);
    }
    w->g->node = umb__calloc(w->ctx, 1, sizeof *w->g->node); /* that all steps are of */
    assert_non_null(w->g->node);
    w->g->node->name = "made up";
    assert_int_equal(umb__steps_init(w->ctx, n_values, &w->steps), UMB_OK);
    w->cost = NULL;
}

void world_close(struct world *w)
{
    umb__steps_finish(&w->steps);
    umb__graph_destroy(w->g);
    umb__free(w->cost);
    umb_context_destroy(w->ctx);
}

void add_step(struct world *w, const char *kinds, const int *values)
{
    size_t n = strlen(kinds);
    struct umb_step *grown =
        umb__grow(w->ctx, w->steps.step, w->steps.capacity, w->steps.n + 1, sizeof *grown);
    assert_non_null(grown);
    w->steps.step = grown;
    w->steps.capacity = w->steps.n + 1;
    struct umb_step *s = &w->steps.step[w->steps.n++];
    *s = (struct umb_step){.n_args = n, .node = 0};
    s->args = umb__arena_calloc(w->steps.arena, n + 1, sizeof *s->args);
    assert_non_null(s->args);
    for (size_t k = 0; k < n; k++) {
        s->args[k] =
            (struct umb_step_arg){.kind = kinds[k], .value = values[k], .element_bytes = 4};
    }
}

void plan_world(struct world *w, int n_queues, struct umb_deps *d, struct umb_schedule *s,
                struct umb_memory *m)
{
    assert_int_equal(umb__deps_build(w->g, &w->steps, d), UMB_OK);
    assert_int_equal(umb__schedule_build(w->ctx, d, w->cost, n_queues, s), UMB_OK);
    assert_int_equal(umb__memory_build(w->g, &w->steps, s, 0, m), UMB_OK);
}

void unplan(struct umb_deps *d, struct umb_schedule *s, struct umb_memory *m)
{
    umb__memory_finish(m);
    umb__schedule_finish(s);
    umb__deps_finish(d);
}

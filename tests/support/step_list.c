#include "step_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

#define MOST_ARGS 5
#define REACH 12 /* a step reads what one of so many values before its own is */

uint32_t step_list_draw(struct step_list *l, uint32_t below)
{
    return umb__random_u32(l->seed, UMB_RNG_TEST, 1, l->at++) % below;
}

static void add_values(struct step_list *l, int n, bool pieces)
{
    for (int v = 0; v < n; v++) {
        const int64_t size = pieces && v % 4 == 0 ? 64 : 16 * (1 + step_list_draw(l, 7));
        struct umb_type type = {.dtype = UMB_F32, .shape = {1, {size}}};
        char name[32];
        snprintf(name, sizeof name, "v%d", v);
        if (pieces && v % 4) { type.shape.dim[0] = 16 * (1 + step_list_draw(l, 2)); }
        assert_int_equal(umb__graph_value(l->g, name, UMB_VALUE_TEMP, &type), v);
        if (!pieces || v % 4 == 0) { continue; }
        l->g->value[v].base = v / 4 * 4;
        l->g->value[v].base_offset = 64 * step_list_draw(l, 3);
    }
}

static int near_value(struct step_list *l, int middle)
{
    const int v = middle - (int)step_list_draw(l, REACH);
    return v < 0 ? 0 : v;
}

static void fill_step(struct step_list *l, int i, bool *written, bool pieces)
{
    struct umb_step *s = &l->steps.step[i];
    const int n_values = l->g->n_values;
    const int middle = (int)((int64_t)i * n_values / (int64_t)l->steps.n);
    s->args = umb__arena_calloc(l->steps.arena, MOST_ARGS, sizeof *s->args);
    assert_non_null(s->args);
    for (int k = (int)step_list_draw(l, MOST_ARGS - 1); k > 0; k--) {
        const int v = near_value(l, middle);
        if (!written[v]) { continue; }
        s->args[s->n_args++] = (struct umb_step_arg){.kind = 'r', .value = v, .element_bytes = 4};
    }
    const int out = near_value(l, middle);
    s->args[s->n_args++] = (struct umb_step_arg){
        .kind = written[out] && step_list_draw(l, 2) ? 'm' : 'w', .value = out, .element_bytes = 4};
    s->beside = pieces && step_list_draw(l, 3) == 0 ? i / 4 + 1 : 0;
    written[out] = true;
    l->cost[i] = 1 + step_list_draw(l, 1000);
}

void step_list_open(struct step_list *l, uint64_t seed, int n_steps, int n_values, bool pieces)
{
    *l = (struct step_list){.seed = seed};
    assert_int_equal(umb_context_create(NULL, &l->ctx), UMB_OK);
    assert_int_equal(umb__graph_create(l->ctx, true, 1, &l->g), UMB_OK);
    add_values(l, n_values, pieces);
    assert_int_equal(umb__steps_init(l->ctx, n_values, &l->steps), UMB_OK);
    l->steps.step = umb__calloc(l->ctx, (size_t)n_steps, sizeof *l->steps.step);
    l->cost = umb__calloc(l->ctx, (size_t)n_steps, sizeof *l->cost);
    bool *written = umb__calloc(l->ctx, (size_t)n_values, sizeof *written);
    assert_true(l->steps.step && l->cost && written);
    l->steps.n = l->steps.capacity = (size_t)n_steps;
    for (int i = 0; i < n_steps; i++) {
        fill_step(l, i, written, pieces);
    }
    umb__free(written);
}

void step_list_close(struct step_list *l)
{
    umb__memory_finish(&l->memory);
    umb__schedule_finish(&l->schedule);
    umb__deps_finish(&l->deps);
    umb__steps_finish(&l->steps);
    umb__graph_destroy(l->g);
    umb__free(l->cost);
    umb_context_destroy(l->ctx);
}

void step_list_plan(struct step_list *l, int n_queues)
{
    assert_int_equal(umb__deps_build(l->g, &l->steps, &l->deps), UMB_OK);
    assert_int_equal(umb__schedule_build(l->ctx, &l->deps, l->cost, n_queues, &l->schedule),
                     UMB_OK);
    assert_int_equal(umb__memory_build(l->g, &l->steps, &l->schedule, 0, &l->memory), UMB_OK);
}

bool *step_list_earlier(const struct step_list *l)
{
    const struct umb_schedule *s = &l->schedule;
    const size_t n = (size_t)s->n;
    bool *earlier = umb__calloc(l->ctx, n * n + 1, sizeof *earlier);
    int last[UMB_SCHEDULE_QUEUES];
    assert_non_null(earlier);
    memset(last, -1, sizeof last);
    for (int o = 0; o < s->n; o++) {
        const size_t j = (size_t)s->order[o];
        const int first = last[s->queue[j]] < 0 ? s->wait_start[j] : s->wait_start[j] - 1;
        for (int e = first; e < s->wait_start[j + 1]; e++) {
            const size_t i = (size_t)(e < s->wait_start[j] ? last[s->queue[j]] : s->wait[e]);
            earlier[j * n + i] = true;
            for (size_t x = 0; x < n; x++) {
                earlier[j * n + x] |= earlier[i * n + x];
            }
        }
        last[s->queue[j]] = (int)j;
    }
    return earlier;
}

static bool uses(const struct step_list *l, size_t step, int root)
{
    const struct umb_step *s = &l->steps.step[step];
    for (size_t k = 0; k < s->n_args; k++) {
        if (umb__extent(l->g, &l->steps, s->args[k].value).root == root) { return true; }
    }
    return false;
}

static bool all_before(const struct step_list *l, const bool *earlier, int a, int b)
{
    const size_t n = l->steps.n;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; uses(l, i, a) && j < n; j++) {
            if (uses(l, j, b) && !earlier[j * n + i]) { return false; }
        }
    }
    return true;
}

bool step_list_is_sound(const struct step_list *l)
{
    const struct umb_memory *m = &l->memory;
    bool *earlier = step_list_earlier(l), sound = true;
    for (int a = 0; a < m->n_ids; a++) {
        for (int b = a + 1; b < m->n_ids; b++) {
            const bool overlap = m->offset[a] < m->offset[b] + m->bytes[b] &&
                                 m->offset[b] < m->offset[a] + m->bytes[a];
            if (overlap && !all_before(l, earlier, a, b) && !all_before(l, earlier, b, a)) {
                sound = false;
            }
        }
    }
    umb__free(earlier);
    return sound;
}

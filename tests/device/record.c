#include "record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Room for so many bytes, to be filled by the caller. */
static char *add(struct record *r, const char *name, size_t bytes)
{
    if (r->n == r->capacity) {
        const size_t grown = r->capacity ? 2 * r->capacity : 64;
        struct record_entry *p = umb__grow(NULL, r->entry, r->capacity, grown, sizeof *p);
        assert_non_null(p);
        r->entry = p;
        r->capacity = grown;
    }
    struct record_entry *e = &r->entry[r->n++];
    *e = (struct record_entry){.data = umb__calloc(NULL, bytes + 1, 1), .bytes = bytes};
    assert_non_null(e->data);
    snprintf(e->name, sizeof e->name, "%s", name);
    return e->data;
}

void record_step(struct record *r, const struct session *s, int slot, int step)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    const struct umb_plan *plan = umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN);
    char name[80];
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        if (!value->output || value->kind != UMB_VALUE_TEMP) { continue; }
        const size_t bytes = umb__type_bytes(&value->type);
        snprintf(name, sizeof name, "step %d: %.60s", step, value->name);
        memcpy(add(r, name, bytes), umb__plan_output(plan, slot, v), bytes);
    }
    for (int t = 0; t < s->tr->n_tasks; t++) {
        snprintf(name, sizeof name, "step %d: loss of task %d", step, t);
        memcpy(add(r, name, sizeof *s->losses), &s->losses[t], sizeof *s->losses);
    }
}

static void record_results(struct record *r, const struct session *s)
{
    struct umb_task_result results[UMB_MAX_TASKS];
    assert_int_equal(umb_trainer_results(s->tr, results), UMB_OK);
    for (int t = 0; t < s->tr->n_tasks; t++) {
        memcpy(add(r, "a task's mean loss", sizeof(double)), &results[t].loss, sizeof(double));
        for (int m = 0; m < results[t].n_metrics; m++) {
            memcpy(add(r, results[t].metric[m].name, sizeof(double)), &results[t].metric[m].value,
                   sizeof(double));
        }
    }
}

/* Gaps between packed parameters are zeros of either sign, and no file keeps them. */
static void clear_gaps(const struct session *s, char *data, size_t bytes)
{
    if (bytes != s->tr->packed_bytes) { return; }
    char *used = session_used(s, bytes / sizeof(float));
    for (size_t i = 0; i < bytes / sizeof(float); i++) {
        if (!used[i]) { memset(data + i * sizeof(float), 0, sizeof(float)); }
    }
    umb__free(used);
}

void record_end(struct record *r, const struct session *s)
{
    const struct umb_graph *g = umb__trainer_graph(s->tr, UMB_TRAINER_TRAIN);
    record_results(r, s); /* which empties the counters that are among the states */
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        const bool kept = value->kind == UMB_VALUE_PARAM || value->kind == UMB_VALUE_STATE;
        if (!kept || value->base >= 0) { continue; }
        const size_t bytes = umb__type_bytes(&value->type);
        char *data = add(r, value->name, bytes);
        assert_int_equal(umb__store_read(s->tr->store, value->name, 0, bytes, data), UMB_OK);
        clear_gaps(s, data, bytes);
    }
}

void record_finish(struct record *r)
{
    for (size_t i = 0; i < r->n; i++) {
        umb__free(r->entry[i].data);
    }
    umb__free(r->entry);
    *r = (struct record){0};
}

bool record_same(const struct record *a, const struct record *b, char *ret_where, size_t size)
{
    if (a->n != b->n) {
        snprintf(ret_where, size, "%zu and %zu entries", a->n, b->n);
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct record_entry *x = &a->entry[i], *y = &b->entry[i];
        if (strcmp(x->name, y->name) != 0 || x->bytes != y->bytes) {
            snprintf(ret_where, size, "%s and %s", x->name, y->name);
            return false;
        }
        if (memcmp(x->data, y->data, x->bytes) == 0) { continue; }
        size_t at = 0;
        while (x->data[at] == y->data[at]) {
            at++;
        }
        snprintf(ret_where, size, "%s: byte %zu of %zu", x->name, at, x->bytes);
        return false;
    }
    return true;
}

bool record_is_finite(const struct record *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct record_entry *e = &r->entry[i];
        for (size_t k = 0; strcmp(e->name, "parameters") == 0 && k < e->bytes; k += sizeof(float)) {
            float x;
            memcpy(&x, e->data + k, sizeof x);
            if (!isfinite(x)) { return false; }
        }
    }
    return true;
}

/*
 * trace_file.c: the timeline of one step in Chrome's trace format: a row a queue, a bar a kernel.
 * chrome://tracing and ui.perfetto.dev read it; report.html draws it.
 */
#include "loop.h"

#include "fail.h"
#include "system.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phases[] = {"forward", "loss", "backward", "update"};

static json_t *queue_row(int queue)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:{s:o}}", "name", "thread_name", "ph", "M", "pid", 1,
                     "tid", queue, "args", "name", json_sprintf("queue %d", queue));
}

/* Chrome counts in microseconds. */
static json_t *bar(const struct umb_plan_step_info *s)
{
    char name[160];
    snprintf(name, sizeof name, "%.120s", s->node);
    if (s->n_members > 1) {
        snprintf(name, sizeof name, "%.120s and %zu more", s->node, s->n_members - 1);
    }
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:{s:s, s:s, s:f, s:f}}", "name", name,
                     "cat", phases[s->phase], "ph", "X", "ts", (double)s->start_ns * 1e-3, "dur",
                     (double)(s->end_ns - s->start_ns) * 1e-3, "pid", 1, "tid", s->queue, "args",
                     "kernel", s->kernel, "solver", s->solver, "gflop", s->flops * 1e-9, "mb",
                     s->bytes * 1e-6);
}

enum umb_status umb__trace_write(struct umb_context *ctx, const struct umb_plan *plan,
                                 const char *path)
{
    json_t *events = json_array();
    for (int q = 0; q < umb__plan_n_queues(plan); q++) {
        json_array_append_new(events, queue_row(q));
    }
    for (size_t i = 0; i < umb__plan_n_steps(plan); i++) {
        struct umb_plan_step_info s = umb__plan_step(plan, i);
        json_array_append_new(events, bar(&s));
    }
    bool whole =
        json_array_size(events) == umb__plan_n_steps(plan) + (size_t)umb__plan_n_queues(plan);
    json_t *all = json_pack("{s:o, s:s}", "traceEvents", events, "displayTimeUnit", "ms");
    char *text = all && whole ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(all);
    enum umb_status st = text ? umb__file_write(ctx, path, text, strlen(text))
                              : umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: out of memory", path);
    free(text);
    return st;
}

/*
 * trace_file.c: the timeline of one step in Chrome's trace format: a row a queue, a bar a launch,
 * an arrow a wait. chrome://tracing and ui.perfetto.dev read it; report.html draws it.
 */
#include "trace_file.h"

#include "fail.h"
#include "system.h"
#include <stdlib.h>
#include <string.h>

#define US_PER_MS 1e3
/* An arrow belongs to the bar that is there at its time: it begins and ends so far inside. */
#define INSIDE_US 0.2

static const char *const phases[] = {"forward", "loss", "backward", "update", "transfer"};

/* A name of a row, and where it stands. */
static void add_row(json_t *events, const struct umb_timeline *t, size_t lane)
{
    const int row = (int)lane;
    json_array_append_new(events,
                          json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", "thread_name", "ph",
                                    "M", "pid", 1, "tid", row, "args", "name", t->lane[lane]));
    json_array_append_new(events,
                          json_pack("{s:s, s:s, s:i, s:i, s:{s:i}}", "name", "thread_sort_index",
                                    "ph", "M", "pid", 1, "tid", row, "args", "sort_index", row));
}

static void add_rows(json_t *events, const struct umb_timeline *t)
{
    json_array_append_new(events, json_pack("{s:s, s:s, s:i, s:{s:o}}", "name", "process_name",
                                            "ph", "M", "pid", 1, "args", "name",
                                            json_sprintf("%s on %s", t->title, t->device)));
    for (size_t lane = 0; lane < t->n_lanes; lane++) {
        add_row(events, t, lane);
    }
}

static json_t *nodes_of(const struct umb_timeline_box *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->n_nodes; i++) {
        json_array_append_new(list, json_string(b->node[i]));
    }
    return list;
}

static json_t *parts_of(const struct umb_timeline *t, const struct umb_timeline_box *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->n_parts; i++) {
        const int part = b->part[i];
        json_array_append_new(list, json_string(part == UMB_PART_TRUNK ? "trunk" : t->head[part]));
    }
    return list;
}

static json_t *waits_of(const struct umb_timeline_box *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->n_waits; i++) {
        json_array_append_new(list, json_integer(b->wait[i]));
    }
    return list;
}

static json_t *args_of(const struct umb_timeline *t, size_t index)
{
    const struct umb_timeline_box *b = &t->box[index];
    json_t *args =
        json_pack("{s:s, s:s, s:f, s:f, s:o, s:o}", "kernel", b->kernel, "solver", b->solver,
                  "gflop", b->gflop, "mb", b->mb, "nodes", nodes_of(b), "parts", parts_of(t, b));
    if (index >= t->n_launches) { return args; }
    json_object_set_new(args, "step", json_integer((json_int_t)index));
    json_object_set_new(args, "waits", waits_of(b));
    if (b->alone_ms > 0) { json_object_set_new(args, "alone_ms", json_real(b->alone_ms)); }
    if (b->critical) { json_object_set_new(args, "critical", json_true()); }
    return args;
}

/* Chrome counts in microseconds. */
static void add_bar(json_t *events, const struct umb_timeline *t, size_t index)
{
    const struct umb_timeline_box *b = &t->box[index];
    json_t *name = b->n_nodes > 1 ? json_sprintf("%s and %zu more", b->node[0], b->n_nodes - 1)
                                  : json_string(b->node[0]);
    json_array_append_new(events,
                          json_pack("{s:o, s:s, s:s, s:f, s:f, s:i, s:i, s:o}", "name", name, "cat",
                                    phases[b->phase], "ph", "X", "ts", b->start_ms * US_PER_MS,
                                    "dur", (b->end_ms - b->start_ms) * US_PER_MS, "pid", 1, "tid",
                                    b->lane, "args", args_of(t, index)));
}

/* An end of an arrow; "s" leaves a bar at its end, "f" comes to one at its start. */
static json_t *arrow_end(const struct umb_timeline_box *b, const char *kind, int id)
{
    const double start = b->start_ms * US_PER_MS, end = b->end_ms * US_PER_MS;
    const double inside = end - start < 2 * INSIDE_US ? (end - start) / 2 : INSIDE_US;
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:i, s:i}", "name", "wait", "cat", "wait",
                     "ph", kind, "bp", "e", "id", id, "ts",
                     *kind == 's' ? end - inside : start + inside, "pid", 1, "tid", b->lane);
}

static void add_arrows(json_t *events, const struct umb_timeline *t)
{
    int id = 0;
    for (size_t i = 0; i < t->n_launches; i++) {
        for (size_t w = 0; w < t->box[i].n_waits; w++) {
            json_array_append_new(events, arrow_end(&t->box[t->box[i].wait[w]], "s", ++id));
            json_array_append_new(events, arrow_end(&t->box[i], "f", id));
        }
    }
}

static void add_mark(json_t *events, const char *name, double ms)
{
    json_array_append_new(events,
                          json_pack("{s:s, s:s, s:s, s:f, s:i, s:i}", "name", name, "ph", "i", "s",
                                    "p", "ts", ms * US_PER_MS, "pid", 1, "tid", 0));
}

static json_t *about(const struct umb_timeline *t)
{
    json_t *tasks = json_array();
    for (size_t h = 0; h < t->n_heads; h++) {
        json_array_append_new(tasks, json_string(t->head[h]));
    }
    json_t *data = json_pack("{s:s, s:s, s:o, s:f}", "experiment", t->title, "device", t->device,
                             "tasks", tasks, "makespan_ms", t->makespan_ms);
    if (t->bound_ms > 0) { json_object_set_new(data, "bound_ms", json_real(t->bound_ms)); }
    return data;
}

static size_t n_events(const struct umb_timeline *t)
{
    size_t n = 1 + 2 * t->n_lanes + t->n_boxes + 1 + (t->bound_ms > 0);
    for (size_t i = 0; i < t->n_launches; i++) {
        n += 2 * t->box[i].n_waits;
    }
    return n;
}

enum umb_status umb__trace_write(struct umb_context *ctx, const struct umb_timeline *t,
                                 const char *path)
{
    json_t *events = json_array();
    add_rows(events, t);
    for (size_t i = 0; i < t->n_boxes; i++) {
        add_bar(events, t, i);
    }
    add_arrows(events, t);
    if (t->bound_ms > 0) { add_mark(events, "lower bound", t->origin_ms + t->bound_ms); }
    add_mark(events, "end of the step", t->origin_ms + t->makespan_ms);
    /* A piece that could not be made is not there. */
    const bool whole = json_array_size(events) == n_events(t);
    json_t *all = json_pack("{s:o, s:s, s:o}", "traceEvents", events, "displayTimeUnit", "ms",
                            "otherData", about(t));
    char *text = all && whole ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(all);
    enum umb_status st = text ? umb__file_write(ctx, path, text, strlen(text))
                              : umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: out of memory", path);
    free(text);
    return st;
}

/* report_data.c: see report_data.h. */
#include "report_data.h"

#include "fail.h"
#include "system.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 30)

static bool is(const json_t *row, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text && strcmp(text, value) == 0;
}

static void note_task(json_t *tasks, const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "task"));
    if (!name || strcmp(name, "*") == 0) { return; }
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        if (strcmp(json_string_value(json_array_get(tasks, i)), name) == 0) { return; }
    }
    json_array_append_new(tasks, json_string(name));
}

static void keep(json_t **slot, json_t *row)
{
    json_decref(*slot);
    *slot = json_incref(row);
}

static void sort_row(struct umb_report_data *d, json_t *row)
{
    if (is(row, "event", "start")) {
        keep(&d->start, row);
    } else if (is(row, "event", "end")) {
        keep(&d->end, row);
    } else if (is(row, "event", "relations")) {
        keep(&d->relations, row);
    } else if (is(row, "event", "step")) {
        json_array_append(d->steps, row);
    } else if (is(row, "event", "epoch")) {
        json_array_append(d->epochs, row);
        note_task(d->tasks, row);
    }
}

static enum umb_status read_rows(struct umb_context *ctx, const char *path, char *text,
                                 struct umb_report_data *d)
{
    size_t number = 1;
    for (char *line = text, *end; *line; line = end, number++) {
        end = line + strcspn(line, "\n");
        size_t length = (size_t)(end - line);
        if (*end) { end++; }
        if (length == 0) { continue; }
        json_t *row = json_loadb(line, length, 0, NULL);
        if (!json_is_object(row)) {
            json_decref(row);
            return umb__fail(ctx, UMB_ERR_FORMAT, "%s:%zu: is no event; expected a JSON object",
                             path, number);
        }
        sort_row(d, row);
        json_decref(row);
    }
    return UMB_OK;
}

static enum umb_status read_text(const struct umb_run *run, const char *name, bool required,
                                 char **ret_text, char **ret_path)
{
    size_t size = 0;
    *ret_text = NULL;
    *ret_path = umb__run_file(run, name);
    if (!*ret_path) { return UMB_ERR_NO_MEMORY; }
    if (!required && !umb__is_file(*ret_path)) { return UMB_OK; }
    return umb__file_read(run->ctx, *ret_path, MAX_BYTES, ret_text, &size);
}

static enum umb_status read_metrics(const struct umb_run *run, struct umb_report_data *d)
{
    char *text = NULL, *path = NULL;
    enum umb_status st = read_text(run, "metrics.jsonl", true, &text, &path);
    if (st == UMB_OK) { st = read_rows(run->ctx, path, text, d); }
    umb__free(text);
    umb__free(path);
    return st;
}

static enum umb_status read_trace(const struct umb_run *run, struct umb_report_data *d)
{
    char *text = NULL, *path = NULL;
    enum umb_status st = read_text(run, "trace.json", false, &text, &path);
    if (st == UMB_OK && text) {
        d->trace = json_loads(text, 0, NULL);
        if (!json_is_array(json_object_get(d->trace, "traceEvents"))) {
            st = umb__fail(run->ctx, UMB_ERR_FORMAT, "%s: is no trace; expected traceEvents", path);
        }
        if (st == UMB_OK) { st = umb__timeline_of_trace(run->ctx, d->trace, &d->timeline); }
    }
    umb__free(text);
    umb__free(path);
    return st;
}

enum umb_status umb__report_read(const struct umb_run *run, struct umb_report_data *ret_data)
{
    struct umb_report_data d = {
        .steps = json_array(), .epochs = json_array(), .tasks = json_array()};
    const char *slash = strrchr(run->path, '/');
    d.name = slash && slash[1] ? slash + 1 : run->path;
    enum umb_status st = d.steps && d.epochs && d.tasks
                             ? UMB_OK
                             : umb__fail(run->ctx, UMB_ERR_NO_MEMORY, "out of memory: a report");
    char *path = NULL;
    if (st == UMB_OK) { st = read_metrics(run, &d); }
    if (st == UMB_OK) { st = read_trace(run, &d); }
    if (st == UMB_OK) { st = read_text(run, "experiment.yaml", false, &d.experiment, &path); }
    umb__free(path);
    if (st != UMB_OK) {
        umb__report_forget(&d);
        return st;
    }
    *ret_data = d;
    return UMB_OK;
}

void umb__report_forget(struct umb_report_data *data)
{
    json_decref(data->start);
    json_decref(data->end);
    json_decref(data->relations);
    json_decref(data->steps);
    json_decref(data->epochs);
    json_decref(data->tasks);
    umb__timeline_destroy(data->timeline);
    json_decref(data->trace);
    umb__free(data->experiment);
}

/* Series. */

/* Collects points in groups of `group`, each becoming its mean. */
struct collector {
    struct umb_report_series *series;
    size_t group, n;
    double x, y;
};

static void flush_group(struct collector *c)
{
    if (c->n == 0 || c->series->n == UMB_REPORT_POINTS) { return; }
    c->series->x[c->series->n] = c->x / (double)c->n;
    c->series->y[c->series->n++] = c->y / (double)c->n;
    c->n = 0;
    c->x = c->y = 0;
}

static void collect(struct collector *c, const json_t *x, const json_t *y)
{
    if (!json_is_number(x) || !json_is_number(y)) { return; }
    double value = json_number_value(y);
    if (!isfinite(value)) { return; }
    c->x += json_number_value(x);
    c->y += value;
    if (++c->n == c->group) { flush_group(c); }
}

static size_t group_size(size_t n)
{
    return (n + UMB_REPORT_POINTS - 1) / UMB_REPORT_POINTS + (n == 0);
}

int umb__report_epoch_series(const struct umb_report_data *data, const char *split,
                             const char *task, const char *key, struct umb_report_series *ret)
{
    size_t last = 1;
    const json_t *final = json_array_get(data->epochs, json_array_size(data->epochs) - 1);
    json_int_t epochs = json_integer_value(json_object_get(final, "epoch"));
    if (epochs > 0) { last = (size_t)epochs; }
    struct collector c = {.series = ret, .group = group_size(last)};
    ret->n = 0;
    for (size_t i = 0; i < json_array_size(data->epochs); i++) {
        const json_t *row = json_array_get(data->epochs, i);
        if (!is(row, "split", split) || !is(row, "task", task)) { continue; }
        collect(&c, json_object_get(row, "epoch"), json_object_get(row, key));
    }
    flush_group(&c);
    return ret->n;
}

int umb__report_step_series(const struct umb_report_data *data, const char *task,
                            struct umb_report_series *ret)
{
    struct collector c = {.series = ret, .group = group_size(json_array_size(data->steps))};
    ret->n = 0;
    for (size_t i = 0; i < json_array_size(data->steps); i++) {
        const json_t *row = json_array_get(data->steps, i);
        collect(&c, json_object_get(row, "step"),
                json_object_get(json_object_get(row, "losses"), task));
    }
    flush_group(&c);
    return ret->n;
}

const json_t *umb__report_last_row(const struct umb_report_data *data, const char *split,
                                   const char *task)
{
    for (size_t i = json_array_size(data->epochs); i-- > 0;) {
        const json_t *row = json_array_get(data->epochs, i);
        if (is(row, "split", split) && is(row, "task", task)) { return row; }
    }
    return NULL;
}

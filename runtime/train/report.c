/* report.c: the page: head, a section a run, and an overview when there are several. */
#include "report.h"

#include "fail.h"
#include "report_draw.h"
#include "system.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SERIES 12

static const char *const splits[] = {"train", "validation", "test"};

/* Small pieces. */

static double number(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "–";
}

static void add_number(struct umb_text *out, const json_t *value)
{
    if (json_is_number(value)) {
        umb__text_printf(out, "<td>%.4f</td>", json_number_value(value));
    } else {
        umb__text_add(out, "<td class=\"none\">–</td>");
    }
}

static const char *task_name(const struct umb_report_data *d, size_t t)
{
    return json_string_value(json_array_get(d->tasks, t));
}

/* The split whose numbers are shown first. */
static const char *telling_split(const struct umb_report_data *d)
{
    for (size_t s = 3; s-- > 0;) {
        if (umb__report_last_row(d, splits[s], "*")) { return splits[s]; }
    }
    return splits[0];
}

static void add_facts(struct umb_text *out, const struct umb_report_data *d)
{
    umb__text_add(out, "<dl class=\"facts\">\n");
    umb__draw_fact(out, "score", "%.4f",
                   number(umb__report_last_row(d, telling_split(d), "*"), "score"));
    if (d->end) {
        double seconds = number(d->end, "seconds");
        umb__draw_fact(out, "epochs", "%.0f", number(d->end, "epochs"));
        umb__draw_fact(out, "steps", "%.0f", number(d->end, "steps"));
        umb__draw_fact(out, "images/s", "%.0f", number(d->end, "images_per_s"));
        umb__draw_fact(out, "time", seconds < 100 ? "%.1f s" : "%.1f min",
                       seconds < 100 ? seconds : seconds / 60);
        umb__draw_fact(out, "peak memory", "%.0f MiB", number(d->end, "peak_rss_mib"));
    }
    umb__draw_fact(out, "parameters", "%.0f", number(d->start, "parameters"));
    umb__draw_fact(out, "seed", "%.0f", number(d->start, "seed"));
    umb__draw_fact(out, "device", "%s", text_of(d->start, "device"));
    umb__text_add(out, "</dl>\n");
}

/* The table of results. */

static bool is_metric(const char *key)
{
    static const char *const others[] = {"event", "epoch", "split", "task"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i], key) == 0) { return false; }
    }
    return true;
}

/* Every metric that some task has, loss first, in the order of the rows. */
static json_t *metric_names(const struct umb_report_data *d)
{
    json_t *names = json_array();
    for (size_t t = 0; t < json_array_size(d->tasks); t++) {
        json_t *row =
            (json_t *)(uintptr_t)umb__report_last_row(d, telling_split(d), task_name(d, t));
        const char *key;
        json_t *value;
        json_object_foreach(row, key, value)
        {
            bool known = !is_metric(key);
            for (size_t i = 0; !known && i < json_array_size(names); i++) {
                known = strcmp(json_string_value(json_array_get(names, i)), key) == 0;
            }
            if (!known) { json_array_append_new(names, json_string(key)); }
        }
    }
    return names;
}

static void add_result_row(struct umb_text *out, const struct umb_report_data *d, size_t task,
                           size_t split, const json_t *names)
{
    const json_t *row = umb__report_last_row(d, splits[split], task_name(d, task));
    if (!row) { return; }
    umb__text_add(out, "<tr><th>");
    umb__html(out, task_name(d, task));
    umb__text_printf(out, "</th><td class=\"split\"><i class=\"%s\"></i>%s</td>", splits[split],
                     splits[split]);
    for (size_t i = 0; i < json_array_size(names); i++) {
        add_number(out, json_object_get(row, json_string_value(json_array_get(names, i))));
    }
    umb__text_add(out, "</tr>\n");
}

static void add_results(struct umb_text *out, const struct umb_report_data *d)
{
    json_t *names = metric_names(d);
    umb__text_add(
        out, "<div class=\"scroll\"><table><thead><tr><th>task</th><th class=\"left\">split</th>");
    for (size_t i = 0; i < json_array_size(names); i++) {
        umb__text_add(out, "<th>");
        umb__html(out, json_string_value(json_array_get(names, i)));
        umb__text_add(out, "</th>");
    }
    umb__text_add(out, "</tr></thead><tbody>\n");
    for (size_t t = 0; t < json_array_size(d->tasks); t++) {
        for (size_t s = 3; s-- > 0;) {
            add_result_row(out, d, t, s, names);
        }
    }
    umb__text_add(out, "</tbody></table></div>\n");
    json_decref(names);
}

/* Curves. */

/* One chart of a value over the epochs, a curve a split. */
static void add_split_chart(struct umb_text *out, const struct umb_report_data *d,
                            const char *title, const char *task, const char *key,
                            struct umb_report_series *series)
{
    size_t n = 0;
    for (size_t s = 0; s < 3; s++) {
        if (umb__report_epoch_series(d, splits[s], task, key, &series[n]) == 0) { continue; }
        snprintf(series[n].label, sizeof series[n].label, "%s", splits[s]);
        snprintf(series[n].style, sizeof series[n].style, "%s", splits[s]);
        n++;
    }
    umb__draw_chart(out, title, "epoch", series, n);
}

/* The task's first metric: the first after the loss in its rows. */
static const char *first_metric(const struct umb_report_data *d, const char *task)
{
    json_t *row = (json_t *)(uintptr_t)umb__report_last_row(d, telling_split(d), task);
    const char *key;
    json_t *value;
    json_object_foreach(row, key, value)
    {
        if (is_metric(key) && strcmp(key, "loss") != 0) { return key; }
    }
    return NULL;
}

static void add_task_charts(struct umb_text *out, const struct umb_report_data *d, const char *task,
                            struct umb_report_series *series)
{
    char title[160];
    const char *metric = first_metric(d, task);
    snprintf(title, sizeof title, "%.80s: loss", task);
    add_split_chart(out, d, title, task, "loss", series);
    if (!metric) { return; }
    snprintf(title, sizeof title, "%.80s: %.60s", task, metric);
    add_split_chart(out, d, title, task, metric, series);
}

static void add_step_chart(struct umb_text *out, const struct umb_report_data *d,
                           struct umb_report_series *series)
{
    size_t n = 0;
    for (size_t t = 0; t < json_array_size(d->tasks) && n < MAX_SERIES; t++) {
        if (umb__report_step_series(d, task_name(d, t), &series[n]) == 0) { continue; }
        snprintf(series[n].label, sizeof series[n].label, "%s", task_name(d, t));
        snprintf(series[n].style, sizeof series[n].style, "c%zu", t % 8);
        n++;
    }
    umb__draw_chart(out, "training loss by step", "step", series, n);
}

static void add_curves(struct umb_text *out, const struct umb_report_data *d,
                       struct umb_report_series *series)
{
    umb__text_add(out, "<div class=\"charts\">\n");
    add_split_chart(out, d, "score", "*", "score", series);
    add_step_chart(out, d, series);
    umb__report_penalty(out, d, series);
    for (size_t t = 0; t < json_array_size(d->tasks); t++) {
        add_task_charts(out, d, task_name(d, t), series);
    }
    umb__text_add(out, "</div>\n");
}

/* The page. */

static void add_run(struct umb_text *out, const struct umb_report_data *d,
                    struct umb_report_series *series)
{
    umb__text_add(out, "<section><h2>");
    umb__html(out, d->name);
    umb__text_add(out, "</h2>\n");
    add_facts(out, d);
    add_results(out, d);
    add_curves(out, d, series);
    umb__report_relations(out, d);
    if (d->timeline) {
        umb__text_add(out, "<h3>One training step</h3>\n");
        umb__report_step(out, d->timeline);
    }
    if (d->experiment) {
        umb__text_add(out, "<details><summary>experiment.yaml</summary><pre>");
        umb__html(out, d->experiment);
        umb__text_add(out, "</pre></details>\n");
    }
    umb__text_add(out, "</section>\n");
}

static void add_overview_row(struct umb_text *out, const struct umb_report_data *d)
{
    umb__text_add(out, "<tr><th>");
    umb__html(out, d->name);
    umb__text_add(out, "</th>");
    for (size_t s = 0; s < 3; s++) {
        add_number(out, json_object_get(umb__report_last_row(d, splits[s], "*"), "score"));
    }
    umb__text_printf(out, "<td>%.0f</td><td>%.0f</td></tr>\n", number(d->end, "epochs"),
                     number(d->end, "images_per_s"));
}

static void add_overview(struct umb_text *out, const struct umb_report_data *data, size_t n,
                         struct umb_report_series *series)
{
    umb__text_add(out, "<section><h2>Overview</h2><div class=\"scroll\"><table><thead><tr><th>run"
                       "</th><th>train score</th><th>validation</th><th>test</th><th>epochs</th>"
                       "<th>images/s</th></tr></thead><tbody>\n");
    size_t curves = 0;
    for (size_t i = 0; i < n; i++) {
        add_overview_row(out, &data[i]);
        if (curves == MAX_SERIES) { continue; }
        struct umb_report_series *s = &series[curves];
        if (umb__report_epoch_series(&data[i], telling_split(&data[i]), "*", "score", s) == 0) {
            continue;
        }
        snprintf(s->label, sizeof s->label, "%s", data[i].name);
        snprintf(s->style, sizeof s->style, "c%zu", curves++ % 8);
    }
    umb__text_add(out, "</tbody></table></div><div class=\"charts\">\n");
    umb__draw_chart(out, "score", "epoch", series, curves);
    umb__text_add(out, "</div></section>\n");
}

static void add_page(struct umb_text *out, const struct umb_report_data *data, size_t n,
                     struct umb_report_series *series)
{
    umb__draw_page_begin(out, n == 1 ? data[0].name : "Umbel runs");
    if (n > 1) { add_overview(out, data, n, series); }
    for (size_t i = 0; i < n; i++) {
        add_run(out, &data[i], series);
    }
    umb__draw_page_end(out);
}

enum umb_status umb__report_write(struct umb_context *ctx, const struct umb_run *const *runs,
                                  size_t n, const char *path)
{
    struct umb_report_data *data = umb__calloc(ctx, n, sizeof *data);
    struct umb_report_series *series = umb__calloc(ctx, MAX_SERIES, sizeof *series);
    struct umb_text out = {0};
    enum umb_status st = data && series ? UMB_OK : UMB_ERR_NO_MEMORY;
    size_t read = 0;
    while (st == UMB_OK && read < n) {
        st = umb__report_read(runs[read], &data[read]);
        read += st == UMB_OK;
    }
    if (st == UMB_OK) {
        add_page(&out, data, n, series);
        st = umb__text_status(ctx, &out);
    }
    if (st == UMB_OK) { st = umb__file_write(ctx, path, out.data, out.length); }
    for (size_t i = 0; i < read; i++) {
        umb__report_forget(&data[i]);
    }
    umb__text_finish(&out);
    umb__free(series);
    umb__free(data);
    return st;
}

enum umb_status umb__report_run(struct umb_context *ctx, const struct umb_run *run)
{
    char *path = umb__run_file(run, "report.html");
    enum umb_status st = path ? umb__report_write(ctx, &run, 1, path) : UMB_ERR_NO_MEMORY;
    umb__free(path);
    return st;
}

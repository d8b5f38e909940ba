/* comparison.c: a comparison's shape, and the numbers that its runs have written. */
#include "comparison.h"

#include "fail.h"
#include "report_data.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_GROUP 100 /* bytes of its tasks' names in a folder's */

/* Making. */

static size_t count_metrics(const struct umb_exp_task *t)
{
    size_t n = 0;
    while (t->metrics && t->metrics[n]) {
        n++;
    }
    return n ? n : 1;
}

/* The task's metrics as rows, from *at on; without a list of its own, the loss's usual one. */
static bool add_rows(struct umb_comparison *c, size_t task, const struct umb_exp_task *t)
{
    const char *usual[] = {NULL, NULL};
    umb__metric_names(t->judge, usual, 1);
    const char *const *names = t->metrics ? t->metrics : usual;
    for (size_t m = 0; m < count_metrics(t); m++) {
        const struct umb_metric *metric = umb__metric_find(names[m], t->judge);
        struct umb_comparison_row row = {.task = task, .metric = metric->name, .first = m == 0};
        row.lower_is_better = metric->lower_is_better;
        row.value = umb__arena_calloc(c->arena, c->n_ways * c->n_seeds, sizeof *row.value);
        if (!row.value) { return false; }
        for (size_t i = 0; i < c->n_ways * c->n_seeds; i++) {
            row.value[i] = (double)NAN;
        }
        c->row[c->n_rows++] = row;
    }
    return true;
}

static bool add_tasks(struct umb_comparison *c, const struct umb_experiment *exp)
{
    size_t n = 0;
    for (size_t t = 0; t < exp->n_tasks; t++) {
        n += count_metrics(&exp->task[t]);
    }
    c->row = umb__arena_calloc(c->arena, n, sizeof *c->row);
    bool fine = c->row != NULL;
    for (size_t t = 0; fine && t < exp->n_tasks; t++) {
        c->task[t] = umb__arena_strdup(c->arena, exp->task[t].name);
        fine = c->task[t] && add_rows(c, t, &exp->task[t]);
    }
    return fine;
}

static bool add_ways(struct umb_comparison *c, const char *const *methods)
{
    c->way[0] = "single";
    for (size_t w = 1; w < c->n_ways; w++) {
        c->way[w] = umb__arena_strdup(c->arena, methods[w - 1]);
        if (!c->way[w]) { return false; }
    }
    return true;
}

static bool fill(struct umb_comparison *c, const struct umb_experiment *exp,
                 const char *const *methods)
{
    c->name = umb__arena_strdup(c->arena, exp->name);
    c->task = umb__arena_calloc(c->arena, c->n_tasks, sizeof *c->task);
    c->split = umb__arena_calloc(c->arena, c->n_tasks, sizeof *c->split);
    c->way = umb__arena_calloc(c->arena, c->n_ways, sizeof *c->way);
    c->run = umb__arena_calloc(c->arena, c->n_seeds * c->n_runs, sizeof *c->run);
    return c->name && c->task && c->split && c->way && c->run && add_ways(c, methods) &&
           add_tasks(c, exp);
}

enum umb_status umb__comparison_create(const struct umb_experiment *exp, const char *const *methods,
                                       size_t n_methods, size_t n_seeds,
                                       struct umb_comparison **ret_comparison)
{
    struct umb_comparison *c = umb__calloc(exp->ctx, 1, sizeof *c);
    if (!c) { return UMB_ERR_NO_MEMORY; }
    c->ctx = exp->ctx;
    c->n_tasks = exp->n_tasks;
    c->n_ways = 1 + n_methods;
    c->n_runs = exp->n_tasks + n_methods;
    c->n_seeds = n_seeds;
    c->seed = exp->train.seed;
    enum umb_status st = umb__arena_create(c->ctx, &c->arena);
    if (st == UMB_OK && !fill(c, exp, methods)) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) {
        umb__comparison_destroy(c);
        return st;
    }
    *ret_comparison = c;
    return UMB_OK;
}

void umb__comparison_destroy(struct umb_comparison *c)
{
    if (!c) { return; }
    umb__arena_destroy(c->arena);
    umb__free(c);
}

/* Runs. */

const char *umb__comparison_task(const struct umb_comparison *c, size_t r)
{
    return r < c->n_tasks ? c->task[r] : NULL;
}

const char *umb__comparison_method(const struct umb_comparison *c, size_t r)
{
    return r < c->n_tasks || umb__comparison_group(c, r) ? NULL : c->way[1 + r - c->n_tasks];
}

/* Runs in front of groups'. */
static size_t n_others(const struct umb_comparison *c)
{
    return c->groups ? c->n_runs - c->groups->n_groups : c->n_runs;
}

uint64_t umb__comparison_group(const struct umb_comparison *c, size_t r)
{
    return r < n_others(c) ? 0 : c->groups->group[r - n_others(c)];
}

size_t umb__comparison_way(const struct umb_comparison *c, size_t r)
{
    if (umb__comparison_group(c, r)) { return c->n_ways - 1; }
    return r < c->n_tasks ? 0 : 1 + r - c->n_tasks;
}

bool umb__comparison_serves(const struct umb_comparison *c, size_t r, size_t task)
{
    if (umb__comparison_group(c, r)) { return c->groups->served_by[task] == r - n_others(c); }
    return r >= c->n_tasks || r == task;
}

/* The run that trains the same as a group of one task, or of all; else r itself. */
static size_t same_run(const struct umb_comparison *c, size_t r)
{
    const uint64_t group = umb__comparison_group(c, r),
                   all = c->n_tasks < 64 ? (UINT64_C(1) << c->n_tasks) - 1 : UINT64_MAX;
    if (!group) { return r; }
    for (size_t t = 0; t < c->n_tasks; t++) {
        if (group == UINT64_C(1) << t) { return t; }
    }
    return group == all ? c->n_tasks : r;
}

/* By its tasks, so that other groups of other attempts lie beside it: "group-a+b-seed1", or their
 * bits where names are long. */
static const char *group_folder(const struct umb_comparison *c, size_t r, size_t s,
                                char buffer[UMB_COMPARISON_FOLDER])
{
    const uint64_t group = umb__comparison_group(c, r);
    char names[UMB_COMPARISON_FOLDER] = "";
    size_t at = 0;
    for (size_t t = 0; t < c->n_tasks && at < LONGEST_GROUP; t++) {
        if (!(group >> t & 1)) { continue; }
        const int n = snprintf(names + at, sizeof names - at, "%s%s", at ? "+" : "", c->task[t]);
        at += n > 0 ? (size_t)n : 0;
    }
    if (at >= LONGEST_GROUP) { snprintf(names, sizeof names, "%" PRIx64, group); }
    snprintf(buffer, UMB_COMPARISON_FOLDER, "group-%.*s-seed%" PRIu64, LONGEST_GROUP, names,
             c->seed + s);
    return buffer;
}

const char *umb__comparison_folder(const struct umb_comparison *c, size_t r, size_t s,
                                   char buffer[UMB_COMPARISON_FOLDER])
{
    const size_t same = same_run(c, r);
    const char *task = umb__comparison_task(c, same);
    if (umb__comparison_group(c, same)) { return group_folder(c, same, s, buffer); }
    snprintf(buffer, UMB_COMPARISON_FOLDER, "%s%.70s-seed%" PRIu64, task ? "single-" : "",
             task ? task : umb__comparison_method(c, same), c->seed + s);
    return buffer;
}

/* Numbers. */

static bool says(const json_t *row, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text && strcmp(text, value) == 0;
}

static const json_t *find_row(const struct umb_report_data *d, int64_t epoch, const char *split,
                              const char *task)
{
    for (size_t i = 0; i < json_array_size(d->epochs); i++) {
        const json_t *row = json_array_get(d->epochs, i);
        if (json_integer_value(json_object_get(row, "epoch")) == epoch &&
            says(row, "split", split) && says(row, "task", task)) {
            return row;
        }
    }
    return NULL;
}

/* Where the task has a loss, it has labels. */
static const json_t *measured_row(struct umb_comparison *c, const struct umb_report_data *d,
                                  int64_t epoch, size_t task)
{
    static const char *const splits[] = {"test", "validation", "train"};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        const json_t *row = find_row(d, epoch, splits[i], c->task[task]);
        if (!json_is_number(json_object_get(row, "loss"))) { continue; }
        c->split[task] = splits[i];
        return row;
    }
    return NULL;
}

static void take_rows(struct umb_comparison *c, size_t r, size_t s, const struct umb_report_data *d,
                      int64_t epoch)
{
    const size_t way = umb__comparison_way(c, r);
    for (size_t i = 0; i < c->n_rows; i++) {
        struct umb_comparison_row *row = &c->row[i];
        if (!umb__comparison_serves(c, r, row->task)) { continue; }
        const json_t *value = json_object_get(measured_row(c, d, epoch, row->task), row->metric);
        row->value[way * c->n_seeds + s] =
            json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
}

static void take(struct umb_comparison *c, size_t r, size_t s, const struct umb_report_data *d)
{
    struct umb_comparison_run *run = &c->run[s * c->n_runs + r];
    const int64_t best = json_integer_value(json_object_get(d->end, "best_epoch"));
    run->done = true;
    run->steps = json_integer_value(json_object_get(d->end, "steps"));
    run->seconds = json_number_value(json_object_get(d->end, "seconds"));
    const json_t *watched = find_row(d, best, "validation", "*");
    run->chosen = json_is_number(json_object_get(watched, "score"));
    run->epoch = run->chosen ? best : json_integer_value(json_object_get(d->end, "epochs"));
    take_rows(c, r, s, d, run->epoch);
}

enum umb_status umb__comparison_take(struct umb_comparison *c, size_t r, size_t s,
                                     const struct umb_run *run, int64_t epochs, bool *ret_done)
{
    struct umb_report_data d;
    enum umb_status st = umb__report_read(run, &d);
    if (st != UMB_OK) { return st; }
    const int64_t has = json_integer_value(json_object_get(d.end, "epochs"));
    const bool stopped = json_is_true(json_object_get(d.end, "stopped_early"));
    *ret_done = has == epochs || (stopped && has < epochs && has > 0);
    if (*ret_done) { take(c, r, s, &d); }
    if (has > epochs) {
        st = umb__fail(c->ctx, UMB_ERR_INVALID,
                       "%s: has %" PRId64 " epochs; expected at most train.epochs, %" PRId64,
                       run->path, has, epochs);
    }
    umb__report_forget(&d);
    return st;
}

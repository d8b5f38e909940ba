/* comparison_json.c: a comparison as one JSON value. What is not known is null. */
#include "comparison.h"

#include <math.h>

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *numbers(const double *value, size_t n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(all, number(value[i]));
    }
    return all;
}

static json_t *add_gain(json_t *map, const struct umb_comparison_figure *f)
{
    json_object_set_new(map, "delta", number(f->gain));
    json_object_set_new(map, "delta_interval", number(f->gain_half));
    json_object_set_new(map, "p_single", number(f->p_single));
    json_object_set_new(map, "p_first", number(f->p_first));
    return map;
}

static json_t *way_of(const struct umb_comparison *c, size_t row, size_t way)
{
    const struct umb_comparison_figure f = umb__comparison_figure(c, row, way);
    json_t *map =
        json_pack("{s:o, s:o, s:o}", "mean", number(f.value.mean), "interval", number(f.value.half),
                  "values", numbers(c->row[row].value + way * c->n_seeds, c->n_seeds));
    return way == 0 ? map : add_gain(map, &f);
}

static json_t *row_of(const struct umb_comparison *c, size_t row)
{
    json_t *map = json_pack("{s:b}", "lower_is_better", (int)c->row[row].lower_is_better);
    for (size_t w = 0; w < c->n_ways; w++) {
        json_object_set_new(map, c->way[w], way_of(c, row, w));
    }
    return map;
}

static json_t *tasks_of(const struct umb_comparison *c)
{
    json_t *tasks = json_object();
    for (size_t t = 0; t < c->n_tasks; t++) {
        json_t *metrics = json_object();
        for (size_t i = 0; i < c->n_rows; i++) {
            if (c->row[i].task != t) { continue; }
            json_object_set_new(metrics, c->row[i].metric, row_of(c, i));
        }
        json_object_set_new(tasks, c->task[t],
                            json_pack("{s:s?, s:o}", "split", c->split[t], "metrics", metrics));
    }
    return tasks;
}

static json_t *all_of(const struct umb_comparison *c)
{
    json_t *all = json_object();
    for (size_t w = 1; w < c->n_ways; w++) {
        struct umb_comparison_figure f;
        if (umb__comparison_all(c, w, &f) != UMB_OK) {
            json_decref(all);
            return NULL;
        }
        json_object_set_new(all, c->way[w], add_gain(json_object(), &f));
    }
    return all;
}

static json_t *worse_of(const struct umb_comparison *c)
{
    json_t *worse = json_array();
    for (size_t i = 0; i < c->n_rows; i++) {
        for (size_t w = 1; w < c->n_ways; w++) {
            if (!umb__comparison_is_worse(c, i, w)) { continue; }
            json_array_append_new(worse, json_pack("{s:s, s:s}", "task", c->task[c->row[i].task],
                                                   "method", c->way[w]));
        }
    }
    return worse;
}

static json_t *runs_of(const struct umb_comparison *c)
{
    json_t *runs = json_array();
    char folder[UMB_COMPARISON_FOLDER];
    for (size_t i = 0; i < c->n_seeds * c->n_runs; i++) {
        const struct umb_comparison_run *run = &c->run[i];
        const size_t s = i / c->n_runs, r = i % c->n_runs;
        json_array_append_new(runs, json_pack("{s:s, s:I, s:b, s:b, s:I, s:I, s:f}", "folder",
                                              umb__comparison_folder(c, r, s, folder), "seed",
                                              (json_int_t)(c->seed + s), "done", (int)run->done,
                                              "chosen_by_validation", (int)run->chosen, "epoch",
                                              (json_int_t)run->epoch, "steps",
                                              (json_int_t)run->steps, "seconds", run->seconds));
    }
    return runs;
}

static json_t *methods_of(const struct umb_comparison *c)
{
    json_t *methods = json_array();
    for (size_t w = 1; w < c->n_ways; w++) {
        json_array_append_new(methods, json_string(c->way[w]));
    }
    return methods;
}

json_t *umb__comparison_json(const struct umb_comparison *c)
{
    json_t *all = json_pack("{s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "experiment", c->name,
                            "methods", methods_of(c), "first_seed", (json_int_t)c->seed, "seeds",
                            (json_int_t)c->n_seeds, "tasks", tasks_of(c), "delta_m", all_of(c),
                            "negative_transfer", worse_of(c), "runs", runs_of(c));
    if (all && c->groups && json_object_set_new(all, "groups", umb__comparison_groups_json(c))) {
        json_decref(all);
        return NULL;
    }
    return all;
}

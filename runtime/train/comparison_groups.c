/* comparison_groups.c: groups of tasks as a way of their own in a comparison. */
#include "comparison.h"

#include "fail.h"
#include "heat_map.h"
#include "markup.h"
#include <math.h>
#include <string.h>

/* Making room. */

/* [n] of `size` bytes in the arena, the first n_old as they were. */
static void *longer(struct umb_comparison *c, const void *old, size_t n_old, size_t n, size_t size)
{
    void *new = umb__arena_calloc(c->arena, n, size);
    return new ? memcpy(new, old, n_old * size) : NULL;
}

static bool add_way(struct umb_comparison *c)
{
    const char **way = longer(c, c->way, c->n_ways, c->n_ways + 1, sizeof *way);
    if (!way) { return false; }
    way[c->n_ways] = "groups";
    const size_t n = c->n_ways * c->n_seeds;
    for (size_t i = 0; i < c->n_rows; i++) {
        double *value = longer(c, c->row[i].value, n, n + c->n_seeds, sizeof *value);
        if (!value) { return false; }
        for (size_t s = 0; s < c->n_seeds; s++) {
            value[n + s] = (double)NAN;
        }
        c->row[i].value = value;
    }
    c->way = way;
    c->n_ways++;
    return true;
}

static bool add_runs(struct umb_comparison *c, size_t n_groups)
{
    const size_t n = c->n_runs + n_groups;
    struct umb_comparison_run *run = umb__arena_calloc(c->arena, c->n_seeds * n, sizeof *run);
    for (size_t s = 0; run && s < c->n_seeds; s++) {
        memcpy(run + s * n, c->run + s * c->n_runs, c->n_runs * sizeof *run);
    }
    if (!run) { return false; }
    c->run = run;
    c->n_runs = n;
    return true;
}

enum umb_status umb__comparison_add_groups(struct umb_comparison *c,
                                           const struct umb_grouping *groups,
                                           const double *affinity)
{
    const size_t pairs = c->n_tasks * c->n_tasks;
    const struct umb_grouping *kept = longer(c, groups, 1, 1, sizeof *groups);
    const double *matrix = longer(c, affinity, pairs, pairs, sizeof *affinity);
    if (!kept || !matrix || !add_way(c) || !add_runs(c, groups->n_groups)) {
        return UMB_ERR_NO_MEMORY;
    }
    c->groups = kept;
    c->affinity = matrix;
    return UMB_OK;
}

/* Showing them. */

static void add_members(const struct umb_comparison *c, size_t g, struct umb_text *out)
{
    const char *comma = "";
    for (size_t t = 0; t < c->n_tasks; t++) {
        if (!(c->groups->group[g] >> t & 1)) { continue; }
        const bool helps = c->groups->served_by[t] != g;
        umb__text_printf(out, "%s%s%s", comma, c->task[t], helps ? " (helps)" : "");
        comma = ", ";
    }
}

void umb__comparison_groups_notes(const struct umb_comparison *c, struct umb_text *out)
{
    const struct umb_grouping *groups = c->groups;
    if (!groups) { return; }
    for (size_t g = 0; g < groups->n_groups; g++) {
        umb__text_printf(out, "Group %zu: ", g + 1);
        add_members(c, g, out);
        umb__text_add(out, ".\n");
    }
    if (groups->exact) {
        umb__text_printf(out,
                         "The mean affinity that a task finds in its group is %.3g; no cover by so "
                         "many groups has more.\n",
                         groups->mean);
    } else {
        umb__text_printf(
            out,
            "The mean affinity that a task finds in its group is %.3g, the best found; "
            "no cover has more than %.3g.\n",
            groups->mean, groups->bound);
    }
}

void umb__comparison_groups_draw(const struct umb_comparison *c, struct umb_text *out)
{
    double most = 0;
    if (!c->groups) { return; }
    for (size_t i = 0; i < c->n_tasks * c->n_tasks; i++) {
        if (i / c->n_tasks != i % c->n_tasks) { most = fmax(most, fabs(c->affinity[i])); }
    }
    if (!(most > 0)) { most = 1; }
    const struct umb_heat_map map = {
        .title = "affinity while all were trained together",
        .note = "by which share a step for the row lessened the column's loss",
        .T = c->n_tasks,
        .name = c->task,
        .value = c->affinity,
        .low = -most,
        .high = most};
    const double w = umb__heat_map_width(&map), h = umb__heat_map_height(&map);
    umb__text_printf(out,
                     "<h3>Groups</h3>\n<figure style=\"padding:18px\"><svg viewBox=\"0 0 %.0f "
                     "%.0f\" style=\"width:%.0fpx;max-width:100%%\" role=\"img\">\n",
                     w, h, w);
    umb__draw_heat_map(out, &map);
    umb__text_add(out, "</svg></figure>\n<ol>\n");
    for (size_t g = 0; g < c->groups->n_groups; g++) {
        struct umb_text members = {0};
        add_members(c, g, &members);
        umb__text_add(out, "<li>");
        umb__html(out, umb__text_string(&members));
        umb__text_add(out, "</li>\n");
        out->failed = out->failed || members.failed;
        umb__text_finish(&members);
    }
    umb__text_add(out, "</ol>\n");
}

/* JSON. */

static json_t *group_of(const struct umb_comparison *c, size_t g)
{
    json_t *tasks = json_array(), *serves = json_array();
    for (size_t t = 0; t < c->n_tasks; t++) {
        if (c->groups->group[g] >> t & 1) { json_array_append_new(tasks, json_string(c->task[t])); }
        if (c->groups->served_by[t] == g) {
            json_array_append_new(serves, json_string(c->task[t]));
        }
    }
    return json_pack("{s:o, s:o}", "tasks", tasks, "serves", serves);
}

json_t *umb__comparison_groups_json(const struct umb_comparison *c)
{
    json_t *groups = json_array(), *affinity = json_array();
    for (size_t g = 0; g < c->groups->n_groups; g++) {
        json_array_append_new(groups, group_of(c, g));
    }
    for (size_t s = 0; s < c->n_tasks; s++) {
        json_t *row = json_array();
        for (size_t t = 0; t < c->n_tasks; t++) {
            json_array_append_new(row, json_real(c->affinity[s * c->n_tasks + t]));
        }
        json_array_append_new(affinity, row);
    }
    return json_pack("{s:o, s:o, s:f, s:f, s:b}", "groups", groups, "affinity", affinity, "mean",
                     c->groups->mean, "bound", c->groups->bound, "exact", (int)c->groups->exact);
}

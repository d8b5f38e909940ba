/* plan_json.c: umbel plan as one JSON object. */
#include "plan_view.h"
#include <jansson.h>
#include <stdlib.h>

static json_t *shape_json(const struct umb_shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++) {
        json_array_append_new(list, json_integer(shape->dim[i]));
    }
    return list;
}

static json_t *names_json(const struct plan_view *v, const int *values, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, json_string(v->graph->value[values[i]].name));
    }
    return list;
}

/* What umbel tune measured of a node's problem: ms by solver, null for those that lost. */
static json_t *times_json(const struct umb_tuned *tuned)
{
    json_t *times = json_object();
    for (size_t i = 0; tuned && i < tuned->n; i++) {
        const struct umb_tuned_solver *s = &tuned->solver[i];
        json_object_set_new(times, s->name, s->ns ? json_real((double)s->ns * 1e-6) : json_null());
    }
    return times;
}

static json_t *node_json(const struct plan_view *v, int index)
{
    const struct umb_node *n = &v->graph->node[index];
    const struct plan_node *at = &v->node[index];
    json_t *shape = n->n_out ? shape_json(&v->graph->value[n->out[0]].type.shape) : json_null();
    const struct umb_choice choice = umb__plan_choice(v->plan, index);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:i, s:I, s:s, s:o, s:s}", "name",
                     n->name, "op", n->op->name, "phase", plan_phases[n->phase], "in",
                     names_json(v, n->in, n->n_in), "out", names_json(v, n->out, n->n_out), "shape",
                     shape, "solver", umb__plan_solver(v->plan, index), "queue", at->queue, "steps",
                     (json_int_t)at->n_steps, "chosen_by",
                     choice.solver ? plan_sources[choice.source] : plan_solver(v, index), "ms",
                     times_json(choice.tuned), "part", plan_part(v, index));
}

static json_t *value_json(const struct plan_view *v, int index)
{
    const struct umb_value *value = &v->graph->value[index];
    struct umb_plan_place place = umb__plan_place(v->plan, index);
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:b}", "name", value->name, "kind",
                     plan_kinds[value->kind], "shape", shape_json(&value->type.shape), "offset",
                     (json_int_t)place.offset, "bytes", (json_int_t)place.bytes, "scratch",
                     (int)place.scratch);
}

static json_t *strings_json(const char *const *string, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_string(string[i]));
    }
    return list;
}

static json_t *parts_json(const struct umb_timeline *t, const struct umb_timeline_box *box)
{
    json_t *list = json_array();
    for (size_t i = 0; i < box->n_parts; i++) {
        const int part = box->part[i];
        json_array_append_new(list, json_string(part == UMB_PART_TRUNK ? "trunk" : t->head[part]));
    }
    return list;
}

/* A launch: where and when it is expected to run, and when it did in the measured step. */
static json_t *launch_json(const struct umb_timeline *t, size_t index, double start_ns,
                           double end_ns)
{
    const struct umb_timeline_box *box = &t->box[index];
    json_t *waits = json_array();
    for (size_t w = 0; w < box->n_waits; w++) {
        json_array_append_new(waits, json_integer(box->wait[w]));
    }
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:s, s:i, s:o, s:{s:f, s:f}, s:{s:f, s:f}, s:f, s:b}", "step",
        (json_int_t)index, "kernel", box->kernel, "solver", box->solver, "nodes",
        strings_json(box->node, box->n_nodes), "parts", parts_json(t, box), "phase",
        plan_phases[box->phase], "queue", box->lane, "waits", waits, "expected_ms", "start",
        start_ns * 1e-6, "end", end_ns * 1e-6, "traced_ms", "start", box->start_ms - t->origin_ms,
        "end", box->end_ms - t->origin_ms, "alone_ms", box->alone_ms, "critical",
        (int)box->critical);
}

static json_t *schedule_json(const struct plan_view *v)
{
    const size_t n = v->timeline->n_launches;
    double *start = calloc(n + 1, sizeof *start), *end = calloc(n + 1, sizeof *end);
    json_t *list = json_array();
    if (start && end) { umb__plan_expected(v->plan, start, end); }
    for (size_t i = 0; start && end && i < n; i++) {
        json_array_append_new(list, launch_json(v->timeline, i, start[i], end[i]));
    }
    free(start);
    free(end);
    return list;
}

/* The launches that do several's work, each with the nodes whose. */
static json_t *merged_json(const struct plan_view *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < umb__plan_n_steps(v->plan); i++) {
        const struct umb_plan_step_info step = umb__plan_step(v->plan, i);
        if (step.n_members == 1) { continue; }
        json_t *nodes = json_array();
        for (size_t m = 0; m < step.n_members; m++) {
            json_array_append_new(nodes, json_string(umb__plan_step_node(v->plan, i, m)));
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "kernel", step.kernel, "nodes", nodes));
    }
    return list;
}

void plan_json(const struct plan_view *v)
{
    json_t *nodes = json_array(), *values = json_array();
    char fused[PLAN_FUSED];
    for (int i = 0; i < v->graph->n_nodes; i++) {
        json_t *node = node_json(v, i);
        const char *text = plan_fused(v, i, fused);
        json_object_set_new(node, "fused", json_string(text + (*text ? 1 : 0)));
        json_array_append_new(nodes, node);
    }
    for (int i = 0; i < v->graph->n_values; i++) {
        if (umb__plan_place(v->plan, i).bytes) { json_array_append_new(values, value_json(v, i)); }
    }
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:f, s:o, s:o}", "experiment",
                  v->s->exp->name, "device", v->s->device_name, "parameters",
                  (json_int_t)umb_trainer_n_parameters(v->s->trainer), "queues",
                  umb__plan_n_queues(v->plan), "steps", (json_int_t)umb__plan_n_steps(v->plan),
                  "scratch_bytes", (json_int_t)umb__plan_scratch_bytes(v->plan), "unshared_bytes",
                  (json_int_t)umb__plan_unshared_bytes(v->plan), "bound_ms", v->bound_ms, "nodes",
                  nodes, "memory", values);
    json_object_set_new(all, "merged", merged_json(v));
    json_object_set_new(all, "fit",
                        json_pack("{s:I, s:I, s:i, s:i, s:i}", "limit", (json_int_t)v->fit.limit,
                                  "bytes", (json_int_t)v->fit.needs.total, "queues_asked",
                                  v->fit.queues_asked, "queues", v->fit.queues, "computed_again",
                                  v->fit.n_again));
    json_object_set_new(all, "makespan_ms", json_real(v->timeline->makespan_ms));
    json_object_set_new(all, "schedule", schedule_json(v));
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* Losses, counters and answers of a net's tasks, as nodes of a graph. */
#include "tasks.h"
#include <umbel/device.h>

#include <stdio.h>

static const char *name_of(struct umb_graph *g, const struct umb_net_task *t, const char *what)
{
    return umb__arena_printf(g->arena, "%s.%s", t->name, what);
}

static int add_value(struct umb_graph *g, const struct umb_net_task *t, const char *what,
                     enum umb_value_kind kind, const struct umb_type *type)
{
    const char *name = name_of(g, t, what);
    return name ? umb__graph_value(g, name, kind, type) : -1;
}

/* The inputs that the host fills for a task: labels and mask, of the batch's rows. */
static enum umb_status add_inputs(const struct umb_net_task *t, struct umb_graph *g,
                                  const struct umb_type *output, struct umb_task_values *v)
{
    struct umb_type label = t->label;
    label.shape.dim[0] = output->shape.dim[0];
    struct umb_type mask = {.dtype = UMB_F32,
                            .shape = {1, {output->shape.dim[0]}},
                            .n_segments = 1,
                            .segment = output->segment};
    v->labels = add_value(g, t, "labels", UMB_VALUE_INPUT, &label);
    v->mask = add_value(g, t, "mask", UMB_VALUE_INPUT, &mask);
    return v->labels < 0 || v->mask < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

static enum umb_status add_counts(const struct umb_net_task *t, struct umb_graph *g, int output,
                                  struct umb_task_values *v)
{
    bool classes = t->judge == UMB_JUDGE_CLASSES;
    struct umb_type type = {.dtype = UMB_I32,
                            .shape = {2, {t->n_classes, classes ? t->n_classes : 4}}};
    v->counts = add_value(g, t, "counts", UMB_VALUE_STATE, &type);
    if (v->counts < 0) { return UMB_ERR_NO_MEMORY; }
    int in[4] = {output, v->labels, v->mask, v->counts}, out[UMB_OP_MAX_OUT];
    return umb__graph_add(g, UMB_PHASE_LOSS, classes ? "class_counts" : "binary_counts", NULL,
                          name_of(g, t, "count"), 4, in, out);
}

static enum umb_status add_errors(const struct umb_net_task *t, struct umb_graph *g, int output,
                                  struct umb_task_values *v)
{
    int in[3] = {output, v->labels, v->mask}, out[UMB_OP_MAX_OUT];
    enum umb_status st = umb__graph_add(g, UMB_PHASE_LOSS, "error_sums", t->error_attrs,
                                        name_of(g, t, "errors"), 3, in, out);
    if (st != UMB_OK) { return st; }
    v->errors = out[0];
    g->value[out[0]].output = true;
    return UMB_OK;
}

static enum umb_status attach_task(const struct umb_net_task *t, struct umb_graph *g, int output,
                                   struct umb_task_values *ret)
{
    struct umb_task_values v = {.counts = -1, .errors = -1};
    int out[UMB_OP_MAX_OUT];
    g->device = t->device;
    enum umb_status st = add_inputs(t, g, &g->value[output].type, &v);
    int in[3] = {output, v.labels, v.mask};
    if (st == UMB_OK && t->select_attrs && g->training) {
        st = umb__graph_add(g, UMB_PHASE_LOSS, "select", t->select_attrs, name_of(g, t, "select"),
                            3, in, out);
        in[2] = out[0];
    }
    if (st == UMB_OK) {
        st = umb__graph_add(g, UMB_PHASE_LOSS, t->loss->name, t->loss_attrs, name_of(g, t, "loss"),
                            3, in, out);
    }
    if (st != UMB_OK) { return st; }
    v.loss = out[0];
    v.total = out[1];
    g->value[v.loss].output = g->value[v.total].output = true;
    st = t->judge == UMB_JUDGE_ERRORS ? add_errors(t, g, output, &v) : add_counts(t, g, output, &v);
    if (st == UMB_OK) { *ret = v; }
    return st;
}

/* All counters on g->device side by side, so that one launch can count for all. */
static enum umb_status join_counts(const struct umb_net *net, struct umb_graph *g,
                                   const struct umb_task_values *task)
{
    size_t bytes = 0;
    for (int i = 0; i < umb_net_n_tasks(net); i++) {
        if (task[i].counts < 0 || umb__net_task(net, i)->device != g->device) { continue; }
        struct umb_value *v = &g->value[task[i].counts];
        v->base_offset = bytes;
        bytes += (umb__type_bytes(&v->type) + UMB_PACK_BYTES - 1) / UMB_PACK_BYTES * UMB_PACK_BYTES;
    }
    if (!bytes) { return UMB_OK; }
    const struct umb_type type = {.dtype = UMB_I32,
                                  .shape = {1, {(int64_t)(bytes / sizeof(int32_t))}}};
    const char *name = umb__graph_device_name(g, "counts", g->device);
    const int all = name ? umb__graph_value(g, name, UMB_VALUE_STATE, &type) : -1;
    if (all < 0) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < umb_net_n_tasks(net); i++) {
        if (task[i].counts < 0 || umb__net_task(net, i)->device != g->device) { continue; }
        g->value[task[i].counts].base = all;
    }
    return UMB_OK;
}

enum umb_status umb__tasks_attach(const struct umb_net *net, struct umb_graph *g,
                                  const struct umb_net_values *values,
                                  struct umb_task_values *ret_tasks)
{
    for (int i = 0; i < umb_net_n_tasks(net); i++) {
        const struct umb_net_task *t = umb__net_task(net, i);
        enum umb_status st = attach_task(t, g, values->value[t->output], &ret_tasks[i]);
        if (st != UMB_OK) { return st; }
    }
    enum umb_status st = UMB_OK;
    for (g->device = 0; st == UMB_OK && g->device < UMB_MAX_DEVICES; g->device++) {
        st = join_counts(net, g, ret_tasks);
    }
    g->device = 0;
    return st;
}

enum umb_status umb__tasks_answers(const struct umb_net *net, struct umb_graph *g,
                                   const struct umb_net_values *values, int *ret_answers)
{
    static const char *const answer_op[] = {[UMB_JUDGE_CLASSES] = "softmax",
                                            [UMB_JUDGE_BINARY] = "sigmoid",
                                            [UMB_JUDGE_ERRORS] = "sum"};
    for (int i = 0; i < umb_net_n_tasks(net); i++) {
        const struct umb_net_task *t = umb__net_task(net, i);
        int out[UMB_OP_MAX_OUT];
        g->device = t->device;
        enum umb_status st =
            umb__graph_add(g, UMB_PHASE_FORWARD, answer_op[t->judge], NULL, name_of(g, t, "answer"),
                           1, &values->value[t->output], out);
        if (st != UMB_OK) { return st; }
        g->value[out[0]].output = true;
        ret_answers[i] = out[0];
    }
    g->device = 0;
    return UMB_OK;
}

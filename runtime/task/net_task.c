/* A net's tasks: a head's value, its loss and its metrics, checked as they are added. */
#include "net_internal.h"

#include <stdio.h>
#include <string.h>

static enum umb_judge judge_of(const char *loss)
{
    if (strcmp(loss, "cross_entropy") == 0) { return UMB_JUDGE_CLASSES; }
    return strcmp(loss, "binary_cross_entropy") == 0 ? UMB_JUDGE_BINARY : UMB_JUDGE_ERRORS;
}

static const struct umb_op *find_loss(struct umb_net *net, const struct umb_task_desc *desc)
{
    const struct umb_op *op = desc->loss ? umb__op_find(desc->loss) : NULL;
    if (op && (op->flags & UMB_OP_LOSS)) { return op; }
    (void)umb__fail(net->ctx, UMB_ERR_INVALID,
                    "task %s: no loss is called '%s'; expected cross_entropy, "
                    "binary_cross_entropy, mse, l1 or huber",
                    desc->name, desc->loss ? desc->loss : "");
    return NULL;
}

/* Labels of class losses have the output's shape without its last axis; those of the others, its
 * shape. */
static struct umb_type label_type(const struct umb_type *output, enum umb_judge judge)
{
    struct umb_type t = *output;
    memset(t.folded, 0, sizeof t.folded);
    if (judge == UMB_JUDGE_CLASSES) {
        t.dtype = UMB_I32;
        t.shape.rank--;
    }
    return t;
}

static enum umb_status choose_metrics(struct umb_net *net, const struct umb_task_desc *desc,
                                      struct umb_net_task *t)
{
    const char *usual[2] = {0};
    umb__metric_names(t->judge, usual, 1);
    const char *const *names = desc->metrics && desc->metrics[0] ? desc->metrics : usual;
    for (; *names; names++) {
        const struct umb_metric *m = umb__metric_find(*names, t->judge);
        if (!m) {
            const char *known[UMB_TASK_METRICS + 1] = {0};
            umb__metric_names(t->judge, known, UMB_TASK_METRICS);
            char list[256] = "";
            for (size_t i = 0; known[i]; i++) {
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "",
                         known[i]);
            }
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "task %s: no metric of %s is called '%s'; expected some of %s",
                             desc->name, desc->loss, *names, list);
        }
        if (t->n_metrics == UMB_TASK_METRICS) {
            return umb__fail(net->ctx, UMB_ERR_INVALID, "task %s: more than %d metrics", desc->name,
                             UMB_TASK_METRICS);
        }
        t->metric[t->n_metrics++] = m;
        t->landmarks = t->landmarks || m == umb__metric_landmarks();
    }
    return UMB_OK;
}

/* How errors are summed: with landmarks, where that is a metric. */
static enum umb_status choose_sums(struct umb_net *net, const struct umb_task_desc *desc,
                                   struct umb_net_task *t)
{
    const struct umb_op *op = umb__op_find("error_sums");
    void *attrs = NULL;
    if (t->judge != UMB_JUDGE_ERRORS) { return UMB_OK; }
    if (t->landmarks != (desc->metric_attrs != NULL)) {
        return umb__fail(net->ctx, UMB_ERR_INVALID,
                         "task %s: landmark_error %s; expected it with the order of the points and "
                         "the two between which the unit lies",
                         desc->name, t->landmarks ? "without metric_attrs" : "is no metric");
    }
    enum umb_status st = umb__attrs_create(net->ctx, net->arena, op, desc->metric_attrs, &attrs);
    t->error_attrs = attrs;
    if (st != UMB_OK) { return umb__fail_prefix(net->ctx, st, "task %s", desc->name); }
    return UMB_OK;
}

/* Which samples it learns from, where that is not all. */
static enum umb_status choose_samples(struct umb_net *net, const struct umb_task_desc *desc,
                                      struct umb_net_task *t)
{
    void *attrs = NULL;
    if (!desc->select_attrs) { return UMB_OK; }
    const enum umb_status st =
        umb__attrs_create(net->ctx, net->arena, umb__op_find("select"), desc->select_attrs, &attrs);
    t->select_attrs = attrs;
    return st == UMB_OK ? st : umb__fail_prefix(net->ctx, st, "task %s", desc->name);
}

/* Lets the loss infer itself once, so that a wrong shape or attribute is answered here. */
static enum umb_status probe_loss(struct umb_net *net, const struct umb_net_task *t)
{
    struct umb_type output = net->probe->value[net->value[t->output].probe].type,
                    mask = {
                        .dtype = UMB_F32, .shape = {1, {1}}, .n_segments = 1, .segment = t->stream};
    struct umb_type in[3] = {output, t->label, mask};
    struct umb_infer io = {.ctx = net->ctx,
                           .attrs = t->loss_attrs,
                           .training = true,
                           .n_streams = UMB_NET_MAX_STREAMS,
                           .n_in = 3,
                           .in = in};
    enum umb_status st = t->loss->infer(&io);
    return st == UMB_OK ? st : umb__fail_prefix(net->ctx, st, "task %s", t->name);
}

enum umb_status umb_net_task(struct umb_net *net, const struct umb_task_desc *desc)
{
    if (net->n_tasks == UMB_NET_MAX_TASKS) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "task %s: a net has at most %d tasks",
                         desc->name, UMB_NET_MAX_TASKS);
    }
    if (umb__net_check_name(net, "task", desc->name) != UMB_OK) { return UMB_ERR_INVALID; }
    for (int t = 0; t < net->n_tasks; t++) {
        if (strcmp(net->task[t].name, desc->name) == 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "task %s: there is one of this name already", desc->name);
        }
    }
    if (desc->output < 0 || desc->output >= net->n_values) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "task %s: its output is no value of this net",
                         desc->name);
    }
    if (!(desc->weight >= 0) || desc->weight > 1e30) {
        return umb__fail(net->ctx, UMB_ERR_INVALID,
                         "task %s: weight is %g; expected a number from 0", desc->name,
                         desc->weight);
    }
    struct umb_net_task t = {.output = desc->output,
                             .device = desc->device,
                             .weight = desc->weight,
                             .stream = umb__net_value_stream(net, desc->output)};
    t.loss = find_loss(net, desc);
    if (!t.loss) { return UMB_ERR_INVALID; }
    if (t.stream < 0) {
        return umb__fail(net->ctx, UMB_ERR_INVALID,
                         "task %s: its output holds several streams; take one out with rows",
                         desc->name);
    }
    const struct umb_type *output = &net->probe->value[net->value[t.output].probe].type;
    if (output->shape.rank < 2) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "task %s: its output has no axis of values",
                         desc->name);
    }
    t.judge = judge_of(t.loss->name);
    t.n_classes = umb__shape_channels(&output->shape);
    t.label = label_type(output, t.judge);
    t.name = umb__arena_strdup(net->arena, desc->name);
    void *attrs = NULL;
    if (!t.name) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = umb__attrs_create(net->ctx, net->arena, t.loss, desc->loss_attrs, &attrs);
    if (st != UMB_OK) { return umb__fail_prefix(net->ctx, st, "task %s", desc->name); }
    t.loss_attrs = attrs;
    st = choose_metrics(net, desc, &t);
    if (st == UMB_OK) { st = probe_loss(net, &t); }
    if (st == UMB_OK) { st = choose_sums(net, desc, &t); }
    if (st == UMB_OK) { st = choose_samples(net, desc, &t); }
    if (st == UMB_OK) { net->task[net->n_tasks++] = t; }
    return st;
}

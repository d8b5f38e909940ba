#include <umbel/net.h>

#include <stdio.h>
#include <string.h>

#include "tasks.h"

/* One call of umb_net_layer (or the node of its activation), to be written into graphs. */
struct layer {
    const struct umb_op *op;
    const void *attrs;
    const char *name, *param_name;
    int *in;
    int n_in;
};

struct stream {
    struct umb_stream_desc desc; /* strings and numbers in the arena */
    void *attrs;                 /* of its normalize node */
};

/* A net value: what a layer (or a stream) makes. */
struct net_value {
    int layer, stream; /* one of them ≥ 0 */
    int probe;         /* in the probe graph */
};

struct umb_net {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct umb_graph *probe; /* the net for a batch of one, inferred as it grows */
    struct stream stream[UMB_NET_MAX_STREAMS];
    struct umb_net_task task[UMB_NET_MAX_TASKS];
    int n_streams, n_tasks;
    struct layer *layer;
    int n_layers, layer_capacity;
    struct net_value *value;
    int n_values, value_capacity;
};

enum umb_status umb_net_create(struct umb_context *ctx, struct umb_net **ret_net)
{
    struct umb_net *net = umb__calloc(ctx, 1, sizeof *net);
    if (!net) { return UMB_ERR_NO_MEMORY; }
    net->ctx = ctx;
    enum umb_status st = umb__arena_create(ctx, &net->arena);
    if (st == UMB_OK) { st = umb__graph_create(ctx, false, UMB_NET_MAX_STREAMS, &net->probe); }
    if (st != UMB_OK) {
        umb_net_destroy(net);
        return st;
    }
    *ret_net = net;
    return UMB_OK;
}

void umb_net_destroy(struct umb_net *net)
{
    if (!net) { return; }
    umb__graph_destroy(net->probe);
    umb__arena_destroy(net->arena);
    umb__free(net->layer);
    umb__free(net->value);
    umb__free(net);
}

static enum umb_status add_value(struct umb_net *net, struct net_value value, int *ret_value)
{
    if (net->n_values == net->value_capacity) {
        int grown = net->value_capacity ? 2 * net->value_capacity : 64;
        struct net_value *p =
            umb__grow(net->ctx, net->value, (size_t)net->value_capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        net->value = p;
        net->value_capacity = grown;
    }
    net->value[net->n_values] = value;
    *ret_value = net->n_values++;
    return UMB_OK;
}

/* ---- streams ---- */

static enum umb_status normalize_attrs(struct umb_net *net, const struct umb_stream_desc *desc,
                                       void **ret_attrs)
{
    const struct umb_op *op = umb__op_find("normalize");
    if (desc->n_norm && desc->n_norm != 1 && (int64_t)desc->n_norm != desc->channels) {
        return umb__fail(
            net->ctx, UMB_ERR_INVALID,
            "stream %s: mean and std have %zu numbers; expected 1 or %lld, one a channel",
            desc->name, desc->n_norm, (long long)desc->channels);
    }
    char text[2][32 * 25] = {"0", "1"};
    for (size_t i = 0; i < desc->n_norm && i < 32; i++) {
        size_t at[2] = {i ? strlen(text[0]) : 0, i ? strlen(text[1]) : 0};
        if (!(desc->std[i] > 0)) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "stream %s: std is %g; expected a number above 0", desc->name,
                             desc->std[i]);
        }
        snprintf(text[0] + at[0], sizeof text[0] - at[0], "%s%.17g", i ? "," : "", desc->mean[i]);
        snprintf(text[1] + at[1], sizeof text[1] - at[1], "%s%.17g", i ? "," : "", desc->std[i]);
    }
    const char *line = umb__arena_printf(net->arena, "mean=%s std=%s", text[0], text[1]);
    return line ? umb__attrs_create(net->ctx, net->arena, op, line, ret_attrs) : UMB_ERR_NO_MEMORY;
}

/* The image input of stream s and its normalize node, in graph g. */
static enum umb_status write_stream(const struct umb_net *net, int s, struct umb_graph *g,
                                    int64_t batch, int *ret_image, int *ret_value)
{
    const struct umb_stream_desc *d = &net->stream[s].desc;
    struct umb_type type = {.dtype = UMB_U8,
                            .shape = {4, {batch, d->height, d->width, d->channels}},
                            .n_segments = 1,
                            .segment = s};
    enum umb_status st = umb__shape_check(g->ctx, &type.shape);
    if (st != UMB_OK) { return umb__fail_prefix(g->ctx, st, "stream %s", d->name); }
    char name[160], node[180];
    snprintf(name, sizeof name, "%.120s.image", d->name);
    snprintf(node, sizeof node, "%.120s.normalize", d->name);
    *ret_image = umb__graph_value(g, name, UMB_VALUE_INPUT, &type);
    if (*ret_image < 0) { return UMB_ERR_NO_MEMORY; }
    struct umb_graph_node_desc desc = {.op = umb__op_find("normalize"),
                                       .attrs = net->stream[s].attrs,
                                       .name = node,
                                       .n_in = 1,
                                       .in = ret_image};
    int out[UMB_OP_MAX_OUT];
    st = umb__graph_node(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

enum umb_status umb_net_stream(struct umb_net *net, const struct umb_stream_desc *desc,
                               int *ret_value)
{
    if (net->n_streams == UMB_NET_MAX_STREAMS) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "stream %s: a net has at most %d streams",
                         desc->name, UMB_NET_MAX_STREAMS);
    }
    for (int s = 0; s < net->n_streams; s++) {
        if (strcmp(net->stream[s].desc.name, desc->name) == 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "stream %s: there is one of this name already", desc->name);
        }
    }
    struct stream *s = &net->stream[net->n_streams];
    *s = (struct stream){.desc = *desc};
    s->desc.name = umb__arena_strdup(net->arena, desc->name);
    enum umb_status st = s->desc.name ? normalize_attrs(net, desc, &s->attrs) : UMB_ERR_NO_MEMORY;
    s->desc.mean = s->desc.std = NULL;
    struct net_value v = {.layer = -1, .stream = net->n_streams};
    int image;
    if (st == UMB_OK) { st = write_stream(net, net->n_streams, net->probe, 1, &image, &v.probe); }
    if (st == UMB_OK) { st = add_value(net, v, ret_value); }
    if (st == UMB_OK) { net->n_streams++; }
    return st;
}

/* ---- layers ---- */

static int find_layer(const struct umb_net *net, const char *name)
{
    for (int l = 0; l < net->n_layers; l++) {
        if (strcmp(net->layer[l].name, name) == 0) { return l; }
    }
    return -1;
}

/* The desc's name, or the first free of "conv1", "conv2" … */
static enum umb_status choose_name(struct umb_net *net, const struct umb_layer_desc *desc,
                                   const char **ret_name)
{
    if (desc->name) {
        if (find_layer(net, desc->name) >= 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: there is a layer of this name already",
                             desc->name);
        }
        *ret_name = umb__arena_strdup(net->arena, desc->name);
        return *ret_name ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    char name[96];
    for (int i = 1;; i++) {
        snprintf(name, sizeof name, "%.64s%d", desc->op, i);
        if (find_layer(net, name) < 0) { break; }
    }
    *ret_name = umb__arena_strdup(net->arena, name);
    return *ret_name ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status check_share(struct umb_net *net, const struct umb_layer_desc *desc,
                                   const struct umb_op *op, const char *name,
                                   const char **ret_param)
{
    *ret_param = name;
    if (!desc->share) { return UMB_OK; }
    int l = find_layer(net, desc->share);
    if (l < 0) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: no layer named '%s' to share with", name,
                         desc->share);
    }
    if (net->layer[l].op != op) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: %s cannot share with %s, which is a %s",
                         name, op->name, desc->share, net->layer[l].op->name);
    }
    *ret_param = net->layer[l].param_name;
    return UMB_OK;
}

/* Records the layer and writes it into the probe. */
static enum umb_status append_layer(struct umb_net *net, const struct umb_op *op, const void *attrs,
                                    const char *name, const char *param_name, int n_in,
                                    const int *in, int *ret_value)
{
    if (net->n_layers == net->layer_capacity) {
        int grown = net->layer_capacity ? 2 * net->layer_capacity : 64;
        struct layer *p =
            umb__grow(net->ctx, net->layer, (size_t)net->layer_capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        net->layer = p;
        net->layer_capacity = grown;
    }
    struct layer l = {
        .op = op, .attrs = attrs, .name = name, .param_name = param_name, .n_in = n_in};
    l.in = umb__arena_calloc(net->arena, (size_t)n_in + 1, sizeof *l.in);
    int *probe_in = umb__arena_calloc(net->arena, (size_t)n_in + 1, sizeof *probe_in);
    if (!l.in || !probe_in) { return UMB_ERR_NO_MEMORY; }
    for (int k = 0; k < n_in; k++) {
        if (in[k] < 0 || in[k] >= net->n_values) {
            return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: input %d is no value of this net",
                             name, k);
        }
        l.in[k] = in[k];
        probe_in[k] = net->value[in[k]].probe;
    }
    struct umb_graph_node_desc desc = {.op = op,
                                       .attrs = attrs,
                                       .name = name,
                                       .param_name = param_name,
                                       .n_in = n_in,
                                       .in = probe_in};
    int out[UMB_OP_MAX_OUT];
    enum umb_status st = umb__graph_node(net->probe, &desc, out);
    if (st != UMB_OK) { return st; }
    struct net_value v = {.layer = net->n_layers, .stream = -1, .probe = out[0]};
    net->layer[net->n_layers++] = l;
    return add_value(net, v, ret_value);
}

/* Takes the activation out of a layer's attributes; UMB_ACT_LINEAR when there is none. */
static int take_activation(const struct umb_op *op, void *attrs)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        if (strcmp(d->name, "activation") != 0 || d->type != UMB_ATTR_CHOICE) { continue; }
        int *field = (int *)(void *)((char *)attrs + d->offset);
        int activation = *field;
        *field = UMB_ACT_LINEAR;
        return activation;
    }
    return UMB_ACT_LINEAR;
}

static enum umb_status append_activation(struct umb_net *net, const char *layer, int activation,
                                         int *value)
{
    const struct umb_op *op = umb__op_find(umb__activation_names[activation]);
    const char *name =
        umb__arena_printf(net->arena, "%s.%s", layer, umb__activation_names[activation]);
    void *attrs =
        op ? umb__arena_calloc(net->arena, 1, op->attrs_bytes ? op->attrs_bytes : 1) : NULL;
    if (!op || !name || !attrs) { return UMB_ERR_NO_MEMORY; }
    umb__attrs_default(op, attrs);
    return append_layer(net, op, attrs, name, name, 1, value, value);
}

static enum umb_status unknown_op(struct umb_net *net, const char *name)
{
    return umb__fail(net->ctx, UMB_ERR_INVALID, "no layer is called '%s'", name);
}

enum umb_status umb_net_layer(struct umb_net *net, const struct umb_layer_desc *desc,
                              int *ret_value)
{
    const struct umb_op *op = umb__op_find(desc->op);
    if (!op || !(op->flags & UMB_OP_LAYER)) { return unknown_op(net, desc->op); }
    const char *name = NULL, *param_name = NULL;
    enum umb_status st = choose_name(net, desc, &name);
    if (st == UMB_OK) { st = check_share(net, desc, op, name, &param_name); }
    if (st != UMB_OK) { return st; }
    void *attrs;
    st = umb__attrs_create(net->ctx, net->arena, op, desc->attrs, &attrs);
    if (st != UMB_OK) { return umb__fail_prefix(net->ctx, st, "%s", name); }
    int activation = take_activation(op, attrs), value;
    st = append_layer(net, op, attrs, name, param_name, desc->n_in, desc->in, &value);
    if (st == UMB_OK && activation != UMB_ACT_LINEAR) {
        st = append_activation(net, name, activation, &value);
    }
    if (st == UMB_OK) { *ret_value = value; }
    return st;
}

/* ---- tasks ---- */

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
    }
    return UMB_OK;
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
    t.loss_attrs = attrs;
    if (st == UMB_OK) { st = choose_metrics(net, desc, &t); }
    if (st == UMB_OK) { st = probe_loss(net, &t); }
    if (st == UMB_OK) { net->task[net->n_tasks++] = t; }
    return st;
}

/* ---- looking, building ---- */

struct umb_shape umb_net_shape(const struct umb_net *net, int value)
{
    if (value < 0 || value >= net->n_values) { return (struct umb_shape){0}; }
    return net->probe->value[net->value[value].probe].type.shape;
}

int umb_net_n_tasks(const struct umb_net *net)
{
    return net->n_tasks;
}

int umb_net_n_streams(const struct umb_net *net)
{
    return net->n_streams;
}

const struct umb_net_task *umb__net_task(const struct umb_net *net, int index)
{
    return &net->task[index];
}

const struct umb_stream_desc *umb__net_stream(const struct umb_net *net, int index)
{
    return &net->stream[index].desc;
}

int umb__net_value_stream(const struct umb_net *net, int value)
{
    const struct umb_type *t = &net->probe->value[net->value[value].probe].type;
    return t->n_segments == 1 ? t->segment : -1;
}

static enum umb_status write_layer(const struct umb_net *net, int index, struct umb_graph *g,
                                   const int *values, int *ret_value)
{
    const struct layer *l = &net->layer[index];
    int *in = umb__arena_calloc(g->arena, (size_t)l->n_in + 1, sizeof *in);
    if (!in) { return UMB_ERR_NO_MEMORY; }
    for (int k = 0; k < l->n_in; k++) {
        in[k] = values[l->in[k]];
    }
    struct umb_graph_node_desc desc = {.op = l->op,
                                       .attrs = l->attrs,
                                       .name = l->name,
                                       .param_name = l->param_name,
                                       .n_in = l->n_in,
                                       .in = in};
    int out[UMB_OP_MAX_OUT];
    enum umb_status st = umb__graph_node(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

enum umb_status umb__net_build(const struct umb_net *net, struct umb_graph *g, int64_t batch,
                               struct umb_net_values *ret_values)
{
    struct umb_net_values out;
    out.value = umb__arena_calloc(g->arena, (size_t)net->n_values + 1, sizeof *out.value);
    enum umb_status st = out.value ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int v = 0; st == UMB_OK && v < net->n_values; v++) {
        int s = net->value[v].stream;
        st = s >= 0 ? write_stream(net, s, g, batch, &out.image[s], &out.value[v])
                    : write_layer(net, net->value[v].layer, g, out.value, &out.value[v]);
    }
    if (st == UMB_OK) { *ret_values = out; }
    return st;
}

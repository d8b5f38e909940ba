#include "net_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

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
    umb__names_finish(&net->layer_names);
    umb__free(net->layer);
    umb__free(net->value);
    umb__free(net);
}

/* Names become those of tensors and lines in files, so they keep out what those use themselves. */
enum umb_status umb__net_check_name(struct umb_net *net, const char *what, const char *name)
{
    static const char *const taken[] = {"optimizer", "results"};
    size_t n = strlen(name);
    if (n == 0 || n > UMB_NET_NAME) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: a name of %zu bytes; expected 1 to %d",
                         what, n, UMB_NET_NAME);
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] <= ' ' || name[i] == '=' || name[i] == 0x7f) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "%s %s: expected a name without blanks and '='", what, name);
        }
    }
    size_t first = strcspn(name, ".");
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (first == strlen(taken[i]) && memcmp(name, taken[i], first) == 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "%s %s: expected another name; checkpoints use '%s' themselves", what,
                             name, taken[i]);
        }
    }
    return UMB_OK;
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

static enum umb_status check_std(struct umb_net *net, const struct umb_stream_desc *desc)
{
    for (size_t i = 0; i < desc->n_norm; i++) {
        if (!(desc->std[i] > 0)) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "stream %s: std is %g; expected a number above 0", desc->name,
                             desc->std[i]);
        }
    }
    return UMB_OK;
}

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
    if (check_std(net, desc) != UMB_OK) { return UMB_ERR_INVALID; }
    struct umb_text t = {0};
    for (size_t i = 0; i < desc->n_norm; i++) {
        umb__text_printf(&t, "%s%.17g", i ? "," : "mean=", desc->mean[i]);
    }
    for (size_t i = 0; i < desc->n_norm; i++) {
        umb__text_printf(&t, "%s%.17g", i ? "," : " std=", desc->std[i]);
    }
    enum umb_status st = umb__text_status(net->ctx, &t);
    if (st == UMB_OK) {
        st = umb__attrs_create(net->ctx, net->arena, op, umb__text_string(&t), ret_attrs);
    }
    umb__text_finish(&t);
    return st == UMB_OK ? st : umb__fail_prefix(net->ctx, st, "stream %s", desc->name);
}

static enum umb_status check_new_image(struct umb_net *net, const char *name)
{
    if (net->n_images == UMB_NET_MAX_IMAGES) {
        return umb__fail(net->ctx, UMB_ERR_INVALID, "stream %s: a net has at most %d streams", name,
                         UMB_NET_MAX_IMAGES);
    }
    if (umb__net_check_name(net, "stream", name) != UMB_OK) { return UMB_ERR_INVALID; }
    for (int i = 0; i < net->n_images; i++) {
        if (strcmp(net->image[i].desc.name, name) == 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID,
                             "stream %s: there is one of this name already", name);
        }
    }
    return UMB_OK;
}

static enum umb_status add_image(struct umb_net *net, int stream,
                                 const struct umb_stream_desc *desc, int *ret_value)
{
    if (check_new_image(net, desc->name) != UMB_OK) { return UMB_ERR_INVALID; }
    const int index = net->n_images;
    struct net_image *i = &net->image[index];
    *i = (struct net_image){.desc = *desc, .stream = stream};
    i->desc.name = umb__arena_strdup(net->arena, desc->name);
    enum umb_status st = i->desc.name ? normalize_attrs(net, desc, &i->attrs) : UMB_ERR_NO_MEMORY;
    i->desc.mean = i->desc.std = NULL;
    struct net_value v = {.layer = -1, .image = index};
    int image;
    if (st == UMB_OK) { st = umb__net_write_image(net, index, net->probe, 1, &image); }
    if (st == UMB_OK) {
        st = umb__net_write_normalize(net, index, net->probe, "", image, &v.probe);
    }
    if (st == UMB_OK) { st = add_value(net, v, ret_value); }
    if (st == UMB_OK) { net->n_images++; }
    return st;
}

enum umb_status umb_net_stream(struct umb_net *net, const struct umb_stream_desc *desc,
                               int *ret_value)
{
    const enum umb_status st = add_image(net, net->n_streams, desc, ret_value);
    if (st == UMB_OK) { net->n_streams++; }
    return st;
}

enum umb_status umb_net_image(struct umb_net *net, int stream, const struct umb_stream_desc *desc,
                              int *ret_value)
{
    if (stream >= 0 && stream < net->n_streams) { return add_image(net, stream, desc, ret_value); }
    return umb__fail(net->ctx, UMB_ERR_INVALID, "image %s: there is no stream %d; expected 0 to %d",
                     desc->name, stream, net->n_streams - 1);
}

/* ---- layers ---- */

static int find_layer(const struct umb_net *net, const char *name)
{
    return umb__names_find(&net->layer_names, name);
}

/* The op's, a new one where it has none; there are fewer ops than kinds. */
static struct layer_kind *kind_of(struct umb_net *net, const struct umb_op *op)
{
    struct layer_kind *k = net->kind;
    while (k->op && k->op != op) {
        k++;
        assert(k < net->kind + UMB_NET_MOST_OPS);
    }
    k->op = op;
    return k;
}

/* The desc's name, or the first free of "conv1", "conv2" … */
static enum umb_status choose_name(struct umb_net *net, const struct umb_layer_desc *desc,
                                   const struct umb_op *op, const char **ret_name)
{
    if (desc->name) {
        if (umb__net_check_name(net, "layer", desc->name) != UMB_OK) { return UMB_ERR_INVALID; }
        if (find_layer(net, desc->name) >= 0) {
            return umb__fail(net->ctx, UMB_ERR_INVALID, "%s: there is a layer of this name already",
                             desc->name);
        }
        *ret_name = umb__arena_strdup(net->arena, desc->name);
        return *ret_name ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    char name[96];
    struct layer_kind *kind = kind_of(net, op);
    do {
        snprintf(name, sizeof name, "%.64s%d", desc->op, ++kind->next_number);
    } while (find_layer(net, name) >= 0);
    kind->next_number--; /* the layer may yet be refused */
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
                                    const char *name, const char *param_name,
                                    const struct umb_layer_desc *from, const int *in,
                                    int *ret_value)
{
    const int n_in = from->n_in;
    if (net->n_layers == net->layer_capacity) {
        int grown = net->layer_capacity ? 2 * net->layer_capacity : 64;
        struct layer *p =
            umb__grow(net->ctx, net->layer, (size_t)net->layer_capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        net->layer = p;
        net->layer_capacity = grown;
    }
    struct layer l = {.op = op,
                      .attrs = attrs,
                      .name = name,
                      .param_name = param_name,
                      .n_in = n_in,
                      .device = from->device};
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
    struct net_value v = {.layer = net->n_layers, .image = -1, .probe = out[0]};
    st = umb__names_add(net->ctx, &net->layer_names, name, net->n_layers);
    if (st != UMB_OK) { return st; }
    kind_of(net, op)->n_layers++;
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

/* Tells the layers that draw random numbers apart, where the caller did not. */
static void number_draws(struct umb_net *net, const struct umb_op *op, void *attrs)
{
    const int64_t n = kind_of(net, op)->n_layers;
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        if (strcmp(d->name, "stream") != 0 || d->type != UMB_ATTR_INT) { continue; }
        int64_t *field = (int64_t *)(void *)((char *)attrs + d->offset);
        if (*field == 0) { *field = n; }
    }
}

static enum umb_status append_activation(struct umb_net *net, const char *layer, int device,
                                         int activation, int *value)
{
    const struct umb_layer_desc from = {.n_in = 1, .device = device};
    const struct umb_op *op = umb__op_find(umb__activation_names[activation]);
    const char *name =
        umb__arena_printf(net->arena, "%s.%s", layer, umb__activation_names[activation]);
    void *attrs =
        op ? umb__arena_calloc(net->arena, 1, op->attrs_bytes ? op->attrs_bytes : 1) : NULL;
    if (!op || !name || !attrs) { return UMB_ERR_NO_MEMORY; }
    umb__attrs_default(op, attrs);
    return append_layer(net, op, attrs, name, name, &from, value, value);
}

static enum umb_status unknown_op(struct umb_net *net, const char *name)
{
    const char *known[UMB_NET_MOST_OPS];
    size_t n = 0;
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            if (((*op)->flags & UMB_OP_LAYER) && n < UMB_NET_MOST_OPS) { known[n++] = (*op)->name; }
        }
    }
    const char *near = umb__nearest(name, known, n);
    return umb__fail(net->ctx, UMB_ERR_INVALID, "no layer is called '%s'%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

enum umb_status umb_net_layer(struct umb_net *net, const struct umb_layer_desc *desc,
                              int *ret_value)
{
    const struct umb_op *op = umb__op_find(desc->op);
    if (!op || !(op->flags & UMB_OP_LAYER)) { return unknown_op(net, desc->op); }
    const char *name = NULL, *param_name = NULL;
    enum umb_status st = choose_name(net, desc, op, &name);
    if (st == UMB_OK) { st = check_share(net, desc, op, name, &param_name); }
    if (st != UMB_OK) { return st; }
    void *attrs;
    st = umb__attrs_create(net->ctx, net->arena, op, desc->attrs, &attrs);
    if (st != UMB_OK) { return umb__fail_prefix(net->ctx, st, "%s", name); }
    number_draws(net, op, attrs);
    int activation = take_activation(op, attrs), value = -1;
    st = append_layer(net, op, attrs, name, param_name, desc, desc->in, &value);
    if (st == UMB_OK && desc->init) { st = umb__net_set_init(net, name, desc->init); }
    if (st == UMB_OK && activation != UMB_ACT_LINEAR) {
        st = append_activation(net, name, desc->device, activation, &value);
    }
    if (st == UMB_OK) { *ret_value = value; }
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

int umb_net_n_images(const struct umb_net *net)
{
    return net->n_images;
}

const struct umb_stream_desc *umb__net_image(const struct umb_net *net, int index)
{
    return &net->image[index].desc;
}

int umb__net_image_stream(const struct umb_net *net, int index)
{
    return net->image[index].stream;
}

int umb__net_highest_device(const struct umb_net *net)
{
    int highest = 0;
    for (int i = 0; i < net->n_images; i++) {
        highest = net->image[i].desc.device > highest ? net->image[i].desc.device : highest;
    }
    for (int l = 0; l < net->n_layers; l++) {
        highest = net->layer[l].device > highest ? net->layer[l].device : highest;
    }
    for (int t = 0; t < net->n_tasks; t++) {
        highest = net->task[t].device > highest ? net->task[t].device : highest;
    }
    return highest;
}

bool umb__net_is_table(const struct umb_net *net, int value)
{
    return net->probe->value[net->value[value].probe].type.n_segments == 0;
}

int umb__net_value_stream(const struct umb_net *net, int value)
{
    const struct umb_type *t = &net->probe->value[net->value[value].probe].type;
    return t->n_segments == 1 ? t->segment : -1;
}

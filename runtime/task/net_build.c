/* Writing a net into graphs: whole, or once for each part of a batch. */
#include "net_internal.h"

#include <stdio.h>
#include <string.h>

enum umb_status umb__net_write_image(const struct umb_net *net, int i, struct umb_graph *g,
                                     int64_t batch, int *ret_image)
{
    const struct umb_stream_desc *d = &net->image[i].desc;
    struct umb_type type = {.dtype = UMB_U8,
                            .shape = {4, {batch, d->height, d->width, d->channels}},
                            .n_segments = 1,
                            .segment = net->image[i].stream};
    enum umb_status st = umb__shape_check(g->ctx, &type.shape);
    if (st != UMB_OK) { return umb__fail_prefix(g->ctx, st, "stream %s", d->name); }
    char name[160];
    snprintf(name, sizeof name, "%.120s.image", d->name);
    *ret_image = umb__graph_value(g, name, UMB_VALUE_INPUT, &type);
    return *ret_image < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

enum umb_status umb__net_write_normalize(const struct umb_net *net, int i, struct umb_graph *g,
                                         const char *suffix, int image, int *ret_value)
{
    char node[180];
    snprintf(node, sizeof node, "%.120s.normalize%.16s", net->image[i].desc.name, suffix);
    struct umb_graph_node_desc desc = {.op = umb__op_find("normalize"),
                                       .attrs = net->image[i].attrs,
                                       .name = node,
                                       .n_in = 1,
                                       .in = &image};
    int out[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__graph_node(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

/* Random numbers of parts are as apart as those of layers. */
#define PART_DRAWS 16384

/* The layer's attributes, as a part of a batch has them. */
static const void *part_attrs(struct umb_graph *g, const struct layer *l, int part)
{
    const struct umb_attr_desc *d = l->op->attrs;
    while (d && d->name && (strcmp(d->name, "stream") != 0 || d->type != UMB_ATTR_INT)) {
        d++;
    }
    if (!part || !d || !d->name) { return l->attrs; }
    void *attrs = umb__arena_calloc(g->arena, 1, l->op->attrs_bytes);
    if (!attrs) { return NULL; }
    memcpy(attrs, l->attrs, l->op->attrs_bytes);
    *(int64_t *)(void *)((char *)attrs + d->offset) += (int64_t)part * PART_DRAWS;
    return attrs;
}

static const char *part_suffix(struct umb_graph *g, int part)
{
    return part ? umb__arena_printf(g->arena, ".part%d", part) : "";
}

static enum umb_status write_layer(const struct umb_net *net, int index, struct umb_graph *g,
                                   int part, const int *values, int *ret_value)
{
    const struct layer *l = &net->layer[index];
    const char *suffix = part_suffix(g, part);
    int *in = umb__arena_calloc(g->arena, (size_t)l->n_in + 1, sizeof *in);
    const char *name = suffix ? umb__arena_printf(g->arena, "%s%s", l->name, suffix) : NULL;
    const void *attrs = part_attrs(g, l, part);
    if (!in || !name || !attrs) { return UMB_ERR_NO_MEMORY; }
    for (int k = 0; k < l->n_in; k++) {
        in[k] = values[l->in[k]];
    }
    struct umb_graph_node_desc desc = {.op = l->op,
                                       .attrs = attrs,
                                       .name = name,
                                       .param_name = l->param_name,
                                       .state_name = part ? name : NULL,
                                       .n_in = l->n_in,
                                       .in = in};
    int out[UMB_OP_MAX_OUT];
    enum umb_status st = umb__graph_node(g, &desc, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

enum umb_status umb__net_build_images(const struct umb_net *net, struct umb_graph *g, int64_t batch,
                                      struct umb_net_values *ret_values)
{
    struct umb_net_values out;
    out.value = umb__arena_calloc(g->arena, (size_t)net->n_values + 1, sizeof *out.value);
    enum umb_status st = out.value ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; st == UMB_OK && i < net->n_images; i++) {
        st = umb__net_write_image(net, i, g, batch, &out.image[i]);
    }
    if (st == UMB_OK) { *ret_values = out; }
    return st;
}

/* Everything behind the images; device −1: each on its own. */
static enum umb_status write_all(const struct umb_net *net, struct umb_graph *g, int part,
                                 int device, struct umb_net_values *values)
{
    const char *suffix = part_suffix(g, part);
    enum umb_status st = suffix ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int v = 0; st == UMB_OK && v < net->n_values; v++) {
        const int i = net->value[v].image, l = net->value[v].layer;
        const int own = i >= 0 ? net->image[i].desc.device : net->layer[l].device;
        g->device = device < 0 ? own : device;
        st = i >= 0
                 ? umb__net_write_normalize(net, i, g, suffix, values->image[i], &values->value[v])
                 : write_layer(net, l, g, part, values->value, &values->value[v]);
    }
    g->device = 0;
    return st;
}

enum umb_status umb__net_build(const struct umb_net *net, struct umb_graph *g, int64_t batch,
                               struct umb_net_values *ret_values)
{
    const enum umb_status st = umb__net_build_images(net, g, batch, ret_values);
    return st == UMB_OK ? write_all(net, g, 0, -1, ret_values) : st;
}

/* The part's rows of an image input, as a piece of it. */
static enum umb_status write_piece(const struct umb_net *net, int i, struct umb_graph *g,
                                   const struct umb_net_part *part, int whole, int *ret_image)
{
    struct umb_type type = g->value[whole].type;
    const size_t row = umb__type_bytes(&type) / (size_t)type.shape.dim[0];
    type.shape.dim[0] = part->count;
    char name[160];
    snprintf(name, sizeof name, "%.120s.image.part%d", net->image[i].desc.name, part->part);
    *ret_image = umb__graph_value(g, name, UMB_VALUE_INPUT, &type);
    if (*ret_image < 0) { return UMB_ERR_NO_MEMORY; }
    g->value[*ret_image].base = whole;
    g->value[*ret_image].base_offset = row * (size_t)part->first;
    return UMB_OK;
}

/* Inputs are known by their names in other graphs of the net, and each part has one. */
static enum umb_status name_rows(struct umb_graph *g, int part)
{
    if (!part || g->rows_value < 0) { return UMB_OK; }
    const char *name = umb__arena_printf(g->arena, "rows.part%d", part);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    g->value[g->rows_value].name = name;
    return UMB_OK;
}

enum umb_status umb__net_build_part(const struct umb_net *net, struct umb_graph *g,
                                    const struct umb_net_part *part,
                                    const struct umb_net_values *whole,
                                    struct umb_net_values *ret_values)
{
    struct umb_net_values out;
    out.value = umb__arena_calloc(g->arena, (size_t)net->n_values + 1, sizeof *out.value);
    enum umb_status st = out.value ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; st == UMB_OK && i < net->n_images; i++) {
        st = write_piece(net, i, g, part, whole->image[i], &out.image[i]);
    }
    g->rows_value = -1;
    if (st == UMB_OK) { st = write_all(net, g, part->part, part->device, &out); }
    if (st == UMB_OK) { st = name_rows(g, part->part); }
    if (st == UMB_OK) { *ret_values = out; }
    return st;
}

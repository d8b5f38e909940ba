/*
 * net_internal.h: what a net holds, for the files that describe it and write it into graphs.
 */
#ifndef UMB_NET_INTERNAL_H
#define UMB_NET_INTERNAL_H

#include "tasks.h"

#define UMB_NET_MOST_OPS 128
#define UMB_NET_NAME 100 /* bytes of a name, so that tensor names made from it stay below 256 */

/* One call of umb_net_layer (or the node of its activation), to be written into graphs. */
struct layer {
    const struct umb_op *op;
    const void *attrs;
    const char *name, *param_name;
    int *in;
    int n_in, device;
    int init; /* of its weights: init.h */
};

struct net_image {
    struct umb_stream_desc desc; /* strings and numbers in the arena */
    void *attrs;                 /* of its normalize node */
    int stream;
};

/* A net value: what a layer makes, or an image input. */
struct net_value {
    int layer, image; /* one of them ≥ 0 */
    int probe;        /* in the probe graph */
};

/* What is kept of an op that layers have. */
struct layer_kind {
    const struct umb_op *op;
    int64_t n_layers;
    int next_number; /* numbers up to it are taken: "conv1", "conv2" … */
};

struct umb_net {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct umb_graph *probe; /* the net for a batch of one, inferred as it grows */
    struct net_image image[UMB_NET_MAX_IMAGES];
    struct umb_net_task task[UMB_NET_MAX_TASKS];
    int n_images, n_streams, n_tasks;
    struct layer *layer;
    int n_layers, layer_capacity;
    struct umb_names layer_names;
    struct layer_kind kind[UMB_NET_MOST_OPS];
    struct net_value *value;
    int n_values, value_capacity;
};

/* UMB_ERR_INVALID where `name`, of a `what`, could not be told apart in files. */
UMB_MUST_USE enum umb_status umb__net_check_name(struct umb_net *net, const char *what,
                                                 const char *name);

/* net_params.c: how the layer of that name begins. */
UMB_MUST_USE enum umb_status umb__net_set_init(struct umb_net *net, const char *name,
                                               const char *init);

/* net_build.c: image input i, and its normalize node, in graph g. */
UMB_MUST_USE enum umb_status umb__net_write_image(const struct umb_net *net, int i,
                                                  struct umb_graph *g, int64_t batch,
                                                  int *ret_image);
UMB_MUST_USE enum umb_status umb__net_write_normalize(const struct umb_net *net, int i,
                                                      struct umb_graph *g, const char *suffix,
                                                      int image, int *ret_value);

#endif

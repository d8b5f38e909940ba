/*
 * planning.h: made-up training graphs of many small layers, and every pass over them up to a plan,
 * timed; for the benchmark of planning and the test that it stays linear. Seconds are the
 * processor's.
 */
#ifndef UMB_PLANNING_H
#define UMB_PLANNING_H

#include <umbel/device.h>

enum planning_shape {
    PLANNING_CHAIN, /* one trunk, dense layers one behind another */
    PLANNING_HEADS, /* a short trunk under as many heads as it takes */
    PLANNING_MIX,   /* a trunk whose every layer has a head */
    PLANNING_SHAPES
};
extern const char *const planning_shape_names[PLANNING_SHAPES];

struct planning_desc {
    struct umb_device *device;
    enum planning_shape shape;
    int n_nodes; /* wanted of the training graph, before anything is fused */
    int n_queues;
    bool binds; /* go on to buffers and kernels, which may have to be compiled */
    /* Called behind each pass; may be NULL. */
    void (*passed)(void *user, const char *pass, double seconds);
    void *user;
};

struct planning_counts {
    int n_nodes, n_fused, n_layers, n_heads; /* n_fused: nodes that are left behind fusing */
    size_t n_steps, n_launches, scratch_bytes, unshared_bytes;
    double seconds;
};

UMB_MUST_USE enum umb_status planning_run(struct umb_context *ctx, const struct planning_desc *desc,
                                          struct planning_counts *ret_counts);
/* The seconds that it takes to describe a net of a chain of layers and to write it into a graph. */
UMB_MUST_USE enum umb_status planning_net(struct umb_context *ctx, int n_layers,
                                          double *ret_seconds);

#endif

/*
 * net.h: a network and its tasks, as a description: streams in, layers between, tasks at the ends.
 *
 * A net holds no numbers and no device memory. Shapes are inferred as it is built, for a batch of
 * one, so that a mistake is answered at the layer that makes it. Values are small integers handed
 * out by the net. The same description serves training and inference (umb_trainer_create).
 */
#ifndef UMBEL_NET_H
#define UMBEL_NET_H

#include <stdbool.h>
#include <umbel/context.h>
#include <umbel/shape.h>

struct umb_net;

UMB_MUST_USE enum umb_status umb_net_create(struct umb_context *ctx, struct umb_net **ret_net);
void umb_net_destroy(struct umb_net *net);

/* A source of 8-bit images. The network sees (x/255 − mean[c]) / std[c]. */
struct umb_stream_desc {
    const char *name;
    int64_t height, width, channels;
    const double *mean,
        *std; /* [n_norm]: one number for all channels or one each; n_norm 0: mean 0, std 1 */
    size_t n_norm;
    int device; /* that normalises them, of the trainer's, from 0 */
};
/* Adds a stream; *ret_value is its normalised images [N,H,W,C]. Streams count from 0 in the order
 * of their adding. */
UMB_MUST_USE enum umb_status umb_net_stream(struct umb_net *net, const struct umb_stream_desc *desc,
                                            int *ret_value);
/* Adds a further image to the samples of stream `stream`, of any size, normalised by its own mean
 * and std; desc->name is the image's own. Images count from 0 in the order of their adding, those
 * of streams among them, and a batch is given for each (umb_batch). Where every stream has one
 * image, image i is stream i's. */
UMB_MUST_USE enum umb_status umb_net_image(struct umb_net *net, int stream,
                                           const struct umb_stream_desc *desc, int *ret_value);

struct umb_layer_desc {
    const char *op;    /* "conv", "dense" … (docs/layers.md) */
    const char *attrs; /* "filters=32 size=3 activation=relu"; NULL: defaults */
    const char
        *name; /* unique; NULL: made from the op ("conv1"); parameters are NAME.weight and so on */
    const char *share; /* the name of an earlier layer of the same op whose parameters this one
                          uses; NULL: its own */
    const int *in;     /* values */
    int n_in;
    int device;       /* that computes it, of the trainer's, from 0 */
    const char *init; /* how its weights begin: "he_normal" … (docs/experiment.md), its bias then
                         with 0; NULL: as the trainer's desc says */
};
/* Adds a layer (and the node of its activation attribute). Errors: UMB_ERR_INVALID with the layer's
 * name, what is wrong, and shapes. */
UMB_MUST_USE enum umb_status umb_net_layer(struct umb_net *net, const struct umb_layer_desc *desc,
                                           int *ret_value);

/*
 * Streams with images of one shape can go through shared layers as one batch: `join` (layer op)
 * puts their values one after another along N, in the order of the streams, which must be
 * consecutive; `rows` with "first=F count=C" takes streams F … F+C−1 (counted within the joined
 * value) out again.
 */

struct umb_task_desc {
    const char *name;
    int output;                 /* the head's value; of one stream only */
    const char *loss;           /* cross_entropy, binary_cross_entropy, mse, l1, huber */
    const char *loss_attrs;     /* "label_smoothing=0.1"; NULL: defaults */
    double weight;              /* w_t ≥ 0 */
    const char *const *metrics; /* NULL-terminated names, the first counts for the score; NULL: the
                                   loss's usual one */
    int device;                 /* that computes loss and metrics */
    const char *metric_attrs;   /* for landmark_error: "points=xxyy between=0,1", the order of the
                                   numbers (xyxy or xxyy) and the points whose distance is the
                                   unit; else NULL */
    const char *select_attrs;   /* in training it learns from some samples of a batch only:
                                   "of=LOSS by=loss share=0.7", the share of the highest loss, or
                                   by=uncertainty; NULL: from all */
};
UMB_MUST_USE enum umb_status umb_net_task(struct umb_net *net, const struct umb_task_desc *desc);

/* The shape of a value for a batch of one, [1,…]; rank 0 if there is no such value. */
struct umb_shape umb_net_shape(const struct umb_net *net, int value);
int umb_net_n_tasks(const struct umb_net *net);
int umb_net_n_streams(const struct umb_net *net);
int umb_net_n_images(const struct umb_net *net);

#endif

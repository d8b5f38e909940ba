/*
 * nets.h: networks that several tests build through the public API. Whatever is refused fails the
 * test that runs.
 */
#ifndef UMB_TEST_NETS_H
#define UMB_TEST_NETS_H

#include <umbel/net.h>

/* The net of examples/mnist-fashion.yaml: streams digits and clothes, one trunk, tasks digit and
 * garment. */
struct umb_net *test_net_mnist_fashion(struct umb_context *ctx);

struct umb_net *test_net(struct umb_context *ctx);
/* A stream of images with mean and std 0.5. */
int test_stream(struct umb_context *ctx, struct umb_net *net, const char *name, int height,
                int width, int channels);
int test_layer(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
               int in);
/* The same over two values. */
int test_layer2(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
                int a, int b);
/* Streams first … first+count−1 of a joined value. */
int test_rows(struct umb_context *ctx, struct umb_net *net, int first, int count, int in);
/* A task with its loss's usual metric. */
void test_task(struct umb_context *ctx, struct umb_net *net, const char *name, int output,
               const char *loss, double weight);

/* conv → batch_norm → relu → conv → batch_norm, plus the input (a 1×1 conv where shape or stride
 * differ), → relu: the basic block of ResNet. */
int test_block(struct umb_context *ctx, struct umb_net *net, int filters, int stride, int in);

/* Two streams of 7×7×2 images joined in a small trunk, a task each. */
struct umb_net *test_net_two_streams(struct umb_context *ctx);
/* Two streams through blocks with statistics of their own: with the input added, and with a 1×1 of
 * it. */
struct umb_net *test_net_two_residual(struct umb_context *ctx);
/* One 8×8×3 stream through conv, batch_norm, dropout, concat and upsample; tasks pixels (a class a
 * pixel), kind (classes, from a middle layer), place (mse) and traits (yes or no). */
struct umb_net *test_net_mixed(struct umb_context *ctx);
/* The same without dropout. */
struct umb_net *test_net_undropped(struct umb_context *ctx);
/* One 14×14×2 stream through conv1, batch_norm1, conv2 and dense1; heads kind.dense1 (classes) and
 * place.dense1 (mse), so that names are those of an experiment. */
struct umb_net *test_net_named(struct umb_context *ctx);
/* One 12×12×3 stream through layers of at least UMB_LARGE_PARAM weights: winograd, direct, small
 * and few's. */
struct umb_net *test_net_large(struct umb_context *ctx);
/* ResNet-18 with its first layers for small images: `width` filters in the first stage. */
struct umb_net *test_net_resnet18(struct umb_context *ctx, int height, int width);
/* 6 filters, images of 16×16. */
struct umb_net *test_net_small_resnet18(struct umb_context *ctx);

#endif

/*
 * nets.h: networks that several tests build through the public API.
 */
#ifndef UMB_TEST_NETS_H
#define UMB_TEST_NETS_H

#include <umbel/net.h>

/* The net of examples/mnist-fashion.yaml: streams digits and clothes, one trunk, tasks digit and
 * garment. */
struct umb_net *test_net_mnist_fashion(struct umb_context *ctx);

/* Appends a layer; fails the test when it is refused. */
int test_layer(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
               int in);

#endif

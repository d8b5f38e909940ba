/*
 * random_net.h: networks drawn by a seed, and how they are trained: layers of many kinds on maps of
 * few sizes (so that few kernels are built), streams joined or apart, one to six heads with every
 * loss. The same seed draws the same net everywhere. Whatever is refused fails the test that runs.
 */
#ifndef UMB_TEST_RANDOM_NET_H
#define UMB_TEST_RANDOM_NET_H

#include <umbel/net.h>

struct random_net {
    struct umb_net *net; /* the caller's to destroy */
    int64_t batch;
    const char *optimizer, *attrs;
    double clip_norm;
    bool fused; /* whether to train it with UMBEL_FUSE */
};
struct random_net random_net_draw(struct umb_context *ctx, uint64_t seed);

/* 0 … below−1, the next of the sequence `stream` of the seed. */
uint32_t random_pick(uint64_t seed, uint32_t stream, uint64_t *at, uint32_t below);

#endif

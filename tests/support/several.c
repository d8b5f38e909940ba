#include "several.h"

#include "net_internal.h"
#include "rng.h"

struct umb_device *more[N_MORE];

int open_devices(void **state)
{
    if (open_world(state) != 0) { return -1; }
    for (int i = 0; i < N_MORE; i++) {
        if (umb_device_open(world.ctx, NULL, &more[i]) != UMB_OK) { return -1; }
    }
    return 0;
}

int close_devices(void **state)
{
    for (int i = 0; i < N_MORE; i++) {
        umb_device_close(more[i]);
    }
    return close_world(state);
}

struct umb_device *several_device(int d)
{
    return d ? more[d - 1] : world.device;
}

static int draw(uint32_t stream, uint32_t seed, int index, int n)
{
    return seed ? (int)(umb__random_u32(stream, UMB_RNG_TEST, seed, (uint64_t)index) % (uint32_t)n)
                : 0;
}

void several_put(struct umb_net *net, uint32_t seed, int n)
{
    for (int l = 0; l < net->n_layers; l++) {
        net->layer[l].device = draw(5, seed, l, n);
    }
    for (int t = 0; t < net->n_tasks; t++) {
        net->task[t].device = draw(6, seed, t, n);
    }
}

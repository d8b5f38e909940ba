/*
 * The direct solvers of convolution: register tiles that gather their rows (cl/conv_direct.cl).
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

static const struct umb_kernel forward = {"conv_direct", "conv_direct.cl", "conv_direct",
                                          "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_direct_data", "conv_direct.cl", "conv_direct",
                                                "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_direct_weights", "conv_weights.cl",
                                                   "conv_weights", "rrwiiiiiiiiiiiiiiiiiiiiiii"};

enum umb_status umb__conv_direct_forward(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    const struct umb_gather g = umb__gather_forward(&c);
    return umb__emit_gather(e, &forward, &g, e->in[0], e->in[1], e->in[c.bias ? 2 : 1], e->out[0]);
}

enum umb_status umb__conv_direct_data(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    for (int a = 0; a < c.stride[0] && a < c.H; a++) {
        for (int b = 0; b < c.stride[1] && b < c.W; b++) {
            const struct umb_gather g = umb__gather_class(&c, a, b);
            if (g.positions == 0) { continue; }
            const enum umb_status st =
                umb__emit_gather(e, &backward_data, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
            if (st != UMB_OK) { return st; }
        }
    }
    return UMB_OK;
}

enum umb_status umb__conv_direct_weights(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    return umb__emit_tile_weights(e, &backward_weights, &c, e->in[0], e->in[1], e->out[0]);
}

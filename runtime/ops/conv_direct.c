/*
 * The direct solvers of convolution: register tiles that gather their rows (cl/conv_direct.cl).
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

#define SIGNATURE "iiiiiiiiiiiiiiiiiiiiiiiiii"
static const struct umb_kernel forward = {"conv_direct", "conv_direct.cl", "conv_direct",
                                          "rrrwrr" SIGNATURE};
static const struct umb_kernel forward_pass = {"conv_direct_pass", "conv_direct.cl", "conv_direct",
                                               "rrrwwr" SIGNATURE};
static const struct umb_kernel backward_data = {"conv_direct_data", "conv_direct.cl", "conv_direct",
                                                "rrrwrr" SIGNATURE};
static const struct umb_kernel turn = {"conv_direct_turn", "conv_direct.cl", "conv_direct_turn",
                                       "rwii"};

/* Forward, pooled or not: positions of whole windows, places in the pooled output. */
static struct umb_gather gather_windows(const struct umb_conv *c)
{
    struct umb_gather g = umb__gather_forward(c);
    if (!c->pool) { return g; }
    const int OH = c->P / 2, OW = c->Q / 2;
    g.pool = c->pool;
    g.positions = 4 * c->N * OH * OW;
    g.OH = 2 * OH;
    g.OW = 2 * OW;
    g.on = OH * OW * c->K;
    g.oy = OW * c->K;
    return g;
}

enum umb_status umb__conv_direct_forward(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    const struct umb_gather g = gather_windows(&c);
    const bool keeps = e->p.n_out > 1;
    const struct umb_gather_values v = {.x = e->in[0],
                                        .w = e->in[1],
                                        .bias = e->in[c.bias ? 2 : 1],
                                        .y = e->out[0],
                                        .pass = keeps ? e->out[1] : e->in[1],
                                        .mask = e->in[0]};
    return umb__emit_gather(e, keeps ? &forward_pass : &forward, &g, &v);
}

enum umb_status umb__emit_conv_turn(struct umb_emit *e, const struct umb_conv *c, int *ret_value)
{
    const int cg = c->C / c->groups, columns = 2 * umb__tile_width(e->p.caps);
    const enum umb_status st = umb__emit_temp(e, umb__type_bytes(&e->p.in[1]), ret_value);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {.kernel = &turn,
                                           .options = umb__tile_options(e, false),
                                           .dimensions = 3,
                                           .global = {(size_t)c->R * (size_t)c->S,
                                                      (size_t)((cg + columns - 1) / columns),
                                                      (size_t)c->groups},
                                           .local = {1, 1, 1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[1], *ret_value, c->C, c->K);
}

/* The taps in the order in which they lie in dy, so that a row of them is one run. */
static void order_taps(struct umb_gather *g)
{
    if (g->dy < 0) {
        g->y0 += (g->TR - 1) * g->dy;
        g->w0 += (g->TR - 1) * g->wr;
        g->dy = -g->dy;
        g->wr = -g->wr;
    }
    if (g->dx < 0) {
        g->x0 += (g->TS - 1) * g->dx;
        g->w0 += (g->TS - 1) * g->ws;
        g->dx = -g->dx;
        g->ws = -g->ws;
    }
}

enum umb_status umb__conv_direct_data(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    struct umb_gather_values v = {.bias = e->in[1],
                                  .y = e->out[0],
                                  .pass = e->in[1],
                                  .mask = e->in[c.mask ? 2 : 1]};
    enum umb_status st = umb__emit_conv_turn(e, &c, &v.w);
    if (st == UMB_OK) {
        st = umb__emit_conv_spread(e, &c, e->in[0], e->in[c.pool ? 3 : 1], &v.x);
    }
    for (int a = 0; a < c.stride[0] && a < c.H; a++) {
        for (int b = 0; b < c.stride[1] && b < c.W && st == UMB_OK; b++) {
            struct umb_gather g = umb__gather_class(&c, a, b);
            g.transposed = false; /* each tap's weights, where they were, the other way round */
            g.mask = c.mask;
            order_taps(&g);
            if (g.positions > 0) { st = umb__emit_gather(e, &backward_data, &g, &v); }
        }
    }
    return st;
}

enum umb_status umb__conv_direct_weights(struct umb_emit *e)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    return umb__emit_tile_weights(e, &c);
}

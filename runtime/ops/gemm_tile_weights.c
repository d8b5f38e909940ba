/*
 * Launching the gradient to weights: how positions are cut into chunks, and chunks given to groups.
 *
 * What is added to what (chunks, and the number of slabs) depends on the shape and the vector
 * width only, never on the number of compute units: the same bits on every machine of a kind.
 */
#include "gemm_tile.h"
#include "update.h"
#include "whole.h"

/* Sizes of the kernel's panels, in numbers: 128 KB each. */
#define X_FLOATS 32768
#define D_FLOATS 32768
/* Positions of a chunk at most: a k-block of dy is then 28 KB with 16 lanes, which leaves room for
 * a c-block of x in a first-level cache of 48. */
#define MAX_POSITIONS 224
/* Slabs are traffic: no more than it takes, with the pieces that the weights themselves can be cut
 * into, to have this many items. */
#define MAX_SLABS 8
#define ITEMS_WITH_SLABS 32
#define K_BLOCKS_OF_ITEM 4 /* x is packed once for them */
#define FEW_C_BLOCKS 4
#define ITEMS_PER_UNIT 4
#define SUM_SPAN 4096

/* Flags of the kernel. */
enum { MAX_POOL = 4, AVG_POOL = 8, DBIAS = 128 };

static const struct umb_kernel weights_kernel = {"conv_direct_weights", "conv_weights.cl",
                                                 "conv_weights", "rrrwiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel sum_one = {"conv_weights_sum", "conv_weights.cl", "conv_weights_sum",
                                          "rwriiii"};
static const struct umb_kernel sum_both = {"conv_weights_bias_sum", "conv_weights.cl",
                                           "conv_weights_sum", "rwwiiii"};

static const struct umb_kernel update_one = {"slab_update", "slab_update.cl", "slab_update",
                                             "rrmmmriiiiffffff"};
static const struct umb_kernel update_both = {"slab_bias_update", "slab_update.cl", "slab_update",
                                              "rwmmmriiiiffffff"};

/* The smallest part that cuts n into as many parts as `most` would. */
static int even_part(int n, int most)
{
    return umb__ceil_div(n, umb__ceil_div(n, most));
}

/* In the letters of cl/conv_weights.cl. */
struct chunking {
    bool fold;
    int width, CT, NI, RB, QB, KT, CP;
    int k_blocks, c_blocks, G;
};

static int channels_of_tile(int width)
{
    return width == 16 ? 8 : 4;
}

/* Numbers of x's panel for one block of channels. */
static int64_t x_panel(const struct umb_conv *g, const struct chunking *c)
{
    int64_t rows = c->RB, columns = c->QB;
    if (!c->fold) {
        const int step_y = g->R == 1 ? 1 : g->stride[0], step_x = g->S == 1 ? 1 : g->stride[1];
        rows = (int64_t)(c->RB - 1) * step_y + (int64_t)(g->R - 1) * g->dilation[0] + 1;
        columns = (int64_t)(c->QB - 1) * step_x + (int64_t)(g->S - 1) * g->dilation[1] + 1;
    }
    return (int64_t)c->NI * rows * columns * c->CT;
}

static bool shrink(int *part)
{
    if (*part == 1) { return false; }
    *part = umb__ceil_div(*part, 2);
    return true;
}

/* Whole images where they are small, else rows of one image, else pieces of a row. */
static bool make_chunks(const struct umb_conv *g, struct chunking *c)
{
    const int most = umb__smaller(MAX_POSITIONS, D_FLOATS / (2 * c->width * c->KT));
    c->QB = even_part(g->Q, most);
    c->RB = c->QB == g->Q ? even_part(g->P, umb__smaller(g->P, most / c->QB)) : 1;
    c->NI = c->RB == g->P && c->QB == g->Q ? umb__smaller(g->N, most / (c->RB * c->QB)) : 1;
    while (x_panel(g, c) > X_FLOATS) {
        if (!shrink(&c->NI) && !shrink(&c->RB) && !shrink(&c->QB)) { return false; }
    }
    c->CP = umb__smaller(c->c_blocks, (int)(X_FLOATS / x_panel(g, c)));
    return true;
}

static bool plan(const struct umb_device_caps *caps, const struct umb_conv *g, struct chunking *c)
{
    const int cg = g->C / g->groups, taps = g->R * g->S;
    c->width = umb__tile_width(caps);
    c->CT = channels_of_tile(c->width);
    c->fold = cg < c->CT && taps > 1;
    c->k_blocks = umb__ceil_div(g->K / g->groups, 2 * c->width);
    c->c_blocks = umb__ceil_div(c->fold ? taps * cg : cg, c->CT);
    c->KT = umb__smaller(c->k_blocks, K_BLOCKS_OF_ITEM);
    if (!make_chunks(g, c)) { return false; }
    const int64_t chunks = (int64_t)umb__ceil_div(g->N, c->NI) * umb__ceil_div(g->P, c->RB) *
                           umb__ceil_div(g->Q, c->QB);
    const int64_t pieces = (int64_t)umb__ceil_div(c->k_blocks, c->KT) *
                           umb__ceil_div(c->c_blocks, FEW_C_BLOCKS) * g->groups;
    int64_t slabs = (ITEMS_WITH_SLABS + pieces - 1) / pieces;
    slabs = slabs < MAX_SLABS ? slabs : MAX_SLABS;
    c->G = (int)(slabs < chunks ? slabs : chunks);
    return (int64_t)c->G * taps * cg * g->K <= INT32_MAX;
}

bool umb__tile_weights_apply(const struct umb_device_caps *caps, const struct umb_conv *g)
{
    struct chunking c = {0};
    return umb__tile_applies(caps) && plan(caps, g, &c);
}

enum umb_status umb__emit_slabs(struct umb_emit *e, const struct umb_slabs *s, int *ret_value)
{
    *ret_value = s->dw;
    if (s->slabs == 1 && s->n_bias == 0 && !e->update) { return UMB_OK; }
    const size_t numbers = (size_t)s->slabs * ((size_t)s->count + (size_t)s->n_bias);
    return umb__emit_temp(e, numbers * sizeof(float), ret_value);
}

static enum umb_status emit_update(struct umb_emit *e, const struct umb_slabs *s, int value)
{
    const struct umb_update_rule u = umb__update_rule(e->update);
    const int items = umb__ceil_div(s->count, SUM_SPAN) + umb__ceil_div(s->n_bias, SUM_SPAN);
    const struct umb_emit_launch launch = {
        .kernel = s->n_bias ? &update_both : &update_one,
        .options = umb__emit_printf(e, "-DVW=%d -DUPDATE=%d", umb__tile_width(e->p.caps), u.kind),
        .dimensions = 1,
        .global = {(size_t)items},
        .local = {1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, value, s->n_bias ? s->db : value, u.param, u.moment[0],
                            u.moment[1], u.hyper, s->count, s->n_bias, s->slabs, SUM_SPAN,
                            u.number[0], u.number[1], u.number[2], u.number[3], u.number[4],
                            u.number[5]);
}

enum umb_status umb__emit_slab_sums(struct umb_emit *e, const struct umb_slabs *s, int value)
{
    if (e->update) { return emit_update(e, s, value); }
    if (value == s->dw) { return UMB_OK; }
    const char *options = umb__emit_printf(
        e, "-DVW=%d -DCT=%d -DX_FLOATS=%d -DD_FLOATS=%d", umb__tile_width(e->p.caps),
        channels_of_tile(umb__tile_width(e->p.caps)), X_FLOATS, D_FLOATS);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const int items = umb__ceil_div(s->count, SUM_SPAN) + umb__ceil_div(s->n_bias, SUM_SPAN);
    const struct umb_emit_launch launch = {.kernel = s->n_bias ? &sum_both : &sum_one,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)items},
                                           .local = {1}};
    return umb__emit_launch(e, &launch, value, s->dw, s->n_bias ? s->db : value, s->count,
                            s->n_bias, s->slabs, SUM_SPAN);
}

static int flags_of(const struct umb_conv *g)
{
    return (g->pool == UMB_CONV_POOL_MAX ? MAX_POOL : 0) |
           (g->pool == UMB_CONV_POOL_AVG ? AVG_POOL : 0) | (g->dbias ? DBIAS : 0);
}

enum umb_status umb__emit_tile_weights(struct umb_emit *e, const struct umb_conv *g)
{
    struct chunking c = {0};
    if (!plan(e->p.caps, g, &c)) {
        return umb__fail(e->p.ctx, UMB_ERR_UNSUPPORTED, "%s: a chunk of this shape is too large",
                         weights_kernel.name);
    }
    const int k_slices = umb__ceil_div(c.k_blocks, c.KT);
    const int items = ITEMS_PER_UNIT * (int)e->p.caps->compute_units;
    int c_part = c.c_blocks;
    while (c_part > 4 &&
           (int64_t)c.G * k_slices * umb__ceil_div(c.c_blocks, c_part) * g->groups < items) {
        c_part = umb__ceil_div(c_part, 2);
    }
    const struct umb_slabs slabs = {.slabs = c.G,
                                    .count = g->R * g->S * (g->C / g->groups) * g->K,
                                    .n_bias = g->dbias ? g->K : 0,
                                    .dw = e->out[0],
                                    .db = e->out[g->dbias ? 1 : 0]};
    int to = -1;
    enum umb_status st = umb__emit_slabs(e, &slabs, &to);
    if (st != UMB_OK) { return st; }
    const char *options = umb__emit_printf(e, "-DVW=%d -DCT=%d -DX_FLOATS=%d -DD_FLOATS=%d",
                                           c.width, c.CT, X_FLOATS, D_FLOATS);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = {
        .kernel = &weights_kernel,
        .options = options,
        .dimensions = 3,
        .global = {(size_t)c.G, (size_t)k_slices * (size_t)umb__ceil_div(c.c_blocks, c_part),
                   (size_t)g->groups},
        .local = {1, 1, 1}};
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g->pool ? 2 : 1], to, g->N, g->H,
                          g->W, g->C, g->P, g->Q, g->K, g->R, g->S, g->stride[0], g->stride[1],
                          g->dilation[0], g->dilation[1], g->padding[0], g->padding[1], g->groups,
                          flags_of(g), (int)c.fold, c.NI, c.RB, c.QB, c.KT, c_part,
                          umb__smaller(c.CP, c_part));
    return st == UMB_OK ? umb__emit_slab_sums(e, &slabs, to) : st;
}

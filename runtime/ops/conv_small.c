/*
 * The solvers for images of a few pixels: cl/conv_small.cl.
 */
#include "conv_winograd.h"

/* Pixels of the output at most, where the rows are to be preferred; backward, the direct ones read
 * less of what is larger (2026-11, Sapphire Rapids: 8×8 to 4×4 by steps of 2). */
#define MOST_PIXELS 16
#define MOST_PIXELS_BACK 9
/* Images that share an item's look at the weights. */
#define IMAGES 64
/* Positions of a batch that the gradient to the weights adds up: to one sum, whose rounding grows,
 * and which are a panel of 64 KB. x has one of 128 KB, of as many channels as a tile has. */
#define MOST_POSITIONS 512
#define X_FLOATS 32768
#define CHANNELS 8
/* Channels of an item. */
#define SPAN 128
/* Flags of the kernel. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 32, BACK = 64 };

#define SIGNATURE "iiiiiiiiiiiiiii"
static const struct umb_kernel forward = {"conv_small", "conv_small.cl", "conv_small",
                                          "rrrrw" SIGNATURE "ii"};
static const struct umb_kernel backward_data = {"conv_small_data", "conv_small.cl", "conv_small",
                                                "rrrrw" SIGNATURE "ii"};
static const struct umb_kernel backward_weights = {"conv_small_weights", "conv_small.cl",
                                                   "conv_small_weights", "rrw" SIGNATURE "i"};

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static int tile_rows(int width)
{
    return width == 16 ? 8 : 6; /* accumulators: 16 of 32 registers; 12 of 16 */
}

static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel, int columns,
                                   int others)
{
    const int width = umb__tile_width(e->p.caps);
    return (struct umb_emit_launch){
        .kernel = kernel,
        .options = umb__emit_printf(e, "-DVW=%d -DTP=%d -DX_FLOATS=%d -DD_FLOATS=%d", width,
                                    tile_rows(width), X_FLOATS, MOST_POSITIONS * 2 * width),
        .dimensions = 2,
        .global = {(size_t)ceil_div(columns, 2 * width), (size_t)others},
        .local = {1, 1}};
}

enum umb_status umb__conv_small_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &forward, g.K, ceil_div(g.N, IMAGES));
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->in[0],
                            e->out[0], g.N, g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0],
                            g.stride[1], g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            IMAGES, (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0));
}

enum umb_status umb__conv_small_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, g.C, ceil_div(g.N, IMAGES));
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[1], e->in[g.mask ? 2 : 0],
                            e->out[0], g.N, g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0],
                            g.stride[1], g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            IMAGES, BACK | (g.mask ? MASK : 0));
}

enum umb_status umb__conv_small_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_weights, g.K, ceil_div(g.C, SPAN));
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], g.N, g.H, g.W, g.C, g.P, g.Q,
                            g.K, g.R, g.S, g.stride[0], g.stride[1], g.dilation[0], g.dilation[1],
                            g.padding[0], g.padding[1], SPAN);
}

/* 0 where the kernels do not apply; 3 where they pay: several taps, which the other rows would also
 * try outside the image; tiles without holes, whole vectors, and no transform that saves products.
 */
static int rank(const struct umb_problem *p, const struct umb_conv *g, unsigned known,
                int most_pixels)
{
    const int width = umb__tile_width(p->caps);
    if (!umb__tile_applies(p->caps) || !umb__conv_knows(g, known) || g->groups != 1) { return 0; }
    const bool transforms =
        umb__winograd_rank(p->caps, g, 4) > 2 || umb__winograd_rank(p->caps, g, 2) > 2;
    const bool pays = g->R * g->S > 1 && g->P * g->Q <= most_pixels && g->N >= tile_rows(width) &&
                      g->C >= width && g->K >= width && !transforms;
    return pays ? 3 : 1;
}

int umb__conv_small_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, 0, MOST_PIXELS);
}

int umb__conv_small_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, UMB_FUSED_MASK, MOST_PIXELS_BACK);
}

int umb__conv_small_rank_weights(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const int64_t x_floats = (int64_t)g.N * g.H * g.W * CHANNELS;
    const bool fits = x_floats <= X_FLOATS && (int64_t)g.N * g.P * g.Q <= MOST_POSITIONS;
    return fits ? rank(p, &g, 0, MOST_PIXELS_BACK) : 0;
}

/*
 * One channel a group on GPUs: cl/gpu_depthwise.cl, with all that may be fused (gpu_conv.h).
 */
#include "gpu_depthwise.h"
#include "column_sum.h"
#include "conv_solvers.h"

#define LOCAL 64
#define COLUMNS 4
/* An item of the gradient to the weights keeps a row of taps in registers. */
#define MOST_TAPS 16
/* Items to aim for there, by cutting the rows of dy into slabs; a number that the shape fixes. */
#define ITEMS_WITH_SLABS 65536
#define MOST_SLABS 1024
#define RANK 9
/* Flags of the kernels. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 4 };

static const struct umb_kernel forward = {"gpu_depthwise", "gpu_depthwise.cl", "gpu_depthwise",
                                          "rrrwiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"gpu_depthwise_data", "gpu_depthwise.cl",
                                                "gpu_depthwise_data", "rrrwiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"gpu_depthwise_weights", "gpu_depthwise.cl",
                                                   "gpu_depthwise_weights", "rrwiiiiiiiiiiiiiii"};

int umb__gpu_depthwise_rank(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const bool fits = g.groups == g.C && g.C == g.K && g.S <= MOST_TAPS;
    return umb__gpu_applies(p->caps) && fits ? RANK : 0;
}

static int lanes(const struct umb_conv *g)
{
    return g->C % 4 == 0 ? 4 : 1;
}

static struct umb_emit_launch over(const struct umb_kernel *kernel, const char *options, int items)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = options,
                                    .dimensions = 1,
                                    .global = {(size_t)items},
                                    .local = {LOCAL}};
}

/* Of an image, N·rows of `columns` pixels. */
static int items_of(const struct umb_conv *g, int rows, int columns)
{
    return g->N * rows * ((columns + COLUMNS - 1) / COLUMNS) * (g->C / lanes(g));
}

enum umb_status umb__emit_gpu_depthwise_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int items = items_of(&g, g.P, g.Q);
    const char *options = umb__emit_printf(e, "-DVW=%d -DCOLUMNS=%d", lanes(&g), COLUMNS);
    int v;
    enum umb_status st = umb__gpu_unpooled(e, &g, &v);
    if (st == UMB_OK && !options) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = over(&forward, options, items);
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], v, items, g.H, g.W,
                          g.C, g.P, g.Q, g.R, g.S, g.stride[0], g.stride[1], g.dilation[0],
                          g.dilation[1], g.padding[0], g.padding[1],
                          (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0));
    return st == UMB_OK ? umb__emit_gpu_pool(e, &g, v) : st;
}

enum umb_status umb__emit_gpu_depthwise_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int items = items_of(&g, g.H, g.W);
    const char *options = umb__emit_printf(e, "-DVW=%d -DCOLUMNS=%d", lanes(&g), COLUMNS);
    int dv;
    enum umb_status st = umb__emit_conv_spread(e, &g, e->in[0], e->in[g.pool ? 3 : 1], &dv);
    if (st == UMB_OK && !options) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = over(&backward_data, options, items);
    return umb__emit_launch(e, &launch, dv, e->in[1], e->in[g.mask ? 2 : 1], e->out[0], items, g.H,
                            g.W, g.C, g.P, g.Q, g.R, g.S, g.stride[0], g.stride[1], g.dilation[0],
                            g.dilation[1], g.padding[0], g.padding[1], g.mask ? MASK : 0);
}

/* Rows of dy a slab. */
static int span_of(const struct umb_conv *g)
{
    const int rows = g->N * g->P, each = g->R * (g->C / lanes(g));
    int slabs = ITEMS_WITH_SLABS / each;
    slabs = slabs > MOST_SLABS ? MOST_SLABS : slabs < 1 ? 1 : slabs;
    return (rows + slabs - 1) / slabs;
}

static enum umb_status emit_slabs(struct umb_emit *e, const struct umb_conv *g, int dv)
{
    const int rows = g->N * g->P, span = span_of(g), slabs = (rows + span - 1) / span;
    const int items = slabs * g->R * (g->C / lanes(g)), numbers = g->R * g->S * g->C;
    const char *options = umb__emit_printf(e, "-DVW=%d -DTAPS=%d", lanes(g), g->S);
    int to = e->out[0];
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && slabs > 1) {
        st = umb__emit_temp(e, (size_t)slabs * (size_t)numbers * sizeof(float), &to);
    }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = over(&backward_weights, options, items);
    st = umb__emit_launch(e, &launch, e->in[0], dv, to, items, rows, span, g->H, g->W, g->C, g->P,
                          g->Q, g->R, g->stride[0], g->stride[1], g->dilation[0], g->dilation[1],
                          g->padding[0], g->padding[1]);
    return st == UMB_OK && slabs > 1 ? umb__emit_column_sum(e, to, e->out[0], slabs, numbers) : st;
}

enum umb_status umb__emit_gpu_depthwise_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    int dv;
    enum umb_status st = umb__emit_conv_spread(e, &g, e->in[1], e->in[g.pool ? 2 : 1], &dv);
    if (st == UMB_OK) { st = emit_slabs(e, &g, dv); }
    return st == UMB_OK ? umb__emit_gpu_dbias(e, &g, dv) : st;
}

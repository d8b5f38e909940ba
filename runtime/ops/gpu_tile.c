/*
 * Launching the tiled products: which tile fits a device and a shape, and with which runs.
 */
#include "gpu_tile.h"
#include "column_sum.h"
#include "whole.h"

/* As cl/gpu_tile.cl names them: rows BM, columns BN, terms BK, and an item's TM × TN. `registers`
 * is what the kernels take of NVIDIA's and AMD's compilers, rounded up (tests/gpu-compile holds the
 * figures). `worth` is the speed to expect where a shape fills the device, from the reads of local
 * memory per multiplication. */
static const struct tile {
    int rows, columns, terms, item_rows, item_columns;
    uint32_t registers;
    double worth; /* 0: not known */
    bool mma, half;
} tiles[UMB_GPU_TILES] = {
    [UMB_GPU_LARGE] = {128, 128, 16, 8, 8, 168, 1.0, false, false},
    [UMB_GPU_MEDIUM] = {64, 64, 16, 8, 4, 120, 0.8, false, false},
    [UMB_GPU_SMALL] = {32, 32, 16, 4, 4, 80, 0.55, false, false},
    [UMB_GPU_MMA_LARGE] = {128, 128, 16, 4, 16, 168, 0, true, false},
    [UMB_GPU_MMA_MEDIUM] = {64, 64, 16, 4, 8, 168, 0, true, false},
    [UMB_GPU_HALF_LARGE] = {128, 128, 16, 8, 8, 136, 0, false, true},
    [UMB_GPU_HALF_MEDIUM] = {64, 64, 16, 8, 4, 96, 0, false, true},
    [UMB_GPU_HALF_MMA_LARGE] = {128, 128, 16, 4, 16, 128, 0, true, true},
    [UMB_GPU_HALF_MMA_MEDIUM] = {64, 64, 16, 4, 8, 96, 0, true, true},
};
/* Numbers behind a row of the panels. */
#define PAD 4
#define MMA_PAD 8
#define UNTIMED_RANK 3
/* Numbers in local memory beside the panels, for each row of a tile. */
#define ROW_NUMBERS 4
/* Of a device whose driver does not tell. */
#define USUAL_REGISTERS 128
/* The large tile leaves room for one group on a compute unit of 64 KB; devices with waves of 64
 * hide latency by having more. */
#define WIDE_WAVE 64
#define WORTH_ON_WIDE_WAVES 0.7
/* Items a compute unit needs to be busy. */
#define BUSY_ITEMS 128
/* Groups with fewer columns than this mostly multiply zeros. */
#define FEW_COLUMNS 8
/* Slabs of the gradient to the weights: so many groups in all keep large devices busy; a slab sums
 * this many positions at least, and all of them take no more than this. */
#define GROUPS_WITH_SLABS 512
#define LEAST_SPAN 256
#define MOST_SLABS 64
#define SLAB_BYTES ((int64_t)256 << 20)

static int items(const struct tile *t)
{
    return t->rows / t->item_rows * (t->columns / t->item_columns);
}

static uint64_t local_bytes(const struct tile *t)
{
    const int pad = t->mma ? MMA_PAD : PAD;
    const int panels = 2 * t->terms * (t->rows + t->columns + 2 * pad);
    const size_t number = t->half ? sizeof(uint16_t) : sizeof(float);
    return (uint64_t)panels * number + (uint64_t)(ROW_NUMBERS * t->rows) * sizeof(int32_t);
}

bool umb__gpu_applies(const struct umb_device_caps *caps)
{
    return caps->type != UMB_DEVICE_CPU && !caps->software;
}

static bool fits(const struct umb_device_caps *caps, const struct tile *t)
{
    const uint32_t registers = caps->registers ? caps->registers : USUAL_REGISTERS;
    if (t->mma && !(t->half ? caps->mma_fp16 : caps->mma_tf32)) { return false; }
    if (t->half && !caps->fp16_storage) { return false; }
    return umb__gpu_applies(caps) && caps->local_is_real && caps->local_bytes >= local_bytes(t) &&
           caps->max_work_group >= (size_t)items(t) && registers >= t->registers;
}

/* Speed to expect, of the device's: what the tile is worth, times the part of it that is of use,
 * times the part of the device that has something to do. */
static double expected(const struct umb_device_caps *caps, const struct tile *t, int64_t rows,
                       int64_t columns, int64_t batches)
{
    const double n =
        (double)umb__ceil_div64(rows, t->rows) * (double)umb__ceil_div64(columns, t->columns);
    const double useful = (double)rows * (double)columns / (n * t->rows * t->columns);
    const double busy = n * (double)batches * items(t) / ((double)caps->compute_units * BUSY_ITEMS);
    const bool wide = caps->sub_group >= WIDE_WAVE && items(t) > 2 * WIDE_WAVE;
    return t->worth * useful * (busy < 1 ? busy : 1) * (wide ? WORTH_ON_WIDE_WAVES : 1);
}

int umb__gpu_tile_rank(const struct umb_device_caps *caps, enum umb_gpu_tile tile, int64_t rows,
                       int64_t columns, int64_t batches)
{
    if (!fits(caps, &tiles[tile])) { return 0; }
    if (columns < FEW_COLUMNS && batches > 1) { return 1; }
    if (tiles[tile].worth == 0) { return UNTIMED_RANK; }
    const double own = expected(caps, &tiles[tile], rows, columns, batches);
    int rank = 6;
    for (int i = 0; i < UMB_GPU_TILES; i++) {
        if (tiles[i].worth == 0 || !fits(caps, &tiles[i])) { continue; }
        const double other = expected(caps, &tiles[i], rows, columns, batches);
        if (other > own || (other == own && i < (int)tile)) { rank--; }
    }
    return rank;
}

/* The gathering product. */

struct umb_gpu_gather umb__gpu_gather(const struct umb_gather *g)
{
    return (struct umb_gpu_gather){
        .g = *g, .xg = g->cg, .wg = g->transposed ? g->cg : g->columns, .yg = g->columns};
}

static bool by_fours(const int *numbers, int n)
{
    for (int i = 0; i < n; i++) {
        if (numbers[i] % 4 != 0) { return false; }
    }
    return true;
}
#define BY_FOURS(...) \
    by_fours((const int[]){__VA_ARGS__}, (int)(sizeof(int[]){__VA_ARGS__} / sizeof(int)))

static const char *options_of(struct umb_emit *e, const struct tile *t, bool runs, bool columns,
                              const char *more)
{
    return umb__emit_printf(e, "-DBM=%d -DBN=%d -DBK=%d -DTM=%d -DTN=%d -DVA=%d -DVB=%d%s%s%s",
                            t->rows, t->columns, t->terms, t->item_rows, t->item_columns,
                            runs ? 4 : 1, columns ? 4 : 1, t->mma ? " -DMMA" : "",
                            t->half ? " -DHALF" : "", more);
}

static struct umb_emit_launch launch_of(const struct tile *t, const struct umb_kernel *kernel,
                                        const char *options, int64_t rows, int64_t columns,
                                        int64_t batches)
{
    const size_t local = (size_t)items(t);
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = options,
                                    .dimensions = 3,
                                    .global = {(size_t)umb__ceil_div64(columns, t->columns) * local,
                                               (size_t)umb__ceil_div64(rows, t->rows),
                                               (size_t)batches},
                                    .local = {local, 1, 1}};
}

enum umb_status umb__emit_gpu_gather(struct umb_emit *e, const struct umb_kernel *kernel,
                                     enum umb_gpu_tile tile, const struct umb_gpu_gather *gather,
                                     int x, int w, int bias, int y)
{
    const struct umb_gather *g = &gather->g;
    const struct tile *t = &tiles[tile];
    bool runs = BY_FOURS(g->cg, g->IC, gather->xg);
    bool columns = BY_FOURS(g->columns, g->o0, g->on, g->oy, g->ox, gather->yg);
    if (g->transposed) {
        runs = runs && BY_FOURS(g->w0, g->wr, g->ws, g->wc, gather->wg);
    } else {
        columns = columns && BY_FOURS(g->w0, g->wc, gather->wg);
    }
    const char *options = options_of(e, t, runs, columns, g->transposed ? " -DTRANSPOSED" : "");
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch =
        launch_of(t, kernel, options, g->positions, g->columns, g->groups);
    return umb__emit_launch(e, &launch, x, w, bias, y, g->positions, g->OH, g->OW, g->IH, g->IW,
                            g->IC, g->TR, g->TS, g->cg, g->sy, g->sx, g->dy, g->dx, g->y0, g->x0,
                            g->w0, g->wr, g->ws, g->wc, g->o0, g->on, g->oy, g->ox, g->columns,
                            (g->bias ? 1 : 0) | (g->relu ? 2 : 0) | (gather->mask ? 4 : 0),
                            gather->xg, gather->wg, gather->yg);
}

/* The gradient to weights. */

/* Positions of a slab, a multiple of the tile's terms: fixed by the shape and the tile. */
static int64_t span_of(const struct tile *t, const struct umb_conv *g)
{
    const int64_t positions = (int64_t)g->N * g->P * g->Q, cg = g->C / g->groups;
    const int64_t terms = g->R * g->S * cg, numbers = terms * g->K;
    const int64_t groups =
        umb__ceil_div64(terms, t->rows) * umb__ceil_div64(g->K / g->groups, t->columns) * g->groups;
    int64_t slabs = umb__ceil_div64(GROUPS_WITH_SLABS, groups);
    const int64_t room = SLAB_BYTES / (numbers * (int64_t)sizeof(float));
    const int64_t most = positions / LEAST_SPAN < MOST_SLABS ? positions / LEAST_SPAN : MOST_SLABS;
    slabs = slabs < most ? slabs : most;
    slabs = slabs < room ? slabs : room;
    slabs = slabs > 1 ? slabs : 1;
    return umb__ceil_div64(umb__ceil_div64(positions, slabs), t->terms) * t->terms;
}

enum umb_status umb__emit_gpu_weights(struct umb_emit *e, const struct umb_kernel *kernel,
                                      enum umb_gpu_tile tile, const struct umb_conv *g, int x,
                                      int dy, int dw)
{
    const struct tile *t = &tiles[tile];
    const int cg = g->C / g->groups, kg = g->K / g->groups, terms = g->R * g->S * cg;
    const int64_t span = span_of(t, g), slabs = umb__ceil_div64((int64_t)g->N * g->P * g->Q, span);
    const int64_t numbers = (int64_t)terms * g->K;
    int to = dw;
    enum umb_status st = UMB_OK;
    if (slabs > 1) { st = umb__emit_temp(e, (size_t)(slabs * numbers) * sizeof(float), &to); }
    if (st != UMB_OK) { return st; }
    const char *options = options_of(e, t, BY_FOURS(cg, g->C), BY_FOURS(kg, g->K), "");
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch =
        launch_of(t, kernel, options, terms, kg, slabs * g->groups);
    st = umb__emit_launch(e, &launch, x, dy, to, g->N, g->H, g->W, g->C, g->P, g->Q, g->K, terms,
                          g->S, g->stride[0], g->stride[1], g->dilation[0], g->dilation[1],
                          g->padding[0], g->padding[1], g->groups, cg, kg, (int)span);
    return st == UMB_OK && slabs > 1 ? umb__emit_column_sum(e, to, dw, slabs, numbers) : st;
}

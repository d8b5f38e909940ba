/*
 * Where Winograd's transforms apply, and where they pay: an estimate of what the direct sum and
 * tiles of 4×4 and 2×2 outputs take, in products of two vectors.
 */
#include "conv_winograd.h"

/* What a vector of a tile's inputs, of its outputs and of one channel's weights costs to transform
 * (2026-11, Sapphire Rapids, where two products take a cycle). */
struct prices {
    int input, output, weights;
};
static const struct prices prices4 = {280, 240, 320}, prices2 = {110, 90, 140};
/* Products by points come in shorter runs than the direct sum's: it must win clearly. */
#define MARGIN 0.85

static double parts(int n, int of)
{
    return (double)((n + of - 1) / of);
}

/* Pairs of an output and a tap that meet inside the input, along one axis. */
static double meetings(int outputs, int inputs, int padding)
{
    int n = 0;
    for (int r = 0; r < 3; r++) {
        const int first = r < padding ? padding - r : 0;
        const int end = inputs + padding - r < outputs ? inputs + padding - r : outputs;
        n += end > first ? end - first : 0;
    }
    return n;
}

static double tiles(const struct umb_conv *g, int edge)
{
    return g->N * parts(g->P, edge) * parts(g->Q, edge);
}

static double winograd_cost(const struct umb_conv *g, int edge, int width)
{
    const struct prices *price = edge == 4 ? &prices4 : &prices2;
    const double in = parts(g->C, width), out = parts(g->K, width), n = tiles(g, edge);
    const double products = (edge + 2) * (edge + 2) * n * g->C * 2 * parts(g->K, 2 * width);
    return products + n * (in * price->input + out * price->output) + g->C * out * price->weights;
}

static double direct_cost(const struct umb_conv *g, int width)
{
    return meetings(g->P, g->H, g->padding[0]) * meetings(g->Q, g->W, g->padding[1]) * g->N * g->C *
           2 * parts(g->K, 2 * width);
}

bool umb__winograd_applies(const struct umb_device_caps *caps, const struct umb_conv *g)
{
    return umb__tile_applies(caps) && g->R == 3 && g->S == 3 && g->stride[0] == 1 &&
           g->stride[1] == 1 && g->dilation[0] == 1 && g->dilation[1] == 1 && g->groups == 1 &&
           g->padding[0] <= 2 && g->padding[1] <= 2;
}

int umb__winograd_rank(const struct umb_device_caps *caps, const struct umb_conv *g, int edge)
{
    const int width = umb__tile_width(caps);
    const double cost = winograd_cost(g, edge, width), other = winograd_cost(g, 6 - edge, width);
    const bool pays = cost < MARGIN * direct_cost(g, width) && (cost < other || other <= 0);
    return pays ? 3 : 1;
}

static int apart(int blocks, int items)
{
    const int more = blocks % items;
    return more < items - more ? more : items - more;
}

int umb__winograd_items(int blocks, int most)
{
    if (blocks <= most || most < 2) { return blocks < most ? blocks : most; }
    int best = most - most % 2;
    for (int n = best - 2; n > most / 2; n -= 2) {
        if (apart(blocks, n) < apart(blocks, best)) { best = n; }
    }
    return best;
}

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
static const struct prices prices6 = {280, 240, 320}, prices4 = {110, 90, 140};
/* Products by points come in shorter runs than the direct sum's: it must win clearly. */
#define MARGIN 0.85

static double parts(int n, int of)
{
    return (double)((n + of - 1) / of);
}

/* Pairs of an output and a tap that meet inside the input, along one axis. */
static double meetings(int outputs, int inputs, int taps, int padding)
{
    int n = 0;
    for (int r = 0; r < taps; r++) {
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
    const int points = umb__winograd_points(g, edge);
    const struct prices *price = points == 36 ? &prices6 : &prices4;
    const double in = parts(g->C, width), out = parts(g->K, width), n = tiles(g, edge);
    const double products = points * n * g->C * 2 * parts(g->K, 2 * width);
    return products + n * (in * price->input + out * price->output) + g->C * out * price->weights;
}

static double direct_cost(const struct umb_conv *g, int width)
{
    return meetings(g->P, g->H, g->R, g->padding[0]) * meetings(g->Q, g->W, g->S, g->padding[1]) *
           g->N * g->C * 2 * parts(g->K, 2 * width);
}

int umb__winograd_points(const struct umb_conv *g, int edge)
{
    return (edge + g->R - 1) * (edge + g->S - 1);
}

bool umb__winograd_applies(const struct umb_device_caps *caps, const struct umb_conv *g, int edge)
{
    const bool fits = g->R == 3 || (g->R == 5 && edge == 2);
    return umb__tile_applies(caps) && fits && g->S == g->R && g->stride[0] == 1 &&
           g->stride[1] == 1 && g->dilation[0] == 1 && g->dilation[1] == 1 && g->groups == 1 &&
           g->padding[0] < g->R && g->padding[1] < g->S;
}

int umb__winograd_rank(const struct umb_device_caps *caps, const struct umb_conv *g, int edge)
{
    if (!umb__winograd_applies(caps, g, edge)) { return 0; }
    const int width = umb__tile_width(caps);
    const double cost = winograd_cost(g, edge, width);
    const bool best = g->R != 3 || cost < winograd_cost(g, 6 - edge, width);
    const bool pays = best && cost < MARGIN * direct_cost(g, width);
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

/*
 * conv_winograd.h: what the solvers by Winograd's transforms share; see cl/winograd.cl.
 */
#ifndef UMB_CONV_WINOGRAD_H
#define UMB_CONV_WINOGRAD_H

#include "conv_solvers.h"
#include "gemm_tile.h"

/* 3×3 by tiles of edge × edge outputs (4 or 2), 5×5 by tiles of 2×2; stride 1, no dilation, one
 * group, a padding of less than the filter, on a CPU. */
bool umb__winograd_applies(const struct umb_device_caps *caps, const struct umb_conv *g, int edge);

/* Points at which such a tile's products are taken. */
int umb__winograd_points(const struct umb_conv *g, int edge);

/* 0 where they do not apply; above direct's rank where tiles of edge × edge outputs are the
 * quickest way, else below it. g has a pass's own letters: C are summed over. */
int umb__winograd_rank(const struct umb_device_caps *caps, const struct umb_conv *g, int edge);

/* How many items take blocks in turn: as many as may be, an even number, and as evenly as can be,
 * as a driver may hand half of the items to one of two units at once. */
int umb__winograd_items(int blocks, int most);

#endif

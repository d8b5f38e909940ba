/*
 * axis.h: from which source pixels those of a flipped, zoomed and shifted axis come.
 *
 * Pixel x of n covers x … x+1. With the centre c = n/2, target x comes from the source position
 *     s = c + (x + ½ − shift − c)/zoom,   n − s where mirrored,
 * which lies between the pixels `at` and `next`, the nearer ones beyond the ends.
 */
#ifndef UMB_AXIS_H
#define UMB_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#define UMB_AXIS_ONE 256 /* weights are parts of this */

struct umb_axis {
    int32_t at, next, nearest;
    int32_t weight; /* of next; of at: the rest */
    bool inside;    /* s lies in the picture */
};

/* Fills axis[n]. */
void umb__axis_fill(struct umb_axis *axis, int64_t n, bool mirror, double zoom, int64_t shift);

#endif

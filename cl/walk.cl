/*
 * walk.cl: the loops of kernels that treat elements or pixels one by one; lanes of VW from
 * lanes.cl. To be included.
 *
 * Hosts cut n elements, or n units, into spans (runtime/ops/spread.h): group g of L items takes
 * those from g·span on. A unit (runtime/ops/simple.h) is unit_channels channels of one pixel of C:
 * unit u belongs to pixel u / units and begins at channel (u % units)·unit_channels.
 */
#include "lanes.cl"

/* Blocks of VW elements: i, and `left` elements from it to the span's end. */
#define FOR_ELEMENTS(n, span)                                                                      \
    const int span_first = get_group_id(0) * (span);                                               \
    const int span_end = span_first + min((n) - span_first, (span));                               \
    for (int i = span_first + get_local_id(0) * VW, left = span_end - i; left > 0;                 \
         i += get_local_size(0) * VW, left = span_end - i)

/* All items go round the outer loop together; the inner one is run through once or not at all. Where
 * an item's first test is of its own number, Intel's compiler for CPUs (2026.22) moves that test out
 * of the kernel, and for copy_channels (shape.cl) did so wrongly: rows were left out. */
#define FOR_UNITS(u, n, span)                                                                      \
    const int span_first = get_group_id(0) * (span);                                               \
    const int span_end = span_first + min((n) - span_first, (span));                               \
    for (int first_u = span_first; first_u < span_end; first_u += get_local_size(0))               \
        for (int u = first_u + get_local_id(0), once = u < span_end; once; once = 0)

/* Blocks of VW channels of a unit: c, and `left` channels from it to the unit's end. */
#define FOR_CHANNELS(first, n)                                                                     \
    for (int c = (first), left = (n); left > 0; c += VW, left -= VW)

/* A truth for every lane: int for VW = 1, else intVW; as `?:` and select take it. */
#if VW == 1
typedef int lanes_int;
typedef uchar lanes_uchar;
#define LANES_CONVERT_INT(v) convert_int(v)
#define LANES_CONVERT_UCHAR(v) convert_uchar(v)
#define LANES_CONVERT_FLOAT(v) convert_float(v)
#else
typedef LANES_CAT(int, VW) lanes_int;
typedef LANES_CAT(uchar, VW) lanes_uchar;
#define LANES_CONVERT_INT(v) LANES_CAT(convert_int, VW)(v)
#define LANES_CONVERT_UCHAR(v) LANES_CAT(convert_uchar, VW)(v)
#define LANES_CONVERT_FLOAT(v) LANES_CAT(convert_float, VW)(v)
#endif

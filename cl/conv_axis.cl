/*
 * conv_axis.cl: which taps an output of a convolution, or of its way back, sees along one axis; for
 * kernels that go by rows of outputs. To be included.
 *
 * The way back goes by classes of outputs, i mod stride, each of which is a convolution of dy
 * without stride: runtime/ops/conv_gather.c says why.
 */
#include "gemm_tile.cl"

/* Along one axis, output i of a class sees tap j, which is tap first + j·step of the filter, at
 * at + i·move + j·apart of the input. */
struct axis {
    int taps, first, step;
    int at, move, apart, extent;
};

static inline struct axis forward_axis(int filter, int stride, int dilation, int padding,
                                       int extent)
{
    return (struct axis){filter, 0, 1, -padding, stride, dilation, extent};
}

/* The way back, for the pixels that are `class` mod stride: the taps r with
 * class + padding − r·dilation a multiple of the stride are an arithmetic progression. */
static inline struct axis backward_axis(int class, int filter, int stride, int dilation,
                                        int padding, int extent)
{
    struct axis a = {0, 0, 1, 0, 1, 0, extent};
    while (a.step * dilation % stride != 0) { ++a.step; }
    while (a.first < min(a.step, filter) && (class + padding - a.first * dilation) % stride != 0) {
        ++a.first;
    }
    if (a.first == min(a.step, filter)) { return a; }
    a.taps = (filter - 1 - a.first) / a.step + 1;
    a.at = (class + padding - a.first * dilation) / stride;
    a.apart = -(a.step * dilation / stride);
    return a;
}

/* The same taps in the order of the input, which those of the way back go down. */
static inline struct axis ascending(struct axis a)
{
    if (a.apart >= 0) { return a; }
    const int last = a.taps - 1;
    return (struct axis){a.taps, a.first + last * a.step, -a.step, a.at + last * a.apart,
                         a.move, -a.apart,                a.extent};
}

/* Which of its taps output i sees: from x to y − 1. */
static inline int2 seen_taps(struct axis a, int i)
{
    int2 v = (int2)(0, a.taps);
    const int at = a.at + i * a.move;
    while (v.x < v.y && (uint)(at + v.x * a.apart) >= (uint)a.extent) { ++v.x; }
    while (v.x < v.y && (uint)(at + (v.y - 1) * a.apart) >= (uint)a.extent) { --v.y; }
    return v;
}

/* Outputs x…y−1, of n, see all taps. */
static inline int2 inner_outputs(struct axis a, int n)
{
    const int reach = (a.taps - 1) * a.apart, low = a.at + min(reach, 0);
    const int room = a.extent - 1 - a.at - max(reach, 0);
    const int begin = low < 0 ? (a.move - 1 - low) / a.move : 0;
    const int end = room < 0 ? 0 : min(room / a.move + 1, n);
    return (int2)(begin, max(begin, end));
}

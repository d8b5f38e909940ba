/*
 * Convolutions as gathering products, for the kernels that read in place (conv_direct.cl,
 * gpu_conv.cl).
 *
 * Backward to the input, with a stride, goes class by class: the pixels (h,w) with h mod stride = a
 * and w mod stride = b see the same taps, those r with (a + padding − r·dilation) mod stride = 0.
 * They are an arithmetic progression, and pixel i of the class sees tap j at
 * p = (a + padding − r₀·dilation)/stride + i − j·(step·dilation/stride): a convolution of dy
 * without stride, whose results lie a stride apart. So nothing is multiplied by zero, and nothing
 * is scattered.
 */
#include "gemm_tile.h"

struct umb_gather umb__gather_forward(const struct umb_conv *c)
{
    const int cg = c->C / c->groups;
    return (struct umb_gather){.positions = c->N * c->P * c->Q,
                               .OH = c->P,
                               .OW = c->Q,
                               .IH = c->H,
                               .IW = c->W,
                               .IC = c->C,
                               .TR = c->R,
                               .TS = c->S,
                               .cg = cg,
                               .sy = c->stride[0],
                               .sx = c->stride[1],
                               .dy = c->dilation[0],
                               .dx = c->dilation[1],
                               .y0 = -c->padding[0],
                               .x0 = -c->padding[1],
                               .wr = c->S * cg * c->K,
                               .ws = cg * c->K,
                               .wc = c->K,
                               .on = c->P * c->Q * c->K,
                               .oy = c->Q * c->K,
                               .ox = c->K,
                               .columns = c->K / c->groups,
                               .groups = c->groups,
                               .bias = c->bias,
                               .relu = c->relu};
}

/* One axis of one class of pixels: taps first, first + step …, and where they are in dy. */
struct taps {
    int count, first, step;
    int at, apart; /* of pixel 0 of the class: tap j is at row at + j·apart of dy */
    int pixels;
};

static struct taps class_taps(int class, int extent, int filter, int stride, int dilation,
                              int padding)
{
    struct taps t = {.step = 1, .pixels = (extent - class + stride - 1) / stride};
    while (t.step * dilation % stride != 0) {
        t.step++;
    }
    const int taps = t.step < filter ? t.step : filter;
    while (t.first < taps && (class + padding - t.first * dilation) % stride != 0) {
        t.first++;
    }
    if (t.first == taps) { return (struct taps){.step = 1, .pixels = t.pixels}; }
    t.count = (filter - 1 - t.first) / t.step + 1;
    t.at = (class + padding - t.first * dilation) / stride;
    t.apart = -(t.step * dilation / stride);
    return t;
}

struct umb_gather umb__gather_class(const struct umb_conv *c, int a, int b)
{
    const int cg = c->C / c->groups;
    const struct taps h = class_taps(a, c->H, c->R, c->stride[0], c->dilation[0], c->padding[0]);
    const struct taps w = class_taps(b, c->W, c->S, c->stride[1], c->dilation[1], c->padding[1]);
    return (struct umb_gather){.positions = c->N * h.pixels * w.pixels,
                               .OH = h.pixels,
                               .OW = w.pixels,
                               .IH = c->P,
                               .IW = c->Q,
                               .IC = c->K,
                               .TR = h.count,
                               .TS = w.count,
                               .cg = c->K / c->groups,
                               .sy = 1,
                               .sx = 1,
                               .dy = h.apart,
                               .dx = w.apart,
                               .y0 = h.at,
                               .x0 = w.at,
                               .w0 = (h.first * c->S + w.first) * cg * c->K,
                               .wr = h.step * c->S * cg * c->K,
                               .ws = w.step * cg * c->K,
                               .wc = c->K,
                               .o0 = (a * c->W + b) * c->C,
                               .on = c->H * c->W * c->C,
                               .oy = c->stride[0] * c->W * c->C,
                               .ox = c->stride[1] * c->C,
                               .columns = cg,
                               .groups = c->groups,
                               .transposed = true};
}

/*
 * upsample.cl: [N,H,W,C] to [N,H·fh,W·fw,C], and the gradients, as gathers.
 *
 * nearest: y[p,q] = x[p/fh, q/fw]. bilinear: y[p,q] mixes the four neighbours of the source point
 * ((p + ½)/fh − ½, (q + ½)/fw − ½), which is held inside the image: PyTorch's align_corners=False.
 * NDRange [groups·L], units as in walk.cl. Backward owns an input pixel and adds up the outputs that
 * took from it.
 */
#include "walk.cl"

struct source {
    int at, next;
    float share; /* of next */
};

static inline struct source find_source(int p, int factor, int extent)
{
    struct source s;
    const float x = fmax((p + 0.5f) / factor - 0.5f, 0.0f);
    s.at = min((int)x, extent - 1);
    s.next = min(s.at + 1, extent - 1);
    s.share = x - s.at;
    return s;
}

/* The share that output p takes from input x. */
static inline float find_share(int p, int x, int factor, int extent)
{
    const struct source s = find_source(p, factor, extent);
    return (s.at == x ? 1.0f - s.share : 0.0f) + (s.next == x ? s.share : 0.0f);
}

#define GEOMETRY                                                                                   \
    int H, int W, int C, int fh, int fw, int n_units, int units_per_pixel, int unit_channels,      \
        int span

#define UNIT(u, rows, columns, a, b)                                                               \
    const int pixel = (u) / units_per_pixel;                                                       \
    const int first = ((u)-pixel * units_per_pixel) * unit_channels;                               \
    const int line = pixel / (columns), b = pixel - line * (columns);                              \
    const int n = line / (rows), a = line - n * (rows)

__kernel void nearest_forward(__global const float *x_base, ulong x_at, __global float *y_base,
                              ulong y_at, GEOMETRY)
{
    __global const float *x = x_base + x_at;
    __global float *y = y_base + y_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H * fh, W * fw, p, q);
        const int from = ((n * H + p / fh) * W + q / fw) * C;
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_store(lanes_load(x + from + c, left), y + pixel * C + c, left);
        }
    }
}

__kernel void nearest_backward(__global const float *dy_base, ulong dy_at,
                               __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H, W, h, w);
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t sum = 0.0f;
            for (int p = h * fh; p < (h + 1) * fh; p++) {
                for (int q = w * fw; q < (w + 1) * fw; q++) {
                    sum += lanes_load(dy + ((n * H * fh + p) * W * fw + q) * C + c, left);
                }
            }
            lanes_store(sum, dx + pixel * C + c, left);
        }
    }
}

__kernel void bilinear_forward(__global const float *x_base, ulong x_at, __global float *y_base,
                               ulong y_at, GEOMETRY)
{
    __global float *y = y_base + y_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H * fh, W * fw, p, q);
        const struct source v = find_source(p, fh, H), s = find_source(q, fw, W);
        __global const float *x = x_base + x_at + n * H * W * C;
        FOR_CHANNELS(first, unit_channels)
        {
            const lanes_t top =
                (1.0f - s.share) * lanes_load(x + (v.at * W + s.at) * C + c, left) +
                s.share * lanes_load(x + (v.at * W + s.next) * C + c, left);
            const lanes_t bottom =
                (1.0f - s.share) * lanes_load(x + (v.next * W + s.at) * C + c, left) +
                s.share * lanes_load(x + (v.next * W + s.next) * C + c, left);
            lanes_store((1.0f - v.share) * top + v.share * bottom, y + pixel * C + c, left);
        }
    }
}

__kernel void bilinear_backward(__global const float *dy_base, ulong dy_at,
                                __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H, W, h, w);
        const int p_end = min((h + 2) * fh, H * fh), q_end = min((w + 2) * fw, W * fw);
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t sum = 0.0f;
            for (int p = max((h - 1) * fh, 0); p < p_end; p++) {
                const float down = find_share(p, h, fh, H);
                for (int q = max((w - 1) * fw, 0); q < q_end; q++) {
                    const float share = down * find_share(q, w, fw, W);
                    sum += share *
                           lanes_load(dy + ((n * H * fh + p) * W * fw + q) * C + c, left);
                }
            }
            lanes_store(sum, dx + pixel * C + c, left);
        }
    }
}

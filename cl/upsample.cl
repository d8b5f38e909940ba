/*
 * upsample.cl: [N,H,W,C] to [N,H·fh,W·fw,C], and the gradients, as gathers.
 *
 * nearest: y[p,q] = x[p/fh, q/fw]. bilinear: y[p,q] mixes the four neighbours of the source point
 * ((p + ½)/fh − ½, (q + ½)/fw − ½), which is held inside the image: PyTorch's align_corners=False.
 * NDRange [groups·L], units as in walk.cl. Backward owns an input pixel and adds up the outputs that
 * took from it.
 */
#include "walk.cl"

/* Outputs of a line that an item looks at together: all that take from an input, for factors up to
 * 4. */
#define SHARES 8

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

/* The shares that n outputs of a line, from `first` on, take from input x. */
static inline void find_shares(float *share, int first, int n, int x, int factor, int extent)
{
    for (int i = 0; i < n; i++) { share[i] = find_share(first + i, x, factor, extent); }
}

__kernel void bilinear_backward(__global const float *dy_base, ulong dy_at,
                                __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H, W, h, w);
        /* Output p looks at (p + ½)/fh − ½: input h is within 1 of that for these. */
        const int above = (fh + 1) / 2, before = (fw + 1) / 2;
        const int p_first = max(h * fh - above, 0), p_end = min((h + 1) * fh + above, H * fh);
        const int q_first = max(w * fw - before, 0), q_end = min((w + 1) * fw + before, W * fw);
        for (int p0 = p_first; p0 < p_end; p0 += SHARES) {
            for (int q0 = q_first; q0 < q_end; q0 += SHARES) {
                float down[SHARES], across[SHARES];
                const int rows = min(SHARES, p_end - p0), columns = min(SHARES, q_end - q0);
                find_shares(down, p0, rows, h, fh, H);
                find_shares(across, q0, columns, w, fw, W);
                const bool begins = p0 == p_first && q0 == q_first;
                FOR_CHANNELS(first, unit_channels)
                {
                    lanes_t sum = begins ? (lanes_t)0.0f : lanes_load(dx + pixel * C + c, left);
                    for (int i = 0; i < rows; i++) {
                        __global const float *line_of =
                            dy + ((n * H * fh + p0 + i) * W * fw + q0) * C + c;
                        for (int j = 0; j < columns; j++) {
                            sum = fma((lanes_t)(down[i] * across[j]),
                                      lanes_load(line_of + j * C, left), sum);
                        }
                    }
                    lanes_store(sum, dx + pixel * C + c, left);
                }
            }
        }
    }
}

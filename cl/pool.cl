/*
 * pool.cl: the largest or the mean of windows of [N,H,W,C], and the gradients, as gathers.
 *
 * Output pixel (n,p,q) looks at h = p·stride_h − pad_h + r, w = q·stride_w − pad_w + s, r < R,
 * s < S, as far as they are inside. Element (n,h,w,c) lies at ((n·H + h)·W + w)·C + c. NDRange
 * [groups·L], units as in walk.cl. A backward item owns an input pixel and adds up the windows that
 * hold it, so that no two items write one place and the order of the sum is fixed. Where windows
 * lie side by side (stride = size, none before 0), `…_apart`: an item owns a window of the grid
 * ⌈H/R⌉ × ⌈W/S⌉ that covers x, and writes its pixels; those beyond P × Q write zeros.
 *
 * INDEX: type of max_pool's second output [N,P,Q,C], the position r·S + s of the largest; without
 * it forward writes none. Of equals the first counts; a NaN beats numbers, and the last NaN counts.
 */
#include "walk.cl"

struct window {
    int h0, w0;               /* position (0,0), maybe outside */
    int h_begin, h_end, w_begin, w_end; /* what is inside */
};

static inline struct window find_window(int p, int q, int H, int W, int R, int S, int stride_h,
                                        int stride_w, int pad_h, int pad_w)
{
    struct window v;
    v.h0 = p * stride_h - pad_h;
    v.w0 = q * stride_w - pad_w;
    v.h_begin = max(v.h0, 0);
    v.h_end = min(v.h0 + R, H);
    v.w_begin = max(v.w0, 0);
    v.w_end = min(v.w0 + S, W);
    return v;
}

/* The first and last window on an axis that hold position x: begin ≤ p < end. */
static inline int2 find_windows(int x, int n_windows, int size, int stride, int pad)
{
    const int first = max(x + pad - size + 1, 0);
    return (int2)((first + stride - 1) / stride, min((x + pad) / stride + 1, n_windows));
}

#define GEOMETRY                                                                                   \
    int H, int W, int C, int P, int Q, int R, int S, int stride_h, int stride_w, int pad_h,        \
        int pad_w, int n_units, int units_per_pixel, int unit_channels, int span

/* Coordinates of unit u on a grid of `rows` × `columns`. */
#define UNIT(u, rows, columns, a, b)                                                               \
    const int pixel = (u) / units_per_pixel;                                                       \
    const int first = ((u)-pixel * units_per_pixel) * unit_channels;                               \
    const int line = pixel / (columns), b = pixel - line * (columns);                              \
    const int n = line / (rows), a = line - n * (rows)

#ifdef INDEX
#define CONVERT_INDEX(v) LANES_CAT(LANES_CAT(convert_, INDEX), VW)(v)

static inline void store_index(lanes_int at, __global INDEX *p, int left)
{
    int t[VW];
#if VW == 1
    t[0] = at;
#else
    if (left >= VW) {
        LANES_CAT(vstore, VW)(CONVERT_INDEX(at), 0, p);
        return;
    }
    LANES_CAT(vstore, VW)(at, 0, t);
#endif
    FOR_LANES(l)
    {
        if (l < left) { p[l] = (INDEX)t[l]; }
    }
}

#if VW == 1
#define LOAD_INDEX(p) (*(p))
#else
#define LOAD_INDEX(p) LANES_CAT(vload, VW)(0, p)
#endif

/* The indices at p; −1 in lanes that are not left. */
static inline lanes_int load_index(__global const INDEX *p, int left)
{
    if (left >= VW) { return LANES_CONVERT_INT(LOAD_INDEX(p)); }
    int t[VW];
    FOR_LANES(l) { t[l] = l < left ? p[l] : -1; }
    return LOAD_INDEX(t);
}
#else
#define INDEX float
#define NO_INDEX
#endif

__kernel void max_pool_forward(__global const float *x_base, ulong x_at, __global float *y_base,
                               ulong y_at, __global INDEX *index_base, ulong index_at, GEOMETRY)
{
    __global const float *x = x_base + x_at;
    __global float *y = y_base + y_at;
    __global INDEX *index = index_base + index_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, P, Q, p, q);
        const struct window v =
            find_window(p, q, H, W, R, S, stride_h, stride_w, pad_h, pad_w);
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t best = -INFINITY;
            lanes_int at = (v.h_begin - v.h0) * S + (v.w_begin - v.w0);
            for (int h = v.h_begin; h < v.h_end; h++) {
                for (int w = v.w_begin; w < v.w_end; w++) {
                    const lanes_t value = lanes_load(x + ((n * H + h) * W + w) * C + c, left);
                    const lanes_int better = (value > best) | (value != value);
                    best = better ? value : best;
                    at = better ? (lanes_int)((h - v.h0) * S + (w - v.w0)) : at;
                }
            }
            lanes_store(best, y + pixel * C + c, left);
#ifndef NO_INDEX
            store_index(at, index + pixel * C + c, left);
#endif
        }
    }
}

#ifndef NO_INDEX
__kernel void max_pool_backward(__global const float *dy_base, ulong dy_at,
                                __global const INDEX *index_base, ulong index_at,
                                __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global const INDEX *index = index_base + index_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H, W, h, w);
        const int2 ps = find_windows(h, P, R, stride_h, pad_h);
        const int2 qs = find_windows(w, Q, S, stride_w, pad_w);
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t sum = 0.0f;
            for (int p = ps.x; p < ps.y; p++) {
                for (int q = qs.x; q < qs.y; q++) {
                    const int k = (h - (p * stride_h - pad_h)) * S + (w - (q * stride_w - pad_w));
                    const int at = ((n * P + p) * Q + q) * C + c;
                    const lanes_int here = load_index(index + at, left) == (lanes_int)k;
                    sum += here ? lanes_load(dy + at, left) : (lanes_t)0.0f;
                }
            }
            lanes_store(sum, dx + pixel * C + c, left);
        }
    }
}

__kernel void max_pool_backward_apart(__global const float *dy_base, ulong dy_at,
                                      __global const INDEX *index_base, ulong index_at,
                                      __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global const INDEX *index = index_base + index_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, (H + R - 1) / R, (W + S - 1) / S, p, q);
        const bool real = p < P && q < Q;
        const int rows = min(R, H - p * R), columns = min(S, W - q * S);
        const int from = ((n * P + p) * Q + q) * C, to = ((n * H + p * R) * W + q * S) * C;
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t d = 0.0f;
            lanes_int at = -1;
            if (real) {
                d = lanes_load(dy + from + c, left);
                at = load_index(index + from + c, left);
            }
            for (int r = 0; r < rows; r++) {
                for (int s = 0; s < columns; s++) {
                    const lanes_int here = at == (lanes_int)(r * S + s);
                    lanes_store(here ? d : (lanes_t)0.0f, dx + to + (r * W + s) * C + c, left);
                }
            }
        }
    }
}
#endif

/* Divides by R·S, or with -DINSIDE by the number of elements that lie inside. */
__kernel void avg_pool_forward(__global const float *x_base, ulong x_at, __global float *y_base,
                               ulong y_at, GEOMETRY)
{
    __global const float *x = x_base + x_at;
    __global float *y = y_base + y_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, P, Q, p, q);
        const struct window v =
            find_window(p, q, H, W, R, S, stride_h, stride_w, pad_h, pad_w);
#ifdef INSIDE
        const float share = 1.0f / ((v.h_end - v.h_begin) * (v.w_end - v.w_begin));
#else
        const float share = 1.0f / (R * S);
#endif
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t sum = 0.0f;
            for (int h = v.h_begin; h < v.h_end; h++) {
                for (int w = v.w_begin; w < v.w_end; w++) {
                    sum += lanes_load(x + ((n * H + h) * W + w) * C + c, left);
                }
            }
            lanes_store(sum * share, y + pixel * C + c, left);
        }
    }
}

__kernel void avg_pool_backward(__global const float *dy_base, ulong dy_at,
                                __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, H, W, h, w);
        const int2 ps = find_windows(h, P, R, stride_h, pad_h);
        const int2 qs = find_windows(w, Q, S, stride_w, pad_w);
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t sum = 0.0f;
            for (int p = ps.x; p < ps.y; p++) {
                for (int q = qs.x; q < qs.y; q++) {
                    const lanes_t value = lanes_load(dy + ((n * P + p) * Q + q) * C + c, left);
#ifdef INSIDE
                    const struct window v =
                        find_window(p, q, H, W, R, S, stride_h, stride_w, pad_h, pad_w);
                    sum += value / ((v.h_end - v.h_begin) * (v.w_end - v.w_begin));
#else
                    sum += value;
#endif
                }
            }
#ifndef INSIDE
            sum *= 1.0f / (R * S);
#endif
            lanes_store(sum, dx + pixel * C + c, left);
        }
    }
}

__kernel void avg_pool_backward_apart(__global const float *dy_base, ulong dy_at,
                                      __global float *dx_base, ulong dx_at, GEOMETRY)
{
    __global const float *dy = dy_base + dy_at;
    __global float *dx = dx_base + dx_at;
    FOR_UNITS(u, n_units, span)
    {
        UNIT(u, (H + R - 1) / R, (W + S - 1) / S, p, q);
        const int rows = min(R, H - p * R), columns = min(S, W - q * S);
        const int from = ((n * P + p) * Q + q) * C, to = ((n * H + p * R) * W + q * S) * C;
        FOR_CHANNELS(first, unit_channels)
        {
            lanes_t d = 0.0f;
            if (p < P && q < Q) { d = lanes_load(dy + from + c, left); }
#ifdef INSIDE
            d /= rows * columns;
#else
            d *= 1.0f / (R * S);
#endif
            for (int r = 0; r < rows; r++) {
                for (int s = 0; s < columns; s++) {
                    lanes_store(d, dx + to + (r * W + s) * C + c, left);
                }
            }
        }
    }
}

/*
 * normalize.cl: y[i,c] = x[i,c]·scale[c] + shift[c], from bytes or floats to floats.
 *
 * INPUT: the type of x. normalize_all has one scale and shift for every channel: NDRange
 * [groups·L], elements as in walk.cl. normalize_channels does channels first … first+count−1,
 * count ≤ 4, of every pixel: a unit is a pixel. normalize_few does all of C ≤ 4 channels by vectors,
 * of which C hold whole pixels; one item a group, which takes `span` pixels.
 */
#include "walk.cl"

#ifndef INPUT
#define INPUT uchar
#endif

#if VW == 1
#define LOAD_INPUT(p) (*(p))
#else
#define LOAD_INPUT(p) LANES_CAT(vload, VW)(0, p)
#endif

static inline lanes_t load_input(__global const INPUT *p, int left)
{
    if (left >= VW) { return LANES_CONVERT_FLOAT(LOAD_INPUT(p)); }
    float t[VW];
    FOR_LANES(l) { t[l] = l < left ? (float)p[l] : 0.0f; }
    return LANES_LOAD(t);
}

__kernel void normalize_all(__global const INPUT *x, ulong x_at, __global float *y, ulong y_at,
                            int n, int span, float scale, float shift)
{
    FOR_ELEMENTS(n, span)
    {
        lanes_store(fma(load_input(x + x_at + i, left), (lanes_t)scale, (lanes_t)shift),
                    y + y_at + i, left);
    }
}

__kernel void normalize_channels(__global const INPUT *x_base, ulong x_at, __global float *y_base,
                                 ulong y_at, int C, int first, int count, int pixels, int span,
                                 float scale0, float scale1, float scale2, float scale3,
                                 float shift0, float shift1, float shift2, float shift3)
{
    const float scale[4] = {scale0, scale1, scale2, scale3};
    const float shift[4] = {shift0, shift1, shift2, shift3};
    FOR_UNITS(pixel, pixels, span)
    {
        __global const INPUT *x = x_base + x_at + pixel * C + first;
        __global float *y = y_base + y_at + pixel * C + first;
        for (int c = 0; c < count; c++) { y[c] = fma((float)x[c], scale[c], shift[c]); }
    }
}

__kernel void normalize_few(__global const INPUT *x, ulong x_at, __global float *y, ulong y_at,
                            int C, int pixels, int span, float scale0, float scale1, float scale2,
                            float scale3, float shift0, float shift1, float shift2, float shift3)
{
    const float scale[4] = {scale0, scale1, scale2, scale3};
    const float shift[4] = {shift0, shift1, shift2, shift3};
    float scales[4 * VW], shifts[4 * VW];
    for (int i = 0; i < C * VW; ++i) {
        scales[i] = scale[i % C];
        shifts[i] = shift[i % C];
    }
    const int begin = get_group_id(0) * span * C;
    const int end = begin + min(span, pixels - (int)get_group_id(0) * span) * C;
    for (int i = begin; i < end; i += C * VW) {
        for (int j = 0; j < C * VW && i + j < end; j += VW) {
            const lanes_t v = load_input(x + x_at + i + j, end - i - j);
            lanes_store(fma(v, LANES_LOAD(scales + j), LANES_LOAD(shifts + j)), y + y_at + i + j,
                        end - i - j);
        }
    }
}

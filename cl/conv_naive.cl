/*
 * conv_naive.cl: convolution and its gradients, one work-item per number of the result: right for
 * every shape and device, and nothing more.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,C/groups,K]; y, dy [N,P,Q,K]. (sy,sx) stride, (ey,ex) dilation,
 * (py,px) padding before. flags: 1 add bias [K], 2 relu.
 * NDRange [count of the result, rounded up].
 */
#define ADD_BIAS 1
#define RELU 2

__kernel void conv_naive(__global const float *x, ulong x_at, __global const float *w, ulong w_at,
                         __global const float *bias, ulong bias_at, __global float *y, ulong y_at,
                         int count, int H, int W, int C, int P, int Q, int K, int R, int S, int sy,
                         int sx, int ey, int ex, int py, int px, int groups, int flags)
{
    const uint i = get_global_id(0);
    if (i >= (uint)count) { return; }
    const int pixel = i / K, k = i - pixel * K, row = pixel / Q, q = pixel - row * Q;
    const int n = row / P, p = row - n * P;
    const int cg = C / groups, group = k / (K / groups);
    float sum = 0.0f;
    for (int r = 0; r < R; ++r) {
        const int h = p * sy - py + r * ey;
        for (int s = 0; s < S; ++s) {
            const int v = q * sx - px + s * ex;
            if (h < 0 || h >= H || v < 0 || v >= W) { continue; }
            __global const float *a = x + x_at + ((n * H + h) * W + v) * C + group * cg;
            __global const float *b = w + w_at + (r * S + s) * cg * K + k;
            for (int c = 0; c < cg; ++c) { sum = fma(a[c], b[c * K], sum); }
        }
    }
    if (flags & ADD_BIAS) { sum += bias[bias_at + k]; }
    y[y_at + i] = (flags & RELU) && sum < 0.0f ? 0.0f : sum;
}

__kernel void conv_naive_data(__global const float *dy, ulong dy_at, __global const float *w,
                              ulong w_at, __global float *dx, ulong dx_at, int count, int H, int W,
                              int C, int P, int Q, int K, int R, int S, int sy, int sx, int ey,
                              int ex, int py, int px, int groups)
{
    const uint i = get_global_id(0);
    if (i >= (uint)count) { return; }
    const int pixel = i / C, c = i - pixel * C, row = pixel / W, v = pixel - row * W;
    const int n = row / H, h = row - n * H;
    const int cg = C / groups, kg = K / groups, group = c / cg;
    float sum = 0.0f;
    for (int r = 0; r < R; ++r) {
        const int p = (h + py - r * ey) / sy;
        for (int s = 0; s < S; ++s) {
            const int q = (v + px - s * ex) / sx;
            if (p * sy != h + py - r * ey || q * sx != v + px - s * ex) { continue; }
            if (p < 0 || p >= P || q < 0 || q >= Q) { continue; }
            __global const float *a = dy + dy_at + ((n * P + p) * Q + q) * K + group * kg;
            __global const float *b =
                w + w_at + ((r * S + s) * cg + c - group * cg) * K + group * kg;
            for (int k = 0; k < kg; ++k) { sum = fma(a[k], b[k], sum); }
        }
    }
    dx[dx_at + i] = sum;
}

/* Sums by rows of dy first, which keeps long sums accurate. */
__kernel void conv_naive_weights(__global const float *x, ulong x_at, __global const float *dy,
                                 ulong dy_at, __global float *dw, ulong dw_at, int count, int N,
                                 int H, int W, int C, int P, int Q, int K, int S, int sy, int sx,
                                 int ey, int ex, int py, int px, int groups)
{
    const uint i = get_global_id(0);
    if (i >= (uint)count) { return; }
    const int cg = C / groups;
    const int wc = i / K, k = i - wc * K, tap = wc / cg, r = tap / S, s = tap - r * S;
    const int c = wc - tap * cg + k / (K / groups) * cg;
    float sum = 0.0f;
    for (int n = 0; n < N; ++n) {
        for (int p = 0; p < P; ++p) {
            const int h = p * sy - py + r * ey;
            if (h < 0 || h >= H) { continue; }
            float row = 0.0f;
            for (int q = 0; q < Q; ++q) {
                const int v = q * sx - px + s * ex;
                if (v < 0 || v >= W) { continue; }
                row = fma(x[x_at + ((n * H + h) * W + v) * C + c],
                          dy[dy_at + ((n * P + p) * Q + q) * K + k], row);
            }
            sum += row;
        }
    }
    dw[dw_at + i] = sum;
}

/*
 * conv_naive.cl: convolution and its gradients, one work-item per number of the result: right for
 * every shape and device, and nothing more.
 *
 * x, dx [N,H,W,C]; w, dw [R,S,C/groups,K]; y, dy [N,P,Q,K]; db [K]. (sy,sx) stride, (ey,ex)
 * dilation, (py,px) padding before. NDRange [count of the result, rounded up].
 *
 * flags, what is fused (runtime/ops/conv.h has the formulas): with MAX_POOL or AVG_POOL y, dy and
 * pass are [N,P/2,Q/2,K]. pass, written if KEEP_PASS is there, is any pointer otherwise.
 */
#define ADD_BIAS 1
#define RELU 2
#define MAX_POOL 4
#define AVG_POOL 8
#define POOLED (MAX_POOL | AVG_POOL)
#define KEEP_PASS 16
#define MASK 32

#define GEOMETRY                                                                                   \
    int H, int W, int C, int P, int Q, int K, int R, int S, int sy, int sx, int ey, int ex,        \
        int py, int px, int groups, int flags

/* Σ x·w for output k of pixel (p,q) of image n. */
static inline float naive_output(__global const float *x, __global const float *w, int n, int p,
                                 int q, int k, GEOMETRY)
{
    const int cg = C / groups, group = k / (K / groups);
    float sum = 0.0f;
    for (int r = 0; r < R; ++r) {
        const int h = p * sy - py + r * ey;
        for (int s = 0; s < S; ++s) {
            const int v = q * sx - px + s * ex;
            if (h < 0 || h >= H || v < 0 || v >= W) { continue; }
            __global const float *a = x + ((n * H + h) * W + v) * C + group * cg;
            __global const float *b = w + (r * S + s) * cg * K + k;
            for (int c = 0; c < cg; ++c) { sum = fma(a[c], b[c * K], sum); }
        }
    }
    return sum;
}

__kernel void conv_naive(__global const float *x, ulong x_at, __global const float *w, ulong w_at,
                         __global const float *bias, ulong bias_at, __global float *y, ulong y_at,
                         __global uchar *pass, ulong pass_at, int count, GEOMETRY)
{
    const uint i = get_global_id(0);
    if (i >= (uint)count) { return; }
    const int step = flags & POOLED ? 2 : 1, rows = P / step, columns = Q / step;
    const int pixel = i / K, k = i - pixel * K, row = pixel / columns;
    const int n = row / rows, p = (row - n * rows) * step, q = (pixel - row * columns) * step;
    float best = -INFINITY, sum = 0.0f;
    int winner = 0, positive = 0;
    for (int j = 0; j < step * step; ++j) {
        float v = naive_output(x + x_at, w + w_at, n, p + j / 2, q + j % 2, k, H, W, C, P, Q, K, R,
                               S, sy, sx, ey, ex, py, px, groups, flags);
        if (flags & ADD_BIAS) { v += bias[bias_at + k]; }
        v = (flags & RELU) && v <= 0.0f ? 0.0f : v;
        if (v > best || v != v) {
            best = v;
            winner = 1 << j;
        }
        if (!((flags & RELU) && v <= 0.0f)) { positive |= 1 << j; }
        sum += v;
    }
    y[y_at + i] = flags & AVG_POOL ? 0.25f * sum : best;
    if (flags & KEEP_PASS) {
        pass[pass_at + i] = positive & (flags & MAX_POOL ? winner : 15);
    }
}

/* The gradient that reaches output k of pixel (p,q) of image n. */
static inline float naive_dy(__global const float *dy, __global const uchar *pass, int n, int p,
                             int q, int k, int P, int Q, int K, int flags)
{
    if (!(flags & POOLED)) { return dy[((n * P + p) * Q + q) * K + k]; }
    if (p / 2 >= P / 2 || q / 2 >= Q / 2) { return 0.0f; }
    const int at = ((n * (P / 2) + p / 2) * (Q / 2) + q / 2) * K + k;
    const float share = flags & AVG_POOL ? 0.25f : 1.0f;
    return pass[at] >> (p % 2 * 2 + q % 2) & 1 ? share * dy[at] : 0.0f;
}

__kernel void conv_naive_data(__global const float *dy, ulong dy_at, __global const float *w,
                              ulong w_at, __global const float *x, ulong x_at,
                              __global const uchar *pass, ulong pass_at, __global float *dx,
                              ulong dx_at, int count, GEOMETRY)
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
            __global const float *b =
                w + w_at + ((r * S + s) * cg + c - group * cg) * K + group * kg;
            for (int k = 0; k < kg; ++k) {
                const float d =
                    naive_dy(dy + dy_at, pass + pass_at, n, p, q, group * kg + k, P, Q, K, flags);
                sum = fma(d, b[k], sum);
            }
        }
    }
    dx[dx_at + i] = (flags & MASK) && x[x_at + i] <= 0.0f ? 0.0f : sum;
}

/* Sums by rows of dy first, which keeps long sums accurate. */
__kernel void conv_naive_weights(__global const float *x, ulong x_at, __global const float *dy,
                                 ulong dy_at, __global const uchar *pass, ulong pass_at,
                                 __global float *dw, ulong dw_at, int count, int N, GEOMETRY)
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
                const float d = naive_dy(dy + dy_at, pass + pass_at, n, p, q, k, P, Q, K, flags);
                row = fma(x[x_at + ((n * H + h) * W + v) * C + c], d, row);
            }
            sum += row;
        }
    }
    dw[dw_at + i] = sum;
}

/* db, likewise. */
__kernel void conv_naive_bias(__global const float *dy, ulong dy_at, __global const uchar *pass,
                              ulong pass_at, __global float *db, ulong db_at, int K, int N, int P,
                              int Q, int flags)
{
    const int k = get_global_id(0);
    if (k >= K) { return; }
    float sum = 0.0f;
    for (int n = 0; n < N; ++n) {
        for (int p = 0; p < P; ++p) {
            float row = 0.0f;
            for (int q = 0; q < Q; ++q) {
                row += naive_dy(dy + dy_at, pass + pass_at, n, p, q, k, P, Q, K, flags);
            }
            sum += row;
        }
    }
    db[db_at + k] = sum;
}

/*
 * gpu_conv_pool.cl: what is fused with a convolution (runtime/ops/conv.h) beside its product, for
 * GPUs: pooling of 2×2 pixels with the bits that say what passed, and its gradient.
 *
 * v, dv [N,P,Q,K]; y, dy, pass [N,⌊P/2⌋,⌊Q/2⌋,K]. flags: 1 relu was applied to v, 2 mean (else
 * largest), 4 write pass. An item makes one number of the result, neighbours have neighbouring k.
 * NDRange [count of the result, rounded up].
 */
#define RELU 1
#define MEAN 2
#define KEEP_PASS 4

__kernel void gpu_conv_pool(__global const float *restrict v, ulong v_at,
                            __global float *restrict y, ulong y_at, __global uchar *restrict pass,
                            ulong pass_at, int count, int P, int Q, int K, int flags)
{
    const int i = get_global_id(0);
    if (i >= count) { return; }
    const int window = i / K, line = window / (Q / 2), n = line / (P / 2);
    const int p = 2 * (line - n * (P / 2)), q = 2 * (window - line * (Q / 2));
    __global const float *from = v + v_at + ((n * P + p) * Q + q) * K + i - window * K;
    float best = -INFINITY, sum = 0.0f;
    int winner = 0, positive = 0;
    for (int j = 0; j < 4; ++j) {
        const float a = from[(j / 2 * Q + j % 2) * K];
        if (a > best || a != a) {
            best = a;
            winner = 1 << j;
        }
        if (!((flags & RELU) && a <= 0.0f)) { positive |= 1 << j; }
        sum += a;
    }
    y[y_at + i] = flags & MEAN ? 0.25f * sum : best;
    if (flags & KEEP_PASS) { pass[pass_at + i] = positive & (flags & MEAN ? 15 : winner); }
}

__kernel void gpu_conv_unpool(__global const float *restrict dy, ulong dy_at,
                              __global const uchar *restrict pass, ulong pass_at,
                              __global float *restrict dv, ulong dv_at, int count, int P, int Q,
                              int K, int flags)
{
    const int i = get_global_id(0);
    if (i >= count) { return; }
    const int pixel = i / K, line = pixel / Q, q = pixel - line * Q, n = line / P;
    const int p = line - n * P;
    const int at = ((n * (P / 2) + p / 2) * (Q / 2) + q / 2) * K + i - pixel * K;
    const bool whole = p / 2 < P / 2 && q / 2 < Q / 2;
    const bool passes = whole && (pass[pass_at + at] >> (p % 2 * 2 + q % 2) & 1);
    dv[dv_at + i] = passes ? (flags & MEAN ? 0.25f : 1.0f) * dy[dy_at + at] : 0.0f;
}

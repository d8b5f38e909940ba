/*
 * gemm.cl: matrix products, one work-item per number of the result: right for every shape and
 * device, and nothing more.
 *
 *   out[i,j] = Σ_l a[i·ai + l·al] · b[l·bl + j·bj]
 *
 * out [M,N]; flags: 1 add bias [N], 2 relu, 4 add to out. NDRange [M·N, rounded up].
 */
#define ADD_BIAS 1
#define RELU 2
#define ADD 4

static inline float finish(float v, __global const float *bias, int j, int flags)
{
    if (flags & ADD_BIAS) { v += bias[j]; }
    return (flags & RELU) && v < 0.0f ? 0.0f : v;
}

__kernel void gemm_naive(__global const float *a, ulong a_at, __global const float *b, ulong b_at,
                         __global const float *bias, ulong bias_at, __global float *out,
                         ulong out_at, int M, int N, int L, int ai, int al, int bl, int bj,
                         int flags)
{
    const uint at = get_global_id(0);
    if (at >= (uint)M * (uint)N) { return; }
    const int i = at / N, j = at - i * N;
    float sum = flags & ADD ? out[out_at + at] : 0.0f;
    for (int l = 0; l < L; ++l) {
        sum = fma(a[a_at + i * ai + l * al], b[b_at + l * bl + j * bj], sum);
    }
    out[out_at + at] = finish(sum, bias + bias_at, j, flags);
}

/* What a library's product lacks: y [count/N, N] gets its bias and relu. NDRange [count]. */
__kernel void gemm_finish(__global const float *bias, ulong bias_at, __global float *y, ulong y_at,
                          int count, int N, int flags)
{
    const uint at = get_global_id(0);
    if (at >= (uint)count) { return; }
    y[y_at + at] = finish(y[y_at + at], bias + bias_at, at % N, flags);
}

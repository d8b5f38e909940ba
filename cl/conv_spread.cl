/*
 * conv_spread.cl: the gradient of a pooled convolution's full output, for kernels that do not read
 * it through the pass bits themselves (runtime/ops/conv.h). For CPUs.
 *
 *   dv[n,p,q,k] = bit i of pass[n,p/2,q/2,k] ? share·dy[n,p/2,q/2,k] : 0, i = 2·(p mod 2) + q mod 2
 *
 * and 0 beyond the last whole window. dv [N,P,Q,K]; dy, pass [N,⌊P/2⌋,⌊Q/2⌋,K].
 * NDRange [N·P], one item a group. Tunables: VW.
 */
#include "conv_window.cl"

__kernel ONE_ITEM void conv_spread(__global const float *restrict dy, ulong dy_at,
                                   __global const uchar *restrict pass, ulong pass_at,
                                   __global float *restrict dv, ulong dv_at, int P, int Q, int K,
                                   float share)
{
    const int row = get_group_id(0), n = row / P, p = row - n * P;
    const long from = (n * (P / 2) + p / 2) * (Q / 2) * K;
    dv += dv_at + row * Q * K;
    for (int q = 0; q < Q; ++q, dv += K) {
        const bool inside = p / 2 < P / 2 && q / 2 < Q / 2;
        __global const float *d = dy + dy_at + from + q / 2 * K;
        __global const uchar *bits = pass + pass_at + from + q / 2 * K;
        for (int k = 0; k < K; k += VW) {
            const vec_t v = inside ? take_share(share * load_part(d + k, K - k),
                                                load_bits(bits + k, K - k), p % 2 * 2 + q % 2)
                                   : (vec_t)(0.0f);
            store_part(v, dv + k, K - k);
        }
    }
}

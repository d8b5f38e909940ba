/*
 * conv_winograd_weights.cl: the gradient to the weights of a 3×3 or 5×5 convolution of stride 1, by
 * Winograd's transforms. For CPUs.
 *
 *   dw[r,s,c,k] = Σ_{n,p,q} x[n, p − py + r, q − px + s, c] · dy[n,p,q,k]
 *               = Gᵀ[ Σ_tiles (Bᵀ x B)[c] · (A dy Aᵀ)[k] ]G
 *
 * x [N,H,W,C], zero outside; dy [N,P,Q,K]; dw [TAPS,TAPS,C,K]; tiles as in conv_winograd.cl.
 *
 * An item takes CS channels and KS columns of the blocks of T tiles i, i + G, i + 2G …: it
 * transforms them into V [point][c / VW][tile][VW] and D [point][k / NV][tile][NV], adds their
 * products to S [point][k-block][channel][NV], CT channels × NV columns at a time, and in the end
 * transforms S into a slab of dw of its own. conv_weights_sum (conv_weights.cl) adds the G slabs in
 * their order: what is added to what depends on the shape alone.
 *
 * With FROM_POOLED dy is a gradient to windows of 2×2 pixels, [N,P/2,Q/2,K] and `pass`, P and Q even
 * (runtime/ops/conv.h); flags: 4 their largest was taken, 8 their mean, 64 sum dy itself into slabs
 * [K], too.
 *
 * NDRange [G, ⌈C/CS⌉, ⌈K/KS⌉], one item a group.
 * Tunables: VW; EDGE, TAPS; CT; T; CS, a multiple of VW, and KS, one of NV, so that a point's planes stay
 * in the first-level cache, all planes in the second.
 */
#include "winograd.cl"
#ifndef CT
#define CT 4
#endif
#ifndef T
#define T 32
#endif
#ifndef CS
#define CS 64
#endif
#ifndef KS
#define KS 64
#endif
#define AVG_POOL 8
#define SUM_DY 64
#define V_PLANE (CS * T + 16)
#define D_PLANE (KS * T + 16)
#define S_PLANE (CS * KS + 16)

/* sums[CT][NV] = Σ_t v[t][CT] · d[t][NV], or += */
static INLINED void multiply(float *sums, const float *v, const float *d, int tiles, bool first)
{
    vec_t lo[CT], hi[CT];
    UNROLL for (int i = 0; i < CT; ++i) { lo[i] = hi[i] = (vec_t)(0.0f); }
    for (int t = 0; t < tiles; ++t, v += VW, d += NV) {
        const vec_t d_lo = VEC_LOAD(0, d), d_hi = VEC_LOAD(1, d);
        UNROLL for (int i = 0; i < CT; ++i)
        {
            const vec_t a = (vec_t)(v[i]);
            lo[i] = fma(a, d_lo, lo[i]);
            hi[i] = fma(a, d_hi, hi[i]);
        }
    }
    UNROLL for (int i = 0; i < CT; ++i)
    {
        VEC_STORE(first ? lo[i] : lo[i] + VEC_LOAD(2 * i, sums), 2 * i, sums);
        VEC_STORE(first ? hi[i] : hi[i] + VEC_LOAD(2 * i + 1, sums), 2 * i + 1, sums);
    }
}

/* VW columns of one channel's sums become TAPS² weights, C·K numbers apart. */
static INLINED void write_filter(__global float *dw, const float *sums, int tap, int columns)
{
    vec_t w[POINTS];
    transform_filter(w, sums, S_PLANE);
    UNROLL for (int r = 0; r < TAPS; ++r)
    {
        UNROLL for (int s = 0; s < TAPS; ++s)
        {
            store_part(w[r * SPAN + s], dw + (r * TAPS + s) * tap, columns);
        }
    }
}

/* sums[VW] += the tile's pixels. */
static INLINED void add_pixels(float *sums, const vec_t *d)
{
    vec_t sum = VEC_LOAD(0, sums);
    UNROLL for (int i = 0; i < EDGE * EDGE; ++i) { sum += d[i / EDGE * SPAN + i % EDGE]; }
    VEC_STORE(sum, 0, sums);
}

__kernel ONE_ITEM void conv_winograd_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global const uchar *restrict pass, ulong pass_at, __global float *restrict slabs,
    ulong slabs_at, __global float *restrict db, ulong db_at, int H, int W, int C, int P, int Q,
    int K, int py, int px, int tiles, int flags)
{
    float V[POINTS * V_PLANE] __attribute__((aligned(64)));
    float D[POINTS * D_PLANE] __attribute__((aligned(64)));
    float S[POINTS * S_PLANE] __attribute__((aligned(64)));
    float B[KS] __attribute__((aligned(64)));
    const int TH = (P + EDGE - 1) / EDGE, TW = (Q + EDGE - 1) / EDGE;
    const int c0 = get_group_id(1) * CS, channels = min(CS, C - c0);
    const int k0 = get_group_id(2) * KS, columns = min(KS, K - k0);
    const bool sum_dy = (flags & SUM_DY) && c0 == 0;
    x += x_at + c0;
    dy += dy_at + k0;
    pass += pass_at + k0;
    slabs += slabs_at + get_group_id(0) * (TAPS * TAPS * C * K) + c0 * K + k0;
    for (int i = 0; i < KS; i += VW) { VEC_STORE((vec_t)(0.0f), 0, B + i); }
    const int begin = get_group_id(0) * T;
    for (int t0 = begin; t0 < tiles; t0 += get_num_groups(0) * T) {
        const int here = min(T, tiles - t0);
        for (int t = 0; t < here; ++t) {
            const struct spot s = spot_of(t0 + t, TH, TW);
            const int p = s.ty * EDGE, q = s.tx * EDGE;
            const struct window w =
                window_of(x + s.n * (H * W * C), p - py, q - px, H, W, C, SPAN);
            const int next = t + 1 < here ? t0 + t + 1 : t0 + get_num_groups(0) * T;
            const struct spot ahead = spot_of(min(next, tiles - 1), TH, TW);
            call_for_pixels((__global const char *)(x + ahead.n * (H * W * C)),
                            ahead.ty * EDGE - py, ahead.tx * EDGE - px + TAPS - 1, SPAN, EDGE, W,
                            4 * C, 4 * channels);
            for (int c = 0; c < channels; c += VW) {
                vec_t d[POINTS];
                load_window(d, w, SPAN, c, channels - c);
                transform_input(V + c * T + t * VW, V_PLANE, d, 0);
            }
#ifdef FROM_POOLED
            const int image = s.n * (P / 2) * (Q / 2) * K;
            const int image_ahead = ahead.n * (P / 2) * (Q / 2) * K;
            call_for_pooled(dy + image_ahead, pass + image_ahead, ahead.ty * EDGE, ahead.tx * EDGE,
                            Q, K, EDGE, columns);
            const struct pooled_window g =
                pooled_window_of(dy + image, pass + image, p, q, P, Q, K,
                                 flags & AVG_POOL ? 0.25f : 1.0f);
#else
            const struct window g = window_of(dy + s.n * (P * Q * K), p, q, P, Q, K, EDGE);
            call_for_pixels((__global const char *)(dy + ahead.n * (P * Q * K)), ahead.ty * EDGE,
                            ahead.tx * EDGE, EDGE, EDGE, Q, 4 * K, 4 * columns);
#endif
            for (int k = 0; k < columns; k += VW) {
                vec_t d[POINTS];
#ifdef FROM_POOLED
                load_pooled(d, g, EDGE, 0, 0, k, columns - k);
#else
                load_window(d, g, EDGE, k, columns - k);
#endif
                if (sum_dy) { add_pixels(B + k, d); }
                transform_gradient(D + k / NV * (NV * T) + t * NV + k % NV, D_PLANE, d);
            }
        }
        for (int point = 0; point < POINTS; ++point) {
            for (int k = 0; k < columns; k += NV) {
                for (int c = 0; c < channels; c += CT) {
                    multiply(S + point * S_PLANE + k * CS + c * NV,
                             V + point * V_PLANE + c / VW * (VW * T) + c % VW,
                             D + point * D_PLANE + k * T, here, t0 == begin);
                }
            }
        }
    }
    for (int c = 0; c < channels; ++c) {
        for (int k = 0; k < columns; k += VW) {
            write_filter(slabs + c * K + k, S + k / NV * (NV * CS) + c * NV + k % NV, C * K,
                         columns - k);
        }
    }
    for (int k = 0; sum_dy && k < columns; ++k) { db[db_at + get_group_id(0) * K + k0 + k] = B[k]; }
}

/*
 * soft_share.cl: distances between equal parameters of several networks, and their gradients.
 *
 *   penalty = Σ_i [ Σ_t P[t,t]·w_t[i]² + Σ_{t<s} P[t,s]·(w_t[i] − w_s[i])² ]
 *   d_t[i]  = g[i] + 2·dpenalty·( P[t,t]·w_t[i] + Σ_{s≠t} P[t,s]·(w_t[i] − w_s[i]) )
 *
 * w_t are flat [n], t < T; P [T,T] is read on and above its diagonal only. A launch has one t, own,
 * and `others` ≤ 7 further s: those from place `first` on among all but t. The term of the diagonal
 * counts in the launch that says so. NDRange [groups·L], spans as in walk.cl. Differences are taken
 * before they are multiplied: where two are nearly equal, a sum of products would be rounding error.
 */
#include "walk.cl"

#define OTHERS 7
#define FOR_OTHERS(k) _Pragma("unroll") for (int k = 0; k < OTHERS; k++)

struct pulls {
    float diagonal, other[OTHERS];
};

static INLINED struct pulls pulls_of(__global const float *pull, int T, int t, int first,
                                     int others, int diagonal)
{
    struct pulls p;
    p.diagonal = diagonal ? pull[t * T + t] : 0.0f;
    FOR_OTHERS(k)
    {
        const int place = first + k, s = place < t ? place : place + 1;
        p.other[k] = k < others ? pull[min(t, s) * T + max(t, s)] : 0.0f;
    }
    return p;
}

/* sums[at + group] = what the launch adds to the penalty; with one launch of one group that is all
 * of it. */
__kernel void soft_share(__global const float *own, ulong own_at, __global const float *w0,
                         ulong w0_at, __global const float *w1, ulong w1_at,
                         __global const float *w2, ulong w2_at, __global const float *w3,
                         ulong w3_at, __global const float *w4, ulong w4_at,
                         __global const float *w5, ulong w5_at, __global const float *w6,
                         ulong w6_at, __global const float *pull, ulong pull_at,
                         __global float *sums, ulong sums_at, int T, int t, int first, int others,
                         int diagonal, int at, int n, int span, __local float *scratch)
{
    __global const float *const w[OTHERS] = {w0 + w0_at, w1 + w1_at, w2 + w2_at, w3 + w3_at,
                                             w4 + w4_at, w5 + w5_at, w6 + w6_at};
    const struct pulls p = pulls_of(pull + pull_at, T, t, first, others, diagonal);
    lanes_t sum = 0.0f;
    FOR_ELEMENTS(n, span)
    {
        const lanes_t x = lanes_load(own + own_at + i, left);
        sum = fma(p.diagonal * x, x, sum);
        FOR_OTHERS(k)
        {
            if (k < others) {
                const lanes_t d = x - lanes_load(w[k] + i, left);
                sum = fma(p.other[k] * d, d, sum);
            }
        }
    }
    const float all = group_sum(lanes_sum(sum), scratch);
    if (get_local_id(0) == 0) { sums[sums_at + at + get_group_id(0)] = all; }
}

/* sums [n_sums] → penalty [1]. One group. */
__kernel void soft_share_finish(__global const float *sums, ulong sums_at, __global float *penalty,
                                ulong penalty_at, int n_sums, __local float *scratch)
{
    float a = 0.0f;
    for (int i = get_local_id(0); i < n_sums; i += get_local_size(0)) { a += sums[sums_at + i]; }
    a = group_sum(a, scratch);
    if (get_local_id(0) == 0) { penalty[penalty_at] = a; }
}

/* g counts where `adds` is set. */
__kernel void soft_share_backward(
    __global const float *own, ulong own_at, __global const float *w0, ulong w0_at,
    __global const float *w1, ulong w1_at, __global const float *w2, ulong w2_at,
    __global const float *w3, ulong w3_at, __global const float *w4, ulong w4_at,
    __global const float *w5, ulong w5_at, __global const float *w6, ulong w6_at,
    __global const float *pull, ulong pull_at, __global const float *dpenalty, ulong dpenalty_at,
    __global const float *g, ulong g_at, __global float *d, ulong d_at, int T, int t, int first,
    int others, int diagonal, int adds, int n, int span)
{
    __global const float *const w[OTHERS] = {w0 + w0_at, w1 + w1_at, w2 + w2_at, w3 + w3_at,
                                             w4 + w4_at, w5 + w5_at, w6 + w6_at};
    const struct pulls p = pulls_of(pull + pull_at, T, t, first, others, diagonal);
    const float scale = 2.0f * dpenalty[dpenalty_at];
    FOR_ELEMENTS(n, span)
    {
        const lanes_t x = lanes_load(own + own_at + i, left);
        lanes_t sum = p.diagonal * x, before = 0.0f;
        FOR_OTHERS(k)
        {
            if (k < others) { sum = fma(p.other[k], x - lanes_load(w[k] + i, left), sum); }
        }
        if (adds) { before = lanes_load(g + g_at + i, left); }
        lanes_store(fma(scale, sum, before), d + d_at + i, left);
    }
}

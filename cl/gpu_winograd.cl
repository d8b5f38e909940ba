/*
 * gpu_winograd.cl: the transforms of Winograd's convolution (winograd.cl) as kernels of their own,
 * for GPUs: before and behind a product that gpu_conv.cl or gpu_conv_weights.cl makes, as a 1×1
 * convolution with a group for each point.
 *
 *   forward           V = Bᵀ x B,  U = G w Gᵀ,     M[t,i,:] = V[t,i,:] · U[:,i,:],       y  = Aᵀ M A
 *   to the weights    V = Bᵀ x B,  D = A dy Aᵀ,    M[:,i,:] = Σ_t V[t,i,:]ᵀ · D[t,i,:],  dw = Gᵀ M G
 *
 * V [tiles,POINTS,C], D [tiles,POINTS,K], U and M of the weights [C,POINTS,K], M [tiles,POINTS,K];
 * tile t = (n·TH + ty)·TW + tx is the outputs from (EDGE·ty, EDGE·tx) of image n on.
 *
 * An item does one tile, or one place of the weights, for VW numbers side by side; neighbours have
 * neighbouring numbers. C and K are multiples of VW. NDRange [items, rounded up].
 * Tunables: VW = 2 (two numbers of 36 points are 72 registers), EDGE.
 */
#include "winograd.cl"
#define ADD_BIAS 1
#define RELU 2
#define MASK 4
#define TURNED 1

/* The item's tile, and the first of its numbers: of n numbers a tile has. */
#define FIND_TILE(n)                                                                               \
    const int item = get_global_id(0);                                                             \
    if (item >= items) { return; }                                                                 \
    const int tile = item / ((n) / VW), c = (item - tile * ((n) / VW)) * VW;                       \
    const struct spot spot = spot_of(tile, TH, TW)

/* x [N,H,W,C] to V; (py,px) padding before. */
__kernel void gpu_winograd_input(__global const float *restrict x, ulong x_at,
                                 __global float *restrict v, ulong v_at, int items, int TH, int TW,
                                 int H, int W, int C, int py, int px)
{
    FIND_TILE(C);
    const struct window w = window_of(x + x_at + spot.n * H * W * C, spot.ty * EDGE - py,
                                      spot.tx * EDGE - px, H, W, C, SPAN);
    vec_t d[POINTS];
    load_window(d, w, SPAN, c, VW);
    UNROLL for (int j = 0; j < SPAN; ++j) { input_line(d + j, SPAN); }
    v += v_at + (long)tile * POINTS * C + c;
    UNROLL for (int i = 0; i < SPAN; ++i)
    {
        input_line(d + i * SPAN, 1);
        UNROLL for (int j = 0; j < SPAN; ++j) { VEC_WRITE(d[i * SPAN + j], 0, v + (i * SPAN + j) * C); }
    }
}

/* dy [N,P,Q,K] to D. */
__kernel void gpu_winograd_gradient(__global const float *restrict dy, ulong dy_at,
                                    __global float *restrict v, ulong v_at, int items, int TH,
                                    int TW, int P, int Q, int K)
{
    FIND_TILE(K);
    const struct window w = window_of(dy + dy_at + spot.n * P * Q * K, spot.ty * EDGE,
                                      spot.tx * EDGE, P, Q, K, EDGE);
    vec_t d[POINTS];
    load_window(d, w, EDGE, c, VW);
    UNROLL for (int j = 0; j < EDGE; ++j) { gradient_line(d + j, SPAN); }
    v += v_at + (long)tile * POINTS * K + c;
    UNROLL for (int i = 0; i < SPAN; ++i)
    {
        gradient_line(d + i * SPAN, 1);
        UNROLL for (int j = 0; j < SPAN; ++j) { VEC_WRITE(d[i * SPAN + j], 0, v + (i * SPAN + j) * K); }
    }
}

/* w [3,3,C,K] to U; TURNED: to [K,POINTS,C], by the filters turned round. rows, columns: C and K of
 * what comes out. */
__kernel void gpu_winograd_filters(__global const float *restrict w, ulong w_at,
                                   __global float *restrict u, ulong u_at, int items, int rows,
                                   int columns, int flags)
{
    const int item = get_global_id(0);
    if (item >= items) { return; }
    const int row = item / (columns / VW), column = (item - row * (columns / VW)) * VW;
    const bool turned = flags & TURNED;
    vec_t g[POINTS];
    UNROLL for (int s = 0; s < 3; ++s)
    {
        UNROLL for (int r = 0; r < 3; ++r)
        {
            const int tap = turned ? 8 - r * 3 - s : r * 3 + s;
            __global const float *from = w + w_at + tap * rows * columns;
            float lane[VW];
            UNROLL for (int i = 0; i < VW; ++i)
            {
                lane[i] = from[turned ? (column + i) * rows + row : row * columns + column + i];
            }
            g[r * SPAN + s] = VEC_LOAD(0, lane);
        }
        weight_line(g + s, SPAN);
    }
    u += u_at + row * POINTS * columns + column;
    UNROLL for (int i = 0; i < SPAN; ++i)
    {
        weight_line(g + i * SPAN, 1);
        UNROLL for (int j = 0; j < SPAN; ++j)
        {
            VEC_WRITE(g[i * SPAN + j], 0, u + (i * SPAN + j) * columns);
        }
    }
}

/* M to y [N,P,Q,K]. flags: 1 add bias [K], 2 relu, 4 mask: where `bias` [N,P,Q,K] is ≤ 0, y is 0. */
__kernel void gpu_winograd_output(__global const float *restrict m, ulong m_at,
                                  __global const float *restrict bias, ulong bias_at,
                                  __global float *restrict y, ulong y_at, int items, int TH, int TW,
                                  int P, int Q, int K, int flags)
{
    FIND_TILE(K);
    vec_t a[POINTS];
    m += m_at + (long)tile * POINTS * K + c;
    UNROLL for (int j = 0; j < SPAN; ++j)
    {
        UNROLL for (int i = 0; i < SPAN; ++i)
        {
            a[i * SPAN + j] = VEC_LOAD(0, m + (i * SPAN + j) * K);
        }
        output_line(a + j, SPAN);
    }
    const vec_t add = flags & ADD_BIAS ? VEC_LOAD(0, bias + bias_at + c) : (vec_t)(0.0f);
    UNROLL for (int i = 0; i < EDGE; ++i)
    {
        output_line(a + i * SPAN, 1);
        UNROLL for (int j = 0; j < EDGE; ++j)
        {
            const int p = spot.ty * EDGE + i, q = spot.tx * EDGE + j;
            if (p >= P || q >= Q) { continue; }
            const int at = ((spot.n * P + p) * Q + q) * K + c;
            vec_t v = a[i * SPAN + j] + add;
            if (flags & RELU) { v = relu(v); }
            if (flags & MASK) {
                v = VEC_LOAD(0, bias + bias_at + at) <= (vec_t)(0.0f) ? (vec_t)(0.0f) : v;
            }
            VEC_WRITE(v, 0, y + y_at + at);
        }
    }
}

/* M [C,POINTS,K] to dw [3,3,C,K]. */
__kernel void gpu_winograd_weights(__global const float *restrict m, ulong m_at,
                                   __global float *restrict dw, ulong dw_at, int items, int C,
                                   int K)
{
    const int item = get_global_id(0);
    if (item >= items) { return; }
    const int c = item / (K / VW), k = (item - c * (K / VW)) * VW;
    vec_t a[POINTS];
    m += m_at + c * POINTS * K + k;
    dw += dw_at + c * K + k;
    UNROLL for (int j = 0; j < SPAN; ++j)
    {
        UNROLL for (int i = 0; i < SPAN; ++i)
        {
            a[i * SPAN + j] = VEC_LOAD(0, m + (i * SPAN + j) * K);
        }
        filter_line(a + j, SPAN);
    }
    UNROLL for (int r = 0; r < 3; ++r)
    {
        filter_line(a + r * SPAN, 1);
        UNROLL for (int s = 0; s < 3; ++s) { VEC_WRITE(a[r * SPAN + s], 0, dw + (r * 3 + s) * C * K); }
    }
}

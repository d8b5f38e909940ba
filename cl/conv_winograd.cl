/*
 * conv_winograd.cl: 3×3 convolution of stride 1 by Winograd's transforms, in one kernel; also its
 * gradient to the input, which is the same convolution of dy by the filters turned round. For CPUs.
 *
 *   y[n,p,q,k] = relu(b[k] + Σ_{r<3, s<3, c<C} x[n, p − py + r, q − px + s, c] · w[r,s,c,k])
 *
 * x [N,H,W,C], zero outside; y [N,P,Q,K]; tiles as winograd.cl has them, in the order of their
 * numbers (n·TH + ty)·TW + tx.
 *
 *   T tiles ──Bᵀ·B──▶ V [c-block][point][tile][PITCH]      an item's block, in its own memory:
 *                       │                                  V is made once, then for every NV
 *   U [k-block] ──────▶ ⊗ ──▶ Y [point][tile][NV] ──Aᵀ·A──▶ columns there is a matrix product
 *     [c-block][point][c][NV]                    y         per point, TP tiles × NV columns at a
 *                                                          time, and the outputs are done
 *
 * NDRange of conv_winograd [G], one item a group: blocks i, i + G, i + 2G … are item i's.
 * flags: 1 add bias [K], 2 relu.
 * Tunables: VW; EDGE; TP tiles of a register tile; CB channels of a block, what keeps a point's
 * weights in the first-level cache; V_FLOATS, Y_FLOATS: sizes, which the host keeps to.
 */
#include "winograd.cl"
#ifndef TP
#define TP 6
#endif
#ifndef CB
#define CB 64
#endif
#ifndef V_FLOATS
#define V_FLOATS (POINTS * (TP * (CB + 16) + 16))
#endif
#ifndef Y_FLOATS
#define Y_FLOATS (POINTS * (TP * NV + 16))
#endif
#define PITCH (CB + 16) /* odd in cache lines, so that the rows of a tile do not collide */
#define PLANE(T) ((T)*PITCH + 16) /* and so the planes */
#define Y_PLANE(T) ((T)*NV + 16)
#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch)
#define PREFETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2) /* second level */
#endif
#endif
#ifndef PREFETCH
#define PREFETCH(p)
#endif
#ifndef AHEAD
#define AHEAD (2 * CB * NV)
#endif
#define ADD_BIAS 1
#define RELU 2

/* y[TP][NV] = v[TP][n] · u[n][NV], or += */
static INLINED void multiply(float *y, const float *v, __global const float *u, int n, bool first)
{
    vec_t lo[TP], hi[TP];
    UNROLL for (int i = 0; i < TP; ++i)
    {
        lo[i] = first ? (vec_t)(0.0f) : VEC_LOAD(2 * i, y);
        hi[i] = first ? (vec_t)(0.0f) : VEC_LOAD(2 * i + 1, y);
    }
    for (int c = 0; c < n; ++c, u += NV) {
        PREFETCH(u + AHEAD);
        PREFETCH(u + AHEAD + VW);
        const vec_t u_lo = VEC_LOAD(0, u), u_hi = VEC_LOAD(1, u);
        UNROLL for (int i = 0; i < TP; ++i)
        {
            const vec_t a = (vec_t)(v[i * PITCH + c]);
            lo[i] = fma(a, u_lo, lo[i]);
            hi[i] = fma(a, u_hi, hi[i]);
        }
    }
    UNROLL for (int i = 0; i < TP; ++i)
    {
        VEC_STORE(lo[i], 2 * i, y);
        VEC_STORE(hi[i], 2 * i + 1, y);
    }
}

/* One k-block of a block's products: u is U's. */
static inline void multiply_block(float *Y, const float *V, __global const float *u, int C, int T,
                                  int tiles)
{
    for (int c0 = 0; c0 < C; c0 += CB, V += POINTS * PLANE(T)) {
        const int n = min(CB, C - c0);
        for (int point = 0; point < POINTS; ++point, u += n * NV) {
            for (int t = 0; t < tiles; t += TP) {
                multiply(Y + point * Y_PLANE(T) + t * NV, V + point * PLANE(T) + t * PITCH, u, n,
                         c0 == 0);
            }
        }
    }
}

/* Outputs of a tile: VW columns from y on, of which `columns` exist. */
struct target {
    __global float *y;
    __global const float *bias; /* of these columns, or 0 */
    int row, column;            /* steps in y */
    int rows, cols;             /* that exist; may be more than EDGE */
    int columns, relu;
};

static INLINED void write_outputs(const float *from, int plane, struct target t)
{
    vec_t y[EDGE * EDGE];
    transform_output(y, from, plane);
    const vec_t bias = t.bias ? load_part(t.bias, t.columns) : (vec_t)(0.0f);
    UNROLL for (int i = 0; i < EDGE * EDGE; ++i)
    {
        y[i] += bias;
        if (t.relu) { y[i] = relu(y[i]); }
    }
    if (t.columns >= VW) {
        UNROLL for (int i = 0; i < EDGE * EDGE; ++i)
        {
            if (i / EDGE < t.rows && i % EDGE < t.cols) {
                VEC_WRITE(y[i], 0, t.y + i / EDGE * t.row + i % EDGE * t.column);
            }
        }
        return;
    }
    float part[EDGE * EDGE * VW];
    UNROLL for (int i = 0; i < EDGE * EDGE; ++i) { VEC_STORE(y[i], i, part); }
    for (int i = 0; i < EDGE * EDGE; ++i) {
        if (i / EDGE < t.rows && i % EDGE < t.cols) {
            store_part(VEC_LOAD(i, part), t.y + i / EDGE * t.row + i % EDGE * t.column, t.columns);
        }
    }
}

__kernel ONE_ITEM void conv_winograd(__global const float *restrict x, ulong x_at,
                                     __global const float *restrict u, ulong u_at,
                                     __global const float *restrict bias, ulong bias_at,
                                     __global float *restrict y, ulong y_at, int H, int W, int C,
                                     int P, int Q, int K, int py, int px, int tiles, int T,
                                     int flags)
{
    float V[V_FLOATS] __attribute__((aligned(64)));
    float Y[Y_FLOATS] __attribute__((aligned(64)));
    const int TH = (P + EDGE - 1) / EDGE, TW = (Q + EDGE - 1) / EDGE;
    x += x_at;
    u += u_at;
    bias += bias_at;
    y += y_at;
    for (int t0 = get_group_id(0) * T; t0 < tiles; t0 += get_num_groups(0) * T) {
        const int here = min(T, tiles - t0), rounded = (here + TP - 1) / TP * TP;
        for (int t = 0; t < rounded; ++t) { /* those beyond the last are copies of it */
            const struct spot s = spot_of(min(t0 + t, tiles - 1), TH, TW);
            const struct window w = window_of(x + s.n * (H * W * C), s.ty * EDGE - py,
                                              s.tx * EDGE - px, H, W, C, SPAN);
            float *to = V + t * PITCH;
            for (int c0 = 0; c0 < C; c0 += CB, to += POINTS * PLANE(T)) {
                for (int c = 0; c < min(CB, C - c0); c += VW) {
                    transform_input(to + c, PLANE(T), w, c0 + c, C - c0 - c);
                }
            }
        }
        for (int kb = 0; kb * NV < K; ++kb) {
            multiply_block(Y, V, u + kb * (POINTS * C * NV), C, T, rounded);
            for (int t = 0; t < here; ++t) {
                const struct spot s = spot_of(t0 + t, TH, TW);
                const int p = s.ty * EDGE, q = s.tx * EDGE;
                struct target to = {y + ((s.n * P + p) * Q + q) * K + kb * NV,
                                    flags & ADD_BIAS ? bias + kb * NV : 0,
                                    Q * K,
                                    K,
                                    P - p,
                                    Q - q,
                                    K - kb * NV,
                                    flags & RELU};
                for (int h = 0; h < 2 && to.columns > 0; ++h) {
                    write_outputs(Y + t * NV + h * VW, Y_PLANE(T), to);
                    to.y += VW;
                    if (to.bias) { to.bias += VW; }
                    to.columns -= VW;
                }
            }
        }
    }
}

/*
 * U from the weights [3,3,C,K]; with `turned` from [3,3,K,C], turned round: tap (r,s) is (2−r,2−s).
 * NDRange [⌈C/VW⌉, ⌈K/NV⌉], one item a group: VW channels, NV columns.
 */
__kernel ONE_ITEM void conv_winograd_filters(__global const float *restrict w, ulong w_at,
                                             __global float *restrict u, ulong u_at, int C, int K,
                                             int turned)
{
    float g[9 * VW * NV] __attribute__((aligned(64)));     /* [tap][channel][NV] */
    float t[POINTS * VW * NV] __attribute__((aligned(64))); /* [point][channel][NV] */
    const int c0 = get_group_id(0) * VW, n = min(VW, C - c0);
    const int kb = get_group_id(1), columns = K - kb * NV;
    w += w_at;
    for (int tap = 0; tap < 9; ++tap) {
        float *to = g + tap * (VW * NV);
        if (turned) {
            transpose_columns(to, w + ((8 - tap) * K + kb * NV) * C + c0, C, n, columns);
        } else {
            copy_columns(to, w + (tap * C + c0) * K + kb * NV, K, n, columns);
        }
    }
    for (int i = 0; i < n * NV; i += VW) { transform_weights(t + i, VW * NV, g + i, VW * NV); }
    const int block = c0 / CB * CB, plane = min(CB, C - block) * NV;
    u += u_at + (kb * C + block) * (POINTS * NV) + (c0 - block) * NV;
    for (int point = 0; point < POINTS; ++point, u += plane) {
        for (int i = 0; i < n * NV; i += VW) {
            VEC_WRITE(VEC_LOAD(0, t + point * (VW * NV) + i), 0, u + i);
        }
    }
}

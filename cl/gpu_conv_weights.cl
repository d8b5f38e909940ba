/*
 * gpu_conv_weights.cl: the gradient to a convolution's weights, and to those of dense layers (an
 * image of one row), as a matrix product over positions. For GPUs.
 *
 *   slab[l,k] = Σ_{positions of the slab} x[n, p·sy − py + r·ey, q·sx − px + s·ex, g·cg + c] ·
 *               dy[n,p,q, g·kg + k],   l = (r·S + s)·cg + c < L = R·S·cg
 *
 * x [N,H,W,C], dy [N,P,Q,K], K = groups·kg; slabs [G][L,K]: slab i sums `span` positions (a
 * multiple of BK) from i·span on. Adding the slabs up, in their order, is a kernel of its own; G
 * depends on the shape alone.
 * Rows of the tile are l, columns are k, terms are positions. Which tap and channel an item fetches
 * is known before the loop; where the next BK positions are in x is kept in local memory, two steps
 * ahead, by the first BK items, who move on by adding.
 *
 * NDRange [⌈kg/BN⌉·ITEMS, ⌈L/BM⌉, G·groups], ITEMS a group.
 * VA = 4: cg and C are multiples of 4. VB = 4: kg and K are.
 * Tunables: gpu_tile.cl.
 */
#include "gpu_tile.cl"

#define A_LANES (BM / VA)
#define A_STRIDE (ITEMS / A_LANES)
#define A_RUNS (BK / A_STRIDE)
#define B_LANES (BN / VB)
#define B_STRIDE (ITEMS / B_LANES)
#define B_RUNS (BK / B_STRIDE)

/* The steps of positions: BK further on is dn images, dp rows and dq columns. */
struct walk {
    int N, P, Q, dn, dp, dq;
};

struct position {
    int n, p, q;
};

static inline struct position position_next(struct position a, struct walk w)
{
    a.q += w.dq;
    a.p += w.dp;
    a.n += w.dn;
    if (a.q >= w.Q) {
        a.q -= w.Q;
        ++a.p;
    }
    if (a.p >= w.P) {
        a.p -= w.P;
        ++a.n;
    }
    return a;
}

/* Where the taps of BK positions begin in x. */
struct pixels {
    int from[BK], h[BK], v[BK];
};

__kernel ONE_TILE void gpu_conv_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global float *restrict slabs, ulong slabs_at, int N, int H, int W, int C, int P, int Q, int K,
    int L, int S, int sy, int sx, int ey, int ex, int py, int px, int groups, int cg, int kg,
    int span)
{
    __local panel_t A[2][BK * A_PITCH] __attribute__((aligned(16)));
    __local panel_t B[2][BK * B_PITCH] __attribute__((aligned(16)));
    __local struct pixels pixels[2];
    MMA_LOCALS;
    const int item = get_local_id(0), slab = get_group_id(2) / groups;
    const int group = get_group_id(2) - slab * groups;
    const int begin = slab * span, end = min(begin + span, N * P * Q);
    const int first_row = get_group_id(1) * BM, first_column = get_group_id(0) * BN;
    x += x_at + group * cg;
    dy += dy_at + group * kg;
    slabs += slabs_at + (long)slab * L * K + group * kg;

    const struct walk walk = {N, P, Q, BK / (P * Q), BK / Q % P, BK % Q};
    struct position at = {0, 0, 0};
    if (item < BK) {
        const int first = begin + item, line = first / Q;
        at.q = first - line * Q;
        at.n = line / P;
        at.p = line - at.n * P;
        for (int i = 0; i < 2; ++i) {
            const int h = at.p * sy - py, v = at.q * sx - px;
            pixels[i].from[item] = ((at.n * H + h) * W + v) * C;
            pixels[i].h[item] = first + i * BK < end ? h : NOWHERE;
            pixels[i].v[item] = v;
            at = position_next(at, walk);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    const int a_row = item / A_LANES, a_lane = item % A_LANES * VA, l = first_row + a_lane;
    const int b_row = item / B_LANES, b_lane = item % B_LANES * VB;
    const int tap = l / cg, r = tap / S, to_h = r * ey, to_v = (tap - r * S) * ex;
    const int to = (to_h * W + to_v) * C + l - tap * cg;
    const bool a_exists = l < L, b_exists = first_column + b_lane < kg;
    const int a_from = A_FROM(item), b_from = B_FROM(item);
    term_run a[A_RUNS];
    column_run b[B_RUNS];
    struct sums sums;
    tile_clear(&sums);
    for (int first = begin, turn = 0; first < end + BK; first += BK, turn ^= 1) {
        if (first < end) {
            UNROLL for (int i = 0; i < A_RUNS; ++i)
            {
                const int j = a_row + i * A_STRIDE;
                const bool inside = a_exists && (uint)(pixels[turn].h[j] + to_h) < (uint)H &&
                                    (uint)(pixels[turn].v[j] + to_v) < (uint)W;
                a[i] = TILE_LOAD(term_run, x + pixels[turn].from[j] + to, inside);
            }
            UNROLL for (int i = 0; i < B_RUNS; ++i)
            {
                const int from = first + b_row + i * B_STRIDE;
                b[i] = TILE_LOAD(column_run, dy + (long)from * K + first_column + b_lane,
                                 from < end && b_exists);
            }
        }
        if (first > begin) {
            tile_multiply(&sums, A[turn ^ 1] + a_from, B[turn ^ 1] + b_from,
                          MMA_SCRATCH(item));
        }
        if (first < end) {
            UNROLL for (int i = 0; i < A_RUNS; ++i)
            {
                tile_put_terms(A[turn] + (a_row + i * A_STRIDE) * A_PITCH + a_lane, a[i]);
            }
            UNROLL for (int i = 0; i < B_RUNS; ++i)
            {
                tile_put_columns(B[turn] + (b_row + i * B_STRIDE) * B_PITCH + b_lane, b[i]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < BK) {
            const int h = at.p * sy - py, v = at.q * sx - px;
            pixels[turn].from[item] = ((at.n * H + h) * W + v) * C;
            pixels[turn].h[item] = first + 2 * BK + item < end ? h : NOWHERE;
            pixels[turn].v[item] = v;
            at = position_next(at, walk);
        }
    }

    UNROLL for (int j = 0; j < TN / PIECE; ++j)
    {
        const int k = first_column + ITEM_COLUMN(item, j), n = kg - k;
        if (n <= 0) { continue; }
        UNROLL for (int i = 0; i < TM; ++i)
        {
            const int row = first_row + ITEM_ROW(item, i);
            if (row < L) { tile_store(slabs + (long)row * K + k, sums.c[i][j], n); }
        }
    }
}

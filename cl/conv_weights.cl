/*
 * conv_weights.cl: the gradient to a convolution's weights. For CPUs.
 *
 *   dw[r,s,c,k] = Σ_{n,p,q} x[n, p·sy − py + r·ey, q·sx − px + s·ex, c] · dy[n,p,q,k]
 *
 * x [N,H,W,C], dy [N,P,Q,K], dw [R,S,C/groups,K]. The positions are cut into chunks of NI images ×
 * RB rows × QB columns. Group i of the first dimension adds chunks i, i + G, i + 2G … into a slab
 * of its own, conv_weights_sum adds the G slabs in their order: what is added to what depends on
 * the shape alone.
 *
 * Of each chunk, an item packs its columns of dy into D [k-block][position][NV] and `CP` blocks of
 * channels of x, with the border that the taps need, into X [c-block][image][row][column][CT]; then
 * every tap is a walk over both, into CT × NV accumulators. With few channels (fold) the taps
 * become channels: X then holds R·S·C/groups of them, and there is one tap.
 *
 * flags: with 4 (max) or 8 (avg) dy and pass are [N,⌊P/2⌋,⌊Q/2⌋,K] and D holds what their pixels
 * get of it (runtime/ops/conv.h); 128 a slab has db [K] behind dw.
 *
 * NDRange of conv_weights [G, ⌈c-blocks/CS⌉·⌈k-blocks/KT⌉, groups], one item a group.
 * Tunables: VW; CT channels of a tile; X_FLOATS, D_FLOATS: sizes of X and D, which the host keeps
 * to when it cuts.
 */
#include "conv_window.cl"
#define DBIAS 128
#define LINE 16 /* numbers of a cache line */
#ifndef CT
#define CT 4
#endif
#ifndef X_FLOATS
#define X_FLOATS 32768
#endif
#ifndef D_FLOATS
#define D_FLOATS 16384
#endif
typedef TILE_CAT(float, CT) channels_t;
typedef channels_t loose_channels_t __attribute__((aligned(4)));
#define CHANNELS_LOAD TILE_CAT(vload, CT)

struct walk {
    int images, rows, columns;      /* of the chunk */
    int to_column, to_row, to_image; /* steps in X */
};

/* Parts of tiles: accumulators leave their registers once, so that what follows is a loop. */
static INLINED void add_part(const vec_t *lo, const vec_t *hi, __global float *dw, int K,
                             int channels, int columns, bool first)
{
    float sums[CT * NV] __attribute__((aligned(64)));
    UNROLL for (int i = 0; i < CT; ++i)
    {
        VEC_STORE(lo[i], 0, sums + i * NV);
        VEC_STORE(hi[i], 1, sums + i * NV);
    }
    for (int i = 0; i < min(CT, channels); ++i, dw += K) {
        vec_t sum_lo = VEC_LOAD(0, sums + i * NV), sum_hi = VEC_LOAD(1, sums + i * NV);
        if (!first) {
            sum_lo += load_part(dw, columns);
            sum_hi += load_part(dw + VW, columns - VW);
        }
        store_part(sum_lo, dw, columns);
        store_part(sum_hi, dw + VW, columns - VW);
    }
}

static INLINED void add_whole(vec_t *lo, vec_t *hi, __global float *dw, int K, bool first)
{
    if (!first) {
        UNROLL for (int i = 0; i < CT; ++i)
        {
            lo[i] += VEC_LOAD(0, dw + i * K);
            hi[i] += VEC_LOAD(1, dw + i * K);
        }
    }
    UNROLL for (int i = 0; i < CT; ++i)
    {
        VEC_WRITE(lo[i], 0, dw + i * K);
        VEC_WRITE(hi[i], 1, dw + i * K);
    }
}

static inline void multiply_chunk(const float *x, const float *d, struct walk w,
                                  __global float *dw, int K, int channels, int columns, bool first)
{
    vec_t lo[CT], hi[CT];
    UNROLL for (int i = 0; i < CT; ++i) { lo[i] = hi[i] = (vec_t)(0.0f); }
    for (int n = 0; n < w.images; ++n) {
        for (int p = 0; p < w.rows; ++p) {
            const float *a = x + n * w.to_image + p * w.to_row;
            for (int q = 0; q < w.columns; ++q, a += w.to_column, d += NV) {
                const vec_t d_lo = VEC_LOAD(0, d), d_hi = VEC_LOAD(1, d);
                UNROLL for (int i = 0; i < CT; ++i)
                {
                    const vec_t v = (vec_t)(a[i]);
                    lo[i] = fma(v, d_lo, lo[i]);
                    hi[i] = fma(v, d_hi, hi[i]);
                }
            }
        }
    }
    if (channels >= CT && columns >= NV) {
        add_whole(lo, hi, dw, K, first);
    } else {
        add_part(lo, hi, dw, K, channels, columns, first);
    }
}

/* One channel of n pixels of a row of x, `step` numbers apart, of which lo…hi−1 exist. */
static inline void gather_column(float *to, __global const float *x, int n, int lo, int hi,
                                 int step)
{
    int q = 0;
    for (; q < lo; ++q) { to[q * CT] = 0.0f; }
    for (; q < hi; ++q) { to[q * CT] = x[q * step]; }
    for (; q < n; ++q) { to[q * CT] = 0.0f; }
}

/* What of x a chunk sees: `images` times rows × columns pixels from (image, h, v) on, to_row and
 * to_column apart. */
struct border {
    int image, h, v;
    int images, rows, columns;
    int H, W, C;
    int to_row, to_column;
};

/* Blocks c0…c1−1 of the `channels` channels of a pixel, each to a plane of its own. */
static INLINED void pack_pixel(float *to, int plane, __global const float *x, int c0, int c1,
                               int channels)
{
    const int whole = min(channels / CT, c1);
    for (int cb = c0; cb < whole; ++cb, to += plane) {
        *(loose_channels_t *)to = CHANNELS_LOAD(cb, x);
    }
    for (int cb = max(whole, c0); cb < c1; ++cb, to += plane) {
        for (int j = 0; j < CT; ++j) { to[j] = cb * CT + j < channels ? x[cb * CT + j] : 0.0f; }
    }
}

/* Blocks c0…c1−1 of the first `channels` channels: X [c-block][image][row][column][CT]. */
static inline void pack_channels(float *X, __global const float *x, const struct border *b, int c0,
                                 int c1, int channels)
{
    const int plane = b->images * b->rows * b->columns * CT;
    for (int i = 0; i < b->images * b->rows; ++i) {
        const int n = i / b->rows, h = b->h + (i - n * b->rows) * b->to_row;
        const bool inside = (uint)h < (uint)b->H;
        __global const float *row = x + ((b->image + n) * b->H + h) * b->W * b->C;
        float *to = X + i * b->columns * CT;
        for (int q = 0; q < b->columns; ++q, to += CT) {
            const int v = b->v + q * b->to_column;
            const bool there = inside && (uint)v < (uint)b->W;
            pack_pixel(to, plane, row + v * b->C, c0, c1, there ? channels : 0);
        }
    }
}

/* Taps as channels: l = (r·S + s)·cg + c of blocks c0…c1−1, at the places of dy's rows and columns,
 * whose steps in x are sy and sx. */
static inline void pack_taps(float *X, __global const float *x, const struct border *b, int c0,
                             int c1, int taps, int S, int cg, int sy, int sx, int ey, int ex)
{
    const int plane = b->images * b->rows * b->columns * CT;
    for (int i = 0; i < b->images * b->rows; ++i) {
        const int n = i / b->rows, row = i - n * b->rows;
        float *to = X + i * b->columns * CT;
        for (int l = c0 * CT; l < c1 * CT; ++l) {
            const int tap = l / cg, r = tap / S, s = tap - r * S;
            const int h = b->h + row * sy + r * ey, v = b->v + s * ex;
            const bool inside = tap < taps && (uint)h < (uint)b->H;
            const int lo = inside ? clamp((sx - 1 - v) / sx, 0, b->columns) : b->columns;
            const int hi = inside ? clamp((b->W - v + sx - 1) / sx, lo, b->columns) : lo;
            gather_column(to + (l / CT - c0) * plane + l % CT,
                          x + (((b->image + n) * b->H + h) * b->W + v) * b->C + l - tap * cg,
                          b->columns, lo, hi, sx * b->C);
        }
    }
}

/* What `columns` pixels of a row, the first of which is q of Q, get of their windows' gradients. */
static inline void spread_columns(float *to, __global const float *dy, __global const uchar *pass,
                                  int K, int q, int columns, int Q, int row, int left, float share)
{
    for (int i = 0; i < columns; ++i, ++q, to += NV) {
        const int at = q / 2 * K, bit = row * 2 + q % 2;
        vec_t lo = (vec_t)(0.0f), hi = (vec_t)(0.0f);
        if (q / 2 < Q / 2) {
            lo = take_share(share * load_part(dy + at, left), load_bits(pass + at, left), bit);
            hi = take_share(share * load_part(dy + at + VW, left - VW),
                            load_bits(pass + at + VW, left - VW), bit);
        }
        VEC_STORE(lo, 0, to);
        VEC_STORE(hi, 1, to);
    }
}

/* Where dy comes from: [N,P,Q,K], or pooled. */
struct gradient {
    __global const float *dy;
    __global const uchar *pass;
    int P, Q, K, flags;
};

/* One row of a chunk: pixels q… of row p of image n, the NV columns behind k0 of which `left`
 * exist. */
static inline void pack_gradient(float *to, struct gradient g, int n, int p, int q, int columns,
                                 int k0, int left)
{
    if (!(g.flags & POOLED)) {
        copy_columns(to, g.dy + ((n * g.P + p) * g.Q + q) * g.K + k0, g.K, columns, left);
    } else if (p / 2 < g.P / 2) {
        const long at = (long)((n * (g.P / 2) + p / 2) * (g.Q / 2)) * g.K + k0;
        spread_columns(to, g.dy + at, g.pass + at, g.K, q, columns, g.Q, p % 2, left,
                       g.flags & AVG_POOL ? 0.25f : 1.0f);
    } else {
        zero_run(to, columns * NV);
    }
}

/* db of NV columns: the sum of a chunk's positions. */
static inline void add_bias(const float *d, int positions, __global float *db, int columns,
                            bool first)
{
    vec_t lo = (vec_t)(0.0f), hi = (vec_t)(0.0f);
    for (int i = 0; i < positions; ++i, d += NV) {
        lo += VEC_LOAD(0, d);
        hi += VEC_LOAD(1, d);
    }
    if (!first) {
        lo += load_part(db, columns);
        hi += load_part(db + VW, columns - VW);
    }
    store_part(lo, db, columns);
    store_part(hi, db + VW, columns - VW);
}

/* Of n numbers, part `part` of `parts`. */
static inline void fetch_part(__global const float *from, int n, int part, int parts)
{
    const int piece = (n + parts - 1) / parts, end = min((part + 1) * piece, n);
    for (int i = part * piece; i < end; i += LINE) { FETCH_EARLY(from + i); }
}

__kernel ONE_ITEM void conv_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global const uchar *restrict pass, ulong pass_at, __global float *restrict slabs,
    ulong slabs_at, int N, int H, int W, int C, int P, int Q, int K, int R, int S, int sy, int sx,
    int ey, int ex, int py, int px, int groups, int flags, int fold, int NI, int RB, int QB, int KT,
    int CS, int CP)
{
    float X[X_FLOATS] __attribute__((aligned(64)));
    float D[D_FLOATS] __attribute__((aligned(64)));
    const int cg = C / groups, kg = K / groups, group = get_group_id(2);
    const int channels = fold ? R * S * cg : cg, taps = fold ? 1 : R * S;
    const int k_blocks = (kg + NV - 1) / NV, c_blocks = (channels + CT - 1) / CT;
    const int k_slices = (k_blocks + KT - 1) / KT, slice = get_group_id(1) / k_slices;
    const int kb0 = (get_group_id(1) - slice * k_slices) * KT, kb1 = min(kb0 + KT, k_blocks);
    const int cb_end = min((slice + 1) * CS, c_blocks);
    const int row_chunks = (P + RB - 1) / RB, column_chunks = (Q + QB - 1) / QB;
    const int chunks = (N + NI - 1) / NI * row_chunks * column_chunks;
    x += x_at + group * cg;
    const struct gradient gradient = {dy + dy_at + group * kg, pass + pass_at + group * kg, P, Q, K,
                                      flags};
    const int count = R * S * cg * K;
    /* Along an axis of one tap, the pixels between two strides are of no use. */
    const int skip_y = !fold && R == 1 ? sy : 1, skip_x = !fold && S == 1 ? sx : 1;
    const int step_y = sy / skip_y, step_x = sx / skip_x;
    slabs += slabs_at + get_group_id(0) * (count + (flags & DBIAS ? K : 0)) + group * kg;
    /* Where an item reads whole chunks, it asks for the next one while it multiplies. */
    const int calls = (kb1 - kb0) * (cb_end - slice * CS) * taps;
    const bool ahead = groups == 1 && column_chunks == 1;
    for (int chunk = get_group_id(0); chunk < chunks; chunk += get_num_groups(0)) {
        const int next = chunk + get_num_groups(0), next_image = next / row_chunks;
        const int next_p = (next - next_image * row_chunks) * RB;
        int call = 0;
        const int strip = chunk / column_chunks, image = strip / row_chunks;
        const int n0 = image * NI, images = min(NI, N - n0);
        const int p0 = (strip - image * row_chunks) * RB, rows = min(RB, P - p0);
        const int q0 = (chunk - strip * column_chunks) * QB, columns = min(QB, Q - q0);
        const int positions = images * rows * columns;
        for (int kb = kb0; kb < kb1; ++kb) {
            float *d = D + (kb - kb0) * positions * NV;
            for (int i = 0; i < images * rows; ++i, d += columns * NV) {
                const int n = i / rows, p = i - n * rows;
                pack_gradient(d, gradient, n0 + n, p0 + p, q0, columns, kb * NV, kg - kb * NV);
            }
            if ((flags & DBIAS) && slice == 0) {
                add_bias(D + (kb - kb0) * positions * NV, positions, slabs + count + kb * NV,
                         kg - kb * NV, chunk == (int)get_group_id(0));
            }
        }
        const struct border b = {n0, p0 * sy - py, q0 * sx - px, images,
                                 fold ? rows : (rows - 1) * step_y + (R - 1) * ey + 1,
                                 fold ? columns : (columns - 1) * step_x + (S - 1) * ex + 1,
                                 H, W, C, skip_y, skip_x};
        const int plane = images * b.rows * b.columns * CT;
        const struct walk walk = {images, rows, columns, (fold ? 1 : step_x) * CT,
                                  (fold ? 1 : step_y) * b.columns * CT,
                                  b.rows * b.columns * CT};
        __global const float *next_x =
            x + (next_image * NI * H + max(next_p * sy - py, 0)) * W * C;
        __global const float *next_dy =
            gradient.dy + (next_image * NI * P + next_p) * Q * K;
        const int x_floats = images * min(b.rows * skip_y, H) * W * C;
        const int dy_floats = flags & POOLED ? 0 : positions * K;
        for (int c0 = slice * CS; c0 < cb_end; c0 += CP) {
            const int c1 = min(c0 + CP, cb_end);
            if (fold) {
                pack_taps(X, x, &b, c0, c1, R * S, S, cg, sy, sx, ey, ex);
            } else {
                pack_channels(X, x, &b, c0, c1, cg);
            }
            for (int i = 0; i < (kb1 - kb0) * (c1 - c0) * taps; ++i, ++call) {
                if (ahead && next < chunks) {
                    if (c_blocks <= CS) { fetch_part(next_x, x_floats, call, calls); }
                    if (k_slices == 1) { fetch_part(next_dy, dy_floats, call, calls); }
                }
                const int block = i / taps, tap = i - block * taps, r = tap / S, s = tap - r * S;
                const int k = block / (c1 - c0), c = block - k * (c1 - c0), k0 = (kb0 + k) * NV;
                multiply_chunk(X + c * plane + (r * ey * b.columns + s * ex) * CT,
                               D + k * positions * NV, walk,
                               slabs + (tap * cg + (c0 + c) * CT) * K + k0, K,
                               channels - (c0 + c) * CT, kg - k0, chunk == (int)get_group_id(0));
            }
        }
    }
}

/*
 * out[i] = Σ_g slabs[g·(n + n_last) + i], in the order of g, for i < n; the n_last numbers behind
 * them likewise into `last`. NDRange [⌈n/span⌉ + ⌈n_last/span⌉], one item a group.
 */
__kernel ONE_ITEM void conv_weights_sum(__global const float *restrict slabs, ulong slabs_at,
                                        __global float *restrict out, ulong out_at,
                                        __global float *restrict last, ulong last_at, int n,
                                        int n_last, int G, int span)
{
    const int spans = (n + span - 1) / span, pitch = n + n_last;
    const bool behind = (int)get_group_id(0) >= spans;
    const int begin = ((int)get_group_id(0) - (behind ? spans : 0)) * span;
    const int end = min(begin + span, behind ? n_last : n);
    __global float *to = behind ? last + last_at : out + out_at;
    slabs += slabs_at + (behind ? n : 0);
    int i = begin;
    for (; i + VW <= end; i += VW) {
        VEC_WRITE(sum_slabs(slabs + i, pitch, G, VW), 0, to + i);
    }
    if (i < end) { store_part(sum_slabs(slabs + i, pitch, G, end - i), to + i, end - i); }
}

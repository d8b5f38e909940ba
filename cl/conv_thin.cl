/*
 * conv_thin.cl: convolution of images with few channels, as a net's first layer has them, and the
 * gradient to its weights. For CPUs; bound by writing y and by reading dy.
 *
 *   y[n,p,q,k] = b[k] + Σ_{r,s,c} x[n, p·sy − py + r·ey, q·sx − px + s·ex, c] · w[r,s,c,k]
 *
 * x [N,H,W,C], w, dw [R,S,C,K], y, dy [N,P,Q,K], db [K]. The L = R·S·C terms of the sum are so few
 * that x is not gathered: an item copies the rows of one image that its RB rows of outputs see,
 * with their border of zeros, into X [row][pitch], in which term l of any position is term[l]
 * behind the position's first one. Weights lie beside it: B [k-block][term][NV].
 *
 * NDRange of conv_thin [N·⌈P/RB⌉, ⌈k-blocks/KT⌉], one item a group.
 * flags: 1 add bias [K], 2 relu; with 4 (max) or 8 (avg) y, dy and pass are [N,⌊P/2⌋,⌊Q/2⌋,K]
 * (runtime/ops/conv.h), RB is even, and positions go window by window; 16 write pass.
 * Tunables: VW; TP positions of a tile, a multiple of 4; CT terms of a tile of dw; X_FLOATS,
 * B_FLOATS: sizes of X and B, which the host keeps to.
 */
#include "conv_window.cl"
#ifndef TP
#define TP 4
#endif
#ifndef CT
#define CT 5
#endif
#ifndef X_FLOATS
#define X_FLOATS 16384
#endif
#ifndef B_FLOATS
#define B_FLOATS 16384
#endif
#define MOST_TERMS (B_FLOATS / NV)

/* Rows h…h+rows−1 of an image, from column v on: `pitch` numbers of each, zero outside. */
static inline void copy_rows(float *X, __global const float *image, int h, int v, int rows,
                             int pitch, int H, int W, int C)
{
    for (int i = 0; i < rows; ++i, ++h) {
        copy_clipped(X + i * pitch, image + (h * W + v) * C, 0, pitch, max(0, -v * C),
                     (uint)h < (uint)H ? (W - v) * C : 0);
    }
}

static inline void place_terms(int *term, int R, int S, int C, int ey, int ex, int pitch)
{
    for (int r = 0; r < R; ++r) {
        for (int s = 0; s < S; ++s) {
            for (int c = 0; c < C; ++c) { *term++ = r * ey * pitch + s * ex * C + c; }
        }
    }
}

/* A walk over positions, or windows: `at` is where in X the next one begins. */
struct walk {
    int column, at;
    int columns, to_column, to_row;
};

static INLINED void step(struct walk *w)
{
    const bool wraps = w->column + 1 == w->columns;
    w->column = wraps ? 0 : w->column + 1;
    w->at += wraps ? w->to_row - (w->columns - 1) * w->to_column : w->to_column;
}

/* The next TP positions; the last one again where there are but `left`. */
static INLINED void next_positions(const float **a, const float *X, struct walk *w, int left)
{
    UNROLL for (int i = 0; i < TP; ++i)
    {
        a[i] = X + w->at;
        if (i + 1 < left) { step(w); }
    }
}

/* The same for windows, four positions each, to_column and to_row apart. */
static INLINED void next_windows(const float **a, const float *X, struct walk *w, int left,
                                 int to_column, int to_row)
{
    UNROLL for (int i = 0; i < TP; i += 4)
    {
        a[i] = X + w->at;
        a[i + 1] = a[i] + to_column;
        a[i + 2] = a[i] + to_row;
        a[i + 3] = a[i + 2] + to_column;
        if (i + 4 < left) { step(w); }
    }
}

static INLINED void add_terms(vec_t *lo, vec_t *hi, const float **a, const int *term,
                              const float *b, int L)
{
    for (int l = 0; l < L; ++l, b += NV) {
        const vec_t b_lo = VEC_LOAD(0, b), b_hi = VEC_LOAD(1, b);
        const int t = term[l];
        UNROLL for (int i = 0; i < TP; ++i)
        {
            const vec_t v = (vec_t)(a[i][t]);
            lo[i] = fma(v, b_lo, lo[i]);
            hi[i] = fma(v, b_hi, hi[i]);
        }
    }
}

static INLINED void write_tile(const vec_t *lo, const vec_t *hi, __global float *y, int K, int left,
                               int columns, int flags)
{
    const vec_t floor = (vec_t)(flags & RELU ? 0.0f : -INFINITY);
    UNROLL for (int i = 0; i < TP; ++i)
    {
        const vec_t a = lo[i] < floor ? floor : lo[i], b = hi[i] < floor ? floor : hi[i];
        if (left >= TP && columns >= NV) {
            VEC_WRITE(a, 0, y + i * K);
            VEC_WRITE(b, 1, y + i * K);
        } else if (i < left) {
            store_part(a, y + i * K, columns);
            store_part(b, y + i * K + VW, columns - VW);
        }
    }
}

static INLINED void write_windows(const vec_t *lo, const vec_t *hi, __global float *y,
                                  __global uchar *pass, int K, int left, int columns, int flags)
{
    UNROLL for (int i = 0; i < TP; i += 4)
    {
        bits_t bits_lo, bits_hi;
        const vec_t a = pool_window(lo + i, 1, flags, &bits_lo);
        const vec_t b = pool_window(hi + i, 1, flags, &bits_hi);
        const int at = i / 4 * K;
        if (i < left) {
            store_part(a, y + at, columns);
            store_part(b, y + at + VW, columns - VW);
        }
        if (i < left && (flags & KEEP_PASS)) {
            store_bits(bits_lo, pass + at, columns);
            store_bits(bits_hi, pass + at + VW, columns - VW);
        }
    }
}

__kernel ONE_ITEM void conv_thin(
    __global const float *restrict x, ulong x_at, __global const float *restrict w, ulong w_at,
    __global const float *restrict bias, ulong bias_at, __global float *restrict y, ulong y_at,
    __global uchar *restrict pass, ulong pass_at, int H, int W, int C, int P, int Q, int K, int R,
    int S, int sy, int sx, int ey, int ex, int py, int px, int flags, int RB, int KT)
{
    float X[X_FLOATS] __attribute__((aligned(64)));
    float B[B_FLOATS] __attribute__((aligned(64)));
    int term[MOST_TERMS];
    const bool pooled = flags & POOLED;
    const int unit = pooled ? 2 : 1; /* rows and columns that a number of the output stands for */
    const int strips = (P + RB - 1) / RB, n = get_group_id(0) / strips;
    const int p0 = (get_group_id(0) - n * strips) * RB, rows = min(RB, P - p0) / unit;
    const int L = R * S * C, pitch = ((Q - 1) * sx + (S - 1) * ex + 1) * C;
    const int kb0 = get_group_id(1) * KT, kb1 = min(kb0 + KT, (K + NV - 1) / NV);
    copy_rows(X, x + x_at + n * H * W * C, p0 * sy - py, -px,
              (rows * unit - 1) * sy + (R - 1) * ey + 1, pitch, H, W, C);
    place_terms(term, R, S, C, ey, ex, pitch);
    for (int kb = kb0; kb < kb1; ++kb) {
        copy_columns(B + (kb - kb0) * L * NV, w + w_at + kb * NV, K, L, K - kb * NV);
    }
    struct walk walk = {0, 0, Q / unit, unit * sx * C, unit * sy * pitch};
    const long out = (n * (P / unit) + p0 / unit) * walk.columns * K;
    bias += bias_at;
    y += y_at + out;
    pass += pass_at + out;
    const int step_out = TP / (unit * unit) * K;
    for (int left = rows * walk.columns * unit * unit; left > 0; left -= TP) {
        const float *a[TP];
        if (pooled) {
            next_windows(a, X, &walk, left, sx * C, sy * pitch);
        } else {
            next_positions(a, X, &walk, left);
        }
        for (int kb = kb0; kb < kb1; ++kb) {
            const int columns = K - kb * NV;
            vec_t lo[TP], hi[TP], start_lo = (vec_t)(0.0f), start_hi = (vec_t)(0.0f);
            if (flags & ADD_BIAS) {
                start_lo = load_part(bias + kb * NV, columns);
                start_hi = load_part(bias + kb * NV + VW, columns - VW);
            }
            UNROLL for (int i = 0; i < TP; ++i)
            {
                lo[i] = start_lo;
                hi[i] = start_hi;
            }
            add_terms(lo, hi, a, term, B + (kb - kb0) * L * NV, L);
            if (pooled) {
                write_windows(lo, hi, y + kb * NV, pass + kb * NV, K, left, columns, flags);
            } else {
                write_tile(lo, hi, y + kb * NV, K, left, columns, flags);
            }
        }
        y += step_out;
        pass += step_out;
    }
}

/* Accumulators of CT terms, and of the ones that make db. */
struct sums {
    vec_t lo[CT], hi[CT], db_lo, db_hi;
};

static INLINED void add_position(struct sums *v, const float *a, const int *t, vec_t d_lo,
                                 vec_t d_hi)
{
    UNROLL for (int i = 0; i < CT; ++i)
    {
        const vec_t f = (vec_t)(a[t[i]]);
        v->lo[i] = fma(f, d_lo, v->lo[i]);
        v->hi[i] = fma(f, d_hi, v->hi[i]);
    }
    v->db_lo += d_lo;
    v->db_hi += d_hi;
}

/* n positions side by side; their numbers of dy from d on, K apart. What lies `ahead` is wanted
 * soon. */
static INLINED void add_row(struct sums *v, const float *a, int to_column, const int *t,
                            __global const float *d, int K, int n, int columns, long ahead)
{
    if (columns >= NV) {
        for (int q = 0; q < n; ++q, a += to_column, d += K) {
            FETCH_EARLY(d + ahead);
            add_position(v, a, t, VEC_LOAD(0, d), VEC_LOAD(1, d));
        }
        return;
    }
    for (int q = 0; q < n; ++q, a += to_column, d += K) {
        add_position(v, a, t, load_part_in_place(d, columns),
                     load_part_in_place(d + VW, columns - VW));
    }
}

/* A window, of which each pixel takes what its pass bit lets through. */
static INLINED void add_window(struct sums *v, const float *a, int to_column, int to_row,
                               const int *t, vec_t d_lo, vec_t d_hi, bits_t pass_lo, bits_t pass_hi)
{
    UNROLL for (int i = 0; i < 4; ++i)
    {
        add_position(v, a + i / 2 * to_row + i % 2 * to_column, t, take_share(d_lo, pass_lo, i),
                     take_share(d_hi, pass_hi, i));
    }
}

/* A window's largest pixel, a different one in every lane, is picked out of two rows of four
 * numbers by a permutation: a quarter of the multiplications. */
#if VW == 16 && defined(__AVX512F__) && defined(__has_builtin)
#if __has_builtin(__builtin_ia32_vpermi2varps512)
#define PICK(low, i, high) __builtin_ia32_vpermi2varps512(low, i, high)
#endif
#endif
#ifdef PICK
static INLINED vec_t four_times(const float *p)
{
    return vload4(0, p).xyzwxyzwxyzwxyzw;
}

static INLINED void pick_window(struct sums *v, const float *a, int to_column, int to_row,
                                const int *t, vec_t d_lo, vec_t d_hi, bits_t pass_lo,
                                bits_t pass_hi)
{
    const vec_t zero = (vec_t)(0.0f);
    const bits_t right = (bits_t)(to_column), below = (bits_t)(VW);
    const bits_t at_lo = (((pass_lo & 10) != 0) & right) | (((pass_lo & 12) != 0) & below);
    const bits_t at_hi = (((pass_hi & 10) != 0) & right) | (((pass_hi & 12) != 0) & below);
    d_lo = pass_lo != 0 ? d_lo : zero;
    d_hi = pass_hi != 0 ? d_hi : zero;
    UNROLL for (int i = 0; i < CT; ++i)
    {
        const vec_t low = four_times(a + t[i]), high = four_times(a + t[i] + to_row);
        v->lo[i] = fma(PICK(low, at_lo, high), d_lo, v->lo[i]);
        v->hi[i] = fma(PICK(low, at_hi, high), d_hi, v->hi[i]);
    }
    v->db_lo += d_lo;
    v->db_hi += d_hi;
}
#endif

/* n windows side by side. */
static INLINED void add_windows(struct sums *v, const float *a, int to_column, int to_row,
                                const int *t, __global const float *d, __global const uchar *pass,
                                int K, int n, int columns, int flags)
{
    const float share = flags & AVG_POOL ? 0.25f : 1.0f;
    const int to_window = 2 * to_column;
#ifdef PICK
    if (columns >= NV && flags & MAX_POOL && to_column < 4) {
        for (int q = 0; q < n; ++q, a += to_window, d += K, pass += K) {
            pick_window(v, a, to_column, to_row, t, VEC_LOAD(0, d), VEC_LOAD(1, d),
                        BITS_LOAD(0, pass), BITS_LOAD(1, pass));
        }
        return;
    }
#endif
    if (columns >= NV) {
        for (int q = 0; q < n; ++q, a += to_window, d += K, pass += K) {
            add_window(v, a, to_column, to_row, t, share * VEC_LOAD(0, d), share * VEC_LOAD(1, d),
                       BITS_LOAD(0, pass), BITS_LOAD(1, pass));
        }
        return;
    }
    for (int q = 0; q < n; ++q, a += to_window, d += K, pass += K) {
        add_window(v, a, to_column, to_row, t, share * load_part_in_place(d, columns),
                   share * load_part_in_place(d + VW, columns - VW), load_bits(pass, columns),
                   load_bits(pass + VW, columns - VW));
    }
}

static inline void add_to_slab(vec_t lo, vec_t hi, __global float *to, int columns, bool first)
{
    if (!first) {
        lo += load_part(to, columns);
        hi += load_part(to + VW, columns - VW);
    }
    store_part(lo, to, columns);
    store_part(hi, to + VW, columns - VW);
}

/*
 * A chunk is RB rows of one image. Group g of G adds chunks g, g + G, g + 2G … of N·⌈P/RB⌉ into
 * slab g, [R,S,C,K] and, if `dbias`, [K]; conv_weights_sum adds the slabs. NDRange [G].
 *
 * While the last tiles of terms walk over a chunk of dy, they ask for the group's next chunk: the
 * last but one for the first half of its lines, the last one for the other half.
 */
__kernel ONE_ITEM void conv_thin_weights(
    __global const float *restrict x, ulong x_at, __global const float *restrict dy, ulong dy_at,
    __global const uchar *restrict pass, ulong pass_at, __global float *restrict slabs,
    ulong slabs_at, int N, int H, int W, int C, int P, int Q, int K, int R, int S, int sy, int sx,
    int ey, int ex, int py, int px, int flags, int dbias, int RB)
{
    float X[X_FLOATS + 3] __attribute__((aligned(64))); /* what is loaded and not picked */
    int term[MOST_TERMS + CT];
    const int unit = flags & POOLED ? 2 : 1, in_row = Q / unit;
    const int strips = (P + RB - 1) / RB, L = R * S * C, G = get_num_groups(0);
    const int pitch = ((Q - 1) * sx + (S - 1) * ex + 1) * C;
    x += x_at;
    dy += dy_at;
    pass += pass_at;
    slabs += slabs_at + get_group_id(0) * (L + dbias) * K;
    place_terms(term, R, S, C, ey, ex, pitch);
    for (int i = 0; i < CT; ++i) { term[L + i] = 0; }
    for (int chunk = get_group_id(0); chunk < N * strips; chunk += G) {
        const int n = chunk / strips, p0 = (chunk - n * strips) * RB;
        const int rows = min(RB, P - p0) / unit, next = chunk + G;
        const long from = (long)(n * (P / unit) + p0 / unit) * in_row * K;
        const long to = (long)(next / strips * (P / unit) + next % strips * RB / unit) * in_row * K;
        const long ahead = next < N * strips ? to - from : 0;
        const bool first = chunk == (int)get_group_id(0);
        copy_rows(X, x + n * H * W * C, p0 * sy - py, -px,
                  (rows * unit - 1) * sy + (R - 1) * ey + 1, pitch, H, W, C);
        for (int i = 0; i < (K + NV - 1) / NV * ((L + CT - 1) / CT); ++i) {
            const int kb = i / ((L + CT - 1) / CT), l = (i - kb * ((L + CT - 1) / CT)) * CT;
            const int k0 = kb * NV, columns = K - k0;
            const long wanted = l + CT >= L ? ahead + VW : l + 2 * CT >= L ? ahead : 0;
            __global const float *d = dy + from + k0;
            __global const uchar *bits = pass + from + k0;
            __global float *slab = slabs + l * K + k0;
            struct sums v;
            int t[CT];
            v.db_lo = v.db_hi = (vec_t)(0.0f);
            UNROLL for (int j = 0; j < CT; ++j)
            {
                t[j] = term[l + j];
                v.lo[j] = v.hi[j] = (vec_t)(0.0f);
            }
            for (int p = 0; p < rows; ++p, d += in_row * K, bits += in_row * K) {
                const float *a = X + p * unit * sy * pitch;
                if (unit == 2) {
                    add_windows(&v, a, sx * C, sy * pitch, t, d, bits, K, in_row, columns, flags);
                } else {
                    add_row(&v, a, sx * C, t, d, K, in_row, columns, wanted);
                }
            }
            UNROLL for (int j = 0; j < CT; ++j)
            {
                if (l + j < L) { add_to_slab(v.lo[j], v.hi[j], slab + j * K, columns, first); }
            }
            if (dbias && l == 0) {
                add_to_slab(v.db_lo, v.db_hi, slabs + L * K + k0, columns, first);
            }
        }
    }
}

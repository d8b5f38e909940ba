/*
 * conv_window.cl: windows of 2×2 outputs in the registers of the convolutions of CPUs: pooling them
 * (max, avg, behind a relu or not), and spreading the gradient of the pooled output over them.
 * runtime/ops/conv.h says what the pass bits mean. To be included.
 *
 * Output i of a window is pixel (2·p' + i/2, 2·q' + i mod 2).
 */
#include "gemm_tile.cl"
#define MAX_POOL 4
#define AVG_POOL 8
#define POOLED (MAX_POOL | AVG_POOL)
#define KEEP_PASS 16
typedef TILE_CAT(int, VW) bits_t;
typedef TILE_CAT(uchar, VW) bytes_t;
typedef bytes_t loose_bytes_t __attribute__((aligned(1)));
#define BITS_OF TILE_CAT(convert_int, VW)
#define BYTES_OF TILE_CAT(convert_uchar, VW)
#define BYTES_LOAD TILE_CAT(vload, VW)
#define BITS_LOAD(i, p) BITS_OF(BYTES_LOAD(i, p))

static INLINED bits_t load_bits(__global const uchar *from, int n)
{
    if (n >= VW) { return BITS_OF(BYTES_LOAD(0, from)); }
    uchar lane[VW];
    UNROLL for (int i = 0; i < VW; ++i) { lane[i] = i < n ? from[i] : 0; }
    return BITS_OF(BYTES_LOAD(0, lane));
}

static inline void store_bits(bits_t v, __global uchar *to, int n)
{
    const bytes_t bytes = BYTES_OF(v);
    if (n >= VW) {
        *(__global loose_bytes_t *)to = bytes;
        return;
    }
    uchar lane[VW];
    *(loose_bytes_t *)lane = bytes;
    UNROLL for (int i = 0; i < VW; ++i)
    {
        if (i < n) { to[i] = lane[i]; }
    }
}

/* The window v[0], v[step] … v[3·step], pooled. */
static INLINED vec_t pool_window(const vec_t *v, int step, int flags, bits_t *pass)
{
    const vec_t zero = (vec_t)(0.0f);
    if (flags & AVG_POOL) {
        vec_t sum = zero;
        bits_t all = (bits_t)(0);
        UNROLL for (int i = 0; i < 4; ++i)
        {
            const bits_t off = flags & RELU ? v[i * step] <= zero : (bits_t)(0);
            all |= off ? (bits_t)(0) : (bits_t)(1 << i);
            sum += off ? zero : v[i * step];
        }
        *pass = all;
        return 0.25f * sum;
    }
    vec_t best = v[0];
    bits_t winner = (bits_t)(1);
    UNROLL for (int i = 1; i < 4; ++i)
    {
        const vec_t a = v[i * step];
        const bits_t takes = a > best | a != a;
        best = takes ? a : best;
        winner = takes ? (bits_t)(1 << i) : winner;
    }
    const bits_t off = flags & RELU ? best <= zero : (bits_t)(0);
    *pass = off ? (bits_t)(0) : winner;
    return off ? zero : best;
}

/* What pixel i of a window gets of the window's gradient. */
static INLINED vec_t take_share(vec_t dy, bits_t pass, int i)
{
    return (pass & (bits_t)(1 << i)) != (bits_t)(0) ? dy : (vec_t)(0.0f);
}

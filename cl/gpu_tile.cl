/*
 * gpu_tile.cl: a work-group's tile of a matrix product, for GPUs. To be included.
 *
 *   C [BM][BN] += Aᵀ·B,   A [BK][BM], B [BK][BN], BK terms of the sums at a time
 *
 * A and B lie in local memory, twice: while the group multiplies one pair, its items fetch the next
 * from global memory into registers and put it into the other, so that a step has one barrier. C
 * lies in registers: an item has TM/4 quads of rows, 4·WY apart, and TN/4 quads of columns, 4·WX
 * apart, so that neighbours read neighbouring quads of local memory.
 *
 *            ◄──────── BN ────────►        item t: wx = t mod WX, wy = t / WX
 *            0 0 0 0 1 1 1 1 … │ 0 …       its columns 4·wx + {0…3}, + 4·WX, …
 *          ┌───────────────────┴────       its rows    4·wy + {0…3}, + 4·WY, …
 *        0 │ ■ ■ ■ ■           │ ■
 *
 * Fetching goes in runs of VA numbers along the terms, or of VB along the columns: 4 where those
 * lie side by side and begin at multiples of 4 (hosts look; offsets of buffers are multiples of 16
 * numbers), else 1. Sums run over the terms in their order: every tile gives the same bits.
 *
 * With MMA the products are those of tensor cores: gpu_mma.cl, where an item's sums lie otherwise.
 * With HALF the panels hold float16, rounded to the nearest: half the local memory, and half of what
 * is read of it. Sums and all else stay float32.
 *
 * Tunables: BM, BN, BK; TM, TN (multiples of 4); VA, VB; PAD, numbers behind a row of A or B, a
 * multiple of 4, that spread a column over the banks; UNROLL_TERMS.
 */
#ifndef BM
#define BM 32
#endif
#ifndef BN
#define BN 32
#endif
#ifndef BK
#define BK 16
#endif
#ifndef TM
#define TM 4
#endif
#ifndef TN
#define TN 4
#endif
#ifndef VA
#define VA 1
#endif
#ifndef VB
#define VB 1
#endif
#ifndef PAD
#ifdef MMA
#define PAD 8
#else
#define PAD 4
#endif
#endif
#ifndef UNROLL_TERMS
#define UNROLL_TERMS 4
#endif
#define WX (BN / TN)
#define WY (BM / TM)
#define ITEMS (WX * WY)
#define A_PITCH (BM + PAD)
#define B_PITCH (BN + PAD)
#define PRAGMA_(text) _Pragma(#text)
#define PRAGMA(text) PRAGMA_(text)
#define UNROLL _Pragma("unroll")
#define ONE_TILE __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
#define ADD_BIAS 1
#define RELU 2
#define MASK 4
/* A row or column of pixels that is outside of every image, whatever a tap adds. */
#define NOWHERE (-(1 << 30))

/* Runs along the terms and along the columns. */
#if VA == 4
typedef float4 term_run;
#else
typedef float term_run;
#endif
#if VB == 4
typedef float4 column_run;
#else
typedef float column_run;
#endif
#define TILE_LOAD(type, p, inside) ((inside) ? *(__global const type *)(p) : (type)(0.0f))

/* A number of a panel, and four side by side. */
#ifdef HALF
typedef ushort panel_t;
typedef ushort4 panel_quad_t;

static inline panel_t panel_of(float v)
{
    panel_t h;
    vstore_half(v, 0, (half *)&h);
    return h;
}

static inline panel_quad_t panel_quad_of(float4 v)
{
    return (panel_quad_t)(panel_of(v.x), panel_of(v.y), panel_of(v.z), panel_of(v.w));
}

/* Loaded as a whole, since a half may lie anywhere as far as vload_half knows. */
static inline float4 panel_quad(__local const panel_t *p)
{
    const panel_quad_t q = *(__local const panel_quad_t *)p;
    return vload_half4(0, (const half *)&q);
}
#else
typedef float panel_t;
typedef float4 panel_quad_t;
#define panel_of(v) (v)
#define panel_quad_of(v) (v)
#define panel_quad(p) (*(__local const float4 *)(p))
#endif

/* A run along the terms becomes a piece of a column of A or B. */
static inline void tile_put_column(__local panel_t *to, int pitch, term_run run)
{
#if VA == 4
    to[0] = panel_of(run.x);
    to[pitch] = panel_of(run.y);
    to[2 * pitch] = panel_of(run.z);
    to[3 * pitch] = panel_of(run.w);
#else
    to[0] = panel_of(run);
#endif
}

/* A run along the rows or columns of a panel. */
static inline void tile_put_terms(__local panel_t *to, term_run run)
{
#if VA == 4
    *(__local panel_quad_t *)to = panel_quad_of(run);
#else
    *to = panel_of(run);
#endif
}

static inline void tile_put_columns(__local panel_t *to, column_run run)
{
#if VB == 4
    *(__local panel_quad_t *)to = panel_quad_of(run);
#else
    *to = panel_of(run);
#endif
}

#ifdef MMA
#include "gpu_mma.cl"
#else
#define PIECE 4
typedef float4 piece_t;
#define MMA_LOCALS
#define MMA_SCRATCH(item) 0
/* Where an item's sums are in the tile. */
#define ITEM_ROW(item, i) ((i) / 4 * 4 * WY + (item) / WX * 4 + (i) % 4)
#define ITEM_COLUMN(item, j) ((j) * 4 * WX + (item) % WX * 4)
/* Where an item's first numbers are in the panels. */
#define A_FROM(item) ((item) / WX * 4)
#define B_FROM(item) ((item) % WX * 4)

struct sums {
    piece_t c[TM][TN / PIECE];
};

/* A and B begin at the item's first quads. */
static inline void tile_multiply(struct sums *s, __local const panel_t *A,
                                 __local const panel_t *B, __local uint *warp)
{
    PRAGMA(unroll UNROLL_TERMS) for (int k = 0; k < BK; ++k)
    {
        float4 b[TN / 4];
        UNROLL for (int j = 0; j < TN / 4; ++j)
        {
            b[j] = panel_quad(B + k * B_PITCH + j * 4 * WX);
        }
        UNROLL for (int i = 0; i < TM / 4; ++i)
        {
            const float4 a = panel_quad(A + k * A_PITCH + i * 4 * WY);
            UNROLL for (int j = 0; j < TN / 4; ++j)
            {
                s->c[4 * i][j] = fma((float4)(a.x), b[j], s->c[4 * i][j]);
                s->c[4 * i + 1][j] = fma((float4)(a.y), b[j], s->c[4 * i + 1][j]);
                s->c[4 * i + 2][j] = fma((float4)(a.z), b[j], s->c[4 * i + 2][j]);
                s->c[4 * i + 3][j] = fma((float4)(a.w), b[j], s->c[4 * i + 3][j]);
            }
        }
    }
}
#endif

static inline void tile_clear(struct sums *s)
{
    UNROLL for (int i = 0; i < TM; ++i)
    {
        UNROLL for (int j = 0; j < TN / PIECE; ++j) { s->c[i][j] = (piece_t)(0.0f); }
    }
}

/* The first n columns of a piece, n ≥ 1; runs of VB. */
static inline void tile_store(__global float *to, piece_t v, int n)
{
    if (VB == 4) {
        *(__global piece_t *)to = v;
        return;
    }
    to[0] = v.x;
    if (n > 1) { to[1] = v.y; }
#if PIECE == 4
    if (n > 2) { to[2] = v.z; }
    if (n > 3) { to[3] = v.w; }
#endif
}

static inline piece_t tile_fetch(__global const float *from, int n)
{
    if (VB == 4) { return *(__global const piece_t *)from; }
#if PIECE == 4
    return (float4)(from[0], n > 1 ? from[1] : 0.0f, n > 2 ? from[2] : 0.0f,
                    n > 3 ? from[3] : 0.0f);
#else
    return (float2)(from[0], n > 1 ? from[1] : 0.0f);
#endif
}

/*
 * gpu_mma.cl: gpu_tile.cl's product by tensor cores (mma.cl): what takes the place of its items'
 * sums with MMA. To be included there.
 *
 * A warp makes 8·TM rows and 4·TN columns: TM/2 by TN/2 products of 16×8. An item's sums are the
 * four numbers that it has of each: rows in pairs 8 apart, columns side by side. BK is MMA_TERMS.
 * With HALF a panel's numbers go as they are, two terms a register; else each is cut in two.
 */
#include "mma.cl"

#define WARP_ROWS (8 * TM)
#define WARP_COLUMNS (4 * TN)
#define WARPS_ACROSS (BN / WARP_COLUMNS)
#define STEPS (MMA_TERMS / MMA_DEPTH)
#define PIECE 2
typedef float2 piece_t;

#define LANE(item) ((item) % WARP)
#define WARP_ROW(item) ((item) / WARP / WARPS_ACROSS * WARP_ROWS)
#define WARP_COLUMN(item) ((item) / WARP % WARPS_ACROSS * WARP_COLUMNS)
/* Where an item's sums are in the tile. */
#define ITEM_ROW(item, i)                                                                          \
    (WARP_ROW(item) + (i) / 2 * MMA_ROWS + MMA_C_ROW(LANE(item), (i) % 2 * 2))
#define ITEM_COLUMN(item, j)                                                                       \
    (WARP_COLUMN(item) + (j) * MMA_COLUMNS + MMA_C_COLUMN(LANE(item), 0))
/* Where an item's first numbers are in the panels. */
#define A_FROM(item)                                                                               \
    (WARP_ROW(item) + MMA_A_ROW(LANE(item), 0) + MMA_A_TERM(LANE(item), 0) * A_PITCH)
#define B_FROM(item)                                                                               \
    (WARP_COLUMN(item) + MMA_B_COLUMN(LANE(item), 0) + MMA_B_TERM(LANE(item), 0) * B_PITCH)

struct sums {
    piece_t c[TM][TN / PIECE];
};

#ifdef HALF
/* An item's registers of 16 rows, or 8 columns, and BK terms. */
struct mma_rows {
    uint pair[4];
};
struct mma_columns {
    uint pair[2];
};

/* The numbers of a term and the next one. */
static inline uint mma_pair(__local const panel_t *term, int pitch)
{
    return term[0] | (uint)term[pitch] << 16;
}

static inline void mma_take_rows(struct mma_rows *m, __local const panel_t *A)
{
    MMA_UNROLL for (int r = 0; r < 4; ++r)
    {
        m->pair[r] = mma_pair(A + MMA_A_TERM(0, r) * A_PITCH + MMA_A_ROW(0, r), A_PITCH);
    }
}

static inline void mma_take_columns(struct mma_columns *m, __local const panel_t *B)
{
    MMA_UNROLL for (int r = 0; r < 2; ++r)
    {
        m->pair[r] = mma_pair(B + MMA_B_TERM(0, r) * B_PITCH + MMA_B_COLUMN(0, r), B_PITCH);
    }
}

static inline void mma_terms(float *c, const struct mma_rows *rows,
                             const struct mma_columns *columns, __local uint *warp)
{
    mma(c, rows->pair, columns->pair, warp);
}
#else
/* An item's registers of 16 rows, or 8 columns, and BK terms. */
struct mma_rows {
    uint high[STEPS][4], low[STEPS][4];
};
struct mma_columns {
    uint high[STEPS][2], low[STEPS][2];
};

static inline void mma_take_rows(struct mma_rows *m, __local const panel_t *A)
{
    MMA_UNROLL for (int s = 0; s < STEPS; ++s)
    {
        MMA_UNROLL for (int r = 0; r < 4; ++r)
        {
            const int at = (s * MMA_DEPTH + MMA_A_TERM(0, r)) * A_PITCH + MMA_A_ROW(0, r);
            tf32_cut(A[at], &m->high[s][r], &m->low[s][r]);
        }
    }
}

static inline void mma_take_columns(struct mma_columns *m, __local const panel_t *B)
{
    MMA_UNROLL for (int s = 0; s < STEPS; ++s)
    {
        MMA_UNROLL for (int r = 0; r < 2; ++r)
        {
            const int at = (s * MMA_DEPTH + MMA_B_TERM(0, r)) * B_PITCH + MMA_B_COLUMN(0, r);
            tf32_cut(B[at], &m->high[s][r], &m->low[s][r]);
        }
    }
}

/* The small products come first. */
static inline void mma_terms(float *c, const struct mma_rows *rows,
                             const struct mma_columns *columns, __local uint *warp)
{
    MMA_UNROLL for (int k = 0; k < STEPS; ++k)
    {
        mma(c, rows->low[k], columns->high[k], warp);
        mma(c, rows->high[k], columns->low[k], warp);
    }
    MMA_UNROLL for (int k = 0; k < STEPS; ++k) { mma(c, rows->high[k], columns->high[k], warp); }
}
#endif

/* A and B begin at the item's first numbers. */
static inline void tile_multiply(struct sums *s, __local const panel_t *A,
                                 __local const panel_t *B, __local uint *warp)
{
    struct mma_rows rows[TM / 2];
    MMA_UNROLL for (int i = 0; i < TM / 2; ++i) { mma_take_rows(&rows[i], A + i * MMA_ROWS); }
    MMA_UNROLL for (int j = 0; j < TN / 2; ++j)
    {
        struct mma_columns columns;
        mma_take_columns(&columns, B + j * MMA_COLUMNS);
        MMA_UNROLL for (int i = 0; i < TM / 2; ++i)
        {
            float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            mma_terms(c, &rows[i], &columns, warp);
            s->c[2 * i][j] += (float2)(c[0], c[1]);
            s->c[2 * i + 1][j] += (float2)(c[2], c[3]);
        }
    }
}

/*
 * mma.cl: products of float32 numbers by NVIDIA's tensor cores, whose own numbers are TF32 (10 bits
 * behind the point), or with HALF of float16. To be included.
 *
 *   C [16][8] += A [16][8] · B [8][8], by the 32 lanes of a warp: mma.sync m16n8k8
 *   with HALF  A [16][16] · B [16][8]: m16n8k16, where each term below is a pair of terms
 *
 * Which number of a matrix is in which register of which lane (the PTX manual's figures):
 *
 *            A: terms 0…3   4…7            B: columns 0…7              C: columns 0,1 2,3 4,5 6,7
 *   rows 0…7  ┌ a0 ───────┬ a2 ────┐    terms 0…3 ┌ b0 ────┐   rows 0…7  ┌ c0 c1 ─────────────┐
 *        8…15 └ a1 ───────┴ a3 ────┘          4…7 └ b1 ────┘        8…15 └ c2 c3 ─────────────┘
 *
 * Lane 4g + t has, of A, row g and term t of each block; of B, term t and column g; of C, row g and
 * columns 2t, 2t + 1. Of a pair of terms the first is in a register's lower half.
 *
 * A float32 number is cut into two of TF32, v = high + low + what is less than 2⁻²² of v; of the four
 * products low·low is left out (Ootomo and Yokota, 2022). Their sums round towards zero in tensor
 * cores, so only MMA_TERMS terms are added up there; what adds those up are plain additions.
 *
 * Compilers that are not NVIDIA's get the instruction spelled out, lane by lane through local memory,
 * so that places and precision are checked without such a device. There every item of the group
 * has to come along. MMA_LOCALS declares what is needed, MMA_SCRATCH is to be handed on.
 */
#define WARP 32
#define MMA_ROWS 16
#define MMA_COLUMNS 8
#ifdef HALF
#define REGISTER_TERMS 2
#else
#define REGISTER_TERMS 1
#endif
#define MMA_DEPTH (8 * REGISTER_TERMS)
#define MMA_TERMS 16
/* Places of register r: of lane l, MMA_A_ROW(l, 0) + MMA_A_ROW(0, r), and so for the others. */
#define MMA_A_ROW(l, r) ((l) / 4 + (r) % 2 * 8)
#define MMA_A_TERM(l, r) (((l) % 4 + (r) / 2 * 4) * REGISTER_TERMS)
#define MMA_B_TERM(l, r) (((l) % 4 + (r) * 4) * REGISTER_TERMS)
#define MMA_B_COLUMN(l, r) ((l) / 4)
#define MMA_C_ROW(l, r) ((l) / 4 + (r) / 2 * 8)
#define MMA_C_COLUMN(l, r) ((l) % 4 * 2 + (r) % 2)

/* The nearest number of TF32. */
static inline uint tf32_of(float v)
{
    return (as_uint(v) + 0x1000u) & 0xffffe000u;
}

static inline void tf32_cut(float v, uint *high, uint *low)
{
    *high = tf32_of(v);
    *low = tf32_of(v - as_float(*high));
}

#if defined(__NV_CL_C_VERSION) || defined(__NVPTX__)
#define MMA_UNROLL _Pragma("unroll")
#define MMA_LOCALS
#define MMA_SCRATCH(item) 0

#ifdef HALF
#define MMA_NAME "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define MMA_NAME "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#endif

static inline void mma(float *c, const uint *a, const uint *b, __local uint *warp)
{
    __asm__ volatile(MMA_NAME " {%0, %1, %2, %3}, "
                     "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
#define MMA_UNROLL
#define MMA_REGISTERS 6
#define MMA_LOCALS __local uint mma_registers[ITEMS * MMA_REGISTERS]
/* The warp's; said in the kernel, since PoCL 3.1 makes one array for all groups, which run beside each
 * other, of a local array whose place the kernel itself never works out. */
#define MMA_SCRATCH(item) (mma_registers + (item) / WARP * (WARP * MMA_REGISTERS))

/* What tensor cores see of a register, for its first or second term. */
static inline float mma_sees(uint v, int term)
{
#ifdef HALF
    const ushort h = (ushort)(v >> 16 * term);
    return vload_half(0, (const half *)&h);
#else
    return as_float(v & 0xffffe000u);
#endif
}

/* The other way round than MMA_…: of a place, the lane and its register. */
static inline float mma_a(__local const uint *warp, int row, int term)
{
    const int at = term / REGISTER_TERMS;
    const int lane = row % 8 * 4 + at % 4, r = row / 8 + at / 4 * 2;
    return mma_sees(warp[lane * MMA_REGISTERS + r], term % REGISTER_TERMS);
}

static inline float mma_b(__local const uint *warp, int term, int column)
{
    const int at = term / REGISTER_TERMS;
    const int lane = column * 4 + at % 4, r = at / 4;
    return mma_sees(warp[lane * MMA_REGISTERS + 4 + r], term % REGISTER_TERMS);
}

static inline void mma(float *c, const uint *a, const uint *b, __local uint *warp)
{
    const int lane = get_local_id(0) % WARP;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = 0; r < 4; ++r) { warp[lane * MMA_REGISTERS + r] = a[r]; }
    for (int r = 0; r < 2; ++r) { warp[lane * MMA_REGISTERS + 4 + r] = b[r]; }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = 0; r < 4; ++r) {
        const int row = lane / 4 + (r < 2 ? 0 : 8), column = lane % 4 * 2 + (r & 1);
        for (int k = 0; k < MMA_DEPTH; ++k) {
            c[r] = fma(mma_a(warp, row, k), mma_b(warp, k, column), c[r]);
        }
    }
}
#endif

/*
 * shuffle.cl: how the items of a sub-group hand numbers to each other. To be included.
 *
 *   SHUFFLE_XOR(v, bit)   the v of the item whose local number differs in that bit; a power of two
 *                         below NEIGHBOURS. Every item of the group takes part.
 *
 * Hosts say which spelling was tried and found right (runtime/device/probe_shuffle.c): SHUFFLE_INTEL,
 * SHUFFLE_KHR, SHUFFLE_PTX or SHUFFLE_AMD. With none, NEIGHBOURS is 1. How many they are is for the
 * compiler to say; sums that take local memory for larger bits have the same bits for any number.
 */
#if defined(SHUFFLE_INTEL)
#define NEIGHBOURS ((int)get_max_sub_group_size())
#define SHUFFLE_XOR(v, bit) intel_sub_group_shuffle_xor(v, (uint)(bit))
#elif defined(SHUFFLE_KHR)
#define NEIGHBOURS ((int)get_max_sub_group_size())
#define SHUFFLE_XOR(v, bit) sub_group_shuffle_xor(v, (uint)(bit))
#elif defined(SHUFFLE_PTX)
#define NEIGHBOURS 32
static inline float SHUFFLE_XOR(float v, int bit)
{
    float to;
    __asm__ volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, -1;" : "=f"(to) : "f"(v), "r"(bit));
    return to;
}
#elif defined(SHUFFLE_AMD)
#define NEIGHBOURS ((int)__builtin_amdgcn_wavefrontsize())
static inline float SHUFFLE_XOR(float v, int bit)
{
    const int lane = __builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0u));
    return as_float(__builtin_amdgcn_ds_bpermute((lane ^ bit) << 2, as_int(v)));
}
#else
#define NEIGHBOURS 1
#define SHUFFLE_XOR(v, bit) (v)
#endif

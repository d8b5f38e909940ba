/*
 * builtins.cl: declarations of those of OpenCL's built-in functions that kernels here call.
 *
 * PoCL reads 18000 lines of such declarations for each program, twice, which takes longer than all
 * the rest of a small kernel's build. Where these stand before a program (program.c), it need not:
 * -D_OPENCL_H_ leaves its header out (kernel_build.c). They say what the header says, so both
 * together are fine too. A function that is missing here costs time, nothing else: the program is
 * then built again with the header. But where a function stands here, all its variants must that a
 * kernel may mean, lest arguments be converted to what there is. (No kernel here knows double.)
 */

/* A function that is to be compiled once, not where it is called. The body of a kernel is one, and
 * is told its place among the groups (runtime/program/kernel_body.c). */
#define UMB_ONCE __attribute__((noinline))
#define UMB_PLACE                                                                                  \
    size_t umb_group_0, size_t umb_group_1, size_t umb_group_2, size_t umb_groups_0,               \
        size_t umb_groups_1, size_t umb_groups_2
#define UMB_HERE                                                                                   \
    get_group_id(0), get_group_id(1), get_group_id(2), get_num_groups(0), get_num_groups(1),       \
        get_num_groups(2)
#define umb_launch_group(d) umb_group_##d
#define umb_group_id(d) umb_group_##d
#define umb_num_groups(d) umb_groups_##d

#define UMB_ANY __attribute__((overloadable))
#define UMB_READS __attribute__((overloadable, pure))
#define UMB_CONST __attribute__((overloadable, const))

size_t UMB_CONST get_global_id(uint);
size_t UMB_CONST get_local_id(uint);
size_t UMB_CONST get_group_id(uint);
size_t UMB_CONST get_global_size(uint);
size_t UMB_CONST get_local_size(uint);
size_t UMB_CONST get_num_groups(uint);
void __attribute__((overloadable, convergent)) barrier(cl_mem_fence_flags);
int UMB_ANY atomic_add(volatile __global int *, int);
int UMB_ANY atomic_add(volatile __local int *, int);
int UMB_CONST mul_hi(int, int);
uint UMB_CONST mul_hi(uint, uint);
long UMB_CONST mul_hi(long, long);
ulong UMB_CONST mul_hi(ulong, ulong);
int UMB_CONST select(int, int, int);
uint UMB_CONST select(uint, uint, int);

#define UMB_ORDER(t)                                                                               \
    t UMB_CONST min(t, t);                                                                         \
    t UMB_CONST max(t, t);                                                                         \
    t UMB_CONST clamp(t, t, t);
UMB_ORDER(int)
UMB_ORDER(uint)
UMB_ORDER(long)
UMB_ORDER(ulong)

#define UMB_FROM(t, name, f, i, u, b, l)                                                           \
    t UMB_CONST convert_##name(f);                                                                 \
    t UMB_CONST convert_##name(i);                                                                 \
    t UMB_CONST convert_##name(u);                                                                 \
    t UMB_CONST convert_##name(b);                                                                 \
    t UMB_CONST convert_##name(l);

/* f: floats; i, u, b and l: as many int, uint, uchar and ulong. */
#define UMB_FLOATS(f, i, u, b, l, n)                                                               \
    UMB_ORDER(f)                                                                                   \
    f UMB_CONST fma(f, f, f);                                                                      \
    f UMB_CONST fmax(f, f);                                                                        \
    f UMB_CONST fmin(f, f);                                                                        \
    f UMB_CONST exp(f);                                                                            \
    f UMB_CONST log(f);                                                                            \
    f UMB_CONST log1p(f);                                                                          \
    f UMB_CONST tanh(f);                                                                           \
    f UMB_CONST erf(f);                                                                            \
    f UMB_CONST erfc(f);                                                                           \
    f UMB_CONST sqrt(f);                                                                           \
    f UMB_CONST fabs(f);                                                                           \
    f UMB_CONST sign(f);                                                                           \
    f UMB_CONST copysign(f, f);                                                                    \
    i UMB_CONST isnan(f);                                                                          \
    f UMB_CONST select(f, f, i);                                                                   \
    UMB_FROM(i, int##n, f, i, u, b, l)                                                             \
    UMB_FROM(u, uint##n, f, i, u, b, l)                                                            \
    UMB_FROM(b, uchar##n, f, i, u, b, l)                                                           \
    UMB_FROM(l, ulong##n, f, i, u, b, l)                                                           \
    UMB_FROM(f, float##n, f, i, u, b, l)
UMB_FLOATS(float, int, uint, uchar, ulong, )
UMB_FLOATS(float2, int2, uint2, uchar2, ulong2, 2)
UMB_FLOATS(float4, int4, uint4, uchar4, ulong4, 4)
UMB_FLOATS(float8, int8, uint8, uchar8, ulong8, 8)
UMB_FLOATS(float16, int16, uint16, uchar16, ulong16, 16)

#define UMB_VECTORS(t, n)                                                                          \
    t##n UMB_READS vload##n(size_t, const __global t *);                                           \
    t##n UMB_READS vload##n(size_t, const __local t *);                                            \
    t##n UMB_READS vload##n(size_t, const t *);                                                    \
    void UMB_ANY vstore##n(t##n, size_t, __global t *);                                            \
    void UMB_ANY vstore##n(t##n, size_t, __local t *);                                             \
    void UMB_ANY vstore##n(t##n, size_t, t *);
#define UMB_WIDTHS(t) UMB_VECTORS(t, 2) UMB_VECTORS(t, 4) UMB_VECTORS(t, 8) UMB_VECTORS(t, 16)
UMB_WIDTHS(float)
UMB_WIDTHS(int)
UMB_WIDTHS(uint)
UMB_WIDTHS(uchar)

/* Numbers kept as float16. */
#define UMB_HALVES(space)                                                                          \
    float UMB_READS vload_half(size_t, const space half *);                                        \
    float4 UMB_READS vload_half4(size_t, const space half *);                                      \
    void UMB_ANY vstore_half(float, size_t, space half *);
UMB_HALVES(__global)
UMB_HALVES(__local)
UMB_HALVES(__private)

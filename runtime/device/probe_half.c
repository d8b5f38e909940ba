/*
 * probe_half.c: does float16 in local memory hold what cl/gpu_tile.cl counts on?
 *
 * Numbers are written as float16 one by one, as a panel is filled, and read by fours. They must be
 * rounded to the nearest, halves to even, with denormal ones kept, and too large ones infinite.
 */
#include "probe.h"

#define N 16

/* Bits of a float32 number, and of the float16 number next to it. */
static const struct {
    cl_uint single, half;
} pairs[N] = {
    {0x3f800000, 0x3c00}, /* 1 */
    {0x3f801000, 0x3c00}, /* 1 + 2⁻¹¹, between two: to even */
    {0x3f803000, 0x3c02}, /* 1 + 3·2⁻¹¹ */
    {0x3f801001, 0x3c01}, /* a little more than between */
    {0xc0200000, 0xc100}, /* −2.5 */
    {0x477fe000, 0x7bff}, /* 65504, the largest */
    {0x477fefff, 0x7bff}, /* rounded down to it */
    {0x477ff000, 0x7c00}, /* 65520: infinite */
    {0xff800000, 0xfc00}, /* −∞ */
    {0x33800000, 0x0001}, /* 2⁻²⁴, the least */
    {0x33000000, 0x0000}, /* half of that: to even */
    {0x34400000, 0x0003}, /* 3·2⁻²⁴ */
    {0x33c00000, 0x0002}, /* 1.5 times the least: to even */
    {0x80000000, 0x8000}, /* −0 */
    {0x3eaaaaab, 0x3555}, /* a third */
    {0x322bcc77, 0x0000}, /* 1e-8 */
};

static const char source[] =
    "__kernel __attribute__((reqd_work_group_size(16, 1, 1))) void probe(\n"
    "    __global uint *out)\n"
    "{\n"
    "    __local ushort panel[16] __attribute__((aligned(16)));\n"
    "    const int i = (int)get_local_id(0);\n"
    "    ushort h;\n"
    "    vstore_half(as_float(out[i]), 0, (half *)&h);\n"
    "    panel[i] = h;\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    if (i < 4) {\n"
    "        const ushort4 q = *(__local const ushort4 *)(panel + 4 * i);\n"
    "        const uint4 back = as_uint4(vload_half4(0, (const half *)&q));\n"
    "        vstore4(convert_uint4(q), 4 + i, out);\n"
    "        vstore4(back, 8 + i, out);\n"
    "    }\n"
    "}\n";

/* What a float16 number is in float32. */
static cl_uint widened(cl_uint h)
{
    const cl_uint sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) { return sign | 0x7f800000 | fraction << 13; }
    if (exponent > 0) { return sign | (exponent + 112) << 23 | fraction << 13; }
    cl_uint e = 113, f = fraction;
    if (f == 0) { return sign; }
    for (; !(f & 0x400); f <<= 1) {
        e--;
    }
    return sign | e << 23 | (f & 0x3ff) << 13;
}

static cl_int run(const struct umb_probe_bench *b, cl_command_queue queue, bool *ret_right)
{
    const size_t n = N;
    cl_uint out[3 * N] = {0}; /* what is asked, and both answers */
    for (int i = 0; i < N; i++) {
        out[i] = pairs[i].single;
    }
    cl_int code = clEnqueueWriteBuffer(queue, b->out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    if (code == CL_SUCCESS) {
        code = clEnqueueNDRangeKernel(queue, b->kernel, 1, NULL, &n, &n, 0, NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, b->out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    }
    bool right = code == CL_SUCCESS;
    for (int i = 0; i < N; i++) {
        right = right && out[N + i] == pairs[i].half && out[2 * N + i] == widened(pairs[i].half);
    }
    *ret_right = right;
    return code;
}

cl_int umb__probe_half(cl_context cl, cl_device_id device, bool *ret_half)
{
    struct umb_probe_bench b;
    *ret_half = false;
    cl_int code = umb__probe_bench_init(&b, cl, device, source, 3 * N * sizeof(cl_uint));
    if (code != CL_SUCCESS) { return code; }
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    if (code == CL_SUCCESS) { code = run(&b, queue, ret_half); }
    if (queue) { clReleaseCommandQueue(queue); }
    umb__probe_bench_finish(&b);
    return code;
}

/*
 * probe_mma.c: do NVIDIA's tensor cores multiply as cl/mma.cl counts on?
 *
 * One warp makes A·B + C of small whole numbers, which TF32 and float16 hold exactly: A [16][8] and
 * B [8][8] of TF32, A [16][16] and B [16][8] of float16. The registers of a lane are filled, and
 * read, by the places that the PTX manual gives for m16n8k8 with .tf32 and m16n8k16 with .f16; were
 * they others, the product would be another.
 */
#include "probe.h"
#include <stdio.h>

#define M 16
#define N 8
#define WARP 32

/* A register holds one term, or two; `k` of its first. */
static const char tf32[] = "#define EACH 1\n"
                           "#define NAME \"m16n8k8.row.col.f32.tf32.tf32.f32\"\n"
                           "#define REGISTER(at) as_uint((float)(at(k)))\n";
static const char fp16[] = "#define EACH 2\n"
                           "#define NAME \"m16n8k16.row.col.f32.f16.f16.f32\"\n"
                           "#define REGISTER(at) (half_of(at(k)) | half_of(at(k + 1)) << 16)\n"
                           "static inline uint half_of(int v)\n"
                           "{\n"
                           "    ushort h;\n"
                           "    vstore_half((float)v, 0, (half *)&h);\n"
                           "    return h;\n"
                           "}\n";
static const char rest[] =
    "#define A_AT(k) (3 * row - 5 * (k) + 1)\n"
    "#define B_AT(k) (2 * (k) * (g - 3) + 5)\n"
    "__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out)\n"
    "{\n"
    "    const int lane = (int)get_local_id(0), g = lane / 4, t = lane % 4;\n"
    "    float c[4];\n"
    "    uint a[4], b[2];\n"
    "    for (int i = 0; i < 4; ++i) {\n"
    "        const int row = g + i % 2 * 8, k = (t + i / 2 * 4) * EACH;\n"
    "        a[i] = REGISTER(A_AT);\n"
    "        c[i] = (float)((g + i / 2 * 8) * 7 - (2 * t + i % 2));\n"
    "    }\n"
    "    for (int i = 0; i < 2; ++i) {\n"
    "        const int k = (t + i * 4) * EACH;\n"
    "        b[i] = REGISTER(B_AT);\n"
    "    }\n"
    "    __asm__ volatile(\n"
    "        \"mma.sync.aligned.\" NAME \" {%0, %1, %2, %3}, \"\n"
    "        \"{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\"\n"
    "        : \"+f\"(c[0]), \"+f\"(c[1]), \"+f\"(c[2]), \"+f\"(c[3])\n"
    "        : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"r\"(b[0]), \"r\"(b[1]));\n"
    "    for (int i = 0; i < 4; ++i) {\n"
    "        out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];\n"
    "    }\n"
    "}\n";

static bool right(const float *out, int depth)
{
    for (int row = 0; row < M; row++) {
        for (int n = 0; n < N; n++) {
            int sum = row * 7 - n;
            for (int k = 0; k < depth; k++) {
                sum += (3 * row - 5 * k + 1) * (2 * k * (n - 3) + 5);
            }
            if (out[row * N + n] != (float)sum) { return false; }
        }
    }
    return true;
}

static cl_int probe(cl_context cl, cl_device_id device, const char *kind, int depth, bool *ret_mma)
{
    const size_t n = WARP;
    char source[sizeof fp16 + sizeof rest];
    float out[M * N] = {0};
    struct umb_probe_bench b;
    *ret_mma = false;
    snprintf(source, sizeof source, "%s%s", kind, rest);
    cl_int code = umb__probe_bench_init(&b, cl, device, source, sizeof out);
    if (code != CL_SUCCESS) { return code; }
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    if (code == CL_SUCCESS) {
        code = clEnqueueNDRangeKernel(queue, b.kernel, 1, NULL, &n, &n, 0, NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, b.out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    }
    *ret_mma = code == CL_SUCCESS && right(out, depth);
    if (queue) { clReleaseCommandQueue(queue); }
    umb__probe_bench_finish(&b);
    return code;
}

cl_int umb__probe_mma_tf32(cl_context cl, cl_device_id device, bool *ret_mma)
{
    return probe(cl, device, tf32, 8, ret_mma);
}

cl_int umb__probe_mma_fp16(cl_context cl, cl_device_id device, bool *ret_mma)
{
    return probe(cl, device, fp16, 16, ret_mma);
}

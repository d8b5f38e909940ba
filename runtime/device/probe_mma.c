/*
 * probe_mma.c: do NVIDIA's tensor cores multiply as cl/mma.cl counts on?
 *
 * One warp makes A·B + C of small whole numbers, which TF32 holds exactly: A [16][8], B [8][8]. The
 * registers of a lane are filled, and read, by the places that the PTX manual gives for m16n8k8
 * with .tf32; were they others, the product would be another.
 */
#include "probe.h"

#define M 16
#define N 8
#define K 8
#define WARP 32

static const char source[] =
    "__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out)\n"
    "{\n"
    "    const int lane = (int)get_local_id(0), g = lane / 4, t = lane % 4;\n"
    "    float c[4];\n"
    "    uint a[4], b[2];\n"
    "    for (int i = 0; i < 4; ++i) {\n"
    "        const int row = g + i % 2 * 8, k = t + i / 2 * 4;\n"
    "        a[i] = as_uint((float)(3 * row - 5 * k + 1));\n"
    "        c[i] = (float)((g + i / 2 * 8) * 7 - (2 * t + i % 2));\n"
    "    }\n"
    "    for (int i = 0; i < 2; ++i) {\n"
    "        b[i] = as_uint((float)(2 * (t + i * 4) * (g - 3) + 5));\n"
    "    }\n"
    "    __asm__ volatile(\n"
    "        \"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, \"\n"
    "        \"{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\"\n"
    "        : \"+f\"(c[0]), \"+f\"(c[1]), \"+f\"(c[2]), \"+f\"(c[3])\n"
    "        : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"r\"(b[0]), \"r\"(b[1]));\n"
    "    for (int i = 0; i < 4; ++i) {\n"
    "        out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];\n"
    "    }\n"
    "}\n";

static bool right(const float *out)
{
    for (int row = 0; row < M; row++) {
        for (int n = 0; n < N; n++) {
            int sum = row * 7 - n;
            for (int k = 0; k < K; k++) {
                sum += (3 * row - 5 * k + 1) * (2 * k * (n - 3) + 5);
            }
            if (out[row * N + n] != (float)sum) { return false; }
        }
    }
    return true;
}

cl_int umb__probe_mma(cl_context cl, cl_device_id device, bool *ret_mma)
{
    const size_t n = WARP;
    float out[M * N] = {0};
    struct umb_probe_bench b;
    *ret_mma = false;
    cl_int code = umb__probe_bench_init(&b, cl, device, source, sizeof out);
    if (code != CL_SUCCESS) { return code; }
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    if (code == CL_SUCCESS) {
        code = clEnqueueNDRangeKernel(queue, b.kernel, 1, NULL, &n, &n, 0, NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, b.out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    }
    *ret_mma = code == CL_SUCCESS && right(out);
    if (queue) { clReleaseCommandQueue(queue); }
    umb__probe_bench_finish(&b);
    return code;
}

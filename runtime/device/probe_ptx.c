/* probe_ptx.c: does inline PTX compile, and compute 3·x + 7? */
#include "probe.h"

#define N 64

static const char source[] =
    "__kernel void probe(__global uint *out)\n"
    "{\n"
    "    uint x = (uint)get_global_id(0), y;\n"
    "    asm volatile(\"mad.lo.u32 %0, %1, 3, 7;\" : \"=r\"(y) : \"r\"(x));\n"
    "    out[x] = y;\n"
    "}\n";

static cl_int run(const struct umb_probe_bench *b, cl_command_queue queue, bool *ret_right)
{
    const size_t n = N;
    cl_uint out[N] = {0};
    cl_int code = clEnqueueNDRangeKernel(queue, b->kernel, 1, NULL, &n, NULL, 0, NULL, NULL);
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, b->out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    }
    bool right = code == CL_SUCCESS;
    for (cl_uint i = 0; i < N; i++) {
        right = right && out[i] == 3 * i + 7;
    }
    *ret_right = right;
    return code;
}

cl_int umb__probe_ptx(cl_context cl, cl_device_id device, bool *ret_ptx)
{
    struct umb_probe_bench b;
    cl_int code = umb__probe_bench_init(&b, cl, device, source, N * sizeof(cl_uint));
    if (code != CL_SUCCESS) { return code; }
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    if (code == CL_SUCCESS) {
        code = run(&b, queue, ret_ptx);
        clReleaseCommandQueue(queue);
    }
    umb__probe_bench_finish(&b);
    return code;
}

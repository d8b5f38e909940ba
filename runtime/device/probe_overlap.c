/*
 * probe_overlap.c: do two in-order queues overlap?
 *
 * A kernel of one work-item is stretched until it takes a few milliseconds. Two of them are then
 * run on one queue, and one each on two queues. Queues that overlap need half the time; the limit
 * is at four fifths. Of several tries the shortest counts, since a busy machine only ever adds.
 */
#include "probe.h"
#include "system.h"

#define KERNEL_NS UINT64_C(4000000)
#define MAX_ROUNDS (1 << 26)
#define TRIES 5

/* A chain in which each step needs the last, so that no compiler shortens or widens it. */
static const char source[] = "__kernel void probe(__global float *out, int rounds)\n"
                             "{\n"
                             "    float x = 1.0f;\n"
                             "    for (int i = 0; i < rounds; i++) { x = fma(x, 0.5f, 0.75f); }\n"
                             "    out[0] = x;\n"
                             "}\n";

static cl_int launch(const struct umb_probe_bench *b, cl_command_queue queue)
{
    const size_t one = 1;
    return clEnqueueNDRangeKernel(queue, b->kernel, 1, NULL, &one, &one, 0, NULL, NULL);
}

/* The time from enqueueing a kernel of each bench on its queue to the end of both. */
static cl_int time_pair(struct umb_probe_bench b[2], cl_command_queue first,
                        cl_command_queue second, uint64_t *ret_ns)
{
    uint64_t start = umb__clock_ns();
    cl_int code = launch(&b[0], first);
    if (code == CL_SUCCESS) { code = clFlush(first); }
    if (code == CL_SUCCESS) { code = launch(&b[1], second); }
    if (code == CL_SUCCESS) { code = clFlush(second); }
    if (code == CL_SUCCESS) { code = clFinish(first); }
    if (code == CL_SUCCESS) { code = clFinish(second); }
    *ret_ns = umb__clock_ns() - start;
    return code;
}

static cl_int set_rounds(struct umb_probe_bench b[2], cl_int rounds)
{
    cl_int code = clSetKernelArg(b[0].kernel, 1, sizeof rounds, &rounds);
    return code == CL_SUCCESS ? clSetKernelArg(b[1].kernel, 1, sizeof rounds, &rounds) : code;
}

/* The first pair also pays for building, so rounds grow until a pair takes twice KERNEL_NS. */
static cl_int stretch(struct umb_probe_bench b[2], cl_command_queue queue)
{
    uint64_t ns = 0;
    cl_int code = set_rounds(b, 1);
    if (code == CL_SUCCESS) { code = time_pair(b, queue, queue, &ns); }
    ns = 0;
    for (cl_int rounds = 1 << 12; code == CL_SUCCESS && ns < 2 * KERNEL_NS && rounds < MAX_ROUNDS;
         rounds *= 2) {
        code = set_rounds(b, rounds);
        if (code == CL_SUCCESS) { code = time_pair(b, queue, queue, &ns); }
    }
    return code;
}

static cl_int compare(struct umb_probe_bench b[2], cl_command_queue queues[2], bool *ret_overlap)
{
    uint64_t one_queue = UINT64_MAX, two_queues = UINT64_MAX, ns = 0;
    cl_int code = stretch(b, queues[0]);
    for (int i = 0; code == CL_SUCCESS && i < TRIES; i++) {
        code = time_pair(b, queues[0], queues[0], &ns);
        if (ns < one_queue) { one_queue = ns; }
        if (code == CL_SUCCESS) { code = time_pair(b, queues[0], queues[1], &ns); }
        if (ns < two_queues) { two_queues = ns; }
    }
    if (code == CL_SUCCESS) { *ret_overlap = two_queues < one_queue / 5 * 4; }
    return code;
}

cl_int umb__probe_overlap(cl_context cl, cl_device_id device, bool *ret_overlap)
{
    /* Two benches, since some drivers serialise kernels that share a buffer. */
    struct umb_probe_bench b[2] = {0};
    cl_command_queue queues[2] = {0};
    cl_int code = CL_SUCCESS;
    for (int i = 0; code == CL_SUCCESS && i < 2; i++) {
        code = umb__probe_bench_init(&b[i], cl, device, source, sizeof(float));
        if (code == CL_SUCCESS) { queues[i] = clCreateCommandQueue(cl, device, 0, &code); }
    }
    if (code == CL_SUCCESS) { code = compare(b, queues, ret_overlap); }
    for (int i = 0; i < 2; i++) {
        if (queues[i]) { clReleaseCommandQueue(queues[i]); }
        umb__probe_bench_finish(&b[i]);
    }
    return code;
}

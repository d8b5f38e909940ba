/*
 * probe_overlap.c: do two in-order queues overlap?
 *
 * A kernel of one work-item is stretched until it takes a few milliseconds. Two of them are then
 * run on one queue, and one each on two queues. Queues overlap if the second way needs less than
 * four fifths of the first (half, were the machine idle; the shortest of several tries counts) or,
 * as other programs can hide that, if the device's own clock says that the kernels ran together,
 * and says so of two queues only.
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

struct pair {
    uint64_t wall_ns; /* from the first enqueueing to the end of both */
    double together;  /* the share of the shorter one's time in which both ran, by the device */
};

static cl_int launch(const struct umb_probe_bench *b, cl_command_queue queue, cl_event *ret_event)
{
    const size_t one = 1;
    cl_int code = clEnqueueNDRangeKernel(queue, b->kernel, 1, NULL, &one, &one, 0, NULL, ret_event);
    return code == CL_SUCCESS ? clFlush(queue) : code;
}

/* 0 where the driver's times cannot be read. */
static double share_together(const cl_event events[2])
{
    cl_ulong start[2], end[2];
    for (int i = 0; i < 2; i++) {
        if (clGetEventProfilingInfo(events[i], CL_PROFILING_COMMAND_START, sizeof start[i],
                                    &start[i], NULL) != CL_SUCCESS ||
            clGetEventProfilingInfo(events[i], CL_PROFILING_COMMAND_END, sizeof end[i], &end[i],
                                    NULL) != CL_SUCCESS ||
            end[i] <= start[i]) {
            return 0;
        }
    }
    cl_ulong from = start[0] > start[1] ? start[0] : start[1];
    cl_ulong to = end[0] < end[1] ? end[0] : end[1];
    cl_ulong a = end[0] - start[0], b = end[1] - start[1];
    return to > from ? (double)(to - from) / (double)(a < b ? a : b) : 0;
}

/* Runs a kernel of each bench on its queue. */
static cl_int run_pair(struct umb_probe_bench b[2], cl_command_queue first, cl_command_queue second,
                       struct pair *ret_pair)
{
    cl_event events[2] = {0};
    uint64_t start = umb__clock_ns();
    cl_int code = launch(&b[0], first, &events[0]);
    if (code == CL_SUCCESS) { code = launch(&b[1], second, &events[1]); }
    if (code == CL_SUCCESS) { code = clWaitForEvents(2, events); }
    ret_pair->wall_ns = umb__clock_ns() - start;
    ret_pair->together = code == CL_SUCCESS ? share_together(events) : 0;
    if (code != CL_SUCCESS) { clFinish(first); } /* the second was not started, or both failed */
    for (int i = 0; i < 2; i++) {
        if (events[i]) { clReleaseEvent(events[i]); }
    }
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
    struct pair pair = {0};
    cl_int code = set_rounds(b, 1);
    if (code == CL_SUCCESS) { code = run_pair(b, queue, queue, &pair); }
    pair.wall_ns = 0;
    for (cl_int rounds = 1 << 12;
         code == CL_SUCCESS && pair.wall_ns < 2 * KERNEL_NS && rounds < MAX_ROUNDS; rounds *= 2) {
        code = set_rounds(b, rounds);
        if (code == CL_SUCCESS) { code = run_pair(b, queue, queue, &pair); }
    }
    return code;
}

/* The shortest wall time and the largest share of several pairs. */
static cl_int best_pair(struct umb_probe_bench b[2], cl_command_queue first,
                        cl_command_queue second, struct pair *ret_best)
{
    struct pair best = {.wall_ns = UINT64_MAX};
    cl_int code = CL_SUCCESS;
    for (int i = 0; code == CL_SUCCESS && i < TRIES; i++) {
        struct pair pair;
        code = run_pair(b, first, second, &pair);
        if (pair.wall_ns < best.wall_ns) { best.wall_ns = pair.wall_ns; }
        if (pair.together > best.together) { best.together = pair.together; }
    }
    *ret_best = best;
    return code;
}

static cl_int compare(struct umb_probe_bench b[2], cl_command_queue queues[2], bool *ret_overlap)
{
    struct pair one_queue, two_queues;
    cl_int code = stretch(b, queues[0]);
    if (code == CL_SUCCESS) { code = best_pair(b, queues[0], queues[0], &one_queue); }
    if (code == CL_SUCCESS) { code = best_pair(b, queues[0], queues[1], &two_queues); }
    if (code != CL_SUCCESS) { return code; }
    *ret_overlap = two_queues.wall_ns < one_queue.wall_ns / 5 * 4 ||
                   (two_queues.together > 0.5 && one_queue.together < 0.1);
    return CL_SUCCESS;
}

cl_int umb__probe_overlap(cl_context cl, cl_device_id device, bool *ret_overlap)
{
    /* Two benches, since some drivers serialise kernels that share a buffer. */
    struct umb_probe_bench b[2] = {0};
    cl_command_queue queues[2] = {0};
    cl_int code = CL_SUCCESS;
    for (int i = 0; code == CL_SUCCESS && i < 2; i++) {
        code = umb__probe_bench_init(&b[i], cl, device, source, sizeof(float));
        if (code == CL_SUCCESS) {
            queues[i] = clCreateCommandQueue(cl, device, CL_QUEUE_PROFILING_ENABLE, &code);
        }
    }
    if (code == CL_SUCCESS) { code = compare(b, queues, ret_overlap); }
    for (int i = 0; i < 2; i++) {
        if (queues[i]) { clReleaseCommandQueue(queues[i]); }
        umb__probe_bench_finish(&b[i]);
    }
    return code;
}

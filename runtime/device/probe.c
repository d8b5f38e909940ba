/* probe.c: running the probes on one device. */
#include "probe.h"
#include "fail.h"

/* The first compute capability whose tensor cores know TF32, and products this large of float16. */
#define LEAST_MMA 80

cl_int umb__probe_bench_init(struct umb_probe_bench *b, cl_context cl, cl_device_id device,
                             const char *source, size_t out_bytes)
{
    *b = (struct umb_probe_bench){.cl = cl, .device = device};
    cl_int code;
    b->program = clCreateProgramWithSource(cl, 1, &source, NULL, &code);
    if (code == CL_SUCCESS) {
        code = clBuildProgram(b->program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    }
    if (code == CL_SUCCESS) { b->kernel = clCreateKernel(b->program, "probe", &code); }
    if (code == CL_SUCCESS) {
        b->out = clCreateBuffer(cl, CL_MEM_READ_WRITE, out_bytes, NULL, &code);
    }
    if (code == CL_SUCCESS) { code = clSetKernelArg(b->kernel, 0, sizeof b->out, &b->out); }
    if (code != CL_SUCCESS) { umb__probe_bench_finish(b); }
    return code;
}

void umb__probe_bench_finish(struct umb_probe_bench *b)
{
    if (b->out) { clReleaseMemObject(b->out); }
    if (b->kernel) { clReleaseKernel(b->kernel); }
    if (b->program) { clReleaseProgram(b->program); }
    *b = (struct umb_probe_bench){0};
}

static void report(struct umb_context *ctx, const struct umb_device_caps *caps, const char *what,
                   cl_int code)
{
    if (code == CL_SUCCESS) { return; }
    umb__log(ctx, UMB_LOG_DEBUG, "%s: the probe for %s did not run: %s (%d)", caps->name, what,
             umb__cl_error_name(code), (int)code);
}

void umb__probe_kernels(struct umb_context *ctx, cl_context cl, cl_device_id device,
                        struct umb_device_caps *caps)
{
    if (umb__selector_contains(caps->platform, "nvidia", 6)) {
        report(ctx, caps, "inline PTX", umb__probe_ptx(cl, device, &caps->inline_ptx));
    }
    report(ctx, caps, "sub-groups", umb__probe_shuffle(cl, device, caps));
    if (caps->inline_ptx && caps->compute_capability >= LEAST_MMA) {
        report(ctx, caps, "tensor cores", umb__probe_mma_tf32(cl, device, &caps->mma_tf32));
        report(ctx, caps, "tensor cores", umb__probe_mma_fp16(cl, device, &caps->mma_fp16));
    }
    if (caps->type == UMB_DEVICE_GPU) {
        report(ctx, caps, "float16", umb__probe_half(cl, device, &caps->fp16_storage));
    }
}

void umb__probe(struct umb_context *ctx, struct umb_device_handle handle,
                struct umb_device_caps *caps)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)handle.platform, 0};
    cl_int code;
    cl_context cl = clCreateContext(properties, 1, &handle.device, NULL, NULL, &code);
    report(ctx, caps, "anything", code);
    if (code != CL_SUCCESS) { return; }
    report(ctx, caps, "overlap of queues",
           umb__probe_overlap(cl, handle.device, &caps->queues_overlap));
    umb__probe_kernels(ctx, cl, handle.device, caps);
    caps->probed = true;
    clReleaseContext(cl);
}

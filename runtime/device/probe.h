/*
 * probe.h: finding out by running small kernels what no query tells.
 *
 * The kernels are texts in the probes' own files, built here without the program layer, which
 * stands above.
 */
#ifndef UMB_PROBE_H
#define UMB_PROBE_H

#include "device_internal.h"

/* Runs every probe and fills probed, queues_overlap and what umb__probe_kernels does. A probe that
 * fails to run leaves its answer false and a line in the log. */
void umb__probe(struct umb_context *ctx, struct umb_device_handle handle,
                struct umb_device_caps *caps);

/* Runs those that kernels are chosen by: fills inline_ptx, shuffle, mma_tf32, mma_fp16,
 * fp16_storage. */
void umb__probe_kernels(struct umb_context *ctx, cl_context cl, cl_device_id device,
                        struct umb_device_caps *caps);

/* What a probe works with. */
struct umb_probe_bench {
    cl_context cl;
    cl_device_id device;
    cl_program program;
    cl_kernel kernel; /* its argument 0 is `out` */
    cl_mem out;
};
/* Builds source's kernel "probe" with an output of out_bytes. */
cl_int umb__probe_bench_init(struct umb_probe_bench *b, cl_context cl, cl_device_id device,
                             const char *source, size_t out_bytes);
void umb__probe_bench_finish(struct umb_probe_bench *b);

/* Two in-order queues run two kernels of one work-group each at the same time. */
cl_int umb__probe_overlap(cl_context cl, cl_device_id device, bool *ret_overlap);
/* An asm volatile statement compiles and computes the right thing. For NVIDIA's compiler. */
cl_int umb__probe_ptx(cl_context cl, cl_device_id device, bool *ret_ptx);
/* Fills shuffle; inline_ptx is known by then. */
cl_int umb__probe_shuffle(cl_context cl, cl_device_id device, struct umb_device_caps *caps);
/* mma.sync on TF32 and on float16, for NVIDIA's compiler from compute capability 8.0 on. */
cl_int umb__probe_mma_tf32(cl_context cl, cl_device_id device, bool *ret_mma);
cl_int umb__probe_mma_fp16(cl_context cl, cl_device_id device, bool *ret_mma);
/* Numbers are rounded to float16 and come back. */
cl_int umb__probe_half(cl_context cl, cl_device_id device, bool *ret_half);

#endif

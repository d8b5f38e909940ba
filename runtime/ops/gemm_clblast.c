/*
 * Matrix products by CLBlast. This file and clblast_sets.c alone call OpenCL outside device and
 * program.
 *
 * CLBlast takes no wait list, so a barrier holds the queue for it; queues are in-order. It pads and
 * transposes into a temporary buffer, whose size it tells only on a queue: when a plan is made,
 * there is none yet, so a bound is reserved, and checked against CLBlast's own figure before each
 * call.
 */
#include "dense.h"

#ifdef UMB_HAVE_CLBLAST
#include "cl_handles.h"
#include "clblast.h"
#include <clblast_c.h>

/* CLBlast rounds a matrix up to its tiles: at most 128 rows and columns in its database, and 64
 * terms. */
#define TILE 128
#define TERMS 64
/* Room to begin the temporary where a sub-buffer may begin. */
#define ALIGNMENT 4096

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t temporary_floats(const struct umb_gemm *g)
{
    const size_t m = round_up((size_t)g->M, TILE), n = round_up((size_t)g->N, TILE);
    const size_t l = round_up((size_t)g->L, TERMS);
    return m * l + n * l + m * n;
}

static enum umb_status check(struct umb_context *ctx, CLBlastStatusCode code)
{
    if (code == CLBlastSuccess) { return UMB_OK; }
    if (code == CLBlastInsufficientMemoryTemp || code == CLBlastTempBufferAllocFailure) {
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "CLBlast: its temporary buffer is too small");
    }
    if (code == CLBlastOpenCLBuildProgramFailure) {
        return umb__fail(ctx, UMB_ERR_BUILD, "CLBlast: its kernels do not compile on this device");
    }
    if (code > -1024) { return umb__cl_check(ctx, (cl_int)code, "CLBlast"); }
    return umb__fail(ctx, UMB_ERR_DEVICE, "CLBlast: status %d", (int)code);
}

struct product {
    CLBlastTranspose ta, tb;
    size_t m, n, l, lda, ldb;
    size_t temporary_bytes;
};

static struct product read_product(const int32_t *ints)
{
    const bool ta = ints[0], tb = ints[1];
    const size_t m = (size_t)ints[2], n = (size_t)ints[3], l = (size_t)ints[4];
    const struct umb_gemm g = {.M = ints[2], .N = ints[3], .L = ints[4]};
    return (struct product){ta ? CLBlastTransposeYes : CLBlastTransposeNo,
                            tb ? CLBlastTransposeYes : CLBlastTransposeNo,
                            m,
                            n,
                            l,
                            ta ? m : l,
                            tb ? l : n,
                            temporary_floats(&g) * sizeof(float)};
}

static enum umb_status wait_for(struct umb_context *ctx, cl_command_queue queue,
                                umb_event *const *waits, size_t n_waits)
{
    for (size_t i = 0; i < n_waits; i++) {
        if (!waits[i]) { continue; }
        const cl_event event = umb__event_cl(waits[i]);
        const cl_int code = clEnqueueBarrierWithWaitList(queue, 1, &event, NULL);
        if (code != CL_SUCCESS) { return umb__cl_check(ctx, code, "clEnqueueBarrierWithWaitList"); }
    }
    return UMB_OK;
}

/* The part of the reserved room that CLBlast gets; *ret_buffer NULL: it needs none. */
static enum umb_status open_temporary(struct umb_context *ctx, cl_command_queue *queue,
                                      const struct product *p, const struct umb_view *views,
                                      cl_mem *ret_buffer)
{
    size_t bytes = 0;
    const CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, p->ta, p->tb, p->m, p->n, p->l, views[0].byte_offset / sizeof(float),
        p->lda, views[1].byte_offset / sizeof(float), p->ldb, views[2].byte_offset / sizeof(float),
        p->n, queue, &bytes);
    *ret_buffer = NULL;
    if (code != CLBlastSuccess || bytes == 0) { return check(ctx, code); }
    if (bytes > p->temporary_bytes) { return check(ctx, CLBlastInsufficientMemoryTemp); }
    const cl_buffer_region region = {round_up(views[3].byte_offset, ALIGNMENT), bytes};
    cl_int status;
    *ret_buffer = clCreateSubBuffer(umb__buffer_cl(views[3].buffer), CL_MEM_READ_WRITE,
                                    CL_BUFFER_CREATE_TYPE_REGION, &region, &status);
    return umb__cl_check(ctx, status, "clCreateSubBuffer");
}

static enum umb_status multiply(struct umb_context *ctx, cl_command_queue queue,
                                const struct product *p, const struct umb_view *views,
                                cl_event *ret_event)
{
    cl_mem temporary = NULL;
    enum umb_status st = open_temporary(ctx, &queue, p, views, &temporary);
    if (st != UMB_OK) { return st; }
    st = check(ctx,
               CLBlastSgemmWithTempBuffer(
                   CLBlastLayoutRowMajor, p->ta, p->tb, p->m, p->n, p->l, 1.0f,
                   umb__buffer_cl(views[0].buffer), views[0].byte_offset / sizeof(float), p->lda,
                   umb__buffer_cl(views[1].buffer), views[1].byte_offset / sizeof(float), p->ldb,
                   0.0f, umb__buffer_cl(views[2].buffer), views[2].byte_offset / sizeof(float),
                   p->n, &queue, ret_event, temporary));
    if (temporary) { clReleaseMemObject(temporary); } /* the commands keep it */
    return st;
}

static enum umb_status run(struct umb_queue *q, const struct umb_view *views, const int32_t *ints,
                           const float *floats, umb_event *const *waits, size_t n_waits,
                           umb_event **ret_event)
{
    struct umb_context *ctx = umb__device_context(umb__queue_device(q));
    cl_command_queue queue = umb__queue_cl(q);
    const struct product p = read_product(ints);
    cl_event event = NULL;
    (void)floats;
    enum umb_status st = wait_for(ctx, queue, waits, n_waits);
    if (st == UMB_OK) { st = umb__clblast_begin(umb__queue_device(q)); }
    if (st != UMB_OK) { return st; }
    st = multiply(ctx, queue, &p, views, &event);
    umb__clblast_end();
    if (st != UMB_OK) { return st; }
    if (!ret_event) {
        clReleaseEvent(event);
        return UMB_OK;
    }
    *ret_event = umb__event_from_cl(ctx, event);
    return *ret_event ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static const struct umb_call call = {"clblast_sgemm", "rrwwiiiii", run};

int umb__clblast_rank(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    const bool fits = temporary_floats(g) * sizeof(float) + ALIGNMENT <= caps->max_alloc_bytes;
    if (!fits) { return 0; }
    return caps->type == UMB_DEVICE_GPU ? 2 : 1;
}

enum umb_status umb__emit_gemm_clblast(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                       int bias, int out)
{
    int temporary;
    enum umb_status st =
        umb__emit_temp(e, temporary_floats(g) * sizeof(float) + ALIGNMENT, &temporary);
    if (st == UMB_OK) {
        st = umb__emit_call(e, &call, a, b, out, temporary, (int)g->transpose_a,
                            (int)g->transpose_b, g->M, g->N, g->L);
    }
    return st == UMB_OK ? umb__emit_gemm_finish(e, g, bias, out) : st;
}

#else

int umb__clblast_rank(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    (void)caps;
    (void)g;
    return 0;
}

enum umb_status umb__emit_gemm_clblast(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                       int bias, int out)
{
    (void)g;
    (void)a;
    (void)b;
    (void)bias;
    (void)out;
    return umb__fail(e->p.ctx, UMB_ERR_UNSUPPORTED, "this build has no CLBlast");
}

#endif

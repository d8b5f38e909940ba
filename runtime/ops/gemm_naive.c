/*
 * Matrix products on any device, by cl/gemm.cl.
 */
#include "dense.h"

/* One wave of the narrowest GPUs; llvmpipe runs no more of these kernels in a group. */
#define LOCAL 32

static const struct umb_kernel naive_kernel = {"gemm_naive", "gemm.cl", "gemm_naive",
                                               "rrrwiiiiiiii"};
static const struct umb_kernel finish_kernel = {"gemm_finish", "gemm.cl", "gemm_finish", "rmiii"};

static struct umb_emit_launch over(const struct umb_emit *e, const struct umb_kernel *kernel,
                                   const struct umb_gemm *g)
{
    const size_t most = e->p.caps->max_work_group;
    return (struct umb_emit_launch){.kernel = kernel,
                                    .dimensions = 1,
                                    .global = {(size_t)g->M * (size_t)g->N},
                                    .local = {most < LOCAL ? 1 : LOCAL}};
}

static int flags(const struct umb_gemm *g)
{
    return (g->bias ? 1 : 0) | (g->relu ? 2 : 0) | (g->add ? 4 : 0);
}

enum umb_status umb__emit_gemm_naive(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                     int bias, int out)
{
    const struct umb_emit_launch launch = over(e, &naive_kernel, g);
    return umb__emit_launch(e, &launch, a, b, bias, out, g->M, g->N, g->L,
                            g->transpose_a ? 1 : g->L, g->transpose_a ? g->M : 1,
                            g->transpose_b ? 1 : g->N, g->transpose_b ? g->L : 1, flags(g));
}

enum umb_status umb__emit_gemm_finish(struct umb_emit *e, const struct umb_gemm *g, int bias, int y)
{
    if (!g->bias && !g->relu) { return UMB_OK; }
    const struct umb_emit_launch launch = over(e, &finish_kernel, g);
    return umb__emit_launch(e, &launch, bias, y, g->M * g->N, g->N, flags(g));
}

/*
 * Which solver of convolution applies where, and which is to be preferred.
 */
#include "conv_solvers.h"
#include "gpu_depthwise.h"
#include "gpu_winograd.h"

/* Backward to the input makes a launch per class of pixels; beyond this many, the naive kernel. */
#define MAX_CLASSES 64

bool umb__conv_knows(const struct umb_conv *g, unsigned known)
{
    return (!g->pool || known & UMB_FUSED_POOL) && (!g->mask || known & UMB_FUSED_MASK) &&
           (!g->dbias || known & UMB_FUSED_DBIAS);
}

static int naive(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

/* Groups much narrower than a tile would mostly multiply zeros. */
static int direct_rank(const struct umb_problem *p, const struct umb_conv *g, int columns)
{
    if (!umb__tile_applies(p->caps)) { return 0; }
    return g->groups == 1 || columns >= umb__tile_width(p->caps) / 2 ? 2 : 1;
}

static int direct(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const struct umb_gather gather = umb__gather_forward(&g);
    return !g.pool || umb__gather_pools(&gather) ? direct_rank(p, &g, g.K / g.groups) : 0;
}

static int direct_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const int64_t classes = (int64_t)g.stride[0] * g.stride[1];
    return classes > MAX_CLASSES ? 0 : direct_rank(p, &g, g.C / g.groups);
}

static int direct_weights(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return umb__tile_weights_apply(p->caps, &g) ? direct_rank(p, &g, g.K / g.groups) : 0;
}

static int depthwise(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const bool knows = umb__conv_knows(&g, UMB_FUSED_MASK | UMB_FUSED_DBIAS);
    return umb__tile_applies(p->caps) && g.groups == g.C && g.C == g.K && knows ? 3 : 0;
}

const struct umb_solver umb__conv_forward_solvers[] = {
    {"naive", naive, umb__conv_naive_forward},
    {"clblast", umb__conv_pointwise_rank_forward, umb__conv_pointwise_forward},
    {"packed", umb__conv_packed_rank, umb__conv_packed_forward},
    {"rows", umb__conv_rows_rank_forward, umb__conv_rows_forward},
    {"direct", direct, umb__conv_direct_forward},
    {"depthwise", depthwise, umb__conv_depthwise_forward},
    {"thin", umb__conv_thin_rank, umb__conv_thin_forward},
    {"narrow", umb__conv_narrow_rank_forward, umb__conv_narrow_forward},
    {"small", umb__conv_small_rank_forward, umb__conv_small_forward},
    {"winograd4", umb__conv_winograd4_rank_forward, umb__conv_winograd4_forward},
    {"winograd2", umb__conv_winograd2_rank_forward, umb__conv_winograd2_forward},
    UMB_GPU_TILE_ROWS(conv, forward),
    UMB_GPU_HALF_ROWS(conv, forward),
    UMB_GPU_WINOGRAD_ROWS(forward),
    {"gpu_depthwise", umb__gpu_depthwise_rank, umb__emit_gpu_depthwise_forward},
    {0}};

const struct umb_solver umb__conv_data_solvers[] = {
    {"naive", naive, umb__conv_naive_data},
    {"clblast", umb__conv_pointwise_rank_data, umb__conv_pointwise_data},
    {"packed", umb__conv_packed_rank, umb__conv_packed_data},
    {"rows", umb__conv_rows_rank_data, umb__conv_rows_data},
    {"direct", direct_data, umb__conv_direct_data},
    {"depthwise", depthwise, umb__conv_depthwise_data},
    {"narrow", umb__conv_narrow_rank_data, umb__conv_narrow_data},
    {"small", umb__conv_small_rank_data, umb__conv_small_data},
    {"winograd4", umb__conv_winograd4_rank_data, umb__conv_winograd4_data},
    {"winograd2", umb__conv_winograd2_rank_data, umb__conv_winograd2_data},
    UMB_GPU_TILE_ROWS(conv, data),
    UMB_GPU_WINOGRAD_ROWS(data),
    {"gpu_depthwise", umb__gpu_depthwise_rank, umb__emit_gpu_depthwise_data},
    {0}};

const struct umb_solver umb__conv_weights_solvers[] = {
    {"naive", naive, umb__conv_naive_weights},
    {"clblast", umb__conv_pointwise_rank_weights, umb__conv_pointwise_weights},
    {"packed", umb__conv_packed_rank, umb__conv_packed_weights},
    {"direct", direct_weights, umb__conv_direct_weights},
    {"depthwise", depthwise, umb__conv_depthwise_weights},
    {"thin", umb__conv_thin_rank, umb__conv_thin_weights},
    {"small", umb__conv_small_rank_weights, umb__conv_small_weights},
    {"winograd4", umb__conv_winograd4_rank_weights, umb__conv_winograd4_weights},
    {"winograd2", umb__conv_winograd2_rank_weights, umb__conv_winograd2_weights},
    UMB_GPU_TILE_ROWS(conv, weights),
    UMB_GPU_WINOGRAD_ROWS(weights),
    {"gpu_depthwise", umb__gpu_depthwise_rank, umb__emit_gpu_depthwise_weights},
    {0}};

/* Those that end with slabs, and the one that walks the weights in order; of thin and depthwise
 * layers the weights are never large. */
const char *const umb__conv_updating[] = {"direct", "small", "winograd4", "winograd2", NULL};

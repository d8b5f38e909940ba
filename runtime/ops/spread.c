#include "spread.h"

/* Items a group beside each other on a GPU: a multiple of every vendor's wave, and small enough
 * for several groups a compute unit. */
#define GROUP_ITEMS 128

int umb__spread_lanes(const struct umb_device_caps *caps)
{
    int lanes = 1;
    if (caps->type != UMB_DEVICE_CPU) { return lanes; }
    while (lanes < 16 && 2 * (uint32_t)lanes <= caps->float_width) {
        lanes *= 2;
    }
    return lanes;
}

size_t umb__spread_local(const struct umb_device_caps *caps)
{
    if (caps->type == UMB_DEVICE_CPU) { return 1; }
    size_t local = GROUP_ITEMS;
    while (local > 1 && local > caps->max_work_group) {
        local /= 2;
    }
    return local;
}

struct umb_spread umb__spread(const struct umb_device_caps *caps, int64_t n, int64_t least,
                              size_t most)
{
    struct umb_spread s = {.lanes = umb__spread_lanes(caps), .local = umb__spread_local(caps)};
    int64_t groups = n / least;
    groups = groups < 1 ? 1 : groups;
    groups = groups > (int64_t)most ? (int64_t)most : groups;
    const int64_t unit = s.lanes * (int64_t)s.local;
    int64_t span = ((n + groups - 1) / groups + unit - 1) / unit * unit;
    span = span > INT32_MAX - unit ? INT32_MAX : span;
    s.groups = (size_t)((n + span - 1) / span);
    s.span = (int)span;
    return s;
}

struct umb_emit_launch umb__spread_launch(const struct umb_spread *s,
                                          const struct umb_kernel *kernel, const char *options)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = options,
                                    .dimensions = 1,
                                    .global = {s->groups * s->local},
                                    .local = {s->local}};
}

int umb__applies_always(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

/* selector_default.c: which device is used when nobody says. */
#include "selector.h"

/*
 * float32 lanes of one compute unit, roughly, to compare makes whose "compute unit" is not the same
 * thing: NVIDIA's multiprocessor has 128 since Maxwell, AMD's unit 64, Intel counts its execution
 * units of 8.
 */
static double gpu_lanes(const struct umb_device_caps *caps)
{
    static const struct {
        const char *vendor;
        size_t length;
        double lanes;
    } makes[] = {{"nvidia", 6, 128}, {"amd", 3, 64}, {"advanced micro", 14, 64}, {"intel", 5, 8}};
    for (size_t i = 0; i < sizeof makes / sizeof *makes; i++) {
        if (umb__selector_contains(caps->vendor, makes[i].vendor, makes[i].length)) {
            return makes[i].lanes;
        }
    }
    return 32;
}

static double compute(const struct umb_device_caps *caps)
{
    double lanes = caps->type == UMB_DEVICE_GPU ? gpu_lanes(caps) : (double)caps->float_width;
    double mhz = caps->clock_mhz ? (double)caps->clock_mhz : 1000;
    return (double)caps->compute_units * mhz * lanes;
}

static size_t strongest(const struct umb_candidate *candidates, size_t n, enum umb_device_type type)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        const struct umb_device_caps *caps = candidates[i].caps;
        if (caps->type != type || caps->software || candidates[i].use != UMB_USE_FREELY) {
            continue;
        }
        if (best == n || compute(caps) > compute(candidates[best].caps)) { best = i; }
    }
    return best;
}

size_t umb__selector_default(const struct umb_candidate *candidates, size_t n)
{
    static const enum umb_device_type order[] = {UMB_DEVICE_GPU, UMB_DEVICE_CPU,
                                                 UMB_DEVICE_ACCELERATOR};
    size_t found = n;
    for (size_t i = 0; i < sizeof order / sizeof *order && found == n; i++) {
        found = strongest(candidates, n, order[i]);
    }
    return found;
}

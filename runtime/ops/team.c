/*
 * Teams of a GPU's items: launches, and what batch normalisation folds by them.
 */
#include "team.h"
#include "gpu_tile.h"
#include <string.h>

#define GROUP_ITEMS (UMB_TEAM_SCRATCH / sizeof(float))

bool umb__team_applies(const struct umb_device_caps *caps)
{
    return umb__gpu_applies(caps) && caps->max_work_group >= GROUP_ITEMS;
}

const char *umb__shuffle_option(const struct umb_device_caps *caps)
{
    static const struct {
        const char *name, *option;
    } spellings[] = {{"intel", " -DSHUFFLE_INTEL"},
                     {"khr", " -DSHUFFLE_KHR"},
                     {"ptx", " -DSHUFFLE_PTX"},
                     {"amd", " -DSHUFFLE_AMD"}};
    for (size_t i = 0; caps->shuffle && i < sizeof spellings / sizeof *spellings; i++) {
        if (strcmp(caps->shuffle, spellings[i].name) == 0) { return spellings[i].option; }
    }
    return "";
}

struct umb_emit_launch umb__team_launch(struct umb_emit *e, const struct umb_kernel *kernel,
                                        int64_t teams, int64_t batches)
{
    const char *option = umb__shuffle_option(e->p.caps);
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = umb__emit_printf(e, "%s", option + (*option == ' ')),
                                    .dimensions = 2,
                                    .global = {(size_t)teams * UMB_TEAM, (size_t)batches},
                                    .local = {GROUP_ITEMS, 1}};
}

static const struct umb_kernel fold_moments = {"gpu_batch_norm_fold_moments", "gpu_batch_norm.cl",
                                               "gpu_batch_norm_fold_moments", "rrwiiiiiil"};
static const struct umb_kernel fold_sums = {"gpu_batch_norm_fold_sums", "gpu_batch_norm.cl",
                                            "gpu_batch_norm_fold_sums", "rwiil"};

enum umb_status umb__emit_fold(struct umb_emit *e, const struct umb_fold *f, int *ret_folded)
{
    const struct umb_emit_launch launch =
        umb__team_launch(e, f->rows < 0 ? &fold_sums : &fold_moments, f->channels, f->segments);
    const size_t floats = (size_t)f->segments * 2 * (size_t)f->channels;
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = umb__emit_temp(e, floats * sizeof(float), ret_folded);
    if (st != UMB_OK) { return st; }
    if (f->rows < 0) {
        return umb__emit_launch(e, &launch, f->partial, *ret_folded, f->channels, f->chunks,
                                UMB_TEAM_SCRATCH);
    }
    return umb__emit_launch(e, &launch, f->partial, f->rows, *ret_folded, f->channels, f->samples,
                            f->positions, f->first_stream, f->chunks, f->span, UMB_TEAM_SCRATCH);
}

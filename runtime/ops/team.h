/*
 * team.h: launches of the kernels in which 32 items of a GPU make one sum together (cl/team.cl).
 *
 * Sums have the same bits whether the device's sub-groups can exchange numbers or not, and whatever
 * their size is, so that nobody has to remember it.
 */
#ifndef UMB_TEAM_H
#define UMB_TEAM_H

#include "steps.h"

/* Neighbours of one sum, as cl/team.cl has it. */
#define UMB_TEAM 32

/* A device whose groups hold teams: any but CPUs. */
bool umb__team_applies(const struct umb_device_caps *caps);

/* Bytes of the kernels' scratch. */
#define UMB_TEAM_SCRATCH ((size_t)128 * sizeof(float))
/* `teams` teams beside each other, `batches` times over; options NULL: no memory. */
struct umb_emit_launch umb__team_launch(struct umb_emit *e, const struct umb_kernel *kernel,
                                        int64_t teams, int64_t batches);

/* What cl/shuffle.cl is told of the device, with a blank before it; "" where it can do nothing. */
const char *umb__shuffle_option(const struct umb_device_caps *caps);

/* batch_norm.cl's partial sums [S,chunks,2,C] as those of one chunk, a temporary. `rows`: the
 * ambient row counts, for moments, or −1 for plain sums. */
struct umb_fold {
    int partial, rows;
    int segments, channels, samples, positions, first_stream;
    int chunks, span;
};
UMB_MUST_USE enum umb_status umb__emit_fold(struct umb_emit *e, const struct umb_fold *f,
                                            int *ret_folded);

#endif

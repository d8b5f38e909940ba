/*
 * Sums over rows by cl/bias.cl: in parts, then the parts' sums likewise, until one is left.
 */
#include "column_sum.h"
#include "simple.h"

/* Rows a part on a CPU: enough that the second sum is cheap, and never more than two sums. */
#define CPU_PART_ROWS 256
#define CPU_MOST_PARTS 256
/* On a GPU an item adds this many up, one behind the other, while others do the same: many short
 * sums, in as many stages as it takes. */
#define GPU_PART_ROWS 64

static const struct umb_kernel kernel = {"column_sum", "bias.cl", "column_sum", "rwiiii"};

static int64_t rows_of_part(const struct umb_device_caps *caps, int64_t rows)
{
    if (caps->type != UMB_DEVICE_CPU) { return GPU_PART_ROWS; }
    const int64_t least = (rows + CPU_MOST_PARTS - 1) / CPU_MOST_PARTS;
    return least > CPU_PART_ROWS ? least : CPU_PART_ROWS;
}

static enum umb_status emit_stage(struct umb_emit *e, int x, int out, int64_t rows,
                                  int64_t channels, int64_t part)
{
    const int lanes = umb__channel_lanes(e->p.caps, channels);
    const int64_t parts = (rows + part - 1) / part;
    const int64_t n_items = parts * ((channels + lanes - 1) / lanes);
    const char *options = umb__lanes_option(e, lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = {.kernel = &kernel,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)n_items},
                                           .local = {umb__spread_local(e->p.caps)}};
    return umb__emit_launch(e, &launch, x, out, (int)rows, (int)channels, (int)part, (int)n_items);
}

enum umb_status umb__emit_column_sum(struct umb_emit *e, int x, int out, int64_t rows,
                                     int64_t channels)
{
    for (int64_t part = rows_of_part(e->p.caps, rows); rows > part;) {
        const int64_t parts = (rows + part - 1) / part;
        int partial;
        enum umb_status st =
            umb__emit_temp(e, (size_t)(parts * channels) * sizeof(float), &partial);
        if (st == UMB_OK) { st = emit_stage(e, x, partial, rows, channels, part); }
        if (st != UMB_OK) { return st; }
        x = partial;
        rows = parts;
    }
    return emit_stage(e, x, out, rows, channels, rows);
}

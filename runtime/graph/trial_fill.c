/*
 * Reading the inputs of an op's case, and filling them with numbers.
 */
#include "rng.h"
#include "text.h"
#include "trial.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum umb_dtype dtype;
} fill_rows[] = {
    [UMB_FILL_NORMAL] = {"normal", UMB_F32}, [UMB_FILL_POSITIVE] = {"positive", UMB_F32},
    [UMB_FILL_UNIT] = {"unit", UMB_F32},     [UMB_FILL_MASK] = {"mask", UMB_F32},
    [UMB_FILL_TIES] = {"ties", UMB_F32},     [UMB_FILL_LABELS] = {"labels", UMB_I32},
    [UMB_FILL_GAPS] = {"gaps", UMB_I32},     [UMB_FILL_BYTES] = {"bytes", UMB_U8}};

/* Reads "4,28,28,3"; *at moves behind it. */
static bool read_extents(const char **at, struct umb_shape *ret_shape)
{
    ret_shape->rank = 0;
    for (;;) {
        char *end;
        const long extent = strtol(*at, &end, 10);
        if (end == *at || extent < 1 || ret_shape->rank == UMB_MAX_RANK) { return false; }
        ret_shape->dim[ret_shape->rank++] = extent;
        *at = end;
        if (*end != ',') { return true; }
        *at = end + 1;
    }
}

/* Reads "@1", "@0-1" or "@-"; without, the value holds every stream's rows. */
static bool read_segments(const char **at, int n_streams, struct umb_type *type)
{
    type->n_segments = n_streams;
    type->segment = 0;
    if (**at != '@') { return true; }
    if ((*at)[1] == '-') {
        type->n_segments = 0;
        *at += 2;
        return true;
    }
    char *end;
    const long first = strtol(*at + 1, &end, 10);
    const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
    if (first < 0 || last < first || last >= n_streams) { return false; }
    type->segment = (int)first;
    type->n_segments = (int)(last - first) + 1;
    *at = end;
    return true;
}

static bool read_fill(const char **at, enum umb_fill *ret_fill)
{
    *ret_fill = UMB_FILL_NORMAL;
    if (**at != ':') { return true; }
    const char *name = *at + 1;
    const size_t length = strcspn(name, " ");
    *at = name + length;
    for (size_t i = 0; i < sizeof fill_rows / sizeof fill_rows[0]; i++) {
        if (strlen(fill_rows[i].name) == length && strncmp(fill_rows[i].name, name, length) == 0) {
            *ret_fill = (enum umb_fill)i;
            return true;
        }
    }
    return false;
}

enum umb_status umb__case_inputs(struct umb_context *ctx, const struct umb_op_case *row, int *ret_n,
                                 struct umb_type types[UMB_TRIAL_MAX_IN],
                                 enum umb_fill fills[UMB_TRIAL_MAX_IN])
{
    const int n_streams = row->n_streams ? row->n_streams : 1;
    int n = 0;
    for (const char *at = row->in; *(at += strspn(at, " ")); n++) {
        if (n == UMB_TRIAL_MAX_IN) { break; }
        struct umb_type *type = &types[n];
        memset(type, 0, sizeof *type);
        if (!read_extents(&at, &type->shape) || !read_segments(&at, n_streams, type) ||
            !read_fill(&at, &fills[n]) || (*at && *at != ' ')) {
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "case '%s': expected EXTENTS[@SEGMENT[-SEGMENT]][:FILL] …", row->in);
        }
        type->dtype = fill_rows[fills[n]].dtype;
    }
    *ret_n = n;
    return UMB_OK;
}

int64_t umb__case_size(const struct umb_op_case *row)
{
    struct umb_type types[UMB_TRIAL_MAX_IN];
    enum umb_fill fills[UMB_TRIAL_MAX_IN];
    int n = 0;
    if (umb__case_inputs(NULL, row, &n, types, fills) != UMB_OK) { return 0; }
    int64_t size = 0;
    for (int i = 0; i < n; i++) {
        size += umb__shape_count(&types[i].shape);
    }
    return size;
}

/* Box–Muller from words 2i and 2i+1. */
static double normal(uint64_t seed, uint32_t stream, uint64_t i)
{
    const double two_pi = 6.283185307179586;
    const double u = umb__random_unit(seed, UMB_RNG_TEST, stream, 2 * i);
    const double v = umb__random_unit(seed, UMB_RNG_TEST, stream, 2 * i + 1);
    return sqrt(-2 * log(1 - u)) * cos(two_pi * v);
}

static double draw(enum umb_fill fill, int64_t n_classes, uint64_t seed, uint32_t stream,
                   uint64_t i)
{
    if (fill == UMB_FILL_NORMAL) { return (float)normal(seed, stream, i); }
    const double u = umb__random_unit(seed, UMB_RNG_TEST, stream, i);
    const double classes = n_classes > 0 ? (double)n_classes : 1;
    switch (fill) {
    case UMB_FILL_POSITIVE:
        return (float)(0.1 + 1.9 * u);
    case UMB_FILL_UNIT:
        return u;
    case UMB_FILL_MASK:
        return u < 0.5 ? 0 : 1;
    case UMB_FILL_TIES:
        return floor(4 * u) - 1;
    case UMB_FILL_LABELS:
        return floor(classes * u);
    case UMB_FILL_GAPS:
        return floor((classes + 1) * u) - 1;
    case UMB_FILL_BYTES:
        return floor(256 * u);
    case UMB_FILL_NORMAL:
        break;
    }
    return 0;
}

void umb__case_fill(enum umb_fill fill, int64_t n_classes, uint64_t seed, uint32_t stream,
                    double *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        data[i] = draw(fill, n_classes, seed, stream, (uint64_t)i);
    }
}

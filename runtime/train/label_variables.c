/* label_variables.c: numbers cut into bins that are as full as each other; see label_set.h. */
#include "label_set.h"

#include "alloc.h"
#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Upper ends of all bins but the last, of m sorted values. */
static void find_ends(const float *sorted, size_t m, float *ret_end)
{
    for (size_t k = 1; k < UMB_LABEL_BINS; k++) {
        const size_t below = k * m / UMB_LABEL_BINS;
        ret_end[k - 1] = sorted[below > 0 ? below - 1 : 0];
    }
}

/* Equal values share a bin, whatever its size. */
static int32_t bin_of(const float *end, float value)
{
    int32_t bin = 0;
    while (bin < UMB_LABEL_BINS - 1 && value > end[bin]) {
        bin++;
    }
    return bin;
}

static void bin_variable(struct umb_label_set *s, size_t v, float *sorted)
{
    float end[UMB_LABEL_BINS - 1];
    size_t m = 0;
    for (size_t i = 0; i < s->n; i++) {
        const float value = s->number[i * s->V + v];
        if (isfinite(value)) { sorted[m++] = value; }
    }
    if (m == 0) { return; } /* every code stays −1 */
    qsort(sorted, m, sizeof *sorted, by_value);
    find_ends(sorted, m, end);
    for (size_t i = 0; i < s->n; i++) {
        const float value = s->number[i * s->V + v];
        if (isfinite(value)) { s->code[i * s->V + v] = bin_of(end, value); }
    }
}

enum umb_status umb__label_set_bin(struct umb_context *ctx, struct umb_label_set *s)
{
    float *sorted = umb__calloc(ctx, s->n, sizeof *sorted);
    if (!sorted) { return UMB_ERR_NO_MEMORY; }
    for (size_t v = 0; v < s->V; v++) {
        bin_variable(s, v, sorted);
    }
    umb__free(sorted);
    return UMB_OK;
}

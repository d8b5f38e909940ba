/* comparison_figures.c: intervals, tests and Δm of a comparison. */
#include "comparison.h"

#include <math.h>

static const double *values(const struct umb_comparison *c, const struct umb_comparison_row *row,
                            size_t way)
{
    return row->value + way * c->n_seeds;
}

struct umb_comparison_figure umb__comparison_figure(const struct umb_comparison *c, size_t row,
                                                    size_t way)
{
    const struct umb_comparison_row *r = &c->row[row];
    const double *own = values(c, r, way), *single = values(c, r, 0), none = (double)NAN;
    const struct umb_paired against = umb__paired_test(own, single, c->n_seeds);
    struct umb_comparison_figure f = {umb__summary(own, c->n_seeds), none, none, none, none};
    if (way == 0) { return f; }
    const double base = umb__summary(single, c->n_seeds).mean;
    f.gain = umb__gain(f.value.mean, base, r->lower_is_better);
    if (!isnan(f.gain)) { f.gain_half = against.difference.half / fabs(base); }
    f.p_single = against.p;
    if (way > 1) { f.p_first = umb__paired_test(own, values(c, r, 1), c->n_seeds).p; }
    return f;
}

/* Each seed's Δm, by the single runs' mean over all seeds: the mean of it is Δm of the means. */
static void deltas(const struct umb_comparison *c, size_t way, double *ret_delta)
{
    for (size_t s = 0; s < c->n_seeds; s++) {
        ret_delta[s] = 0;
    }
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct umb_comparison_row *r = &c->row[i];
        if (!r->first) { continue; }
        const double *own = values(c, r, way), *single = values(c, r, 0);
        const double base = umb__summary(single, c->n_seeds).mean;
        for (size_t s = 0; s < c->n_seeds; s++) {
            const double moved = base + own[s] - single[s];
            ret_delta[s] += umb__gain(moved, base, r->lower_is_better) / (double)c->n_tasks;
        }
    }
}

enum umb_status umb__comparison_all(const struct umb_comparison *c, size_t way,
                                    struct umb_comparison_figure *ret_figure)
{
    double *delta = umb__calloc(c->ctx, 3 * c->n_seeds, sizeof *delta);
    if (!delta) { return UMB_ERR_NO_MEMORY; }
    double *first = delta + c->n_seeds, *zero = first + c->n_seeds, none = (double)NAN;
    deltas(c, way, delta);
    deltas(c, 1, first);
    const struct umb_paired against = umb__paired_test(delta, zero, c->n_seeds);
    *ret_figure = (struct umb_comparison_figure){
        .value = {none, none, none},
        .gain = against.difference.mean,
        .gain_half = against.difference.half,
        .p_single = against.p,
        .p_first = way > 1 ? umb__paired_test(delta, first, c->n_seeds).p : none};
    umb__free(delta);
    return UMB_OK;
}

bool umb__comparison_is_worse(const struct umb_comparison *c, size_t row, size_t way)
{
    if (way == 0 || !c->row[row].first) { return false; }
    const struct umb_comparison_figure f = umb__comparison_figure(c, row, way);
    return f.gain + f.gain_half < 0;
}

size_t umb__comparison_n_done(const struct umb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_seeds * c->n_runs; i++) {
        n += c->run[i].done;
    }
    return n;
}

size_t umb__comparison_n_chosen(const struct umb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_seeds * c->n_runs; i++) {
        n += c->run[i].done && c->run[i].chosen;
    }
    return n;
}

/* comparison_notes.c: the sentences under a comparison's table. */
#include "comparison.h"

#include "text.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void note_seeds(const struct umb_comparison *c, struct umb_text *out)
{
    if (c->n_seeds == 1) {
        umb__text_printf(out,
                         "One seed, %" PRIu64 ": there are no intervals and no tests; --seeds 3 "
                         "gives both.\n",
                         c->seed);
        return;
    }
    umb__text_printf(out,
                     "Seeds %" PRIu64 " to %" PRIu64 "; ± is half a 95 %% interval, p a paired "
                     "t test's, not corrected for their number.\n",
                     c->seed, c->seed + c->n_seeds - 1);
}

static void note_epochs(const struct umb_comparison *c, struct umb_text *out)
{
    const size_t done = umb__comparison_n_done(c), chosen = umb__comparison_n_chosen(c);
    if (done == 0) { return; }
    if (chosen == done) {
        umb__text_add(out, "Of each run the epoch counts that its validation data chose.\n");
    } else if (chosen == 0) {
        umb__text_add(out, "There is no validation data: of each run the last epoch counts.\n");
    } else {
        umb__text_printf(out,
                         "Of each run the epoch counts that its validation data chose; %zu of %zu "
                         "have none, of them the last.\n",
                         done - chosen, done);
    }
}

/* Test data is what one expects; all else is said. */
static void note_splits(const struct umb_comparison *c, struct umb_text *out)
{
    for (size_t t = 0; t < c->n_tasks; t++) {
        if (!c->split[t] || strcmp(c->split[t], "test") == 0) { continue; }
        umb__text_printf(out, "%s has no test data: its metrics are of %s data.\n", c->task[t],
                         c->split[t]);
    }
}

static void note_missing(const struct umb_comparison *c, struct umb_text *out)
{
    const size_t done = umb__comparison_n_done(c), all = c->n_seeds * c->n_runs;
    if (done == all) { return; }
    umb__text_printf(out, "%zu of %zu runs have not ended: what needs them is –.\n", all - done,
                     all);
}

/* A task whose data is shorter than others' gets fewer steps alone; so may one that stops early. */
static void note_steps(const struct umb_comparison *c, struct umb_text *out)
{
    const struct umb_comparison_run *together = &c->run[c->n_tasks];
    for (size_t t = 0; c->n_runs > c->n_tasks && t < c->n_tasks; t++) {
        const struct umb_comparison_run *alone = &c->run[t];
        if (!alone->done || !together->done || alone->steps == together->steps) { continue; }
        umb__text_printf(out,
                         "%s alone was trained for %" PRId64 " steps, by %s for %" PRId64 ".\n",
                         c->task[t], alone->steps, c->way[1], together->steps);
    }
}

static void note_zero(const struct umb_comparison *c, struct umb_text *out)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct umb_comparison_row *r = &c->row[i];
        const double base = umb__summary(r->value, c->n_seeds).mean;
        if (!r->first || isnan(base) || fabs(base) > 0) { continue; }
        umb__text_printf(out, "%s: %s is 0 alone, so no Δ can be given, and no Δm.\n",
                         c->task[r->task], r->metric);
    }
}

static void note_worse(const struct umb_comparison *c, struct umb_text *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_rows; i++) {
        for (size_t w = 1; w < c->n_ways; w++) {
            if (!umb__comparison_is_worse(c, i, w)) { continue; }
            const struct umb_comparison_figure f = umb__comparison_figure(c, i, w);
            umb__text_printf(out, "Negative transfer: %s by %s, Δ %.2f ± %.2f %%.\n",
                             c->task[c->row[i].task], c->way[w], 100 * f.gain, 100 * f.gain_half);
            n++;
        }
    }
    if (n == 0 && c->n_seeds > 1 && umb__comparison_n_done(c) == c->n_seeds * c->n_runs) {
        umb__text_add(out, "No negative transfer beyond the noise of the seeds.\n");
    }
}

void umb__comparison_notes(const struct umb_comparison *c, struct umb_text *out)
{
    umb__comparison_groups_notes(c, out);
    note_seeds(c, out);
    note_epochs(c, out);
    note_splits(c, out);
    note_missing(c, out);
    note_steps(c, out);
    note_zero(c, out);
    note_worse(c, out);
}

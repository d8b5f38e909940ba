/* report_step.c: a report's training step: numbers, timeline, and the longest launches. */
#include "report_draw.h"
#include "timeline_draw.h"

#include <math.h>

#define TOP_BARS 12
#define TIMELINE_W 1080.0

static void add_picture(struct umb_text *out, const struct umb_timeline *t)
{
    umb__text_add(out, "<dl class=\"facts\">\n");
    if (t->bound_ms > 0) {
        umb__draw_fact(out, "bound ÷ makespan", "%.0f %%", 100 * t->bound_ms / t->makespan_ms);
    }
    umb__draw_fact(out, "makespan", "%.3f ms", t->makespan_ms);
    if (t->bound_ms > 0) { umb__draw_fact(out, "lower bound", "%.3f ms", t->bound_ms); }
    umb__draw_fact(out, "launches", "%zu", t->n_launches);
    umb__text_printf(out,
                     "</dl>\n<figure class=\"wide\"><svg class=\"timeline\" viewBox=\"0 0 %.0f "
                     "%.0f\" role=\"img\">\n",
                     TIMELINE_W, umb__timeline_height(t, TIMELINE_W));
    umb__draw_patterns(out);
    umb__draw_timeline(out, t, TIMELINE_W);
    umb__text_add(out, "</svg></figure>\n");
}

/* The longest launches. */

static double length_of(const struct umb_timeline_box *box)
{
    return box->end_ms - box->start_ms;
}

static void add_bar_row(struct umb_text *out, const struct umb_timeline_box *box, double total)
{
    const double ms = length_of(box);
    umb__text_add(out, "<tr><th>");
    umb__html(out, box->node[0]);
    if (box->n_nodes > 1) { umb__text_printf(out, " and %zu more", box->n_nodes - 1); }
    umb__text_add(out, "</th><td class=\"left\">");
    umb__html(out, box->kernel);
    umb__text_add(out, "</td><td class=\"left\">");
    umb__html(out, box->solver);
    umb__text_printf(out, "</td><td>%.3f</td><td>%.1f %%</td>", ms, 100 * ms / total);
    if (box->gflop > 0) {
        umb__text_printf(out, "<td>%.1f</td></tr>\n", box->gflop / ms * 1e3);
    } else {
        umb__text_add(out, "<td class=\"none\">–</td></tr>\n");
    }
}

/* The longest box that is shorter than (or behind, when as long) the one before; NULL: none. */
static const struct umb_timeline_box *next_longest(const struct umb_timeline *t,
                                                   const struct umb_timeline_box *before)
{
    const struct umb_timeline_box *best = NULL;
    for (size_t i = 0; i < t->n_boxes; i++) {
        const struct umb_timeline_box *box = &t->box[i];
        const double length = length_of(box), below = before ? length_of(before) : INFINITY;
        const bool later = length < below || (before && length <= below && box > before);
        if (length > 0 && later && (!best || length > length_of(best))) { best = box; }
    }
    return best;
}

static void add_bars(struct umb_text *out, const struct umb_timeline *t)
{
    double total = 0;
    for (size_t i = 0; i < t->n_boxes; i++) {
        total += length_of(&t->box[i]);
    }
    umb__text_add(out, "<div class=\"scroll\"><table><thead><tr><th>node</th><th "
                       "class=\"left\">kernel</th><th class=\"left\">solver</th><th>ms</th><th>of "
                       "all</th><th>GFLOP/s</th></tr></thead><tbody>\n");
    const struct umb_timeline_box *box = next_longest(t, NULL);
    for (int i = 0; i < TOP_BARS && box; i++, box = next_longest(t, box)) {
        add_bar_row(out, box, total);
    }
    umb__text_add(out, "</tbody></table></div>\n");
}

void umb__report_step(struct umb_text *out, const struct umb_timeline *t)
{
    add_picture(out, t);
    add_bars(out, t);
}

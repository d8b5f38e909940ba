/* timeline_draw.c: see timeline_draw.h; lanes, boxes, waits and marks. */
#include "timeline_draw.h"

#include <math.h>
#include <string.h>

#define GUTTER 96.0 /* of the lanes' labels: a queue, and the device's name some day */
#define RIGHT 16.0
#define TOP 44.0 /* two lines for the marks' labels */
#define LANE_H 42.0
#define LANE_GAP 28.0 /* room for arrows, and for the critical path under the boxes */
#define SCALE_H 30.0
#define LEAST_W 0.7      /* of a box, to be seen */
#define LEAST_FRAMED 2.5 /* a frame would leave nothing of a narrower one */
#define MOST_BANDS 20
#define HELD_UP 0.01 /* of the step */
#define FONT 11.0
#define TICKS 8
#define TOLD_NODES 12 /* in a box's tooltip */

struct frame {
    struct umb_text *out;
    const struct umb_timeline *t;
    double width, per_ms, bottom;
};

static double x_of(const struct frame *f, double ms)
{
    return GUTTER + ms * f->per_ms;
}

static double y_of(int lane)
{
    return TOP + lane * (LANE_H + LANE_GAP);
}

static double lanes_bottom(const struct umb_timeline *t)
{
    return y_of((int)t->n_lanes - 1) + LANE_H + 8;
}

static void draw_lanes(const struct frame *f)
{
    for (size_t i = 0; i < f->t->n_lanes; i++) {
        const double y = y_of((int)i);
        umb__text_printf(f->out,
                         "<g class=\"lane\"><rect class=\"s-lane\" x=\"%.1f\" y=\"%.1f\" "
                         "width=\"%.1f\" height=\"%.1f\"/><text class=\"s-label\" x=\"0\" "
                         "y=\"%.1f\">",
                         GUTTER, y, f->width - GUTTER - RIGHT, LANE_H, y + LANE_H / 2 + 4);
        umb__html_short(f->out, f->t->lane[i], (size_t)(GUTTER / umb__svg_text_width(1, 12)));
        umb__text_add(f->out, "</text></g>\n");
    }
}

static void draw_scale(const struct frame *f, double end_ms)
{
    const double span = end_ms - f->t->origin_ms, step = umb__nice_step(span, TICKS);
    for (int i = 0; i * step <= span * 1.0001; i++) {
        const double x = x_of(f, f->t->origin_ms + i * step);
        umb__text_printf(f->out, "<path class=\"s-grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, TOP,
                         f->bottom);
        umb__svg_text(f->out, "s-tick", "middle", x, f->bottom + 16, i ? "%.4g" : "%.4g ms",
                      i * step);
    }
}

/* Boxes. */

static void tell_box(const struct frame *f, size_t index)
{
    const struct umb_timeline_box *b = &f->t->box[index];
    umb__text_add(f->out, "<title>");
    for (size_t i = 0; i < b->n_nodes && i < TOLD_NODES; i++) {
        umb__text_add(f->out, i ? "\n" : "");
        umb__html(f->out, b->node[i]);
    }
    if (b->n_nodes > TOLD_NODES) {
        umb__text_printf(f->out, "\nand %zu more", b->n_nodes - TOLD_NODES);
    }
    if (*b->kernel) {
        umb__text_add(f->out, "\nkernel ");
        umb__html(f->out, b->kernel);
        umb__text_add(f->out, ", solver ");
        umb__html(f->out, b->solver);
    }
    umb__text_printf(f->out, "\n%.3f ms, from %.3f", b->end_ms - b->start_ms,
                     b->start_ms - f->t->origin_ms);
    if (b->alone_ms > 0) { umb__text_printf(f->out, "; alone %.3f ms", b->alone_ms); }
    for (size_t i = 0; i < b->n_waits; i++) {
        umb__text_add(f->out, i ? ", " : "\nwaits for ");
        umb__html(f->out, f->t->box[b->wait[i]].node[0]);
    }
    umb__text_add(f->out, b->critical ? "\non the critical path</title>" : "</title>");
}

/* A merged launch has a band for every part, a sample of them where they are many. */
static void draw_bands(const struct frame *f, const struct umb_timeline_box *b, double x, double w)
{
    const size_t n = b->n_parts < MOST_BANDS ? b->n_parts : MOST_BANDS;
    const double h = LANE_H / (double)n;
    const enum umb_phase phase = (enum umb_phase)b->phase;
    for (size_t i = 0; i < n; i++) {
        umb__draw_part(f->out, x, y_of(b->lane) + (double)i * h, w, h, b->part[i * b->n_parts / n],
                       (int)f->t->n_heads, phase);
    }
    umb__draw_phase_pattern(f->out, x, y_of(b->lane), w, LANE_H, phase);
}

static void draw_name(const struct frame *f, const struct umb_timeline_box *b, double x, double w)
{
    const double fits = (w - 8) / umb__svg_text_width(1, FONT), y = y_of(b->lane);
    if (fits < 4) { return; }
    struct umb_text name = {0};
    umb__short_name(&name, f->t, b);
    const char *class = b->phase == UMB_PHASE_LOSS ? "s-name s-light" : "s-name";
    umb__text_printf(f->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x + 4, y + 17);
    umb__html_short(f->out, umb__text_string(&name), (size_t)fits);
    umb__text_add(f->out, "</text>");
    if (fits >= 8) {
        umb__svg_text(f->out, class, NULL, x + 4, y + 33, "%.3g ms", b->end_ms - b->start_ms);
    }
    f->out->failed = f->out->failed || name.failed;
    umb__text_finish(&name);
}

static void draw_box(const struct frame *f, size_t index)
{
    const struct umb_timeline_box *b = &f->t->box[index];
    const bool transfer = b->phase == UMB_TIMELINE_TRANSFER;
    const double x = x_of(f, b->start_ms), y = y_of(b->lane);
    const double w = fmax(LEAST_W, (b->end_ms - b->start_ms) * f->per_ms);
    umb__text_printf(f->out, "<g class=\"%s\">", transfer ? "transfer" : "launch");
    tell_box(f, index);
    if (transfer) {
        umb__text_printf(f->out,
                         "<rect class=\"s-transfer\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
                         "height=\"%.1f\"/>",
                         x, y, w, LANE_H);
    } else {
        draw_bands(f, b, x, w);
    }
    if (w > LEAST_FRAMED) {
        umb__text_printf(f->out,
                         "<rect class=\"s-box\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
                         "height=\"%.1f\"/>",
                         x, y, w, LANE_H);
    }
    draw_name(f, b, x, w);
    if (b->critical) {
        umb__text_printf(f->out,
                         "<rect class=\"s-critical\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
                         "height=\"3.5\"/>",
                         x, y + LANE_H + 2, w);
    }
    umb__text_add(f->out, "</g>\n");
}

/* Waits and marks. */

/* A launch that was done long before did not hold up the other: its arrow is pale. */
static bool held_up(const struct frame *f, const struct umb_timeline_box *from,
                    const struct umb_timeline_box *to)
{
    return to->start_ms - from->end_ms < HELD_UP * (f->t->makespan_ms);
}

static void draw_wait(const struct frame *f, const struct umb_timeline_box *from,
                      const struct umb_timeline_box *to)
{
    const bool down = to->lane > from->lane;
    const double x0 = x_of(f, from->end_ms), x1 = x_of(f, to->start_ms);
    const double y0 = y_of(from->lane) + (down ? LANE_H : 0);
    const double y1 = y_of(to->lane) + (down ? 0 : LANE_H);
    /* Most of the way along, then into the box from above or below. */
    umb__text_printf(f->out,
                     "<path class=\"s-wait%s\" marker-end=\"url(#s-tip)\" d=\"M%.1f %.1fC%.1f "
                     "%.1f %.1f %.1f %.1f %.1f\"/>\n",
                     held_up(f, from, to) ? "" : " s-pale", x0, y0, x0, y0 + 0.6 * (y1 - y0), x1,
                     y1 - 0.75 * (y1 - y0), x1, y1 + (down ? -1 : 1));
}

static void draw_waits(const struct frame *f)
{
    for (size_t i = 0; i < f->t->n_boxes; i++) {
        const struct umb_timeline_box *b = &f->t->box[i];
        for (size_t w = 0; w < b->n_waits; w++) {
            draw_wait(f, &f->t->box[b->wait[w]], b);
        }
    }
}

static void draw_mark(const struct frame *f, const char *class, double ms, double y,
                      const char *label)
{
    const double x = x_of(f, f->t->origin_ms + ms);
    umb__text_printf(f->out, "<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n", class, x, y - 10,
                     f->bottom);
    umb__svg_text(f->out, "s-mark", x > f->width / 3 ? "end" : "start",
                  x > f->width / 3 ? x - 6 : x + 6, y, "%s %.4g ms", label, ms);
}

static void draw_marks(const struct frame *f)
{
    draw_mark(f, "s-end", f->t->makespan_ms, 14, "makespan");
    if (f->t->bound_ms > 0) { draw_mark(f, "s-bound", f->t->bound_ms, 32, "lower bound"); }
}

/* The whole. */

double umb__timeline_height(const struct umb_timeline *t, double width)
{
    return lanes_bottom(t) + SCALE_H + umb__draw_legend(NULL, t, 0, width);
}

static double end_of(const struct umb_timeline *t)
{
    double end = t->origin_ms + fmax(t->makespan_ms, t->bound_ms);
    for (size_t i = 0; i < t->n_boxes; i++) {
        end = fmax(end, t->box[i].end_ms);
    }
    return end;
}

void umb__draw_timeline(struct umb_text *out, const struct umb_timeline *t, double width)
{
    const double end = end_of(t);
    if (!(end > 0)) { return; }
    const struct frame f = {.out = out,
                            .t = t,
                            .width = width,
                            .per_ms = (width - GUTTER - RIGHT) / end,
                            .bottom = lanes_bottom(t)};
    draw_lanes(&f);
    draw_scale(&f, end);
    for (size_t i = 0; i < t->n_boxes; i++) {
        draw_box(&f, i);
    }
    draw_waits(&f);
    draw_marks(&f);
    umb__draw_legend(out, t, f.bottom + SCALE_H, width);
}

/*
 * comparison_draw.c: gains as bars, in a figure's own units:
 *
 *   method │        ├──█████████──┤       +1.20 ± 0.31 %
 *   LEFT   │ PLOT_W, the zero line in it │ numbers
 *          └ ticks in %
 */
#include "comparison.h"

#include "markup.h"
#include <math.h>
#include <string.h>

#define CHART_W 520.0
#define LEFT 120.0
#define PLOT_W 250.0
#define TOP 32.0
#define ROW 26.0
#define BAR 14.0
#define BOTTOM 26.0
#define TICKS 4
#define LABEL 16 /* characters of a method that fit */

struct scale {
    double low, high, step; /* percent */
};

struct bar {
    const char *label;
    double gain, half; /* percent; NaN: not known */
    size_t colour;
};

static struct bar bar_of(const struct umb_comparison *c, const struct umb_comparison_figure *f,
                         size_t way)
{
    return (struct bar){c->way[way], 100 * f->gain, 100 * f->gain_half, (way - 1) % 8};
}

static void widen(struct scale *s, const struct bar *b)
{
    const double half = isfinite(b->half) ? b->half : 0;
    if (!isfinite(b->gain)) { return; }
    s->low = fmin(s->low, b->gain - half);
    s->high = fmax(s->high, b->gain + half);
}

/* Zero is in it, and its ends are on ticks. */
static void finish_scale(struct scale *s)
{
    if (!(s->high > s->low)) { *s = (struct scale){-1, 1, 0}; }
    s->step = umb__nice_step(s->high - s->low, TICKS);
    s->low = floor(s->low / s->step + 1e-9) * s->step;
    s->high = ceil(s->high / s->step - 1e-9) * s->step;
}

static double place(const struct scale *s, double value)
{
    return LEFT + (value - s->low) / (s->high - s->low) * PLOT_W;
}

static void draw_ticks(struct umb_text *out, const struct scale *s, double height)
{
    for (int i = 0; s->low + i * s->step <= s->high + s->step / 2; i++) {
        const double value = s->low + i * s->step, x = place(s, value);
        const bool zero = fabs(value) < s->step * 1e-6;
        umb__text_printf(out, "<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n",
                         zero ? "axis" : "grid", x, TOP, TOP + height);
        umb__svg_text(out, "tick", "middle", x, TOP + height + 16, "%.4g %%", zero ? 0 : value);
    }
}

static void draw_interval(struct umb_text *out, const struct scale *s, const struct bar *b,
                          double y)
{
    const double low = place(s, b->gain - b->half), high = place(s, b->gain + b->half);
    umb__text_printf(out, "<path class=\"s-end\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\"/>\n",
                     low, y, high, low, y - 4, high, y - 4);
}

static void draw_bar(struct umb_text *out, const struct scale *s, const struct bar *b, double y)
{
    umb__text_printf(out, "<text class=\"s-label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                     LEFT - 8, y + 4);
    umb__html_short(out, b->label, LABEL);
    umb__text_add(out, "</text>\n");
    const double x = LEFT + PLOT_W + 10;
    if (!isfinite(b->gain)) {
        umb__svg_text(out, "tick", NULL, x, y + 4, "–");
        return;
    }
    const double from = place(s, fmin(b->gain, 0)), to = place(s, fmax(b->gain, 0));
    umb__text_printf(out,
                     "<rect class=\"dot c%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                     "height=\"%.1f\"/>\n",
                     b->colour, from, y - BAR / 2, to - from, BAR);
    if (isfinite(b->half)) {
        draw_interval(out, s, b, y);
        umb__svg_text(out, "tick", NULL, x, y + 4, "%+.2f ± %.2f %%", b->gain, b->half);
    } else {
        umb__svg_text(out, "tick", NULL, x, y + 4, "%+.2f %%", b->gain);
    }
}

static void draw_figure(struct umb_text *out, const struct scale *s, const char *title,
                        const char *metric, const struct bar *bars, size_t n)
{
    const double height = ROW * (double)n;
    umb__text_printf(out,
                     "<figure><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\"><text class=\"title\" "
                     "x=\"8\" y=\"18\">",
                     CHART_W, TOP + height + BOTTOM);
    umb__html(out, title);
    umb__text_add(out, ": ");
    umb__html(out, metric);
    umb__text_add(out, " against single</text>\n");
    draw_ticks(out, s, height);
    for (size_t i = 0; i < n; i++) {
        draw_bar(out, s, &bars[i], TOP + ROW * ((double)i + 0.5));
    }
    umb__text_add(out, "</svg></figure>\n");
}

/* Δm's bars, then those of every row: [1 + n_rows][n_ways − 1]. */
static enum umb_status make_bars(const struct umb_comparison *c, struct bar *bars)
{
    const size_t n = c->n_ways - 1;
    for (size_t w = 0; w < n; w++) {
        struct umb_comparison_figure f;
        const enum umb_status st = umb__comparison_all(c, w + 1, &f);
        if (st != UMB_OK) { return st; }
        bars[w] = bar_of(c, &f, w + 1);
    }
    for (size_t i = 0; i < c->n_rows * n; i++) {
        const struct umb_comparison_figure f = umb__comparison_figure(c, i / n, i % n + 1);
        bars[n + i] = bar_of(c, &f, i % n + 1);
    }
    return UMB_OK;
}

static void draw_bars(const struct umb_comparison *c, const struct bar *bars, struct umb_text *out)
{
    const size_t n = c->n_ways - 1;
    struct scale s = {0, 0, 0};
    for (size_t i = 0; i < n * (1 + c->n_rows); i++) {
        if (i < n || c->row[i / n - 1].first) { widen(&s, &bars[i]); }
    }
    finish_scale(&s);
    umb__text_add(out, "<div class=\"charts\">\n");
    draw_figure(out, &s, "all tasks", "Δm", bars, n);
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct umb_comparison_row *r = &c->row[i];
        if (r->first) { draw_figure(out, &s, c->task[r->task], r->metric, bars + n * (1 + i), n); }
    }
    umb__text_add(out, "</div>\n");
}

enum umb_status umb__comparison_draw(const struct umb_comparison *c, struct umb_text *out)
{
    struct bar *bars = umb__calloc(c->ctx, (1 + c->n_rows) * (c->n_ways - 1), sizeof *bars);
    if (!bars) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = make_bars(c, bars);
    if (st == UMB_OK) { draw_bars(c, bars, out); }
    umb__free(bars);
    return st;
}

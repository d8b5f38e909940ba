/*
 * report_draw.c: charts and the timeline.
 *
 *   chart, in its own units:   LEFT ┤ plot, 0…PLOT_W × 0…PLOT_H │
 *                                   └ x ticks, x name
 */
#include "report_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHART_W 520
#define CHART_H 250
#define LEFT 52
#define TOP 34
#define PLOT_W 450
#define PLOT_H 170
#define TICKS 4

#define LINE_W 1080
#define LABEL_W 64
#define ROW_H 30

void umb__html(struct umb_text *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            umb__text_add(out, "&lt;");
            break;
        case '>':
            umb__text_add(out, "&gt;");
            break;
        case '&':
            umb__text_add(out, "&amp;");
            break;
        case '"':
            umb__text_add(out, "&quot;");
            break;
        default:
            umb__text_add_bytes(out, text, 1);
        }
    }
}

/* Charts. */

struct range {
    double low, high, step; /* of the axis, on ticks */
};

/* 1, 2 or 5 times a power of ten, near span/TICKS. */
static double nice_step(double span)
{
    double power = pow(10, floor(log10(span / TICKS))), part = span / TICKS / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static struct range axis_of(double low, double high)
{
    if (!(high > low)) {
        double around = fabs(low) > 0 ? fabs(low) * 0.1 : 1;
        low -= around;
        high += around;
    }
    struct range r = {.step = nice_step(high - low)};
    r.low = floor(low / r.step + 1e-9) * r.step;
    r.high = ceil(high / r.step - 1e-9) * r.step;
    return r;
}

/* The x axis ends where the data end; the y axis on a tick. */
static struct range x_range(const struct umb_report_series *series, size_t n)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t s = 0; s < n; s++) {
        for (int i = 0; i < series[s].n; i++) {
            low = fmin(low, series[s].x[i]);
            high = fmax(high, series[s].x[i]);
        }
    }
    if (!(high > low)) { return (struct range){low - 1, low + 1, 1}; }
    double step = nice_step(high - low);
    return (struct range){low, high, step < 1 ? 1 : step};
}

static struct range y_range(const struct umb_report_series *series, size_t n)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t s = 0; s < n; s++) {
        for (int i = 0; i < series[s].n; i++) {
            low = fmin(low, series[s].y[i]);
            high = fmax(high, series[s].y[i]);
        }
    }
    return axis_of(low, high);
}

static double place(const struct range *r, double value, double length)
{
    return (value - r->low) / (r->high - r->low) * length;
}

static void draw_axes(struct umb_text *out, const struct range *x, const struct range *y,
                      const char *x_name)
{
    for (int i = 0; y->low + i * y->step <= y->high + y->step / 2; i++) {
        double value = y->low + i * y->step, at = TOP + PLOT_H - place(y, value, PLOT_H);
        umb__text_printf(out,
                         "<path class=\"grid\" d=\"M%d %.1fh%d\"/><text class=\"tick\" x=\"%d\" "
                         "y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                         LEFT, at, PLOT_W, LEFT - 8, at + 3.5, fabs(value) < 1e-12 ? 0 : value);
    }
    for (double v = ceil(x->low / x->step) * x->step; v <= x->high + 1e-9; v += x->step) {
        umb__text_printf(out,
                         "<text class=\"tick\" x=\"%.1f\" y=\"%d\" "
                         "text-anchor=\"middle\">%.6g</text>\n",
                         LEFT + place(x, v, PLOT_W), TOP + PLOT_H + 16, v);
    }
    umb__text_printf(out,
                     "<path class=\"axis\" d=\"M%d %dh%d\"/><text class=\"tick\" x=\"%d\" y=\"%d\" "
                     "text-anchor=\"end\">",
                     LEFT, TOP + PLOT_H, PLOT_W, LEFT + PLOT_W, TOP + PLOT_H + 32);
    umb__html(out, x_name);
    umb__text_add(out, "</text>\n");
}

static void draw_curve(struct umb_text *out, const struct umb_report_series *s,
                       const struct range *x, const struct range *y)
{
    umb__text_printf(out, "<polyline class=\"curve %s\" points=\"", s->style);
    for (int i = 0; i < s->n; i++) {
        umb__text_printf(out, "%.1f,%.1f ", LEFT + place(x, s->x[i], PLOT_W),
                         TOP + PLOT_H - place(y, s->y[i], PLOT_H));
    }
    umb__text_add(out, "\"/>\n");
    for (int i = 0; s->n <= 40 && i < s->n; i++) {
        umb__text_printf(out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>",
                         s->style, LEFT + place(x, s->x[i], PLOT_W),
                         TOP + PLOT_H - place(y, s->y[i], PLOT_H));
        umb__html(out, s->label);
        umb__text_printf(out, " %.6g: %.5g</title></circle>\n", s->x[i], s->y[i]);
    }
}

static void draw_legend(struct umb_text *out, const struct umb_report_series *series, size_t n)
{
    if (n < 2) { return; }
    umb__text_add(out, "<figcaption>");
    for (size_t s = 0; s < n; s++) {
        umb__text_printf(out, "<span class=\"key\"><i class=\"%s\"></i>", series[s].style);
        umb__html(out, series[s].label);
        umb__text_add(out, "</span>");
    }
    umb__text_add(out, "</figcaption>");
}

void umb__draw_chart(struct umb_text *out, const char *title, const char *x_name,
                     const struct umb_report_series *series, size_t n)
{
    if (n == 0) { return; }
    struct range x = x_range(series, n), y = y_range(series, n);
    umb__text_printf(out,
                     "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\"><text class=\"title\" "
                     "x=\"%d\" y=\"18\">",
                     CHART_W, CHART_H, LEFT);
    umb__html(out, title);
    umb__text_add(out, "</text>\n");
    draw_axes(out, &x, &y, x_name);
    for (size_t s = 0; s < n; s++) {
        draw_curve(out, &series[s], &x, &y);
    }
    umb__text_add(out, "</svg>");
    draw_legend(out, series, n);
    umb__text_add(out, "</figure>\n");
}

/* The timeline. */

static double number(const json_t *bar, const char *key)
{
    return json_number_value(json_object_get(bar, key));
}

static bool is_bar(const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "ph"));
    double start = number(event, "ts"), length = number(event, "dur"), row = number(event, "tid");
    return kind && strcmp(kind, "X") == 0 && start >= 0 && length >= 0 &&
           isfinite(start + length) && row >= 0 && row < 64;
}

static const char *text_of(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text ? text : "";
}

/* Only the four phases are classes of the style sheet. */
static const char *phase_of(const json_t *bar)
{
    static const char *const phases[] = {"forward", "loss", "backward", "update"};
    const char *name = text_of(bar, "cat");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (strcmp(phases[i], name) == 0) { return phases[i]; }
    }
    return "other";
}

static void draw_bar(struct umb_text *out, const json_t *bar, double per_us)
{
    double start = number(bar, "ts"), length = number(bar, "dur"), row = number(bar, "tid");
    double wide = length * per_us < 0.6 ? 0.6 : length * per_us;
    umb__text_printf(out,
                     "<rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" "
                     "height=\"%d\"><title>",
                     phase_of(bar), LABEL_W + start * per_us, row * (ROW_H + 6), wide, ROW_H);
    umb__html(out, text_of(bar, "name"));
    umb__text_add(out, "\n");
    umb__html(out, text_of(json_object_get(bar, "args"), "kernel"));
    umb__text_printf(out, "\n%.3f ms, from %.3f</title></rect>\n", length * 1e-3, start * 1e-3);
}

static void draw_scale(struct umb_text *out, double end_us, double per_us, int height)
{
    double step = nice_step(end_us * 1e-3);
    for (int i = 0; i * step <= end_us * 1e-3 * 1.0001; i++) {
        double at = LABEL_W + i * step * 1e3 * per_us;
        umb__text_printf(out,
                         "<path class=\"grid\" d=\"M%.1f 0v%d\"/><text class=\"tick\" x=\"%.1f\" "
                         "y=\"%d\" text-anchor=\"middle\">%.4g ms</text>\n",
                         at, height, at, height + 16, i * step);
    }
}

void umb__draw_timeline(struct umb_text *out, const json_t *trace)
{
    const json_t *events = json_object_get(trace, "traceEvents");
    double end = 0, rows = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *bar = json_array_get(events, i);
        if (!is_bar(bar)) { continue; }
        end = fmax(end, number(bar, "ts") + number(bar, "dur"));
        rows = fmax(rows, floor(number(bar, "tid")) + 1);
    }
    if (!(end > 0)) { return; }
    double per_us = (LINE_W - LABEL_W - 24) / end;
    int height = (int)rows * (ROW_H + 6);
    umb__text_printf(out,
                     "<figure class=\"wide\"><svg class=\"timeline\" viewBox=\"0 0 %d %d\" "
                     "role=\"img\">\n",
                     LINE_W, height + 24);
    draw_scale(out, end, per_us, height);
    for (int row = 0; row < (int)rows; row++) {
        umb__text_printf(out, "<text class=\"tick\" x=\"0\" y=\"%d\">queue %d</text>\n",
                         row * (ROW_H + 6) + ROW_H / 2 + 4, row);
    }
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *bar = json_array_get(events, i);
        if (is_bar(bar)) { draw_bar(out, bar, per_us); }
    }
    umb__text_add(out, "</svg><figcaption>");
    static const char *const phases[] = {"forward", "loss", "backward", "update"};
    for (size_t i = 0; i < 4; i++) {
        umb__text_printf(out, "<span class=\"key\"><i class=\"%s\"></i>%s</span>", phases[i],
                         phases[i]);
    }
    umb__text_add(out, "</figcaption></figure>\n");
}

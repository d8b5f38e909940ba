/*
 * report_draw.c: charts and facts.
 *
 *   chart, in its own units:   LEFT ┤ plot, 0…PLOT_W × 0…PLOT_H │
 *                                   └ x ticks, x name
 */
#include "report_draw.h"

#include "report_style.h"
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

/* Charts. */

struct range {
    double low, high, step; /* of the axis, on ticks */
};

static struct range axis_of(double low, double high)
{
    if (!(high > low)) {
        double around = fabs(low) > 0 ? fabs(low) * 0.1 : 1;
        low -= around;
        high += around;
    }
    struct range r = {.step = umb__nice_step(high - low, TICKS)};
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
    double step = umb__nice_step(high - low, TICKS);
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

void umb__draw_fact(struct umb_text *out, const char *label, const char *fmt, ...)
{
    struct umb_text value = {0};
    va_list args;
    va_start(args, fmt);
    umb__text_vprintf(&value, fmt, args);
    va_end(args);
    umb__text_printf(out, "<div><dt>%s</dt><dd>", label);
    umb__html(out, umb__text_string(&value));
    umb__text_add(out, "</dd></div>\n");
    out->failed = out->failed || value.failed;
    umb__text_finish(&value);
}

void umb__draw_page_begin(struct umb_text *out, const char *title)
{
    umb__text_add(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    umb__html(out, title);
    umb__text_add(out, "</title>\n<style>\n");
    umb__text_add(out, umb__report_style);
    umb__text_add(out, "</style></head>\n<body><header>");
    umb__text_add(out, umb__report_mark);
    umb__text_add(out, "<h1>Umbel</h1></header><main>\n");
}

void umb__draw_page_end(struct umb_text *out)
{
    umb__text_add(out, "</main></body></html>\n");
}

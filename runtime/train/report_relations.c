/*
 * report_relations.c: soft sharing in a report.
 *
 *            a     b     c          a square is red for 1, blue for −1, and paler the nearer to 0;
 *      a   ████  ░░░░  ▒▒▒▒         its number stands in it
 *      b   ░░░░  ████  ░░░░
 */
#include "report_draw.h"

#include <math.h>
#include <stdio.h>

#define SQUARE 44
#define LONGEST_NAME 16 /* characters */
#define LEFT 120
#define TOP 90

void umb__report_penalty(struct umb_text *out, const struct umb_report_data *d,
                         struct umb_report_series *series)
{
    if (umb__report_step_series(d, "share", series) == 0) { return; }
    snprintf(series->label, sizeof series->label, "share");
    snprintf(series->style, sizeof series->style, "c7");
    umb__draw_chart(out, "soft sharing: penalty by step", "step", series, 1);
}

static double clamped(const json_t *value)
{
    const double x = json_is_number(value) ? json_number_value(value) : 0;
    return fmax(-1, fmin(1, x));
}

/* From white to a hue's full shade. */
static void add_square(struct umb_text *out, double x, double y, double value)
{
    const double full[2][3] = {{33, 102, 172}, {178, 24, 43}}, *shade = full[value > 0];
    int rgb[3];
    for (int c = 0; c < 3; c++) {
        rgb[c] = (int)lround(255 + fabs(value) * (shade[c] - 255));
    }
    umb__text_printf(out,
                     "<rect x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\" "
                     "fill=\"#%02x%02x%02x\"/>\n",
                     x, y, SQUARE - 2, SQUARE - 2, rgb[0], rgb[1], rgb[2]);
    umb__svg_text(out, fabs(value) > 0.5 ? "s-name s-light" : "s-name", "middle",
                  x + (SQUARE - 2) / 2.0, y + SQUARE / 2.0 + 3, "%.2f", value);
}

/* <text> with a name that may be anything. */
static void add_name(struct umb_text *out, const char *anchor, double x, double y,
                     const json_t *name)
{
    const char *text = json_string_value(name);
    umb__text_printf(out, "<text class=\"s-label\" text-anchor=\"%s\" x=\"%.0f\" y=\"%.0f\">",
                     anchor, x, y);
    umb__html_short(out, text ? text : "?", LONGEST_NAME);
    umb__text_add(out, "</text>\n");
}

static void add_squares(struct umb_text *out, const json_t *names, const json_t *rows)
{
    const size_t T = json_array_size(names);
    const double side = (double)T * SQUARE;
    umb__text_printf(out,
                     "<svg viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" role=\"img\">\n",
                     LEFT + side + LEFT / 2.0, TOP + side + 8, LEFT + side + LEFT / 2.0);
    for (size_t t = 0; t < T; t++) {
        const double at = (double)t * SQUARE;
        add_name(out, "end", LEFT - 8, TOP + at + SQUARE / 2.0 + 3, json_array_get(names, t));
        umb__text_printf(out, "<g transform=\"translate(%.0f,%d) rotate(-45)\">",
                         LEFT + at + SQUARE / 2.0, TOP - 8);
        add_name(out, "start", 0, 0, json_array_get(names, t));
        umb__text_add(out, "</g>\n");
        for (size_t s = 0; s < T; s++) {
            add_square(out, LEFT + (double)s * SQUARE, TOP + at,
                       clamped(json_array_get(json_array_get(rows, t), s)));
        }
    }
    umb__text_add(out, "</svg>\n");
}

void umb__report_relations(struct umb_text *out, const struct umb_report_data *d)
{
    const json_t *names = json_object_get(d->relations, "trunks");
    if (json_array_size(names) == 0) { return; }
    umb__text_printf(out, "<h3>Learned relations: correlations of Ω at step %lld</h3>\n<figure>\n",
                     (long long)json_integer_value(json_object_get(d->relations, "step")));
    add_squares(out, names, json_object_get(d->relations, "correlations"));
    umb__text_add(out, "</figure>\n");
}

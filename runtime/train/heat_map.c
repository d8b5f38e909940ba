/*
 * heat_map.c: see heat_map.h.
 *
 *   title
 *            names, aslant
 *   names │  cells
 *            strip  low … high
 *   note
 */
#include "heat_map.h"

#include "colour.h"
#include "markup.h"
#include <math.h>
#include <stdio.h>

#define FONT 12.0
#define NAME_CHARS 18
#define TITLE_H 26.0
#define GAP 8.0     /* between names and cells */
#define SLANT 0.707 /* names above lean at 45°; upright where cells are narrow */
#define STRIP_TOP 14.0
#define STRIP_H 10.0
#define STRIP_W 160.0
#define STRIP_STEPS 32
#define FOOT_H 48.0 /* the strip with its numbers */
#define NOTE_H 20.0

/* Sizes. */

struct cell_size {
    double w, h;
};

static struct cell_size cell_size(const struct umb_heat_map *m)
{
    if (m->T > UMB_HEAT_MAP_NUMBERS) { return (struct cell_size){15, 15}; }
    return m->T > 8 ? (struct cell_size){46, 26} : (struct cell_size){56, 34};
}

/* Pixels of the longest name. */
static double names_width(const struct umb_heat_map *m)
{
    size_t longest = 1;
    for (size_t t = 0; t < m->T; t++) {
        const size_t n = umb__html_length(m->name[t]);
        longest = n > longest ? n : longest;
    }
    return umb__svg_text_width(longest < NAME_CHARS ? longest : NAME_CHARS, FONT);
}

static bool narrow(const struct umb_heat_map *m)
{
    return m->T > UMB_HEAT_MAP_NUMBERS;
}

static double left(const struct umb_heat_map *m)
{
    return names_width(m) + GAP;
}

static double top(const struct umb_heat_map *m)
{
    return TITLE_H + (narrow(m) ? 1 : SLANT) * names_width(m) + GAP + FONT;
}

static double text_width(const char *text, double font)
{
    return text ? umb__svg_text_width(umb__html_length(text), font) : 0;
}

double umb__heat_map_width(const struct umb_heat_map *m)
{
    const double cells = cell_size(m).w * (double)m->T;
    const double leans_out = narrow(m) ? GAP : SLANT * names_width(m);
    const double wide = left(m) + fmax(cells, STRIP_W) + leans_out;
    return fmax(wide, fmax(text_width(m->title, FONT), text_width(m->note, FONT - 1)));
}

double umb__heat_map_height(const struct umb_heat_map *m)
{
    return top(m) + cell_size(m).h * (double)m->T + FOOT_H + (m->note ? NOTE_H : 0);
}

/* Cells. */

#define SMALL 0.0005
#define SMALL_RANGE 0.1 /* where colours end below it, small numbers are what there is */
#define NOTHING 1e-9

/* Two digits that tell something, as a rule: "0.25", "0.031", "−1.50", "37.2", "∞", "–"; and
 * "2e-05" on a map of small numbers. */
static const char *number(const struct umb_heat_map *m, double value, char buffer[24])
{
    const double size = fabs(value);
    const int digits = size < 0.0995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
    const char *minus = value < 0 ? "−" : "";
    if (isnan(value)) { return "–"; }
    if (size < SMALL && (m->high >= SMALL_RANGE || size < NOTHING)) { return "0"; }
    if (isinf(value)) { return value < 0 ? "−∞" : "∞"; }
    if (size >= 1e5 || size < SMALL) {
        snprintf(buffer, 24, "%s%.0e", minus, size);
    } else {
        snprintf(buffer, 24, "%s%.*f", minus, digits, size);
    }
    return buffer;
}

/* Where a value lies on the colours, −1…1 or 0…1. */
static double placed(const struct umb_heat_map *m, double value)
{
    const double low = m->low < 0 ? 0 : m->low, span = m->high - low;
    if (!(span > 0)) { return 0; }
    return fmin(1, fmax(m->low < 0 ? -1 : 0, (value - low) / span));
}

/* attribute: "fill" or "class" */
static void draw_rect(struct umb_text *out, double x, double y, struct cell_size size,
                      const char *attribute, const char *value)
{
    umb__text_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" %s=\"%s\"/>",
                     x, y, size.w, size.h, attribute, value);
}

static void draw_value(struct umb_text *out, const struct umb_heat_map *m, double x, double y,
                       double value)
{
    const struct cell_size size = cell_size(m), inside = {size.w - 1, size.h - 1};
    char colour[UMB_COLOUR_TEXT], text[24];
    bool dark = false;
    if (isnan(value)) {
        draw_rect(out, x, y, inside, "class", "s-lane");
    } else {
        umb__value_colour(placed(m, value), m->low < 0, colour, &dark);
        draw_rect(out, x, y, inside, "fill", colour);
    }
    if (narrow(m)) { return; }
    const char *class = isnan(value) ? "s-tick" : dark ? "s-name s-light" : "s-name";
    umb__svg_text(out, class, "middle", x + inside.w / 2, y + inside.h / 2 + 4, "%s",
                  number(m, value, text));
}

static void draw_cell(struct umb_text *out, const struct umb_heat_map *m, size_t s, size_t t)
{
    const struct cell_size size = cell_size(m);
    const double value = m->value[s * m->T + t];
    char text[24];
    umb__text_add(out, "<g class=\"cell\"><title>");
    umb__html(out, m->name[s]);
    umb__text_add(out, ", ");
    umb__html(out, m->name[t]);
    umb__text_printf(out, ": %s</title>", number(m, value, text));
    draw_value(out, m, left(m) + size.w * (double)t, top(m) + size.h * (double)s, value);
    umb__text_add(out, "</g>\n");
}

static void draw_cells(struct umb_text *out, const struct umb_heat_map *m)
{
    for (size_t i = 0; i < m->T * m->T; i++) {
        const size_t s = i / m->T, t = i % m->T;
        if (s != t || m->self) { draw_cell(out, m, s, t); }
    }
}

/* Names. */

static void draw_name(struct umb_text *out, const char *anchor, double x, double y, int turn,
                      const char *name)
{
    umb__text_printf(out,
                     "<text class=\"s-label\" text-anchor=\"%s\" transform=\"translate(%.1f %.1f) "
                     "rotate(%d)\">",
                     anchor, x, y, turn);
    umb__html_short(out, name, NAME_CHARS);
    umb__text_add(out, "</text>\n");
}

static void draw_names(struct umb_text *out, const struct umb_heat_map *m)
{
    const struct cell_size size = cell_size(m);
    for (size_t t = 0; t < m->T; t++) {
        const double middle = (double)t + 0.5;
        draw_name(out, "end", left(m) - GAP, top(m) + size.h * middle + 4, 0, m->name[t]);
        draw_name(out, "start", left(m) + size.w * middle + 4, top(m) - GAP, narrow(m) ? -90 : -45,
                  m->name[t]);
    }
}

/* The strip. */

static void draw_tick(struct umb_text *out, const struct umb_heat_map *m, double x, double y,
                      double value)
{
    char text[24];
    umb__svg_text(out, "s-tick", "middle", x, y, "%s", number(m, value, text));
}

static void draw_strip(struct umb_text *out, const struct umb_heat_map *m)
{
    const double x = left(m), y = top(m) + cell_size(m).h * (double)m->T + STRIP_TOP;
    const struct cell_size step = {STRIP_W / STRIP_STEPS + 0.5, STRIP_H};
    for (int i = 0; i < STRIP_STEPS; i++) {
        const double value = m->low + (m->high - m->low) * (i + 0.5) / STRIP_STEPS;
        char colour[UMB_COLOUR_TEXT];
        bool dark;
        umb__value_colour(placed(m, value), m->low < 0, colour, &dark);
        draw_rect(out, x + STRIP_W * i / STRIP_STEPS, y, step, "fill", colour);
    }
    umb__text_add(out, "\n");
    for (int i = 0; i <= 2; i++) {
        draw_tick(out, m, x + STRIP_W * i / 2, y + STRIP_H + 14,
                  m->low + (m->high - m->low) * i / 2);
    }
}

void umb__draw_heat_map(struct umb_text *out, const struct umb_heat_map *m)
{
    umb__text_add(out, "<g class=\"heat-map\">\n");
    umb__svg_text(out, "s-mark", NULL, 0, FONT + 2, "%s", m->title);
    draw_names(out, m);
    draw_cells(out, m);
    draw_strip(out, m);
    if (m->note) {
        umb__svg_text(out, "s-tick", NULL, 0, umb__heat_map_height(m) - 6, "%s", m->note);
    }
    umb__text_add(out, "</g>\n");
}

/* timeline_legend.c: what a timeline's colours, patterns and lines mean, and its boxes' names. */
#include "timeline_draw.h"

#include <string.h>

#define SWATCH 13.0
#define LINE_H 22.0
#define FONT 12.0
#define INDENT 96.0   /* under the lanes */
#define MOST_NAMED 12 /* heads that the legend names one by one */
#define NAME_CHARS 24

/* Patterns. */

void umb__draw_patterns(struct umb_text *out)
{
    umb__text_add(
        out,
        "<defs><pattern id=\"s-backward\" width=\"5\" height=\"5\" "
        "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path d=\"M0 0V5\" "
        "stroke=\"#fff\" stroke-width=\"2.4\" stroke-opacity=\".34\"/></pattern>\n"
        "<pattern id=\"s-update\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><circle "
        "cx=\"3\" cy=\"3\" r=\"1.1\" fill=\"#000\" fill-opacity=\".3\"/></pattern>\n"
        "<marker id=\"s-tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
        "markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"s-tip\" "
        "d=\"M0 .8 8 4 0 7.2z\"/></marker></defs>\n");
}

static void draw_rect(struct umb_text *out, double x, double y, double w, double h,
                      const char *fill)
{
    umb__text_printf(out,
                     "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>", x,
                     y, w, h, fill);
}

void umb__draw_part(struct umb_text *out, double x, double y, double w, double h, int part,
                    int n_heads, enum umb_phase phase)
{
    char colour[UMB_COLOUR_TEXT];
    draw_rect(out, x, y, w, h, umb__part_colour(part, n_heads, phase, colour));
}

void umb__draw_phase_pattern(struct umb_text *out, double x, double y, double w, double h,
                             enum umb_phase phase)
{
    if (phase == UMB_PHASE_BACKWARD) { draw_rect(out, x, y, w, h, "url(#s-backward)"); }
    if (phase == UMB_PHASE_UPDATE) { draw_rect(out, x, y, w, h, "url(#s-update)"); }
}

/* Names. */

/* "conv2.conv_backward_weights" is "conv2 ∂w". */
static void add_node_name(struct umb_text *out, const char *name)
{
    static const char *const endings[][2] = {
        {"_backward_data", " ∂x"}, {"_backward_weights", " ∂w"}, {"_backward", " ∂"}};
    const char *dot = strrchr(name, '.');
    const size_t length = strlen(name);
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i][0]);
        if ((size_t)(name + length - dot) <= n) { continue; }
        if (strcmp(name + length - n, endings[i][0]) != 0) { continue; }
        umb__text_add_bytes(out, name, (size_t)(dot - name));
        umb__text_add(out, endings[i][1]);
        return;
    }
    umb__text_add(out, name);
}

/* The head's own name is said by the colour. */
static const char *without_head(const struct umb_timeline *t, const char *name)
{
    for (size_t h = 0; h < t->n_heads; h++) {
        const size_t n = strlen(t->head[h]);
        if (strncmp(name, t->head[h], n) == 0 && name[n] == '.') { return name + n + 1; }
    }
    return name;
}

void umb__short_name(struct umb_text *out, const struct umb_timeline *t,
                     const struct umb_timeline_box *box)
{
    const char *first = without_head(t, box->node[0]);
    bool alike = true;
    for (size_t i = 1; i < box->n_nodes && alike; i++) {
        alike = strcmp(first, without_head(t, box->node[i])) == 0;
    }
    add_node_name(out, first);
    if (box->n_nodes > 1) {
        umb__text_printf(out, alike ? " ×%zu" : " +%zu", alike ? box->n_nodes : box->n_nodes - 1);
    }
}

/* The legend. */

struct legend {
    struct umb_text *out; /* NULL: only measure */
    double x, y, width;
};

/* Room for a mark of that width and its text; returns the mark's x. */
static double place(struct legend *l, double mark_w, const char *text)
{
    size_t n = umb__html_length(text);
    if (n > NAME_CHARS + 16) { n = NAME_CHARS + 16; }
    const double w = mark_w + 7 + umb__svg_text_width(n, FONT) + 18;
    if (l->x + w > l->width && l->x > INDENT) {
        l->x = INDENT;
        l->y += LINE_H;
    }
    const double x = l->x;
    l->x += w;
    if (l->out) {
        umb__text_printf(l->out, "<text class=\"s-key\" x=\"%.1f\" y=\"%.1f\">", x + mark_w + 7,
                         l->y + 11);
        umb__html_short(l->out, text, NAME_CHARS + 16);
        umb__text_add(l->out, "</text>\n");
    }
    return x;
}

static void add_line(struct legend *l)
{
    l->x = INDENT;
    l->y += LINE_H;
}

static void add_part(struct legend *l, const char *name, int part, int n_heads)
{
    const double x = place(l, SWATCH, name);
    if (l->out) {
        umb__draw_part(l->out, x, l->y, SWATCH, SWATCH, part, n_heads, UMB_PHASE_FORWARD);
    }
}

/* Many heads: a strip of all their hues, in their order. */
static void add_strip(struct legend *l, const struct umb_timeline *t)
{
    const int n = (int)t->n_heads;
    const double each = 3;
    struct umb_text text = {0};
    umb__text_printf(&text, "%d heads, %.10s … %.10s", n, t->head[0], t->head[n - 1]);
    const double x = place(l, each * n, umb__text_string(&text));
    for (int h = 0; l->out && h < n; h++) {
        umb__draw_part(l->out, x + each * h, l->y, each, SWATCH, h, n, UMB_PHASE_FORWARD);
    }
    if (l->out) { l->out->failed = l->out->failed || text.failed; }
    umb__text_finish(&text);
}

static void add_parts(struct legend *l, const struct umb_timeline *t)
{
    add_part(l, "trunk", UMB_PART_TRUNK, (int)t->n_heads);
    if (t->n_heads > MOST_NAMED) {
        add_strip(l, t);
        return;
    }
    for (size_t h = 0; h < t->n_heads; h++) {
        add_part(l, t->head[h], (int)h, (int)t->n_heads);
    }
}

static void add_phases(struct legend *l, const struct umb_timeline *t)
{
    static const char *const names[] = {"forward", "loss", "backward", "update"};
    char grey[UMB_COLOUR_TEXT];
    for (int phase = 0; phase < UMB_TIMELINE_TRANSFER; phase++) {
        const double x = place(l, SWATCH, names[phase]);
        if (!l->out) { continue; }
        draw_rect(l->out, x, l->y, SWATCH, SWATCH, umb__phase_grey((enum umb_phase)phase, grey));
        umb__draw_phase_pattern(l->out, x, l->y, SWATCH, SWATCH, (enum umb_phase)phase);
    }
    for (size_t i = t->n_launches; i < t->n_boxes; i++) {
        const double x = place(l, SWATCH, "upload, read-back");
        if (l->out) {
            umb__text_printf(l->out,
                             "<rect class=\"s-transfer\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                             "height=\"%.1f\"/>\n",
                             x, l->y, SWATCH, SWATCH);
        }
        break;
    }
}

static void add_mark(struct legend *l, const char *class, const char *shape, const char *text)
{
    const double x = place(l, 26, text);
    if (!l->out) { return; }
    umb__text_printf(l->out, "<path class=\"%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"",
                     class, x, l->y, shape);
    umb__text_add(l->out, strncmp(class, "s-wait", 6) ? "/>\n" : " marker-end=\"url(#s-tip)\"/>\n");
}

static bool any_wait(const struct umb_timeline *t)
{
    for (size_t i = 0; i < t->n_boxes; i++) {
        if (t->box[i].n_waits > 0) { return true; }
    }
    return false;
}

double umb__draw_legend(struct umb_text *out, const struct umb_timeline *t, double y, double width)
{
    struct legend l = {.out = out, .x = INDENT, .y = y, .width = width};
    if (out) { umb__text_add(out, "<g class=\"legend\">\n"); }
    add_parts(&l, t);
    add_line(&l);
    add_phases(&l, t);
    add_line(&l);
    if (any_wait(t)) {
        add_mark(&l, "s-wait", "M0 7H24", "waits for another queue");
        add_mark(&l, "s-wait s-pale", "M0 7H24", "which was long done");
    }
    add_mark(&l, "s-critical", "M0 5h26v3.5h-26z", "on the critical path");
    if (t->bound_ms > 0) { add_mark(&l, "s-bound", "M0 7H26", "lower bound"); }
    if (out) { umb__text_add(out, "</g>\n"); }
    return l.y + LINE_H - y;
}

/* clang-format off */
const char umb__timeline_style[] =
"svg{background:#fff}text{font-family:'Helvetica Neue',Arial,'DejaVu Sans',sans-serif;fill:#23261f}\n"
".s-title{font-size:20px;font-weight:600}.s-facts{font-size:13px;fill:#565b50}.s-section{font-size:15px;font-weight:600}\n"
".s-label,.s-key{font-size:12px}.s-tick{font-size:11px;fill:#565b50}.s-mark{font-size:12px;font-weight:600}\n"
".s-name{font-size:11px;fill:#14160f}.s-light{fill:#fff}\n"
".s-lane{fill:#f1f0ea}.s-grid{stroke:#d8d6cc;fill:none}.s-box{fill:none;stroke:#fff;stroke-width:.7}\n"
".s-transfer{fill:#a7aaa0}.s-wait{fill:none;stroke:#23261f;stroke-width:1.1;stroke-opacity:.75}.s-pale{stroke-opacity:.25}.s-tip{fill:#23261f}\n"
".s-critical{fill:#c2185b}.s-bound{fill:none;stroke:#c2185b;stroke-width:1.6;stroke-dasharray:5 3}\n"
".s-end{fill:none;stroke:#23261f;stroke-width:1.2}.launch:hover{opacity:.75}\n";

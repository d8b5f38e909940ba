/* heat_map_file.c: several heat maps as one SVG file. */
#include "heat_map.h"
#include "markup.h"
#include "timeline_draw.h"

#include <math.h>

#define MARGIN 28.0
#define BETWEEN 36.0
#define HEAD_H 74.0     /* with the title */
#define TITLE_FONT 20.0 /* s-title's */

/* All maps have the room of the largest, so that they stand in columns. */
struct room {
    double w, h;
    size_t columns;
};

static struct room room_of(const struct umb_heat_map *m, size_t n, double wide)
{
    struct room room = {.columns = 1};
    for (size_t i = 0; i < n; i++) {
        room.w = fmax(room.w, umb__heat_map_width(&m[i]) + BETWEEN);
        room.h = fmax(room.h, umb__heat_map_height(&m[i]) + BETWEEN);
    }
    const double inside = wide - 2 * MARGIN + BETWEEN;
    if (inside >= room.w) { room.columns = (size_t)(inside / room.w); }
    room.columns = room.columns > n ? n : room.columns;
    return room;
}

static void draw_maps(struct umb_text *out, const struct umb_heat_map *m, size_t n,
                      const struct room *room)
{
    for (size_t i = 0; i < n; i++) {
        umb__text_printf(out, "<g transform=\"translate(%.0f %.0f)\">\n",
                         MARGIN + room->w * (double)(i % room->columns),
                         HEAD_H + room->h * (double)(i / room->columns));
        umb__draw_heat_map(out, &m[i]);
        umb__text_add(out, "</g>\n");
    }
}

void umb__heat_maps_file(struct umb_text *out, const char *title, const struct umb_heat_map *m,
                         size_t n, double wide)
{
    const struct room room = room_of(m, n, wide);
    const size_t rows = n > 0 ? (n + room.columns - 1) / room.columns : 0;
    const double maps_w = 2 * MARGIN - BETWEEN + room.w * (double)room.columns;
    const double w =
        fmax(maps_w, 2 * MARGIN + umb__svg_text_width(umb__html_length(title), TITLE_FONT));
    const double h = HEAD_H + room.h * (double)rows;
    umb__text_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                     "width=\"%.0f\" height=\"%.0f\">\n<style>",
                     w, h, w, h);
    umb__text_add(out, umb__timeline_style);
    umb__text_printf(out, "</style>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", w, h);
    umb__svg_text(out, "s-title", NULL, MARGIN, 42, "%s", title);
    draw_maps(out, m, n, &room);
    umb__text_add(out, "</svg>\n");
}

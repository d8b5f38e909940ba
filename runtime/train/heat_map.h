/*
 * heat_map.h: T×T matrices over tasks as pictures: a coloured cell with its number for each pair,
 * names at the left and above, and a strip that says what the colours mean.
 *
 * Pieces of SVG for a page that has the classes of report_style.c, or a file of its own. Colours of
 * cells bring the colour of their text, so they are read on light and dark pages alike. Names and
 * numbers may be anything.
 */
#ifndef UMB_HEAT_MAP_H
#define UMB_HEAT_MAP_H

#include "text.h"

struct umb_heat_map {
    const char *title, *note; /* note stands below; NULL: none */
    size_t T;
    const char *const *name; /* [T] */
    const double *value;     /* [T,T] row by row; NaN: "–", infinite: "∞" in the end's colour */
    double low, high;        /* of the colours, finite; low < 0: 0 is neutral, and −low = high */
    bool self;               /* false: the diagonal says nothing and is left empty */
};

/* More tasks than this have no numbers in their cells; the cells' titles have them. */
#define UMB_HEAT_MAP_NUMBERS 16

double umb__heat_map_width(const struct umb_heat_map *m);
double umb__heat_map_height(const struct umb_heat_map *m);
/* Pieces of SVG, from 0,0 to width, height. */
void umb__draw_heat_map(struct umb_text *out, const struct umb_heat_map *m);
/* An SVG file: n maps under a title, side by side as many as `wide` pixels hold. */
void umb__heat_maps_file(struct umb_text *out, const char *title, const struct umb_heat_map *m,
                         size_t n, double wide);

#endif

/*
 * colour.h: what colours the parts of a network have in pictures: the trunk is green as a stem, the
 * heads have hues of their own, as far apart as their number allows; a phase is a shade.
 */
#ifndef UMB_COLOUR_H
#define UMB_COLOUR_H

#include "parts.h"

#define UMB_COLOUR_TEXT 8 /* "#rrggbb" */

/* part: of n_heads, or UMB_PART_TRUNK. Returns buffer. */
const char *umb__part_colour(int part, int n_heads, enum umb_phase phase,
                             char buffer[UMB_COLOUR_TEXT]);
/* The phase's shade of grey, for legends. */
const char *umb__phase_grey(enum umb_phase phase, char buffer[UMB_COLOUR_TEXT]);

/* A shade for a value: of 0…1 from nearly white to green, or, where 0 is neutral, of −1…1 from red
 * over nearly white to blue. Values beyond count as the ends. *ret_dark: text on it is white. */
const char *umb__value_colour(double value, bool neutral_zero, char buffer[UMB_COLOUR_TEXT],
                              bool *ret_dark);

#endif

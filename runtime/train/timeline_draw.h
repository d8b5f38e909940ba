/*
 * timeline_draw.h: the picture of a timeline, as pieces of SVG for a page that has the style.
 *
 *            lower bound ┊      │ makespan
 *   queue 0  ▇▇▇▇ ▇▇▇▇▇▇▇┊▇▇▇▇▇ │     a box a launch, coloured by part and phase
 *                 ╲      ┊      │     an arrow a wait between queues
 *   queue 1        ▇▇▇▇▇ ┊      │
 *            0     1     2 ms
 *            legend
 */
#ifndef UMB_TIMELINE_DRAW_H
#define UMB_TIMELINE_DRAW_H

#include "colour.h"
#include "markup.h"
#include "timeline.h"

/* Of the picture, with and without its legend's lines. */
double umb__timeline_height(const struct umb_timeline *t, double width);
/* At 0, 0 and that wide. Ids of its patterns are the same in every picture, and so are these. */
void umb__draw_timeline(struct umb_text *out, const struct umb_timeline *t, double width);

/* timeline_legend.c: what the colours and lines mean, from y on; returns its height. out NULL:
 * only the height. */
double umb__draw_legend(struct umb_text *out, const struct umb_timeline *t, double y, double width);

/* Patterns that boxes refer to; once in a document. */
void umb__draw_patterns(struct umb_text *out);
/* A rectangle in a part's colour and a phase's shade and pattern. */
void umb__draw_part(struct umb_text *out, double x, double y, double w, double h, int part,
                    int n_heads, enum umb_phase phase);
void umb__draw_phase_pattern(struct umb_text *out, double x, double y, double w, double h,
                             enum umb_phase phase);
/* "conv2 ∂w", "dense1 ×16": what a launch is called in few letters. */
void umb__short_name(struct umb_text *out, const struct umb_timeline *t,
                     const struct umb_timeline_box *box);

/* Rules for the classes above, in fixed colours, for a document of its own. */
extern const char umb__timeline_style[];

#endif

/* report_draw.h: the drawings of a report, as inline SVG. */
#ifndef UMB_REPORT_DRAW_H
#define UMB_REPORT_DRAW_H

#include "markup.h"
#include "report_data.h"

/* Everything of a page before its first section, with the style sheet, and behind its last. */
void umb__draw_page_begin(struct umb_text *out, const char *title);
void umb__draw_page_end(struct umb_text *out);
/* A chart of n curves with axes and, for several, a legend. */
void umb__draw_chart(struct umb_text *out, const char *title, const char *x_name,
                     const struct umb_report_series *series, size_t n);
/* A number of a list of facts, with its label. */
void umb__draw_fact(struct umb_text *out, const char *label, const char *fmt, ...) UMB_PRINTF(3, 4);
/* report_relations.c: soft sharing's penalty as a chart, for .charts; and MTRL's correlations as a
 * table of squares, a section of its own. Nothing where there are none. */
void umb__report_penalty(struct umb_text *out, const struct umb_report_data *d,
                         struct umb_report_series *series);
void umb__report_relations(struct umb_text *out, const struct umb_report_data *d);
/* report_step.c: the section of a timeline. */
void umb__report_step(struct umb_text *out, const struct umb_timeline *t);

#endif

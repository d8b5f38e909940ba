/* report_draw.h: the drawings of a report, as inline SVG. */
#ifndef UMB_REPORT_DRAW_H
#define UMB_REPORT_DRAW_H

#include "report_data.h"
#include "text.h"

/* Text with what HTML would read escaped. */
void umb__html(struct umb_text *out, const char *text);

/* A chart of n curves with axes and, for several, a legend. */
void umb__draw_chart(struct umb_text *out, const char *title, const char *x_name,
                     const struct umb_report_series *series, size_t n);
/* The timeline of a trace: a row a queue; nothing if the trace has no bars. */
void umb__draw_timeline(struct umb_text *out, const json_t *trace);

#endif

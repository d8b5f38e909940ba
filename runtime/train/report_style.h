/* report_style.h: the report's looks: its style sheet, light and dark, and its mark. */
#ifndef UMB_REPORT_STYLE_H
#define UMB_REPORT_STYLE_H

extern const char umb__report_style[];
extern const char umb__report_mark[]; /* an umbel: many heads on one stem */

#endif

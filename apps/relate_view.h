/*
 * relate_view.h: what `umbel relate` shows, for its forms of output on a terminal; the page and its
 * pictures are relate_page.h's.
 */
#ifndef UMBEL_RELATE_VIEW_H
#define UMBEL_RELATE_VIEW_H

#include "cli.h"
#include "relate_page.h"

/* Two tables: labels a task, and measures a pair; of many pairs the most related. */
void relate_text(const struct umb_relate_page *page);
/* One JSON object with everything; what is undefined is null, what is infinite "infinite". */
void relate_json(const struct umb_relate_page *page);

#endif

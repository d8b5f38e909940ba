/*
 * relate_page.h: relations between tasks as pictures: a page of their own, and an SVG file.
 *
 * The page loads nothing and runs no script. It shows what it is given: labels where there are sets
 * of them, and a heat map for every relation in which some pair is defined.
 */
#ifndef UMB_RELATE_PAGE_H
#define UMB_RELATE_PAGE_H

#include "gradient_survey.h"
#include "heat_map.h"
#include "label_set.h"
#include "relations.h"

struct umb_relate_page {
    const char *name;                 /* the experiment's */
    const struct umb_label_set *sets; /* [T], or NULL */
    const struct umb_relations *relations;
    const struct umb_gradient_summary *gradients; /* what gradients were compared of, or NULL */
};
/* What gradients and features were compared of, how well the first order tells the exact affinity,
 * and of which pairs features were not compared: a line. Names are plain letters (umb__yaml_name).
 */
void umb__relate_gradients_note(const struct umb_gradient_summary *s, struct umb_text *out);
/* The page, HTML, at path. */
UMB_MUST_USE enum umb_status umb__relate_page_write(struct umb_context *ctx,
                                                    const struct umb_relate_page *page,
                                                    const char *path);
/* The heat maps alone, SVG, without those of layers, at path; *ret_written false: there is nothing
 * to draw. */
UMB_MUST_USE enum umb_status umb__relate_svg_write(struct umb_context *ctx,
                                                   const struct umb_relate_page *page,
                                                   const char *path, bool *ret_written);

/* A relation as a heat map; title, which it may keep, has room for UMB_RELATION_TITLE. False: no
 * pair is defined. Colours span the measure's range, and where that has no end, what occurs. */
#define UMB_RELATION_TITLE 160
bool umb__relation_map(const struct umb_relations *r, size_t i, char *title,
                       struct umb_heat_map *ret_map);

#endif

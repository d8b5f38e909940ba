/* relate_page.c: see relate_page.h. */
#include "relate_page.h"

#include "alloc.h"
#include "label_words.h"
#include "markup.h"
#include "report_draw.h"
#include "report_style.h"
#include "system.h"
#include <math.h>
#include <stdio.h>

#define FILE_WIDE 1240.0

/* A relation as a map. */

/* The largest size of a finite value that is shown; −1: no pair is defined. */
static double largest(const struct umb_relation *relation, size_t T)
{
    double most = -1;
    bool defined = false;
    for (size_t i = 0; i < T * T; i++) {
        const bool pair = i / T != i % T;
        if (!pair && !relation->measure->self) { continue; }
        defined = defined || (pair && !isnan(relation->value[i]));
        if (isfinite(relation->value[i])) { most = fmax(most, fabs(relation->value[i])); }
    }
    return defined ? fmax(most, 0) : -1;
}

bool umb__relation_map(const struct umb_relations *r, size_t i, char *title,
                       struct umb_heat_map *ret_map)
{
    const struct umb_relation *relation = &r->relation[i];
    const struct umb_measure *m = relation->measure;
    const double most = largest(relation, r->T), end = most > 0 ? most : 1;
    if (most < 0) { return false; }
    snprintf(title, UMB_RELATION_TITLE, "%s%s%.100s", m->title, relation->part ? ", " : "",
             relation->part ? relation->part : "");
    *ret_map = (struct umb_heat_map){.title = title,
                                     .note = m->note,
                                     .T = r->T,
                                     .name = r->task,
                                     .value = relation->value,
                                     .low = isfinite(m->low) ? m->low : -end,
                                     .high = isfinite(m->high) ? m->high : end,
                                     .self = m->self};
    return true;
}

/* Labels. */

static void add_labels(struct umb_text *out, const struct umb_label_set *sets, size_t T)
{
    umb__text_add(out, "<div class=\"scroll\"><table><thead><tr><th>task</th><th class=\"left\">"
                       "labels are</th><th>samples</th><th>with a label</th><th>share</th><th>"
                       "entropy, bits</th><th>most frequent, or range</th></tr></thead><tbody>\n");
    for (size_t t = 0; t < T; t++) {
        struct umb_label_words words;
        umb__label_words(&sets[t], &words);
        umb__text_add(out, "<tr><th>");
        umb__html(out, sets[t].task->name);
        umb__text_printf(out,
                         "</th><td class=\"left\">%s</td><td>%zu</td><td>%zu</td><td>%s</td><td>%s"
                         "</td><td>",
                         words.kind, sets[t].n, sets[t].n_labelled, words.share, words.entropy);
        umb__html(out, words.spread);
        umb__text_add(out, "</td></tr>\n");
    }
    umb__text_add(out, "</tbody></table></div>\n");
}

/* Gradients. */

static void add_number(struct umb_text *out, double value)
{
    if (isfinite(value)) {
        umb__text_printf(out, "%.3f", value);
    } else {
        umb__text_add(out, "–");
    }
}

void umb__relate_gradients_note(const struct umb_gradient_summary *s, struct umb_text *out)
{
    if (s->gradients) {
        umb__text_printf(
            out,
            "gradients of %lld batches after %lld steps, means; conflict: cosine below %g; "
            "affinity of a step of %g; first order against exact: Pearson ",
            (long long)s->batches, (long long)s->steps, s->threshold, s->rate);
        add_number(out, s->pearson);
        umb__text_add(out, ", Spearman ");
        add_number(out, s->spearman);
    } else {
        umb__text_printf(out,
                         "after %lld steps; the tasks share no parameter that is trained, so "
                         "gradients are not compared",
                         (long long)s->steps);
    }
    if (!s->samples) { return; }
    umb__text_printf(out, "; cka: of %lld samples%s%s", (long long)s->samples,
                     *s->apart ? ", " : "", s->apart);
}

/* The page. */

/* Those of all there is, or those of parts; returns how many. */
static size_t add_maps(struct umb_text *out, const struct umb_relations *r, bool parts)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        char title[UMB_RELATION_TITLE];
        struct umb_heat_map map;
        if ((r->relation[i].part != NULL) != parts) { continue; }
        if (!umb__relation_map(r, i, title, &map)) { continue; }
        const double w = umb__heat_map_width(&map), h = umb__heat_map_height(&map);
        umb__text_printf(out,
                         "<figure style=\"padding:18px\"><svg viewBox=\"0 0 %.0f %.0f\" "
                         "style=\"width:%.0fpx;max-width:100%%\" role=\"img\">\n",
                         w, h, w);
        umb__draw_heat_map(out, &map);
        umb__text_add(out, "</svg></figure>\n");
        n++;
    }
    return n;
}

#define SIDE_BY_SIDE "<div style=\"display:flex;flex-wrap:wrap;gap:16px\">\n"

static bool has_parts(const struct umb_relations *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->relation[i].part) { return true; }
    }
    return false;
}

static void add_relations(struct umb_text *out, const struct umb_relations *r)
{
    umb__text_add(out, SIDE_BY_SIDE);
    size_t n = add_maps(out, r, false);
    umb__text_add(out, "</div>\n");
    if (has_parts(r)) {
        umb__text_add(out, "<details><summary>by layer</summary>\n" SIDE_BY_SIDE);
        n += add_maps(out, r, true);
        umb__text_add(out, "</div></details>\n");
    }
    if (n == 0) {
        umb__text_add(out, r->T < 2 ? "<p>One task: there are no pairs to relate.</p>\n"
                                    : "<p>No measure is defined for any pair.</p>\n");
    }
}

static void add_page(struct umb_text *out, const struct umb_relate_page *page)
{
    umb__text_add(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    umb__html(out, page->name);
    umb__text_add(out, ": relations between tasks</title>\n<style>\n");
    umb__text_add(out, umb__report_style);
    umb__text_add(out, "</style></head>\n<body><header>");
    umb__text_add(out, umb__report_mark);
    umb__text_add(out, "<h1>Umbel</h1></header><main>\n<section><h2>");
    umb__html(out, page->name);
    umb__text_add(out, ": relations between tasks</h2>\n");
    if (page->sets) { add_labels(out, page->sets, page->relations->T); }
    if (page->gradients) {
        umb__text_add(out, "<p>");
        umb__relate_gradients_note(page->gradients, out);
        umb__text_add(out, "</p>\n");
    }
    add_relations(out, page->relations);
    umb__text_add(out, "</section></main></body></html>\n");
}

static enum umb_status write_text(struct umb_context *ctx, struct umb_text *out, const char *path)
{
    enum umb_status st = umb__text_status(ctx, out);
    if (st == UMB_OK) { st = umb__file_write(ctx, path, out->data, out->length); }
    umb__text_finish(out);
    return st;
}

enum umb_status umb__relate_page_write(struct umb_context *ctx, const struct umb_relate_page *page,
                                       const char *path)
{
    struct umb_text out = {0};
    add_page(&out, page);
    return write_text(ctx, &out, path);
}

/* The file of heat maps. */

enum umb_status umb__relate_svg_write(struct umb_context *ctx, const struct umb_relate_page *page,
                                      const char *path, bool *ret_written)
{
    const struct umb_relations *r = page->relations;
    struct umb_heat_map *map = umb__calloc(ctx, r->n, sizeof *map);
    char(*title)[UMB_RELATION_TITLE] = umb__calloc(ctx, r->n, sizeof *title);
    enum umb_status st = map && title ? UMB_OK : UMB_ERR_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; st == UMB_OK && i < r->n; i++) {
        if (r->relation[i].part) { continue; }
        n += umb__relation_map(r, i, title[n], &map[n]) ? 1 : 0;
    }
    if (st == UMB_OK && n > 0) {
        struct umb_text out = {0}, heading = {0};
        umb__text_printf(&heading, "%s: relations between tasks", page->name);
        umb__heat_maps_file(&out, umb__text_string(&heading), map, n, FILE_WIDE);
        out.failed = out.failed || heading.failed;
        umb__text_finish(&heading);
        st = write_text(ctx, &out, path);
    }
    if (st == UMB_OK) { *ret_written = n > 0; }
    umb__free(title);
    umb__free(map);
    return st;
}

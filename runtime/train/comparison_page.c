/* comparison_page.c: a comparison's report.html: facts, table, notes, pictures, runs. */
#include "comparison.h"

#include "report_draw.h"
#include "system.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char nothing[] = "<td class=\"none\">–</td>";

static void add_cell(struct umb_text *out, const char *fmt, double value)
{
    if (!isfinite(value)) {
        umb__text_add(out, nothing);
        return;
    }
    char text[64];
    snprintf(text, sizeof text, fmt, value);
    umb__text_printf(out, "<td>%s</td>", text);
}

static void add_name(struct umb_text *out, const char *element, const char *name)
{
    umb__text_printf(out, "<%s class=\"left\">", element);
    umb__html(out, name);
    umb__text_printf(out, "</%s>", element);
}

/* The table. */

static void add_figure(struct umb_text *out, const struct umb_comparison *c,
                       const struct umb_comparison_figure *f)
{
    add_cell(out, "%.4f", f->value.mean);
    add_cell(out, "%.4f", f->value.half);
    add_cell(out, "%+.2f %%", 100 * f->gain);
    add_cell(out, "%.2f", 100 * f->gain_half);
    add_cell(out, "%.2g", f->p_single);
    if (c->n_ways > 2) { add_cell(out, "%.2g", f->p_first); }
    umb__text_add(out, "</tr>\n");
}

/* Task and metric stand at the first of their rows. */
static void add_head(struct umb_text *out, const char *task, const char *metric, size_t rows,
                     bool first)
{
    umb__text_add(out, "<tr>");
    if (!first) { return; }
    umb__text_printf(out, "<th class=\"left\" rowspan=\"%zu\">", rows);
    umb__html(out, task);
    umb__text_printf(out, "</th><td class=\"left\" rowspan=\"%zu\">", rows);
    umb__html(out, metric);
    umb__text_add(out, "</td>");
}

static void add_rows(struct umb_text *out, const struct umb_comparison *c)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        for (size_t w = 0; w < c->n_ways; w++) {
            const struct umb_comparison_figure f = umb__comparison_figure(c, i, w);
            add_head(out, c->task[c->row[i].task], c->row[i].metric, c->n_ways, w == 0);
            add_name(out, "td", c->way[w]);
            add_figure(out, c, &f);
        }
    }
}

static enum umb_status add_all(struct umb_text *out, const struct umb_comparison *c)
{
    for (size_t w = 1; w < c->n_ways; w++) {
        struct umb_comparison_figure f;
        const enum umb_status st = umb__comparison_all(c, w, &f);
        if (st != UMB_OK) { return st; }
        add_head(out, "all", "Δm", c->n_ways - 1, w == 1);
        add_name(out, "td", c->way[w]);
        add_figure(out, c, &f);
    }
    return UMB_OK;
}

static enum umb_status add_table(struct umb_text *out, const struct umb_comparison *c)
{
    umb__text_add(out, "<div class=\"scroll\"><table><thead><tr><th>task</th><th class=\"left\">"
                       "metric</th><th class=\"left\">trained</th><th>mean</th><th>±</th>"
                       "<th>Δ</th><th>±</th><th>p: single</th>");
    if (c->n_ways > 2) {
        umb__text_add(out, "<th>p: ");
        umb__html(out, c->way[1]);
        umb__text_add(out, "</th>");
    }
    umb__text_add(out, "</tr></thead><tbody>\n");
    const enum umb_status st = add_all(out, c);
    add_rows(out, c);
    umb__text_add(out, "</tbody></table></div>\n");
    return st;
}

/* Around it. */

static void add_facts(struct umb_text *out, const struct umb_comparison *c)
{
    double seconds = 0;
    for (size_t i = 0; i < c->n_seeds * c->n_runs; i++) {
        seconds += c->run[i].seconds;
    }
    umb__text_add(out, "<dl class=\"facts\">\n");
    umb__draw_fact(out, "methods", "%zu", c->n_ways - 1);
    umb__draw_fact(out, "tasks", "%zu", c->n_tasks);
    umb__draw_fact(out, "seeds", "%zu", c->n_seeds);
    umb__draw_fact(out, "runs", "%zu", umb__comparison_n_done(c));
    umb__draw_fact(out, "training", seconds < 100 ? "%.1f s" : "%.1f min",
                   seconds < 100 ? seconds : seconds / 60);
    umb__text_add(out, "</dl>\n");
}

static void add_notes(struct umb_text *out, const struct umb_comparison *c)
{
    struct umb_text notes = {0};
    umb__comparison_notes(c, &notes);
    umb__text_add(out, "<ul>\n");
    /* where memory was short, the last line has no end */
    for (char *line = notes.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        umb__text_add(out, "<li>");
        umb__html(out, line);
        umb__text_add(out, "</li>\n");
    }
    umb__text_add(out, "</ul>\n");
    out->failed = out->failed || notes.failed;
    umb__text_finish(&notes);
}

static void add_run(struct umb_text *out, const struct umb_comparison *c, size_t r, size_t s)
{
    char folder[UMB_COMPARISON_FOLDER];
    const struct umb_comparison_run *run = &c->run[s * c->n_runs + r];
    umb__text_add(out, "<tr><th class=\"left\"><a href=\"");
    umb__html(out, umb__comparison_folder(c, r, s, folder));
    umb__text_add(out, "/report.html\">");
    umb__html(out, folder);
    umb__text_add(out, "</a></th>");
    if (!run->done) {
        for (int i = 0; i < 3; i++) {
            umb__text_add(out, nothing);
        }
    } else {
        umb__text_printf(out, "<td>%" PRId64 "</td><td>%" PRId64 "</td><td>%.1f</td>", run->epoch,
                         run->steps, run->seconds);
    }
    umb__text_add(out, "</tr>\n");
}

static void add_runs(struct umb_text *out, const struct umb_comparison *c)
{
    umb__text_add(out, "<details><summary>runs</summary><table><thead><tr><th>folder</th><th>epoch "
                       "that counts</th><th>steps</th><th>seconds</th></tr></thead><tbody>\n");
    for (size_t s = 0; s < c->n_seeds; s++) {
        for (size_t r = 0; r < c->n_runs; r++) {
            add_run(out, c, r, s);
        }
    }
    umb__text_add(out, "</tbody></table></details>\n");
}

static enum umb_status add_page(struct umb_text *out, const struct umb_comparison *c)
{
    umb__draw_page_begin(out, c->name);
    umb__text_add(out, "<section><h2>");
    umb__html(out, c->name);
    umb__text_add(out, ", compared</h2>\n");
    add_facts(out, c);
    enum umb_status st = umb__comparison_draw(c, out);
    umb__comparison_groups_draw(c, out);
    if (st == UMB_OK) {
        umb__text_add(out, "<h3>Every metric</h3>\n");
        st = add_table(out, c);
    }
    add_notes(out, c);
    add_runs(out, c);
    umb__text_add(out, "</section>\n");
    umb__draw_page_end(out);
    return st == UMB_OK ? umb__text_status(c->ctx, out) : st;
}

enum umb_status umb__comparison_page(const struct umb_comparison *c, const char *path)
{
    struct umb_text out = {0};
    enum umb_status st = add_page(&out, c);
    if (st == UMB_OK) { st = umb__file_write(c->ctx, path, out.data, out.length); }
    umb__text_finish(&out);
    return st;
}

/* compare_text.c: a comparison's table on a terminal, and its JSON. */
#include "compare.h"

#include "fail.h"
#include "text.h"
#include <math.h>
#include <stdlib.h>

/* One more, the test against the first method, where there are others. */
#define COLUMNS 8

static void add(struct cli_table *t, const char *fmt, double value)
{
    char text[64] = "–";
    if (isfinite(value)) { snprintf(text, sizeof text, fmt, value); }
    cli_table_add(t, "%s", text);
}

static void add_row(struct cli_table *t, const char *task, const char *metric, const char *way,
                    const struct umb_comparison_figure *f)
{
    cli_table_add(t, "%s", task);
    cli_table_add(t, "%s", metric);
    cli_table_add(t, "%s", way);
    add(t, "%.4f", f->value.mean);
    add(t, "%.4f", f->value.half);
    add(t, "%+.2f %%", 100 * f->gain);
    add(t, "%.2f", 100 * f->gain_half);
    add(t, "%.2g", f->p_single);
    if (t->n_columns > COLUMNS) { add(t, "%.2g", f->p_first); }
}

static void add_heading(struct cli_table *t, const struct umb_comparison *c)
{
    static const char *const names[COLUMNS] = {"task", "metric", "trained", "mean",
                                               "±",    "Δ",      "±",       "p: single"};
    t->n_columns = c->n_ways > 2 ? COLUMNS + 1 : COLUMNS;
    for (size_t i = 0; i < COLUMNS; i++) {
        cli_table_add(t, "%s", names[i]);
    }
    if (t->n_columns > COLUMNS) { cli_table_add(t, "p: %s", c->way[1]); }
}

/* Task and metric stand at the first of their rows. */
static void add_metrics(struct cli_table *t, const struct umb_comparison *c)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct umb_comparison_row *r = &c->row[i];
        for (size_t w = 0; w < c->n_ways; w++) {
            const struct umb_comparison_figure f = umb__comparison_figure(c, i, w);
            add_row(t, w == 0 && r->first ? c->task[r->task] : "", w == 0 ? r->metric : "",
                    c->way[w], &f);
        }
    }
}

static enum umb_status add_all(struct cli_table *t, const struct umb_comparison *c)
{
    for (size_t w = 1; w < c->n_ways; w++) {
        struct umb_comparison_figure f;
        const enum umb_status st = umb__comparison_all(c, w, &f);
        if (st != UMB_OK) { return st; }
        add_row(t, w == 1 ? "all" : "", w == 1 ? "Δm" : "", c->way[w], &f);
    }
    return UMB_OK;
}

enum umb_status compare_print(const struct umb_comparison *table, FILE *out)
{
    struct cli_table t = {0};
    struct umb_text notes = {0};
    add_heading(&t, table);
    add_metrics(&t, table);
    const enum umb_status st = add_all(&t, table);
    fputc('\n', out);
    cli_table_print(&t, out);
    umb__comparison_notes(table, &notes);
    fprintf(out, "\n%s", umb__text_string(&notes));
    umb__text_finish(&notes);
    return st;
}

enum umb_status compare_json(const struct umb_comparison *table, struct umb_text *out)
{
    json_t *json = umb__comparison_json(table);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (text) { umb__text_printf(out, "%s\n", text); }
    const bool fine = text && !out->failed;
    free(text);
    json_decref(json);
    return fine ? UMB_OK : umb__fail(table->ctx, UMB_ERR_NO_MEMORY, "out of memory: a comparison");
}

static enum umb_status print(const struct compare *c, bool json)
{
    if (!json) {
        const enum umb_status st = compare_print(c->table, stdout);
        printf("\nreport: %s/report.html\n", c->path);
        return st;
    }
    struct umb_text text = {0};
    const enum umb_status st = compare_json(c->table, &text);
    printf("%s", umb__text_string(&text));
    umb__text_finish(&text);
    return st;
}

int compare_end(struct compare *c, enum umb_status st, bool json,
                void (*say_how_to_resume)(const struct compare *c))
{
    progress_break(&c->progress);
    if (st == UMB_OK) { st = print(c, json); }
    if (st == UMB_OK) { return c->n_failed ? EXIT_FAILED : EXIT_DONE; }
    fflush(stdout);
    const int code = c->progress.began ? cli_fail_work(c->cli, st) : cli_fail_setup(c->cli, st);
    if (st != UMB_ERR_INTERRUPTED) { return code; }
    if (!json && c->path) { say_how_to_resume(c); }
    return EXIT_INTERRUPTED;
}

/* affinity_rows.c: see affinity_rows.h. */
#include "affinity_rows.h"

#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <math.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 30)

static json_t *matrix_of(size_t T, const double *value)
{
    json_t *rows = json_array();
    for (size_t s = 0; s < T; s++) {
        json_t *row = json_array();
        for (size_t t = 0; t < T; t++) {
            const double x = value[s * T + t];
            json_array_append_new(row, isfinite(x) ? json_real(x) : json_null());
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

enum umb_status umb__affinity_row(struct umb_run *run, const struct umb_gradient_survey *s,
                                  int64_t epoch)
{
    struct umb_gradient_summary seen;
    const size_t T = umb__gradient_survey_n_tasks(s);
    enum umb_status st = umb__gradient_survey_summary(s, &seen);
    double *first = umb__calloc(run->ctx, 2 * T * T, sizeof *first);
    if (st == UMB_OK && !first) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) {
        umb__gradient_survey_affinity(s, first, first + T * T);
        st = umb__run_event(run,
                            json_pack("{s:s, s:I, s:I, s:f, s:o, s:o}", "event", "affinity",
                                      "epoch", (json_int_t)epoch, "batches",
                                      (json_int_t)seen.batches, "rate", seen.rate, "first",
                                      matrix_of(T, first), "exact", matrix_of(T, first + T * T)));
    }
    umb__free(first);
    return st;
}

/* The mean. */

enum umb_status umb__affinity_mean_create(struct umb_context *ctx, size_t T,
                                          struct umb_affinity_mean **ret_mean)
{
    struct umb_affinity_mean *m = umb__calloc(ctx, 1, sizeof *m);
    if (!m) { return UMB_ERR_NO_MEMORY; }
    *m = (struct umb_affinity_mean){.ctx = ctx, .T = T};
    m->sum = umb__calloc(ctx, T * T, sizeof *m->sum);
    m->n = umb__calloc(ctx, T * T, sizeof *m->n);
    if (!m->sum || !m->n) {
        umb__affinity_mean_destroy(m);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_mean = m;
    return UMB_OK;
}

void umb__affinity_mean_destroy(struct umb_affinity_mean *m)
{
    if (!m) { return; }
    umb__free(m->n);
    umb__free(m->sum);
    umb__free(m);
}

static bool is_square(const json_t *matrix, size_t T)
{
    bool fine = json_array_size(matrix) == T;
    for (size_t s = 0; fine && s < T; s++) {
        fine = json_array_size(json_array_get(matrix, s)) == T;
    }
    return fine;
}

static enum umb_status add_row(struct umb_affinity_mean *m, const char *path, const json_t *row)
{
    const char *event = json_string_value(json_object_get(row, "event"));
    const json_t *exact = json_object_get(row, "exact");
    const double rate = json_number_value(json_object_get(row, "rate"));
    if (!event || strcmp(event, "affinity") != 0) { return UMB_OK; }
    if (!is_square(exact, m->T)) {
        return umb__fail(m->ctx, UMB_ERR_FORMAT, "%s: its affinities are not of %zu tasks", path,
                         m->T);
    }
    if (m->n_rows && (rate < m->rate || rate > m->rate)) {
        return umb__fail(m->ctx, UMB_ERR_INVALID,
                         "%s: its affinities are of a rate of %g, others of %g; expected the same "
                         "--rate as before",
                         path, rate, m->rate);
    }
    m->rate = rate;
    m->n_rows++;
    for (size_t i = 0; i < m->T * m->T; i++) {
        const json_t *value = json_array_get(json_array_get(exact, i / m->T), i % m->T);
        if (!json_is_number(value)) { continue; }
        m->sum[i] += json_number_value(value);
        m->n[i]++;
    }
    return UMB_OK;
}

/* Lines that are no JSON are the reader's of reports to complain of. */
static enum umb_status add_lines(struct umb_affinity_mean *m, const char *path, const char *text)
{
    enum umb_status st = UMB_OK;
    for (const char *line = text; st == UMB_OK && *line;) {
        const size_t n = strcspn(line, "\n");
        json_t *row = n ? json_loadb(line, n, 0, NULL) : NULL;
        if (json_is_object(row)) { st = add_row(m, path, row); }
        json_decref(row);
        line += n + (line[n] == '\n');
    }
    return st;
}

enum umb_status umb__affinity_mean_add(struct umb_affinity_mean *m, const struct umb_run *run)
{
    char *text = NULL, *path = umb__run_file(run, "metrics.jsonl");
    const size_t before = m->n_rows;
    size_t size;
    enum umb_status st =
        path ? umb__file_read(m->ctx, path, MAX_BYTES, &text, &size) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = add_lines(m, path, text); }
    if (st == UMB_OK && m->n_rows == before) {
        st = umb__fail(m->ctx, UMB_ERR_INVALID,
                       "%s: has no affinities; expected a run that umbel group trained", run->path);
    }
    umb__free(text);
    umb__free(path);
    return st;
}

size_t umb__affinity_mean_read(const struct umb_affinity_mean *m, double *ret_mean)
{
    size_t undefined = 0;
    for (size_t i = 0; i < m->T * m->T; i++) {
        ret_mean[i] = m->n[i] ? m->sum[i] / (double)m->n[i] : 0;
        undefined += !m->n[i] && i / m->T != i % m->T;
    }
    return undefined;
}

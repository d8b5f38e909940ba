/*
 * tune_by_rows.c: what must come out of a problem whose whole reference would take too long.
 *
 *   a few rows of numbers, one of zeros ─ reference, each alone ─→ row[…]
 *   row_of: which of them each row of the problem copies
 *   output with rows:  row[row_of[n]]     without:  Σ row[row_of[n]] = all
 */
#include "rng.h"
#include "tune_internal.h"
#include <math.h>
#include <string.h>

#define SEED 2
/* Rows of numbers where all outputs have rows, which then hold copies of them. */
#define FEW 2
/* In a sum each row of numbers stands once and the others are zeros: equal rows would add up to
 * larger numbers, and rounding, than tolerances are made for. So each of a solver's partial sums
 * still meets some. */
#define MANY (UMB_TUNE_ROWS - 1)
/* Two sums in double of the same numbers in another order. */
#define DOUBLE_ERROR 1e-9

struct making {
    const struct umb_sample_desc *desc;
    struct umb_sample *s;
    struct umb_type one[UMB_TUNE_MAX_TENSORS], two[UMB_TUNE_MAX_TENSORS]; /* of so many rows */
    int n_drawn;                                                          /* rows of numbers */
    char *drawn[UMB_TUNE_MAX_TENSORS];                                    /* inputs of that many */
    char *zero; /* as large as any input's row */
};

static bool has_rows(const struct umb_type *t)
{
    return t->n_segments > 0;
}

/* Every tensor with rows has as many, and nothing depends on more than they and parameters. */
static bool may_go_by_rows(const struct umb_sample_desc *d)
{
    const struct umb_node *n = &d->graph->node[d->node];
    int64_t rows = 0;
    bool may = true;
    for (int k = 0; k < d->p.n_in + d->p.n_out; k++) {
        const struct umb_type *t = umb__tune_type(&d->p, k);
        if (!has_rows(t)) { continue; }
        may = may && (rows == 0 || rows == t->shape.dim[0]);
        rows = t->shape.dim[0];
    }
    for (int k = 0; k < n->n_in; k++) {
        may = may && n->in[k] != d->graph->rows_value && n->in[k] != d->graph->random_value &&
              d->graph->value[n->in[k]].kind != UMB_VALUE_STATE;
    }
    return may && rows > 2;
}

static bool adds_up(const struct umb_problem *p)
{
    bool sums = false;
    for (int k = 0; k < p->n_out; k++) {
        sums = sums || !has_rows(&p->out[k]);
    }
    return sums;
}

/* in[k] of what has no rows, drawn[k] of what has. */
static enum umb_status fill_rows(struct making *m)
{
    struct umb_sample *s = m->s;
    size_t widest = 1;
    m->n_drawn = adds_up(&s->p) ? MANY : FEW;
    for (int k = 0; k < umb__sample_n_tensors(s); k++) {
        m->one[k] = umb__tune_rows(umb__tune_type(&s->p, k), 1);
        m->two[k] = umb__tune_rows(umb__tune_type(&s->p, k), 2);
    }
    for (int k = 0; k < s->p.n_in; k++) {
        const struct umb_type t = umb__tune_rows(&s->p.in[k], m->n_drawn);
        void *data = umb__calloc(s->ctx, 1, umb__type_bytes(&t));
        if (!data) { return UMB_ERR_NO_MEMORY; }
        if (has_rows(&t)) {
            const size_t bytes = umb__type_bytes(&m->one[k]);
            m->drawn[k] = data;
            widest = bytes > widest ? bytes : widest;
        } else {
            s->in[k] = data;
        }
        enum umb_status st = umb__tune_fill(s->ctx, m->desc->graph, m->desc->node, k, &t, data);
        if (st != UMB_OK) { return st; }
    }
    m->zero = umb__calloc(s->ctx, 1, widest);
    return m->zero ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Works one of the rows out alone: expected.row[r] of every output. */
static enum umb_status expect_row(struct making *m, int r)
{
    struct umb_sample *s = m->s;
    const void *host[UMB_TUNE_MAX_TENSORS] = {0};
    double *data[UMB_TUNE_MAX_TENSORS] = {0};
    for (int k = 0; k < s->p.n_in; k++) {
        const struct umb_type *t = &m->one[k];
        const size_t at = (size_t)r * umb__type_bytes(t);
        const char *row = r == UMB_TUNE_ZERO ? m->zero : m->drawn[k] + at;
        host[k] = has_rows(t) ? row : s->in[k];
    }
    enum umb_status st = umb__sample_work_out(s, m->one, host, data);
    for (int k = s->p.n_in; k < umb__sample_n_tensors(s) && st == UMB_OK; k++) {
        s->expected[k].row[r] = data[k];
        s->expected[k].row_count = umb__shape_count(&m->one[k].shape);
        data[k] = NULL;
    }
    umb__sample_free_numbers(data);
    return st;
}

static bool same(double a, double b)
{
    return fabs(a - b) <= DOUBLE_ERROR * (1 + fabs(a) + fabs(b));
}

/* Two rows at once come out as one by one: side by side, or added. */
static enum umb_status is_by_rows(struct making *m, bool *ret_is)
{
    struct umb_sample *s = m->s;
    const void *host[UMB_TUNE_MAX_TENSORS] = {0};
    double *data[UMB_TUNE_MAX_TENSORS] = {0};
    for (int k = 0; k < s->p.n_in; k++) {
        host[k] = m->drawn[k] ? (void *)m->drawn[k] : s->in[k];
    }
    enum umb_status st = umb__sample_work_out(s, m->two, host, data);
    bool is = st == UMB_OK;
    for (int k = s->p.n_in; k < umb__sample_n_tensors(s) && is; k++) {
        const struct umb_tune_expected *e = &s->expected[k];
        const bool rows = has_rows(&m->two[k]);
        for (int64_t i = 0; i < e->row_count && is; i++) {
            is = rows ? same(data[k][i], e->row[0][i]) &&
                            same(data[k][e->row_count + i], e->row[1][i])
                      : same(data[k][i], e->row[0][i] + e->row[1][i]);
        }
    }
    umb__sample_free_numbers(data);
    *ret_is = is;
    return st;
}

static int64_t count_rows(const struct umb_problem *p)
{
    int64_t rows = 0;
    for (int k = 0; k < p->n_in; k++) {
        if (has_rows(&p->in[k])) { rows = p->in[k].shape.dim[0]; }
    }
    return rows;
}

static void deal(struct umb_sample *s, int n_drawn, int64_t rows)
{
    for (int64_t n = 0; n < rows; n++) {
        const uint32_t word = umb__random_u32(SEED, UMB_RNG_TEST, 0, (uint64_t)n);
        s->row_of[n] = n_drawn == MANY ? UMB_TUNE_ZERO : (unsigned char)(word % FEW);
    }
    if (n_drawn != MANY) { return; }
    /* one in each of so many equal pieces of the batch; fewer rows than pieces are all dealt */
    for (int64_t i = 0; i < MANY; i++) {
        const int64_t low = i * rows / MANY, high = (i + 1) * rows / MANY;
        const uint32_t word = umb__random_u32(SEED, UMB_RNG_TEST, 1, (uint64_t)i);
        if (high > low) { s->row_of[low + (int64_t)word % (high - low)] = (unsigned char)i; }
    }
}

static enum umb_status deal_rows(struct making *m)
{
    struct umb_sample *s = m->s;
    const int64_t rows = count_rows(&s->p);
    s->row_of = umb__calloc(s->ctx, (size_t)rows, 1);
    if (!s->row_of) { return UMB_ERR_NO_MEMORY; }
    deal(s, m->n_drawn, rows);
    for (int k = 0; k < s->p.n_in; k++) {
        if (!m->drawn[k]) { continue; }
        const size_t bytes = umb__type_bytes(&m->one[k]);
        s->in[k] = umb__calloc(s->ctx, (size_t)rows, bytes);
        if (!s->in[k]) { return UMB_ERR_NO_MEMORY; }
        for (int64_t n = 0; n < rows; n++) {
            const int r = s->row_of[n];
            const char *row = r == UMB_TUNE_ZERO ? m->zero : m->drawn[k] + (size_t)r * bytes;
            memcpy((char *)s->in[k] + (size_t)n * bytes, row, bytes);
        }
    }
    return UMB_OK;
}

static enum umb_status expect_sums(struct making *m)
{
    struct umb_sample *s = m->s;
    double times[UMB_TUNE_ROWS] = {0};
    const int64_t rows = count_rows(&s->p);
    for (int64_t n = 0; n < rows; n++) {
        times[s->row_of[n]]++;
    }
    for (int k = s->p.n_in; k < umb__sample_n_tensors(s); k++) {
        struct umb_tune_expected *e = &s->expected[k];
        if (has_rows(umb__tune_type(&s->p, k))) { continue; }
        e->all = umb__calloc(s->ctx, (size_t)e->row_count, sizeof(double));
        if (!e->all) { return UMB_ERR_NO_MEMORY; }
        for (int64_t i = 0; i < e->row_count; i++) {
            for (int r = 0; r < UMB_TUNE_ROWS; r++) {
                if (times[r] > 0) { e->all[i] += times[r] * e->row[r][i]; }
            }
        }
    }
    return UMB_OK;
}

/* The first row as a problem of its own. */
static enum umb_status keep_one(struct making *m)
{
    struct umb_sample *s = m->s;
    memcpy(s->one_type, m->one, sizeof s->one_type);
    s->one = s->p;
    s->one.in = s->one_type;
    s->one.out = s->one_type + s->p.n_in;
    for (int k = 0; k < s->p.n_in; k++) {
        const size_t bytes = umb__type_bytes(&s->one_type[k]);
        s->one_in[k] = umb__calloc(s->ctx, 1, bytes);
        if (!s->one_in[k]) { return UMB_ERR_NO_MEMORY; }
        memcpy(s->one_in[k], m->drawn[k] ? (void *)m->drawn[k] : s->in[k], bytes);
    }
    return UMB_OK;
}

static enum umb_status make_by_rows(struct making *m, bool *ret_done)
{
    enum umb_status st = fill_rows(m);
    if (st == UMB_OK) { st = expect_row(m, UMB_TUNE_ZERO); }
    for (int r = 0; r < m->n_drawn && st == UMB_OK; r++) {
        st = expect_row(m, r);
    }
    if (st == UMB_OK) { st = is_by_rows(m, ret_done); }
    if (st == UMB_OK && !*ret_done) {
        umb__sample_forget(m->s);
        return UMB_OK;
    }
    if (st == UMB_OK) { st = deal_rows(m); }
    if (st == UMB_OK) { st = expect_sums(m); }
    return st == UMB_OK ? keep_one(m) : st;
}

enum umb_status umb__sample_by_rows(const struct umb_sample_desc *desc, struct umb_sample *s,
                                    bool *ret_done)
{
    struct making m = {.desc = desc, .s = s};
    if (!may_go_by_rows(desc)) { return UMB_OK; }
    const enum umb_status st = make_by_rows(&m, ret_done);
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(m.drawn[k]);
    }
    umb__free(m.zero);
    return st;
}

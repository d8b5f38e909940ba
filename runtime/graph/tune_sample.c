/*
 * tune_sample.c: a problem with numbers, and what must come out.
 *
 *   whole reference:   in ─ reference ─→ expected.all
 *   by rows:           a few rows of numbers, one of zeros ─ reference, each alone ─→ row[…]
 *                      row_of: which of them each row of the problem copies
 *                      output with rows:  row[row_of[n]]     without:  Σ row[row_of[n]] = all
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

static int n_tensors(const struct umb_sample *s)
{
    return s->p.n_in + s->p.n_out;
}

/* The reference. */

/* Works the problem out for inputs host[k] of type[k]; ret_data gets an array in double for every
 * tensor, to be freed also on failure. */
static enum umb_status work_out(const struct umb_sample *s, const struct umb_type *type,
                                const void *const *host, double **ret_data)
{
    struct umb_ref_tensor tensor[UMB_TUNE_MAX_TENSORS];
    const struct umb_problem *p = &s->p;
    for (int k = 0; k < n_tensors(s); k++) {
        const int64_t count = umb__shape_count(&type[k].shape);
        ret_data[k] = umb__calloc(s->ctx, (size_t)count, sizeof(double));
        if (!ret_data[k]) { return UMB_ERR_NO_MEMORY; }
        for (int64_t i = 0; i < count && k < p->n_in; i++) {
            ret_data[k][i] = umb__number_at(type[k].dtype, host[k], i);
        }
        tensor[k] = (struct umb_ref_tensor){&type[k], ret_data[k]};
    }
    p->op->reference(&(struct umb_reference){.attrs = p->attrs,
                                             .training = p->training,
                                             .n_in = p->n_in,
                                             .n_out = p->n_out,
                                             .in = tensor,
                                             .out = tensor + p->n_in});
    return UMB_OK;
}

static void free_all(double **data)
{
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(data[k]);
        data[k] = NULL;
    }
}

/* The whole. */

static enum umb_status fill_whole(struct making *m)
{
    struct umb_sample *s = m->s;
    enum umb_status st = UMB_OK;
    for (int k = 0; k < s->p.n_in && st == UMB_OK; k++) {
        s->in[k] = umb__calloc(s->ctx, 1, umb__type_bytes(&s->p.in[k]));
        st = s->in[k]
                 ? umb__tune_fill(s->ctx, m->desc->graph, m->desc->node, k, &s->p.in[k], s->in[k])
                 : UMB_ERR_NO_MEMORY;
    }
    return st;
}

static bool is_changed(const struct umb_type *type, const void *host, const double *data)
{
    const int64_t count = umb__shape_count(&type->shape);
    for (int64_t i = 0; i < count; i++) {
        if (umb__number_at(type->dtype, host, i) != data[i]) { return true; }
    }
    return false;
}

/* Outputs are expected, and those inputs that the reference wrote. */
static enum umb_status expect_whole(struct making *m)
{
    struct umb_sample *s = m->s;
    struct umb_type type[UMB_TUNE_MAX_TENSORS];
    double *data[UMB_TUNE_MAX_TENSORS] = {0};
    for (int k = 0; k < n_tensors(s); k++) {
        type[k] = *umb__tune_type(&s->p, k);
    }
    enum umb_status st = work_out(s, type, (const void *const *)s->in, data);
    for (int k = 0; k < n_tensors(s) && st == UMB_OK; k++) {
        if (k >= s->p.n_in || is_changed(&type[k], s->in[k], data[k])) {
            s->expected[k].all = data[k];
            data[k] = NULL;
        }
    }
    free_all(data);
    return st;
}

/* By rows. */

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
    for (int k = 0; k < n_tensors(s); k++) {
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
    enum umb_status st = work_out(s, m->one, host, data);
    for (int k = s->p.n_in; k < n_tensors(s) && st == UMB_OK; k++) {
        s->expected[k].row[r] = data[k];
        s->expected[k].row_count = umb__shape_count(&m->one[k].shape);
        data[k] = NULL;
    }
    free_all(data);
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
    enum umb_status st = work_out(s, m->two, host, data);
    bool is = st == UMB_OK;
    for (int k = s->p.n_in; k < n_tensors(s) && is; k++) {
        const struct umb_tune_expected *e = &s->expected[k];
        const bool rows = has_rows(&m->two[k]);
        for (int64_t i = 0; i < e->row_count && is; i++) {
            is = rows ? same(data[k][i], e->row[0][i]) &&
                            same(data[k][e->row_count + i], e->row[1][i])
                      : same(data[k][i], e->row[0][i] + e->row[1][i]);
        }
    }
    free_all(data);
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
    for (int k = s->p.n_in; k < n_tensors(s); k++) {
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

static void forget(struct umb_sample *s)
{
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(s->in[k]);
        umb__free(s->one_in[k]);
        umb__free(s->expected[k].all);
        for (int r = 0; r < UMB_TUNE_ROWS; r++) {
            umb__free(s->expected[k].row[r]);
        }
        s->in[k] = s->one_in[k] = NULL;
        s->expected[k] = (struct umb_tune_expected){0};
    }
    umb__free(s->row_of);
    s->row_of = NULL;
}

/* *ret_done false with UMB_OK: the op is not of that kind. */
static enum umb_status make_by_rows(struct making *m, bool *ret_done)
{
    enum umb_status st = fill_rows(m);
    if (st == UMB_OK) { st = expect_row(m, UMB_TUNE_ZERO); }
    for (int r = 0; r < m->n_drawn && st == UMB_OK; r++) {
        st = expect_row(m, r);
    }
    if (st == UMB_OK) { st = is_by_rows(m, ret_done); }
    if (st == UMB_OK && !*ret_done) {
        forget(m->s);
        return UMB_OK;
    }
    if (st == UMB_OK) { st = deal_rows(m); }
    if (st == UMB_OK) { st = expect_sums(m); }
    return st == UMB_OK ? keep_one(m) : st;
}

/* Creation. */

static enum umb_status make(struct making *m)
{
    const struct umb_sample_desc *d = m->desc;
    const double flops = d->p.op->flops ? d->p.op->flops(&d->p) : 0;
    bool done = false;
    enum umb_status st = UMB_OK;
    if (d->checked && flops > d->max_flops && may_go_by_rows(d)) { st = make_by_rows(m, &done); }
    if (st == UMB_OK && !done) { st = fill_whole(m); }
    if (st == UMB_OK && !done && d->checked) { st = expect_whole(m); }
    for (int k = 0; k < n_tensors(m->s) && st == UMB_OK; k++) {
        const bool input = k < d->p.n_in;
        if (input && !d->checked) { continue; }
        m->s->work[k] = umb__calloc(d->ctx, 1, umb__type_bytes(umb__tune_type(&d->p, k)));
        if (!m->s->work[k]) { st = UMB_ERR_NO_MEMORY; }
    }
    return st;
}

enum umb_status umb__sample_create(const struct umb_sample_desc *desc,
                                   struct umb_sample **ret_sample)
{
    struct making m = {.desc = desc, .s = umb__calloc(desc->ctx, 1, sizeof *m.s)};
    if (!m.s) { return UMB_ERR_NO_MEMORY; }
    m.s->ctx = desc->ctx;
    m.s->p = desc->p;
    m.s->checked = desc->checked;
    enum umb_status st = UMB_OK;
    if (n_tensors(m.s) > UMB_TUNE_MAX_TENSORS) {
        st = umb__fail(desc->ctx, UMB_ERR_UNSUPPORTED, "%s: more than %d tensors", desc->p.op->name,
                       UMB_TUNE_MAX_TENSORS);
    }
    if (st == UMB_OK) { st = make(&m); }
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(m.drawn[k]);
    }
    umb__free(m.zero);
    if (st != UMB_OK) {
        umb__sample_destroy(m.s);
        return st;
    }
    *ret_sample = m.s;
    return UMB_OK;
}

void umb__sample_destroy(struct umb_sample *s)
{
    if (!s) { return; }
    forget(s);
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(s->work[k]);
    }
    umb__free(s);
}

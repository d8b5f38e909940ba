/*
 * embedding: a table [rows,size] as a value: what is known of each class or task, apart from any
 * sample. It has no data input and no rows of streams. A view of the parameter, so that it costs
 * nothing; the parameter's gradient is the output's. Where it is not trained it is kept as it
 * began, and what is made of it alone is as constant as itself.
 */
#include "simple.h"
#include <stddef.h>
#include <string.h>

struct embedding_attrs {
    int64_t rows, size;
    struct umb_floats values;
    bool trained;
};

static enum umb_status infer(struct umb_infer *io)
{
    const struct embedding_attrs *a = io->attrs;
    const struct umb_type table = {.dtype = UMB_F32, .shape = {2, {a->rows, a->size}}};
    const int64_t n = a->rows * a->size;
    if (a->values.n && (int64_t)a->values.n != n) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "values: %zu numbers for a table of %lld × %lld; expected %lld",
                         a->values.n, (long long)a->rows, (long long)a->size, (long long)n);
    }
    io->n_params = 1;
    io->params[0] =
        (struct umb_param_spec){.name = "table",
                                .kind = a->trained ? UMB_PARAM_TRAINED : UMB_PARAM_FIXED,
                                .type = table,
                                .layout = umb__layout_plain(&table.shape),
                                .init = a->values.n ? UMB_INIT_VALUES : UMB_INIT_FAN_IN,
                                .fan_in = (double)a->size,
                                .values = a->values.value};
    io->n_out = 1;
    io->out[0] = table;
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    if (dy >= 0) { umb__grad_give(g, 0, dy); }
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    memcpy(r->out[0].data, r->in[0].data, (size_t)n * sizeof(double));
}

static const struct umb_attr_desc attrs[] = {
    {.name = "rows",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct embedding_attrs, rows),
     .required = true,
     .min = 1,
     .max = 65536,
     .help = "how many classes or tasks it describes"},
    {.name = "size",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct embedding_attrs, size),
     .required = true,
     .min = 1,
     .max = 65536,
     .help = "numbers a row"},
    {.name = "values",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct embedding_attrs, values),
     .min = -1e6,
     .max = 1e6,
     .help = "what it begins with, row by row; unset: random numbers, or those that an experiment "
             "reads of a `file`"},
    {.name = "trained",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct embedding_attrs, trained),
     .fallback = "true",
     .help = "false: it stays what it begins with"},
    {0}};

static const struct umb_op_case cases[] = {{.attrs = "rows=1 size=1", .in = ""},
                                           {.attrs = "rows=7 size=33", .in = ""},
                                           {.attrs = "rows=2 size=3 values=1,2,3,4,5,6", .in = ""},
                                           {.attrs = "rows=5 size=3 trained=false", .in = ""},
                                           {0}};

static const struct umb_op embedding = {
    .name = "embedding",
    .help = "a table [rows,size], made of nothing: what graph layers begin from",
    .flags = UMB_OP_LAYER | UMB_OP_VIEW,
    .min_in = 0,
    .max_in = 0,
    .attrs = attrs,
    .attrs_bytes = sizeof(struct embedding_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .cases = cases};

const struct umb_op *const umb__ops_embedding[] = {&embedding, NULL};

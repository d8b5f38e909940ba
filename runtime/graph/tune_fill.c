/*
 * tune_fill.c: numbers for the inputs of a node that is run alone.
 *
 * Numbers of unit size, as activations have; positive ones where a square or a label is kept.
 * Integers that another node makes (where a pooling found its largest) must be such as it would
 * make: its reference is worked out on one row for them.
 */
#include "rng.h"
#include "tune_internal.h"
#include <math.h>
#include <string.h>

#define SEED 1

/* Words of the device's generator, four at a time. */
struct numbers {
    uint32_t key[2], counter[4], word[4];
    unsigned at;
};

static struct numbers numbers_of(int value, uint32_t row)
{
    return (struct numbers){
        .key = {SEED}, .counter = {0, row, (uint32_t)value, UMB_RNG_TEST}, .at = 4};
}

static uint32_t next(struct numbers *n)
{
    if (n->at == 4) {
        umb__philox(n->key, n->counter, n->word);
        n->counter[0]++;
        n->at = 0;
    }
    return n->word[n->at++];
}

/* [0,1) */
static float unit(struct numbers *n)
{
    return (float)(next(n) >> 8) * 0x1p-24f;
}

static void fill_floats(const struct umb_graph *g, int value, struct numbers *n, float *data,
                        int64_t count)
{
    const struct umb_value *v = &g->value[value];
    const struct umb_param_spec *spec = v->spec >= 0 ? &g->spec[v->spec] : NULL;
    const bool positive = v->kind == UMB_VALUE_STATE || v->kind == UMB_VALUE_INPUT ||
                          (spec && spec->init == UMB_INIT_ONES);
    float low = -1.7320508f, span = 3.4641016f; /* uniform, of variance 1 */
    if (positive) {
        low = 0.1f;
        span = 0.9f;
    } else if (spec && spec->init == UMB_INIT_FAN_IN && spec->fan_in > 1) {
        const float scale = (float)(1 / sqrt(spec->fan_in));
        low *= scale;
        span *= scale;
    }
    for (int64_t i = 0; i < count; i++) {
        data[i] = v->kind == UMB_VALUE_CONSTANT ? (float)v->constant : low + span * unit(n);
    }
}

static void fill_ambient(const struct umb_graph *g, int node, int value, int32_t *data,
                         int64_t count)
{
    const struct umb_type *first = &g->value[g->node[node].in[0]].type;
    const int64_t rows =
        first->n_segments > 0 ? first->shape.dim[0] / first->n_segments : first->shape.dim[0];
    for (int64_t i = 0; i < count && value == g->rows_value; i++) {
        data[i] = (int32_t)rows;
    }
}

const struct umb_type *umb__tune_type(const struct umb_problem *p, int tensor)
{
    return tensor < p->n_in ? &p->in[tensor] : &p->out[tensor - p->n_in];
}

struct umb_type umb__tune_rows(const struct umb_type *type, int64_t rows)
{
    struct umb_type t = *type;
    if (t.n_segments > 0) {
        t.shape.dim[0] = rows;
        t.n_segments = 1;
        t.segment = 0;
    }
    return t;
}

/* Integers that a node makes. */

static enum umb_status make_inputs(struct umb_arena *arena, const struct umb_graph *g,
                                   const struct umb_node *n, uint32_t row,
                                   struct umb_ref_tensor *in)
{
    for (int k = 0; k < n->n_in; k++) {
        struct umb_type *type = umb__arena_calloc(arena, 1, sizeof *type);
        if (!type) { return UMB_ERR_NO_MEMORY; }
        *type = umb__tune_rows(&g->value[n->in[k]].type, 1);
        const int64_t count = umb__shape_count(&type->shape);
        double *data = umb__arena_calloc(arena, (size_t)count, sizeof *data);
        float *drawn = umb__arena_calloc(arena, (size_t)count, sizeof *drawn);
        if (!data || !drawn) { return UMB_ERR_NO_MEMORY; }
        struct numbers numbers = numbers_of(n->in[k], row);
        if (type->dtype == UMB_F32) { fill_floats(g, n->in[k], &numbers, drawn, count); }
        for (int64_t i = 0; i < count; i++) {
            data[i] = drawn[i];
        }
        in[k] = (struct umb_ref_tensor){type, data};
    }
    return UMB_OK;
}

/* One row of what `value`'s node makes, into data. */
static enum umb_status make_row(struct umb_arena *arena, const struct umb_graph *g, int value,
                                uint32_t row, void *data)
{
    const struct umb_node *n = &g->node[g->value[value].producer];
    struct umb_ref_tensor tensor[UMB_TUNE_MAX_TENSORS];
    enum umb_status st = make_inputs(arena, g, n, row, tensor);
    for (int k = 0; k < n->n_out && st == UMB_OK; k++) {
        struct umb_type *type = umb__arena_calloc(arena, 1, sizeof *type);
        if (!type) { return UMB_ERR_NO_MEMORY; }
        *type = umb__tune_rows(&g->value[n->out[k]].type, 1);
        const int64_t count = umb__shape_count(&type->shape);
        double *out = umb__arena_calloc(arena, (size_t)count, sizeof *out);
        if (!out) { return UMB_ERR_NO_MEMORY; }
        tensor[n->n_in + k] = (struct umb_ref_tensor){type, out};
    }
    if (st != UMB_OK) { return st; }
    n->op->reference(&(struct umb_reference){.attrs = n->attrs,
                                             .training = g->training,
                                             .n_in = n->n_in,
                                             .n_out = n->n_out,
                                             .in = tensor,
                                             .out = tensor + n->n_in});
    for (int k = 0; k < n->n_out; k++) {
        const struct umb_ref_tensor *t = &tensor[n->n_in + k];
        const int64_t count = umb__shape_count(&t->type->shape);
        for (int64_t i = 0; i < count && n->out[k] == value; i++) {
            if (t->type->dtype == UMB_U8) {
                ((uint8_t *)data)[i] = (uint8_t)t->data[i];
            } else {
                ((int32_t *)data)[i] = (int32_t)t->data[i];
            }
        }
    }
    return UMB_OK;
}

/* Where a row of it can be made: each input has rows or is a parameter, and none is ambient. */
static bool is_made_by_rows(const struct umb_graph *g, int value)
{
    const struct umb_value *v = &g->value[value];
    if (v->producer < 0 || v->type.n_segments == 0) { return false; }
    const struct umb_node *n = &g->node[v->producer];
    bool rows = n->n_in + n->n_out <= UMB_TUNE_MAX_TENSORS;
    for (int k = 0; k < n->n_in; k++) {
        rows = rows && n->in[k] != g->rows_value && n->in[k] != g->random_value;
    }
    return rows;
}

/* Two different rows in turn. */
static enum umb_status fill_made(struct umb_context *ctx, const struct umb_graph *g, int value,
                                 const struct umb_type *type, char *data)
{
    const size_t bytes = umb__type_bytes(type), row = bytes / (size_t)type->shape.dim[0];
    struct umb_arena *arena = NULL;
    enum umb_status st = umb__arena_create(ctx, &arena);
    for (size_t at = 0; at < bytes && at < 2 * row && st == UMB_OK; at += row) {
        st = make_row(arena, g, value, (uint32_t)(at / row), data + at);
    }
    for (size_t at = 2 * row; at < bytes && st == UMB_OK; at += row) {
        memcpy(data + at, data + at - 2 * row, row);
    }
    umb__arena_destroy(arena);
    return st;
}

enum umb_status umb__tune_fill(struct umb_context *ctx, const struct umb_graph *g, int node,
                               int input, const struct umb_type *type, void *data)
{
    const int value = g->node[node].in[input];
    const int64_t count = umb__shape_count(&type->shape);
    struct numbers numbers = numbers_of(value, 0);
    if (value == g->rows_value || value == g->random_value) {
        fill_ambient(g, node, value, data, count);
        return UMB_OK;
    }
    if (type->dtype == UMB_F32) {
        fill_floats(g, value, &numbers, data, count);
        return UMB_OK;
    }
    if (is_made_by_rows(g, value)) { return fill_made(ctx, g, value, type, data); }
    /* Images are any bytes; labels and counters are 0, which every op understands. */
    for (int64_t i = 0; i < count && type->dtype == UMB_U8; i++) {
        ((uint8_t *)data)[i] =
            g->value[value].kind == UMB_VALUE_INPUT ? (uint8_t)(next(&numbers) >> 24) : 0;
    }
    return UMB_OK;
}

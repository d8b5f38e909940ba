/*
 * A balancer's state in a checkpoint: its own numbers and the weights of the coming step as 64-bit
 * words "balancer.state", what the watch of pairs has seen as "balancer.pairs" (pair_watch.h), and
 * rows that the device keeps as "balancer.rows" [T,P], in the order of the packed parameters that
 * tasks share. Files of before there were pairs are read too: the watch begins anew.
 */
#include <math.h>
#include <string.h>

#include "safetensors.h"
#include "trainer_balance.h"
#include "trainer_internal.h"

#define STATE "balancer.state"
#define PAIRS "balancer.pairs"

static const struct umb_value *kept_rows(const struct umb_trainer *tr)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    const int v = umb__graph_find_value(g, UMB_BALANCE_ROWS);
    return v < 0 ? NULL : &g->value[v];
}

static bool keeps(const struct umb_trainer *tr, const char *value)
{
    return umb__graph_find_value(tr->side[UMB_TRAINER_TRAIN].graph, value) >= 0;
}

static enum umb_status write_coefficients(struct umb_trainer *tr)
{
    float c[UMB_LOSS_RULE + 5 * UMB_MAX_TASKS];
    const size_t n = (size_t)umb__balancing_n_coefficients(tr->balance);
    umb__balancing_coefficients(tr->balance, tr->n_steps + 1, 0, c);
    return umb__store_write(tr->store, UMB_BALANCE_COEFFICIENTS, 0, n * sizeof *c, c);
}

enum umb_status umb__balancing_write_kept(struct umb_trainer *tr)
{
    const struct umb_trainer_balance *b = tr->balance;
    float weight[UMB_MAX_TASKS];
    if (keeps(tr, UMB_BALANCE_COEFFICIENTS)) { return write_coefficients(tr); }
    if (!keeps(tr, UMB_BALANCE_WEIGHTS)) { return UMB_OK; }
    for (int t = 0; t < b->T; t++) {
        weight[t] = (float)(b->by_rows ? b->weight[t] : b->weight[t] * b->task_weight[t]);
    }
    return umb__store_write(tr->store, UMB_BALANCE_WEIGHTS, 0, (size_t)b->T * sizeof *weight,
                            weight);
}

enum umb_status umb__balancing_begin(struct umb_trainer *tr)
{
    struct umb_trainer_balance *b = tr->balance;
    if (b->kind == UMB_BALANCE_LEARNED) {
        const struct umb_balance_facts f = {.ctx = tr->ctx,
                                            .n_tasks = b->T,
                                            .step = 1,
                                            .epoch = 1,
                                            .epoch_begins = true,
                                            .seed = b->seed,
                                            .sgd = b->sgd};
        struct umb_balance_result r = {.weight = b->weight};
        const enum umb_status st = b->row->weigh(b->attrs, &f, b->state, &r);
        if (st != UMB_OK) { return st; }
    }
    return umb__balancing_write_kept(tr);
}

/* ---- out ---- */

static bool has_state(const struct umb_trainer_balance *b)
{
    return b->n_state > 0 || b->kind != UMB_BALANCE_UPLOADED;
}

/* The rule compares gradients, so pairs are watched. */
static bool watches(const struct umb_trainer_balance *b)
{
    return b->row->needs == UMB_BALANCE_GRAM || b->row->needs == UMB_BALANCE_MIXED;
}

static struct umb_shape pairs_shape(const struct umb_trainer_balance *b)
{
    return (struct umb_shape){2, {umb__pair_watch_pairs(&b->watch), UMB_PAIR_WORDS}};
}

static enum umb_status collect_pairs(struct umb_trainer *tr, struct umb_safetensors *file)
{
    const struct umb_shape shape = pairs_shape(tr->balance);
    if (!watches(tr->balance)) { return UMB_OK; }
    int64_t *words = umb__calloc(tr->ctx, (size_t)umb__shape_count(&shape), sizeof *words);
    if (!words) { return UMB_ERR_NO_MEMORY; }
    umb__pair_watch_write(&tr->balance->watch, words);
    const enum umb_status st = umb__safetensors_add(file, PAIRS, "I64", &shape, words);
    umb__free(words);
    return st;
}

static enum umb_status collect_rows(struct umb_trainer *tr, struct umb_safetensors *file)
{
    const struct umb_value *v = kept_rows(tr);
    if (!v) { return UMB_OK; }
    const size_t bytes = umb__type_bytes(&v->type);
    float *rows = umb__calloc(tr->ctx, bytes, 1);
    enum umb_status st =
        rows ? umb__store_read(tr->store, v->name, 0, bytes, rows) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        st = umb__safetensors_add(file, UMB_BALANCE_ROWS, "F32", &v->type.shape, rows);
    }
    umb__free(rows);
    return st;
}

enum umb_status umb__balancing_collect(struct umb_trainer *tr, struct umb_safetensors *file)
{
    const struct umb_trainer_balance *b = tr->balance;
    const struct umb_shape shape = {1, {b->n_state + b->T}};
    enum umb_status st = umb__safetensors_add_text(file, "umbel.balancer", b->row->name);
    if (st != UMB_OK || !has_state(b)) { return st; }
    int64_t *words = umb__calloc(tr->ctx, (size_t)shape.dim[0], sizeof *words);
    if (!words) { return UMB_ERR_NO_MEMORY; }
    memcpy(words, b->state, (size_t)b->n_state * sizeof *words);
    memcpy(words + b->n_state, b->weight, (size_t)b->T * sizeof *words);
    st = umb__safetensors_add(file, STATE, "I64", &shape, words);
    umb__free(words);
    if (st == UMB_OK) { st = collect_pairs(tr, file); }
    return st == UMB_OK ? collect_rows(tr, file) : st;
}

/* ---- back ---- */

static enum umb_status check_entry(struct umb_trainer *tr, const struct umb_safetensors *file,
                                   const char *path, const char *name, const char *dtype,
                                   const struct umb_shape *shape)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    if (e && strcmp(e->dtype, dtype) == 0 && umb__shape_equal(&e->shape, shape)) { return UMB_OK; }
    return umb__fail(tr->ctx, UMB_ERR_INVALID,
                     "%s: %s %s; expected what balancer %s keeps for %d tasks", path, name,
                     e ? "has another type or shape" : "is missing", tr->balance->row->name,
                     tr->balance->T);
}

/* Numbers that no rule makes would go into every weight from there on. */
static enum umb_status check_state(struct umb_trainer *tr, const struct umb_safetensors *file,
                                   const char *path, const struct umb_shape *shape)
{
    enum umb_status st = check_entry(tr, file, path, STATE, "I64", shape);
    for (int64_t i = 0; st == UMB_OK && i < shape->dim[0]; i++) {
        double x;
        memcpy(&x, (const int64_t *)umb__safetensors_find(file, STATE)->data + i, sizeof x);
        if (isfinite(x)) { continue; }
        st = umb__fail(tr->ctx, UMB_ERR_INVALID,
                       "%s: " STATE " has %g at number %lld; expected finite numbers", path, x,
                       (long long)i);
    }
    return st;
}

static enum umb_status check_pairs(struct umb_trainer *tr, const struct umb_safetensors *file,
                                   const char *path)
{
    const struct umb_trainer_balance *b = tr->balance;
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, PAIRS);
    const struct umb_shape shape = pairs_shape(b);
    const char *expected;
    double value;
    if (!e || !watches(b)) { return UMB_OK; }
    const enum umb_status st = check_entry(tr, file, path, PAIRS, "I64", &shape);
    if (st != UMB_OK) { return st; }
    const int64_t at = umb__pair_watch_fault(&b->watch, e->data, &value, &expected);
    if (at < 0) { return UMB_OK; }
    return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: " PAIRS " has %g at number %lld; expected %s",
                     path, value, (long long)at, expected);
}

enum umb_status umb__balancing_check_file(struct umb_trainer *tr,
                                          const struct umb_safetensors *file, const char *path)
{
    const struct umb_trainer_balance *b = tr->balance;
    const char *name = umb__safetensors_text(file, "umbel.balancer");
    const struct umb_shape shape = {1, {b->n_state + b->T}};
    const struct umb_value *rows = kept_rows(tr);
    if (strcmp(name ? name : "equal", b->row->name) != 0) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: its balancer is %s; expected %s", path,
                         name ? name : "equal", b->row->name);
    }
    enum umb_status st = UMB_OK;
    if (has_state(b)) { st = check_state(tr, file, path, &shape); }
    if (st == UMB_OK) { st = check_pairs(tr, file, path); }
    if (st == UMB_OK && rows) {
        st = check_entry(tr, file, path, UMB_BALANCE_ROWS, "F32", &rows->type.shape);
    }
    return st;
}

enum umb_status umb__balancing_restore(struct umb_trainer *tr, const struct umb_safetensors *file)
{
    struct umb_trainer_balance *b = tr->balance;
    const struct umb_value *rows = kept_rows(tr);
    if (has_state(b)) {
        const int64_t *words = umb__safetensors_find(file, STATE)->data;
        memcpy(b->state, words, (size_t)b->n_state * sizeof *words);
        memcpy(b->weight, words + b->n_state, (size_t)b->T * sizeof *words);
    }
    const struct umb_safetensors_entry *pairs = umb__safetensors_find(file, PAIRS);
    umb__pair_watch_read(&b->watch, pairs && watches(b) ? pairs->data : NULL);
    const enum umb_status st = umb__balancing_write_kept(tr);
    if (st != UMB_OK || !rows) { return st; }
    return umb__store_write(tr->store, rows->name, 0, umb__type_bytes(&rows->type),
                            umb__safetensors_find(file, UMB_BALANCE_ROWS)->data);
}

/* Soft sharing: Ω from the parameters as they are, and in checkpoints. */
#include <string.h>

#include "mtrl.h"
#include "store.h"
#include "trainer_soft.h"

/* The store's buffer that holds a parameter: a packed one, or its own. */
static const char *buffer_of(const struct umb_graph *g, const struct umb_value *v)
{
    return v->base < 0 ? v->name : g->value[v->base].name;
}

static enum umb_status read_parameter(struct umb_trainer *tr, int value, float *data)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    const struct umb_value *v = &g->value[value];
    return umb__store_read(tr->store, buffer_of(g, v), v->base_offset, umb__type_bytes(&v->type),
                           data);
}

static enum umb_status copy_first(struct umb_trainer *tr, const int *value)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    const size_t bytes = umb__type_bytes(&g->value[value[0]].type);
    float *data = umb__calloc(tr->ctx, bytes, 1);
    enum umb_status st = data ? read_parameter(tr, value[0], data) : UMB_ERR_NO_MEMORY;
    for (int t = 1; st == UMB_OK && t < tr->soft->desc.n_trunks; t++) {
        const struct umb_value *v = &g->value[value[t]];
        st = umb__store_write(tr->store, buffer_of(g, v), v->base_offset, bytes, data);
    }
    umb__free(data);
    return st;
}

enum umb_status umb__soft_start(struct umb_trainer *tr)
{
    if (!tr->soft || !tr->soft->desc.equal_start) { return UMB_OK; }
    const struct umb_soft_match *m = &tr->side[UMB_TRAINER_TRAIN].soft->match;
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < m->n; k++) {
        st = copy_first(tr, m->value + k * tr->soft->desc.n_trunks);
    }
    return st;
}

/* gram += the products of T columns of n numbers. */
static void add_products(int T, int64_t n, const float *w, double *gram)
{
    for (int t = 0; t < T; t++) {
        for (int s = 0; s <= t; s++) {
            const float *x = w + t * n, *y = w + s * n;
            double sum = 0;
            for (int64_t i = 0; i < n; i++) {
                sum += (double)x[i] * (double)y[i];
            }
            gram[t * T + s] += sum;
            gram[s * T + t] = gram[t * T + s];
        }
    }
}

static enum umb_status add_gram(struct umb_trainer *tr, const int *value, double *gram)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    const int T = tr->soft->desc.n_trunks;
    const int64_t n = umb__shape_count(&g->value[value[0]].type.shape);
    float *w = umb__calloc(tr->ctx, (size_t)T * (size_t)n, sizeof *w); /* [T,n] */
    enum umb_status st = w ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int t = 0; st == UMB_OK && t < T; t++) {
        st = read_parameter(tr, value[t], w + t * n);
    }
    if (st == UMB_OK) { add_products(T, n, w, gram); }
    umb__free(w);
    return st;
}

/* On the host in double, from the parameters as they are: every bit follows from them. */
enum umb_status umb__soft_renew_omega(struct umb_trainer *tr)
{
    struct umb_trainer_soft *soft = tr->soft;
    const struct umb_soft_match *m = &tr->side[UMB_TRAINER_TRAIN].soft->match;
    const int T = soft->desc.n_trunks;
    memset(soft->matrix, 0, (size_t)(T * T) * sizeof *soft->matrix);
    enum umb_status st = umb__trainer_settle(tr);
    for (int k = 0; st == UMB_OK && k < m->n; k++) {
        st = add_gram(tr, m->value + k * T, soft->matrix);
    }
    if (st == UMB_OK) {
        st = umb__mtrl_covariance(tr->ctx, T, soft->matrix, soft->desc.epsilon, soft->omega);
    }
    return st == UMB_OK ? umb__soft_renew_pull(tr) : st;
}

#define OMEGA "share.omega"

enum umb_status umb__soft_collect(struct umb_trainer *tr, struct umb_safetensors *file)
{
    if (!tr->soft || !tr->soft->desc.every) { return UMB_OK; }
    const int64_t T = tr->soft->desc.n_trunks;
    const struct umb_shape shape = {2, {T, T}};
    return umb__safetensors_add(file, OMEGA, "I64", &shape, tr->soft->omega);
}

/* A matrix that has an inverse, or it could not go on. */
enum umb_status umb__soft_check(struct umb_trainer *tr, const struct umb_safetensors *file,
                                const char *path)
{
    if (!tr->soft || !tr->soft->desc.every) { return UMB_OK; }
    const int T = tr->soft->desc.n_trunks;
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, OMEGA);
    if (!e || strcmp(e->dtype, "I64") != 0 || e->shape.rank != 2 || e->shape.dim[0] != T ||
        e->shape.dim[1] != T) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s: " OMEGA " is missing or of other trunks; expected a run with mtrl "
                         "and %d trunks",
                         path, T);
    }
    double *omega = umb__calloc(tr->ctx, (size_t)(T * T), sizeof *omega);
    if (!omega) { return UMB_ERR_NO_MEMORY; }
    memcpy(omega, e->data, (size_t)(T * T) * sizeof *omega);
    const enum umb_status st = umb__mtrl_inverse(tr->ctx, T, omega, tr->soft->matrix);
    umb__free(omega);
    return st == UMB_OK ? st : umb__fail_prefix(tr->ctx, st, "%s: " OMEGA, path);
}

enum umb_status umb__soft_restore(struct umb_trainer *tr, const struct umb_safetensors *file)
{
    if (!tr->soft) { return UMB_OK; }
    const size_t n = (size_t)tr->soft->desc.n_trunks * (size_t)tr->soft->desc.n_trunks;
    tr->soft->penalty = 0;
    if (!tr->soft->desc.every) { return UMB_OK; }
    memcpy(tr->soft->omega, umb__safetensors_find(file, OMEGA)->data, n * sizeof(double));
    return umb__soft_renew_pull(tr);
}

/*
 * update_run.cl: parameters updated by a gradient where it is made, for kernels of CPUs: update.cl on
 * the vectors of gemm_tile.cl.
 *
 * Such kernels take, behind their own arguments, `param`, the moments `first` and `second` (any value
 * where an optimizer has none), `hyper`, and six numbers a … f (runtime/ops/update.h):
 *
 *   UPDATE 1, adam      decay, decoupled, 1 − β₁, β₂, 1 − β₂, ε
 *          2, sgd       decay
 *          3, momentum  decay, momentum, keep, nesterov
 */
#include "gemm_tile.cl"
typedef vec_t update_t;
#include "update.cl"
#ifndef UPDATE
#define UPDATE 1
#endif

struct update {
    __global float *param, *first, *second;
#if UPDATE == 1
    struct adam rule;
#elif UPDATE == 2
    float rate, decay;
#else
    struct momentum rule;
#endif
};

static inline struct update update_of(__global float *param, __global float *first,
                                      __global float *second, __global const float *hyper, float a,
                                      float b, float c, float d, float e, float f)
{
#if UPDATE == 1
    const struct update u = {param, first, second, adam_of(hyper, a, b, c, d, e, f)};
#elif UPDATE == 2
    const struct update u = {param, first, second, hyper[HYPER_RATE], a};
#else
    const struct update u = {
        param, first, second, {hyper[HYPER_RATE], a, b, c, hyper[HYPER_FIRST] > 0.0f, d > 0.0f}};
#endif
    return u;
}

/* VW numbers from `at` on, by their gradient. */
static INLINED void update_vector(struct update u, int at, vec_t g)
{
    const vec_t p = VEC_LOAD(0, u.param + at);
#if UPDATE == 1
    vec_t m = VEC_LOAD(0, u.first + at), v = VEC_LOAD(0, u.second + at);
    VEC_WRITE(adam_update(p, g, &m, &v, u.rule), 0, u.param + at);
    VEC_WRITE(m, 0, u.first + at);
    VEC_WRITE(v, 0, u.second + at);
#elif UPDATE == 2
    VEC_WRITE(sgd_update(p, g, u.rate, u.decay), 0, u.param + at);
#else
    vec_t b = VEC_LOAD(0, u.first + at);
    VEC_WRITE(momentum_update(p, g, &b, u.rule), 0, u.param + at);
    VEC_WRITE(b, 0, u.first + at);
#endif
}

/* The first n of VW numbers. */
static inline void update_part(struct update u, int at, vec_t g, int n)
{
    const vec_t p = load_part(u.param + at, n);
#if UPDATE == 1
    vec_t m = load_part(u.first + at, n), v = load_part(u.second + at, n);
    store_part(adam_update(p, g, &m, &v, u.rule), u.param + at, n);
    store_part(m, u.first + at, n);
    store_part(v, u.second + at, n);
#elif UPDATE == 2
    store_part(sgd_update(p, g, u.rate, u.decay), u.param + at, n);
#else
    vec_t b = load_part(u.first + at, n);
    store_part(momentum_update(p, g, &b, u.rule), u.param + at, n);
    store_part(b, u.first + at, n);
#endif
}

/* Calls for the cache line of what will be updated at `at`. */
static INLINED void call_for_update(struct update u, int at)
{
    FETCH_EARLY(u.param + at);
#if UPDATE != 2
    FETCH_EARLY(u.first + at);
#endif
#if UPDATE == 1
    FETCH_EARLY(u.second + at);
#endif
}

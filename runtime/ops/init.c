/* init.c: see init.h for the formulas. */
#include "init.h"

#include <math.h>
#include <string.h>

#include "rng.h"
#include "text.h"

#define TAU 6.28318530717958647692
#define PLAIN_SPREAD 0.05 /* Keras's RandomNormal and RandomUniform */

enum kind { OWN, NORMAL, UNIFORM, CONSTANT, ORTHOGONAL };

struct way {
    enum kind kind;
    double gain, in, out; /* the spread is √(gain/(in·fan_in + out·fan_out)) */
    double fixed;         /* not 0: the spread or the number itself */
};

const char *const umb__init_names[] = {
    "default",      "he_normal",     "he_uniform", "glorot_normal", "glorot_uniform",
    "lecun_normal", "lecun_uniform", "normal",     "uniform",       "zeros",
    "ones",         "orthogonal",    NULL};

/* In the order of the names. */
static const struct way ways[] = {{.kind = OWN},
                                  {NORMAL, 2, 1, 0, 0},
                                  {UNIFORM, 6, 1, 0, 0},
                                  {NORMAL, 2, 1, 1, 0},
                                  {UNIFORM, 6, 1, 1, 0},
                                  {NORMAL, 1, 1, 0, 0},
                                  {UNIFORM, 3, 1, 0, 0},
                                  {NORMAL, 0, 0, 0, PLAIN_SPREAD},
                                  {UNIFORM, 0, 0, 0, PLAIN_SPREAD},
                                  {.kind = CONSTANT},
                                  {CONSTANT, 0, 0, 0, 1},
                                  {.kind = ORTHOGONAL}};

int umb__init_find(struct umb_context *ctx, const char *name)
{
    int n = 0;
    for (; umb__init_names[n]; n++) {
        if (strcmp(umb__init_names[n], name) == 0) { return n; }
    }
    const char *near = umb__nearest(name, umb__init_names, (size_t)n);
    (void)umb__fail(ctx, UMB_ERR_INVALID,
                    "no initialisation is called '%.80s'; expected default, he_normal, he_uniform, "
                    "glorot_normal, glorot_uniform, lecun_normal, lecun_uniform, normal, uniform, "
                    "zeros, ones or orthogonal%s%s%s",
                    name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return -1;
}

bool umb__init_draws(const struct umb_param_spec *spec)
{
    return spec->kind == UMB_PARAM_TRAINED && spec->init == UMB_INIT_FAN_IN;
}

static double spread_of(const struct way *w, const struct umb_shape *file)
{
    double field = 1; /* R·S */
    for (int i = 2; i < file->rank; i++) {
        field *= (double)file->dim[i];
    }
    const double fan_in = (double)file->dim[1] * field, fan_out = (double)file->dim[0] * field;
    return w->fixed > 0 ? w->fixed : sqrt(w->gain / (w->in * fan_in + w->out * fan_out));
}

/* Box and Muller's, of words 2i and 2i + 1; 1 − u is in (0,1]. */
static double normal(uint64_t seed, uint32_t stream, uint64_t i)
{
    const double u = (double)umb__random_unit(seed, UMB_RNG_INIT, stream, 2 * i);
    const double v = (double)umb__random_unit(seed, UMB_RNG_INIT, stream, 2 * i + 1);
    return sqrt(-2 * log(1 - u)) * cos(TAU * v);
}

static double draw(enum kind kind, uint64_t seed, uint32_t stream, int64_t i)
{
    if (kind == CONSTANT) { return 1; }
    if (kind == NORMAL) { return normal(seed, stream, (uint64_t)i); }
    return 2 * (double)umb__random_unit(seed, UMB_RNG_INIT, stream, (uint64_t)i) - 1;
}

/* Takes out of v what lies along the vectors before it, twice, since once leaves rounding, and
 * makes its length 1. All have n numbers, `step` apart. */
static void straighten(double *all, int64_t index, int64_t n, int64_t apart, int64_t step)
{
    double *v = all + index * apart, length = 0;
    for (int64_t pass = 0; pass < 2; pass++) {
        for (int64_t k = 0; k < index; k++) {
            const double *u = all + k * apart;
            double along = 0;
            for (int64_t i = 0; i < n; i++) {
                along += u[i * step] * v[i * step];
            }
            for (int64_t i = 0; i < n; i++) {
                v[i * step] -= along * u[i * step];
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        length += v[i * step] * v[i * step];
    }
    for (int64_t i = 0; i < n && length > 0; i++) {
        v[i * step] /= sqrt(length);
    }
}

/* Gram and Schmidt's, over the shorter of the two sides of normal numbers [K, rest]. */
static enum umb_status orthogonal(struct umb_context *ctx, const struct umb_shape *file,
                                  uint64_t seed, uint32_t stream, float *ret)
{
    const int64_t n = umb__shape_count(file), rows = file->dim[0], columns = n / rows;
    double *all = umb__calloc(ctx, (size_t)n, sizeof *all);
    if (!all) { return UMB_ERR_NO_MEMORY; }
    for (int64_t i = 0; i < n; i++) {
        all[i] = normal(seed, stream, (uint64_t)i);
    }
    for (int64_t k = 0; k < (rows < columns ? rows : columns); k++) {
        if (rows < columns) {
            straighten(all, k, columns, columns, 1);
        } else {
            straighten(all, k, rows, 1, columns);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        ret[i] = (float)all[i];
    }
    umb__free(all);
    return UMB_OK;
}

enum umb_status umb__init_draw(struct umb_context *ctx, int way, const struct umb_param_spec *spec,
                               uint64_t seed, uint32_t stream, float *ret)
{
    const struct way *w = &ways[way];
    const struct umb_shape *file = &spec->layout.file_shape;
    const int64_t n = umb__shape_count(file);
    const bool bias = file->rank < 2;
    if (w->kind == ORTHOGONAL && !bias) { return orthogonal(ctx, file, seed, stream, ret); }
    const double spread = bias ? 0 : w->kind == CONSTANT ? w->fixed : spread_of(w, file);
    for (int64_t i = 0; i < n; i++) {
        ret[i] = bias ? 0 : (float)(spread * draw(w->kind, seed, stream, i));
    }
    return UMB_OK;
}

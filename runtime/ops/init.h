/*
 * init.h: named ways to draw the first numbers of a layer's weights.
 *
 * They are of those weights only that an op draws itself (UMB_INIT_FAN_IN); a layer with a named
 * way begins with biases of 0. Ones and zeros that an op asks for, as batch_norm does, stay.
 */
#ifndef UMB_INIT_H
#define UMB_INIT_H

#include "op.h"

/* A way is its index among the names; 0, "default", is the op's own. */
#define UMB_INIT_USUAL 0
extern const char *const umb__init_names[]; /* NULL-terminated */
/* −1: no way is called so; the message has the nearest. */
int umb__init_find(struct umb_context *ctx, const char *name);
/* Whether a named way has a say in it: a layer's weight or the bias beside it. */
bool umb__init_draws(const struct umb_param_spec *spec);

/*
 * Fills ret[count of the spec's shape], in the order of files, by way ≥ 1 for a spec of which
 * umb__init_draws is true. Number i is drawn as (seed, UMB_RNG_INIT, stream, i), so that it depends
 * on no device. fan_in: inputs of an output, fan_out: outputs of an input, both as Keras and
 * PyTorch count them: of a file's [K,C,R,S] C·R·S and K·R·S, of [K,C] C and K; N(0, σ²) is not cut
 * off, as in PyTorch.
 *
 *   he_normal      σ = √(2/fan_in)               he_uniform      ±√(6/fan_in)
 *   glorot_normal  σ = √(2/(fan_in + fan_out))   glorot_uniform  ±√(6/(fan_in + fan_out))
 *   lecun_normal   σ = √(1/fan_in)               lecun_uniform   ±√(3/fan_in)
 *   normal         σ = 0.05                      uniform         ±0.05
 *   orthogonal     rows of [K, the rest] (columns, where K is more) orthonormal
 *
 * He et al. 2015, Glorot and Bengio 2010, LeCun et al. 1998, Saxe et al. 2014.
 * Errors: UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb__init_draw(struct umb_context *ctx, int way,
                                            const struct umb_param_spec *spec, uint64_t seed,
                                            uint32_t stream, float *ret);

#endif

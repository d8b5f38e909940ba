/*
 * optimizer.cl: one pass over all parameters at once, and clipping by norm.
 *
 * param, grad and the moments are flat [P]; NDRange [groups·L], spans as in walk.cl. The gradient is
 * first multiplied by scale[scale_index]. What is done then, and what hyper holds: update.cl.
 */
#include "walk.cl"
typedef lanes_t update_t;
#include "update.cl"

__kernel void sgd_plain(__global float *param, ulong param_at, __global const float *grad,
                        ulong grad_at, __global const float *hyper, ulong hyper_at,
                        __global const float *scale, ulong scale_at, int n, int span,
                        int scale_index, float decay)
{
    param += param_at;
    grad += grad_at;
    const float rate = hyper[hyper_at + HYPER_RATE], s = scale[scale_at + scale_index];
    FOR_ELEMENTS(n, span)
    {
        const lanes_t p = lanes_load(param + i, left), g = s * lanes_load(grad + i, left);
        lanes_store(sgd_update(p, g, rate, decay), param + i, left);
    }
}

__kernel void sgd_momentum(__global float *param, ulong param_at, __global const float *grad,
                           ulong grad_at, __global float *buffer, ulong buffer_at,
                           __global const float *hyper, ulong hyper_at,
                           __global const float *scale, ulong scale_at, int n, int span,
                           int scale_index, int nesterov, float decay, float momentum, float keep)
{
    param += param_at;
    grad += grad_at;
    buffer += buffer_at;
    hyper += hyper_at;
    const struct momentum u = {hyper[HYPER_RATE], decay, momentum, keep, hyper[HYPER_FIRST] > 0.0f,
                               nesterov};
    const float s = scale[scale_at + scale_index];
    FOR_ELEMENTS(n, span)
    {
        const lanes_t p = lanes_load(param + i, left), g = s * lanes_load(grad + i, left);
        lanes_t b = lanes_load(buffer + i, left);
        lanes_store(momentum_update(p, g, &b, u), param + i, left);
        lanes_store(b, buffer + i, left);
    }
}

__kernel void adam(__global float *param, ulong param_at, __global const float *grad,
                   ulong grad_at, __global float *m, ulong m_at, __global float *v, ulong v_at,
                   __global const float *hyper, ulong hyper_at, __global const float *scale,
                   ulong scale_at, int n, int span, int scale_index, float decay, float decoupled,
                   float rest1, float beta2, float rest2, float epsilon)
{
    param += param_at;
    grad += grad_at;
    m += m_at;
    v += v_at;
    const struct adam u =
        adam_of(hyper + hyper_at, decay, decoupled, rest1, beta2, rest2, epsilon);
    const float s = scale[scale_at + scale_index];
    FOR_ELEMENTS(n, span)
    {
        const lanes_t p = lanes_load(param + i, left), g = s * lanes_load(grad + i, left);
        lanes_t m1 = lanes_load(m + i, left), v1 = lanes_load(v + i, left);
        lanes_store(adam_update(p, g, &m1, &v1, u), param + i, left);
        lanes_store(m1, m + i, left);
        lanes_store(v1, v + i, left);
    }
}

/* min(1, max_norm / (‖g‖₂ + 1e-6)); NaN stays NaN, an infinite norm gives 0, as in PyTorch. */
static float clip_factor(float squares, float max_norm)
{
    const float factor = max_norm / (sqrt(squares) + 1e-6f);
    return factor > 1.0f ? 1.0f : factor;
}

/* sums[group] = Σ g² of the group's span; with one group the scale at once. */
__kernel void clip_squares(__global const float *grad, ulong grad_at, __global float *sums,
                           ulong sums_at, __global float *scale, ulong scale_at, int n, int span,
                           float max_norm, __local float *scratch)
{
    grad += grad_at;
    lanes_t a = 0.0f;
    FOR_ELEMENTS(n, span)
    {
        const lanes_t g = lanes_load(grad + i, left);
        a = fma(g, g, a);
    }
    const float sum = group_sum(lanes_sum(a), scratch);
    if (get_local_id(0) == 0) {
        if (get_num_groups(0) == 1) { scale[scale_at] = clip_factor(sum, max_norm); }
        sums[sums_at + get_group_id(0)] = sum;
    }
}

/* sums [n_sums] → scale [1]. One group. */
__kernel void clip_finish(__global const float *sums, ulong sums_at, __global float *scale,
                          ulong scale_at, int n_sums, float max_norm, __local float *scratch)
{
    float a = 0.0f;
    for (int i = get_local_id(0); i < n_sums; i += get_local_size(0)) { a += sums[sums_at + i]; }
    a = group_sum(a, scratch);
    if (get_local_id(0) == 0) { scale[scale_at] = clip_factor(a, max_norm); }
}

/*
 * optimizer.cl: one pass over all parameters at once, and clipping by norm.
 *
 * param, grad and the moments are flat [P]; NDRange [groups·L], spans as in walk.cl. What changes
 * from step to step lies in hyper (runtime/ops/optimizer.h), so that a launch is set up once:
 *   hyper = {rate, 1 − β₁ᵗ, 1 − β₂ᵗ, 1 at the first step else 0, 1, …}
 * The gradient is first multiplied by scale[scale_index].
 */
#include "walk.cl"

#define HYPER_RATE 0
#define HYPER_CORRECTION1 1
#define HYPER_CORRECTION2 2
#define HYPER_FIRST 3

/* p ← p − rate·(s·g + decay·p) */
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
        const lanes_t p = lanes_load(param + i, left);
        const lanes_t d = fma((lanes_t)decay, p, s * lanes_load(grad + i, left));
        lanes_store(fma((lanes_t)-rate, d, p), param + i, left);
    }
}

/*
 * d = s·g + decay·p;  b ← d at the first step, else momentum·b + keep·d  (keep = 1 − dampening);
 * p ← p − rate·b, with nesterov p − rate·(d + momentum·b).
 */
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
    const float rate = hyper[HYPER_RATE], s = scale[scale_at + scale_index];
    const bool first = hyper[HYPER_FIRST] > 0.0f;
    FOR_ELEMENTS(n, span)
    {
        const lanes_t p = lanes_load(param + i, left);
        const lanes_t d = fma((lanes_t)decay, p, s * lanes_load(grad + i, left));
        lanes_t b = d;
        if (!first) { b = fma((lanes_t)momentum, lanes_load(buffer + i, left), keep * d); }
        lanes_store(b, buffer + i, left);
        const lanes_t step = nesterov ? fma((lanes_t)momentum, b, d) : b;
        lanes_store(fma((lanes_t)-rate, step, p), param + i, left);
    }
}

/*
 * g = s·grad + decay·p;  p ← p·(1 − rate·decoupled);  m ← m + (1−β₁)(g − m);
 * v ← β₂v + (1−β₂)g²;  p ← p − rate/c₁ · m / (√v/√c₂ + ε)
 * (Kingma and Ba, 2015; decoupled decay after Loshchilov and Hutter, 2019; ε where PyTorch has it.)
 */
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
    hyper += hyper_at;
    const float s = scale[scale_at + scale_index], rate = hyper[HYPER_RATE];
    const float shrink = 1.0f - rate * decoupled;
    const float step = rate / hyper[HYPER_CORRECTION1];
    const float root = 1.0f / sqrt(hyper[HYPER_CORRECTION2]);
    FOR_ELEMENTS(n, span)
    {
        const lanes_t old = lanes_load(param + i, left);
        const lanes_t g = fma((lanes_t)decay, old, s * lanes_load(grad + i, left));
        lanes_t m1 = lanes_load(m + i, left), v1 = lanes_load(v + i, left);
        m1 = fma((lanes_t)rest1, g - m1, m1);
        v1 = fma(rest2 * g, g, beta2 * v1);
        lanes_store(m1, m + i, left);
        lanes_store(v1, v + i, left);
        const lanes_t below = fma(sqrt(v1), (lanes_t)root, (lanes_t)epsilon);
        lanes_store(fma((lanes_t)-step, m1 / below, old * shrink), param + i, left);
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

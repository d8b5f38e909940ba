/*
 * activation.cl: y = f(x) and dx = f'·dy, element by element.
 *
 * NDRange [groups·L], spans as in walk.cl. `saved` is y where f' can be told from it, else x.
 * Comparisons are written so that NaN goes through. slope is leaky_relu's, approximate gelu's.
 */
#include "walk.cl"

#define FORWARD(name, expression)                                                                  \
    __kernel void name##_forward(__global const float *x_base, ulong x_at, __global float *y_base, \
                                 ulong y_at, int n, int span, float slope, int approximate)        \
    {                                                                                              \
        __global const float *x_in = x_base + x_at;                                                \
        __global float *y_out = y_base + y_at;                                                     \
        FOR_ELEMENTS(n, span)                                                                      \
        {                                                                                          \
            const lanes_t x = lanes_load(x_in + i, left);                                          \
            lanes_store(expression, y_out + i, left);                                              \
        }                                                                                          \
    }

#define BACKWARD(name, saved, expression)                                                          \
    __kernel void name##_backward(__global const float *saved_base, ulong saved_at,                \
                                  __global const float *dy_base, ulong dy_at,                      \
                                  __global float *dx_base, ulong dx_at, int n, int span,           \
                                  float slope, int approximate)                                    \
    {                                                                                              \
        __global const float *saved_in = saved_base + saved_at, *dy_in = dy_base + dy_at;          \
        __global float *dx_out = dx_base + dx_at;                                                  \
        FOR_ELEMENTS(n, span)                                                                      \
        {                                                                                          \
            const lanes_t saved = lanes_load(saved_in + i, left);                                  \
            const lanes_t dy = lanes_load(dy_in + i, left);                                        \
            lanes_store(expression, dx_out + i, left);                                             \
        }                                                                                          \
    }

#define ZERO ((lanes_t)0.0f)
#define ONE ((lanes_t)1.0f)

FORWARD(relu, x <= ZERO ? ZERO : x)
BACKWARD(relu, y, y <= ZERO ? ZERO : dy)

FORWARD(leaky_relu, x <= ZERO ? slope * x : x)
BACKWARD(leaky_relu, y, y <= ZERO ? slope * dy : dy)

FORWARD(sigmoid, ONE / (ONE + exp(-x)))
BACKWARD(sigmoid, y, dy * y * (ONE - y))

FORWARD(tanh, tanh(x))
BACKWARD(tanh, y, dy * (ONE - y * y))

/*
 * gelu(x) = x·Φ(x), Φ the normal distribution: ½(1 + erf(x/√2)), or with `approximate`
 * ½(1 + tanh(u)), u = √(2/π)·(x + 0.044715x³). gelu' = Φ + x·Φ'.
 */
#define HALF_ROOT 0.70710678118654752f
#define DENSITY 0.39894228040143268f
#define ROOT_2_PI 0.79788456080286536f
#define CUBIC 0.044715f

/*
 * ½·erfc(t)·exp(t²) for t ≥ 0, as u·P(u), u = 1/(1 + t/2): P interpolates at Chebyshev's nodes for
 * t = 0…10, relative error 2.8e-7 in float32. The library's erf is not made for vectors everywhere:
 * with it gelu took PoCL ten times as long.
 */
static inline lanes_t scaled_tail(lanes_t t)
{
    const lanes_t u = ONE / (ONE + 0.5f * t);
    lanes_t p = -0.0583182426f;
    p = fma(p, u, (lanes_t)0.281191928f);
    p = fma(p, u, (lanes_t)-0.480802684f);
    p = fma(p, u, (lanes_t)0.271470858f);
    p = fma(p, u, (lanes_t)-0.0225914244f);
    p = fma(p, u, (lanes_t)0.201196663f);
    p = fma(p, u, (lanes_t)0.243426815f);
    p = fma(p, u, (lanes_t)0.282337858f);
    p = fma(p, u, (lanes_t)0.282088195f);
    return 0.5f * u * p;
}

/* Φ(x), given exp(−x²/2). */
static inline lanes_t normal_share(lanes_t x, lanes_t bell)
{
    const lanes_t tail = bell * scaled_tail(HALF_ROOT * fabs(x));
    return x < ZERO ? tail : ONE - tail;
}

static inline lanes_t gelu_value(lanes_t x, int approximate)
{
    if (!approximate) { return x * normal_share(x, exp(-0.5f * x * x)); }
    return 0.5f * x * (ONE + tanh(ROOT_2_PI * (x + CUBIC * x * x * x)));
}

static inline lanes_t gelu_slope(lanes_t x, int approximate)
{
    if (!approximate) {
        const lanes_t bell = exp(-0.5f * x * x);
        return normal_share(x, bell) + x * DENSITY * bell;
    }
    const lanes_t t = tanh(ROOT_2_PI * (x + CUBIC * x * x * x));
    return 0.5f * (ONE + t) +
           0.5f * x * (ONE - t * t) * ROOT_2_PI * (ONE + 3.0f * CUBIC * x * x);
}

FORWARD(gelu, gelu_value(x, approximate))
BACKWARD(gelu, x, dy *gelu_slope(x, approximate))

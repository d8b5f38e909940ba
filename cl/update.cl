/*
 * update.cl: what an optimizer does to parameters by their gradient, VW numbers at a time: for its own
 * pass over all of them (optimizer.cl), and for kernels that make a gradient and need not write it.
 *
 * What changes from step to step lies in hyper (runtime/ops/optimizer.h), so that a launch is set up
 * once:
 *   hyper = {rate, 1 − β₁ᵗ, 1 − β₂ᵗ, 1 at the first step else 0, 1, …}
 *
 * To be included where update_t is the type of VW numbers.
 */
#define HYPER_RATE 0
#define HYPER_CORRECTION1 1
#define HYPER_CORRECTION2 2
#define HYPER_FIRST 3

/* p ← p − rate·(g + decay·p) */
static inline update_t sgd_update(update_t p, update_t g, float rate, float decay)
{
    return fma((update_t)-rate, fma((update_t)decay, p, g), p);
}

struct momentum {
    float rate, decay, momentum, keep;
    int first, nesterov;
};

/*
 * d = g + decay·p;  b ← d at the first step, else momentum·b + keep·d  (keep = 1 − dampening);
 * p ← p − rate·b, with nesterov p − rate·(d + momentum·b).
 */
static inline update_t momentum_update(update_t p, update_t g, update_t *b, struct momentum u)
{
    const update_t d = fma((update_t)u.decay, p, g);
    *b = u.first ? d : fma((update_t)u.momentum, *b, u.keep * d);
    const update_t step = u.nesterov ? fma((update_t)u.momentum, *b, d) : *b;
    return fma((update_t)-u.rate, step, p);
}

struct adam {
    float decay, shrink, rest1, beta2, rest2, step, root, epsilon;
};

static inline struct adam adam_of(__global const float *hyper, float decay, float decoupled,
                                  float rest1, float beta2, float rest2, float epsilon)
{
    const float rate = hyper[HYPER_RATE];
    const struct adam u = {decay,
                           1.0f - rate * decoupled,
                           rest1,
                           beta2,
                           rest2,
                           rate / hyper[HYPER_CORRECTION1],
                           1.0f / sqrt(hyper[HYPER_CORRECTION2]),
                           epsilon};
    return u;
}

/*
 * g ← g + decay·p;  p ← p·(1 − rate·decoupled);  m ← m + (1−β₁)(g − m);
 * v ← β₂v + (1−β₂)g²;  p ← p − rate/c₁ · m / (√v/√c₂ + ε)
 * (Kingma and Ba, 2015; decoupled decay after Loshchilov and Hutter, 2019; ε where PyTorch has it.)
 */
static inline update_t adam_update(update_t p, update_t g, update_t *m, update_t *v, struct adam u)
{
    g = fma((update_t)u.decay, p, g);
    *m = fma((update_t)u.rest1, g - *m, *m);
    *v = fma(u.rest2 * g, g, u.beta2 * *v);
    const update_t below = fma(sqrt(*v), (update_t)u.root, (update_t)u.epsilon);
    return fma((update_t)-u.step, *m / below, p * u.shrink);
}

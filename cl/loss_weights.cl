/*
 * loss_weights.cl: weights of T tasks from this step's losses (runtime/ops/loss_weights.h has the
 * formula): fact [2T] losses, then totals; coefficient [5+5T]; weight [T].
 *
 * Logarithms are of D over the first present task's D, D₀, which leaves small numbers to round:
 * mean·M − own·log D_t = mean·M′ − own·log(D_t/D₀) + (mean − own)·log D₀. NDRange [1].
 */
enum { LEAST, EXTRA, MEAN, OWN, COUNT, RULE };

struct formula {
    int T;
    __global const float *fact, *rule, *slope, *offset, *scale, *weight;
};

static bool is_present(const struct formula *f, int t)
{
    return f->fact[f->T + t] != 0.0f && f->weight[t] > 0.0f;
}

static float value_of(const struct formula *f, int t)
{
    const float loss = f->weight[t] * f->fact[t];
    return (loss < f->rule[LEAST] ? f->rule[LEAST] : loss) + f->rule[EXTRA];
}

static float exponent_of(const struct formula *f, int t)
{
    return fma(f->slope[t], log(value_of(f, t) / f->scale[t]), f->offset[t]);
}

__kernel void loss_weights(__global const float *fact_base, ulong fact_at,
                           __global const float *coefficient_base, ulong coefficient_at,
                           __global float *out_base, ulong out_at, int T)
{
    __global const float *rule = coefficient_base + coefficient_at, *of_task = rule + RULE;
    __global float *out = out_base + out_at;
    const struct formula f = {T,           fact_base + fact_at, rule,           of_task,
                              of_task + T, of_task + 2 * T,     of_task + 3 * T};
    float first = 0.0f, mean = 0.0f, most = -MAXFLOAT, sum = 0.0f;
    int n = 0;
    bool finite = true;
    for (int t = 0; t < T; t++) {
        if (!is_present(&f, t)) { continue; }
        const float d = value_of(&f, t);
        finite = finite && d > 0.0f && d <= MAXFLOAT;
        first = n == 0 ? d : first;
        mean += log(d / first);
        most = fmax(most, exponent_of(&f, t));
        n++;
    }
    for (int t = 0; finite && t < T; t++) {
        sum += is_present(&f, t) ? exp(exponent_of(&f, t) - most) : 0.0f;
    }
    const float common = n == 0 ? 0.0f
                                : rule[MEAN] * mean / n + (rule[MEAN] - rule[OWN]) * log(first) +
                                      rule[COUNT] * log((float)n);
    for (int t = 0; t < T; t++) {
        const bool counts = finite && is_present(&f, t);
        const float of_log = counts ? common - rule[OWN] * log(value_of(&f, t) / first) : 0.0f;
        const float share = counts ? exp(exponent_of(&f, t) - most) / sum : 0.0f;
        out[t] = of_task[4 * T + t] * share * exp(fmin(of_log, 80.0f));
    }
}

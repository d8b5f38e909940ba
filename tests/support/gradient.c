#include "gradient.h"
#include "rng.h"
#include <math.h>

#define STEP 1e-5
#define TOLERANCE 1e-6

static double difference(struct umb_trial *t, double *x)
{
    const double kept = *x, h = STEP * fmax(1, fabs(kept));
    *x = kept + h;
    const double above = umb__trial_probe(t);
    *x = kept - h;
    const double below = umb__trial_probe(t);
    *x = kept;
    return (above - below) / (2 * h);
}

static bool check_element(struct umb_trial *t, int input, int value, int64_t at,
                          const double *gradient, struct umb_text *report)
{
    const double expected = difference(t, &umb__trial_data(t, value)[at]);
    const double got = gradient ? gradient[at] : 0;
    if (fabs(got - expected) <= TOLERANCE * (1 + fabs(expected))) { return true; }
    umb__text_printf(report, "gradient of input %d at %lld: got %.9g, differences give %.9g\n",
                     input, (long long)at, got, expected);
    return false;
}

static bool check_input(struct umb_trial *t, int input, int value, int samples,
                        struct umb_text *report)
{
    const int64_t n = umb__shape_count(&umb__trial_graph(t)->value[value].type.shape);
    const int id = umb__trial_gradient(t, value);
    const double *gradient = id >= 0 ? umb__trial_data(t, id) : NULL;
    for (int i = 0; i < samples && i < n; i++) {
        const uint64_t draw = umb__random_u32(1, UMB_RNG_TEST, (uint32_t)value, (uint64_t)i);
        const int64_t at = n <= samples ? i : (int64_t)(draw % (uint64_t)n);
        if (!check_element(t, input, value, at, gradient, report)) { return false; }
    }
    return true;
}

bool gradient_check(struct umb_trial *t, int samples, struct umb_text *report)
{
    const struct umb_node *op = &umb__trial_graph(t)->node[0];
    bool fine = true;
    for (int i = 0; i < op->n_in; i++) {
        if (!umb__trial_is_smooth(t, i)) { continue; }
        fine = check_input(t, i, op->in[i], samples, report) && fine;
    }
    return fine;
}

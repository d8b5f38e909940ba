/* Balancers against TorchJD's and LibMTL's, whose numbers tests/golden/make_balancers.py wrote. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance_world.h"
#include "golden_balancers.h"

static struct world w;

/* Step `step` of a case. Every step is an epoch of its own. */
static void set_step(const struct golden_balancer *c, int step, double *squares)
{
    memset(&w, 0, sizeof w);
    w.n = c->n_tasks;
    w.n_params = GOLDEN_PARAMS;
    for (int t = 0; t < w.n; t++) {
        const ptrdiff_t at = (ptrdiff_t)step * w.n + t;
        memcpy(w.g[t], &c->g[at * GOLDEN_PARAMS], GOLDEN_PARAMS * sizeof(double));
        w.loss[t] = c->loss[at];
        for (int p = 0; p < GOLDEN_PARAMS; p++) {
            const double square = w.g[t][p] * w.g[t][p];
            double *sum = &squares[t * GOLDEN_PARAMS + p];
            *sum += square;
            w.excess[t] += square / sqrt(*sum + 1e-7);
        }
    }
    world_gram(&w);
    w.f = (struct umb_balance_facts){.n_tasks = w.n,
                                     .step = step + 1,
                                     .epoch = step + 1,
                                     .epoch_begins = true,
                                     .seed = GOLDEN_SEED,
                                     .loss = w.loss,
                                     .loss_after = c->after ? c->after + step * w.n : NULL,
                                     .gram = w.gram,
                                     .excess = w.excess};
}

static void check(const struct golden_balancer *c, int number)
{
    double squares[WORLD_TASKS * GOLDEN_PARAMS] = {0};
    const int width = c->directions ? GOLDEN_PARAMS : c->n_tasks;
    struct rule r;
    rule_open(&r, c->name, c->options, c->n_tasks);
    for (int step = 0; step < c->n_steps; step++) {
        char what[128];
        double d[WORLD_PARAMS];
        const double *expected = &c->expected[(ptrdiff_t)step * width];
        set_step(c, step, squares);
        const double *weight = rule_weigh(&r, &w);
        world_direction(&w, weight, d);
        snprintf(what, sizeof what, "case %d, %s of %s, step %d", number, c->name, c->library,
                 step);
        if (!isnan(expected[0])) {
            assert_weights(what, width, c->directions ? d : weight, expected, c->tolerance);
        }
        if (r.row->learn) { r.row->learn(r.attrs, &w.f, r.state); }
    }
    rule_close(&r);
}

static void libraries_agree(void **state)
{
    (void)state;
    const int n = (int)(sizeof golden_balancers / sizeof *golden_balancers);
    assert_true(n > 50);
    for (int i = 0; i < n; i++) {
        check(&golden_balancers[i], i);
    }
}

static void graddrop_agrees(void **state)
{
    (void)state;
    const int n = (int)(sizeof golden_drop_u / sizeof *golden_drop_u),
              n_tasks = (int)(sizeof golden_drop_g / sizeof *golden_drop_g) / n;
    for (int i = 0; i < n; i++) {
        double g[WORLD_TASKS];
        const int step = i / GOLDEN_PARAMS, p = i % GOLDEN_PARAMS;
        for (int t = 0; t < n_tasks; t++) {
            g[t] = golden_drop_g[(step * n_tasks + t) * GOLDEN_PARAMS + p];
        }
        const double got = umb__graddrop_element(n_tasks, g, golden_drop_u[i], 0);
        assert_true(fabs(got - golden_drop_expected[i]) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_agree),
        cmocka_unit_test(graddrop_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What every balancer makes of degenerate gradients and wild facts: weights that are finite, those
 * that docs/methods.md promises, and errors that name the task.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "balance_world.h"

static struct world w;

static void shape_gradients(struct world *at, int kind)
{
    for (int t = 0; t < at->n; t++) {
        for (int p = 0; p < at->n_params; p++) {
            double *g = &at->g[t][p];
            switch (kind) {
            case 0:
                *g = 0;
                break; /* all zero */
            case 1:
                *g = t == 1 ? 0 : *g;
                break; /* one zero */
            case 2:
                *g = at->g[0][p];
                break; /* all equal */
            case 3:
                *g = at->g[0][p] * (t % 2 ? -1 : 1);
                break; /* opposite */
            case 4:
                *g = at->g[0][p] * (t + 1) * (t % 3 ? -1 : 1);
                break; /* of one line */
            case 5:
                *g *= t % 2 ? 1e100 : 1e-100;
                break; /* far apart */
            case 6:
                *g *= 1e-160;
                break; /* underflow */
            case 7:
                *g *= 1e150;
                break; /* almost overflow */
            case 8:
                *g = p < 2 ? *g : 0;
                break; /* of rank 2 */
            default:
                *g = t > 0 ? at->g[0][p] * (1 + 1e-9 * t) : *g; /* nearly equal */
            }
        }
    }
    world_gram(at);
    for (int i = 0; kind == 8 && i < at->n * at->n; i++) {
        at->gram[i] = (float)at->gram[i]; /* rounded as on a device, so not quite semidefinite */
    }
}

static void degenerate_gradients_give_finite_weights(void **state)
{
    (void)state;
    static const int sizes[] = {2, 3, 40};
    for (int c = 0; umb__balancers[c]; c++) {
        for (int kind = 0; kind < 10; kind++) {
            for (int size = 0; size < 3; size++) {
                const int n = sizes[size];
                const struct umb_balancer *row = umb__balancers[c];
                struct rule r;
                rule_open(&r, row->name, rule_options(row, n), n);
                for (int number = 1; number <= 2; number++) {
                    world_step(&w, n, number);
                    shape_gradients(&w, kind);
                    if (r.row->mix) {
                        double keep[WORLD_TASKS], take[WORLD_TASKS];
                        r.row->mix(r.attrs, &w.f, r.state, keep, take);
                        for (int t = 0; t < n; t++) {
                            assert_true(isfinite(keep[t]) && isfinite(take[t]));
                        }
                    }
                    rule_weigh(&r, &w);
                    if (r.row->learn) { r.row->learn(r.attrs, &w.f, r.state); }
                    for (int t = 0; t < n; t++) {
                        if (isfinite(r.weight[t])) { continue; }
                        fail_msg("%s, kind %d, task %d of %d: %g", row->name, kind, t, n,
                                 r.weight[t]);
                    }
                    assert_true(isfinite(r.result.residual));
                    if (r.result.fell_back && strcmp(row->name, "fairgrad") != 0) {
                        fail_msg("%s, kind %d, %d tasks: residual %g", row->name, kind, n,
                                 r.result.residual);
                    }
                }
                rule_close(&r);
            }
        }
    }
}

/* Facts that no gradients have: any finite matrix, losses and excess, also of wild sizes. */
static void any_finite_facts_give_finite_weights(void **state)
{
    (void)state;
    for (int c = 0; umb__balancers[c]; c++) {
        for (int i = 0; i < 60; i++) {
            const int n = 2 + i % 20;
            struct rule r;
            rule_open(&r, umb__balancers[c]->name, rule_options(umb__balancers[c], n), n);
            for (int number = 1; number <= 3; number++) {
                const uint64_t seed = (uint64_t)(100 * i + number);
                world_step(&w, n, number);
                for (int k = 0; k < n * n; k++) {
                    const double size =
                        i % 3 ? 1 : pow(10, 300 * world_unit(seed, 5000 + (uint64_t)k) - 150);
                    w.gram[k] = size * world_normal(seed, (uint64_t)k);
                }
                for (int t = 0; t < n; t++) {
                    w.loss[t] = pow(10, 600 * world_unit(seed, 9000 + (uint64_t)t) - 300) *
                                (t % 5 ? 1 : -1);
                    w.excess[t] = fabs(w.loss[t]);
                }
                rule_weigh(&r, &w);
                if (r.row->learn) { r.row->learn(r.attrs, &w.f, r.state); }
                for (int t = 0; t < n; t++) {
                    if (isfinite(r.weight[t])) { continue; }
                    fail_msg("%s, case %d, task %d: %g", r.row->name, i, t, r.weight[t]);
                }
                assert_true(isfinite(r.result.residual));
            }
            for (int64_t k = 0; k < r.row->n_state(r.attrs, n); k++) {
                if (!isfinite(r.state[k])) { fail_msg("%s: state %d", r.row->name, (int)k); }
            }
            rule_close(&r);
        }
    }
}

/* What docs/methods.md says of zero, equal and opposite gradients. */
static void degenerate_gradients_by_the_book(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double equal, opposite[2]; /* of two tasks */
    } rows[] = {{"mgda", 0.5, {0.5, 0.5}},
                {"pcgrad", 1, {2, 2}}, /* both projected away */
                {"cagrad", 1.4 / 1.16, {1 / 1.16, 1 / 1.16}},
                {"imtl_g", 1, {0, 0}},
                {"upgrad", 1, {2, 2}},
                {"dualproj", 1, {1, 1}},
                {"config", 1, {0, 0}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got[2], d[WORLD_PARAMS];
        for (int kind = 0; kind <= 3; kind++) {
            world_step(&w, 2, 1);
            shape_gradients(&w, kind);
            const double ones[2] = {1, 1}, equal[2] = {rows[i].equal, rows[i].equal};
            rule_once(rows[i].name, "", &w, got);
            if (kind == 0) { assert_weights(rows[i].name, 2, got, ones, 0); }
            if (kind == 2) {
                /* of equal gradients one may have the others' weight */
                const bool loose = strstr("mgda cagrad", rows[i].name) != NULL;
                if (!loose) { assert_weights(rows[i].name, 2, got, equal, 1e-9); }
                assert_true(fabs(got[0] + got[1] - 2 * rows[i].equal) < 1e-9);
            }
            if (kind == 3) {
                assert_weights(rows[i].name, 2, got, rows[i].opposite, 1e-3);
                world_direction(&w, got, d);
                assert_true(world_dot(97, d, d) < 1e-12 * w.gram[0]);
            }
        }
    }
}

static void expect_error(struct rule *r, const char *message)
{
    w.f.ctx = r->ctx;
    assert_int_equal(r->row->weigh(r->attrs, &w.f, r->state, &r->result), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(r->ctx), message));
}

static void bad_facts_are_told(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        const enum umb_balance_needs needs = umb__balancers[i]->needs;
        const bool gram = needs == UMB_BALANCE_GRAM || needs == UMB_BALANCE_MIXED;
        struct rule r;
        rule_open(&r, umb__balancers[i]->name, rule_options(umb__balancers[i], 5), 5);
        world_step(&w, 5, 1);
        w.loss[3] = INFINITY;
        expect_error(&r, "task 3: its loss is infinite");
        for (int bad = 0; gram && bad < 2; bad++) {
            world_step(&w, 5, 1);
            w.gram[2 * 5 + 4] = bad ? NAN : -INFINITY;
            expect_error(&r, "task 2: its gradient's product with that of task 4");
        }
        if (needs == UMB_BALANCE_GRAM) {
            world_step(&w, 5, 1);
            w.loss[1] = NAN;
            expect_error(&r, "task 1: its loss is NaN, though it has a gradient");
        }
        if (needs == UMB_BALANCE_EXCESS) {
            world_step(&w, 5, 1);
            w.excess[0] = -1;
            expect_error(&r, "task 0: its excess risk is -1");
        }
        world_step(&w, 5, 1);
        w.f.n_tasks = 65;
        expect_error(&r, "65 tasks to balance; expected 1 to 64");
        world_step(&w, 5, 1);
        w.f.loss = w.f.gram = w.f.excess = NULL;
        if (needs != UMB_BALANCE_NOTHING) { expect_error(&r, "facts"); }
        rule_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(degenerate_gradients_give_finite_weights),
        cmocka_unit_test(any_finite_facts_give_finite_weights),
        cmocka_unit_test(degenerate_gradients_by_the_book),
        cmocka_unit_test(bad_facts_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

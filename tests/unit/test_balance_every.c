/*
 * What every balancer promises, row by row of the table: weights of 1 for a single task, tasks
 * without a label that change nothing, finite weights whatever is degenerate, the same bits twice,
 * and errors that name the task.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance_world.h"

#define STEPS 4

static struct world w, other;

static const char *options_of(const struct umb_balancer *row, int n)
{
    static char text[4 * WORLD_TASKS + 16];
    if (strcmp(row->name, "fixed") != 0) { return ""; }
    int at = snprintf(text, sizeof text, "weights=1");
    for (int t = 1; t < n; t++) {
        at += snprintf(text + at, sizeof text - (size_t)at, ",%d", t % 9 + 1);
    }
    return text;
}

/* One whole step: rows are mixed, weights found, and what is learned from them. */
struct rows {
    double y[WORLD_TASKS][WORLD_PARAMS];
};

static const double *step(struct rule *r, struct rows *rows, struct world *at)
{
    if (r->row->mix) {
        double keep[WORLD_TASKS], take[WORLD_TASKS];
        r->row->mix(r->attrs, &at->f, r->state, keep, take);
        for (int t = 0; t < at->n; t++) {
            for (int p = 0; p < at->n_params; p++) {
                rows->y[t][p] = keep[t] * rows->y[t][p] + take[t] * at->g[t][p];
            }
        }
        memcpy(at->g, rows->y, sizeof at->g);
        world_gram(at);
    }
    rule_weigh(r, at);
    if (r->row->learn) { r->row->learn(r->attrs, &at->f, r->state); }
    return r->weight;
}

static void make_step(struct world *at, int n, int number)
{
    world_make(at, n, 97, (uint64_t)number, number % 2 ? -0.3 : 0.5, 0.5);
    at->f.step = at->f.epoch = number;
    at->f.seed = 9;
}

static void take_label(struct world *at, int t)
{
    at->loss[t] = NAN;
    memset(at->g[t], 0, sizeof at->g[t]);
    world_gram(at);
}

static void a_single_task_weighs_one(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        struct rule r;
        struct rows rows = {0};
        rule_open(&r, umb__balancers[i]->name, options_of(umb__balancers[i], 1), 1);
        for (int number = 1; number <= STEPS; number++) {
            make_step(&w, 1, number);
            const double first = w.g[0][0];
            assert_true(step(&r, &rows, &w)[0] == 1);
            assert_true(r.result.clip == 0 && w.g[0][0] == first); /* a row is the gradient */
        }
        rule_close(&r);
    }
}

/* Without the last task's label everybody else's weights are those of a net without it. */
static void an_absent_task_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        const struct umb_balancer *row = umb__balancers[i];
        static struct rows rows, fewer;
        struct rule r, s;
        memset(&rows, 0, sizeof rows);
        memset(&fewer, 0, sizeof fewer);
        rule_open(&r, row->name, options_of(row, 7), 7);
        rule_open(&s, row->name, options_of(row, 6), 6);
        for (int number = 1; number <= STEPS; number++) {
            make_step(&w, 7, number);
            take_label(&w, 6);
            w.excess[6] = 0;
            other = w;
            other.n = other.f.n_tasks = 6;
            other.f.loss = other.f.loss_after = other.loss;
            other.f.gram = other.gram;
            other.f.excess = other.excess;
            world_gram(&other);
            step(&r, &rows, &w);
            assert_true(r.weight[6] == 0);
            assert_weights(row->name, 6, r.weight, step(&s, &fewer, &other), 1e-9);
        }
        rule_close(&r);
        rule_close(&s);
    }
}

/* A step in which nobody has a label: weights of 0, and no bit of the state moves. */
static void state_waits(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        static struct rows rows;
        static double before[5000];
        struct rule r;
        memset(&rows, 0, sizeof rows);
        rule_open(&r, umb__balancers[i]->name, options_of(umb__balancers[i], 5), 5);
        make_step(&w, 5, 1);
        step(&r, &rows, &w);
        const size_t bytes = (size_t)r.row->n_state(r.attrs, 5) * sizeof(double);
        make_step(&w, 5, 2);
        w.f.epoch_begins = false;
        for (int t = 0; t < 5; t++) {
            take_label(&w, t);
        }
        memcpy(before, r.state, bytes);
        step(&r, &rows, &w);
        for (int t = 0; t < 5; t++) {
            assert_true(r.weight[t] == 0);
        }
        if (memcmp(before, r.state, bytes) != 0) { fail_msg("%s moves", r.row->name); }
        rule_close(&r);
    }
}

/* One task waits while the others go on: what it has learned is as it was. */
static void a_learned_weight_waits(void **state)
{
    (void)state;
    static const char *const names[] = {"uncertainty", "imtl_l"};
    for (int i = 0; i < 2; i++) {
        struct rule r;
        static struct rows rows;
        rule_open(&r, names[i], "rate=0.1", 4);
        make_step(&w, 4, 1);
        step(&r, &rows, &w);
        make_step(&w, 4, 2);
        w.f.loss = NULL;
        const double before = rule_weigh(&r, &w)[2], next = r.weight[1];
        make_step(&w, 4, 3);
        take_label(&w, 2);
        step(&r, &rows, &w);
        w.f.loss = NULL;
        assert_true(rule_weigh(&r, &w)[2] == before && r.weight[1] != next && before != 1);
        rule_close(&r);
    }
}

static bool has_order(const struct umb_balancer *row)
{
    static const char *const names[] = {"random", "pcgrad", "gradvac", "fixed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(row->name, names[i]) == 0) { return true; }
    }
    return false;
}

/* Tasks in another order have their weights in that order. */
static void tasks_may_be_permuted(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        const struct umb_balancer *row = umb__balancers[i];
        static struct rows rows, turned;
        struct rule r, s;
        if (has_order(row)) { continue; }
        memset(&rows, 0, sizeof rows);
        memset(&turned, 0, sizeof turned);
        rule_open(&r, row->name, "", 8);
        rule_open(&s, row->name, "", 8);
        for (int number = 1; number <= STEPS; number++) {
            double expected[8];
            make_step(&w, 8, number);
            make_step(&other, 8, number);
            for (int t = 0; t < 8; t++) {
                const int from = (3 * t + 5) % 8;
                memcpy(other.g[t], w.g[from], sizeof other.g[t]);
                other.loss[t] = w.loss[from];
                other.excess[t] = w.excess[from];
            }
            world_gram(&other);
            step(&r, &rows, &w);
            step(&s, &turned, &other);
            for (int t = 0; t < 8; t++) {
                expected[t] = r.weight[(3 * t + 5) % 8];
            }
            assert_weights(row->name, 8, s.weight, expected, 1e-9);
        }
        rule_close(&r);
        rule_close(&s);
    }
}

/* All gradients k times as long: weights times k^power. */
static void all_gradients_longer(void **state)
{
    (void)state;
    static const struct {
        const char *name, *options;
        double power;
    } rows[] = {{"mgda", "", 0},    {"cagrad", "", 0},          {"imtl_g", "", 0},
                {"nash", "", 0},    {"aligned", "", 0},         {"upgrad", "", 0},
                {"config", "", 0},  {"dualproj", "", 0},        {"pcgrad", "", 0},
                {"gradvac", "", 0}, {"fairgrad", "", -4.0 / 3}, {"fairgrad", "alpha=1", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double plain[9], longer[9];
        make_step(&w, 9, 3);
        rule_once(rows[i].name, rows[i].options, &w, plain);
        for (int k = 0; k < 81; k++) {
            w.gram[k] *= 1e6;
        }
        rule_once(rows[i].name, rows[i].options, &w, longer);
        for (int t = 0; t < 9; t++) {
            plain[t] *= pow(1e3, rows[i].power);
        }
        assert_weights(rows[i].name, 9, longer, plain, 1e-8);
    }
}

/* One task's gradient k times as long: what these rules make of it is the same direction, up to
 * its length. */
static void one_gradient_longer(void **state)
{
    (void)state;
    static const char *const names[] = {"imtl_g", "config", "mgda"};
    for (int i = 0; i < 3; i++) {
        const char *options = i == 2 ? "scale=norm" : "";
        double weight[9], before[WORLD_PARAMS], d[WORLD_PARAMS];
        make_step(&w, 9, 2);
        rule_once(names[i], options, &w, weight);
        if (i == 2) { weight[4] *= 1; }
        world_direction(&w, weight, before);
        for (int p = 0; p < 97; p++) {
            w.g[4][p] *= 100;
        }
        world_gram(&w);
        double again[9];
        rule_once(names[i], options, &w, again);
        world_direction(&w, again, d);
        const double cosine =
            world_dot(97, d, before) / sqrt(world_dot(97, d, d) * world_dot(97, before, before));
        if (i < 2) { assert_true(cosine > 1 - 1e-9); }
        if (i == 2) { assert_weights("mgda scale=norm", 9, again, weight, 1e-8); }
    }
}

/* Degenerate gradients. */

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
                rule_open(&r, row->name, options_of(row, n), n);
                for (int number = 1; number <= 2; number++) {
                    make_step(&w, n, number);
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
            rule_open(&r, umb__balancers[c]->name, options_of(umb__balancers[c], n), n);
            for (int number = 1; number <= 3; number++) {
                const uint64_t seed = (uint64_t)(100 * i + number);
                make_step(&w, n, number);
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
            make_step(&w, 2, 1);
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

/* Errors. */

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
        rule_open(&r, umb__balancers[i]->name, options_of(umb__balancers[i], 5), 5);
        make_step(&w, 5, 1);
        w.loss[3] = INFINITY;
        expect_error(&r, "task 3: its loss is infinite");
        for (int bad = 0; gram && bad < 2; bad++) {
            make_step(&w, 5, 1);
            w.gram[2 * 5 + 4] = bad ? NAN : -INFINITY;
            expect_error(&r, "task 2: its gradient's product with that of task 4");
        }
        if (needs == UMB_BALANCE_GRAM) {
            make_step(&w, 5, 1);
            w.loss[1] = NAN;
            expect_error(&r, "task 1: its loss is NaN, though it has a gradient");
        }
        if (needs == UMB_BALANCE_EXCESS) {
            make_step(&w, 5, 1);
            w.excess[0] = -1;
            expect_error(&r, "task 0: its excess risk is -1");
        }
        make_step(&w, 5, 1);
        w.f.n_tasks = 65;
        expect_error(&r, "65 tasks to balance; expected 1 to 64");
        make_step(&w, 5, 1);
        w.f.loss = w.f.gram = w.f.excess = NULL;
        if (needs != UMB_BALANCE_NOTHING) { expect_error(&r, "facts"); }
        rule_close(&r);
    }
}

static void the_same_bits_twice(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        double first[40];
        for (int round = 0; round < 2; round++) {
            static struct rows rows;
            struct rule r;
            memset(&rows, 0, sizeof rows);
            rule_open(&r, umb__balancers[i]->name, options_of(umb__balancers[i], 40), 40);
            for (int number = 1; number <= STEPS; number++) {
                make_step(&w, 40, number);
                step(&r, &rows, &w);
            }
            if (round == 0) { memcpy(first, r.weight, sizeof first); }
            assert_memory_equal(first, r.weight, sizeof first);
            rule_close(&r);
        }
    }
}

static void rows_are_whole(void **state)
{
    (void)state;
    const char *names[64];
    const size_t n = umb__balancer_names(names, 64);
    assert_int_equal(n, 25);
    assert_null(umb__balancer_find("mgdb"));
    for (size_t i = 0; i < n; i++) {
        const struct umb_balancer *b = umb__balancer_find(names[i]);
        assert_ptr_equal(b, umb__balancers[i]);
        assert_non_null(b->help);
        assert_true((b->needs == UMB_BALANCE_MIXED) == (b->mix != NULL));
        assert_true((b->class_letter == 'A') == b->weighs_heads);
        assert_true(strchr("ABCD", b->class_letter) != NULL);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(names[i], names[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_task_weighs_one),
        cmocka_unit_test(an_absent_task_changes_nothing),
        cmocka_unit_test(state_waits),
        cmocka_unit_test(a_learned_weight_waits),
        cmocka_unit_test(tasks_may_be_permuted),
        cmocka_unit_test(all_gradients_longer),
        cmocka_unit_test(one_gradient_longer),
        cmocka_unit_test(degenerate_gradients_give_finite_weights),
        cmocka_unit_test(any_finite_facts_give_finite_weights),
        cmocka_unit_test(degenerate_gradients_by_the_book),
        cmocka_unit_test(bad_facts_are_told),
        cmocka_unit_test(the_same_bits_twice),
        cmocka_unit_test(rows_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What every balancer promises, row by row of the table: weights of 1 for a single task, tasks
 * without a label that change nothing, tasks in any order, and the same bits twice.
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
        rule_open(&r, umb__balancers[i]->name, rule_options(umb__balancers[i], 1), 1);
        for (int number = 1; number <= STEPS; number++) {
            world_step(&w, 1, number);
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
        rule_open(&r, row->name, rule_options(row, 7), 7);
        rule_open(&s, row->name, rule_options(row, 6), 6);
        for (int number = 1; number <= STEPS; number++) {
            world_step(&w, 7, number);
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
        rule_open(&r, umb__balancers[i]->name, rule_options(umb__balancers[i], 5), 5);
        world_step(&w, 5, 1);
        step(&r, &rows, &w);
        const size_t bytes = (size_t)r.row->n_state(r.attrs, 5) * sizeof(double);
        world_step(&w, 5, 2);
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
        world_step(&w, 4, 1);
        step(&r, &rows, &w);
        world_step(&w, 4, 2);
        w.f.loss = NULL;
        const double before = rule_weigh(&r, &w)[2], next = r.weight[1];
        world_step(&w, 4, 3);
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
            world_step(&w, 8, number);
            world_step(&other, 8, number);
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
        world_step(&w, 9, 3);
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
        world_step(&w, 9, 2);
        rule_once(names[i], options, &w, weight);
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

static void the_same_bits_twice(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        double first[40];
        for (int round = 0; round < 2; round++) {
            static struct rows rows;
            struct rule r;
            memset(&rows, 0, sizeof rows);
            rule_open(&r, umb__balancers[i]->name, rule_options(umb__balancers[i], 40), 40);
            for (int number = 1; number <= STEPS; number++) {
                world_step(&w, 40, number);
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
        cmocka_unit_test(the_same_bits_twice),
        cmocka_unit_test(rows_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

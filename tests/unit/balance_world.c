/* Made-up tasks and a balancer for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "balance_world.h"
#include "rng.h"

double world_unit(uint64_t seed, uint64_t i)
{
    return umb__random_u32(seed, UMB_RNG_TEST, 0, i) * 0x1p-32;
}

double world_normal(uint64_t seed, uint64_t i)
{
    const double u = 1 - world_unit(seed, 2 * i), v = world_unit(seed, 2 * i + 1);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void world_gram(struct world *w)
{
    for (int s = 0; s < w->n; s++) {
        for (int t = 0; t < w->n; t++) {
            w->gram[s * w->n + t] = world_dot(w->n_params, w->g[s], w->g[t]);
        }
    }
}

void world_make(struct world *w, int n, int n_params, uint64_t seed, double common, double spread)
{
    memset(w, 0, sizeof *w);
    w->n = n;
    w->n_params = n_params;
    uint64_t at = 0;
    for (int t = 0; t < n; t++) {
        const double length = pow(10, spread * (2 * world_unit(seed, 1000000 + (uint64_t)t) - 1));
        const double side = common < 0 && t % 2 ? -1 : 1;
        for (int p = 0; p < n_params; p++) {
            const double shared = world_normal(seed, 2000000 + (uint64_t)p);
            w->g[t][p] = length * (side * fabs(common) * shared + world_normal(seed, at++));
        }
        w->loss[t] = 0.1 + 2.9 * world_unit(seed, 3000000 + (uint64_t)t);
        w->excess[t] = 0.1 + world_unit(seed, 4000000 + (uint64_t)t);
    }
    world_gram(w);
    w->f = (struct umb_balance_facts){.n_tasks = n,
                                      .step = 1,
                                      .epoch = 1,
                                      .epoch_begins = true,
                                      .seed = seed,
                                      .rate = 0.001,
                                      .loss = w->loss,
                                      .loss_after = w->loss,
                                      .gram = w->gram,
                                      .excess = w->excess};
}

void world_step(struct world *w, int n, int number)
{
    world_make(w, n, 97, (uint64_t)number, number % 2 ? -0.3 : 0.5, 0.5);
    w->f.step = w->f.epoch = number;
    w->f.seed = 9;
}

const char *rule_options(const struct umb_balancer *row, int n)
{
    static char text[4 * WORLD_TASKS + 16];
    if (strcmp(row->name, "fixed") != 0) { return ""; }
    int at = snprintf(text, sizeof text, "weights=1");
    for (int t = 1; t < n; t++) {
        at += snprintf(text + at, sizeof text - (size_t)at, ",%d", t % 9 + 1);
    }
    return text;
}

void rule_open(struct rule *r, const char *name, const char *options, int n_tasks)
{
    memset(r, 0, sizeof *r);
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    assert_int_equal(umb__arena_create(r->ctx, &r->arena), UMB_OK);
    r->row = umb__balancer_find(name);
    assert_non_null(r->row);
    const struct umb_op op = umb__balancer_options(r->row);
    assert_int_equal(umb__attrs_create(r->ctx, r->arena, &op, options, &r->attrs), UMB_OK);
    const int64_t n = r->row->n_state(r->attrs, n_tasks);
    r->state = umb__arena_calloc(r->arena, (size_t)n + 1, sizeof *r->state);
    assert_non_null(r->state);
    r->state[n] = 12345; /* nobody may write behind */
    r->row->start(r->attrs, n_tasks, r->state);
    assert_true(r->state[n] == 12345);
    r->result.weight = r->weight;
}

void rule_close(struct rule *r)
{
    umb__arena_destroy(r->arena);
    umb_context_destroy(r->ctx);
}

const double *rule_weigh(struct rule *r, const struct world *w)
{
    struct umb_balance_facts f = w->f;
    f.ctx = r->ctx;
    const enum umb_status st = r->row->weigh(r->attrs, &f, r->state, &r->result);
    if (st != UMB_OK) { fail_msg("%s: %s", r->row->name, umb_context_error(r->ctx)); }
    assert_true(r->state[r->row->n_state(r->attrs, w->n)] == 12345);
    return r->weight;
}

struct umb_balance_result rule_once(const char *name, const char *options, const struct world *w,
                                    double *ret_weight)
{
    struct rule r;
    rule_open(&r, name, options, w->n);
    memcpy(ret_weight, rule_weigh(&r, w), (size_t)w->n * sizeof *ret_weight);
    struct umb_balance_result result = r.result;
    result.weight = ret_weight;
    rule_close(&r);
    return result;
}

void world_direction(const struct world *w, const double *weight, double *ret_d)
{
    for (int p = 0; p < w->n_params; p++) {
        ret_d[p] = 0;
        for (int t = 0; t < w->n; t++) {
            ret_d[p] += weight[t] * w->g[t][p];
        }
    }
}

double world_dot(int n, const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void swap_rows(int n, double *a, double *b, int i, int j)
{
    for (int k = 0; k < n; k++) {
        const double x = a[i * n + k];
        a[i * n + k] = a[j * n + k];
        a[j * n + k] = x;
    }
    const double x = b[i];
    b[i] = b[j];
    b[j] = x;
}

void world_solve(int n, double *a, double *b, double *ret_x)
{
    for (int i = 0; i < n; i++) {
        int best = i;
        for (int j = i; j < n; j++) {
            if (fabs(a[j * n + i]) > fabs(a[best * n + i])) { best = j; }
        }
        swap_rows(n, a, b, i, best);
        for (int j = i + 1; j < n; j++) {
            const double by = a[j * n + i] / a[i * n + i];
            for (int k = i; k < n; k++) {
                a[j * n + k] -= by * a[i * n + k];
            }
            b[j] -= by * b[i];
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        ret_x[i] = (b[i] - world_dot(n - 1 - i, &a[i * n + i + 1], &ret_x[i + 1])) / a[i * n + i];
    }
}

void assert_weights(const char *what, int n, const double *got, const double *expected,
                    double tolerance)
{
    double size = 0;
    for (int t = 0; t < n; t++) {
        size = fmax(size, fabs(expected[t]));
    }
    for (int t = 0; t < n; t++) {
        if (fabs(got[t] - expected[t]) <= tolerance * size) { continue; }
        fail_msg("%s: task %d of %d: %.12g, expected %.12g", what, t, n, got[t], expected[t]);
    }
}

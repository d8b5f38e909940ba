/*
 * balancers.c: what the balancers' own arithmetic costs a step, on made-up Gram matrices.
 *
 *   balancers [TASKS]
 *
 * Prints a row a balancer: the processor's microseconds for weigh() and learn() in the median step,
 * for gradients that agree, that conflict, and that depend on each other; then the most of all
 * steps.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "balance.h"
#include "rng.h"
#include "text.h"

#define KINDS 3
#define STEPS 41
#define PARAMS 100
#define DEPENDENT_PARAMS 10

struct facts {
    int n;
    double gram[UMB_BALANCE_MAX_TASKS * UMB_BALANCE_MAX_TASKS];
    double loss[UMB_BALANCE_MAX_TASKS], excess[UMB_BALANCE_MAX_TASKS];
};

static double draw(uint64_t *i)
{
    const double u = 1.0 - (double)umb__random_unit(1, UMB_RNG_TEST, 0, *i),
                 v = (double)umb__random_unit(1, UMB_RNG_TEST, 0, *i + 1);
    *i += 2;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Kind 0: a part in common; 1: of opposite signs in half of the tasks; 2: few parameters. */
static void make(struct facts *x, int kind, uint64_t step)
{
    const int n_params = kind == 2 ? DEPENDENT_PARAMS : PARAMS;
    static double g[UMB_BALANCE_MAX_TASKS][PARAMS];
    double common[PARAMS];
    uint64_t at = step * 1000000;
    for (int p = 0; p < n_params; p++) {
        common[p] = draw(&at);
    }
    for (int t = 0; t < x->n; t++) {
        const double side = kind == 1 && t % 2 ? -0.5 : 0.5, length = exp(0.5 * draw(&at));
        for (int p = 0; p < n_params; p++) {
            g[t][p] = length * (side * common[p] + draw(&at));
        }
        x->loss[t] = exp(draw(&at));
        x->excess[t] = exp(draw(&at));
    }
    for (int s = 0; s < x->n; s++) {
        for (int t = 0; t < x->n; t++) {
            double sum = 0;
            for (int p = 0; p < n_params; p++) {
                sum += g[s][p] * g[t][p];
            }
            x->gram[s * x->n + t] = (float)sum;
        }
    }
}

static uint64_t processor_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct measured {
    double median[KINDS], most;
    int n_fell_back;
};

static enum umb_status measure_kind(struct umb_context *ctx, const struct umb_balancer *row,
                                    const void *attrs, double *state, const struct facts *steps,
                                    int kind, struct measured *m)
{
    double us[STEPS], weight[UMB_BALANCE_MAX_TASKS];
    struct umb_balance_result r = {.weight = weight};
    enum umb_status st = UMB_OK;
    row->start(attrs, steps->n, state);
    for (int i = 0; st == UMB_OK && i < STEPS; i++) {
        const struct facts *x = &steps[i];
        const struct umb_balance_facts f = {.ctx = ctx,
                                            .n_tasks = x->n,
                                            .step = i + 1,
                                            .epoch = 1 + i / 10,
                                            .epoch_begins = i % 10 == 0,
                                            .loss = x->loss,
                                            .loss_after = x->loss,
                                            .gram = x->gram,
                                            .excess = x->excess};
        const uint64_t begin = processor_ns();
        st = row->weigh(attrs, &f, state, &r);
        if (row->learn) { row->learn(attrs, &f, state); }
        us[i] = (double)(processor_ns() - begin) * 1e-3;
        m->most = fmax(m->most, us[i]);
        m->n_fell_back += r.fell_back;
    }
    qsort(us, STEPS, sizeof *us, by_time);
    m->median[kind] = us[STEPS / 2];
    return st;
}

/* `fixed` is the one that cannot do without an option. */
static const char *options_of(const struct umb_balancer *row, int n, char *text, size_t size)
{
    if (strcmp(row->name, "fixed") != 0) { return ""; }
    size_t at = (size_t)snprintf(text, size, "weights=1");
    for (int t = 1; t < n; t++) {
        at += (size_t)snprintf(text + at, size - at, ",1");
    }
    return text;
}

static enum umb_status measure(struct umb_context *ctx, struct umb_arena *arena,
                               const struct facts (*all)[STEPS], const struct umb_balancer *row)
{
    const struct umb_op op = umb__balancer_options(row);
    const int n = all[0][0].n;
    char text[16 + 2 * UMB_BALANCE_MAX_TASKS];
    struct measured m = {.most = 0};
    void *attrs = NULL;
    enum umb_status st =
        umb__attrs_create(ctx, arena, &op, options_of(row, n, text, sizeof text), &attrs);
    double *state = NULL;
    if (st == UMB_OK) {
        state = umb__arena_calloc(arena, (size_t)row->n_state(attrs, n) + 1, sizeof *state);
        if (!state) { st = UMB_ERR_NO_MEMORY; }
    }
    for (int kind = 0; st == UMB_OK && kind < KINDS; kind++) {
        st = measure_kind(ctx, row, attrs, state, all[kind], kind, &m);
    }
    if (st == UMB_OK) {
        printf("%-12s %9.1f %9.1f %9.1f %9.1f", row->name, m.median[0], m.median[1], m.median[2],
               m.most);
        printf(m.n_fell_back ? "   fell back %d times\n" : "\n", m.n_fell_back);
    }
    return st;
}

int main(int argc, char **argv)
{
    static struct facts all[KINDS][STEPS];
    struct umb_context *ctx = NULL;
    struct umb_arena *arena = NULL;
    int64_t n = 40;
    if (argc > 2 || (argc == 2 && !umb__parse_int(argv[1], 1, UMB_BALANCE_MAX_TASKS, &n))) {
        fprintf(stderr, "usage: balancers [TASKS], at most %d\n", UMB_BALANCE_MAX_TASKS);
        return 2;
    }
    for (int i = 0; i < KINDS * STEPS; i++) {
        all[i / STEPS][i % STEPS].n = (int)n;
        make(&all[i / STEPS][i % STEPS], i / STEPS, (uint64_t)i);
    }
    enum umb_status st = umb_context_create(NULL, &ctx);
    if (st == UMB_OK) { st = umb__arena_create(ctx, &arena); }
    printf("%d tasks, us  %9s %9s %9s %9s\n", (int)n, "agree", "conflict", "dependent", "most");
    for (int i = 0; st == UMB_OK && umb__balancers[i]; i++) {
        st = measure(ctx, arena, all, umb__balancers[i]);
    }
    if (st != UMB_OK) { fprintf(stderr, "balancers: %s\n", umb_context_error(ctx)); }
    umb__arena_destroy(arena);
    umb_context_destroy(ctx);
    return st == UMB_OK ? 0 : 1;
}

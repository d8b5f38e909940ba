/* plan_simulate.c: see plan_simulate.h. */
#include "plan_simulate.h"

#include "hold.h"
#include <jansson.h>

/* The machine at rest: the share of the runs alone that are as fast. */
#define CALM 0.25

/* 1, 2, 4 … 64 queues, and as many units. */
#define N_POWERS 7

struct forecasts {
    int units; /* that the device has */
    size_t n_steps;
    struct umb_forecast queues[N_POWERS];         /* on those */
    struct umb_forecast grid[N_POWERS][N_POWERS]; /* [units][queues] */
};

static enum umb_status forecast_all(const struct session *s, struct forecasts *f)
{
    struct umb_plan *plan = umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN);
    enum umb_status st = UMB_OK;
    f->units = (int)umb_device_get_caps(s->device)->compute_units;
    f->n_steps = umb__plan_n_steps(plan);
    for (int q = 0; st == UMB_OK && q < N_POWERS; q++) {
        st = umb__plan_forecast(plan, 1 << q, 0, &f->queues[q]);
        for (int u = 0; st == UMB_OK && u < N_POWERS; u++) {
            st = umb__plan_forecast(plan, 1 << q, 1 << u, &f->grid[u][q]);
        }
    }
    return st;
}

/* The fewest queues of those that are within a thousandth of the fastest. */
static const struct umb_forecast *best(const struct umb_forecast *row)
{
    const struct umb_forecast *b = row;
    for (int q = 1; q < N_POWERS; q++) {
        if (row[q].makespan_ns < 0.999 * b->makespan_ns) { b = &row[q]; }
    }
    return b;
}

/* JSON. */

static json_t *forecast_json(const struct umb_forecast *f)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:f, s:I}", "queues", f->n_queues, "units", f->units,
                     "makespan_ms", f->makespan_ns * 1e-6, "bound_ms", f->bound_ns * 1e-6, "idle",
                     f->idle, "scratch_bytes", (json_int_t)f->scratch_bytes);
}

static void print_json(const struct session *s, const struct forecasts *f)
{
    json_t *queues = json_array(), *grid = json_array();
    for (int q = 0; q < N_POWERS; q++) {
        json_array_append_new(queues, forecast_json(&f->queues[q]));
        for (int u = 0; u < N_POWERS; u++) {
            json_array_append_new(grid, forecast_json(&f->grid[q][u]));
        }
    }
    json_t *all =
        json_pack("{s:s, s:s, s:i, s:I, s:f, s:o, s:o}", "experiment", s->exp->name, "device",
                  s->device_name, "units", f->units, "steps", (json_int_t)f->n_steps, "launch_us",
                  f->queues[0].launch_ns * 1e-3, "queues", queues, "grid", grid);
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* Text. */

static void start_table(struct cli_table *t, const char *const *heading)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        cli_table_add(t, "%s", heading[i]);
    }
}

static void print_queues(const struct forecasts *f)
{
    static const char *const heading[] = {"queues",     "makespan ms", "speed-up",
                                          "of bound %", "idle %",      "scratch memory"};
    struct cli_table t = {.n_columns = 6};
    char bytes[CLI_NUMBER];
    start_table(&t, heading);
    for (int q = 0; q < N_POWERS; q++) {
        const struct umb_forecast *c = &f->queues[q];
        cli_table_add(&t, "%d", c->n_queues);
        cli_table_add(&t, "%.3f", c->makespan_ns * 1e-6);
        cli_table_add(&t, "%.2f", f->queues[0].makespan_ns / c->makespan_ns);
        cli_table_add(&t, "%.0f", 100 * c->bound_ns / c->makespan_ns);
        cli_table_add(&t, "%.0f", 100 * c->idle);
        cli_table_add(&t, "%s", cli_bytes((double)c->scratch_bytes, bytes));
    }
    cli_table_print(&t, stdout);
}

static void print_units(const struct forecasts *f)
{
    static const char *const heading[] = {"compute units", "one queue ms", "best ms", "queues",
                                          "speed-up",      "of bound %",   "idle %"};
    struct cli_table t = {.n_columns = 7};
    start_table(&t, heading);
    for (int u = 0; u < N_POWERS; u++) {
        const struct umb_forecast *one = &f->grid[u][0], *b = best(f->grid[u]);
        cli_table_add(&t, "%d", one->units);
        cli_table_add(&t, "%.3f", one->makespan_ns * 1e-6);
        cli_table_add(&t, "%.3f", b->makespan_ns * 1e-6);
        cli_table_add(&t, "%d", b->n_queues);
        cli_table_add(&t, "%.2f", one->makespan_ns / b->makespan_ns);
        cli_table_add(&t, "%.0f", 100 * b->bound_ns / b->makespan_ns);
        cli_table_add(&t, "%.0f", 100 * b->idle);
    }
    cli_table_print(&t, stdout);
}

static void print_text(const struct session *s, const struct forecasts *f)
{
    printf("%s on %s: %zu kernels, each timed alone; %.1f µs between two of a queue\n\n",
           s->exp->name, s->device_name, f->n_steps, f->queues[0].launch_ns * 1e-3);
    printf("Simulated on the %d compute unit%s of this device:\n\n", f->units,
           f->units == 1 ? "" : "s");
    print_queues(f);
    printf("\nThe same kernels on other numbers of compute units, each as fast as here:\n\n");
    print_units(f);
}

enum umb_status plan_simulate(const struct session *s, const struct cli *cli, bool json)
{
    struct forecasts f;
    int64_t images[UMB_TRAINER_SLOTS];
    enum umb_status st = hold_batches(s, cli, images);
    if (st == UMB_OK) { st = hold_time_alone(s); }
    if (st == UMB_OK) {
        umb__plan_settle_alone(umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN), CALM);
        st = forecast_all(s, &f);
    }
    if (st != UMB_OK) { return st; }
    if (json) {
        print_json(s, &f);
    } else {
        print_text(s, &f);
    }
    return UMB_OK;
}

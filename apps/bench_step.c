/* umbel bench step: whole training steps of an experiment, on data held in memory. */
#include "bench.h"
#include "bench_turns.h"
#include "system.h"
#include <jansson.h>
#include <stdlib.h>

static int64_t n_steps = 50;
static bool json;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--steps", CLI_INT, &n_steps, "N", "steps that are timed (unset: 50)"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of text"},
    {0}};

static const struct cli_usage usage = {
    .command = "bench step",
    .synopsis = "FILE",
    .text = "Times whole training steps: upload, forward, backward, update. The batches are held "
            "in\nmemory, so that nothing waits for files. By turns with them the kernels are timed "
            "one by\n"
            "one, for the lower bound of the step and for what it takes in a simulation.",
    .example = "umbel bench step shapes --steps 100",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *sorted)
{
    size_t n = (size_t)n_steps;
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double mean(const double *ms)
{
    double sum = 0;
    for (int64_t i = 0; i < n_steps; i++) {
        sum += ms[i];
    }
    return sum / (double)n_steps;
}

/* The figures of a step's schedule. */
struct overlap {
    double makespan_ms, bound_ms, simulated_ms, idle, launch_us;
    /* both from the least disturbed runs, on the device's clock */
    double calm_traced_ms, calm_simulated_ms;
};

/* Of as many runs of one queue as of the schedule: the share that counts as undisturbed. */
#define CALM 0.1

static enum umb_status weigh_calm(struct umb_plan *plan, struct bench_turns *r, struct overlap *o)
{
    struct umb_forecast f;
    umb__plan_settle_alone(plan, CALM);
    enum umb_status st = umb__plan_forecast(plan, 0, 0, &f);
    umb__plan_settle_alone(plan, 0.5);
    if (st != UMB_OK) { return st; }
    qsort(r->traced_ms, (size_t)r->n_traced, sizeof *r->traced_ms, ascending);
    o->calm_traced_ms = r->traced_ms[(int)(CALM * (r->n_traced - 1))];
    o->calm_simulated_ms = f.makespan_ns * 1e-6;
    return UMB_OK;
}

static enum umb_status weigh(const struct session *s, struct bench_turns *r, struct overlap *o)
{
    struct umb_plan *plan = umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN);
    struct umb_forecast f;
    enum umb_status st = umb__plan_forecast(plan, 0, 0, &f);
    if (st != UMB_OK) { return st; }
    *o = (struct overlap){.makespan_ms = median(r->ms),
                          .bound_ms = f.bound_ns * 1e-6,
                          .simulated_ms = f.makespan_ns * 1e-6,
                          .idle = f.idle,
                          .launch_us = f.launch_ns * 1e-3};
    return weigh_calm(plan, r, o);
}

static enum umb_status measure(struct session *s, const struct cli *cli, struct bench_turns *r,
                               struct overlap *o)
{
    int64_t images[UMB_TRAINER_SLOTS];
    enum umb_status st = hold_batches(s, cli, images);
    if (st == UMB_OK) { st = bench_take_turns(s, images, r); }
    if (st != UMB_OK) { return st; }
    qsort(r->ms, (size_t)n_steps, sizeof *r->ms, ascending);
    qsort(r->host_us, (size_t)n_steps, sizeof *r->host_us, ascending);
    return weigh(s, r, o);
}

/* Of all devices. */
static uint64_t peak_bytes(const struct session *s)
{
    uint64_t bytes = 0;
    for (int d = 0; d < s->devices.n; d++) {
        bytes += umb_device_peak_bytes(s->devices.device[d]);
    }
    return bytes;
}

static void print_json(const struct session *s, const struct bench_turns *r,
                       const struct overlap *o)
{
    json_t *all = json_pack(
        "{s:s, s:s, s:f, s:{s:f, s:f, s:f}, s:f, s:f, s:I, s:{s:f, s:f, s:f, s:f, s:f, s:i, "
        "s:{s:f, "
        "s:f}}, s:f, s:I, "
        "s:{s:f, s:f}}",
        "experiment", s->exp->name, "device", s->device_name, "images_per_s", r->images_per_s,
        "step_ms", "median", median(r->ms), "mean", mean(r->ms), "min", r->ms[0], "first_step_s",
        r->first_step_s, "peak_rss_mib", umb__peak_rss_mib(), "device_bytes",
        (json_int_t)peak_bytes(s), "overlap", "makespan_ms", o->makespan_ms, "bound_ms",
        o->bound_ms, "simulated_ms", o->simulated_ms, "idle", o->idle, "launch_us", o->launch_us,
        "queues", umb__plan_n_queues(umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN)), "calm",
        "traced_ms", o->calm_traced_ms, "simulated_ms", o->calm_simulated_ms, "host_us",
        median(r->host_us), "parameters", (json_int_t)umb_trainer_n_parameters(s->trainer), "loss",
        "first", r->first_loss, "last", r->last_loss);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

static void print_text(const struct session *s, const struct bench_turns *r,
                       const struct overlap *o)
{
    char rate[CLI_NUMBER], bytes[CLI_NUMBER];
    printf("%s on %s\n", s->exp->name, s->device_name);
    printf("  step         %.3f ms (median of %lld; mean %.3f, fastest %.3f)\n", median(r->ms),
           (long long)n_steps, mean(r->ms), r->ms[0]);
    printf("  host         %.0f µs of the enqueuing thread a step\n", median(r->host_us));
    printf("  images/s     %s\n", cli_count(r->images_per_s, rate));
    printf("  first step   %.2f s after the start\n", r->first_step_s);
    printf("  lower bound  %.3f ms, %.0f %% of the step\n", o->bound_ms,
           100 * o->bound_ms / o->makespan_ms);
    printf("  simulated    %.3f ms, %.0f %% of the step; a unit is idle %.0f %% of that\n",
           o->simulated_ms, 100 * o->simulated_ms / o->makespan_ms, 100 * o->idle);
    printf("  memory       %s on the device, %.0f MiB at most in the process\n",
           cli_bytes((double)peak_bytes(s), bytes), umb__peak_rss_mib());
}

static int run(struct session *s, const struct cli *cli, struct bench_turns *r)
{
    struct overlap o;
    enum umb_status st = session_read(s, cli, cli->argument[0], &sets);
    if (st == UMB_OK) { st = umb__experiment_open(s->exp); }
    if (st == UMB_OK) { st = session_build(s, cli); }
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    st = measure(s, cli, r, &o);
    if (st != UMB_OK) { return cli_fail_work(cli, st); }
    if (json) {
        print_json(s, r, &o);
    } else {
        print_text(s, r, &o);
    }
    return EXIT_DONE;
}

int bench_step(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct bench_turns r = {.n_steps = n_steps, .ms = calloc(2 * (size_t)n_steps, sizeof *r.ms)};
    r.host_us = r.ms + n_steps;
    code = r.ms ? run(&s, &cli, &r) : cli_wrong(&cli, "out of memory");
    free(r.ms);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}

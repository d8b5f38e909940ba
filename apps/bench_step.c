/* umbel bench step: whole training steps of an experiment, on data held in memory. */
#include "bench.h"
#include "hold.h"
#include "system.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#define WARM_UP 3

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
            "in\nmemory, so that nothing waits for files.",
    .example = "umbel bench step shapes --steps 100",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

struct result {
    double *ms;      /* [n_steps], sorted */
    double *host_us; /* [n_steps], sorted: processor time of the thread that enqueues */
    double first_step_s, images_per_s, bound_ms;
    /* of the batches held, summed: at first, and with 3 steps or more at last */
    double first_loss, last_loss;
};

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

static double thread_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static enum umb_status step(const struct session *s, int64_t i)
{
    double rate = s->exp->train.schedule.rate;
    return umb__trainer_submit(s->trainer, UMB_TRAINER_TRAIN, (int)(i % UMB_TRAINER_SLOTS), rate);
}

/* Waits for step i, and adds the tasks' losses to *sum; NaN where a task had no label. */
static enum umb_status wait(const struct session *s, int64_t i, double *sum)
{
    double losses[UMB_MAX_TASKS];
    enum umb_status st =
        umb__trainer_wait(s->trainer, UMB_TRAINER_TRAIN, (int)(i % UMB_TRAINER_SLOTS), losses);
    for (int t = 0; st == UMB_OK && t < umb_net_n_tasks(s->net); t++) {
        *sum += isnan(losses[t]) ? 0 : losses[t];
    }
    return st;
}

/* Steps follow one another without a gap; a step's time is from the end of the one before to its
 * own. */
static enum umb_status time_steps(const struct session *s, struct result *r, const int64_t *images)
{
    int64_t all = WARM_UP + n_steps, seen = 0;
    uint64_t began = 0, last = 0;
    double ignored = 0;
    enum umb_status st = step(s, 0);
    for (int64_t i = 0; st == UMB_OK && i < all; i++) {
        double host_began = thread_us();
        if (i > 0 && i + 1 < all) { st = step(s, i + 1); }
        double *loss = i < UMB_TRAINER_SLOTS          ? &r->first_loss
                       : i >= all - UMB_TRAINER_SLOTS ? &r->last_loss
                                                      : &ignored;
        if (st == UMB_OK) { st = wait(s, i, loss); }
        uint64_t now = umb__clock_ns();
        if (i == 0) {
            r->first_step_s = (double)umb__process_age_ns() * 1e-9;
            if (st == UMB_OK) { st = step(s, 1); }
        }
        if (i == WARM_UP - 1) { began = now; }
        if (i >= WARM_UP) {
            r->ms[i - WARM_UP] = (double)(now - last) * 1e-6;
            r->host_us[i - WARM_UP] = thread_us() - host_began;
            seen += images[i % UMB_TRAINER_SLOTS];
        }
        last = now;
    }
    if (st == UMB_OK) { r->images_per_s = (double)seen / ((double)(last - began) * 1e-9); }
    return st;
}

static enum umb_status measure(struct session *s, const struct cli *cli, struct result *r)
{
    int64_t images[UMB_TRAINER_SLOTS];
    enum umb_status st = hold_batches(s, cli, images);
    if (st == UMB_OK) { st = time_steps(s, r, images); }
    if (st == UMB_OK) { st = hold_bound(s, &r->bound_ms); }
    if (st == UMB_OK) {
        qsort(r->ms, (size_t)n_steps, sizeof *r->ms, ascending);
        qsort(r->host_us, (size_t)n_steps, sizeof *r->host_us, ascending);
    }
    return st;
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

static void print_json(const struct session *s, const struct result *r)
{
    json_t *all = json_pack(
        "{s:s, s:s, s:f, s:{s:f, s:f}, s:f, s:f, s:I, s:{s:f, s:f}, s:f, s:I, s:{s:f, s:f}}",
        "experiment", s->exp->name, "device", s->device_name, "images_per_s", r->images_per_s,
        "step_ms", "median", median(r->ms), "min", r->ms[0], "first_step_s", r->first_step_s,
        "peak_rss_mib", umb__peak_rss_mib(), "device_bytes", (json_int_t)peak_bytes(s), "overlap",
        "makespan_ms", median(r->ms), "bound_ms", r->bound_ms, "host_us", median(r->host_us),
        "parameters", (json_int_t)umb_trainer_n_parameters(s->trainer), "loss", "first",
        r->first_loss, "last", r->last_loss);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

static void print_text(const struct session *s, const struct result *r)
{
    char rate[CLI_NUMBER], bytes[CLI_NUMBER];
    printf("%s on %s\n", s->exp->name, s->device_name);
    printf("  step         %.3f ms (median of %lld; fastest %.3f)\n", median(r->ms),
           (long long)n_steps, r->ms[0]);
    printf("  host         %.0f µs of the enqueuing thread a step\n", median(r->host_us));
    printf("  images/s     %s\n", cli_count(r->images_per_s, rate));
    printf("  first step   %.2f s after the start\n", r->first_step_s);
    printf("  lower bound  %.3f ms, %.0f %% of the step\n", r->bound_ms,
           100 * r->bound_ms / median(r->ms));
    printf("  memory       %s on the device, %.0f MiB at most in the process\n",
           cli_bytes((double)peak_bytes(s), bytes), umb__peak_rss_mib());
}

static int run(struct session *s, const struct cli *cli, struct result *r)
{
    enum umb_status st = session_read(s, cli, cli->argument[0], &sets);
    if (st == UMB_OK) { st = umb__experiment_open(s->exp); }
    if (st == UMB_OK) { st = session_build(s, cli); }
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    st = measure(s, cli, r);
    if (st != UMB_OK) { return cli_fail_work(cli, st); }
    if (json) {
        print_json(s, r);
    } else {
        print_text(s, r);
    }
    return EXIT_DONE;
}

int bench_step(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct result r = {.ms = calloc(2 * (size_t)n_steps, sizeof *r.ms)};
    r.host_us = r.ms + n_steps;
    code = r.ms ? run(&s, &cli, &r) : cli_wrong(&cli, "out of memory");
    free(r.ms);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}

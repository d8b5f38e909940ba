/* umbel bench op: single ops and their gradients, against the device's measured peak. */
#include "bench.h"
#include "clblast.h"
#include "system.h"
#include "tune.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST_REPEATS 5
#define MOST_REPEATS 200
#define TARGET_NS 3e8 /* of device time for one line */

static bool json, every_solver, check;
static const char *solver_name, *shape, *attributes;

static const struct cli_option options[] = {
    {"--solvers", CLI_FLAG, &every_solver, NULL, "every solver that can, not only the chosen one"},
    {"--solver", CLI_TEXT, &solver_name, "NAME", "this solver in place of the chosen one"},
    {"--shape", CLI_TEXT, &shape, "EXTENTS", "inputs of your own, 32,56,56,64; FILTER is an op"},
    {"--attrs", CLI_TEXT, &attributes, "KEYS", "its attributes, \"filters=64 size=3\""},
    {"--check", CLI_FLAG, &check, NULL, "compare what is timed with the reference too"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of a table"},
    {0}};

static const struct cli_usage usage = {
    .command = "bench op",
    .synopsis = "[FILTER]",
    .text = "Times the ops whose name or case contains FILTER, and their gradients: GFLOP/s and "
            "GB/s\nof the fastest run, beside the peak that is measured first; ms is the median.",
    .example = "umbel bench op conv",
    .options = options,
    .min_arguments = 0,
    .max_arguments = 1};

struct bench {
    const struct cli *cli;
    struct umb_device *device;
    struct umb_tuning *tuning; /* what was measured counts, as in a plan */
    struct bench_peak peak;
    json_t *rows;
    struct cli_table table;
    size_t n_wrong;
    bool terminal; /* shows what is being timed */
};

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Median and least of enough runs behind a first, which also says how many are enough. */
static enum umb_status time_solver(struct bench *b, struct umb_trial *t, int index,
                                   const struct umb_solver *solver, double *ret_median_ns,
                                   double *ret_min_ns)
{
    uint64_t ns[MOST_REPEATS];
    enum umb_status st = umb__trial_time(t, b->device, index, solver, 2, ns);
    if (st != UMB_OK) { return st; }
    double wanted = TARGET_NS / ((double)ns[1] + 1);
    int repeats = wanted < LEAST_REPEATS  ? LEAST_REPEATS
                  : wanted > MOST_REPEATS ? MOST_REPEATS
                                          : (int)wanted;
    st = umb__trial_time(t, b->device, index, solver, repeats, ns);
    qsort(ns, (size_t)repeats, sizeof *ns, ascending);
    *ret_median_ns = (double)ns[repeats / 2];
    *ret_min_ns = (double)ns[0];
    return st;
}

static double problem_bytes(const struct umb_problem *p)
{
    if (p->op->bytes) { return p->op->bytes(p); }
    double sum = 0;
    for (int i = 0; i < p->n_in; i++) {
        sum += (double)umb__type_bytes(&p->in[i]);
    }
    for (int i = 0; i < p->n_out; i++) {
        sum += (double)umb__type_bytes(&p->out[i]);
    }
    return sum;
}

/* The peak is the fastest of several runs, so the share of it is that of the op's fastest. */
struct figures {
    double median_ns, min_ns, gflops, gbs;
    struct bench_error error; /* with --check */
};

static void add_json(struct bench *b, const struct bench_line *line, const struct figures *f)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:{s:f, s:f}, s:f, s:f, s:f, s:f}", "op",
                            line->problem->op->name, "in", line->row->in, "attrs",
                            line->row->attrs ? line->row->attrs : "", "solver", line->solver->name,
                            "ms", "median", f->median_ns * 1e-6, "min", f->min_ns * 1e-6, "gflops",
                            f->gflops, "gbs", f->gbs, "of_peak_flops", f->gflops / b->peak.gflops,
                            "of_peak_bytes", f->gbs / b->peak.gbs);
    if (check) {
        json_object_set_new(row, "right", json_boolean(f->error.right));
        json_object_set_new(row, "error", json_real(f->error.largest));
    }
    json_array_append_new(b->rows, row);
}

static void add_text(struct bench *b, const struct bench_line *line, const struct figures *f)
{
    struct cli_table *t = &b->table;
    const struct umb_op_case *row = line->row;
    cli_table_add(t, "%s", line->problem->op->name);
    cli_table_add(t, "%.60s%s%.40s", row->in, row->attrs ? "  " : "", row->attrs ? row->attrs : "");
    cli_table_add(t, "%s", line->solver->name);
    cli_table_add(t, "%.3f", f->median_ns * 1e-6);
    cli_table_add(t, "%.3f", f->min_ns * 1e-6);
    cli_table_add(t, "%.1f", f->gflops);
    cli_table_add(t, "%.0f %%", 100 * f->gflops / b->peak.gflops);
    cli_table_add(t, "%.1f", f->gbs);
    cli_table_add(t, "%.0f %%", 100 * f->gbs / b->peak.gbs);
    if (check) { cli_table_add(t, f->error.right ? "%.1e" : "WRONG, %.1e", f->error.largest); }
}

static enum umb_status time_line(struct bench *b, struct umb_trial *t,
                                 const struct bench_line *line)
{
    const struct umb_problem *p = line->problem;
    struct figures f = {0};
    enum umb_status st = UMB_OK;
    if (b->peak.gflops <= 0) { st = bench_measure_peak(b->device, &b->peak); } /* the first line */
    if (st != UMB_OK) { return st; }
    st = time_solver(b, t, line->index, line->solver, &f.median_ns, &f.min_ns);
    if (st == UMB_OK && check) { st = bench_check(b->cli->ctx, b->device, line, &f.error); }
    if (st != UMB_OK) { return st; }
    f.gflops = (p->op->flops ? p->op->flops(p) : 0) / f.min_ns;
    f.gbs = problem_bytes(p) / f.min_ns;
    b->n_wrong += check && !f.error.right;
    (json ? add_json : add_text)(b, line, &f);
    return UMB_OK;
}

/* Is the solver asked for? It is known that it can. */
static bool is_wanted(const struct umb_solver *s, const struct umb_solver *chosen)
{
    if (solver_name) { return strcmp(s->name, solver_name) == 0; }
    return every_solver || s == chosen;
}

static enum umb_status time_problem(struct bench *b, struct umb_trial *t, int index,
                                    const struct umb_op *op, const struct umb_op_case *row,
                                    size_t *ret_n)
{
    struct umb_problem p = *umb__trial_problem(t, index);
    p.caps = umb_device_get_caps(b->device);
    struct umb_choice choice;
    enum umb_status st = umb__solver_pick(&p, b->tuning, NULL, &choice);
    for (const struct umb_solver *s = p.op->solvers; st == UMB_OK && s && s->name; s++) {
        if (s->applicable(&p) <= 0 || !is_wanted(s, choice.solver)) { continue; }
        struct bench_line line = {op, row, &p, index, s};
        st = time_line(b, t, &line);
        ++*ret_n;
    }
    return st;
}

static enum umb_status time_case(struct bench *b, const struct umb_op *op,
                                 const struct umb_op_case *row, size_t *ret_n)
{
    struct umb_trial *t = NULL;
    enum umb_status st = umb__trial_create(b->cli->ctx, op, row, BENCH_SEED, &t);
    if (b->terminal) { fprintf(stderr, "\r\033[K%s %s", op->name, row->in); }
    for (int i = 0; st == UMB_OK && i < umb__trial_n_problems(t); i++) {
        if (umb__trial_problem(t, i)->op->flags & UMB_OP_VIEW) { continue; }
        st = time_problem(b, t, i, op, row, ret_n);
    }
    umb__trial_destroy(t);
    return st;
}

static bool matches(const struct umb_op *op, const struct umb_op_case *row, const char *filter)
{
    return !filter || strstr(op->name, filter) || strstr(row->in, filter) ||
           (row->attrs && strstr(row->attrs, filter));
}

static enum umb_status time_all(struct bench *b, const char *filter, size_t *ret_n)
{
    enum umb_status st = UMB_OK;
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            for (const struct umb_op_case *row = (*op)->cases; row && row->in; row++) {
                if (!(row->flags & UMB_CASE_BENCH) || !matches(*op, row, filter)) { continue; }
                st = time_case(b, *op, row, ret_n);
                if (st != UMB_OK) { return st; }
            }
        }
    }
    return st;
}

/* A case of the user's own; FILTER is the op's whole name then. */
static enum umb_status time_own(struct bench *b, const char *name, size_t *ret_n)
{
    const struct umb_op_case row = {.in = shape, .attrs = attributes};
    const struct umb_op *op = umb__op_find(name);
    if (!op) {
        return umb__fail(b->cli->ctx, UMB_ERR_INVALID, "'%s' is no op; expected one with --shape",
                         name);
    }
    return time_case(b, op, &row, ret_n);
}

static void add_heading(struct cli_table *t)
{
    static const char *const names[] = {"op",      "case",    "solver", "ms",      "fastest",
                                        "GFLOP/s", "of peak", "GB/s",   "of peak", "error"};
    t->n_columns = sizeof names / sizeof *names - !check;
    for (size_t i = 0; i < t->n_columns; i++) {
        cli_table_add(t, "%s", names[i]);
    }
}

static void print(struct bench *b)
{
    const char *name = umb_device_get_caps(b->device)->name;
    if (json) {
        json_t *all = json_pack("{s:s, s:{s:f, s:f}, s:O}", "device", name, "peak", "gflops",
                                b->peak.gflops, "gbs", b->peak.gbs, "ops", b->rows);
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(all);
        return;
    }
    if (b->terminal) { fprintf(stderr, "\r\033[K"); }
    printf("%s: peak %.0f GFLOP/s, %.1f GB/s (measured)\n\n", name, b->peak.gflops, b->peak.gbs);
    cli_table_print(&b->table, stdout);
}

static int run(struct bench *b)
{
    const struct cli *cli = b->cli;
    const char *filter = cli->n_arguments ? cli->argument[0] : NULL;
    size_t n = 0;
    if (shape ? !filter : attributes != NULL) {
        return cli_wrong(cli, "--shape wants an op before it, and --attrs wants --shape");
    }
    enum umb_status st = umb_device_open(cli->ctx, cli->device, &b->device);
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    st = umb__tuning_open(cli->ctx, umb_device_get_caps(b->device), &b->tuning);
    if (st == UMB_OK) { st = umb__clblast_use(b->device, umb__tuned_clblast(b->tuning)); }
    if (st == UMB_OK) { st = shape ? time_own(b, filter, &n) : time_all(b, filter, &n); }
    if (st == UMB_ERR_INVALID) { return cli_fail_setup(cli, st); }
    if (st != UMB_OK) { return cli_fail_work(cli, st); }
    if (n == 0) {
        return cli_wrong(cli, "'%s' is in no op or case%s", filter ? filter : "",
                         solver_name ? " that this solver can compute" : "");
    }
    print(b);
    return b->n_wrong ? EXIT_FAILED : EXIT_DONE;
}

int bench_op(int argc, char **argv)
{
    struct cli cli;
    struct bench b = {.cli = &cli, .terminal = isatty(STDERR_FILENO)};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    b.rows = json_array();
    add_heading(&b.table);
    code = run(&b);
    json_decref(b.rows);
    cli_table_free(&b.table);
    umb__tuning_close(b.tuning);
    umb_device_close(b.device);
    cli_finish(&cli);
    return code;
}

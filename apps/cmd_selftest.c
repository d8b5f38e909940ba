/* umbel selftest: every kernel on the chosen device against the reference. */
#include "cli.h"

#include "trial.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

#define SEED 1

static bool json;

static const struct cli_option options[] = {
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of text"}, {0}};

static const struct cli_usage usage = {
    .command = "selftest",
    .synopsis = "[FILTER]",
    .text = "Runs every op (or those whose name contains FILTER) and its gradient by every solver "
            "on the\nchosen device, and compares with the reference in double. Fails if one is "
            "wrong.",
    .example = "umbel selftest --device gpu",
    .options = options,
    .min_arguments = 0,
    .max_arguments = 1};

struct selftest {
    const struct cli *cli;
    struct umb_device *device;
    size_t cases, checks, wrong; /* of all ops */
    json_t *failures;
};

static void note(struct selftest *s, const struct umb_op *op, const struct umb_op_case *row,
                 const char *node, const char *solver, const char *what)
{
    s->wrong++;
    if (json) {
        json_array_append_new(s->failures,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "op", op->name, "in",
                                        row->in, "attrs", row->attrs ? row->attrs : "", "node",
                                        node, "solver", solver, "what", what));
    } else {
        printf("  WRONG %s of %s%s%s by %s: %s\n", node, row->in, row->attrs ? " with " : "",
               row->attrs ? row->attrs : "", solver, what);
    }
}

static void check_solver(struct selftest *s, struct umb_trial *t, int index,
                         const struct umb_op *op, const struct umb_op_case *row,
                         const struct umb_solver *solver)
{
    const char *node = umb__trial_problem(t, index)->op->name,
               *name = solver ? solver->name : "view";
    struct umb_trial_result r;
    char what[200];
    s->checks++;
    if (umb__trial_check(t, s->device, index, solver, &r) != UMB_OK) {
        note(s, op, row, node, name, umb_context_error(s->cli->ctx));
    } else if (!(r.score <= 1)) {
        snprintf(what, sizeof what, "%s %d at %lld is %.9g, expected %.9g within %.3g",
                 r.input ? "input" : "output", r.tensor, (long long)r.index, r.got, r.expected,
                 r.tolerance);
        note(s, op, row, node, name, what);
    }
}

static void check_case(struct selftest *s, const struct umb_op *op, const struct umb_op_case *row)
{
    struct umb_trial *t = NULL;
    s->cases++;
    if (umb__trial_create(s->cli->ctx, op, row, SEED, &t) != UMB_OK) {
        note(s, op, row, op->name, "none", umb_context_error(s->cli->ctx));
        return;
    }
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        struct umb_problem p = *umb__trial_problem(t, i);
        p.caps = umb_device_get_caps(s->device);
        if (p.op->flags & UMB_OP_VIEW) { check_solver(s, t, i, op, row, NULL); }
        for (const struct umb_solver *v = p.op->solvers; v && v->name; v++) {
            if (v->applicable(&p) > 0) { check_solver(s, t, i, op, row, v); }
        }
    }
    umb__trial_destroy(t);
}

static void check_op(struct selftest *s, const struct umb_op *op)
{
    size_t cases = s->cases, checks = s->checks, wrong = s->wrong;
    for (const struct umb_op_case *row = op->cases; row && row->in; row++) {
        if (!(row->flags & UMB_CASE_LARGE)) { check_case(s, op, row); }
    }
    if (json || s->cases == cases) { return; }
    printf("%-22s %3zu cases, %4zu checks  %s\n", op->name, s->cases - cases, s->checks - checks,
           s->wrong == wrong ? "right" : "WRONG");
    fflush(stdout);
}

static int finish(const struct selftest *s)
{
    const char *name = umb_device_get_caps(s->device)->name;
    if (json) {
        json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:O}", "device", name, "cases",
                                (json_int_t)s->cases, "checks", (json_int_t)s->checks, "wrong",
                                (json_int_t)s->wrong, "failures", s->failures);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    } else {
        printf("%s: %zu checks, %zu wrong\n", name, s->checks, s->wrong);
    }
    return s->wrong ? EXIT_FAILED : EXIT_DONE;
}

static int run(struct selftest *s)
{
    const char *filter = s->cli->n_arguments ? s->cli->argument[0] : NULL;
    enum umb_status st = umb_device_open(s->cli->ctx, s->cli->device, &s->device);
    if (st != UMB_OK) { return cli_fail_setup(s->cli, st); }
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            if (!filter || strstr((*op)->name, filter)) { check_op(s, *op); }
        }
    }
    if (s->cases == 0) { return cli_wrong(s->cli, "'%s' is in no op's name", filter); }
    return finish(s);
}

int cmd_selftest(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct selftest s = {.cli = &cli, .failures = json_array()};
    code = run(&s);
    json_decref(s.failures);
    umb_device_close(s.device);
    cli_finish(&cli);
    return code;
}

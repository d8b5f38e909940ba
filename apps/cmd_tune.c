/* umbel tune: an experiment's problems, every solver measured and compared, and the best kept. */
#include "session.h"
#include "system.h"
#include "trainer_internal.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool full, clblast;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--full", CLI_FLAG, &full, NULL, "more runs of each, and no limit of time"},
    {"--clblast", CLI_FLAG, &clblast, NULL, "CLBlast's parameters, in place of the solvers"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {0}};

static const struct cli_usage usage = {
    .command = "tune",
    .synopsis = "FILE",
    .text = "Runs every solver of every node of the experiment on the device, compares what it "
            "computes\nwith the reference, and keeps which is the fastest of those that are right. "
            "Training takes\nthem from then on. With --clblast it does so with the parameters of "
            "CLBlast's products,\nfor devices that CLBlast's own tables do not know; tune again "
            "without it thereafter.",
    .example = "umbel tune shapes",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

struct tune {
    bool terminal; /* shows what is being measured */
    int n_shown, n_alone, n_lost, n_hopeless, n_measured, n_left;
    /* Of a training step's kernels: by the solvers taken until now, and from now on. */
    double before_ns, after_ns, alone_ns;
    bool unknown; /* a solver taken until now has no time: it was wrong */
};

/* A problem. */

/* "f32[64,28,28,1] f32[3,3,1,32] > …" is for the database; people get x → y, and what was set. */
static void print_heading(const struct umb_tune_report *r)
{
    char in[UMB_SHAPE_TEXT], out[UMB_SHAPE_TEXT], attrs[512];
    const struct umb_problem *p = r->p;
    umb__attrs_text(p->op, p->attrs, attrs, sizeof attrs);
    printf("%s  %s → %s  %s\n", p->op->name, umb__shape_text(&p->in[0].shape, in, sizeof in),
           umb__shape_text(&p->out[0].shape, out, sizeof out), attrs);
    printf("  for ");
    for (int i = 0; i < r->n_nodes && i < 4; i++) {
        printf("%s%s", i ? ", " : "", r->nodes[i]);
    }
    printf(r->n_nodes > 4 ? " and %d more\n" : "\n", r->n_nodes - 4);
}

static int by_time(const void *left, const void *right)
{
    const struct umb_tuned_solver *a = left, *b = right;
    if ((a->ns == 0) != (b->ns == 0)) { return a->ns == 0 ? 1 : -1; }
    return (a->ns > b->ns) - (a->ns < b->ns);
}

static void print_solver(const struct umb_tune_report *r, const struct umb_tuned_solver *s,
                         uint64_t best_ns)
{
    static const char *const losses[] = {
        [UMB_VERDICT_WRONG] = "WRONG", [UMB_VERDICT_FAILED] = "FAILED"};
    const bool old = r->old->solver && strcmp(r->old->solver->name, s->name) == 0;
    const char *mark = s->ns == best_ns && s->ns ? "*" : " ";
    if (!s->ns) {
        printf("  %s %-12s %s: %s%s\n", mark, s->name, losses[s->verdict], s->note,
               old ? "  (taken until now)" : "");
        return;
    }
    const double flops = r->p->op->flops ? r->p->op->flops(r->p) : 0;
    printf("  %s %-12s %s%10.3f ms  %5.1f %%  %7.1f GFLOP/s%s\n", mark, s->name,
           s->verdict == UMB_VERDICT_ROUGH ? "~" : " ", (double)s->ns * 1e-6,
           100.0 * (double)best_ns / (double)s->ns, flops / (double)s->ns,
           old ? "  (taken until now)" : "");
}

static void print_problem(struct tune *t, const struct umb_tune_report *r)
{
    struct umb_tuned sorted = *r->tuned;
    qsort(sorted.solver, sorted.n, sizeof *sorted.solver, by_time);
    if (t->n_shown++ == 0) {
        printf(
            "* the best   %% speed, as a share of the best's   ~ one run, or worked out from one "
            "row\n");
    }
    printf("\n");
    print_heading(r);
    for (size_t i = 0; i < sorted.n; i++) {
        print_solver(r, &sorted.solver[i], sorted.solver[0].ns);
        t->n_lost += sorted.solver[i].ns == 0;
    }
    if (!sorted.solver[0].ns) {
        printf("    no solver is right on this device\n");
        t->n_hopeless++;
    }
}

static void add_up(struct tune *t, const struct umb_tune_report *r)
{
    const struct umb_tuned_solver *best = umb__tuned_best(r->tuned);
    const uint64_t old = r->old->solver ? umb__tuned_ns(r->tuned, r->old->solver->name) : 0;
    if (!best) { return; }
    t->after_ns += (double)best->ns * r->n_nodes;
    t->before_ns += (double)(old ? old : best->ns) * r->n_nodes;
    t->unknown = t->unknown || !old;
    if (r->tuned->n == 1) { t->alone_ns += (double)best->ns * r->n_nodes; }
}

/* CLBlast's parameters. */

static void print_sets(struct tune *t, const struct umb_tune_report *r)
{
    struct umb_tuned sorted = *r->tuned;
    qsort(sorted.solver, sorted.n, sizeof *sorted.solver, by_time);
    printf("* the best   %% speed, as a share of the best's\n\nCLBlast's products for ");
    for (int i = 0; i < r->n_nodes; i++) {
        printf(i ? ", %s" : "%s", r->nodes[i]);
    }
    printf("\n");
    for (size_t i = 0; i < sorted.n; i++) {
        const struct umb_tuned_solver *s = &sorted.solver[i];
        if (!s->ns) {
            printf("    %-48s %s: %s\n", s->name,
                   s->verdict == UMB_VERDICT_WRONG ? "WRONG" : "FAILED", s->note);
            t->n_lost++;
            continue;
        }
        printf("  %s %-48s %10.3f ms  %5.1f %%  %7.1f GFLOP/s\n", i ? " " : "*", s->name,
               (double)s->ns * 1e-6, 100.0 * (double)sorted.solver[0].ns / (double)s->ns,
               r->flops / (double)s->ns);
    }
    t->n_hopeless += !sorted.solver[0].ns;
}

static int finish_sets(const struct tune *t, const struct session *s, const char *experiment)
{
    if (t->n_lost) {
        printf("%d set%s lost for being wrong or not working\n", t->n_lost,
               t->n_lost == 1 ? "" : "s");
    }
    printf("kept in %s\nWhether a plan takes CLBlast with them says: umbel tune %s\n",
           umb__tuning_path(umb__trainer_tuning(s->trainer)), experiment);
    return t->n_hopeless ? EXIT_FAILED : EXIT_DONE;
}

static void clear_line(const struct tune *t)
{
    if (t->terminal) { fprintf(stderr, "\r\033[K"); }
}

static void listen(void *user, const struct umb_tune_report *r)
{
    struct tune *t = user;
    if (r->event == UMB_TUNE_SOLVER) {
        if (!t->terminal) { return; }
        fprintf(stderr, "\r\033[K%d of %d: %s by %s …", r->index + 1, r->n_problems, r->nodes[0],
                r->solver);
        fflush(stderr);
        return;
    }
    clear_line(t);
    if (r->event == UMB_TUNE_CLBLAST) {
        print_sets(t, r);
        return;
    }
    if (r->event == UMB_TUNE_END) {
        t->n_left += r->summary->n_left;
        return;
    }
    t->n_measured++;
    if (r->p->training) { add_up(t, r); }
    if (r->tuned->n == 1 && r->tuned->solver[0].ns) {
        t->n_alone++;
    } else {
        print_problem(t, r);
    }
    fflush(stdout);
}

/* The whole. */

static void print_gain(const struct tune *t)
{
    printf("A training step's kernels, one after another: %.3f ms before, %.3f ms now",
           t->before_ns * 1e-6, t->after_ns * 1e-6);
    if (t->after_ns > 0 && t->before_ns > t->after_ns) {
        printf(", %.2f times as fast", t->before_ns / t->after_ns);
    }
    printf("%s\n", t->unknown ? " (a solver that is not right was taken before)" : "");
}

static int finish(const struct tune *t, const struct session *s, double seconds)
{
    char duration[CLI_NUMBER];
    const struct umb_tuning *tuning = umb__trainer_tuning(s->trainer);
    printf("\n%d problems measured in %s; %d of them have one solver, which takes %.3f ms of a "
           "step\n",
           t->n_measured, cli_duration(seconds, duration), t->n_alone, t->alone_ns * 1e-6);
    if (t->n_left) {
        printf("%d more were left when the time was over; --full measures them\n", t->n_left);
    }
    print_gain(t);
    if (t->n_lost) {
        printf("%d solver%s lost for being wrong or not working\n", t->n_lost,
               t->n_lost == 1 ? "" : "s");
    }
    printf("kept in %s\n", umb__tuning_path(tuning));
    return t->n_hopeless ? EXIT_FAILED : EXIT_DONE;
}

static int run(struct session *s, const struct cli *cli)
{
    struct tune t = {.terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO)};
    const struct umb_trainer_tuning tuning = {.wanted = true,
                                              .clblast = clblast,
                                              .full = full,
                                              .again = true,
                                              .keep = true,
                                              .listen = listen,
                                              .user = &t};
    const uint64_t start = umb__clock_ns();
    enum umb_status st = session_read(s, cli, cli->argument[0], &sets);
    if (st == UMB_OK) { st = umb__experiment_open(s->exp); }
    if (st == UMB_OK) { st = session_build_tuned(s, cli, &tuning); }
    if (st == UMB_OK) { st = umb__trainer_compile(s->trainer, UMB_TRAINER_EVALUATE); }
    if (st != UMB_OK) {
        clear_line(&t);
        return t.n_measured ? cli_fail_work(cli, st) : cli_fail_setup(cli, st);
    }
    if (clblast) { return finish_sets(&t, s, cli->argument[0]); }
    return finish(&t, s, (double)(umb__clock_ns() - start) * 1e-9);
}

int cmd_tune(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    code = run(&s, &cli);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}

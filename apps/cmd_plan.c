/* umbel plan: the compiled graph of an experiment's training step. */
#include "alloc.h"
#include "plan_simulate.h"
#include "plan_view.h"
#include "system.h"

static bool json, dot, svg, simulate;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of text"},
    {"--dot", CLI_FLAG, &dot, NULL, "the graph for Graphviz, a cluster a part, with waits"},
    {"--svg", CLI_FLAG, &svg, NULL, "a picture: the step as it ran on its queues, and the network"},
    {"--simulate", CLI_FLAG, &simulate, NULL, "what it would take on other queues and units"},
    {0}};

static const struct cli_usage usage = {
    .command = "plan",
    .synopsis = "FILE",
    .text =
        "Compiles the experiment and shows its training step: nodes, shapes, solvers, queues,\n"
        "where values lie in memory, and the lower bound of a step's time beside a measured one.",
    .example = "umbel plan shapes --svg > shapes.svg",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

/* The measured step that is shown: the fastest of so many, since whatever disturbs one only adds;
 * of fewer where that would take long. */
#define SHOWN_OF 5
#define LONG_NS UINT64_C(1000000000)

/* Queues and steps from the plan, parts from the graph. */
static enum umb_status read_nodes(struct plan_view *v)
{
    const size_t n = (size_t)v->graph->n_nodes + 1;
    int *part = umb__calloc(v->graph->ctx, n, sizeof *part);
    v->node = umb__calloc(v->graph->ctx, n, sizeof *v->node);
    enum umb_status st = part && v->node ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__trainer_parts(v->s->trainer, UMB_TRAINER_TRAIN, part); }
    for (int i = 0; st == UMB_OK && i < v->graph->n_nodes; i++) {
        v->node[i] = (struct plan_node){.queue = -1, .part = part[i]};
    }
    for (size_t i = 0; st == UMB_OK && i < umb__plan_n_steps(v->plan); i++) {
        const struct umb_plan_step_info step = umb__plan_step(v->plan, i);
        for (size_t m = 0; m < step.n_members; m++) {
            struct plan_node *node = &v->node[umb__plan_step_member(v->plan, i, m)];
            if (node->n_steps++ == 0) { node->queue = step.queue; }
        }
    }
    umb__free(part);
    return st;
}

static enum umb_status measure(struct plan_view *v, const struct cli *cli)
{
    int64_t images[UMB_TRAINER_SLOTS];
    enum umb_status st = hold_batches(v->s, cli, images);
    if (st == UMB_OK) { st = hold_bound(v->s, &v->bound_ms); }
    const uint64_t began = umb__clock_ns();
    for (int run = 0; st == UMB_OK && run < SHOWN_OF; run++) {
        if (v->timeline && umb__clock_ns() - began > LONG_NS) { break; }
        struct umb_timeline *timeline = NULL;
        st = umb__trainer_trace(v->s->trainer, 0, 0);
        if (st == UMB_OK) {
            st = umb__timeline_of_trainer(v->s->trainer, v->s->exp->name, v->bound_ms, &timeline);
        }
        if (st != UMB_OK) { break; }
        const bool better = !v->timeline || timeline->makespan_ms < v->timeline->makespan_ms;
        umb__timeline_destroy(better ? v->timeline : timeline);
        if (better) { v->timeline = timeline; }
    }
    return st;
}

static enum umb_status print(const struct plan_view *v)
{
    if (svg) { return plan_svg(v); }
    if (dot) {
        plan_dot(v);
    } else if (json) {
        plan_json(v);
    } else {
        plan_text(v);
    }
    return UMB_OK;
}

static int show(struct session *s, const struct cli *cli)
{
    if (simulate) {
        const enum umb_status played = plan_simulate(s, cli, json);
        return played == UMB_OK ? EXIT_DONE : cli_fail_work(cli, played);
    }
    struct plan_view v = {.s = s,
                          .graph = umb__trainer_graph(s->trainer, UMB_TRAINER_TRAIN),
                          .plan = umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN),
                          .fit = umb__trainer_fit(s->trainer, UMB_TRAINER_TRAIN)};
    enum umb_status st = read_nodes(&v);
    if (st == UMB_OK && !dot) { st = measure(&v, cli); }
    if (st == UMB_OK) { st = print(&v); }
    umb__timeline_destroy(v.timeline);
    umb__free(v.node);
    return st == UMB_OK ? EXIT_DONE : cli_fail_work(cli, st);
}

int cmd_plan(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    if (json + dot + svg > 1) {
        code =
            cli_wrong(&cli, "--json, --dot and --svg are three forms of one answer; expected one");
        cli_finish(&cli);
        return code;
    }
    if (simulate && (dot || svg)) {
        code =
            cli_wrong(&cli, "--simulate is answered as text or with --json; expected no picture");
        cli_finish(&cli);
        return code;
    }
    enum umb_status st = session_read(&s, &cli, cli.argument[0], &sets);
    if (st == UMB_OK) { st = umb__experiment_open(s.exp); }
    if (st == UMB_OK) { st = session_build(&s, &cli); }
    code = st == UMB_OK ? show(&s, &cli) : cli_fail_setup(&cli, st);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}

/* umbel plan: the compiled graph of an experiment's training step. */
#include "clblast.h"
#include "hold.h"
#include <jansson.h>
#include <string.h>

static bool json, dot;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of text"},
    {"--dot", CLI_FLAG, &dot, NULL, "the graph for Graphviz"},
    {0}};

static const struct cli_usage usage = {
    .command = "plan",
    .synopsis = "FILE",
    .text = "Compiles the experiment and shows its training step: nodes, shapes, solvers, queues,\n"
            "where values lie in memory, and the lower bound of a step's time.",
    .example = "umbel plan shapes --dot | dot -Tsvg > shapes.svg",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

/* Room for what is fused into a node. */
#define FUSED_TEXT 128

static const char *const phases[] = {"forward", "loss", "backward", "update"};
static const char *const kinds[] = {"input", "param", "state", "temp", "constant"};

struct view {
    const struct session *s;
    const struct umb_graph *graph;
    const struct umb_plan *plan;
    struct umb_fit fit;
    double bound_ms;
};

/* The queue of a node's first step; −1: it has none. */
static int queue_of(const struct view *v, int node, size_t *ret_steps)
{
    int queue = -1;
    *ret_steps = 0;
    for (size_t i = 0; i < umb__plan_n_steps(v->plan); i++) {
        const struct umb_plan_step_info step = umb__plan_step(v->plan, i);
        for (size_t m = 0; m < step.n_members; m++) {
            const char *name = umb__plan_step_node(v->plan, i, m);
            if (strcmp(name, v->graph->node[node].name) != 0) { continue; }
            if (queue < 0) { queue = step.queue; }
            ++*ret_steps;
        }
    }
    return queue;
}

static const char *const sources[] = {[UMB_CHOICE_GIVEN] = "checkpoint",
                                      [UMB_CHOICE_MEASURED] = "measured",
                                      [UMB_CHOICE_BUILT_IN] = "built in",
                                      [UMB_CHOICE_RANK] = "rank"};

static const char *shape_of(const struct view *v, int value, char *buffer)
{
    return umb__shape_text(&v->graph->value[value].type.shape, buffer, UMB_SHAPE_TEXT);
}

/* JSON. */

static json_t *shape_json(const struct umb_shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++) {
        json_array_append_new(list, json_integer(shape->dim[i]));
    }
    return list;
}

static json_t *names_json(const struct view *v, const int *values, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, json_string(v->graph->value[values[i]].name));
    }
    return list;
}

/* What umbel tune measured of a node's problem: ms by solver, null for those that lost. */
static json_t *times_json(const struct umb_tuned *tuned)
{
    json_t *times = json_object();
    for (size_t i = 0; tuned && i < tuned->n; i++) {
        const struct umb_tuned_solver *s = &tuned->solver[i];
        json_object_set_new(times, s->name, s->ns ? json_real((double)s->ns * 1e-6) : json_null());
    }
    return times;
}

/* " +relu +pool=max +update". */
static const char *fused_of(const struct view *v, int node, char buffer[FUSED_TEXT])
{
    umb__fused_text(&v->graph->node[node], buffer, FUSED_TEXT);
    if (umb__plan_is_joined(v->plan, node + 1)) {
        const size_t used = strlen(buffer);
        snprintf(buffer + used, FUSED_TEXT - used, " +update");
    }
    return buffer;
}

/* What no step computes is a view, or part of the node before it. */
static const char *solver_of(const struct view *v, int node)
{
    const char *solver = umb__plan_solver(v->plan, node);
    return *solver ? solver : umb__plan_is_joined(v->plan, node) ? "joined" : "view";
}

static json_t *node_json(const struct view *v, int index)
{
    const struct umb_node *n = &v->graph->node[index];
    size_t steps = 0;
    int queue = queue_of(v, index, &steps);
    json_t *shape = n->n_out ? shape_json(&v->graph->value[n->out[0]].type.shape) : json_null();
    const struct umb_choice choice = umb__plan_choice(v->plan, index);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:i, s:I, s:s, s:o}", "name", n->name,
                     "op", n->op->name, "phase", phases[n->phase], "in",
                     names_json(v, n->in, n->n_in), "out", names_json(v, n->out, n->n_out), "shape",
                     shape, "solver", umb__plan_solver(v->plan, index), "queue", queue, "steps",
                     (json_int_t)steps, "chosen_by",
                     choice.solver ? sources[choice.source] : solver_of(v, index), "ms",
                     times_json(choice.tuned));
}

static json_t *value_json(const struct view *v, int index)
{
    const struct umb_value *value = &v->graph->value[index];
    struct umb_plan_place place = umb__plan_place(v->plan, index);
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:b}", "name", value->name, "kind",
                     kinds[value->kind], "shape", shape_json(&value->type.shape), "offset",
                     (json_int_t)place.offset, "bytes", (json_int_t)place.bytes, "scratch",
                     (int)place.scratch);
}

/* The launches that do several's work, each with the nodes whose. */
static json_t *merged_json(const struct view *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < umb__plan_n_steps(v->plan); i++) {
        const struct umb_plan_step_info step = umb__plan_step(v->plan, i);
        if (step.n_members == 1) { continue; }
        json_t *nodes = json_array();
        for (size_t m = 0; m < step.n_members; m++) {
            json_array_append_new(nodes, json_string(umb__plan_step_node(v->plan, i, m)));
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "kernel", step.kernel, "nodes", nodes));
    }
    return list;
}

static void print_json(const struct view *v)
{
    json_t *nodes = json_array(), *values = json_array();
    char fused[FUSED_TEXT];
    for (int i = 0; i < v->graph->n_nodes; i++) {
        json_t *node = node_json(v, i);
        const char *text = fused_of(v, i, fused);
        json_object_set_new(node, "fused", json_string(text + (*text ? 1 : 0)));
        json_array_append_new(nodes, node);
    }
    for (int i = 0; i < v->graph->n_values; i++) {
        if (umb__plan_place(v->plan, i).bytes) { json_array_append_new(values, value_json(v, i)); }
    }
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:f, s:o, s:o}", "experiment",
                  v->s->exp->name, "device", umb_device_get_caps(v->s->device)->name, "parameters",
                  (json_int_t)umb_trainer_n_parameters(v->s->trainer), "queues",
                  umb__plan_n_queues(v->plan), "steps", (json_int_t)umb__plan_n_steps(v->plan),
                  "scratch_bytes", (json_int_t)umb__plan_scratch_bytes(v->plan), "unshared_bytes",
                  (json_int_t)umb__plan_unshared_bytes(v->plan), "bound_ms", v->bound_ms, "nodes",
                  nodes, "memory", values);
    json_object_set_new(all, "merged", merged_json(v));
    json_object_set_new(all, "fit",
                        json_pack("{s:I, s:I, s:i, s:i, s:i}", "limit", (json_int_t)v->fit.limit,
                                  "bytes", (json_int_t)v->fit.needs.total, "queues_asked",
                                  v->fit.queues_asked, "queues", v->fit.queues, "computed_again",
                                  v->fit.n_again));
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* Graphviz. */

static void print_dot(const struct view *v)
{
    static const char *const colours[] = {"#5b9bd5", "#c94f7c", "#e0a23c", "#6aa84f"};
    char shape[UMB_SHAPE_TEXT], fused[FUSED_TEXT];
    printf("digraph \"%s\" {\n  node [shape=box, style=\"rounded,filled\", fontname=sans, "
           "fontcolor=white, color=none];\n",
           v->s->exp->name);
    for (int i = 0; i < v->graph->n_nodes; i++) {
        const struct umb_node *n = &v->graph->node[i];
        printf("  n%d [label=\"%s\\n%s%s\\n%s\\n%s\", fillcolor=\"%s\"];\n", i, n->name,
               n->op->name, fused_of(v, i, fused), umb__plan_solver(v->plan, i),
               n->n_out ? shape_of(v, n->out[0], shape) : "", colours[n->phase]);
        for (int k = 0; k < n->n_in; k++) {
            int producer = v->graph->value[n->in[k]].producer;
            if (producer >= 0) { printf("  n%d -> n%d;\n", producer, i); }
        }
    }
    printf("}\n");
}

/* Text. */

/* "rank", or "0.174 ms; clblast 8.8×, naive wrong" where it was measured. */
static void add_reason(const struct view *v, struct cli_table *t, int node)
{
    const struct umb_choice c = umb__plan_choice(v->plan, node);
    const uint64_t ns = c.solver ? umb__tuned_ns(c.tuned, c.solver->name) : 0;
    char text[200];
    size_t used = 0;
    if (!c.solver || !ns) {
        cli_table_add(t, "%s", c.solver ? sources[c.source] : "");
        return;
    }
    used += (size_t)snprintf(text, sizeof text, "%.3f ms", (double)ns * 1e-6);
    for (size_t i = 0, n = 0; i < c.tuned->n && used + 64 < sizeof text; i++) {
        const struct umb_tuned_solver *s = &c.tuned->solver[i];
        if (strcmp(s->name, c.solver->name) == 0) { continue; }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.30s ", n++ ? ", " : "; ",
                                 s->name);
        used += (size_t)(s->ns ? snprintf(text + used, sizeof text - used, "%.1f×",
                                          (double)s->ns / (double)ns)
                               : snprintf(text + used, sizeof text - used, "%s",
                                          s->verdict == UMB_VERDICT_WRONG ? "wrong" : "failed"));
    }
    cli_table_add(t, "%s", text);
}

static void print_nodes(const struct view *v)
{
    struct cli_table t = {.n_columns = 8};
    char shape[UMB_SHAPE_TEXT], fused[FUSED_TEXT];
    static const char *const heading[] = {"node",   "op",    "phase", "shape",
                                          "solver", "queue", "steps", "chosen by"};
    for (size_t i = 0; i < t.n_columns; i++) {
        cli_table_add(&t, "%s", heading[i]);
    }
    for (int i = 0; i < v->graph->n_nodes; i++) {
        const struct umb_node *n = &v->graph->node[i];
        size_t steps = 0;
        int queue = queue_of(v, i, &steps);
        cli_table_add(&t, "%s", n->name);
        cli_table_add(&t, "%s%s", n->op->name, fused_of(v, i, fused));
        cli_table_add(&t, "%s", phases[n->phase]);
        cli_table_add(&t, "%s", n->n_out ? shape_of(v, n->out[0], shape) : "in place");
        cli_table_add(&t, "%s", solver_of(v, i));
        cli_table_add(&t, queue < 0 ? "–" : "%d", queue);
        cli_table_add(&t, "%zu", steps);
        add_reason(v, &t, i);
    }
    cli_table_print(&t, stdout);
}

/* Where CLBlast computes something. */
static void print_clblast(const struct view *v)
{
    for (int i = 0; i < v->graph->n_nodes; i++) {
        if (strcmp(umb__plan_solver(v->plan, i), UMB_CLBLAST_SOLVER) != 0) { continue; }
        printf("\nCLBlast's parameters: %s\n", umb__clblast_used(v->s->device));
        return;
    }
}

/* "gemm_packed  digit.dense1, garment.dense1". */
static void print_merged(const struct view *v)
{
    struct cli_table t = {.n_columns = 3};
    size_t n = 0, saved = 0;
    for (size_t i = 0; i < umb__plan_n_steps(v->plan); i++) {
        const struct umb_plan_step_info step = umb__plan_step(v->plan, i);
        if (step.n_members == 1) { continue; }
        char nodes[160];
        size_t used = 0;
        for (size_t m = 0; m < step.n_members && m < 3; m++) {
            used += (size_t)snprintf(nodes + used, sizeof nodes - used, m ? ", %.40s" : "%.40s",
                                     umb__plan_step_node(v->plan, i, m));
        }
        if (n++ == 0) {
            cli_table_add(&t, "merged launch");
            cli_table_add(&t, "of");
            cli_table_add(&t, "nodes");
        }
        cli_table_add(&t, "%s", step.kernel);
        cli_table_add(&t, "%zu", step.n_members);
        cli_table_add(&t, step.n_members > 3 ? "%s …" : "%s", nodes);
        saved += step.n_members - 1;
    }
    if (n == 0) { return; }
    printf("\n");
    cli_table_print(&t, stdout);
    printf("%zu launches fewer than one by one\n", saved);
}

static void print_memory(const struct view *v)
{
    struct cli_table t = {.n_columns = 5};
    char shape[UMB_SHAPE_TEXT], bytes[CLI_NUMBER];
    static const char *const heading[] = {"value", "kind", "shape", "offset", "size"};
    for (size_t i = 0; i < t.n_columns; i++) {
        cli_table_add(&t, "%s", heading[i]);
    }
    for (int i = 0; i < v->graph->n_values; i++) {
        struct umb_plan_place place = umb__plan_place(v->plan, i);
        if (!place.scratch || !place.bytes) { continue; }
        cli_table_add(&t, "%s", v->graph->value[i].name);
        cli_table_add(&t, "%s", kinds[v->graph->value[i].kind]);
        cli_table_add(&t, "%s", shape_of(v, i, shape));
        cli_table_add(&t, "%zu", place.offset);
        cli_table_add(&t, "%s", cli_bytes((double)place.bytes, bytes));
    }
    cli_table_print(&t, stdout);
}

/* "memory limit 512 MiB: 2 of 4 queues, 7 activations computed again". */
static void print_limit(const struct umb_fit *fit)
{
    char limit[UMB_BYTES_TEXT], needs[UMB_BYTES_TEXT], text[UMB_FIT_TEXT];
    printf("device memory: %s with parameters and states\n",
           umb__bytes_text(fit->needs.total, needs));
    if (!fit->limit && !umb__fit_gave_up(fit)) { return; }
    printf("memory limit%s%s: %s\n", fit->limit ? " " : "",
           fit->limit ? umb__bytes_text(fit->limit, limit) : " of the device",
           umb__fit_text(fit, text));
}

static void print_text(const struct view *v)
{
    char scratch[CLI_NUMBER], unshared[CLI_NUMBER], parameters[CLI_NUMBER];
    printf("%s on %s: %s parameters, %d nodes in %zu steps on %d queue%s\n\n", v->s->exp->name,
           umb_device_get_caps(v->s->device)->name,
           cli_count((double)umb_trainer_n_parameters(v->s->trainer), parameters),
           v->graph->n_nodes, umb__plan_n_steps(v->plan), umb__plan_n_queues(v->plan),
           umb__plan_n_queues(v->plan) == 1 ? "" : "s");
    print_nodes(v);
    print_merged(v);
    print_clblast(v);
    printf("\nscratch memory: %s; without sharing %s\n",
           cli_bytes((double)umb__plan_scratch_bytes(v->plan), scratch),
           cli_bytes((double)umb__plan_unshared_bytes(v->plan), unshared));
    print_limit(&v->fit);
    printf("\n");
    print_memory(v);
    printf("\nlower bound of a step: %.3f ms\n", v->bound_ms);
}

static int show(struct session *s, const struct cli *cli)
{
    struct view v = {.s = s,
                     .graph = umb__trainer_graph(s->trainer, UMB_TRAINER_TRAIN),
                     .plan = umb__trainer_plan(s->trainer, UMB_TRAINER_TRAIN),
                     .fit = umb__trainer_fit(s->trainer, UMB_TRAINER_TRAIN)};
    int64_t images[UMB_TRAINER_SLOTS];
    enum umb_status st = dot ? UMB_OK : hold_batches(s, cli, images);
    if (st == UMB_OK && !dot) { st = hold_bound(s, &v.bound_ms); }
    if (st != UMB_OK) { return cli_fail_work(cli, st); }
    if (dot) {
        print_dot(&v);
    } else if (json) {
        print_json(&v);
    } else {
        print_text(&v);
    }
    return EXIT_DONE;
}

int cmd_plan(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    enum umb_status st = session_read(&s, &cli, cli.argument[0], &sets);
    if (st == UMB_OK) { st = umb__experiment_open(s.exp); }
    if (st == UMB_OK) { st = session_build(&s, &cli); }
    code = st == UMB_OK ? show(&s, &cli) : cli_fail_setup(&cli, st);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}

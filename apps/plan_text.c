/* plan_text.c: umbel plan as tables. */
#include "clblast.h"
#include "plan_view.h"
#include <string.h>

/* "rank", or "0.174 ms; clblast 8.8×, naive wrong" where it was measured. */
static void add_reason(const struct plan_view *v, struct cli_table *t, int node)
{
    const struct umb_choice c = umb__plan_choice(v->plan, node);
    const uint64_t ns = c.solver ? umb__tuned_ns(c.tuned, c.solver->name) : 0;
    char text[200];
    size_t used = 0;
    if (!c.solver || !ns) {
        cli_table_add(t, "%s", c.solver ? plan_sources[c.source] : "");
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

static void print_nodes(const struct plan_view *v)
{
    struct cli_table t = {.n_columns = 9};
    char shape[UMB_SHAPE_TEXT], fused[PLAN_FUSED];
    static const char *const heading[] = {"node",   "op",    "part",  "phase",    "shape",
                                          "solver", "queue", "steps", "chosen by"};
    for (size_t i = 0; i < t.n_columns; i++) {
        cli_table_add(&t, "%s", heading[i]);
    }
    for (int i = 0; i < v->graph->n_nodes; i++) {
        const struct umb_node *n = &v->graph->node[i];
        const struct plan_node *at = &v->node[i];
        cli_table_add(&t, "%s", n->name);
        cli_table_add(&t, "%s%s", n->op->name, plan_fused(v, i, fused));
        cli_table_add(&t, "%s", plan_part(v, i));
        cli_table_add(&t, "%s", plan_phases[n->phase]);
        cli_table_add(&t, "%s", plan_shape(v, i, shape));
        cli_table_add(&t, "%s", plan_solver(v, i));
        cli_table_add(&t, at->queue < 0 ? "–" : "%d", at->queue);
        cli_table_add(&t, "%zu", at->n_steps);
        add_reason(v, &t, i);
    }
    cli_table_print(&t, stdout);
}

/* Where CLBlast computes something. */
static void print_clblast(const struct plan_view *v)
{
    for (int i = 0; i < v->graph->n_nodes; i++) {
        if (strcmp(umb__plan_solver(v->plan, i), UMB_CLBLAST_SOLVER) != 0) { continue; }
        printf("\nCLBlast's parameters: %s\n", umb__clblast_used(v->s->device));
        return;
    }
}

/* "gemm_packed  digit.dense1, garment.dense1". */
static void print_merged(const struct plan_view *v)
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

static void print_memory(const struct plan_view *v)
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
        cli_table_add(&t, "%s", plan_kinds[v->graph->value[i].kind]);
        const struct umb_shape *s = &v->graph->value[i].type.shape;
        cli_table_add(&t, "%s", umb__shape_text(s, shape, sizeof shape));
        cli_table_add(&t, "%zu", place.offset);
        cli_table_add(&t, "%s", cli_bytes((double)place.bytes, bytes));
    }
    cli_table_print(&t, stdout);
}

/* "memory limit 512 MiB: 2 of 4 queues, 7 activations computed again". */
static void print_limit(const struct umb_plan *plan, const struct umb_fit *fit)
{
    char limit[UMB_BYTES_TEXT], needs[UMB_BYTES_TEXT], text[UMB_FIT_TEXT];
    printf("device memory: %s with parameters and states",
           umb__bytes_text(fit->needs.total, needs));
    if (umb__plan_n_devices(plan) > 1) { printf(", on device %d, the fullest", fit->device); }
    printf("\n");
    if (!fit->limit && !umb__fit_gave_up(fit)) { return; }
    printf("memory limit%s%s: %s\n", fit->limit ? " " : "",
           fit->limit ? umb__bytes_text(fit->limit, limit) : " of the device",
           umb__fit_text(fit, text));
}

void plan_text(const struct plan_view *v)
{
    char scratch[CLI_NUMBER], unshared[CLI_NUMBER], parameters[CLI_NUMBER];
    printf("%s on %s: %s parameters, %d nodes in %zu steps on %d queue%s\n\n", v->s->exp->name,
           v->s->device_name,
           cli_count((double)umb_trainer_n_parameters(v->s->trainer), parameters),
           v->graph->n_nodes, umb__plan_n_steps(v->plan), umb__plan_n_queues(v->plan),
           umb__plan_n_queues(v->plan) == 1 ? "" : "s");
    print_nodes(v);
    print_merged(v);
    print_clblast(v);
    printf("\nscratch memory: %s; without sharing %s\n",
           cli_bytes((double)umb__plan_scratch_bytes(v->plan), scratch),
           cli_bytes((double)umb__plan_unshared_bytes(v->plan), unshared));
    print_limit(v->plan, &v->fit);
    printf("\n");
    print_memory(v);
    printf("\nlower bound of a step: %.3f ms; a measured one took %.3f ms (%.0f %%)\n", v->bound_ms,
           v->timeline->makespan_ms, 100 * v->bound_ms / v->timeline->makespan_ms);
}

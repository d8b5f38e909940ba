/*
 * plan_dot.c: umbel plan for Graphviz: a cluster for the trunk and for every head, a box a node
 * with its solver and queue, coloured by phase. Dashed: a launch waits for one of another queue.
 */
#include "plan_view.h"

#include <string.h>

static const char *const colours[] = {"#5b9bd5", "#c94f7c", "#b5761c", "#4d8a3c"};

/* Within double quotes; a backslash would begin an escape of Graphviz's. */
static void print_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') { putchar('\\'); }
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
}

static void print_node(const struct plan_view *v, int index)
{
    const struct umb_node *n = &v->graph->node[index];
    char shape[UMB_SHAPE_TEXT], fused[PLAN_FUSED];
    printf("    n%d [label=\"", index);
    print_quoted(n->name);
    printf("\\n%s%s\\n%s", n->op->name, plan_fused(v, index, fused), plan_solver(v, index));
    if (v->node[index].queue >= 0) { printf(", queue %d", v->node[index].queue); }
    printf("\\n%s\", fillcolor=\"%s\"];\n", plan_shape(v, index, shape), colours[n->phase]);
}

static void print_cluster(const struct plan_view *v, int part)
{
    printf("  subgraph cluster_%d {\n    label=\"", part + 1);
    print_quoted(part == UMB_PART_TRUNK ? "trunk" : v->s->exp->task[part].name);
    printf("\";\n");
    for (int i = 0; i < v->graph->n_nodes; i++) {
        if (v->node[i].part == part) { print_node(v, i); }
    }
    printf("  }\n");
}

static void print_edges(const struct plan_view *v)
{
    for (int i = 0; i < v->graph->n_nodes; i++) {
        const struct umb_node *n = &v->graph->node[i];
        for (int k = 0; k < n->n_in; k++) {
            const int producer = v->graph->value[n->in[k]].producer;
            if (producer >= 0) { printf("  n%d -> n%d;\n", producer, i); }
        }
    }
}

/* Between the first nodes of two launches; they say nothing of where a node should stand. */
static void print_waits(const struct plan_view *v)
{
    for (size_t i = 0; i < umb__plan_n_steps(v->plan); i++) {
        const int n_waits = umb__plan_step(v->plan, i).n_waits;
        for (int w = 0; w < n_waits; w++) {
            printf("  n%d -> n%d [style=dashed, color=\"#c2185b\", constraint=false];\n",
                   umb__plan_step_member(v->plan, umb__plan_step_wait(v->plan, i, w), 0),
                   umb__plan_step_member(v->plan, i, 0));
        }
    }
}

void plan_dot(const struct plan_view *v)
{
    printf("digraph \"");
    print_quoted(v->s->exp->name);
    printf("\" {\n"
           "  graph [fontname=sans, style=rounded, color=\"#9aa093\"];\n"
           "  node [shape=box, style=\"rounded,filled\", fontname=sans, fontcolor=white, "
           "color=none];\n"
           "  edge [color=\"#6c7166\"];\n");
    for (int part = UMB_PART_TRUNK; part < (int)v->s->exp->n_tasks; part++) {
        print_cluster(v, part);
    }
    print_edges(v);
    print_waits(v);
    printf("}\n");
}

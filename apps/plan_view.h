/*
 * plan_view.h: what `umbel plan` shows, for its forms of output: a file each, plan_FORM.c, with one
 * function that prints to standard output.
 */
#ifndef UMBEL_PLAN_VIEW_H
#define UMBEL_PLAN_VIEW_H

#include "hold.h"
#include "timeline.h"

/* Where a node's work is done. */
struct plan_node {
    int queue; /* of its first step; −1: none */
    int part;  /* a task, or UMB_PART_TRUNK */
    size_t n_steps;
};

struct plan_view {
    const struct session *s;
    const struct umb_graph *graph;
    const struct umb_plan *plan;
    struct plan_node *node; /* [nodes] */
    struct umb_fit fit;
    double bound_ms;
    struct umb_timeline *timeline; /* of a measured step; NULL: none was run */
};

/* Room for what is fused into a node. */
#define PLAN_FUSED 128

extern const char *const plan_phases[], *const plan_kinds[], *const plan_sources[];

/* " +relu +pool=max +update", into buffer. */
const char *plan_fused(const struct plan_view *v, int node, char buffer[PLAN_FUSED]);
/* What no step computes is a view, or joined: part of the node before it. */
const char *plan_solver(const struct plan_view *v, int node);
/* The shape of a node's first output, into buffer[UMB_SHAPE_TEXT]; "in place": it has none. */
const char *plan_shape(const struct plan_view *v, int node, char *buffer);
/* "trunk" or the task's name. */
const char *plan_part(const struct plan_view *v, int node);

/* The forms; plan_svg fails where memory does. */
void plan_text(const struct plan_view *v);
void plan_json(const struct plan_view *v);
void plan_dot(const struct plan_view *v);
UMB_MUST_USE enum umb_status plan_svg(const struct plan_view *v);

/* plan_umbel.c: the network, a stem and its heads, as pieces of SVG; returns the height. */
struct umb_text;
double plan_draw_umbel(struct umb_text *out, const struct plan_view *v, double width);

#endif

/*
 * plan_umbel.c: the network's forward half as the flower it is named after.
 *
 *     digit   garment        names
 *       ●        ●
 *      loss     loss         a column a head, first layers lowest
 *     dense    dense
 *        ╲      ╱
 *        flatten             the trunk, a row a node, its input lowest
 *         conv
 *
 * Only nodes that are computed are drawn; an edge goes through views to what they view.
 */
#include "plan_view.h"
#include "timeline_draw.h"

#include <math.h>
#include <string.h>

#define ROW_H 23.0
#define BOX_H 19.0
#define STEM_W 490.0
#define MOST_COLUMN 170.0
#define FAN_H 64.0
#define BRANCH 44.0 /* how far a branch keeps from the stem; arcs lie inside */
#define FLOWER 5.0
#define NAME_H 22.0
#define SLANTED_H 96.0 /* of names that are wider than their columns */
#define FONT 11.0
#define NAME_FONT 12.0
#define NARROW 90.0  /* columns whose heads' names are rather slanted than cut off */
#define MOST_NAME 14 /* characters of a slanted name */

struct umbel {
    struct umb_text *out;
    const struct plan_view *v;
    int n_heads, n_trunk, n_rows; /* rows of the trunk, and of the tallest head */
    int row[UMB_MAX_TASKS];       /* that a head has so far */
    double width, column, names_h;
};

/* Where a node's box is; w 0: it has none. */
struct place {
    double x, y, w; /* middle, top */
    int part, row;
};

static bool is_drawn(const struct plan_view *v, int node)
{
    const enum umb_phase phase = v->graph->node[node].phase;
    return v->node[node].n_steps > 0 && (phase == UMB_PHASE_FORWARD || phase == UMB_PHASE_LOSS);
}

static double heads_top(const struct umbel *u)
{
    return u->names_h + 4 * FLOWER;
}

static double trunk_top(const struct umbel *u)
{
    return heads_top(u) + u->n_rows * ROW_H + FAN_H;
}

static double column_x(const struct umbel *u, int head)
{
    return u->width / 2 + (head - (u->n_heads - 1) / 2.0) * u->column;
}

/* Counts rows; the widths follow from the number of heads. */
static void measure(struct umbel *u)
{
    size_t longest = 0;
    for (int i = 0; i < u->v->graph->n_nodes; i++) {
        if (!is_drawn(u->v, i)) { continue; }
        const int part = u->v->node[i].part;
        const int row = part == UMB_PART_TRUNK ? u->n_trunk++ : ++u->row[part];
        if (part != UMB_PART_TRUNK && row > u->n_rows) { u->n_rows = row; }
    }
    for (int h = 0; h < u->n_heads; h++) {
        const size_t n = umb__html_length(u->v->timeline->head[h]);
        longest = n > longest ? n : longest;
        u->row[h] = 0;
    }
    u->column = fmin(MOST_COLUMN, (u->width - 40) / fmax(1, u->n_heads));
    const bool fits = u->column > NARROW || umb__svg_text_width(longest, NAME_FONT) < u->column - 4;
    u->names_h = fits ? NAME_H : SLANTED_H;
}

static void find_places(struct umbel *u, struct place *place)
{
    int trunk = 0;
    for (int i = 0; i < u->v->graph->n_nodes; i++) {
        const int part = u->v->node[i].part;
        place[i] = (struct place){.part = part};
        if (!is_drawn(u->v, i)) { continue; }
        if (part == UMB_PART_TRUNK) {
            place[i].row = trunk++;
            place[i].x = u->width / 2;
            place[i].y = trunk_top(u) + (u->n_trunk - trunk) * ROW_H;
            place[i].w = STEM_W;
        } else {
            place[i].row = u->row[part]++;
            place[i].x = column_x(u, part);
            place[i].y = heads_top(u) + (u->n_rows - u->row[part]) * ROW_H;
            place[i].w = fmax(3, u->column - fmin(8, u->column / 5));
        }
    }
}

/* Edges. */

/* Within a part past other boxes: an arc on their right. */
static void draw_arc(const struct umbel *u, const struct place *from, const struct place *to)
{
    const double side = from->x + from->w / 2, y0 = from->y + BOX_H / 2, y1 = to->y + BOX_H / 2;
    double out = 14 + 4 * fmin(6, to->row - from->row);
    if (from->part != UMB_PART_TRUNK) { out = fmin(out, u->column - from->w); }
    umb__text_printf(u->out, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", side, y0, side + out, y0,
                     side + out, y1, side, y1);
}

/* From the middle of the trunk: out of its side, and up past what lies above. */
static void draw_branch(const struct umbel *u, const struct place *from, const struct place *to)
{
    const double side = to->x < from->x ? -1 : 1, x0 = from->x + side * from->w / 2;
    const double x1 = x0 + side * BRANCH, y0 = from->y + BOX_H / 2, y1 = to->y + BOX_H;
    const double top = trunk_top(u), middle = (top + y1) / 2;
    umb__text_printf(
        u->out, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fV%.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x0,
        y0, x1, y0, x1, y0, x1, y0 - BRANCH, top, x1, middle, to->x, middle, to->x, y1);
}

/* It goes up. */
static void draw_edge(const struct umbel *u, const struct place *from, const struct place *to)
{
    char colour[UMB_COLOUR_TEXT];
    const double y0 = from->y, y1 = to->y + BOX_H, middle = (y0 + y1) / 2;
    umb__part_colour(to->part, u->n_heads, UMB_PHASE_FORWARD, colour);
    umb__text_printf(u->out,
                     "<path class=\"edge\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" d=\"",
                     colour);
    if (from->part == to->part && to->row == from->row + 1) {
        umb__text_printf(u->out, "M%.1f %.1fV%.1f", from->x, y0, y1);
    } else if (from->part == to->part) {
        draw_arc(u, from, to);
    } else if (from->part == UMB_PART_TRUNK && from->row + 1 < u->n_trunk) {
        draw_branch(u, from, to);
    } else {
        umb__text_printf(u->out, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", from->x, y0, from->x,
                         middle, to->x, middle, to->x, y1);
    }
    umb__text_add(u->out, "\"/>\n");
}

/* From all boxes that the node reads, through what has none. */
static void draw_edges_to(const struct umbel *u, const struct place *place, int node,
                          const struct place *to)
{
    const struct umb_node *n = &u->v->graph->node[node];
    for (int k = 0; k < n->n_in; k++) {
        const int from = u->v->graph->value[n->in[k]].producer;
        if (from < 0) { continue; }
        if (place[from].w > 0) {
            draw_edge(u, &place[from], to);
        } else {
            draw_edges_to(u, place, from, to);
        }
    }
}

/* Boxes. */

static void tell_node(const struct umbel *u, int node)
{
    const struct umb_node *n = &u->v->graph->node[node];
    char shape[UMB_SHAPE_TEXT], fused[PLAN_FUSED];
    umb__text_add(u->out, "<title>");
    umb__html(u->out, n->name);
    umb__text_printf(u->out, "\n%s%s, %s\nsolver ", n->op->name, plan_fused(u->v, node, fused),
                     plan_shape(u->v, node, shape));
    umb__html(u->out, plan_solver(u->v, node));
    umb__text_printf(u->out, ", queue %d</title>", u->v->node[node].queue);
}

/* A trunk's row has room for everything, a head's for its layer's name. */
static void label_node(const struct umbel *u, int node, const struct place *at)
{
    const struct umb_node *n = &u->v->graph->node[node];
    const double fits = (at->w - 10) / umb__svg_text_width(1, FONT);
    const char *name = n->name;
    char shape[UMB_SHAPE_TEXT], fused[PLAN_FUSED];
    if (fits < 4) { return; }
    if (at->part != UMB_PART_TRUNK) {
        const size_t head = strlen(plan_part(u->v, node));
        if (strncmp(name, plan_part(u->v, node), head) == 0 && name[head] == '.') {
            name += head + 1;
        }
    }
    struct umb_text label = {0};
    const char *shape_text = plan_shape(u->v, node, shape);
    umb__text_add(&label, name);
    if (at->part == UMB_PART_TRUNK) {
        umb__text_printf(&label, ": %s%s · %s · %s", n->op->name, plan_fused(u->v, node, fused),
                         shape_text, plan_solver(u->v, node));
    } else if (n->n_out > 0 && (double)(umb__html_length(name) + strlen(shape_text) + 1) < fits) {
        umb__text_printf(&label, " %s", shape_text);
    }
    umb__text_printf(u->out,
                     "<text class=\"s-name%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                     n->phase == UMB_PHASE_LOSS ? " s-light" : "", at->x, at->y + 13.5);
    umb__html_short(u->out, umb__text_string(&label), (size_t)fits);
    umb__text_add(u->out, "</text>");
    u->out->failed = u->out->failed || label.failed;
    umb__text_finish(&label);
}

static void draw_node(const struct umbel *u, int node, const struct place *at)
{
    umb__text_add(u->out, "<g class=\"node\">");
    tell_node(u, node);
    umb__draw_part(u->out, at->x - at->w / 2, at->y, at->w, BOX_H, at->part, u->n_heads,
                   u->v->graph->node[node].phase);
    label_node(u, node, at);
    umb__text_add(u->out, "</g>\n");
}

static void draw_flower(const struct umbel *u, int head)
{
    char colour[UMB_COLOUR_TEXT];
    const char *name = u->v->timeline->head[head];
    const bool slanted = u->names_h > NAME_H;
    const double x = column_x(u, head);
    const double y = heads_top(u) + (u->n_rows - u->row[head]) * ROW_H - 2 * FLOWER;
    umb__text_printf(u->out, "<g class=\"head\"><title>");
    umb__html(u->out, name);
    umb__text_printf(u->out, "</title><circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>", x,
                     y, FLOWER, umb__part_colour(head, u->n_heads, UMB_PHASE_LOSS, colour));
    umb__text_printf(u->out, "<text class=\"s-key\" transform=\"translate(%.1f %.1f)%s\"%s>",
                     slanted ? x + 4 : x, y - FLOWER - 5, slanted ? " rotate(-60)" : "",
                     slanted ? "" : " text-anchor=\"middle\"");
    umb__html_short(u->out, name,
                    slanted ? MOST_NAME
                            : (size_t)((u->column - 14) / umb__svg_text_width(1, NAME_FONT)));
    umb__text_add(u->out, "</text></g>\n");
}

double plan_draw_umbel(struct umb_text *out, const struct plan_view *v, double width)
{
    struct umbel u = {.out = out, .v = v, .n_heads = (int)v->timeline->n_heads, .width = width};
    struct place *place = umb__calloc(v->graph->ctx, (size_t)v->graph->n_nodes + 1, sizeof *place);
    if (!place) {
        out->failed = true;
        return 0;
    }
    measure(&u);
    find_places(&u, place);
    for (int i = 0; i < v->graph->n_nodes; i++) {
        if (place[i].w > 0) { draw_edges_to(&u, place, i, &place[i]); }
    }
    for (int i = 0; i < v->graph->n_nodes; i++) {
        if (place[i].w > 0) { draw_node(&u, i, &place[i]); }
    }
    for (int h = 0; h < u.n_heads; h++) {
        draw_flower(&u, h);
    }
    umb__free(place);
    return trunk_top(&u) + u.n_trunk * ROW_H;
}

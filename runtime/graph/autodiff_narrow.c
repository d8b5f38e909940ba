/*
 * Differentiating some streams' rows of a node: where only those have a gradient, its op is shown
 * views of its values, and works on their rows alone. So the gradients of tasks with a stream each
 * cost together what the gradient of all costs.
 */
#include <stdio.h>
#include <string.h>

#include "autodiff_internal.h"

static int find_view(const struct autodiff *a, int value, struct segments of)
{
    for (int k = a->views[value]; k >= 0; k = a->view[k].next) {
        const struct narrowed *v = &a->view[k];
        if (v->of.first == of.first && v->of.count == of.count) { return v->value; }
    }
    return -1;
}

static enum umb_status note_view(struct autodiff *a, int value, struct segments of, int view)
{
    if (a->n_views == a->view_capacity) {
        const int grown = a->view_capacity ? 2 * a->view_capacity : 64;
        struct narrowed *p =
            umb__grow(a->g->ctx, a->view, (size_t)a->view_capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        a->view = p;
        a->view_capacity = grown;
    }
    a->view[a->n_views] = (struct narrowed){view, of, a->views[value]};
    a->views[value] = a->n_views++;
    return UMB_OK;
}

/* A view of those segments of a forward value, made once. */
static enum umb_status view_of(struct autodiff *a, int value, struct segments of, int *ret_view)
{
    char text[64];
    *ret_view = find_view(a, value, of);
    if (*ret_view >= 0) { return UMB_OK; }
    snprintf(text, sizeof text, "first=%d count=%d", of.first, of.count);
    const enum umb_status st = umb__autodiff_helper(a, value, "rows", text, 1, &value, ret_view);
    return st == UMB_OK ? note_view(a, value, of, *ret_view) : st;
}

static bool same_segments(const struct umb_type *a, const struct umb_type *b)
{
    return a->n_segments == 0 || (a->n_segments == b->n_segments && a->segment == b->segment);
}

bool umb__autodiff_can_narrow(const struct autodiff *a, const struct umb_node *n)
{
    const struct umb_value *value = a->g->value;
    const struct umb_type *out = &value[n->out[0]].type;
    if (!(n->op->flags & UMB_OP_BY_ROWS)) { return false; }
    for (int k = 0; k < n->n_in; k++) {
        if (!same_segments(&value[n->in[k]].type, out)) { return false; }
    }
    for (int k = 1; k < n->n_out; k++) {
        if (!same_segments(&value[n->out[k]].type, out)) { return false; }
    }
    return true;
}

static enum umb_status view_all(struct autodiff *a, int n, const int *values, struct segments of,
                                const int **ret_views)
{
    int *views = umb__arena_calloc(a->g->arena, (size_t)n + 1, sizeof *views);
    enum umb_status st = views ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int k = 0; st == UMB_OK && k < n; k++) {
        views[k] = values[k];
        if (a->g->value[values[k]].type.n_segments == 0) { continue; }
        st = view_of(a, values[k], of, &views[k]);
    }
    *ret_views = views;
    return st;
}

enum umb_status umb__autodiff_narrow(struct autodiff *a, const struct umb_node *n)
{
    const enum umb_status st = view_all(a, n->n_in, n->in, a->narrow, &a->op.in);
    return st == UMB_OK ? view_all(a, n->n_out, n->out, a->narrow, &a->op.out) : st;
}

/* Of inputs that stand one after another in the output, those that hold some of the segments. */
enum umb_status umb__autodiff_split(struct autodiff *a, const struct umb_node *n, int dy)
{
    const struct segments of = a->narrow;
    int first = 0;
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < n->n_in; k++) {
        const int count = a->g->value[n->in[k]].type.n_segments;
        const int low = first > of.first ? first : of.first;
        const int end = first + count < of.first + of.count ? first + count : of.first + of.count;
        int dx = dy;
        if (low < end && a->wants[n->in[k]]) {
            char text[64];
            snprintf(text, sizeof text, "first=%d count=%d", low - of.first, end - low);
            st = umb__autodiff_helper(a, n->in[k], "rows", text, 1, &dy, &dx);
            const struct segments part = {low - first, end - low};
            if (st == UMB_OK) { umb__autodiff_contribute(a, a->row, n->in[k], dx, part); }
        }
        first += count;
    }
    return st;
}

/*
 * autodiff_internal.h: contributions to gradients while a graph is differentiated.
 *
 * Every value collects what is handed in for it, by row: of the seed that it comes from, where rows
 * are told apart, else all in row 0. A contribution is for the whole value or for some of its
 * streams' segments.
 */
#ifndef UMB_AUTODIFF_INTERNAL_H
#define UMB_AUTODIFF_INTERNAL_H

#include "grad.h"
#include "graph.h"

struct contribution {
    int value;
    int first, count; /* segments; count 0: the whole value */
    int next;         /* −1: last */
};

/* Some consecutive segments of a value; count 0: all of it. */
struct segments {
    int first, count;
};

/* rows of a forward value, for nodes that differentiate some segments alone. */
struct narrowed {
    int value; /* the view */
    struct segments of;
    int next; /* −1: last */
};

struct autodiff {
    struct umb_grad op; /* what the op at work sees; first, so that one is the other */
    struct umb_graph *g;
    const struct umb_autodiff_desc *desc;
    int n0; /* values before differentiation */
    int n_rows;
    bool *wants;      /* [n0] */
    uint64_t *leads;  /* [n0] with rows: bits of the seeds that it leads to */
    int *head, *tail; /* [n_rows][n0] into list, −1 */
    struct contribution *list;
    int n_list, list_capacity;
    int *views; /* [n0] into view, −1 */
    struct narrowed *view;
    int n_views, view_capacity;
    int node, row;          /* the forward node at work, and whose gradient */
    struct segments narrow; /* what of its outputs has a gradient */
    enum umb_status status; /* first failure inside give */
    int n_made;             /* names of helper nodes stay unique */
};

static inline int umb__autodiff_at(const struct autodiff *a, int row, int value)
{
    return row * a->n0 + value;
}
static inline bool umb__autodiff_has(const struct autodiff *a, int row, int value)
{
    return a->head[umb__autodiff_at(a, row, value)] >= 0;
}

/* Failures are left in a->status. */
void umb__autodiff_contribute(struct autodiff *a, int row, int target, int value,
                              struct segments of);
/* The segments of target that the row has contributions for; count 0: whole ones are among them, or
 * all segments. */
struct segments umb__autodiff_range(const struct autodiff *a, int row, int target);
/* The row's gradient of those segments of target, which hold all contributions; −1: there are none.
 */
UMB_MUST_USE enum umb_status umb__autodiff_complete(struct autodiff *a, int row, int target,
                                                    struct segments of, int *ret_value);
/* Appends `op_name` over the values as a helper node of the gradient of `target`. */
UMB_MUST_USE enum umb_status umb__autodiff_helper(struct autodiff *a, int target,
                                                  const char *op_name, const char *attrs_text,
                                                  int n_in, const int *in, int *ret_value);
/* autodiff_narrow.c. Whether a node's op may be shown some segments of all its values. */
bool umb__autodiff_can_narrow(const struct autodiff *a, const struct umb_node *n);
/* Shows the op at work views of a->narrow. */
UMB_MUST_USE enum umb_status umb__autodiff_narrow(struct autodiff *a, const struct umb_node *n);
/* Hands dy, the gradient of a->narrow of a join's output, to its inputs. */
UMB_MUST_USE enum umb_status umb__autodiff_split(struct autodiff *a, const struct umb_node *n,
                                                 int dy);

#endif

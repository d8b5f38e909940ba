#include "grad.h"

const void *umb__grad_attrs(const struct umb_grad *g)
{
    return g->attrs;
}

int umb__grad_in(const struct umb_grad *g, int index)
{
    return index < g->n_in ? g->in[index] : -1;
}

int umb__grad_n_in(const struct umb_grad *g)
{
    return g->n_in;
}

int umb__grad_out(const struct umb_grad *g, int index)
{
    return index < g->n_out ? g->out[index] : -1;
}

int umb__grad_dout(const struct umb_grad *g, int index)
{
    return index < g->n_out ? g->dout[index] : -1;
}

bool umb__grad_wants(const struct umb_grad *g, int index)
{
    const int v = index < g->n_in ? g->source[index] : -1;
    return v >= 0 && v < g->n_values && g->wants[v];
}

const struct umb_type *umb__grad_type(const struct umb_grad *g, int value)
{
    return g->calls->type(g, value);
}

enum umb_status umb__grad_node(struct umb_grad *g, const char *op_name, const void *attrs, int n_in,
                               const int *in, int *ret_out)
{
    return g->calls->node(g, op_name, attrs, n_in, in, ret_out);
}

void umb__grad_give(struct umb_grad *g, int index, int dvalue)
{
    umb__grad_give_rows(g, index, 0, 0, dvalue);
}

void umb__grad_give_rows(struct umb_grad *g, int index, int first, int count, int dvalue)
{
    if (umb__grad_wants(g, index)) { g->calls->give(g, g->source[index], first, count, dvalue); }
}

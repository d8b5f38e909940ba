#include "readers.h"

static enum umb_status grow_heads(struct umb_readers *r)
{
    const int n = r->g->n_values, grown = n + n / 2 + 64;
    if (n <= r->n_values) { return UMB_OK; }
    int *head = umb__grow(r->g->ctx, r->head, (size_t)r->n_values, (size_t)grown, sizeof *head);
    if (!head) { return UMB_ERR_NO_MEMORY; }
    r->head = head;
    for (; r->n_values < grown; r->n_values++) {
        head[r->n_values] = -1;
    }
    return UMB_OK;
}

enum umb_status umb__readers_note_input(struct umb_readers *r, int node, int input)
{
    const enum umb_status st = grow_heads(r);
    if (st != UMB_OK) { return st; }
    if (r->n == r->capacity) {
        const int grown = r->capacity ? 2 * r->capacity : 256;
        struct umb_reading *p =
            umb__grow(r->g->ctx, r->reading, (size_t)r->capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        r->reading = p;
        r->capacity = grown;
    }
    int *head = &r->head[r->g->node[node].in[input]];
    r->reading[r->n] = (struct umb_reading){node, input, *head};
    *head = r->n++;
    return UMB_OK;
}

enum umb_status umb__readers_note(struct umb_readers *r, int node)
{
    enum umb_status st = UMB_OK;
    for (int k = 0; k < r->g->node[node].n_in && st == UMB_OK; k++) {
        st = umb__readers_note_input(r, node, k);
    }
    return st;
}

enum umb_status umb__readers_init(struct umb_readers *r, const struct umb_graph *g)
{
    *r = (struct umb_readers){.g = g};
    enum umb_status st = grow_heads(r); /* also where there is no node */
    for (int i = 0; i < g->n_nodes && st == UMB_OK; i++) {
        if (g->node[i].op) { st = umb__readers_note(r, i); }
    }
    return st;
}

void umb__readers_finish(struct umb_readers *r)
{
    umb__free(r->head);
    umb__free(r->reading);
    *r = (struct umb_readers){0};
}

/* From entry i on, the first that is still so. */
static int skip(const struct umb_readers *r, int v, int i)
{
    for (; i >= 0; i = r->reading[i].next) {
        const struct umb_node *n = &r->g->node[r->reading[i].node];
        if (n->op && r->reading[i].input < n->n_in && n->in[r->reading[i].input] == v) { break; }
    }
    return i;
}

int umb__readers_first(const struct umb_readers *r, int v)
{
    return v < r->n_values ? skip(r, v, r->head[v]) : -1;
}

int umb__readers_next(const struct umb_readers *r, int v, int i)
{
    return skip(r, v, r->reading[i].next);
}

int umb__readers_only(const struct umb_readers *r, int v)
{
    if (r->g->value[v].output) { return -1; }
    const int first = umb__readers_first(r, v);
    if (first < 0) { return -1; }
    const struct umb_reading *a = &r->reading[first];
    for (int i = umb__readers_next(r, v, first); i >= 0; i = umb__readers_next(r, v, i)) {
        const struct umb_reading *b = &r->reading[i];
        if (a->node != b->node || a->input != b->input) { return -1; }
    }
    return a->node;
}

/* Which inputs of a node its steps read. A backward op may take a forward value for its type alone,
 * and then need not keep it. */
#include "fit.h"
#include "plan_internal.h"

static void note_step(const struct umb_plan *p, const struct umb_step *s, const struct umb_node *n,
                      bool *reads)
{
    for (int k = 0; k < n->n_in; k++) {
        const int root = umb__extent(p->graph, &p->steps, n->in[k]).root;
        for (size_t a = 0; a < s->n_args && !reads[k]; a++) {
            reads[k] = umb__names_value(&s->args[a]) &&
                       umb__extent(p->graph, &p->steps, s->args[a].value).root == root;
        }
    }
}

/* Nodes without steps of their own, and those in one with others, read whatever they name. */
enum umb_status umb__plan_note_reads(const struct umb_plan *draft, struct umb_graph *g)
{
    struct umb_node *const node = g->node;
    for (size_t i = 0; i < draft->steps.n; i++) {
        const struct umb_step *s = &draft->steps.step[i];
        struct umb_node *n = &node[s->node];
        if (s->n_members || n->reads) { continue; }
        bool *reads = umb__arena_calloc(g->arena, (size_t)n->n_in + 1, sizeof *reads);
        if (!reads) { return UMB_ERR_NO_MEMORY; }
        for (size_t j = i; j < draft->steps.n; j++) {
            if (draft->steps.step[j].node == s->node) {
                note_step(draft, &draft->steps.step[j], n, reads);
            }
        }
        n->reads = reads;
    }
    for (size_t i = 0; i < draft->steps.n; i++) {
        const struct umb_step *s = &draft->steps.step[i];
        for (size_t m = 0; m < s->n_members; m++) {
            node[s->member[m].node].reads = NULL;
        }
    }
    return UMB_OK;
}

bool umb__node_reads(const struct umb_node *n, int input)
{
    return !n->reads || n->reads[input];
}

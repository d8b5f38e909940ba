/*
 * The proof that a plan's waits suffice: clocks are made anew from order, queues and waits, and
 * every dependency is looked up in them. What the schedule noted of its own clocks is not read.
 */
#include <string.h>

#include "plan_schedule.h"

/* How many steps of each queue are surely done before a step begins, and once it is done. */
struct clocks {
    const struct umb_schedule *s;
    uint32_t *before, *after; /* [n][n_queues] */
};

static void raise_to(uint32_t *clock, const uint32_t *other, int n_queues)
{
    for (int q = 0; q < n_queues; q++) {
        if (other[q] > clock[q]) { clock[q] = other[q]; }
    }
}

/* A step that waits for one that is not enqueued yet waits for nothing: after is still 0. */
static void find_clocks(const struct clocks *c)
{
    const struct umb_schedule *s = c->s;
    const size_t row = (size_t)s->n_queues;
    int last[UMB_SCHEDULE_QUEUES];
    uint32_t position[UMB_SCHEDULE_QUEUES] = {0};
    for (int q = 0; q < s->n_queues; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < s->n; o++) {
        const int i = s->order[o], q = s->queue[i];
        uint32_t *before = &c->before[(size_t)i * row], *after = &c->after[(size_t)i * row];
        if (last[q] >= 0) { raise_to(before, &c->after[(size_t)last[q] * row], s->n_queues); }
        for (int w = s->wait_start[i]; w < s->wait_start[i + 1]; w++) {
            raise_to(before, &c->after[(size_t)s->wait[w] * row], s->n_queues);
        }
        memcpy(after, before, row * sizeof *after);
        after[q] = ++position[q];
        last[q] = i;
    }
}

/* p's own place on its queue is in its clock. */
static bool is_before(const struct clocks *c, int p, int i)
{
    const size_t row = (size_t)c->s->n_queues, q = (size_t)c->s->queue[p];
    const uint32_t place = c->after[(size_t)p * row + q];
    return place > 0 && c->before[(size_t)i * row + q] >= place;
}

static enum umb_status check_edges(const struct clocks *c, const struct umb_graph *g,
                                   const struct umb_steps *steps, const struct umb_deps *deps)
{
    for (int i = 0; i < deps->n; i++) {
        for (int e = deps->start[i]; e < deps->start[i + 1]; e++) {
            const int p = deps->pred[e];
            if (is_before(c, p, i)) { continue; }
            return umb__fail(g->ctx, UMB_ERR_INVALID,
                             "plan: step %d (%s) does not wait for step %d (%s), as it must", i,
                             g->node[steps->step[i].node].name, p,
                             g->node[steps->step[p].node].name);
        }
    }
    return UMB_OK;
}

enum umb_status umb__schedule_verify(const struct umb_graph *g, const struct umb_steps *steps,
                                     const struct umb_deps *deps,
                                     const struct umb_schedule *schedule)
{
    const size_t cells = ((size_t)schedule->n + 1) * (size_t)schedule->n_queues;
    struct clocks c = {.s = schedule};
    c.before = umb__calloc(g->ctx, cells, sizeof *c.before);
    c.after = umb__calloc(g->ctx, cells, sizeof *c.after);
    enum umb_status st = c.before && c.after ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        find_clocks(&c);
        st = check_edges(&c, g, steps, deps);
    }
    umb__free(c.before);
    umb__free(c.after);
    return st;
}

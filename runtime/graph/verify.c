/*
 * The proof that a plan's memory is sound, from the finished plan alone: the order of the event
 * graph is worked out anew from queues and waits, as sets of steps, and every pair of values whose
 * places overlap must be ordered one way or the other. Quadratic, and shares no code with the
 * planner that it judges.
 */
#include <string.h>

#include "plan_schedule.h"

struct proof {
    const struct umb_graph *g;
    const struct umb_steps *steps;
    const struct umb_schedule *s;
    const struct umb_memory *m;
    int device;
    size_t words;           /* of a set of steps */
    uint64_t *earlier;      /* [n][words]: steps that are done before step i begins */
    int *user_start, *user; /* by id: the steps that use it */
};

static bool in_set(const uint64_t *set, int i)
{
    return set[i / 64] >> (i % 64) & 1;
}

static void include(const struct proof *p, int step, int before)
{
    uint64_t *set = &p->earlier[(size_t)step * p->words];
    const uint64_t *from = &p->earlier[(size_t)before * p->words];
    for (size_t w = 0; w < p->words; w++) {
        set[w] |= from[w];
    }
    set[before / 64] |= UINT64_C(1) << (before % 64);
}

static void order_steps(const struct proof *p)
{
    int last[UMB_SCHEDULE_QUEUES];
    for (int q = 0; q < p->s->n_queues; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < p->s->n; o++) {
        int i = p->s->order[o];
        if (last[p->s->queue[i]] >= 0) { include(p, i, last[p->s->queue[i]]); }
        for (int w = p->s->wait_start[i]; w < p->s->wait_start[i + 1]; w++) {
            include(p, i, p->s->wait[w]);
        }
        last[p->s->queue[i]] = i;
    }
}

/* Lists users by id; with user NULL only counts, into user_start[id + 1]. */
static void list_users(const struct proof *p, int *fill)
{
    for (int i = 0; i < p->s->n; i++) {
        const struct umb_step *step = &p->steps->step[i];
        for (size_t k = 0; k < step->n_args; k++) {
            const struct umb_step_arg *a = &step->args[k];
            if (!umb__names_value(a)) { continue; }
            int root = umb__extent(p->g, p->steps, a->value).root;
            if (fill) {
                p->user[p->user_start[root] + fill[root]++] = i;
            } else {
                p->user_start[root + 1]++;
            }
        }
    }
}

static bool all_before(const struct proof *p, int a, int b)
{
    for (int y = p->user_start[b]; y < p->user_start[b + 1]; y++) {
        const uint64_t *set = &p->earlier[(size_t)p->user[y] * p->words];
        for (int x = p->user_start[a]; x < p->user_start[a + 1]; x++) {
            if (!in_set(set, p->user[x])) { return false; }
        }
    }
    return true;
}

static const char *name_of(const struct proof *p, int id)
{
    return id < p->g->n_values ? p->g->value[id].name : "a temporary";
}

static enum umb_status compare_pairs(const struct proof *p)
{
    const struct umb_memory *m = p->m;
    for (int a = 0; a < m->n_ids; a++) {
        for (int b = a + 1; m->bytes[a] && b < m->n_ids; b++) {
            if (!m->bytes[b] || m->offset[a] >= m->offset[b] + m->bytes[b] ||
                m->offset[b] >= m->offset[a] + m->bytes[a]) {
                continue;
            }
            if (!all_before(p, a, b) && !all_before(p, b, a)) {
                return umb__fail(p->g->ctx, UMB_ERR_INVALID,
                                 "plan: %s and %s share memory at %zu while both are in use",
                                 name_of(p, a), name_of(p, b),
                                 m->offset[a] > m->offset[b] ? m->offset[a] : m->offset[b]);
            }
        }
    }
    return UMB_OK;
}

/* Every used scratch id has a place big enough, inside the whole. */
static enum umb_status check_places(const struct proof *p)
{
    for (int id = 0; id < p->m->n_ids; id++) {
        bool used = p->user_start[id + 1] > p->user_start[id] && umb__in_scratch(p->g, id) &&
                    umb__root_device(p->g, p->steps, id) == p->device;
        if (!used) { continue; }
        if (p->m->bytes[id] < umb__root_bytes(p->g, p->steps, id) ||
            p->m->offset[id] + p->m->bytes[id] > p->m->total) {
            return umb__fail(p->g->ctx, UMB_ERR_INVALID, "plan: %s has no place of its size",
                             name_of(p, id));
        }
    }
    return UMB_OK;
}

enum umb_status umb__memory_verify(const struct umb_graph *g, const struct umb_steps *steps,
                                   const struct umb_schedule *schedule, int device,
                                   const struct umb_memory *memory)
{
    struct proof p = {.g = g,
                      .steps = steps,
                      .s = schedule,
                      .m = memory,
                      .device = device,
                      .words = ((size_t)schedule->n + 63) / 64};
    size_t n_args = 1;
    for (size_t i = 0; i < steps->n; i++) {
        n_args += steps->step[i].n_args;
    }
    p.earlier = umb__calloc(g->ctx, (size_t)schedule->n * p.words + 1, sizeof *p.earlier);
    p.user_start = umb__calloc(g->ctx, (size_t)memory->n_ids + 2, sizeof *p.user_start);
    p.user = umb__calloc(g->ctx, n_args, sizeof *p.user);
    int *fill = umb__calloc(g->ctx, (size_t)memory->n_ids + 1, sizeof *fill);
    enum umb_status st = p.earlier && p.user_start && p.user && fill ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        order_steps(&p);
        list_users(&p, NULL);
        for (int id = 0; id < memory->n_ids; id++) {
            p.user_start[id + 1] += p.user_start[id];
        }
        list_users(&p, fill);
        st = check_places(&p);
    }
    if (st == UMB_OK) { st = compare_pairs(&p); }
    umb__free(p.earlier);
    umb__free(p.user_start);
    umb__free(p.user);
    umb__free(fill);
    return st;
}

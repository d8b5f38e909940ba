/*
 * What several nodes would make for themselves is made once: a step that fills a temporary is left
 * out where an earlier one, of the same phase and device, runs the same kernel with the same
 * arguments and nothing has written since what both read. Sixty-four dense layers on one trunk each
 * begin with a packed copy of its output; one remains.
 *
 * Only temporaries with a single writer are shared. Across phases nothing is, for that would keep
 * memory from forward to backward, and so is nothing that is made again to save some.
 */
#include <string.h>

#include "plan_internal.h"
#include "system.h"

struct sharing {
    struct umb_plan *p;
    int *writers;    /* [ids] steps that write the root */
    int *last_write; /* [ids] place of the latest one so far + 1 */
    int *instead;    /* [ids] of a temporary: what has taken its place + 1 */
    int *first;      /* hash table of steps that may be shared, each + 1 */
    size_t capacity;
    bool *out; /* [steps] left out */
};

static struct umb_step *step_of(const struct sharing *s, int i)
{
    return &s->p->steps.step[i];
}

static int root_of(const struct sharing *s, int value)
{
    return umb__extent(s->p->graph, &s->p->steps, value).root;
}

static bool writes(const struct umb_step_arg *a)
{
    return a->kind == 'w' || a->kind == 'm';
}

/* It fills temporaries of its own, and nothing else is written. */
static bool may_be_shared(const struct sharing *s, const struct umb_step *step)
{
    const int temp_base = s->p->steps.temp_base;
    bool fills = false;
    if (!step->kernel || s->p->graph->node[step->node].again_of) { return false; }
    for (size_t k = 0; k < step->n_args; k++) {
        const struct umb_step_arg *a = &step->args[k];
        if (!writes(a)) { continue; }
        if (a->kind == 'm' || a->value < temp_base || s->writers[a->value] != 1) { return false; }
        fills = true;
    }
    return fills;
}

static bool same_arg(const struct sharing *s, const struct umb_step_arg *a,
                     const struct umb_step_arg *b)
{
    const struct umb_steps *steps = &s->p->steps;
    switch (a->kind) {
    case 'r':
        return a->value == b->value;
    case 'w':
        return steps->temp_bytes[a->value - steps->temp_base] ==
               steps->temp_bytes[b->value - steps->temp_base];
    case 'l':
        return a->u.local_bytes == b->u.local_bytes;
    default:
        return memcmp(&a->u.i, &b->u.i, sizeof a->u.i) == 0; /* i, f: its bits */
    }
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* One kernel means one signature. */
static bool same(const struct sharing *s, const struct umb_step *a, const struct umb_step *b)
{
    const struct umb_node *node = s->p->graph->node;
    if (a->kernel != b->kernel || a->device != b->device ||
        node[a->node].phase != node[b->node].phase || a->dimensions != b->dimensions ||
        memcmp(a->global, b->global, sizeof a->global) != 0 ||
        memcmp(a->local, b->local, sizeof a->local) != 0 || !same_text(a->options, b->options)) {
        return false;
    }
    for (size_t k = 0; k < a->n_args; k++) {
        if (!same_arg(s, &a->args[k], &b->args[k])) { return false; }
    }
    return true;
}

static uint64_t hash_of(const struct sharing *s, const struct umb_step *step)
{
    uint64_t hash = umb__hash(UMB_HASH_START, &step->kernel, sizeof(struct umb_kernel *));
    hash = umb__hash(hash, &s->p->graph->node[step->node].phase, sizeof(int));
    for (size_t k = 0; k < step->n_args; k++) {
        const struct umb_step_arg *a = &step->args[k];
        if (a->kind == 'r') { hash = umb__hash(hash, &a->value, sizeof a->value); }
    }
    return hash;
}

/* Nothing has written what the step reads since `before` read it. */
static bool unchanged_since(const struct sharing *s, const struct umb_step *step, int before)
{
    for (size_t k = 0; k < step->n_args; k++) {
        const struct umb_step_arg *a = &step->args[k];
        if (a->kind == 'r' && s->last_write[root_of(s, a->value)] > before + 1) { return false; }
    }
    return true;
}

/* The step that did the same before, or −1; then this one is what later ones find. */
static int find(struct sharing *s, int i)
{
    const struct umb_step *step = step_of(s, i);
    size_t at = (size_t)hash_of(s, step) & (s->capacity - 1);
    while (s->first[at] && !same(s, step_of(s, s->first[at] - 1), step)) {
        at = (at + 1) & (s->capacity - 1);
    }
    const int before = s->first[at] - 1;
    if (before >= 0 && unchanged_since(s, step, before)) { return before; }
    s->first[at] = i + 1;
    return -1;
}

static void use_instead(struct sharing *s, const struct umb_step *step,
                        const struct umb_step *before)
{
    struct umb_steps *steps = &s->p->steps;
    for (size_t k = 0; k < step->n_args; k++) {
        if (!writes(&step->args[k])) { continue; }
        s->instead[step->args[k].value] = before->args[k].value + 1;
        steps->temp_bytes[step->args[k].value - steps->temp_base] = 0;
    }
}

static void count_writers(struct sharing *s)
{
    for (size_t i = 0; i < s->p->steps.n; i++) {
        const struct umb_step *step = step_of(s, (int)i);
        for (size_t k = 0; k < step->n_args; k++) {
            if (writes(&step->args[k])) { s->writers[root_of(s, step->args[k].value)]++; }
        }
    }
}

static void look_at(struct sharing *s, int i)
{
    struct umb_step *step = step_of(s, i);
    for (size_t k = 0; k < step->n_args; k++) {
        struct umb_step_arg *a = &step->args[k];
        if (umb__names_value(a) && s->instead[a->value]) { a->value = s->instead[a->value] - 1; }
    }
    const int before = may_be_shared(s, step) ? find(s, i) : -1;
    if (before >= 0) {
        use_instead(s, step, step_of(s, before));
        s->out[i] = true;
        return;
    }
    for (size_t k = 0; k < step->n_args; k++) {
        if (writes(&step->args[k])) { s->last_write[root_of(s, step->args[k].value)] = i + 1; }
    }
}

static void leave_out(const struct sharing *s)
{
    struct umb_steps *steps = &s->p->steps;
    size_t n = 0;
    for (size_t i = 0; i < steps->n; i++) {
        if (!s->out[i]) { steps->step[n++] = steps->step[i]; }
    }
    steps->n = n;
}

enum umb_status umb__plan_share(struct umb_plan *p)
{
    const size_t n_ids = (size_t)p->steps.temp_base + p->steps.n_temps + 1;
    struct umb_arena *arena;
    enum umb_status st = umb__arena_create(p->ctx, &arena);
    if (st != UMB_OK) { return st; }
    struct sharing s = {.p = p, .capacity = 64};
    while (s.capacity < 2 * p->steps.n) {
        s.capacity *= 2;
    }
    s.writers = umb__arena_calloc(arena, n_ids, sizeof *s.writers);
    s.last_write = umb__arena_calloc(arena, n_ids, sizeof *s.last_write);
    s.instead = umb__arena_calloc(arena, n_ids, sizeof *s.instead);
    s.first = umb__arena_calloc(arena, s.capacity, sizeof *s.first);
    s.out = umb__arena_calloc(arena, p->steps.n + 1, sizeof *s.out);
    if (!s.writers || !s.last_write || !s.instead || !s.first || !s.out) {
        st = UMB_ERR_NO_MEMORY;
    } else {
        count_writers(&s);
        for (size_t i = 0; i < p->steps.n; i++) {
            look_at(&s, (int)i);
        }
        leave_out(&s);
    }
    umb__arena_destroy(arena);
    return st;
}

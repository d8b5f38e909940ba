/* group_improve.c: a good cover to begin the search with; see group_internal.h. */
#include "group_internal.h"

#include <math.h>
#include <string.h>

static double value_of(struct grouping_search *s, uint64_t set)
{
    return set ? umb__group_value(&s->value, set, NULL) : 0;
}

/* What set i gains by having the task too; i = n_sets is a new one. */
static double rise(struct grouping_search *s, size_t i, uint64_t task)
{
    const uint64_t set = i < s->n_sets ? s->set[i] : 0;
    return value_of(s, set | task) - value_of(s, set);
}

/* The set, or a new one while there may be more, that gains most by the task. */
static size_t best_place(struct grouping_search *s, uint64_t task, double *ret_rise)
{
    const size_t n = s->n_sets < s->K ? s->n_sets + 1 : s->n_sets;
    size_t best = 0;
    *ret_rise = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double by = rise(s, i, task);
        if (by <= *ret_rise) { continue; }
        *ret_rise = by;
        best = i;
    }
    return best;
}

static void put(struct grouping_search *s, size_t i, uint64_t task)
{
    if (i == s->n_sets) { s->set[s->n_sets++] = 0; }
    s->set[i] |= task;
}

static void take(struct grouping_search *s, size_t i, uint64_t task)
{
    s->set[i] &= ~task;
    if (s->set[i] == 0) { s->set[i] = s->set[--s->n_sets]; }
}

static size_t place_of(const struct grouping_search *s, uint64_t task)
{
    size_t i = 0;
    while (!(s->set[i] & task)) {
        i++;
    }
    return i;
}

/* Moves the task to where it does most good; true: that was better than where it was. */
static bool move(struct grouping_search *s, uint64_t task)
{
    const size_t from = place_of(s, task);
    const uint64_t before = s->set[from], rest = before & ~task;
    const double fall = value_of(s, before) - value_of(s, rest);
    double by;
    take(s, from, task);
    const size_t to = best_place(s, task, &by);
    if (by > fall + s->slack) {
        put(s, to, task);
        return true;
    }
    /* back: where the set was emptied, another has its place now */
    put(s, rest ? from : s->n_sets, task);
    return false;
}

static double total(struct grouping_search *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_sets; i++) {
        sum += value_of(s, s->set[i]);
    }
    return sum;
}

/* Each move is better by more than rounding, so this ends. */
void umb__group_begin(struct grouping_search *s)
{
    double by;
    for (size_t i = 0; i < s->T; i++) {
        const uint64_t task = UINT64_C(1) << s->order[i];
        put(s, best_place(s, task, &by), task);
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t t = 0; t < s->T; t++) {
            moved = move(s, UINT64_C(1) << t) || moved;
        }
    }
    s->best = total(s);
    s->n_best = s->n_sets;
    memcpy(s->best_set, s->set, sizeof s->set);
    s->n_sets = 0;
}

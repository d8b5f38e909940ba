/*
 * group_search.c: branch and bound over partitions; see group_internal.h.
 *
 * Tasks are placed one after another, each into one of the sets there are or into a new one, so
 * that every partition comes once. With sets S_1 … S_m of the tasks placed, no cover is better than
 *
 *   Σ v(S_k) + best of the tasks not yet placed, by themselves
 *
 * by v's subadditivity. That second term is the same problem on fewer tasks, with everybody still
 * there to help: it is solved for the last task, the last two, and so on before (Verfaillie et al.,
 * "Russian doll search for solving constraint optimization problems", 1996).
 */
#include "group_internal.h"

#include <math.h>
#include <string.h>

/* A place for the next task and how the sum of values changes by it. */
struct branch {
    double rise;
    size_t set;
};

/* Where the task at `place` may go, the most promising first; returns how many. */
static size_t branches(struct grouping_search *s, size_t place, const double *value,
                       struct branch *ret)
{
    const uint64_t task = UINT64_C(1) << s->order[place];
    const size_t n = s->n_sets < s->K ? s->n_sets + 1 : s->n_sets;
    for (size_t i = 0; i < n; i++) {
        const bool new = i == s->n_sets;
        const double with = umb__group_value(&s->value, new ? task : s->set[i] | task, NULL);
        const struct branch b = {with - (new ? 0 : value[i]), i};
        size_t at = i;
        for (; at > 0 && ret[at - 1].rise < b.rise; at--) {
            ret[at] = ret[at - 1];
        }
        ret[at] = b;
    }
    return n;
}

static void keep(struct grouping_search *s, double sum)
{
    if (!(sum > s->best)) { return; }
    s->best = sum;
    s->n_best = s->n_sets;
    memcpy(s->best_set, s->set, s->n_sets * sizeof *s->set);
}

static void search(struct grouping_search *s, size_t place, double *value, double sum);

/* Places a task, all behind it, and takes it back. */
static void follow(struct grouping_search *s, size_t place, const struct branch *b, double *value,
                   double sum)
{
    const size_t i = b->set, n_sets = s->n_sets;
    const bool new = i == n_sets;
    const uint64_t set = new ? 0 : s->set[i];
    const double before = new ? 0 : value[i];
    s->nodes++;
    s->n_sets = new ? n_sets + 1 : n_sets;
    s->set[i] = set | UINT64_C(1) << s->order[place];
    value[i] = before + b->rise;
    search(s, place + 1, value, sum + b->rise);
    s->n_sets = n_sets;
    s->set[i] = set;
    value[i] = before;
}

/* Places the tasks from `place` on; value[k] = v(set[k]), sum: theirs. */
static void search(struct grouping_search *s, size_t place, double *value, double sum)
{
    struct branch list[UMB_GROUP_MOST_TASKS];
    if (place == s->T) {
        keep(s, sum);
        return;
    }
    const size_t n = branches(s, place, value, list);
    for (size_t b = 0; b < n; b++) {
        const double bound = sum + list[b].rise + s->suffix[place + 1];
        if (bound <= s->best + s->slack) { return; } /* the others promise no more */
        if (s->nodes >= s->most_nodes) {
            s->open = fmax(s->open, bound);
            return;
        }
        follow(s, place, &list[b], value, sum);
    }
}

/* The tasks from `first` on by themselves: no cover of them is above what this returns. */
static double solve(struct grouping_search *s, size_t first, double at_least)
{
    double value[UMB_GROUP_MOST_TASKS];
    s->n_sets = 0;
    s->best = at_least;
    s->open = -INFINITY;
    search(s, first, value, 0);
    return fmax(s->best, s->open) + s->slack;
}

static double alone(struct grouping_search *s, size_t place)
{
    return umb__group_value(&s->value, UINT64_C(1) << s->order[place], NULL);
}

/* Those that the work suffices for, of half of it; then the bound of one more task is its own. */
static void solve_suffixes(struct grouping_search *s)
{
    bool solved = true;
    s->suffix[s->T] = 0;
    for (size_t first = s->T - 1; first > 0; first--) {
        s->suffix[first] = s->suffix[first + 1] + alone(s, first);
        if (!solved) { continue; }
        s->suffix[first] = fmin(s->suffix[first], solve(s, first, -INFINITY));
        solved = s->nodes < s->most_nodes;
    }
}

double umb__group_search(struct grouping_search *s)
{
    const uint64_t all = s->most_nodes;
    s->most_nodes = all / 2;
    solve_suffixes(s);
    s->most_nodes = all;
    umb__group_begin(s);
    const double apart = s->suffix[1] + alone(s, 0);
    return fmin(apart, solve(s, 0, s->best));
}

/*
 * tune_contest.c: a problem's solvers against each other.
 *
 *   a look at each, the safe one first, then from the highest rank: is it right, and how long
 * about? then those that may still win, in turn, several times: the least time of each counts
 */
#include "tune_internal.h"
#include <stdio.h>
#include <string.h>

#define MAX_REPEATS 20

/* How much care is taken. */
struct care {
    double hopeless; /* so many times slower at first, and a solver is out */
    int rounds;      /* how often each has its turn */
    double round_ns; /* device time of a turn that is aimed at */
    int min_repeats; /* runs in a turn, behind one that warms up */
};
static const struct care quick = {3, 4, 2e7, 2}, full = {10, 8, 1e8, 4};

struct entrant {
    const struct umb_solver *solver;
    int rank;
    bool only_one; /* was run on one row alone: ns is worked out from that */
};

struct match {
    const struct umb_contest *c;
    const struct care *care;
    struct umb_tuned *tuned;
    struct umb_text *notes; /* their strings, to be pointed into when they are complete */
    size_t note[UMB_TUNED_SOLVERS];
    struct entrant entrant[UMB_TUNED_SOLVERS];
};

/* The safe solver is the first row; then by rank, rows of one rank in their order. */
static void enter(struct match *m)
{
    const struct umb_problem *p = &m->c->sample->p;
    size_t n = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        const int rank = s->applicable(p);
        if (rank <= 0 || n == UMB_TUNED_SOLVERS) { continue; }
        size_t at = n++;
        for (; at > 1 && m->entrant[at - 1].rank < rank; at--) {
            m->entrant[at] = m->entrant[at - 1];
        }
        m->entrant[at] = (struct entrant){.solver = s, .rank = rank};
    }
    m->tuned->n = n;
    for (size_t i = 0; i < n; i++) {
        m->tuned->solver[i] = (struct umb_tuned_solver){
            .verdict = UMB_VERDICT_FAILED, .name = m->entrant[i].solver->name, .note = ""};
    }
}

static void lose(struct match *m, size_t i, enum umb_verdict verdict, const char *why)
{
    m->tuned->solver[i].verdict = verdict;
    m->tuned->solver[i].ns = 0;
    m->note[i] = m->notes->length + 1; /* 0: none */
    umb__text_add_bytes(m->notes, why, strlen(why) + 1);
}

/* What a run said: its time, or why it is out. */
static void take(struct match *m, size_t i, enum umb_status st, uint64_t ns, const char *wrong)
{
    struct umb_tuned_solver *s = &m->tuned->solver[i];
    if (st != UMB_OK) {
        lose(m, i, UMB_VERDICT_FAILED, umb_context_error(m->c->sample->ctx));
    } else if (wrong[0]) {
        lose(m, i, UMB_VERDICT_WRONG, wrong);
    } else {
        s->verdict = UMB_VERDICT_ROUGH;
        s->ns = ns ? ns : 1;
    }
}

static void run_once(struct match *m, size_t i, bool one)
{
    struct umb_sample *s = m->c->sample;
    const struct umb_solver *solver = m->entrant[i].solver;
    char wrong[UMB_TUNE_NOTE] = "";
    uint64_t ns = 0;
    if (m->c->begins) { m->c->begins(m->c->user, solver->name); }
    enum umb_status st;
    if (one) {
        st = umb__sample_run_one(s, m->c->device, solver, &ns, wrong);
        ns *= (uint64_t)s->p.in[0].shape.dim[0];
    } else {
        uint64_t two[2] = {0}; /* the first touches its memory for the first time */
        st = umb__sample_run(s, m->c->device, solver, 2, two, wrong);
        ns = two[1] < two[0] ? two[1] : two[0];
    }
    m->entrant[i].only_one = one;
    take(m, i, st, ns, wrong);
}

static uint64_t least(const struct match *m)
{
    uint64_t best = 0;
    for (size_t i = 0; i < m->tuned->n; i++) {
        const struct umb_tuned_solver *s = &m->tuned->solver[i];
        if (s->ns && !m->entrant[i].only_one && (!best || s->ns < best)) { best = s->ns; }
    }
    return best;
}

static bool may_win(const struct match *m, size_t i, uint64_t best)
{
    const uint64_t ns = m->tuned->solver[i].ns;
    return ns && (!best || (double)ns <= m->care->hopeless * (double)best);
}

/* The safe solver is tried on one row where the whole would take long, and on the whole only if it
 * might win, or if it alone is right. */
static void first_runs(struct match *m)
{
    const bool by_rows = m->c->sample->row_of && m->tuned->n > 1;
    for (size_t i = 0; i < m->tuned->n; i++) {
        run_once(m, i, by_rows && i == 0);
    }
    if (by_rows && may_win(m, 0, least(m))) { run_once(m, 0, false); }
}

static int repeats_of(const struct match *m, uint64_t ns)
{
    const double wanted = m->care->round_ns / (double)ns;
    return wanted < m->care->min_repeats ? m->care->min_repeats
           : wanted > MAX_REPEATS        ? MAX_REPEATS
                                         : (int)wanted;
}

/* One turn: the least of its runs but the first. What was right once must stay right. */
static void run_turn(struct match *m, size_t i, bool first)
{
    struct umb_tuned_solver *s = &m->tuned->solver[i];
    uint64_t ns[MAX_REPEATS + 1], best = 0;
    char wrong[UMB_TUNE_NOTE] = "";
    const int repeats = repeats_of(m, s->ns);
    if (m->c->begins) { m->c->begins(m->c->user, s->name); }
    const enum umb_status st =
        umb__sample_run(m->c->sample, m->c->device, m->entrant[i].solver, repeats + 1, ns, wrong);
    for (int r = 1; r <= repeats && st == UMB_OK; r++) {
        best = !best || ns[r] < best ? ns[r] : best;
    }
    if (!first && best > s->ns) { best = s->ns; }
    take(m, i, st, best, wrong);
    if (s->ns) { s->verdict = m->c->sample->checked ? UMB_VERDICT_RIGHT : UMB_VERDICT_ALONE; }
}

static void rounds(struct match *m)
{
    const uint64_t best = least(m);
    bool in[UMB_TUNED_SOLVERS];
    for (size_t i = 0; i < m->tuned->n; i++) {
        in[i] = !m->entrant[i].only_one && may_win(m, i, best);
    }
    const int n_rounds = m->tuned->n > 1 ? m->care->rounds : 1;
    for (int round = 0; round < n_rounds; round++) {
        for (size_t i = 0; i < m->tuned->n; i++) {
            if (in[i] && m->tuned->solver[i].ns) { run_turn(m, i, round == 0); }
        }
    }
}

enum umb_status umb__contest_run(const struct umb_contest *c, struct umb_tuned *ret_tuned,
                                 struct umb_text *notes)
{
    struct umb_tuned tuned = {.full = c->full};
    struct match m = {.c = c, .care = c->full ? &full : &quick, .tuned = &tuned, .notes = notes};
    enter(&m);
    first_runs(&m);
    rounds(&m);
    const enum umb_status st = umb__text_status(c->sample->ctx, notes);
    if (st != UMB_OK) { return st; }
    for (size_t i = 0; i < tuned.n; i++) {
        if (m.note[i]) { tuned.solver[i].note = notes->data + m.note[i] - 1; }
    }
    *ret_tuned = tuned;
    return UMB_OK;
}

/* tune_choose.c: what a problem is called, and which solver is taken for it. */
#include "tune.h"
#include <string.h>

#define TRAINING " training"

/* Which streams the rows are of changes nothing in what there is to compute. */
static void add_type(struct umb_text *text, const struct umb_type *t)
{
    static const char *const names[] = {[UMB_F32] = "f32", [UMB_I32] = "i32", [UMB_U8] = "u8"};
    char shape[UMB_SHAPE_TEXT];
    umb__text_printf(text, " %s%s", names[t->dtype],
                     umb__shape_text(&t->shape, shape, sizeof shape));
    if (t->n_segments > 1) { umb__text_printf(text, "/%d", t->n_segments); }
}

bool umb__problem_text(const struct umb_problem *p, struct umb_text *text)
{
    umb__text_add(text, p->op->name);
    umb__attrs_print(p->op, p->attrs, text);
    umb__text_add(text, " :");
    for (int i = 0; i < p->n_in; i++) {
        add_type(text, &p->in[i]);
    }
    umb__text_add(text, " >");
    for (int i = 0; i < p->n_out; i++) {
        add_type(text, &p->out[i]);
    }
    if (p->training) { umb__text_add(text, TRAINING); }
    return text->length <= UMB_TUNED_TEXT;
}

/* As named, or else measured for the other purpose. */
static const struct umb_tuned *find(const struct umb_problem *p, const struct umb_tuning *tuning,
                                    struct umb_text *text)
{
    if (!tuning || text->failed) { return NULL; }
    const struct umb_tuned *tuned = umb__tuning_find(tuning, umb__text_string(text));
    if (tuned) { return tuned; }
    if (!p->training) {
        umb__text_add(text, TRAINING);
        tuned = text->failed ? NULL : umb__tuning_find(tuning, text->data);
    }
    if (!text->failed) {
        text->length -= strlen(TRAINING);
        text->data[text->length] = 0;
        if (p->training) {
            tuned = umb__tuning_find(tuning, text->data);
            umb__text_add(text, TRAINING);
        }
    }
    return tuned;
}

static const struct umb_tuned_solver *entry_of(const struct umb_tuned *tuned, const char *solver)
{
    for (size_t i = 0; tuned && i < tuned->n; i++) {
        if (strcmp(tuned->solver[i].name, solver) == 0) { return &tuned->solver[i]; }
    }
    return NULL;
}

uint64_t umb__tuned_ns(const struct umb_tuned *tuned, const char *solver)
{
    const struct umb_tuned_solver *s = entry_of(tuned, solver);
    return s ? s->ns : 0;
}

static bool is_known_bad(const struct umb_tuned *tuned, const char *solver)
{
    const struct umb_tuned_solver *s = entry_of(tuned, solver);
    return s && s->ns == 0;
}

/* Memory's, for the gradient that a solver without an update writes for the optimizer to read. */
#define BYTES_PER_NS 20

/* What a solver was measured to take, and what is left for others to do. */
static uint64_t all_ns(const struct umb_problem *p, const struct umb_tuned *tuned,
                       const struct umb_solver *s)
{
    const uint64_t ns = umb__tuned_ns(tuned, s->name);
    if (!ns || !p->updates || umb__solver_updates(p, s)) { return ns; }
    return ns + 2 * (uint64_t)umb__type_bytes(&p->out[0]) / BYTES_PER_NS;
}

static const struct umb_solver *fastest(const struct umb_problem *p, const struct umb_tuned *tuned)
{
    const struct umb_solver *best = NULL;
    uint64_t best_ns = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        const uint64_t ns = all_ns(p, tuned, s);
        if (ns && (!best || ns < best_ns) && s->applicable(p) > 0) {
            best = s;
            best_ns = ns;
        }
    }
    return best;
}

static const struct umb_solver *highest(const struct umb_problem *p, const struct umb_tuned *tuned)
{
    const struct umb_solver *best = NULL;
    int best_rank = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        const int rank = is_known_bad(tuned, s->name) ? 0 : s->applicable(p);
        if (rank > best_rank) {
            best = s;
            best_rank = rank;
        }
    }
    return best;
}

static void pick(const struct umb_problem *p, const char *text, struct umb_choice *c)
{
    c->source = UMB_CHOICE_MEASURED;
    c->solver = fastest(p, c->tuned);
    if (c->solver) { return; }
    c->source = UMB_CHOICE_BUILT_IN;
    const char *known = umb__built_in_solver(p->caps, text);
    if (known && !is_known_bad(c->tuned, known)) { c->solver = umb__solver_choose(p, known); }
    if (c->solver) { return; }
    c->source = UMB_CHOICE_RANK;
    c->solver = highest(p, c->tuned);
    if (!c->solver) { c->solver = umb__solver_choose(p, NULL); }
}

enum umb_status umb__solver_pick(const struct umb_problem *p, const struct umb_tuning *tuning,
                                 const char *wanted, struct umb_choice *ret_choice)
{
    struct umb_text text = {0};
    struct umb_choice c = {.source = UMB_CHOICE_GIVEN};
    const bool named = umb__problem_text(p, &text);
    enum umb_status st = umb__text_status(p->ctx, &text);
    if (st == UMB_OK && named) { c.tuned = find(p, tuning, &text); }
    if (st == UMB_OK) { st = umb__text_status(p->ctx, &text); }
    if (st == UMB_OK && wanted) {
        c.solver = umb__solver_choose(p, wanted);
    } else if (st == UMB_OK) {
        pick(p, umb__text_string(&text), &c);
    }
    umb__text_finish(&text);
    if (st == UMB_OK) { *ret_choice = c; }
    return st;
}

#include "tune_world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Solvers. */

/* Adds `by` to element `at` of y, after `busy` rounds of nothing. */
#define SPOIL                                                                                \
    "__kernel void spoil(__global float *y, ulong o, int at, float by, int busy)\n{\n"       \
    "    float x = 0;\n"                                                                     \
    "    for (int i = 0; i < busy; i++) {\n        x = fma(x, 0.5f, y[o + i % 7]);\n    }\n" \
    "    y[o + at] += by + (x == 12345.0f ? x : 0.0f);\n}\n"
#define BROKEN "__kernel void spoil(__global float *y, ulong o)\n{\n    this is no OpenCL C\n}\n"

static const struct umb_kernel spoil = {"spoil", "spoil.cl", "spoil", "mifi"};
static const struct umb_kernel broken = {"broken", "broken.cl", "spoil", "m"};

static int rank_of_naive(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

static int high(const struct umb_problem *p)
{
    (void)p;
    return 9;
}

static int never(const struct umb_problem *p)
{
    (void)p;
    return 0;
}

static enum umb_status emit_naive(struct umb_emit *e)
{
    return umb__solver_choose(&e->p, "naive")->emit(e);
}

static enum umb_status emit_spoil(struct umb_emit *e, int at, double by, int busy)
{
    const struct umb_emit_launch one = {.kernel = &spoil, .dimensions = 1, .global = {1}};
    return umb__emit_launch(e, &one, e->out[0], at, by, busy);
}

static enum umb_status emit_real(struct umb_emit *e)
{
    const struct umb_op *own = e->p.op;
    e->p.op = umb__op_find("dense");
    const enum umb_status st = emit_naive(e);
    e->p.op = own;
    return st;
}

/* The right result, and one element of the last row off by a thousandth. */
static enum umb_status emit_almost(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    const int last = (int)umb__shape_count(&e->p.out[0].shape) - 1;
    return st == UMB_OK ? emit_spoil(e, last, 1e-3, 0) : st;
}

static enum umb_status emit_nan(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    return st == UMB_OK ? emit_spoil(e, 3, (double)NAN, 0) : st;
}

/* Nothing is written at all, and very quickly. */
static enum umb_status emit_nothing(struct umb_emit *e)
{
    (void)e;
    return UMB_OK;
}

static enum umb_status emit_broken(struct umb_emit *e)
{
    const struct umb_emit_launch one = {.kernel = &broken, .dimensions = 1, .global = {1}};
    return umb__emit_launch(e, &one, e->out[0]);
}

static enum umb_status emit_refused(struct umb_emit *e)
{
    return umb__fail(e->p.ctx, UMB_ERR_UNSUPPORTED, "this solver\nrefuses");
}

static enum umb_status emit_slow(struct umb_emit *e)
{
    enum umb_status st = emit_real(e);
    return st == UMB_OK ? emit_spoil(e, 0, 0, 20000000) : st;
}

const struct umb_solver some_solvers[] = {{"naive", rank_of_naive, emit_real},
                                          {"almost", high, emit_almost},
                                          {"nan", high, emit_nan},
                                          {"nothing", high, emit_nothing},
                                          {"broken", high, emit_broken},
                                          {"refused", high, emit_refused},
                                          {"slow", high, emit_slow},
                                          {"absent", never, emit_real},
                                          {0}};
const struct umb_solver wrong_solvers[] = {
    {"nan", rank_of_naive, emit_nan}, {"almost", high, emit_almost}, {0}};
const struct umb_solver one_solver[] = {{"naive", rank_of_naive, emit_real}, {0}};

/* Graphs. */

void tune_must(const struct tune_world *w, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(w->f->ctx)); }
}

struct tune_world tune_world_open(struct fixture *f, const struct umb_solver *table, int64_t rows)
{
    struct tune_world w = {.f = f, .op = *umb__op_find("dense")};
    const struct umb_type x = {.shape = {2, {rows, 12}}, .n_segments = 1};
    int out[UMB_OP_MAX_OUT];
    w.op.solvers = table;
    write_kernel(f, "spoil.cl", SPOIL);
    write_kernel(f, "broken.cl", BROKEN);
    tune_must(&w, umb__graph_create(f->ctx, true, 1, &w.graph));
    void *attrs = NULL;
    tune_must(&w, umb__attrs_create(f->ctx, w.graph->arena, &w.op, "units=5", &attrs));
    const int in = umb__graph_value(w.graph, "x", UMB_VALUE_INPUT, &x);
    const struct umb_graph_node_desc desc = {
        .op = &w.op, .attrs = attrs, .name = "layer", .n_in = 1, .in = &in};
    tune_must(&w, umb__graph_node(w.graph, &desc, out));
    tune_must(&w, umb__tuning_open(f->ctx, umb_device_get_caps(f->device), &w.tuning));
    return w;
}

void tune_world_close(struct tune_world *w)
{
    umb__tuning_close(w->tuning);
    umb__graph_destroy(w->graph);
}

const struct umb_tuned_solver *tune_entry(const struct umb_tuned *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->solver[i].name, name) == 0) { return &t->solver[i]; }
    }
    fail_msg("%s has no entry", name);
    return NULL;
}

int tune_teardown(void **state)
{
    unsetenv("UMBEL_TUNE");
    return fixture_teardown(state);
}

#include "lab.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

static void must(const struct lab *lab, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(lab->ctx)); }
}

static void *zeros(const struct lab *lab, int64_t n, size_t size)
{
    void *p = umb__calloc(lab->ctx, (size_t)n + 1, size);
    assert_non_null(p);
    return p;
}

double lab_random(uint64_t seed, uint32_t stream, int64_t i)
{
    return 2 * (double)umb__random_unit(seed, UMB_RNG_TEST, stream, (uint64_t)i) - 1;
}

int64_t lab_count(const struct lab *lab, int value)
{
    return umb__shape_count(&lab->graph->value[value].type.shape);
}

/* ---- building ---- */

/* From the values where the rows stopped on, as one: sums of their rows' gradients are its seeds.
 */
static void go_on(struct lab *lab, const bool *stop, int n, const int *rows, int *gradient)
{
    int seeds[64], dseeds[64], n_seeds = 0;
    for (int v = 0; v < n; v++) {
        for (int t = 0; stop[v] && t < lab->n_tasks; t++) {
            if (rows[t * n + v] < 0) { continue; }
            assert_true(n_seeds < 64);
            seeds[n_seeds] = v;
            dseeds[n_seeds++] = rows[t * n + v];
        }
    }
    struct umb_autodiff_desc desc = {.n_seeds = n_seeds, .seeds = seeds, .dseeds = dseeds};
    must(lab, umb__graph_autodiff(lab->graph, &desc, gradient));
}

/* Passes before differentiation; and how that is done. */
enum { AS_BUILT, SIMPLIFIED, FUSED, BY_ROWS, BY_ROWS_TO_BLOCK, BY_ROWS_TO_HEADS };

static void differentiate(struct lab *lab, int passes)
{
    struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    int seeds[UMB_NET_MAX_TASKS];
    for (int t = 0; t < lab->n_tasks; t++) {
        char name[160];
        snprintf(name, sizeof name, "%s.dseed", umb__net_task(lab->net, t)->name);
        lab->dseed[t] = umb__graph_value(lab->graph, name, UMB_VALUE_INPUT, &one);
        assert_true(lab->dseed[t] >= 0);
        seeds[t] = lab->task[t].loss;
    }
    const char *names[UMB_NET_MAX_TASKS];
    for (int t = 0; t < lab->n_tasks; t++) {
        names[t] = umb__net_task(lab->net, t)->name;
    }
    struct umb_autodiff_desc desc = {.n_seeds = lab->n_tasks,
                                     .seeds = seeds,
                                     .dseeds = lab->dseed,
                                     .by_rows = passes >= BY_ROWS,
                                     .row_names = names};
    const int n = lab->graph->n_values;
    bool *stop = zeros(lab, n, sizeof *stop);
    int n_stop = 0;
    if (passes > BY_ROWS) {
        must(lab, umb__graph_border(lab->graph, &desc,
                                    passes == BY_ROWS_TO_HEADS ? UMB_BORDER_REPRESENTATION
                                                               : UMB_BORDER_LAST_BLOCK,
                                    false, stop, &n_stop));
        desc.stop = stop;
    }
    int *gradient = zeros(lab, n * (desc.by_rows ? lab->n_tasks : 1), sizeof *gradient);
    must(lab, umb__graph_autodiff(lab->graph, &desc, gradient));
    int *all = gradient, n_all = n;
    if (passes > BY_ROWS) {
        n_all = lab->graph->n_values;
        all = zeros(lab, n_all, sizeof *all);
        go_on(lab, stop, n, gradient, all);
    }
    lab->gradient = zeros(lab, lab->graph->n_values, sizeof *lab->gradient);
    for (int v = 0; v < lab->graph->n_values; v++) {
        lab->gradient[v] = v < n_all && passes != BY_ROWS ? all[v] : -1;
    }
    lab->n_row = n;
    lab->rows = desc.by_rows ? gradient : NULL;
    if (all != gradient) { umb__free(all); }
    if (!desc.by_rows) { umb__free(gradient); }
    umb__free(stop);
}

/* ---- filling ---- */

static double parameter(const struct lab *lab, const struct umb_value *v, int64_t i)
{
    const struct umb_param_spec *spec = &lab->graph->spec[v->spec];
    double u = lab_random(lab->seed, (uint32_t)v->spec + 100, i);
    if (spec->init == UMB_INIT_FAN_IN) { return u / sqrt(spec->fan_in); }
    return spec->init == UMB_INIT_ONES ? 1 + 0.25 * u : 0.125 * u;
}

static void fill_kept(struct lab *lab, int v)
{
    const struct umb_value *value = &lab->graph->value[v];
    int64_t n = lab_count(lab, v);
    lab->data[v] = zeros(lab, n, sizeof(double));
    for (int64_t i = 0; value->spec >= 0 && i < n; i++) {
        lab->data[v][i] = (double)(float)parameter(lab, value, i);
    }
}

static double label(const struct lab *lab, int task, int64_t i)
{
    const struct umb_net_task *t = umb__net_task(lab->net, task);
    double u = lab_random(lab->seed, 50 + (uint32_t)task, i);
    if (t->judge == UMB_JUDGE_CLASSES) { return floor((u + 1) / 2 * (double)t->n_classes); }
    return t->judge == UMB_JUDGE_BINARY ? u > 0 : u;
}

static void fill_inputs(struct lab *lab)
{
    const struct umb_graph *g = lab->graph;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].kind == UMB_VALUE_INPUT) {
            lab->data[v] = zeros(lab, lab_count(lab, v), sizeof(double));
        }
    }
    for (int s = 0; s < umb_net_n_images(lab->net); s++) {
        double *image = lab->data[lab->values.image[s]];
        for (int64_t i = 0; i < lab_count(lab, lab->values.image[s]); i++) {
            image[i] = floor(127.5 + 127.4 * lab_random(lab->seed, 10 + (uint32_t)s, i));
        }
    }
    for (int t = 0; t < lab->n_tasks; t++) {
        const struct umb_task_values *v = &lab->task[t];
        for (int64_t i = 0; i < lab_count(lab, v->labels); i++) {
            lab->data[v->labels][i] = label(lab, t, i);
        }
        if (lab->gradient) { lab->data[lab->dseed[t]][0] = umb__net_task(lab->net, t)->weight; }
    }
    if (g->random_value >= 0) {
        lab->data[g->random_value][0] = (double)lab->seed;
        lab->data[g->random_value][2] = 3;
    }
    for (int s = 0; s < lab->n_streams; s++) {
        lab_set_rows(lab, s, lab->batch);
    }
}

void lab_set_rows(struct lab *lab, int stream, int64_t n)
{
    if (lab->graph->rows_value >= 0) { lab->data[lab->graph->rows_value][stream] = (double)n; }
    for (int t = 0; t < lab->n_tasks; t++) {
        if (umb__net_task(lab->net, t)->stream != stream) { continue; }
        for (int64_t i = 0; i < lab->batch; i++) {
            lab->data[lab->task[t].mask][i] = i < n;
        }
    }
}

static struct lab open_lab(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                           bool training, uint64_t seed, int passes)
{
    struct lab lab = {.ctx = ctx,
                      .net = net,
                      .batch = batch,
                      .seed = seed,
                      .n_tasks = umb_net_n_tasks(net),
                      .n_streams = umb_net_n_streams(net)};
    must(&lab, umb__graph_create(ctx, training, lab.n_streams, &lab.graph));
    must(&lab, umb__net_build(net, lab.graph, batch, &lab.values));
    must(&lab, umb__tasks_attach(net, lab.graph, &lab.values, lab.task));
    if (passes == FUSED) { must(&lab, umb__graph_fuse_norm(lab.graph)); }
    if (passes == SIMPLIFIED || passes == FUSED) { must(&lab, umb__graph_simplify(lab.graph)); }
    if (passes == FUSED) { must(&lab, umb__graph_fuse_pool(lab.graph, NULL)); }
    if (training) { differentiate(&lab, passes); }
    must(&lab, umb__graph_verify(lab.graph));
    lab.n_values = lab.graph->n_values;
    lab.data = zeros(&lab, lab.n_values, sizeof *lab.data);
    lab.first = zeros(&lab, lab.n_values, sizeof *lab.first);
    for (int v = 0; v < lab.n_values; v++) {
        enum umb_value_kind kind = lab.graph->value[v].kind;
        if (kind != UMB_VALUE_PARAM && kind != UMB_VALUE_STATE) { continue; }
        fill_kept(&lab, v);
        if (kind == UMB_VALUE_STATE) {
            lab.first[v] = zeros(&lab, lab_count(&lab, v), sizeof(double));
            memcpy(lab.first[v], lab.data[v], (size_t)lab_count(&lab, v) * sizeof(double));
        }
    }
    fill_inputs(&lab);
    return lab;
}

struct lab lab_open(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                    bool training, uint64_t seed)
{
    return open_lab(ctx, net, batch, training, seed, AS_BUILT);
}

struct lab lab_open_simplified(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                               bool training, uint64_t seed)
{
    return open_lab(ctx, net, batch, training, seed, SIMPLIFIED);
}

struct lab lab_open_fused(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                          bool training, uint64_t seed)
{
    return open_lab(ctx, net, batch, training, seed, FUSED);
}

struct lab lab_open_rows(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                         uint64_t seed, int stop)
{
    return open_lab(ctx, net, batch, true, seed, BY_ROWS + stop);
}

void lab_close(struct lab *lab)
{
    for (int v = 0; v < lab->n_values; v++) {
        umb__free(lab->data[v]);
        umb__free(lab->first[v]);
    }
    umb__free(lab->data);
    umb__free(lab->first);
    umb__free(lab->gradient);
    umb__free(lab->rows);
    umb__graph_destroy(lab->graph);
}

/* ---- evaluating ---- */

double lab_loss(const struct lab *lab, int task)
{
    return lab->data[lab->task[task].loss][0];
}

double lab_evaluate(struct lab *lab)
{
    for (int v = 0; v < lab->n_values; v++) {
        enum umb_value_kind kind = lab->graph->value[v].kind;
        if (lab->first[v]) {
            memcpy(lab->data[v], lab->first[v], (size_t)lab_count(lab, v) * sizeof(double));
        }
        if (kind == UMB_VALUE_TEMP || kind == UMB_VALUE_CONSTANT) {
            umb__free(lab->data[v]);
            lab->data[v] = NULL;
        }
    }
    must(lab, umb__graph_interpret(lab->graph, lab->data));
    double sum = 0;
    for (int t = 0; t < lab->n_tasks; t++) {
        sum += umb__net_task(lab->net, t)->weight * lab_loss(lab, t);
    }
    return sum;
}

void lab_compare(struct lab *a, struct lab *b, double tolerance)
{
    double x = lab_evaluate(a), y = lab_evaluate(b);
    if (!(fabs(x - y) <= tolerance)) { fail_msg("loss %.15g, behind the pass %.15g", x, y); }
    for (int v = 0; v < a->n_values; v++) {
        const char *name = a->graph->value[v].name;
        if (a->graph->value[v].kind != UMB_VALUE_PARAM) { continue; }
        int d = a->gradient[v], e = b->gradient[umb__graph_find_value(b->graph, name)];
        assert_int_equal(d < 0, e < 0);
        for (int64_t i = 0; d >= 0 && i < lab_count(a, d); i++) {
            if (!(fabs(a->data[d][i] - b->data[e][i]) <= tolerance)) {
                fail_msg("d(%s)[%lld]: %g, behind the pass %g", name, (long long)i, a->data[d][i],
                         b->data[e][i]);
            }
        }
    }
}

#include "rig.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void must(const struct rig *rig, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(rig->lab->ctx)); }
}

struct umb_device *rig_device(struct umb_context *ctx)
{
    struct umb_device *device;
    if (umb_device_open(ctx, NULL, &device) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return device;
}

static void choose_outputs(struct lab *lab)
{
    struct umb_graph *g = lab->graph;
    for (int t = 0; t < lab->n_tasks; t++) {
        g->value[lab->values.value[umb__net_task(lab->net, t)->output]].output = true;
    }
    for (int v = 0; lab->gradient && v < lab->n_values; v++) {
        bool trained = g->value[v].kind == UMB_VALUE_PARAM;
        if (trained && lab->gradient[v] >= 0) { g->value[lab->gradient[v]].output = true; }
    }
}

/* The numbers in the device's type, each exact. */
static void convert(enum umb_dtype dtype, const double *from, void *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (dtype == UMB_F32) {
            ((float *)to)[i] = (float)from[i];
        } else if (dtype == UMB_I32) {
            ((int32_t *)to)[i] = (int32_t)from[i];
        } else {
            ((uint8_t *)to)[i] = (uint8_t)from[i];
        }
    }
}

/* Nobody writes it but through those. */
static bool has_pieces(const struct lab *lab, int v)
{
    for (int k = 0; k < lab->n_values; k++) {
        if (lab->graph->value[k].base == v) { return true; }
    }
    return false;
}

/* What a piece of a kept value lies in. */
static const char *kept_as(const struct lab *lab, const struct umb_value *value)
{
    return value->base >= 0 ? lab->graph->value[value->base].name : value->name;
}

static void write_kept(struct rig *rig, int v)
{
    struct lab *lab = rig->lab;
    const struct umb_value *value = &lab->graph->value[v];
    size_t bytes = umb__type_bytes(&value->type);
    void *data = umb__calloc(lab->ctx, bytes, 1);
    assert_non_null(data);
    convert(value->type.dtype, lab->first[v] ? lab->first[v] : lab->data[v], data,
            lab_count(lab, v));
    must(rig, umb__store_write(rig->store, kept_as(lab, value), value->base_offset, bytes, data));
    umb__free(data);
}

void rig_reset(struct rig *rig, int slot)
{
    struct lab *lab = rig->lab;
    for (int v = 0; v < lab->n_values; v++) {
        const struct umb_value *value = &lab->graph->value[v];
        if (value->kind == UMB_VALUE_PARAM || value->kind == UMB_VALUE_STATE) {
            write_kept(rig, v);
        } else if (value->kind == UMB_VALUE_INPUT) {
            convert(value->type.dtype, lab->data[v], umb__plan_input(rig->plan, slot, v),
                    lab_count(lab, v));
        }
    }
}

struct rig rig_open(struct lab *lab, const struct rig_desc *desc)
{
    struct rig rig = {.lab = lab};
    choose_outputs(lab);
    const struct umb_device_caps *caps = umb_device_get_caps(desc->device);
    if (!desc->unfused) { must(&rig, umb__graph_fuse(lab->graph, desc->fuse_all ? NULL : caps)); }
    must(&rig, umb__graph_alias(lab->graph));
    must(&rig, umb__store_create(desc->device, &rig.store));
    struct umb_plan_desc plan = {.device = desc->device,
                                 .graph = lab->graph,
                                 .store = rig.store,
                                 .n_queues = desc->queues ? desc->queues : 1,
                                 .n_slots = desc->slots ? desc->slots : 1,
                                 .merge = !desc->unmerged};
    must(&rig, umb__plan_create(lab->ctx, &plan, &rig.plan));
    for (int s = 0; s < plan.n_slots; s++) {
        rig_reset(&rig, s);
    }
    return rig;
}

void rig_close(struct rig *rig)
{
    umb__plan_destroy(rig->plan);
    umb__store_destroy(rig->store);
}

void rig_run(struct rig *rig, int slot)
{
    must(rig, umb__plan_submit(rig->plan, slot));
    must(rig, umb__plan_wait(rig->plan, slot));
}

const float *rig_output(const struct rig *rig, int slot, int value)
{
    return umb__plan_output(rig->plan, slot, value);
}

/* ---- comparing ----
 *
 * Tolerance: 4·ε·√L of the largest number of a value, L the elements of the widest value, which no
 * sum behind a number exceeds by much.
 */

static double tolerance_of(const struct lab *lab, int value)
{
    int64_t widest = 1;
    double largest = 0;
    for (int v = 0; v < lab->n_values; v++) {
        int64_t n = lab_count(lab, v);
        widest = n > widest ? n : widest;
    }
    for (int64_t i = 0; i < lab_count(lab, value); i++) {
        largest = fmax(largest, fabs(lab->data[value][i]));
    }
    return 4 * (double)FLT_EPSILON * sqrt((double)widest) * (largest + 1e-3);
}

static double compare_output(const struct rig *rig, int slot, int value)
{
    const struct lab *lab = rig->lab;
    const float *got = rig_output(rig, slot, value);
    double tolerance = tolerance_of(lab, value), worst = 0;
    for (int64_t i = 0; i < lab_count(lab, value); i++) {
        double expected = lab->data[value][i], off = fabs((double)got[i] - expected);
        if (!(off <= tolerance)) {
            fail_msg("seed %d, %s[%lld]: %.9g, expected %.9g ± %.1e", (int)lab->seed,
                     lab->graph->value[value].name, (long long)i, (double)got[i], expected,
                     tolerance);
        }
        worst = fmax(worst, off / tolerance);
    }
    return worst;
}

void rig_compare_loosely(const struct rig *rig, double tolerance)
{
    const struct lab *lab = rig->lab;
    for (int v = 0; v < lab->n_values; v++) {
        const struct umb_value *value = &lab->graph->value[v];
        if (!value->output || value->kind != UMB_VALUE_TEMP || !lab->data[v]) { continue; }
        const float *got = rig_output(rig, 0, v);
        for (int64_t i = 0; i < lab_count(lab, v); i++) {
            const double expected = lab->data[v][i];
            if (!(fabs((double)got[i] - expected) <= tolerance * (0.1 + fabs(expected)))) {
                fail_msg("seed %d, %s[%lld]: %.9g, expected %.9g", (int)lab->seed, value->name,
                         (long long)i, (double)got[i], expected);
            }
        }
    }
}

double rig_compare(const struct rig *rig, int slot)
{
    const struct lab *lab = rig->lab;
    double worst = 0;
    int n = 0;
    for (int v = 0; v < lab->n_values; v++) {
        const struct umb_value *value = &lab->graph->value[v];
        if (!value->output || value->kind != UMB_VALUE_TEMP || !lab->data[v]) { continue; }
        worst = fmax(worst, compare_output(rig, slot, v));
        n++;
    }
    assert_true(n >= 2);
    return worst;
}

void rig_compare_states(const struct rig *rig)
{
    const struct lab *lab = rig->lab;
    for (int v = 0; v < lab->n_values; v++) {
        const struct umb_value *value = &lab->graph->value[v];
        if (value->kind != UMB_VALUE_STATE || has_pieces(lab, v)) { continue; }
        size_t bytes = umb__type_bytes(&value->type);
        void *data = umb__calloc(lab->ctx, bytes, 1);
        assert_non_null(data);
        assert_int_equal(
            umb__store_read(rig->store, kept_as(lab, value), value->base_offset, bytes, data),
            UMB_OK);
        for (int64_t i = 0; i < lab_count(lab, v); i++) {
            double got = value->type.dtype == UMB_I32 ? (double)((int32_t *)data)[i]
                                                      : (double)((float *)data)[i];
            if (!(fabs(got - lab->data[v][i]) <= tolerance_of(lab, v))) {
                fail_msg("%s[%lld]: %.9g, expected %.9g", value->name, (long long)i, got,
                         lab->data[v][i]);
            }
        }
        umb__free(data);
    }
}

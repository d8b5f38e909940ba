#include "rig.h"

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

static void write_kept(struct rig *rig, int v)
{
    struct lab *lab = rig->lab;
    const struct umb_value *value = &lab->graph->value[v];
    size_t bytes = umb__type_bytes(&value->type);
    void *data = umb__calloc(lab->ctx, bytes, 1);
    assert_non_null(data);
    convert(value->type.dtype, lab->first[v] ? lab->first[v] : lab->data[v], data,
            lab_count(lab, v));
    must(rig, umb__store_write(rig->store, value->name, 0, bytes, data));
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
    if (!desc->unfused) { must(&rig, umb__graph_fuse(lab->graph)); }
    must(&rig, umb__graph_alias(lab->graph));
    must(&rig, umb__store_create(desc->device, &rig.store));
    struct umb_plan_desc plan = {.device = desc->device,
                                 .graph = lab->graph,
                                 .store = rig.store,
                                 .n_queues = desc->queues ? desc->queues : 1,
                                 .n_slots = desc->slots ? desc->slots : 1};
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

/*
 * exp_devices.c: which devices an experiment runs on, and what is where.
 *
 * `device` keys go first: a trunk or task that has one is there, everything else on the first
 * device. Without any, several devices share the batches if they are of one kind, else the trunk is
 * on the first and the heads are dealt out to the others; train.parallel decides otherwise.
 */
#include "experiment.h"

#include "fail.h"
#include <stdio.h>
#include <string.h>

void umb__exp_devices_close(struct umb_exp_devices *d)
{
    for (int i = 0; i < d->n; i++) {
        umb_device_close(d->device[i]);
    }
    d->n = 0;
}

const char *umb__exp_devices_name(const struct umb_exp_devices *d, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = 0;
    for (int i = 0; i < d->n && used + 1 < size; i++) {
        const int more = snprintf(buffer + used, size - used, "%s%s", i ? " + " : "",
                                  umb_device_get_caps(d->device[i])->name);
        used += more > 0 ? (size_t)more : 0;
    }
    return buffer;
}

static bool all_equal(const struct umb_exp_devices *d)
{
    const struct umb_device_caps *first = umb_device_get_caps(d->device[0]);
    for (int i = 1; i < d->n; i++) {
        const struct umb_device_caps *c = umb_device_get_caps(d->device[i]);
        if (strcmp(c->name, first->name) != 0 || strcmp(c->driver, first->driver) != 0 ||
            c->compute_units != first->compute_units) {
            return false;
        }
    }
    return true;
}

/* The device that a key names, opened where it is not yet. */
static enum umb_status find_device(struct umb_experiment *exp, const struct umb_yaml *key,
                                   struct umb_exp_devices *d, int *ret_index)
{
    const char *selector = NULL;
    struct umb_device *device = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, key, &selector);
    if (st == UMB_OK) {
        st = umb_device_open(exp->ctx, selector, &device);
        if (st != UMB_OK) { return umb__yaml_fail_prefix(exp->ctx, key, st); }
    }
    for (int i = 0; st == UMB_OK && i < d->n; i++) {
        if (!umb_device_is(d->device[i], device)) { continue; }
        umb_device_close(device);
        *ret_index = i;
        return UMB_OK;
    }
    if (st == UMB_OK && d->n == UMB_MAX_DEVICES) {
        umb_device_close(device);
        return umb__yaml_fail(exp->ctx, key, "is one more device than the %d that a run may have",
                              UMB_MAX_DEVICES);
    }
    if (st != UMB_OK) { return st; }
    *ret_index = d->n;
    d->device[d->n++] = device;
    return UMB_OK;
}

static bool has_keys(const struct umb_experiment *exp)
{
    for (size_t i = 0; i < exp->n_trunks; i++) {
        if (exp->trunk[i].on) { return true; }
    }
    for (size_t i = 0; i < exp->n_tasks; i++) {
        if (exp->task[i].on) { return true; }
    }
    return false;
}

static enum umb_status follow_keys(struct umb_experiment *exp, struct umb_exp_devices *d)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_trunks; i++) {
        struct umb_exp_trunk *t = &exp->trunk[i];
        if (t->on) { st = find_device(exp, t->on, d, &t->device); }
    }
    for (size_t i = 0; st == UMB_OK && i < exp->n_tasks; i++) {
        struct umb_exp_task *t = &exp->task[i];
        if (t->on) { st = find_device(exp, t->on, d, &t->device); }
    }
    return st;
}

static void deal_heads(struct umb_experiment *exp, int n_devices)
{
    for (size_t i = 0; i < exp->n_tasks; i++) {
        exp->task[i].device = 1 + (int)(i % (size_t)(n_devices - 1));
    }
}

static void close_all_but_first(struct umb_exp_devices *d)
{
    while (d->n > 1) {
        umb_device_close(d->device[--d->n]);
    }
}

static void follow_parallel(struct umb_experiment *exp, struct umb_exp_devices *d)
{
    enum umb_exp_parallel p = exp->train.parallel;
    if (p == UMB_PARALLEL_AUTO) { p = d->equal ? UMB_PARALLEL_DATA : UMB_PARALLEL_HEADS; }
    if (p == UMB_PARALLEL_OFF) { close_all_but_first(d); }
    if (d->n == 1) { return; }
    if (p == UMB_PARALLEL_HEADS) { deal_heads(exp, d->n); }
    d->share = p == UMB_PARALLEL_DATA;
}

/* Sharing moves every layer anyway, so keys beside it would mean nothing. */
static enum umb_status check_keys(const struct umb_experiment *exp)
{
    const struct umb_yaml *parallel =
        umb__yaml_get(umb__yaml_get(exp->tree->root, "train"), "parallel");
    if (!parallel || exp->train.parallel == UMB_PARALLEL_AUTO) { return UMB_OK; }
    return umb__yaml_fail(
        exp->ctx, parallel,
        "stands beside device keys; expected one of the two to say what is where");
}

enum umb_status umb__experiment_devices(struct umb_experiment *exp, const char *selector,
                                        struct umb_exp_devices *ret_devices)
{
    struct umb_exp_devices d = {0};
    size_t n = 0;
    enum umb_status st = umb_devices_open(exp->ctx, selector, d.device, &n);
    if (st != UMB_OK) { return st; }
    d.n = (int)n;
    if (has_keys(exp)) {
        st = check_keys(exp);
        if (st == UMB_OK) { st = follow_keys(exp, &d); }
    } else {
        d.equal = all_equal(&d);
        follow_parallel(exp, &d);
    }
    if (st != UMB_OK) {
        umb__exp_devices_close(&d);
        return st;
    }
    *ret_devices = d;
    return UMB_OK;
}

/* device.c: opening and closing devices. */
#include "choose.h"
#include "fail.h"
#include "probe.h"

static enum umb_status check_usable(struct umb_context *ctx, const struct umb_candidate *c)
{
    if (c->use != UMB_USE_NEVER) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_UNSUPPORTED, "%s (%s): %s; choose another device", c->caps->name,
                     c->caps->platform, c->caps->issue);
}

static enum umb_status open_cl(struct umb_device *d)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)d->handle.platform, 0};
    cl_int code;
    d->cl = clCreateContext(properties, 1, &d->handle.device, NULL, NULL, &code);
    enum umb_status st = umb__cl_check(d->ctx, code, "clCreateContext");
    return st == UMB_OK ? st : umb__fail_prefix(d->ctx, st, "%s", d->caps->name);
}

/* Opens number `member` of the run's devices; *ret_n: how many those are. */
static enum umb_status open_device(struct umb_device *d, const char *selector, size_t member,
                                   size_t *ret_n)
{
    size_t *taken = NULL, n = 0;
    enum umb_status st = umb__devices_create(d->ctx, &d->found);
    if (st == UMB_OK) { st = umb__devices_team(d->ctx, &d->found, selector, &taken, &n); }
    if (st == UMB_OK && member >= n) { st = umb__devices_none_chosen(d->ctx, &d->found, selector); }
    if (st != UMB_OK) { return st; }
    const size_t i = taken[member];
    *ret_n = n;
    st = check_usable(d->ctx, &d->found.candidates[i]);
    if (st != UMB_OK) { return st; }
    d->caps = &d->found.caps[i];
    d->handle = d->found.handles[i];
    /* NVIDIA's clWaitForEvents and clFinish keep a core busy until the device is done. */
    d->polls = umb__selector_contains(d->caps->platform, "nvidia", 6);
    st = open_cl(d);
    const bool may_use = d->caps->type != UMB_DEVICE_CPU && !d->caps->software;
    if (st == UMB_OK && may_use) {
        umb__probe_kernels(d->ctx, d->cl, d->handle.device, &d->found.caps[i]);
    }
    return st;
}

/* A warning only where another device would do better; `umbel devices` shows the others too. */
static void say_issue(const struct umb_device *d)
{
    bool freely = d->found.candidates[d->caps - d->found.caps].use == UMB_USE_FREELY;
    if (!d->caps->issue) { return; }
    umb__log(d->ctx, freely ? UMB_LOG_INFO : UMB_LOG_WARN, "%s: %s", d->caps->name, d->caps->issue);
}

static enum umb_status open_member(struct umb_context *ctx, const char *selector, size_t member,
                                   struct umb_device **ret_device, size_t *ret_n)
{
    struct umb_device *d = umb__calloc(ctx, 1, sizeof *d);
    if (!d) { return UMB_ERR_NO_MEMORY; }
    d->ctx = ctx;
    enum umb_status st = open_device(d, selector, member, ret_n);
    if (st != UMB_OK) { goto fail; }
    umb__log(ctx, UMB_LOG_DEBUG, "device %s: %s, %s", d->caps->selector, d->caps->name,
             d->caps->driver);
    say_issue(d);
    *ret_device = d;
    return UMB_OK;
fail:
    umb_device_close(d);
    return st;
}

enum umb_status umb_device_open(struct umb_context *ctx, const char *selector,
                                struct umb_device **ret_device)
{
    size_t n;
    return open_member(ctx, selector, 0, ret_device, &n);
}

enum umb_status umb_devices_open(struct umb_context *ctx, const char *selector,
                                 struct umb_device **ret_devices, size_t *ret_n)
{
    size_t n = 1;
    for (size_t i = 0; i < n; i++) {
        enum umb_status st =
            i < UMB_MAX_DEVICES
                ? open_member(ctx, selector, i, &ret_devices[i], &n)
                : umb__fail(ctx, UMB_ERR_INVALID, "%zu devices are chosen; expected %d at most", n,
                            UMB_MAX_DEVICES);
        if (st == UMB_OK) { continue; }
        while (i-- > 0) {
            umb_device_close(ret_devices[i]);
        }
        return st;
    }
    *ret_n = n;
    return UMB_OK;
}

bool umb_device_is(const struct umb_device *a, const struct umb_device *b)
{
    return a->handle.device == b->handle.device;
}

void umb_device_close(struct umb_device *device)
{
    if (!device) { return; }
    if (device->program_slot.destroy) { device->program_slot.destroy(device->program_slot.data); }
    if (device->cl) { clReleaseContext(device->cl); }
    umb__devices_finish(&device->found);
    umb__free(device);
}

const struct umb_device_caps *umb_device_get_caps(const struct umb_device *device)
{
    return device->caps;
}

uint64_t umb_device_bytes(const struct umb_device *device)
{
    return atomic_load(&device->bytes);
}

uint64_t umb_device_peak_bytes(const struct umb_device *device)
{
    return atomic_load(&device->peak_bytes);
}

struct umb_context *umb__device_context(const struct umb_device *device)
{
    return device->ctx;
}

cl_context umb__device_cl_context(const struct umb_device *device)
{
    return device->cl;
}

cl_device_id umb__device_cl_id(const struct umb_device *device)
{
    return device->handle.device;
}

struct umb_device_slot *umb__device_program_slot(struct umb_device *device)
{
    return &device->program_slot;
}

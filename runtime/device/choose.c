/* choose.c: the caller's selector, UMBEL_DEVICE, or the default. */
#include "choose.h"
#include "system.h"

#define VARIABLE "UMBEL_DEVICE"

/* The text that counts, or NULL for the default; *ret_source is what messages call it. */
static const char *effective(const char *selector, const char **ret_source)
{
    *ret_source = selector ? "device" : VARIABLE;
    return selector ? selector : umb__env_text(VARIABLE);
}

enum umb_status umb__devices_choose(struct umb_context *ctx, struct umb_devices *devices,
                                    const char *selector, size_t *ret_first)
{
    const char *source, *text = effective(selector, &source);
    size_t *taken = umb__arena_calloc(devices->arena, devices->n + 1, sizeof *taken);
    if (!taken) { return UMB_ERR_NO_MEMORY; }
    size_t n_taken = 0;
    if (text) {
        enum umb_status st =
            umb__selector_take(ctx, source, text, devices->candidates, devices->n, taken, &n_taken);
        if (st != UMB_OK) { return st; }
    } else {
        taken[0] = umb__selector_default(devices->candidates, devices->n);
        n_taken = taken[0] < devices->n;
    }
    for (size_t i = 0; i < n_taken; i++) {
        devices->caps[taken[i]].chosen = true;
    }
    *ret_first = n_taken ? taken[0] : devices->n;
    return UMB_OK;
}

enum umb_status umb__devices_none_chosen(struct umb_context *ctx, const struct umb_devices *devices,
                                         const char *selector)
{
    const char *source, *text = effective(selector, &source);
    return umb__selector_no_match(ctx, source, text, devices->candidates, devices->n);
}

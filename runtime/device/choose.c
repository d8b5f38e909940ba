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

typedef enum umb_status (*take_fn)(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, struct umb_pick *ret_picks, size_t *ret_n_picks);

/* Cuts what is to be cut; *taken: [n], indices into devices. */
static enum umb_status follow(struct umb_context *ctx, struct umb_devices *devices,
                              const struct umb_pick *picks, size_t n, size_t *taken)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        taken[i] = picks[i].units ? devices->n : picks[i].device;
        if (picks[i].units) { st = umb__devices_cut(ctx, devices, &picks[i]); }
    }
    return st;
}

static enum umb_status choose(struct umb_context *ctx, struct umb_devices *devices,
                              const char *selector, take_fn take, size_t **ret_taken,
                              size_t *ret_n_taken)
{
    const char *source, *text = effective(selector, &source);
    const size_t room = devices->n + UMB_MAX_PARTS;
    size_t *taken = umb__arena_calloc(devices->arena, room, sizeof *taken);
    struct umb_pick *picks = umb__arena_calloc(devices->arena, room, sizeof *picks);
    if (!taken || !picks) { return UMB_ERR_NO_MEMORY; }
    *ret_taken = taken;
    if (text) {
        const enum umb_status st =
            take(ctx, source, text, devices->candidates, devices->n, picks, ret_n_taken);
        return st == UMB_OK ? follow(ctx, devices, picks, *ret_n_taken, taken) : st;
    }
    taken[0] = umb__selector_default(devices->candidates, devices->n);
    *ret_n_taken = taken[0] < devices->n;
    return UMB_OK;
}

enum umb_status umb__devices_team(struct umb_context *ctx, struct umb_devices *devices,
                                  const char *selector, size_t **ret_taken, size_t *ret_n_taken)
{
    return choose(ctx, devices, selector, umb__selector_team, ret_taken, ret_n_taken);
}

enum umb_status umb__devices_choose(struct umb_context *ctx, struct umb_devices *devices,
                                    const char *selector, size_t *ret_first)
{
    size_t *taken, n_taken = 0;
    const enum umb_status st = choose(ctx, devices, selector, umb__selector_take, &taken, &n_taken);
    if (st != UMB_OK) { return st; }
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

/*
 * trainer_phase.c: in checkpoints: what is frozen ("umbel.frozen", as lines), and the updates of
 * parameters that have had fewer than there were steps ("umbel.updates": NAME=COUNT lines). Neither
 * is there where nothing was ever frozen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net_params.h"
#include "text.h"
#include "trainer_internal.h"

#define FROZEN "umbel.frozen"
#define UPDATES "umbel.updates"

enum umb_status umb__trainer_collect_phase(struct umb_trainer *tr, struct umb_safetensors *file)
{
    struct umb_text t = {0};
    for (int p = 0; p < tr->parts.n_params; p++) {
        if (tr->parts.updates[p] == tr->n_steps) { continue; }
        umb__text_printf(&t, "%s=%" PRId64 "\n", umb__net_param(tr->net, p), tr->parts.updates[p]);
    }
    enum umb_status st = umb__text_status(tr->ctx, &t);
    if (st == UMB_OK && t.length) {
        st = umb__safetensors_add_text(file, UPDATES, umb__text_string(&t));
    }
    umb__text_finish(&t);
    if (st != UMB_OK || !*tr->parts.frozen) { return st; }
    return umb__safetensors_add_text(file, FROZEN, tr->parts.frozen);
}

/* "NAME=COUNT", n bytes. */
static enum umb_status read_line(struct umb_trainer *tr, const char *line, size_t n,
                                 const char *path, int64_t step, int64_t *updates)
{
    char number[24];
    int64_t count = -1;
    size_t length = n; /* of the name, which has no '=' */
    while (length > 0 && line[length - 1] != '=') {
        length--;
    }
    const size_t digits = n - length;
    snprintf(number, sizeof number, "%.*s", digits < sizeof number ? (int)digits : 0,
             line + length);
    if (length > 0 && umb__parse_int(number, 0, step, &count)) {
        const char *name;
        for (int p = 0; (name = umb__net_param(tr->net, p)) != NULL; p++) {
            if (strlen(name) != length - 1 || memcmp(name, line, length - 1) != 0) { continue; }
            updates[p] = count;
            return UMB_OK;
        }
    }
    return umb__fail(tr->ctx, UMB_ERR_FORMAT,
                     "%s: " UPDATES " has the line '%.*s'; expected a parameter and its updates, "
                     "0 to %" PRId64,
                     path, n < 80 ? (int)n : 80, line, step);
}

static enum umb_status read_updates(struct umb_trainer *tr, const char *text, const char *path,
                                    int64_t step, int64_t *updates)
{
    enum umb_status st = UMB_OK;
    for (int p = 0; p < tr->parts.n_params; p++) {
        updates[p] = step;
    }
    for (const char *line = text; st == UMB_OK && line && *line;) {
        const size_t n = strcspn(line, "\n");
        st = read_line(tr, line, n, path, step, updates);
        line += n + (line[n] == '\n');
    }
    return st;
}

/* Groups are those of equal counts, however many steps there have been. */
static bool same_counts(const struct umb_trainer *tr, const int64_t *updates, int64_t step)
{
    for (int p = 0; p < tr->parts.n_params; p++) {
        if (tr->n_steps - tr->parts.updates[p] != step - updates[p]) { return false; }
    }
    return true;
}

/* Texts may lie; and a trainer that is made to freeze nothing has no room for what a plan that
 * freezes needs. */
static enum umb_status check_phases(struct umb_trainer *tr, const char *frozen, const char *updates,
                                    const char *path)
{
    bool running, trains = false;
    for (int p = 0; frozen && p < tr->parts.n_params; p++) {
        trains |= !umb__trainer_freezes(tr, frozen, umb__net_param(tr->net, p), &running);
    }
    if (frozen && !trains) {
        return umb__fail(tr->ctx, UMB_ERR_FORMAT,
                         "%s: " FROZEN " freezes every parameter; expected some that are trained",
                         path);
    }
    if ((!frozen && !updates) || umb__trainer_has_phases(tr)) { return UMB_OK; }
    return umb__fail(tr->ctx, UMB_ERR_INVALID,
                     "%s: parameters were frozen in it; expected a trainer that freezes some "
                     "(train.freeze)",
                     path);
}

enum umb_status umb__trainer_read_phase(struct umb_trainer *tr, const struct umb_safetensors *file,
                                        const char *path, int64_t step,
                                        struct umb_trainer_phase *ret_phase)
{
    const char *frozen = umb__safetensors_text(file, FROZEN),
               *updates = umb__safetensors_text(file, UPDATES);
    struct umb_trainer_phase phase = {.same = false};
    enum umb_status st = check_phases(tr, frozen, updates, path);
    if (st != UMB_OK) { return st; }
    phase.frozen = umb__strdup(tr->ctx, frozen ? frozen : "");
    phase.updates = umb__calloc(tr->ctx, (size_t)tr->parts.n_params + 1, sizeof *phase.updates);
    st = phase.frozen && phase.updates ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = read_updates(tr, updates, path, step, phase.updates); }
    if (st != UMB_OK) {
        umb__free(phase.frozen);
        umb__free(phase.updates);
        return st;
    }
    phase.same =
        strcmp(phase.frozen, tr->parts.frozen) == 0 && same_counts(tr, phase.updates, step);
    *ret_phase = phase;
    return UMB_OK;
}

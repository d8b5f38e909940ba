/* trainer_parts.c: what a user says of parts of the parameters, checked and kept. */
#include "trainer_parts.h"

#include <math.h>
#include <string.h>

#include "net_params.h"
#include "text.h"
#include "trainer_internal.h"

#define RUNNING " running"
#define PATTERN_BYTES 512 /* with its end */
#define MAX_RATE 1e6
#define MAX_DECAY 1e3

/* ---- checking ---- */

static enum umb_status check_pattern(const struct umb_trainer *tr, const char *what,
                                     const char *pattern)
{
    const char *name = NULL;
    if (!pattern || !*pattern || strpbrk(pattern, " \t\n=")) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s '%.80s': expected a pattern of names, without blanks and '='", what,
                         pattern ? pattern : "");
    }
    if (strlen(pattern) >= PATTERN_BYTES) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s '%.80s…' has %zu bytes; expected at most %d",
                         what, pattern, strlen(pattern), PATTERN_BYTES - 1);
    }
    for (int i = 0; (name = umb__net_param(tr->net, i)) != NULL; i++) {
        if (umb__net_matches(tr->net, pattern, name)) { return UMB_OK; }
    }
    name = umb__net_param(tr->net, 0);
    return umb__fail(tr->ctx, UMB_ERR_INVALID,
                     "%s '%.80s' fits no parameter; expected one that fits names as %s", what,
                     pattern, name ? name : "a net with parameters has");
}

static enum umb_status check_frozen(struct umb_trainer *tr, const struct umb_frozen *frozen, int n)
{
    enum umb_status st = UMB_OK;
    for (int i = 0; st == UMB_OK && i < n; i++) {
        st = check_pattern(tr, "frozen", frozen[i].pattern);
    }
    const char *name = NULL;
    for (int p = 0; st == UMB_OK && (name = umb__net_param(tr->net, p)) != NULL; p++) {
        bool any = false;
        for (int i = 0; i < n; i++) {
            any |= umb__net_matches(tr->net, frozen[i].pattern, name);
        }
        if (!any) { return UMB_OK; }
    }
    if (st != UMB_OK || !n) { return st; }
    return umb__fail(tr->ctx, UMB_ERR_INVALID,
                     "every parameter is frozen; expected some that are trained");
}

/* ---- rates ---- */

/* The optimizer's attributes but for the weight decay. */
static enum umb_status part_attrs(struct umb_trainer *tr, double decay, void **ret_attrs)
{
    for (const struct umb_attr_desc *d = tr->optimizer->attrs; d->name; d++) {
        if (strcmp(d->name, "weight_decay") != 0) { continue; }
        void *attrs = umb__arena_calloc(tr->arena, 1, tr->optimizer->attrs_bytes);
        if (!attrs) { return UMB_ERR_NO_MEMORY; }
        memcpy(attrs, tr->optimizer_attrs, tr->optimizer->attrs_bytes);
        *(double *)(void *)((char *)attrs + d->offset) = decay;
        *ret_attrs = attrs;
    }
    return UMB_OK;
}

static enum umb_status add_part(struct umb_trainer *tr, const struct umb_part *part)
{
    struct umb_trainer_part *p = &tr->parts.part[tr->parts.n];
    enum umb_status st = check_pattern(tr, "part", part->pattern);
    if (st != UMB_OK) { return st; }
    if (!(part->rate > 0 && part->rate <= MAX_RATE) || !(part->weight_decay <= MAX_DECAY)) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "part '%s': rate %g, weight_decay %g; expected a rate above 0 to %g, and "
                         "a weight_decay to %g, or below 0 for the optimizer's",
                         part->pattern, part->rate, part->weight_decay, MAX_RATE, MAX_DECAY);
    }
    *p = (struct umb_trainer_part){.pattern = umb__arena_strdup(tr->arena, part->pattern),
                                   .rate = part->rate,
                                   .attrs = tr->optimizer_attrs};
    if (!p->pattern) { return UMB_ERR_NO_MEMORY; }
    tr->parts.n++;
    return part->weight_decay < 0 ? UMB_OK : part_attrs(tr, part->weight_decay, &p->attrs);
}

enum umb_status umb__trainer_take_parts(struct umb_trainer *tr, const struct umb_trainer_desc *desc)
{
    struct umb_trainer_parts *parts = &tr->parts;
    if (desc->n_parts < 0 || desc->n_parts > UMB_MAX_PARTS || desc->n_frozen < 0) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%d parts; expected 0 to %d", desc->n_parts,
                         UMB_MAX_PARTS);
    }
    while (umb__net_param(tr->net, parts->n_params)) {
        parts->n_params++;
    }
    parts->part[0] = (struct umb_trainer_part){"*", 1, tr->optimizer_attrs};
    parts->n = 1;
    parts->refreezes = desc->refreezes;
    parts->updates = umb__calloc(tr->ctx, (size_t)parts->n_params + 1, sizeof *parts->updates);
    enum umb_status st = parts->updates ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; st == UMB_OK && i < desc->n_parts; i++) {
        st = add_part(tr, &desc->parts[i]);
    }
    if (st == UMB_OK) { st = check_frozen(tr, desc->frozen, desc->n_frozen); }
    if (st != UMB_OK) { return st; }
    parts->frozen = umb__trainer_frozen_text(tr->ctx, desc->frozen, desc->n_frozen);
    return parts->frozen ? UMB_OK : UMB_ERR_NO_MEMORY;
}

void umb__trainer_parts_finish(struct umb_trainer *tr)
{
    umb__free(tr->parts.frozen);
    umb__free(tr->parts.updates);
}

bool umb__trainer_has_phases(const struct umb_trainer *tr)
{
    return tr->parts.refreezes || tr->parts.n > 1 || (tr->parts.frozen && *tr->parts.frozen);
}

/* ---- freezing ---- */

char *umb__trainer_frozen_text(struct umb_context *ctx, const struct umb_frozen *frozen, int n)
{
    struct umb_text t = {0};
    for (int i = 0; i < n; i++) {
        umb__text_printf(&t, "%s%s\n", frozen[i].pattern,
                         frozen[i].running_statistics ? RUNNING : "");
    }
    char *text =
        umb__text_status(ctx, &t) == UMB_OK ? umb__strdup(ctx, umb__text_string(&t)) : NULL;
    umb__text_finish(&t);
    return text;
}

bool umb__trainer_freezes(const struct umb_trainer *tr, const char *frozen, const char *param,
                          bool *ret_running)
{
    char pattern[PATTERN_BYTES];
    bool any = false, running = true;
    for (const char *line = frozen, *next; line && *line; line = next) {
        const size_t n = strcspn(line, "\n"), own = strcspn(line, " \n");
        next = line + n + (line[n] == '\n');
        if (own >= sizeof pattern) { continue; }
        memcpy(pattern, line, own);
        pattern[own] = 0;
        if (!umb__net_matches(tr->net, pattern, param)) { continue; }
        any = true;
        running = running && n != own;
    }
    *ret_running = any && running;
    return any;
}

bool umb__trainer_is_frozen(const struct umb_trainer *tr, const char *param, bool *ret_running)
{
    return umb__trainer_freezes(tr, tr->parts.frozen, param, ret_running);
}

enum umb_status umb_trainer_freeze(struct umb_trainer *tr, const struct umb_frozen *frozen, int n)
{
    if (!tr->parts.refreezes) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "the trainer keeps frozen what it was made with; expected one made with "
                         "desc.refreezes");
    }
    enum umb_status st = check_frozen(tr, frozen, n);
    if (st != UMB_OK) { return st; }
    char *text = umb__trainer_frozen_text(tr->ctx, frozen, n);
    if (!text) { return UMB_ERR_NO_MEMORY; }
    if (strcmp(text, tr->parts.frozen) == 0) {
        umb__free(text);
        return UMB_OK;
    }
    st = umb__trainer_refreeze(tr, text);
    if (st != UMB_OK) { umb__free(text); }
    return st;
}

/* ---- from step to step ---- */

void umb__trainer_set_hyper(const struct umb_trainer *tr, double rate, float *ret_hyper)
{
    const struct umb_trainer_groups *groups = &tr->side[UMB_TRAINER_TRAIN].groups;
    const double beta1 = umb__trainer_optimizer_attr(tr, "beta1"),
                 beta2 = umb__trainer_optimizer_attr(tr, "beta2");
    for (int k = 0; k < groups->n; k++) {
        const struct umb_trainer_group *group = &groups->group[k];
        float *hyper = ret_hyper + k * UMB_HYPER_COUNT;
        const int64_t before = tr->parts.updates[group->param];
        const double t = (double)(before + 1);
        hyper[UMB_HYPER_RATE] = (float)(rate * tr->parts.part[group->part].rate);
        hyper[UMB_HYPER_CORRECTION1] = (float)(1 - pow(beta1, t));
        hyper[UMB_HYPER_CORRECTION2] = (float)(1 - pow(beta2, t));
        hyper[UMB_HYPER_FIRST] = before == 0;
        hyper[UMB_HYPER_ONE] = 1;
    }
}

void umb__trainer_count_updates(struct umb_trainer *tr)
{
    const struct umb_trainer_groups *groups = &tr->side[UMB_TRAINER_TRAIN].groups;
    for (int p = 0; p < tr->parts.n_params; p++) {
        if (groups->of[p] >= 0) { tr->parts.updates[p]++; }
    }
}

#include "fit.h"

#include <stdio.h>
#include <string.h>

#include "plan_internal.h"
#include "text.h"

/* Drafts with nodes computed twice. From CAUTIOUS on each asks for twice as much as the one before
 * would have needed. */
#define MOST_DRAFTS 32
#define CAUTIOUS 16

struct fitting {
    struct umb_context *ctx;
    struct umb_plan_desc desc;
    struct umb_graph *g;
    size_t allowed, largest; /* in all; in one buffer */
    struct umb_fit fit;
    size_t least; /* the total of the smallest draft */
    int least_again;
    struct umb_plan *draft;
};

/* How far the scratch memory is from what it may be; 0: it fits. */
static size_t excess(const struct fitting *f)
{
    const struct umb_needs *n = &f->fit.needs;
    const size_t over = n->total > f->allowed ? n->total - f->allowed : 0;
    const size_t above = n->scratch > f->largest ? n->scratch - f->largest : 0;
    return over > above ? over : above;
}

static enum umb_status make_draft(struct fitting *f, int queues)
{
    umb__plan_destroy(f->draft);
    f->draft = NULL;
    f->desc.n_queues = queues;
    const enum umb_status st = umb__plan_draft(f->ctx, &f->desc, &f->draft);
    if (st != UMB_OK) { return st; }
    f->fit.queues = queues;
    f->fit.needs = umb__plan_needs(f->draft);
    if (!f->least || f->fit.needs.total < f->least) {
        f->least = f->fit.needs.total;
        f->least_again = f->fit.n_again;
    }
    return UMB_OK;
}

static enum umb_status give_up_queues(struct fitting *f)
{
    enum umb_status st = make_draft(f, f->fit.queues_asked);
    for (int q = f->fit.queues_asked; st == UMB_OK && q > 1 && excess(f) > 0;) {
        q /= 2;
        st = make_draft(f, q);
    }
    return st;
}

/* Computes more and more nodes twice, until the draft fits or nothing is gained any more. */
static enum umb_status recompute(struct fitting *f, struct umb_recompute *r, struct umb_cuts *cuts)
{
    for (int i = 0; i < MOST_DRAFTS && excess(f) > 0; i++) {
        const size_t rest = f->fit.needs.total - f->fit.needs.scratch;
        size_t need = excess(f), room = f->allowed > rest ? f->allowed - rest : 0;
        int n = 0;
        for (int k = CAUTIOUS; k < i && need < f->fit.needs.scratch; k++) {
            need *= 2;
        }
        if (room > f->largest) { room = f->largest; }
        enum umb_status st = umb__recompute_choose(f->draft, r, need, room, cuts, &n);
        if (st != UMB_OK || n == 0) { return st; }
        st = umb__recompute_apply(r, cuts->cut, cuts->n);
        if (st != UMB_OK) { return st; }
        f->fit.n_again = umb__recompute_n_again(r);
        st = make_draft(f, 1);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static enum umb_status give_up_time(struct fitting *f)
{
    struct umb_recompute *r = NULL;
    enum umb_status st = umb__recompute_open(f->g, &r);
    if (st != UMB_OK) { return st; }
    struct umb_cuts cuts = {0};
    st = recompute(f, r, &cuts);
    umb__free(cuts.cut);
    umb__recompute_close(r);
    return st;
}

static enum umb_status refuse(const struct fitting *f)
{
    char limit[UMB_BYTES_TEXT], least[UMB_BYTES_TEXT], kept[UMB_BYTES_TEXT];
    umb__bytes_text(f->least, least);
    umb__bytes_text(f->fit.needs.kept, kept);
    if (f->fit.limit && f->allowed == f->fit.limit) {
        return umb__fail(
            f->ctx, UMB_ERR_INVALID,
            "a memory limit of %s is too low: a step needs at least %s, with one queue "
            "and %d activations computed again; %s of it are parameters and states, the "
            "rest shrinks with the batch",
            umb__bytes_text(f->fit.limit, limit), least, f->least_again, kept);
    }
    return umb__fail(f->ctx, UMB_ERR_NO_MEMORY,
                     "%s: a step needs at least %s, with one queue and %d activations computed "
                     "twice; the device has %s, and allows %zu MiB in one piece; %s are parameters "
                     "and states, the rest shrinks with the batch",
                     umb_device_get_caps(f->desc.device)->name, least, f->least_again,
                     umb__bytes_text(f->allowed, limit), f->largest >> 20, kept);
}

enum umb_status umb__plan_fit(struct umb_context *ctx, const struct umb_plan_desc *desc,
                              struct umb_graph *g, uint64_t limit, struct umb_fit *ret_fit,
                              struct umb_plan **ret_plan)
{
    const struct umb_device_caps *caps = umb_device_get_caps(desc->device);
    struct fitting f = {.ctx = ctx,
                        .desc = *desc,
                        .g = g,
                        .allowed = caps->global_bytes,
                        .largest = caps->max_alloc_bytes,
                        .fit = {.limit = limit, .queues_asked = desc->n_queues}};
    if (limit && limit < f.allowed) { f.allowed = limit; }
    f.desc.graph = g;
    enum umb_status st = give_up_queues(&f);
    if (st == UMB_OK && excess(&f) > 0) { st = give_up_time(&f); }
    if (st == UMB_OK && excess(&f) > 0) { st = refuse(&f); }
    if (st == UMB_OK) { st = umb__plan_finish(f.draft); }
    if (st != UMB_OK) {
        umb__plan_destroy(f.draft);
        return st;
    }
    *ret_fit = f.fit;
    *ret_plan = f.draft;
    return UMB_OK;
}

bool umb__fit_gave_up(const struct umb_fit *f)
{
    return f->queues < f->queues_asked || f->n_again > 0;
}

const char *umb__fit_text(const struct umb_fit *f, char *buffer)
{
    snprintf(buffer, UMB_FIT_TEXT, "%d of %d queue%s, %d activation%s computed again", f->queues,
             f->queues_asked, f->queues_asked == 1 ? "" : "s", f->n_again,
             f->n_again == 1 ? "" : "s");
    return buffer;
}

#include "fit.h"

#include <stdio.h>
#include <string.h>

#include "graph_edit.h"
#include "plan_internal.h"
#include "text.h"

/* Drafts that a choice of nodes may cost, and as many again for leaving some of them out: at least
 * so many, and more for small graphs, whose drafts take no time. In the second half of them each
 * asks for twice as much as the one before would have needed. */
#define LEAST_DRAFTS 24
#define SMALL_GRAPHS 30000 /* nodes in all drafts together */

struct fitting {
    struct umb_context *ctx;
    struct umb_plan_desc desc;
    struct umb_graph *g;
    const uint64_t *limit;   /* [devices], or NULL */
    int only;                /* the device that is looked at; −1: whichever is worst off */
    size_t allowed, largest; /* in all; in one buffer; of device fit.device */
    struct umb_fit fit;
    size_t least; /* the total of the smallest draft */
    struct umb_plan *draft;
};

static struct umb_device *device_of(const struct fitting *f, int device)
{
    return device ? f->desc.more[device - 1].device : f->desc.device;
}

/* How far the scratch memory is from what it may be; 0: it fits. */
static size_t excess(const struct fitting *f, size_t allowed)
{
    const struct umb_needs *n = &f->fit.needs;
    const size_t over = n->total > allowed ? n->total - allowed : 0;
    const size_t above = n->scratch > f->largest ? n->scratch - f->largest : 0;
    return over > above ? over : above;
}

/* From here on the device is what is looked at. */
static void look_at(struct fitting *f, int device)
{
    const struct umb_device_caps *caps = umb_device_get_caps(device_of(f, device));
    f->fit.device = device;
    f->fit.limit = f->limit ? f->limit[device] : 0;
    f->fit.needs = umb__plan_needs(f->draft, device);
    f->allowed =
        f->fit.limit && f->fit.limit < caps->global_bytes ? f->fit.limit : caps->global_bytes;
    f->largest = caps->max_alloc_bytes;
}

/* The device that is furthest above what it may have; where all fit, the one that is nearest. */
static void look_at_worst(struct fitting *f)
{
    int worst = 0;
    size_t most = 0;
    double fullest = -1;
    for (int d = 0; d <= f->desc.n_more; d++) {
        look_at(f, d);
        const size_t over = excess(f, f->allowed);
        const double full = (double)f->fit.needs.total / (double)f->allowed;
        if (over < most || (over == most && full <= fullest)) { continue; }
        worst = d;
        most = over;
        fullest = full;
    }
    look_at(f, worst);
}

static void note_least(struct fitting *f)
{
    f->least = f->fit.needs.total;
}

static enum umb_status make_draft(struct fitting *f, int queues)
{
    umb__plan_destroy(f->draft);
    f->draft = NULL;
    f->desc.n_queues = queues;
    const enum umb_status st = umb__plan_draft(f->ctx, &f->desc, &f->draft);
    if (st != UMB_OK) { return st; }
    f->fit.queues = queues;
    if (f->only < 0) {
        look_at_worst(f);
    } else {
        look_at(f, f->only);
    }
    return UMB_OK;
}

static enum umb_status give_up_queues(struct fitting *f)
{
    enum umb_status st = make_draft(f, f->fit.queues_asked);
    for (int q = f->fit.queues_asked; st == UMB_OK && q > 1 && excess(f, f->allowed) > 0;) {
        q /= 2;
        st = make_draft(f, q);
    }
    return st;
}

/* Another order of the nodes, unless it is a worse one. It costs no time. */
static enum umb_status reorder(struct fitting *f)
{
    const size_t before = excess(f, f->allowed), bytes = (size_t)f->g->n_nodes * sizeof *f->g->node;
    struct umb_node *node = umb__calloc(f->ctx, (size_t)f->g->n_nodes + 1, sizeof *node);
    if (!node) { return UMB_ERR_NO_MEMORY; }
    memcpy(node, f->g->node, bytes);
    enum umb_status st = umb__graph_reorder(f->g);
    if (st == UMB_OK) { st = make_draft(f, 1); }
    if (st == UMB_OK && excess(f, f->allowed) > before) {
        memcpy(f->g->node, node, bytes);
        umb__graph_compact(f->g);
        st = make_draft(f, 1);
    }
    umb__free(node);
    return st;
}

/* Of several devices each first keeps the graph's order, which one alone with one queue does
 * anyway: copies would else be made whenever a device waits for another. */
static enum umb_status try_order(struct fitting *f)
{
    enum umb_status st = UMB_OK;
    f->desc.in_order = true;
    if (f->desc.n_more > 0) { st = make_draft(f, 1); }
    return st == UMB_OK && excess(f, f->allowed) > 0 ? reorder(f) : st;
}

static int most_drafts(const struct umb_recompute *r)
{
    const int many = SMALL_GRAPHS / (umb__recompute_n_nodes(r) + 1);
    return many > LEAST_DRAFTS ? many : LEAST_DRAFTS;
}

static enum umb_status draft_with(struct fitting *f, struct umb_recompute *r,
                                  const struct umb_cut *cut, int n)
{
    const enum umb_status st = umb__recompute_apply(r, cut, n);
    if (st != UMB_OK) { return st; }
    f->fit.n_again = umb__recompute_n_again(r);
    return make_draft(f, 1);
}

/* Cuts more and more, until the draft fits into `allowed` or nothing is gained any more. The
 * smallest draft on the way had the first *ret_n cuts, and is noted as the least. */
static enum umb_status add_cuts(struct fitting *f, struct umb_recompute *r, size_t allowed,
                                struct umb_cuts *cuts, int *ret_n)
{
    const int most = most_drafts(r);
    enum umb_status st = draft_with(f, r, cuts->cut, cuts->n);
    note_least(f);
    *ret_n = cuts->n;
    for (int i = 0; st == UMB_OK && i < most && excess(f, allowed) > 0; i++) {
        const size_t rest = f->fit.needs.total - f->fit.needs.scratch;
        size_t need = excess(f, allowed), room = allowed > rest ? allowed - rest : 0;
        int n = 0;
        for (int k = most / 2; k < i && need < f->fit.needs.scratch; k++) {
            need *= 2;
        }
        if (room > f->largest) { room = f->largest; }
        st = umb__recompute_choose(f->draft, r, f->only, need, room, cuts, &n);
        if (st != UMB_OK || n == 0) { return st; }
        st = draft_with(f, r, cuts->cut, cuts->n);
        if (st == UMB_OK && f->fit.needs.total < f->least) {
            note_least(f);
            *ret_n = cuts->n;
        }
    }
    return st;
}

/* Leaves out what later cuts have made needless, larger pieces of the list first; but none of the
 * first ones, which other devices need. */
static enum umb_status drop_cuts(struct fitting *f, struct umb_recompute *r, int first,
                                 struct umb_cuts *cuts)
{
    struct umb_cut *fewer = umb__calloc(f->ctx, (size_t)cuts->n + 1, sizeof *fewer);
    int left = most_drafts(r);
    enum umb_status st = fewer ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int size = (cuts->n - first) / 2; st == UMB_OK && size > 0; size /= 2) {
        for (int from = cuts->n - size; st == UMB_OK && from >= first && left > 0; from -= size) {
            const int n = cuts->n - size;
            memcpy(fewer, cuts->cut, (size_t)from * sizeof *fewer);
            memcpy(fewer + from, cuts->cut + from + size, (size_t)(n - from) * sizeof *fewer);
            st = draft_with(f, r, fewer, n);
            left--;
            if (st != UMB_OK || excess(f, f->allowed) > 0) { continue; }
            memcpy(cuts->cut, fewer, (size_t)n * sizeof *fewer);
            cuts->n = n;
        }
    }
    umb__free(fewer);
    return st == UMB_OK ? draft_with(f, r, cuts->cut, cuts->n) : st;
}

/* Where steps towards the limit end above it, those that heed none may end below. What they reach
 * is then all that can be had: as a limit it is enough. */
static enum umb_status choose_cuts(struct fitting *f, struct umb_recompute *r,
                                   struct umb_cuts *cuts)
{
    const int first = cuts->n;
    int n;
    enum umb_status st = add_cuts(f, r, f->allowed, cuts, &n);
    if (st != UMB_OK || excess(f, f->allowed) == 0) { return st; }
    cuts->n = first;
    st = add_cuts(f, r, 0, cuts, &n);
    cuts->n = n;
    return st == UMB_OK ? draft_with(f, r, cuts->cut, cuts->n) : st;
}

/* Of the device that is looked at. */
static enum umb_status cut_device(struct fitting *f, struct umb_recompute *r, struct umb_cuts *cuts)
{
    const int first = cuts->n;
    enum umb_status st = choose_cuts(f, r, cuts);
    if (st == UMB_OK && excess(f, f->allowed) == 0) { st = drop_cuts(f, r, first, cuts); }
    return st;
}

/* Device by device: what one computes again leaves the others' memory as it is. Where one cannot be
 * made to fit, the others are cut all the same, so that the worst of them can be named. */
static enum umb_status give_up_time(struct fitting *f)
{
    struct umb_recompute *r = NULL;
    struct umb_cuts cuts = {0};
    enum umb_status st = umb__recompute_open(f->g, &r);
    for (int d = 0; st == UMB_OK && d <= f->desc.n_more; d++) {
        f->only = d;
        look_at(f, d);
        if (excess(f, f->allowed) > 0) { st = cut_device(f, r, &cuts); }
    }
    f->only = -1;
    if (st == UMB_OK) { look_at_worst(f); }
    umb__free(cuts.cut);
    umb__recompute_close(r);
    return st;
}

/* What was given up besides queues may not have been worth it: then it is not what is asked for. */
static void look_at_least(struct fitting *f, const struct umb_fit *one_queue, size_t over)
{
    if (excess(f, f->allowed) <= over) { return; }
    look_at(f, one_queue->device);
    f->fit.needs = one_queue->needs;
}

/* " for device 1", where there are several. */
static const char *for_device(const struct fitting *f, char *buffer, size_t size)
{
    buffer[0] = 0;
    if (f->desc.n_more) { snprintf(buffer, size, " for device %d", f->fit.device); }
    return buffer;
}

static enum umb_status refuse(const struct fitting *f)
{
    char limit[UMB_BYTES_TEXT], least[UMB_BYTES_TEXT], kept[UMB_BYTES_TEXT], piece[UMB_BYTES_TEXT];
    char what[200], device[32];
    snprintf(what, sizeof what,
             "a step needs %s, with one queue and activations computed again; %s of it are "
             "parameters and states, the rest shrinks with the batch",
             umb__bytes_text(f->fit.needs.total, least), umb__bytes_text(f->fit.needs.kept, kept));
    umb__bytes_text(f->allowed, limit);
    if (f->fit.limit && f->allowed == f->fit.limit) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "a memory limit of %s is too low%s: %s", limit,
                         for_device(f, device, sizeof device), what);
    }
    return umb__fail(f->ctx, UMB_ERR_NO_MEMORY, "%s has %s, at most %s in one piece%s: %s",
                     umb_device_get_caps(device_of(f, f->fit.device))->name, limit,
                     umb__bytes_text(f->largest, piece), for_device(f, device, sizeof device),
                     what);
}

enum umb_status umb__plan_fit(struct umb_context *ctx, const struct umb_plan_desc *desc,
                              struct umb_graph *g, const uint64_t *limit, struct umb_fit *ret_fit,
                              struct umb_plan **ret_plan)
{
    struct fitting f = {.ctx = ctx,
                        .desc = *desc,
                        .g = g,
                        .limit = limit,
                        .only = -1,
                        .fit = {.queues_asked = desc->n_queues}};
    f.desc.graph = g;
    enum umb_status st = give_up_queues(&f);
    const struct umb_fit one_queue = f.fit;
    const size_t over = st == UMB_OK ? excess(&f, f.allowed) : 0;
    if (st == UMB_OK && over > 0) { st = umb__plan_note_reads(f.draft, g); }
    if (st == UMB_OK && over > 0) { st = try_order(&f); }
    if (st == UMB_OK && excess(&f, f.allowed) > 0) { st = give_up_time(&f); }
    if (st == UMB_OK && excess(&f, f.allowed) > 0) {
        look_at_least(&f, &one_queue, over);
        st = refuse(&f);
    }
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
    if (!umb__fit_gave_up(f)) {
        snprintf(buffer, UMB_FIT_TEXT, "nothing given up");
        return buffer;
    }
    snprintf(buffer, UMB_FIT_TEXT, "%d of %d queue%s, %d activation%s computed again", f->queues,
             f->queues_asked, f->queues_asked == 1 ? "" : "s", f->n_again,
             f->n_again == 1 ? "" : "s");
    return buffer;
}

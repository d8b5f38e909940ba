/*
 * trainer_from.c: a trainer begins with tensors of a file, matched by name.
 *
 *   file: layers.0.weight ── map "layers.0.*": "conv1.*" ──► conv1.weight ── ours of that name
 *
 * Every pair is found and checked before the first is written.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net_params.h"
#include "text.h"
#include "trainer_state.h"

struct from {
    const struct umb_init_desc *desc;
    struct umb_safetensors *file;
    struct umb_arena *arena;
    struct umb_names ours; /* what their tensors are called here → their index */
    bool *used;            /* [their tensors] */
    struct umb_text lines; /* of the report, behind the first */
    int n_taken, n_kept;
    int64_t numbers;
    const char *kept; /* the first of ours that is not there */
};

/* ---- their names ---- */

/* What the map's row makes of a name, in the arena; NULL: it does not fit, or no memory. */
static const char *renamed(struct from *f, const struct umb_init_map *row, const char *name)
{
    const char *star = strchr(row->theirs, '*'), *place = strchr(row->ours, '*');
    if (!umb__glob(row->theirs, name)) { return NULL; }
    if (!star || !place) { return umb__arena_strdup(f->arena, row->ours); }
    const size_t front = (size_t)(star - row->theirs), back = strlen(star + 1);
    return umb__arena_printf(f->arena, "%.*s%.*s%s", (int)(place - row->ours), row->ours,
                             (int)(strlen(name) - front - back), name + front, place + 1);
}

/* Umbel's own checkpoints have more than a network's tensors. */
static bool is_aside(const char *name)
{
    static const char *const others[] = {"balancer.state", "balancer.pairs", "balancer.rows",
                                         "share.omega"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(name, others[i]) == 0) { return true; }
    }
    return strncmp(name, "optimizer.", 10) == 0 || strncmp(name, "results.", 8) == 0;
}

static enum umb_status name_one(struct umb_trainer *tr, struct from *f, size_t index, bool *fits)
{
    const char *name = umb__safetensors_at(f->file, index)->name, *here = NULL;
    for (int m = 0; m < f->desc->n_map && !here; m++) {
        if (!umb__glob(f->desc->map[m].theirs, name)) { continue; }
        fits[m] = true;
        here = renamed(f, &f->desc->map[m], name);
        if (!here) { return UMB_ERR_NO_MEMORY; }
    }
    if (!here) { here = name; }
    const int other = umb__names_find(&f->ours, here);
    if (other < 0) { return umb__names_add(tr->ctx, &f->ours, here, (int)index); }
    return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: %s and %s are both meant for %s; expected one",
                     f->desc->path, umb__safetensors_at(f->file, (size_t)other)->name, name, here);
}

static enum umb_status name_all(struct umb_trainer *tr, struct from *f)
{
    bool *fits = umb__arena_calloc(f->arena, (size_t)f->desc->n_map + 1, sizeof *fits);
    enum umb_status st = fits ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < umb__safetensors_count(f->file); i++) {
        if (is_aside(umb__safetensors_at(f->file, i)->name)) { continue; }
        st = name_one(tr, f, i, fits);
    }
    for (int m = 0; st == UMB_OK && m < f->desc->n_map; m++) {
        if (fits[m]) { continue; }
        st =
            umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: map: '%.80s' fits none of its tensors%s%s",
                      f->desc->path, f->desc->map[m].theirs,
                      umb__safetensors_count(f->file) ? "; expected names as " : "",
                      umb__safetensors_count(f->file) ? umb__safetensors_at(f->file, 0)->name : "");
    }
    return st;
}

/* ---- pairs ---- */

static bool is_skipped(const struct umb_trainer *tr, const struct from *f, const char *name)
{
    for (int i = 0; i < f->desc->n_skip; i++) {
        if (umb__net_matches(tr->net, f->desc->skip[i], name)) { return true; }
    }
    return false;
}

static const struct umb_safetensors_entry *find(const struct from *f, const char *name)
{
    const int i = umb__names_find(&f->ours, name);
    return i < 0 ? NULL : umb__safetensors_at(f->file, (size_t)i);
}

/* Statistics of one stream [C], for the [streams,C] of a state here. */
static bool spreads(const struct umb_tensor_place *p, const struct umb_shape *theirs)
{
    const struct umb_shape *ours = &p->spec->layout.file_shape;
    return p->value->kind == UMB_VALUE_STATE && ours->rank == 2 && theirs->rank == 1 &&
           ours->dim[1] == theirs->dim[0];
}

static enum umb_status check_numbers(struct umb_trainer *tr, const struct from *f,
                                     const struct umb_safetensors_entry *e)
{
    const int64_t n = umb__shape_count(&e->shape);
    for (int64_t i = 0; i < n; i++) {
        const float x = ((const float *)e->data)[i];
        if (isfinite(x)) { continue; }
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s: %s has %g at number %" PRId64 "; expected finite numbers",
                         f->desc->path, e->name, (double)x, i);
    }
    return UMB_OK;
}

static enum umb_status check_pair(struct umb_trainer *tr, const struct from *f,
                                  const struct umb_tensor_place *p,
                                  const struct umb_safetensors_entry *e)
{
    const struct umb_shape *ours = &p->spec->layout.file_shape;
    const bool fits = umb__shape_equal(ours, &e->shape) || spreads(p, &e->shape);
    if (fits && strcmp(e->dtype, "F32") == 0) { return check_numbers(tr, f, e); }
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    return umb__fail(tr->ctx, UMB_ERR_INVALID,
                     "%s: %s is %s %s, and %s is F32 %s; expected equal shapes, or %s among those "
                     "that are skipped",
                     f->desc->path, e->name, e->dtype, umb__shape_text(&e->shape, a, sizeof a),
                     p->name, umb__shape_text(ours, b, sizeof b), p->name);
}

static void report(struct from *f, const struct umb_tensor_place *p, const char *what,
                   const char *more)
{
    char shape[UMB_SHAPE_TEXT];
    umb__text_printf(&f->lines, "%s %s %s%s\n", p->name,
                     umb__shape_text(&p->spec->layout.file_shape, shape, sizeof shape), what, more);
}

/* A tensor of ours. */
static enum umb_status match(struct umb_trainer *tr, const struct umb_tensor_place *p, void *user)
{
    struct from *f = user;
    if (is_aside(p->name)) { return UMB_OK; }
    const struct umb_safetensors_entry *e = find(f, p->name);
    const bool skipped = is_skipped(tr, f, p->name);
    if (skipped || !e) {
        report(f, p,
               "keeps its beginning: ", skipped ? "skipped" : "the file has none of that name");
        f->n_kept++;
        if (!skipped && !f->kept) { f->kept = p->value->name; }
        return UMB_OK;
    }
    report(f, p, "from ", e->name);
    f->used[umb__names_find(&f->ours, p->name)] = true;
    f->n_taken++;
    f->numbers += umb__shape_count(&p->spec->layout.file_shape);
    return check_pair(tr, f, p, e);
}

static enum umb_status take(struct umb_trainer *tr, const struct umb_tensor_place *p, void *user)
{
    const struct from *f = user;
    const struct umb_safetensors_entry *e = is_aside(p->name) ? NULL : find(f, p->name);
    if (!e || is_skipped(tr, f, p->name)) { return UMB_OK; }
    char *file = umb__calloc(tr->ctx, p->bytes, 1), *device = umb__calloc(tr->ctx, p->bytes, 1);
    enum umb_status st = file && device ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        const size_t own = (size_t)umb__shape_count(&e->shape) * sizeof(float);
        for (size_t at = 0; at < p->bytes; at += own) {
            memcpy(file + at, e->data, own);
        }
        umb__layout_from_file(&p->spec->layout, file, device);
        st = umb__store_write(tr->store, p->buffer, p->offset, p->bytes, device);
    }
    umb__free(file);
    umb__free(device);
    return st;
}

/* ---- the whole ---- */

/* Those of theirs that nobody took; whole numbers are counters of other tools. */
static const char *report_unused(struct from *f, int *ret_n)
{
    const char *first = NULL;
    char shape[UMB_SHAPE_TEXT];
    *ret_n = 0;
    for (size_t i = 0; i < umb__safetensors_count(f->file); i++) {
        const struct umb_safetensors_entry *e = umb__safetensors_at(f->file, i);
        if (f->used[i] || is_aside(e->name)) { continue; }
        umb__text_printf(&f->lines, "not used: %s %s %s\n", e->name, e->dtype,
                         umb__shape_text(&e->shape, shape, sizeof shape));
        ++*ret_n;
        if (!first && strcmp(e->dtype, "F32") == 0) { first = e->name; }
    }
    return first;
}

static enum umb_status check_all(struct umb_trainer *tr, const struct from *f, const char *unused)
{
    if (f->n_taken == 0) {
        return umb__fail(
            tr->ctx, UMB_ERR_INVALID,
            "%s: none of its tensors is called as one of the network's, %s%s; expected "
            "some, or a map of names",
            f->desc->path, unused ? "it has " : "", unused ? unused : "it has none");
    }
    if (!f->desc->strict || (!f->kept && !unused)) { return UMB_OK; }
    return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: %s %s; expected all of both, for it is strict",
                     f->desc->path, f->kept ? "it has none for" : "nothing takes its",
                     f->kept ? f->kept : unused);
}

static void tell(const struct from *f, int n_unused)
{
    char line[512];
    if (!f->desc->listen) { return; }
    snprintf(
        line, sizeof line,
        "begins with %d tensor%s (%" PRId64 " numbers) of %.300s; %d keep their own beginning, "
        "%d of the file are not used",
        f->n_taken, f->n_taken == 1 ? "" : "s", f->numbers, f->desc->path, f->n_kept, n_unused);
    f->desc->listen(f->desc->user, line);
    for (const char *at = umb__text_string(&f->lines); *at;) {
        const size_t n = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", n < sizeof line ? (int)n : (int)sizeof line - 1, at);
        f->desc->listen(f->desc->user, line);
        at += n + (at[n] == '\n');
    }
}

static enum umb_status begin(struct umb_trainer *tr, struct from *f)
{
    int n_unused = 0;
    const char *unused = NULL;
    f->used = umb__arena_calloc(f->arena, umb__safetensors_count(f->file) + 1, sizeof *f->used);
    enum umb_status st = f->used ? name_all(tr, f) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__trainer_for_tensors(tr, match, f); }
    if (st == UMB_OK) {
        unused = report_unused(f, &n_unused);
        st = umb__text_status(tr->ctx, &f->lines);
    }
    if (st == UMB_OK) { st = check_all(tr, f, unused); }
    if (st == UMB_OK) { st = umb__trainer_for_tensors(tr, take, f); }
    if (st == UMB_OK) { tell(f, n_unused); }
    return st;
}

static enum umb_status check_desc(struct umb_trainer *tr, const struct umb_init_desc *desc)
{
    if (tr->n_steps > 0) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s: the trainer has made %" PRId64 " steps; expected none before it "
                         "begins with a file",
                         desc->path, tr->n_steps);
    }
    for (int m = 0; m < desc->n_map; m++) {
        const char *theirs = strchr(desc->map[m].theirs, '*'),
                   *ours = strchr(desc->map[m].ours, '*');
        const bool twice = (theirs && strchr(theirs + 1, '*')) || (ours && strchr(ours + 1, '*'));
        if (!twice && !theirs == !ours && !strchr(desc->map[m].theirs, '?')) { continue; }
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "map: '%.80s' → '%.80s'; expected one * in both, or none, and no ?",
                         desc->map[m].theirs, desc->map[m].ours);
    }
    return UMB_OK;
}

enum umb_status umb_trainer_init_from(struct umb_trainer *tr, const struct umb_init_desc *desc)
{
    struct from f = {.desc = desc};
    enum umb_status st = check_desc(tr, desc);
    if (st == UMB_OK) { st = umb__trainer_settle(tr); }
    if (st == UMB_OK) { st = umb__safetensors_read(tr->ctx, desc->path, &f.file); }
    if (st == UMB_OK) { st = umb__arena_create(tr->ctx, &f.arena); }
    if (st == UMB_OK) { st = begin(tr, &f); }
    umb__safetensors_destroy(f.file);
    umb__names_finish(&f.ours);
    umb__text_finish(&f.lines);
    umb__arena_destroy(f.arena);
    return st;
}

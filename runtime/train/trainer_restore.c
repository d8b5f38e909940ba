/* A trainer's state out of a file: everything is checked before anything is changed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clblast.h"
#include "system.h"
#include "text.h"
#include "trainer_balance.h"
#include "trainer_soft.h"
#include "trainer_state.h"

struct restore {
    const struct umb_safetensors *file;
    const char *path;
};

static enum umb_status check_tensor(struct umb_trainer *tr, const struct umb_tensor_place *p,
                                    void *user)
{
    const struct restore *r = user;
    const struct umb_safetensors_entry *e = umb__safetensors_find(r->file, p->name);
    if (!e) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s: it has no tensor %s, which this network needs", r->path, p->name);
    }
    if (strcmp(e->dtype, "F32") != 0 || !umb__shape_equal(&e->shape, &p->spec->layout.file_shape)) {
        char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: %s is %s %s; expected F32 %s", r->path,
                         p->name, e->dtype, umb__shape_text(&e->shape, a, sizeof a),
                         umb__shape_text(&p->spec->layout.file_shape, b, sizeof b));
    }
    return UMB_OK;
}

static enum umb_status restore_tensor(struct umb_trainer *tr, const struct umb_tensor_place *p,
                                      void *user)
{
    const struct restore *r = user;
    const struct umb_safetensors_entry *e = umb__safetensors_find(r->file, p->name);
    float *device = umb__calloc(tr->ctx, p->bytes, 1);
    if (!device) { return UMB_ERR_NO_MEMORY; }
    umb__layout_from_file(&p->spec->layout, e->data, device);
    enum umb_status st = umb__store_write(tr->store, p->buffer, p->offset, p->bytes, device);
    umb__free(device);
    return st;
}

static enum umb_status read_number(struct umb_trainer *tr, const struct restore *r, const char *key,
                                   int64_t *ret_value)
{
    const char *text = umb__safetensors_text(r->file, key);
    if (!text || !umb__parse_int(text, INT64_MIN, INT64_MAX, ret_value)) {
        return umb__fail(tr->ctx, UMB_ERR_FORMAT, "%s: %s is '%s'; expected a whole number",
                         r->path, key, text ? text : "missing");
    }
    return UMB_OK;
}

static enum umb_status check_texts(struct umb_trainer *tr, const struct restore *r,
                                   int64_t *ret_step, int64_t *ret_seed)
{
    int64_t batch;
    enum umb_status st = read_number(tr, r, "umbel.step", ret_step);
    if (st == UMB_OK) { st = read_number(tr, r, "umbel.seed", ret_seed); }
    if (st == UMB_OK) { st = read_number(tr, r, "umbel.batch", &batch); }
    if (st != UMB_OK) { return st; }
    const char *optimizer = umb__safetensors_text(r->file, "umbel.optimizer");
    if (*ret_step < 0) {
        return umb__fail(tr->ctx, UMB_ERR_FORMAT,
                         "%s: umbel.step is %" PRId64 "; expected 0 or more", r->path, *ret_step);
    }
    if (batch != tr->batch) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "%s: it was trained with batch %" PRId64 ", not %" PRId64, r->path, batch,
                         tr->batch);
    }
    if (!optimizer || strcmp(optimizer, tr->optimizer_name) != 0) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: it was trained with optimizer %s, not %s",
                         r->path, optimizer ? optimizer : "(none)", tr->optimizer_name);
    }
    return UMB_OK;
}

/* Files of other tools do not say it. */
static enum umb_status check_fusing(struct umb_trainer *tr, const struct restore *r,
                                    bool *ret_fuses)
{
    const char *text = umb__safetensors_text(r->file, "umbel.fuse");
    int64_t fuses = *ret_fuses;
    if (text && !umb__parse_int(text, 0, 1, &fuses)) {
        return umb__fail(tr->ctx, UMB_ERR_FORMAT, "%s: umbel.fuse is '%.40s'; expected 0 or 1",
                         r->path, text);
    }
    *ret_fuses = fuses;
    return UMB_OK;
}

static const struct umb_safetensors_entry *tally_entry(const struct umb_trainer *tr,
                                                       const struct restore *r, int t)
{
    char name[256];
    snprintf(name, sizeof name, "results.%s", umb__net_task(tr->net, t)->name);
    return umb__safetensors_find(r->file, name);
}

static enum umb_status check_tally(struct umb_trainer *tr, const struct restore *r, int t)
{
    const struct umb_safetensors_entry *e = tally_entry(tr, r, t);
    int64_t n = 2 + tr->tally[t].n_counts + tr->tally[t].n_values;
    if (!e || strcmp(e->dtype, "I64") != 0 || e->shape.rank != 1 || e->shape.dim[0] != n) {
        return umb__fail(tr->ctx, UMB_ERR_INVALID, "%s: results.%s is missing or of another task",
                         r->path, umb__net_task(tr->net, t)->name);
    }
    return UMB_OK;
}

static void restore_tally(struct umb_trainer *tr, const struct restore *r, int t)
{
    const char *words = tally_entry(tr, r, t)->data;
    struct umb_tally *y = &tr->tally[t];
    memcpy(&y->loss_sum, words, 8);
    memcpy(&y->loss_total, words + 8, 8);
    memcpy(y->counts, words + 16, (size_t)y->n_counts * 8);
    memcpy(y->errors, words + 16 + 8 * y->n_counts, (size_t)y->n_values * 8);
}

/* What a plan follows from, beside the net, the device and what was measured on it. */
struct plan_basis {
    bool fuses;
    int64_t share[UMB_MAX_DEVICES];
    char *choices; /* NULL: free */
    char *frozen;  /* as trainer_parts.h's */
    int64_t *updates;
};

static struct plan_basis basis_of(const struct umb_trainer *tr)
{
    struct plan_basis b = {.fuses = tr->fuses,
                           .choices = tr->choices,
                           .frozen = tr->parts.frozen,
                           .updates = tr->parts.updates};
    memcpy(b.share, tr->share, sizeof b.share);
    return b;
}

static void set_basis(struct umb_trainer *tr, struct plan_basis basis)
{
    tr->fuses = basis.fuses;
    memcpy(tr->share, basis.share, sizeof tr->share);
    tr->choices = basis.choices;
    tr->parts.frozen = basis.frozen;
    tr->parts.updates = basis.updates;
}

/* What was taken over from an earlier basis and is not in the present one. */
static void free_basis(const struct umb_trainer *tr, struct plan_basis before)
{
    if (before.choices != tr->choices) { umb__free(before.choices); }
    if (before.frozen != tr->parts.frozen) { umb__free(before.frozen); }
    if (before.updates != tr->parts.updates) { umb__free(before.updates); }
}

static void drop_sides(struct umb_trainer *tr, bool all)
{
    umb__trainer_drop_side(&tr->side[UMB_TRAINER_BETWEEN]);
    for (int m = 0; all && m < UMB_TRAINER_SIDES; m++) {
        if (m != UMB_TRAINER_TRAIN) { umb__trainer_drop_side(&tr->side[m]); }
    }
}

/* Compiles the training plan anew; the present one stands until the new one is there. Where rows
 * are other devices', so may be what is kept: all of that is made anew too, for the caller to
 * write. What the basis points to is taken over on success. */
static enum umb_status change_plan(struct umb_trainer *tr, struct plan_basis basis)
{
    const struct plan_basis before = basis_of(tr);
    const bool moves = memcmp(basis.share, before.share, sizeof before.share) != 0;
    struct umb_trainer_side present = tr->side[UMB_TRAINER_TRAIN];
    struct umb_store *present_store = tr->store, *store = present_store;
    enum umb_status st = moves ? umb__trainer_make_store(tr, &store) : UMB_OK;
    if (st != UMB_OK) { return st; }
    set_basis(tr, basis);
    tr->store = store;
    tr->side[UMB_TRAINER_TRAIN] = (struct umb_trainer_side){0};
    st = umb__trainer_compile(tr, UMB_TRAINER_TRAIN);
    if (st != UMB_OK) {
        tr->side[UMB_TRAINER_TRAIN] = present;
        tr->store = present_store;
        if (moves) { umb__store_destroy(store); }
        set_basis(tr, before);
        return st;
    }
    umb__trainer_drop_side(&present);
    free_basis(tr, before);
    drop_sides(tr, moves || basis.fuses != before.fuses);
    if (moves) { umb__store_destroy(present_store); }
    return UMB_OK;
}

/* The present plan serves the basis: counts of updates are all that is new. */
static enum umb_status keep_plan(struct umb_trainer *tr, struct plan_basis basis)
{
    const struct plan_basis before = basis_of(tr);
    basis.choices = tr->choices;
    set_basis(tr, basis);
    free_basis(tr, before);
    return UMB_OK;
}

/* Tasks' gradients, but not what a balancer keeps of them over steps. */
static bool is_rows(const struct umb_value *v)
{
    const size_t n = strlen(v->name);
    return v->kind == UMB_VALUE_STATE && v->base < 0 && n >= 4 &&
           strcmp(v->name + n - 4, "rows") == 0 && strcmp(v->name, UMB_BALANCE_ROWS) != 0;
}

static enum umb_status clear_rows(struct umb_trainer *tr, int mode)
{
    const struct umb_graph *g = tr->side[mode].graph;
    enum umb_status st = UMB_OK;
    for (int v = 0; st == UMB_OK && g && v < g->n_values; v++) {
        if (!is_rows(&g->value[v])) { continue; }
        const size_t bytes = umb__type_bytes(&g->value[v].type);
        void *zeros = umb__calloc(tr->ctx, bytes, 1);
        st = zeros ? umb__store_write(tr->store, g->value[v].name, 0, bytes, zeros)
                   : UMB_ERR_NO_MEMORY;
        umb__free(zeros);
    }
    return st;
}

/* The gradients' places are not those of what is frozen now; the norm counts all of them. */
static enum umb_status clear_gradients(struct umb_trainer *tr)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < tr->n_devices; d++) {
        char name[64] = "gradients";
        if (d) { snprintf(name, sizeof name, "gradients.%d", d); }
        const int v = umb__graph_find_value(g, name);
        if (v < 0) { continue; }
        const size_t bytes = umb__type_bytes(&g->value[v].type);
        void *zeros = umb__calloc(tr->ctx, bytes, 1);
        st = zeros ? umb__store_write(tr->store, name, 0, bytes, zeros) : UMB_ERR_NO_MEMORY;
        umb__free(zeros);
    }
    if (st == UMB_OK) { st = clear_rows(tr, UMB_TRAINER_TRAIN); }
    return st == UMB_OK ? clear_rows(tr, UMB_TRAINER_BETWEEN) : st;
}

enum umb_status umb__trainer_refreeze(struct umb_trainer *tr, char *frozen)
{
    struct plan_basis basis = basis_of(tr);
    basis.frozen = frozen;
    basis.choices = NULL;
    enum umb_status st = umb__trainer_settle(tr);
    if (st == UMB_OK) { st = umb__trainer_drain(tr); }
    if (st == UMB_OK) { st = clear_gradients(tr); }
    return st == UMB_OK ? change_plan(tr, basis) : st;
}

/* The plan has these solvers already. */
static enum umb_status has_solvers(struct umb_trainer *tr, const char *wanted, bool *ret_has)
{
    struct umb_safetensors *now = NULL;
    enum umb_status st = umb__safetensors_create(tr->ctx, &now);
    if (st == UMB_OK) { st = umb__trainer_collect_texts(tr, now); }
    if (st == UMB_OK) {
        *ret_has = strcmp(wanted, umb__safetensors_text(now, "umbel.solvers")) == 0;
    }
    umb__safetensors_destroy(now);
    return st;
}

/* Where the checkpoint's run had products by CLBlast, its parameters too. */
static void restore_clblast(struct umb_trainer *tr, const struct restore *r, const char *solvers)
{
    const char *set = umb__safetensors_text(r->file, "umbel.clblast");
    if (!strstr(solvers, "=" UMB_CLBLAST_SOLVER "\n")) { return; }
    umb__trainer_use_clblast(tr, set ? set : UMB_CLBLAST_OWN);
}

/* Rows of a batch that devices take are the checkpoint's, where it was of as many. */
static void restore_shares(struct umb_trainer *tr, const struct restore *r, int64_t *shares)
{
    char own[UMB_SHARES_TEXT];
    const char *text = umb__safetensors_text(r->file, "umbel.shares");
    memcpy(shares, tr->share, sizeof tr->share);
    umb__shares_text(tr->share, tr->n_devices, own);
    if (strcmp(text ? text : "", own) == 0) { return; }
    const bool shared = text && umb__trainer_shares(tr);
    if (shared && umb__shares_parse(text, tr->batch, tr->n_devices, shares)) { return; }
    memcpy(shares, tr->share, sizeof tr->share);
    umb__log(tr->ctx, UMB_LOG_WARN,
             "%s: its batches were shared as %s, now as %s: going on, equal within rounding",
             r->path, text ? text : "one", own[0] ? own : "one");
}

/* Takes over what the checkpoint's run fused, its solvers and its devices' shares, since its bits
 * depend on them. Where this device or build lacks a solver, the run goes on with others, equal
 * within rounding. */
static enum umb_status restore_plan(struct umb_trainer *tr, const struct restore *r, bool fuses,
                                    const struct umb_trainer_phase *phase)
{
    const char *wanted = umb__safetensors_text(r->file, "umbel.solvers");
    struct plan_basis basis = {.fuses = fuses, .frozen = phase->frozen, .updates = phase->updates};
    bool same = true;
    enum umb_status st = wanted ? has_solvers(tr, wanted, &same) : UMB_OK;
    if (wanted) { restore_clblast(tr, r, wanted); }
    restore_shares(tr, r, basis.share);
    const bool shares = memcmp(basis.share, tr->share, sizeof tr->share) == 0;
    if (st == UMB_OK && !phase->same) { st = clear_gradients(tr); }
    if (st != UMB_OK) { return st; }
    const bool stays = shares && fuses == tr->fuses && phase->same;
    if (stays && same) { return keep_plan(tr, basis); }
    const struct plan_basis free_choice = basis;
    if (wanted) {
        basis.choices = umb__strdup(tr->ctx, wanted);
        if (!basis.choices) { return UMB_ERR_NO_MEMORY; }
    }
    st = change_plan(tr, basis);
    if (st != UMB_OK) { umb__free(basis.choices); }
    if (st != UMB_ERR_UNSUPPORTED) { return st; }
    umb__log(tr->ctx, UMB_LOG_WARN, "%s: its solvers are not all here (%s): going on with others",
             r->path, umb_context_error(tr->ctx));
    return stays ? keep_plan(tr, free_choice) : change_plan(tr, free_choice);
}

enum umb_status umb__trainer_restore(struct umb_trainer *tr, const struct umb_safetensors *file,
                                     const char *path)
{
    struct restore r = {file, path};
    int64_t step, seed;
    bool fuses = tr->fuses;
    struct umb_trainer_phase phase = {.same = true};
    enum umb_status st = umb__trainer_settle(tr);
    if (st == UMB_OK) { st = check_texts(tr, &r, &step, &seed); }
    if (st == UMB_OK) { st = check_fusing(tr, &r, &fuses); }
    if (st == UMB_OK) { st = umb__trainer_for_tensors(tr, check_tensor, &r); }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        st = check_tally(tr, &r, t);
    }
    if (st == UMB_OK) { st = umb__balancing_check_file(tr, file, path); }
    if (st == UMB_OK) { st = umb__soft_check(tr, file, path); }
    if (st == UMB_OK) { st = umb__trainer_read_phase(tr, file, path, step, &phase); }
    if (st == UMB_OK) { st = restore_plan(tr, &r, fuses, &phase); }
    /* Where the plan was not to be had, nobody has taken them over. */
    if (tr->parts.frozen != phase.frozen) { umb__free(phase.frozen); }
    if (tr->parts.updates != phase.updates) { umb__free(phase.updates); }
    if (st == UMB_OK) { st = umb__trainer_drain(tr); }
    if (st == UMB_OK) { st = umb__trainer_for_tensors(tr, restore_tensor, &r); }
    if (st == UMB_OK) { st = umb__soft_restore(tr, file); }
    if (st != UMB_OK) { return st; }
    for (int t = 0; t < tr->n_tasks; t++) {
        restore_tally(tr, &r, t);
    }
    tr->n_steps = step;
    tr->folded = false;
    tr->seed = (uint64_t)seed;
    return umb__balancing_restore(tr, file);
}

enum umb_status umb_trainer_load(struct umb_trainer *tr, const char *path)
{
    struct umb_safetensors *file = NULL;
    enum umb_status st = umb__safetensors_read(tr->ctx, path, &file);
    if (st == UMB_OK) { st = umb__trainer_restore(tr, file, path); }
    umb__safetensors_destroy(file);
    return st;
}

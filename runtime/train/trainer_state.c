/*
 * A trainer's state in a file: parameters and running statistics under their own names, the
 * optimizer's moments under "optimizer.first.NAME", sums of an unfinished epoch under
 * "results.TASK", and counters as texts. All in the layout of files, so that other tools read it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clblast.h"
#include "text.h"
#include "trainer_balance.h"
#include "trainer_soft.h"
#include "trainer_state.h"

/* Place number `index` of the trainer's tensors; false behind the last. */
static bool tensor_at(const struct umb_trainer *tr, int copies, int index,
                      struct umb_tensor_place *ret)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    int v = index / copies, copy = index % copies;
    for (int seen = 0, i = 0; i < g->n_values; i++) {
        if (g->value[i].spec < 0 || seen++ < v) { continue; }
        const struct umb_value *value = &g->value[i];
        bool packed = value->kind == UMB_VALUE_PARAM;
        *ret = (struct umb_tensor_place){
            .value = value, .spec = &g->spec[value->spec], .bytes = umb__type_bytes(&value->type)};
        ret->buffer = !packed ? value->name
                      : copy  ? tr->optimizer_state[copy - 1][value->device]
                              : g->value[value->base].name;
        ret->offset = packed ? value->base_offset : 0;
        if (copy) {
            snprintf(ret->name, sizeof ret->name, "%s.%s", umb__optimizer_state_names[copy - 1],
                     value->name);
        } else {
            snprintf(ret->name, sizeof ret->name, "%s", value->name);
        }
        if (!packed && copy) { ret->bytes = 0; /* states have no moments */ }
        return true;
    }
    return false;
}

enum umb_status umb__trainer_for_tensors(struct umb_trainer *tr, umb_tensor_fn each, void *user)
{
    int copies = 1 + umb__trainer_n_optimizer_states(tr);
    struct umb_tensor_place place;
    for (int i = 0; tensor_at(tr, copies, i, &place); i++) {
        enum umb_status st = place.bytes ? each(tr, &place, user) : UMB_OK;
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static enum umb_status collect_tensor(struct umb_trainer *tr, const struct umb_tensor_place *p,
                                      void *user)
{
    struct umb_safetensors *file = user;
    float *device = umb__calloc(tr->ctx, p->bytes, 1), *ordered = umb__calloc(tr->ctx, p->bytes, 1);
    enum umb_status st = device && ordered
                             ? umb__store_read(tr->store, p->buffer, p->offset, p->bytes, device)
                             : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        umb__layout_to_file(&p->spec->layout, device, ordered);
        st = umb__safetensors_add(file, p->name, "F32", &p->spec->layout.file_shape, ordered);
    }
    umb__free(device);
    umb__free(ordered);
    return st;
}

/* A tally as 64-bit words: the two loss sums, counts, error sums (doubles by their bits). */
static int64_t *tally_words(struct umb_trainer *tr, const struct umb_tally *y, int64_t *ret_n)
{
    *ret_n = 2 + y->n_counts + y->n_values;
    int64_t *words = umb__calloc(tr->ctx, (size_t)*ret_n, sizeof *words);
    if (!words) { return NULL; }
    memcpy(&words[0], &y->loss_sum, sizeof *words);
    memcpy(&words[1], &y->loss_total, sizeof *words);
    memcpy(&words[2], y->counts, (size_t)y->n_counts * sizeof *words);
    memcpy(&words[2 + y->n_counts], y->errors, (size_t)y->n_values * sizeof *words);
    return words;
}

static enum umb_status collect_tally(struct umb_trainer *tr, int t, struct umb_safetensors *file)
{
    char name[256];
    snprintf(name, sizeof name, "results.%s", umb__net_task(tr->net, t)->name);
    struct umb_shape shape = {.rank = 1};
    int64_t *words = tally_words(tr, &tr->tally[t], &shape.dim[0]);
    enum umb_status st =
        words ? umb__safetensors_add(file, name, "I64", &shape, words) : UMB_ERR_NO_MEMORY;
    umb__free(words);
    return st;
}

enum umb_status umb__trainer_collect_texts(struct umb_trainer *tr, struct umb_safetensors *file)
{
    struct umb_text t = {0};
    struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"umbel.step", tr->n_steps},
                   {"umbel.seed", (int64_t)tr->seed},
                   {"umbel.batch", tr->batch},
                   {"umbel.fuse", tr->fuses}};
    enum umb_status st = umb__safetensors_add_text(file, "umbel.optimizer", tr->optimizer_name);
    for (size_t i = 0; st == UMB_OK && i < sizeof numbers / sizeof *numbers; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, numbers[i].value);
        st = umb__safetensors_add_text(file, numbers[i].key, text);
    }
    const struct umb_trainer_side *side = &tr->side[UMB_TRAINER_TRAIN];
    for (int i = 0; i < side->graph->n_nodes; i++) {
        /* What is computed twice follows from the memory limit, and has its first maker's solver.
         */
        const char *solver = side->graph->node[i].again_of ? "" : umb__plan_solver(side->plan, i);
        if (solver[0]) { umb__text_printf(&t, "%s=%s\n", side->graph->node[i].name, solver); }
    }
    if (st == UMB_OK) { st = umb__text_status(tr->ctx, &t); }
    if (st == UMB_OK) { st = umb__trainer_collect_phase(tr, file); }
    if (st == UMB_OK) {
        st = umb__safetensors_add_text(file, "umbel.clblast", umb__clblast_used(tr->device));
    }
    char shares[UMB_SHARES_TEXT];
    if (st == UMB_OK && umb__trainer_shares(tr)) {
        st = umb__safetensors_add_text(file, "umbel.shares",
                                       umb__shares_text(tr->share, tr->n_devices, shares));
    }
    if (st == UMB_OK) {
        st = umb__safetensors_add_text(file, "umbel.solvers", umb__text_string(&t));
    }
    umb__text_finish(&t);
    return st;
}

enum umb_status umb__trainer_collect(struct umb_trainer *tr, struct umb_safetensors *file)
{
    enum umb_status st = umb__trainer_settle(tr);
    if (st == UMB_OK) { st = umb__trainer_drain(tr); }
    if (st == UMB_OK) { st = umb__trainer_for_tensors(tr, collect_tensor, file); }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        st = collect_tally(tr, t, file);
    }
    if (st == UMB_OK) { st = umb__balancing_collect(tr, file); }
    if (st == UMB_OK) { st = umb__soft_collect(tr, file); }
    return st == UMB_OK ? umb__trainer_collect_texts(tr, file) : st;
}

enum umb_status umb_trainer_save(struct umb_trainer *tr, const char *path)
{
    struct umb_safetensors *file = NULL;
    enum umb_status st = umb__safetensors_create(tr->ctx, &file);
    if (st == UMB_OK) { st = umb__trainer_collect(tr, file); }
    if (st == UMB_OK) { st = umb__safetensors_write(file, path); }
    umb__safetensors_destroy(file);
    return st;
}

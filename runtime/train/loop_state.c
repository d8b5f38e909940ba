/*
 * loop_state.c: where a training stands, in and out of checkpoints.
 *
 * A checkpoint is the trainer's tensors and texts, "umbel.loop" (this state), "umbel.shapes" (what
 * predict needs to know of the data) and "umbel.experiment" (the name).
 */
#include "loop_internal.h"

#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOOP "umbel.loop"

double umb__loop_total_seconds(const struct umb_loop *l)
{
    return l->state.total_s + (double)(umb__clock_ns() - l->began_ns) * 1e-9;
}

/* State ↔ text. */

/* Times are cut to the file's digits on purpose: nothing that is trained depends on them. */
static enum umb_status add_state(struct umb_loop *l, struct umb_safetensors *file)
{
    const struct umb_loop_state *s = &l->state;
    json_t *best = isfinite(s->best) ? json_real(s->best) : json_null();
    json_t *map = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:o, s:I, s:I, s:b, s:I}", "epoch", (json_int_t)s->epoch,
        "batch", (json_int_t)s->batch, "images", (json_int_t)s->images, "train_s", s->train_s,
        "total_s", umb__loop_total_seconds(l), "best", best, "best_epoch",
        (json_int_t)s->best_epoch, "stale", (json_int_t)s->stale, "stopped", (int)s->stopped,
        "metrics_bytes", (json_int_t)umb__run_metrics_bytes(l->desc->run));
    char *text = map ? json_dumps(map, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(map);
    enum umb_status st = text ? umb__safetensors_add_text(file, LOOP, text)
                              : umb__fail(l->ctx, UMB_ERR_NO_MEMORY, "out of memory: a checkpoint");
    free(text);
    return st;
}

static bool read_int(const json_t *map, const char *key, int64_t *ret)
{
    const json_t *value = json_object_get(map, key);
    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0;
}

static bool read_real(const json_t *map, const char *key, double *ret)
{
    const json_t *value = json_object_get(map, key);
    *ret = json_number_value(value);
    return json_is_number(value);
}

static bool read_state(const json_t *map, struct umb_loop_state *s)
{
    const json_t *best = json_object_get(map, "best");
    s->best = json_is_number(best) ? json_number_value(best) : NAN;
    s->stopped = json_is_true(json_object_get(map, "stopped"));
    return read_int(map, "epoch", &s->epoch) && read_int(map, "batch", &s->batch) &&
           read_int(map, "images", &s->images) && read_real(map, "train_s", &s->train_s) &&
           read_real(map, "total_s", &s->total_s) && read_int(map, "best_epoch", &s->best_epoch) &&
           read_int(map, "stale", &s->stale) && read_int(map, "metrics_bytes", &s->metrics_bytes);
}

/* Checkpoints. */

static enum umb_status collect(struct umb_loop *l, struct umb_safetensors *file)
{
    char *shapes = NULL;
    enum umb_status st = umb__experiment_shapes(l->exp, &shapes);
    if (st == UMB_OK) { st = umb__safetensors_add_text(file, "umbel.shapes", shapes); }
    umb__free(shapes);
    if (st == UMB_OK) { st = umb__safetensors_add_text(file, "umbel.experiment", l->exp->name); }
    if (st == UMB_OK) { st = add_state(l, file); }
    return st == UMB_OK ? umb__trainer_collect(l->desc->trainer, file) : st;
}

enum umb_status umb__loop_save(struct umb_loop *l, const char *name, bool best)
{
    struct umb_safetensors *file = NULL;
    enum umb_status st = umb__safetensors_create(l->ctx, &file);
    if (st == UMB_OK) { st = collect(l, file); }
    if (st == UMB_OK) { st = umb__run_write_checkpoint(l->desc->run, name, file, true); }
    if (st == UMB_OK && best) { st = umb__run_write_checkpoint(l->desc->run, "best", file, false); }
    umb__safetensors_destroy(file);
    return st;
}

/* The step count must be where epoch and batch say, or the samples to come would not be. */
static enum umb_status check_state(struct umb_loop *l, const struct umb_loop_state *s,
                                   const char *path)
{
    int64_t step = umb_trainer_n_steps(l->desc->trainer);
    bool fits = s->batch < l->steps_per_epoch && step % l->steps_per_epoch == s->batch &&
                step / l->steps_per_epoch == s->epoch;
    if (fits) { return UMB_OK; }
    return umb__fail(l->ctx, UMB_ERR_INVALID,
                     "%s: was made with other data: step %lld is not batch %lld of epoch %lld with "
                     "%lld steps an epoch",
                     path, (long long)step, (long long)s->batch, (long long)s->epoch + 1,
                     (long long)l->steps_per_epoch);
}

enum umb_status umb__loop_restore(struct umb_loop *l)
{
    struct umb_safetensors *file = NULL;
    struct umb_loop_state state = {0};
    char *path = NULL;
    enum umb_status st = umb__run_read_checkpoint(l->desc->run, "latest", &file, &path);
    if (st != UMB_OK) { return st; }
    const char *text = umb__safetensors_text(file, LOOP);
    json_t *map = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!map || !read_state(map, &state)) {
        st = umb__fail(l->ctx, UMB_ERR_FORMAT,
                       "%s: " LOOP " is missing or damaged; expected a checkpoint of umbel train",
                       path);
    }
    json_decref(map);
    if (st == UMB_OK) { st = umb__trainer_restore(l->desc->trainer, file, path); }
    if (st == UMB_OK) { st = check_state(l, &state, path); }
    if (st == UMB_OK) { st = umb__run_cut_metrics(l->desc->run, state.metrics_bytes); }
    if (st == UMB_OK) { l->state = state; }
    umb__safetensors_destroy(file);
    umb__free(path);
    return st;
}

#include "session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

static void must(const struct session *s, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(s->ctx)); }
}

static void *room(const struct session *s, int64_t n, size_t size)
{
    void *p = umb__calloc(s->ctx, (size_t)n + 1, size);
    assert_non_null(p);
    return p;
}

static int64_t image_bytes(const struct session *s, int image)
{
    const struct umb_stream_desc *d = umb__net_image(s->tr->net, image);
    return d->height * d->width * d->channels;
}

static int64_t label_count(const struct session *s, int task)
{
    return umb__shape_count(&umb__net_task(s->tr->net, task)->label.shape);
}

struct session session_open(struct umb_context *ctx, const struct session_desc *desc)
{
    struct session s = {.ctx = ctx};
    struct umb_trainer_desc d = {.device = desc->device,
                                 .net = desc->net,
                                 .batch = desc->batch,
                                 .optimizer = desc->optimizer ? desc->optimizer : "adam",
                                 .optimizer_attrs = desc->attrs,
                                 .clip_norm = desc->clip_norm,
                                 .mixed_precision = desc->mixed_precision,
                                 .seed = desc->seed,
                                 .memory = desc->memory,
                                 .memory_share = desc->memory_share,
                                 .queues = desc->queues ? desc->queues : 1,
                                 .more = desc->more,
                                 .n_more = desc->n_more,
                                 .shares = desc->shares,
                                 .soft = desc->soft,
                                 .balancing = desc->balancing};
    if (desc->parts) {
        d.init = desc->parts->init;
        d.parts = desc->parts->parts;
        d.n_parts = desc->parts->n_parts;
        d.frozen = desc->parts->frozen;
        d.n_frozen = desc->parts->n_frozen;
        d.refreezes = desc->parts->refreezes;
    }
    must(&s, umb_trainer_create(ctx, &d, &s.tr));
    for (int i = 0; i < s.tr->n_images; i++) {
        s.images_of[i] = room(&s, desc->batch * image_bytes(&s, i), 1);
        s.batch[i] = (struct umb_batch){desc->batch, s.images_of[i]};
    }
    for (int t = 0; t < s.tr->n_tasks; t++) {
        s.labels_of[t] = room(&s, desc->batch * label_count(&s, t), 4);
        s.mask_of[t] = room(&s, desc->batch, sizeof(float));
        s.labels[t] = (struct umb_labels){s.labels_of[t], s.mask_of[t]};
    }
    return s;
}

void session_close(struct session *s)
{
    for (int i = 0; i < s->tr->n_images; i++) {
        umb__free(s->images_of[i]);
    }
    for (int t = 0; t < s->tr->n_tasks; t++) {
        umb__free(s->labels_of[t]);
        umb__free(s->mask_of[t]);
    }
    umb_trainer_destroy(s->tr);
}

static void fill_labels(struct session *s, int t, int64_t first)
{
    const struct umb_net_task *task = umb__net_task(s->tr->net, t);
    int64_t per = label_count(s, t);
    for (int64_t i = 0; i < s->tr->batch * per; i++) {
        float u = umb__random_unit(2, UMB_RNG_TEST, 100 + (uint32_t)t, (uint64_t)(first * per + i));
        if (task->judge == UMB_JUDGE_CLASSES) {
            ((int32_t *)s->labels_of[t])[i] = (int32_t)(u * (float)task->n_classes);
        } else {
            ((float *)s->labels_of[t])[i] =
                task->judge == UMB_JUDGE_BINARY ? (float)(u > 0.5f) : 2 * u - 1;
        }
    }
    for (int64_t i = 0; i < s->tr->batch; i++) {
        s->mask_of[t][i] = 1;
    }
}

void session_fill(struct session *s, int step)
{
    int64_t first = step * s->tr->batch;
    for (int i = 0; i < s->tr->n_images; i++) {
        int64_t bytes = image_bytes(s, i);
        uint8_t *images = s->images_of[i];
        for (int64_t k = 0; k < s->tr->batch * bytes; k++) {
            images[k] = (uint8_t)umb__random_u32(1, UMB_RNG_TEST, (uint32_t)i,
                                                 (uint64_t)(first * bytes + k));
        }
        s->batch[i] = (struct umb_batch){s->tr->batch, images};
    }
    for (int t = 0; t < s->tr->n_tasks; t++) {
        fill_labels(s, t, first);
    }
}

void session_fill_slot(struct session *s, int slot)
{
    struct umb_slot_view view;
    int64_t n[UMB_MAX_STREAMS];
    umb__trainer_slot(s->tr, UMB_TRAINER_TRAIN, slot, &view);
    for (int i = 0; i < s->tr->n_images; i++) {
        n[umb__net_image_stream(s->tr->net, i)] = s->batch[i].n;
        memcpy(view.images[i], s->images_of[i], (size_t)(s->tr->batch * image_bytes(s, i)));
    }
    for (int t = 0; t < s->tr->n_tasks; t++) {
        memcpy(view.labels[t], s->labels_of[t], (size_t)(s->tr->batch * label_count(s, t)) * 4);
        memcpy(view.mask[t], s->mask_of[t], (size_t)s->tr->batch * sizeof(float));
    }
    umb__trainer_set_rows(s->tr, UMB_TRAINER_TRAIN, slot, n);
}

void session_step(struct session *s, double rate)
{
    must(s, umb_trainer_step(s->tr, s->batch, s->labels, rate, s->losses));
}

void session_train(struct session *s, int first, int n)
{
    for (int step = first; step < first + n; step++) {
        session_fill(s, step);
        session_step(s, 0.01);
    }
}

float *session_buffer(const struct session *s, const char *name, size_t *ret_n)
{
    float *data = room(s, (int64_t)s->tr->packed_bytes, 1);
    must(s, umb__store_read(s->tr->store, name, 0, s->tr->packed_bytes, data));
    *ret_n = s->tr->packed_bytes / sizeof *data;
    return data;
}

char *session_used(const struct session *s, size_t n)
{
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    char *used = room(s, (int64_t)n, 1);
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        if (value->kind != UMB_VALUE_PARAM || value->base < 0 || value->spec < 0 || value->device) {
            continue;
        }
        memset(used + value->base_offset / sizeof(float), 1,
               (size_t)umb__shape_count(&value->type.shape));
    }
    return used;
}

static void assert_same_buffer(const struct session *a, const struct session *b, const char *name,
                               const char *what)
{
    size_t n, m;
    float *x = session_buffer(a, name, &n), *y = session_buffer(b, name, &m);
    char *used = session_used(a, n);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        if (used[i] && memcmp(&x[i], &y[i], sizeof *x) != 0) {
            fail_msg("%s: %s[%zu] is %.9g and %.9g", what, name, i, (double)x[i], (double)y[i]);
        }
        if (!isfinite(x[i])) { fail_msg("%s: %s[%zu] is %g", what, name, i, (double)x[i]); }
    }
    umb__free(used);
    umb__free(x);
    umb__free(y);
}

void assert_same_bits(const struct session *a, const struct session *b, const char *what)
{
    assert_same_buffer(a, b, "parameters", what);
    for (int i = 0; i < umb__trainer_n_optimizer_states(a->tr); i++) {
        assert_same_buffer(a, b, umb__optimizer_state_names[i], what);
    }
}

struct umb_safetensors *session_collect(struct session *s)
{
    struct umb_safetensors *file = NULL;
    must(s, umb__safetensors_create(s->ctx, &file));
    must(s, umb__trainer_collect(s->tr, file));
    return file;
}

static void assert_same_tensor(const struct umb_safetensors *a, const struct umb_safetensors *b,
                               const char *name, const char *what)
{
    const struct umb_safetensors_entry *x = umb__safetensors_find(a, name),
                                       *y = umb__safetensors_find(b, name);
    if (!x || !y) { fail_msg("%s: %s is not in both", what, name); }
    assert_true(umb__shape_equal(&x->shape, &y->shape));
    const size_t bytes = (size_t)umb__shape_count(&x->shape) * sizeof(float);
    if (memcmp(x->data, y->data, bytes) != 0) { fail_msg("%s: %s differs", what, name); }
}

void assert_same_checkpoints(struct session *a, struct session *b, const char *what)
{
    struct umb_safetensors *x = session_collect(a), *y = session_collect(b);
    const struct umb_graph *g = a->tr->side[UMB_TRAINER_TRAIN].graph;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].spec < 0) { continue; }
        assert_same_tensor(x, y, g->value[v].name, what);
        const int n =
            g->value[v].kind == UMB_VALUE_PARAM ? umb__trainer_n_optimizer_states(a->tr) : 0;
        for (int i = 0; i < n; i++) {
            char name[256];
            snprintf(name, sizeof name, "%s.%s", umb__optimizer_state_names[i], g->value[v].name);
            assert_same_tensor(x, y, name, what);
        }
    }
    umb__safetensors_destroy(x);
    umb__safetensors_destroy(y);
}

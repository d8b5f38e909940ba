/*
 * exp_net.c: from a bound experiment to a net.
 *
 *   stream ─┐                            ┌─ rows ─ head ─ task
 *   stream ─┼─ join ─ trunk (one batch) ─┼─ rows ─ head ─ task
 *   stream ─┘                            └─ rows ─ head ─ task
 *
 * Streams that go through one trunk and have images of one shape stand side by side and pass it as
 * one batch. A run is such a group; where a trunk has several (images of several shapes), it is
 * applied to each with the same parameters.
 */
#include "experiment.h"
#include "layers.h"

#include "fail.h"
#include <stdio.h>
#include <string.h>

#define MAX_RUNS 64

/* One application of a trunk to the streams first … first+count−1. */
struct run {
    struct builder *b;
    size_t trunk, first, count;
    struct umb_walk walk;
};

struct row_cache {
    const struct run *run;
    int value, row, piece;
};

struct builder {
    struct umb_experiment *exp;
    struct umb_net *net;
    int image[UMB_NET_MAX_IMAGES]; /* values; those of a stream lie together */
    int n_images;
    struct run run[MAX_RUNS];
    size_t n_runs;
    struct row_cache *cache;
    size_t n_cache, cache_capacity;
};

/* Streams. */

static bool same_shape(const struct umb_exp_data *a, const struct umb_exp_data *b)
{
    return !a->n_more && !b->n_more && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

/* The trunk of the first task that uses the data. */
static size_t trunk_of(const struct umb_experiment *exp, size_t data)
{
    for (size_t t = 0; t < exp->n_tasks; t++) {
        if (exp->task[t].data == data) { return exp->task[t].trunk; }
    }
    return exp->n_trunks;
}

/* Data sets in their order, each moved beside the last one of its trunk and shape. */
static enum umb_status order_streams(struct umb_experiment *exp)
{
    exp->n_streams = 0;
    if (exp->n_data > UMB_NET_MAX_STREAMS) {
        return umb__yaml_fail(exp->ctx, exp->data[0].node->parent,
                              "has %zu data sets; expected at most %d", exp->n_data,
                              UMB_NET_MAX_STREAMS);
    }
    exp->stream = umb__arena_calloc(exp->tree->arena, exp->n_data, sizeof *exp->stream);
    if (!exp->stream) { return UMB_ERR_NO_MEMORY; }
    for (size_t d = 0; d < exp->n_data; d++) {
        size_t at = exp->n_streams;
        for (size_t s = 0; s < exp->n_streams; s++) {
            size_t other = exp->stream[s];
            bool beside = trunk_of(exp, other) == trunk_of(exp, d) &&
                          same_shape(&exp->data[other], &exp->data[d]);
            if (beside) { at = s + 1; }
        }
        memmove(exp->stream + at + 1, exp->stream + at,
                (exp->n_streams - at) * sizeof *exp->stream);
        exp->stream[at] = d;
        exp->n_streams++;
    }
    for (size_t s = 0; s < exp->n_streams; s++) {
        exp->data[exp->stream[s]].stream = (int)s;
    }
    return UMB_OK;
}

/* Image k of stream s: "DATA", or "DATA.INPUT" where there are several. */
static enum umb_status add_image(struct builder *b, size_t s, size_t k)
{
    struct umb_experiment *exp = b->exp;
    const struct umb_exp_data *d = umb__exp_input(&exp->data[exp->stream[s]], k);
    struct umb_stream_desc desc = {
        d->name, d->shape[0], d->shape[1], d->shape[2],
        d->mean, d->std,      d->n_norm,   exp->trunk[trunk_of(exp, exp->stream[s])].device};
    if (d->input) { desc.name = umb__arena_printf(exp->tree->arena, "%s.%s", d->name, d->input); }
    if (!desc.name) { return UMB_ERR_NO_MEMORY; }
    if (b->n_images == UMB_NET_MAX_IMAGES) {
        return umb__yaml_fail(exp->ctx, d->node, "one image more than %d, the most of all data",
                              UMB_NET_MAX_IMAGES);
    }
    int *value = &b->image[b->n_images++];
    const enum umb_status st =
        k ? umb_net_image(b->net, (int)s, &desc, value) : umb_net_stream(b->net, &desc, value);
    return st == UMB_OK ? st : umb__yaml_fail_prefix(exp->ctx, d->node, st);
}

static enum umb_status add_streams(struct builder *b)
{
    struct umb_experiment *exp = b->exp;
    enum umb_status st = order_streams(exp);
    for (size_t s = 0; st == UMB_OK && s < exp->n_streams; s++) {
        struct umb_exp_data *d = &exp->data[exp->stream[s]];
        d->image = b->n_images;
        for (size_t k = 0; st == UMB_OK && k <= d->n_more; k++) {
            st = add_image(b, s, k);
        }
    }
    return st;
}

/* Trunks. */

static bool uses(const struct umb_experiment *exp, size_t trunk, size_t stream)
{
    for (size_t t = 0; t < exp->n_tasks; t++) {
        if (exp->task[t].trunk == trunk && exp->task[t].data == exp->stream[stream]) {
            return true;
        }
    }
    return false;
}

/* How many streams from `first` on pass the trunk together. */
static size_t run_length(const struct umb_experiment *exp, size_t trunk, size_t first)
{
    size_t n = 1;
    const struct umb_exp_data *d = &exp->data[exp->stream[first]];
    while (first + n < exp->n_streams && uses(exp, trunk, first + n) &&
           same_shape(d, &exp->data[exp->stream[first + n]])) {
        n++;
    }
    return n;
}

static enum umb_status join(struct builder *b, struct run *r, int *ret_value)
{
    const int *image = &b->image[b->exp->data[b->exp->stream[r->first]].image];
    *ret_value = image[0];
    if (r->count == 1) { return UMB_OK; }
    struct umb_layer_desc desc = {
        .op = "join", .in = image, .n_in = (int)r->count, .device = b->exp->trunk[r->trunk].device};
    desc.name = umb__arena_printf(b->exp->tree->arena, "%s.join%zu", b->exp->trunk[r->trunk].name,
                                  r->first + 1);
    return desc.name ? umb_net_layer(b->net, &desc, ret_value) : UMB_ERR_NO_MEMORY;
}

/* A layer that does not fit the images of a further run: say which images. */
static enum umb_status explain(struct builder *b, const struct run *r, enum umb_status st)
{
    const struct umb_exp_data *d = &b->exp->data[b->exp->stream[r->first]];
    if (st != UMB_ERR_INVALID || !r->walk.again) { return st; }
    char message[1024];
    snprintf(message, sizeof message, "%s", umb_context_error(b->exp->ctx));
    return umb__fail(b->exp->ctx, st,
                     "%s (the trunk is applied again to the images of '%s', [%lld,%lld,%lld], with "
                     "the same parameters)",
                     message, d->name, (long long)d->shape[0], (long long)d->shape[1],
                     (long long)d->shape[2]);
}

/* What the trunk begins with: the images under their names, or the only one, `input`, as the layer
 * before the first. */
static enum umb_status begin(struct builder *b, struct run *r)
{
    const struct umb_exp_data *d = &b->exp->data[b->exp->stream[r->first]];
    const struct umb_yaml *layers = b->exp->trunk[r->trunk].layers;
    struct umb_walk *w = &r->walk;
    enum umb_status st = join(b, r, &w->at);
    if (st != UMB_OK || !d->n_more) {
        return st == UMB_OK ? umb__walk_name(w, "input", layers, w->at) : st;
    }
    w->at = -1;
    for (size_t k = 0; st == UMB_OK && k <= d->n_more; k++) {
        st = umb__walk_name(w, umb__exp_input(d, k)->input, layers, b->image[(size_t)d->image + k]);
    }
    return st;
}

static enum umb_status apply_trunk(struct builder *b, struct run *r, bool again)
{
    struct umb_experiment *exp = b->exp;
    const struct umb_exp_trunk *trunk = &exp->trunk[r->trunk];
    struct umb_walk *w = &r->walk;
    w->exp = exp;
    w->net = b->net;
    w->prefix = exp->n_trunks > 1 ? umb__arena_printf(exp->tree->arena, "%s.", trunk->name) : "";
    w->device = trunk->device;
    w->again = again ? exp->data[exp->stream[r->first]].name : NULL;
    if (!w->prefix) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = begin(b, r);
    if (st == UMB_OK) { st = umb__walk_list(w, trunk->layers); }
    return explain(b, r, st);
}

static enum umb_status apply_trunks(struct builder *b)
{
    struct umb_experiment *exp = b->exp;
    for (size_t t = 0; t < exp->n_trunks; t++) {
        bool again = false;
        for (size_t s = 0; s < exp->n_streams; s++) {
            if (!uses(exp, t, s)) { continue; }
            if (b->n_runs == MAX_RUNS) {
                return umb__yaml_fail(exp->ctx, exp->trunk[t].layers,
                                      "trunks are applied more than %d times", MAX_RUNS);
            }
            struct run *r = &b->run[b->n_runs++];
            *r = (struct run){.b = b, .trunk = t, .first = s, .count = run_length(exp, t, s)};
            enum umb_status st = apply_trunk(b, r, again);
            if (st != UMB_OK) { return st; }
            s += r->count - 1;
            again = true;
        }
        if (!again) {
            return umb__yaml_fail(exp->ctx, exp->trunk[t].layers,
                                  "no task uses it; expected one with trunk: %s",
                                  exp->trunk[t].name);
        }
    }
    return UMB_OK;
}

/* Heads. */

/* A head's view of the trunk: the rows of its stream. */
struct view {
    struct run *run;
    int row; /* of the stream within the run */
};

static struct view find_view(struct builder *b, const struct umb_exp_task *t)
{
    size_t s = (size_t)b->exp->data[t->data].stream, i = 0;
    while (b->run[i].trunk != t->trunk || s < b->run[i].first ||
           s >= b->run[i].first + b->run[i].count) {
        i++;
    }
    return (struct view){&b->run[i], (int)(s - b->run[i].first)};
}

static enum umb_status keep_piece(struct builder *b, struct row_cache piece)
{
    if (b->n_cache == b->cache_capacity) {
        size_t more = b->cache_capacity ? 2 * b->cache_capacity : 32;
        struct row_cache *p = umb__grow(b->exp->ctx, b->cache, b->cache_capacity, more, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        b->cache = p;
        b->cache_capacity = more;
    }
    b->cache[b->n_cache++] = piece;
    return UMB_OK;
}

/* The stream's rows of a trunk value; heads of one stream share them. */
static enum umb_status cut(const struct view *v, int value, int *ret_piece)
{
    struct builder *b = v->run->b;
    *ret_piece = value;
    if (v->run->count == 1 || umb__net_is_table(b->net, value)) { return UMB_OK; }
    for (size_t i = 0; i < b->n_cache; i++) {
        const struct row_cache *c = &b->cache[i];
        if (c->run == v->run && c->value == value && c->row == v->row) {
            *ret_piece = c->piece;
            return UMB_OK;
        }
    }
    struct umb_arena *arena = b->exp->tree->arena;
    struct umb_layer_desc desc = {
        .op = "rows", .in = &value, .n_in = 1, .device = b->exp->trunk[v->run->trunk].device};
    desc.name =
        umb__arena_printf(arena, "rows%zu.%s", b->n_cache + 1,
                          b->exp->data[b->exp->stream[v->run->first + (size_t)v->row]].name);
    desc.attrs = umb__arena_printf(arena, "first=%d count=1", v->row);
    if (!desc.name || !desc.attrs) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = umb_net_layer(b->net, &desc, ret_piece);
    if (st != UMB_OK) { return st; }
    return keep_piece(b, (struct row_cache){v->run, value, v->row, *ret_piece});
}

static enum umb_status find_in_trunk(void *user, const char *name, bool *ret_found, int *ret_value)
{
    const struct view *v = user;
    int value = umb__walk_find(&v->run->walk, name);
    *ret_found = value >= 0;
    return value >= 0 ? cut(v, value, ret_value) : UMB_OK;
}

static size_t trunk_names(void *user, const char **names, size_t max)
{
    const struct umb_walk *w = &((const struct view *)user)->run->walk;
    size_t n = 0;
    for (; n < w->n_named && n < max; n++) {
        names[n] = w->named[n].name;
    }
    return n;
}

/* The losses work on logits: an activation that they apply themselves would count twice. */
static enum umb_status refuse_activation(struct umb_experiment *exp, const struct umb_exp_task *t)
{
    const struct umb_yaml *last = t->head->n_items ? t->head->item[t->head->n_items - 1] : NULL;
    const char *own = t->judge == UMB_JUDGE_CLASSES ? "softmax" : "sigmoid";
    if (!last || last->kind != UMB_YAML_MAP || t->judge == UMB_JUDGE_ERRORS) { return UMB_OK; }
    for (size_t i = 0; i < last->n_items; i++) {
        const struct umb_yaml *activation = umb__yaml_get(last->item[i], "activation");
        bool layer = strcmp(last->item[i]->key, own) == 0;
        if (layer || (activation && activation->text && strcmp(activation->text, own) == 0)) {
            return umb__yaml_fail(exp->ctx, layer ? last->item[i] : activation,
                                  "%s applies %s itself; expected none in the head's last layer",
                                  t->loss, own);
        }
    }
    return UMB_OK;
}

static enum umb_status add_task(struct builder *b, const struct umb_exp_task *t, int output)
{
    struct umb_experiment *exp = b->exp;
    struct umb_shape shape = umb_net_shape(b->net, output);
    enum umb_status st = umb__exp_check_output(exp, t, &shape);
    if (st != UMB_OK) { return st; }
    struct umb_task_desc desc = {t->name,       output,          t->loss,
                                 t->loss_attrs, t->weight,       (const char *const *)t->metrics,
                                 t->device,     t->metric_attrs, t->select_attrs};
    st = umb_net_task(b->net, &desc);
    return st == UMB_OK ? st : umb__yaml_fail_prefix(exp->ctx, t->node, st);
}

static enum umb_status add_head(struct builder *b, const struct umb_exp_task *t)
{
    struct umb_experiment *exp = b->exp;
    struct view view = find_view(b, t);
    struct umb_walk w = {.exp = exp,
                         .net = b->net,
                         .device = t->device,
                         .prefix = umb__arena_printf(exp->tree->arena, "%s.", t->name),
                         .outer = find_in_trunk,
                         .outer_names = trunk_names,
                         .outer_user = &view,
                         .behind = &view.run->walk};
    enum umb_status st = w.prefix ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = refuse_activation(exp, t); }
    if (st == UMB_OK) { st = cut(&view, view.run->walk.at, &w.at); }
    if (st == UMB_OK) { st = umb__walk_list(&w, t->head); }
    umb__walk_finish(&w);
    return st == UMB_OK ? add_task(b, t, w.at) : st;
}

enum umb_status umb__experiment_net(struct umb_experiment *exp, struct umb_net **ret_net)
{
    struct builder *b = umb__calloc(exp->ctx, 1, sizeof *b);
    if (!b) { return UMB_ERR_NO_MEMORY; }
    b->exp = exp;
    enum umb_status st = umb_net_create(exp->ctx, &b->net);
    if (st == UMB_OK) { st = add_streams(b); }
    if (st == UMB_OK) { st = apply_trunks(b); }
    for (size_t t = 0; st == UMB_OK && t < exp->n_tasks; t++) {
        st = add_head(b, &exp->task[t]);
    }
    if (st == UMB_OK) { st = umb__exp_check_parts(exp, b->net); }
    if (st == UMB_OK) { st = umb__exp_check_share(exp, b->net); }
    for (size_t i = 0; i < b->n_runs; i++) {
        umb__walk_finish(&b->run[i].walk);
    }
    if (st == UMB_OK) {
        *ret_net = b->net;
    } else {
        umb_net_destroy(b->net);
    }
    umb__free(b->cache);
    umb__free(b);
    return st;
}

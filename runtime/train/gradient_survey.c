/* gradient_survey.c: see gradient_survey.h. */
#include "gradient_survey.h"

#include "alloc.h"
#include "fail.h"
#include "feed.h"
#include "relate.h"
#include "system.h"
#include "task_features.h"
#include "task_gradients.h"
#include "trainer_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_READERS 4U
#define FEATURE_SAMPLES 256
#define DRAWS_OF_LOOKS (UINT64_C(1) << 62) /* apart from those of training steps */

/* A mean over the batches in which a pair was defined. */
struct mean {
    double *sum; /* [T,T] */
    uint64_t *n; /* [T,T] */
};

/* What all, or a layer, was seen to be. */
struct part {
    struct mean cosine, magnitude;
    struct umb_conflicts *conflicts;
};

struct umb_gradient_survey {
    struct umb_context *ctx;
    struct umb_gradient_survey_desc desc;
    struct umb_arena *arena;
    struct umb_task_gradients *gradients; /* NULL: tasks share nothing, features are compared */
    struct umb_task_features *features;   /* NULL: not wanted */
    struct umb_reader *reader;
    struct umb_feed *feed, *plain; /* of training; for features, NULL: not wanted */
    size_t T;
    int n_parts;       /* all, then layers */
    struct part *part; /* [n_parts] */
    struct mean first, exact;
    double *gram;                   /* [n_parts][T,T] of a batch */
    double *loss, *after, *scratch; /* [T], [T,T], [T,T] */
    int64_t looked, steps;
};

/* ---- making one ---- */

static bool make_mean(struct umb_gradient_survey *s, struct mean *m)
{
    m->sum = umb__arena_calloc(s->arena, s->T * s->T, sizeof *m->sum);
    m->n = umb__arena_calloc(s->arena, s->T * s->T, sizeof *m->n);
    return m->sum && m->n;
}

static enum umb_status make_parts(struct umb_gradient_survey *s)
{
    const size_t pairs = s->T * s->T;
    s->n_parts = s->gradients ? 1 + umb__task_gradients_n_layers(s->gradients) : 0;
    s->part = umb__arena_calloc(s->arena, (size_t)s->n_parts + 1, sizeof *s->part);
    s->gram = umb__arena_calloc(s->arena, (size_t)s->n_parts * pairs + 1, sizeof *s->gram);
    s->loss = umb__arena_calloc(s->arena, s->T + 2 * pairs, sizeof *s->loss);
    bool fine = s->part && s->gram && s->loss && make_mean(s, &s->first) && make_mean(s, &s->exact);
    if (!fine) { return UMB_ERR_NO_MEMORY; }
    s->after = s->loss + s->T;
    s->scratch = s->after + pairs;
    enum umb_status st = UMB_OK;
    for (int k = 0; st == UMB_OK && k < s->n_parts; k++) {
        struct part *p = &s->part[k];
        fine = make_mean(s, &p->cosine) && make_mean(s, &p->magnitude);
        st = fine ? umb__conflicts_create(s->ctx, s->T, s->desc.threshold, &p->conflicts)
                  : UMB_ERR_NO_MEMORY;
    }
    return st;
}

static enum umb_status check(struct umb_context *ctx, const struct umb_gradient_survey_desc *d)
{
    if (!(d->rate > 0 && d->rate <= 1e6)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "the rate of affinity is %g; expected one above 0",
                         d->rate);
    }
    if (!(d->threshold >= -1 && d->threshold <= 1)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "the threshold of conflicts is %g; expected -1 to 1",
                         d->threshold);
    }
    return UMB_OK;
}

static enum umb_status open_feed(struct umb_gradient_survey *s)
{
    const unsigned n = umb__cpu_count();
    enum umb_status st =
        umb__reader_create(s->ctx, n < MOST_READERS ? n : MOST_READERS, &s->reader);
    const struct umb_feed_desc desc = {
        .exp = s->desc.exp, .trainer = s->desc.trainer, .reader = s->reader};
    if (st == UMB_OK) { st = umb__feed_create(s->ctx, &desc, &s->feed); }
    if (st == UMB_OK && umb__feed_batches(s->feed) == 0) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "there are no training samples");
    }
    struct umb_feed_desc plain = desc;
    plain.plain = true;
    return st == UMB_OK && s->features ? umb__feed_create(s->ctx, &plain, &s->plain) : st;
}

/* Of tasks that share nothing there may be features to compare. */
static enum umb_status open_gradients(struct umb_gradient_survey *s)
{
    const enum umb_status st = umb__task_gradients_create(s->desc.trainer, &s->gradients);
    const bool alone = st == UMB_ERR_INVALID && s->desc.features && s->T > 1;
    return alone ? UMB_OK : st;
}

static enum umb_status open_features(struct umb_gradient_survey *s)
{
    const struct umb_experiment *exp = s->desc.exp;
    int order[UMB_MAX_STREAMS];
    for (size_t i = 0; i < exp->n_streams; i++) {
        order[i] = (int)umb__exp_first_alike(exp, i);
    }
    const enum umb_status st =
        umb__task_features_create(s->desc.trainer, FEATURE_SAMPLES, order, &s->features);
    if (st != UMB_OK || s->gradients || umb__task_features_has_pairs(s->features)) { return st; }
    return umb__fail(s->ctx, UMB_ERR_INVALID,
                     "the tasks share no parameter that is trained, nor samples, so neither "
                     "gradients nor features can be compared; expected a trunk that is not frozen, "
                     "or tasks of the same samples");
}

enum umb_status umb__gradient_survey_create(struct umb_context *ctx,
                                            const struct umb_gradient_survey_desc *desc,
                                            struct umb_gradient_survey **ret_survey)
{
    enum umb_status st = check(ctx, desc);
    if (st != UMB_OK) { return st; }
    struct umb_gradient_survey *s = umb__calloc(ctx, 1, sizeof *s);
    if (!s) { return UMB_ERR_NO_MEMORY; }
    s->ctx = ctx;
    s->desc = *desc;
    s->T = desc->exp->n_tasks;
    st = umb__arena_create(ctx, &s->arena);
    if (st == UMB_OK) { st = open_gradients(s); }
    if (st == UMB_OK && desc->features) { st = open_features(s); }
    if (st == UMB_OK) { st = make_parts(s); }
    if (st == UMB_OK) { st = open_feed(s); }
    if (st == UMB_OK) {
        st = umb__trainer_set_epoch_steps(desc->trainer, umb__feed_batches(s->feed));
    }
    if (st != UMB_OK) {
        umb__gradient_survey_destroy(s);
        return st;
    }
    *ret_survey = s;
    return UMB_OK;
}

void umb__gradient_survey_destroy(struct umb_gradient_survey *s)
{
    if (!s) { return; }
    umb__feed_destroy(s->plain);
    umb__feed_destroy(s->feed);
    umb__reader_destroy(s->reader);
    for (int k = 0; s->part && k < s->n_parts; k++) {
        umb__conflicts_destroy(s->part[k].conflicts);
    }
    umb__task_features_destroy(s->features);
    umb__task_gradients_destroy(s->gradients);
    umb__arena_destroy(s->arena);
    umb__free(s);
}

int64_t umb__gradient_survey_epoch(const struct umb_gradient_survey *s)
{
    return umb__feed_batches(s->feed);
}

/* ---- batches ---- */

static enum umb_status asked_to_stop(const struct umb_gradient_survey *s)
{
    const bool asked = s->desc.stop && *s->desc.stop;
    return asked ? umb__fail(s->ctx, UMB_ERR_INTERRUPTED, "interrupted") : UMB_OK;
}

static enum umb_status train_step(struct umb_gradient_survey *s, int slot, int64_t step)
{
    const struct umb_experiment *exp = s->desc.exp;
    const double rate =
        umb__schedule_rate(&exp->train.schedule, step, umb__gradient_survey_epoch(s));
    enum umb_status st = umb__trainer_submit(s->desc.trainer, UMB_TRAINER_TRAIN, slot, rate);
    if (st == UMB_OK) { st = umb__trainer_wait(s->desc.trainer, UMB_TRAINER_TRAIN, slot, NULL); }
    for (size_t t = 0; st == UMB_OK && t < s->T; t++) {
        if (isfinite(s->desc.trainer->tally[t].loss_sum)) { continue; }
        st = umb__fail(s->ctx, UMB_ERR_INVALID,
                       "task '%s': the loss is not finite at step %lld; a smaller rate or "
                       "train.clip_norm may help",
                       exp->task[t].name, (long long)step + 1);
    }
    return st;
}

static void add_mean(struct mean *m, size_t n, const double *value)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(value[i])) { continue; }
        m->sum[i] += value[i];
        m->n[i]++;
    }
}

static enum umb_status look(struct umb_gradient_survey *s, int slot, int64_t batch)
{
    const size_t pairs = s->T * s->T;
    enum umb_status st = umb__task_gradients_look(
        s->gradients, slot, DRAWS_OF_LOOKS + (uint64_t)batch, s->gram, s->loss);
    if (st == UMB_OK) { st = umb__task_gradients_after(s->gradients, s->desc.rate, s->after); }
    if (st != UMB_OK) { return st; }
    for (int k = 0; k < s->n_parts; k++) {
        const double *gram = s->gram + (size_t)k * pairs;
        umb__relate_cosine(s->T, gram, s->scratch);
        add_mean(&s->part[k].cosine, pairs, s->scratch);
        umb__relate_magnitude(s->T, gram, s->scratch);
        add_mean(&s->part[k].magnitude, pairs, s->scratch);
        umb__conflicts_add(s->part[k].conflicts, gram);
    }
    umb__relate_affinity_first(s->T, s->desc.rate, s->gram, s->loss, s->scratch);
    add_mean(&s->first, pairs, s->scratch);
    umb__relate_affinity(s->T, s->loss, s->after, s->scratch);
    add_mean(&s->exact, pairs, s->scratch);
    s->looked++;
    return UMB_OK;
}

static enum umb_status look_at_features(struct umb_gradient_survey *s, int slot, int64_t batch)
{
    (void)batch;
    return umb__task_features_look(s->features, slot);
}

static enum umb_status go(struct umb_gradient_survey *s, struct umb_feed *feed, int64_t first,
                          int64_t n,
                          enum umb_status (*each)(struct umb_gradient_survey *s, int slot,
                                                  int64_t batch))
{
    enum umb_status st = umb__feed_start(feed, first, first + n);
    for (int64_t i = first; st == UMB_OK && i < first + n; i++) {
        struct umb_feed_batch batch;
        st = asked_to_stop(s);
        if (st == UMB_OK) { st = umb__feed_next(feed, &batch); }
        if (st == UMB_OK) { st = each(s, batch.slot, i); }
        if (st == UMB_OK) { umb__feed_done(feed); }
    }
    umb__feed_stop(feed);
    return st;
}

enum umb_status umb__gradient_survey_train(struct umb_gradient_survey *s, int64_t steps)
{
    return go(s, s->feed, umb_trainer_n_steps(s->desc.trainer), steps, train_step);
}

enum umb_status umb__gradient_survey_look(struct umb_gradient_survey *s, int64_t n)
{
    const int64_t batch = s->desc.exp->train.batch;
    enum umb_status st = UMB_OK;
    s->steps = umb_trainer_n_steps(s->desc.trainer);
    if (s->gradients) {
        st = umb__task_gradients_follow(s->gradients);
        if (st == UMB_OK) { st = go(s, s->feed, s->steps, n, look); }
    }
    if (st != UMB_OK || !s->features) { return st; }
    const int64_t all = umb__feed_batches(s->plain), enough = (FEATURE_SAMPLES + batch - 1) / batch;
    st = umb__task_features_follow(s->features);
    return st == UMB_OK ? go(s, s->plain, 0, enough < all ? enough : all, look_at_features) : st;
}

/* ---- what was seen ---- */

static void read_mean(const struct mean *m, size_t n, double *ret_value)
{
    for (size_t i = 0; i < n; i++) {
        ret_value[i] = m->n[i] ? m->sum[i] / (double)m->n[i] : (double)NAN;
    }
}

void umb__gradient_survey_affinity(const struct umb_gradient_survey *s, double *ret_first,
                                   double *ret_exact)
{
    read_mean(&s->first, s->T * s->T, ret_first);
    read_mean(&s->exact, s->T * s->T, ret_exact);
}

size_t umb__gradient_survey_n_tasks(const struct umb_gradient_survey *s)
{
    return s->T;
}

static void forget_mean(struct mean *m, size_t n)
{
    memset(m->sum, 0, n * sizeof *m->sum);
    memset(m->n, 0, n * sizeof *m->n);
}

void umb__gradient_survey_forget(struct umb_gradient_survey *s)
{
    const size_t pairs = s->T * s->T;
    for (int k = 0; k < s->n_parts; k++) {
        struct part *p = &s->part[k];
        forget_mean(&p->cosine, pairs);
        forget_mean(&p->magnitude, pairs);
        memset(p->conflicts->steps, 0, pairs * sizeof *p->conflicts->steps);
        memset(p->conflicts->below, 0, pairs * sizeof *p->conflicts->below);
    }
    forget_mean(&s->first, pairs);
    forget_mean(&s->exact, pairs);
    s->looked = 0;
}

/* Of pairs: what a step for a task does to itself is another matter. */
static size_t list_pairs(const struct umb_gradient_survey *s, const struct mean *m, double *pair)
{
    size_t n = 0;
    for (size_t i = 0; i < s->T * s->T; i++) {
        if (i / s->T == i % s->T) { continue; }
        pair[n++] = m->n[i] ? m->sum[i] / (double)m->n[i] : (double)NAN;
    }
    return n;
}

/* Of how many pairs features were not compared, and why not of the first. */
static void describe_apart(const struct umb_gradient_survey *s, char *text, size_t size)
{
    const struct umb_exp_task *task = s->desc.exp->task;
    const char *why = NULL;
    size_t n = 0, first[2] = {0};
    for (size_t i = 0; i < s->T * s->T; i++) {
        const size_t a = i / s->T, b = i % s->T;
        const char *apart = a < b ? umb__task_features_apart(s->features, (int)a, (int)b) : NULL;
        if (!apart || n++) { continue; }
        why = apart;
        first[0] = a;
        first[1] = b;
    }
    if (!n) { return; }
    snprintf(text, size, "none for %zu of %zu pairs, as %.60s and %.60s: %s", n,
             s->T * (s->T - 1) / 2, task[first[0]].name, task[first[1]].name, why);
}

enum umb_status umb__gradient_survey_summary(const struct umb_gradient_survey *s,
                                             struct umb_gradient_summary *ret_summary)
{
    const size_t pairs = s->T * s->T;
    double *first = umb__calloc(s->ctx, 2 * pairs, sizeof *first);
    if (!first) { return UMB_ERR_NO_MEMORY; }
    double *exact = first + pairs;
    const size_t n = list_pairs(s, &s->first, first);
    (void)list_pairs(s, &s->exact, exact);
    struct umb_gradient_summary summary = {.batches = s->looked,
                                           .steps = s->steps,
                                           .rate = s->desc.rate,
                                           .threshold = s->desc.threshold,
                                           .gradients = s->gradients != NULL,
                                           .pearson = umb__relate_pearson(n, first, exact)};
    const enum umb_status st = umb__relate_spearman(s->ctx, n, first, exact, &summary.spearman);
    umb__free(first);
    if (s->features) {
        summary.samples = umb__task_features_samples(s->features);
        describe_apart(s, summary.apart, sizeof summary.apart);
    }
    if (st == UMB_OK) { *ret_summary = summary; }
    return st;
}

static enum umb_status add(struct umb_relations *r, const char *measure, const char *part,
                           const struct mean *m)
{
    double *value;
    const enum umb_status st = umb__relations_add(r, measure, part, &value);
    if (st == UMB_OK) { read_mean(m, r->T * r->T, value); }
    return st;
}

static enum umb_status add_part(const struct umb_gradient_survey *s, struct umb_relations *r,
                                int part)
{
    const struct part *p = &s->part[part];
    const char *name = part ? umb__task_gradients_layer(s->gradients, part - 1) : NULL;
    double *value;
    enum umb_status st = add(r, "cosine", name, &p->cosine);
    if (st == UMB_OK) { st = add(r, "magnitude", name, &p->magnitude); }
    if (st == UMB_OK) { st = umb__relations_add(r, "conflict", name, &value); }
    if (st == UMB_OK) { umb__conflicts_score(p->conflicts, value); }
    return st;
}

static enum umb_status add_features(const struct umb_gradient_survey *s, struct umb_relations *r)
{
    double *cka;
    const enum umb_status st = umb__relations_add(r, "cka", NULL, &cka);
    return st == UMB_OK ? umb__task_features_cka(s->features, cka) : st;
}

enum umb_status umb__gradient_survey_relations(const struct umb_gradient_survey *s,
                                               struct umb_relations *relations)
{
    enum umb_status st = s->gradients ? add_part(s, relations, 0) : UMB_OK;
    if (st == UMB_OK && s->features) { st = add_features(s, relations); }
    if (st != UMB_OK || !s->gradients) { return st; }
    st = add(relations, "affinity", NULL, &s->first);
    if (st == UMB_OK) { st = add(relations, "affinity_exact", NULL, &s->exact); }
    for (int k = 1; st == UMB_OK && k < s->n_parts; k++) {
        st = add_part(s, relations, k);
    }
    return st;
}

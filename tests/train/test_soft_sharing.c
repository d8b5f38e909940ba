/*
 * Soft sharing in training steps: what it adds to gradients, by a plain reference; that trunks meet
 * under a strong penalty; and that nothing depends on queues, merging, devices or resuming.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mtrl.h"
#include "nets.h"
#include "session.h"
#include "several.h"
#include "trainer_soft.h"

#define T 3
#define RATE 0.125

static const char *const trunks[T] = {"a", "b", "c"};

static int named(struct umb_net *net, const char *trunk, const char *layer, const char *attrs,
                 int in)
{
    char name[32];
    int out = -1;
    snprintf(name, sizeof name, "%s.%s1", trunk, layer);
    const struct umb_layer_desc d = {
        .op = layer, .attrs = attrs, .name = name, .in = &in, .n_in = 1};
    must(umb_net_layer(net, &d, &out));
    return out;
}

/* One 8×8×3 stream, T trunks of a conv and a dense layer, a task each. */
static struct umb_net *build(const char *filters, const char *units)
{
    static const char *const heads[T] = {"units=4", "units=2", "units=1"};
    static const char *const losses[T] = {"cross_entropy", "mse", "binary_cross_entropy"};
    struct umb_net *net = test_net(world.ctx);
    const int in = test_stream(world.ctx, net, "image", 8, 8, 3);
    for (int t = 0; t < T; t++) {
        int h = named(net, trunks[t], "conv", filters, in);
        h = test_layer(world.ctx, net, "flatten", NULL, h);
        h = named(net, trunks[t], "dense", units, h);
        h = test_layer(world.ctx, net, "dense", heads[t], h);
        test_task(world.ctx, net, losses[t], h, losses[t], 1);
    }
    return net;
}

static struct umb_net *small_net(void)
{
    return build("filters=5 size=3 activation=tanh", "units=7 activation=tanh");
}

/* Its dense layers have 294,912 weights, which their gradients' makers update. */
static struct umb_net *large_net(void)
{
    return build("filters=32 size=3 activation=relu", "units=256 activation=relu");
}

static const double some_relations[T * T] = {0, 1, 0, 1, 0, 0.5, 0, 0.5, 0};
static const double combinations[T * 2] = {1, 0.5, -2, 0.25, 0.5, -1};
static const char *const conv_only[] = {"conv1", NULL};

enum way { ALL, SOME, COMBINED, CONV, LEARNED, N_WAYS };

static struct umb_soft_sharing sharing(enum way way)
{
    struct umb_soft_sharing s = {.n_trunks = T, .trunk = trunks, .alpha = 0.25};
    s.relations = way == SOME ? some_relations : NULL;
    s.layer = way == CONV ? conv_only : NULL;
    s.without_biases = way == CONV;
    if (way == COMBINED) {
        s.combinations = combinations;
        s.n_combinations = 2;
    }
    if (way == LEARNED) {
        s.every = 2;
        s.lambda1 = 0.125;
        s.lambda2 = 0.25;
        s.epsilon = 0.25;
    }
    return s;
}

static struct session open_soft(const struct umb_net *net, const char *optimizer,
                                const struct umb_soft_sharing *soft)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 4,
                                      .optimizer = optimizer,
                                      .seed = 7,
                                      .soft = soft};
    return session_open(world.ctx, &desc);
}

/* ---- the reference ---- */

/* tr(W·B·Wᵀ)'s B by its definition. omega: of MTRL. */
static void matrix_of(const struct umb_soft_sharing *s, const double *omega, double *b)
{
    double inverse[T * T];
    if (s->every) { must(umb__mtrl_inverse(world.ctx, T, omega, inverse)); }
    memset(b, 0, T * T * sizeof *b);
    for (int i = 0; i < T; i++) {
        for (int j = 0; j < T; j++) {
            const double a = i == j ? 0 : s->alpha * (s->relations ? s->relations[i * T + j] : 1);
            for (int k = 0; k < s->n_combinations; k++) {
                b[i * T + j] += s->alpha * s->combinations[i * s->n_combinations + k] *
                                s->combinations[j * s->n_combinations + k];
            }
            if (s->every) {
                b[i * T + j] = s->lambda2 / 2 * inverse[i * T + j] + (i == j) * s->lambda1 / 2;
            } else if (!s->combinations) { /* the Laplacian: degrees, less the relations */
                b[i * T + i] += a;
                b[i * T + j] -= a;
            }
        }
    }
}

static const struct umb_value *parameter(const struct session *s, int t, const char *name)
{
    char full[64];
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    snprintf(full, sizeof full, "%s.%s", trunks[t], name);
    const int v = umb__graph_find_value(g, full);
    assert_true(v >= 0);
    return &g->value[v];
}

/* Adds rate·2·W·B to what the plain step left of parameter `name`, and its part of the penalty. */
static double apply(const struct session *s, const char *name, const double *b, const float *before,
                    double *expected)
{
    int64_t n = umb__shape_count(&parameter(s, 0, name)->type.shape);
    size_t at[T];
    double penalty = 0;
    for (int t = 0; t < T; t++) {
        at[t] = parameter(s, t, name)->base_offset / sizeof(float);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int t = 0; t < T; t++) {
            double sum = 0;
            for (int k = 0; k < T; k++) {
                sum += b[t * T + k] * (double)before[at[k] + (size_t)i];
            }
            penalty += sum * (double)before[at[t] + (size_t)i];
            expected[at[t] + (size_t)i] -= RATE * 2 * sum;
        }
    }
    return penalty;
}

/* A step of plain gradient descent with sharing, against one without and the reference. */
static void check_step(const struct umb_net *net, enum way way)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    const struct umb_soft_sharing soft = sharing(way);
    struct session with = open_soft(net, "sgd", &soft), plain = open_soft(net, "sgd", NULL);
    double b[T * T], omega[T * T], penalty = 0;
    size_t n, m;
    float *before = session_buffer(&with, "parameters", &n);
    if (umb_trainer_relations(with.tr, omega) != (way == LEARNED)) { fail_msg("relations"); }
    matrix_of(&soft, omega, b);
    session_fill(&with, 0);
    session_fill(&plain, 0);
    session_step(&with, RATE);
    session_step(&plain, RATE);
    float *got = session_buffer(&with, "parameters", &m),
          *without = session_buffer(&plain, "parameters", &m);
    double *expected = calloc(n, sizeof *expected);
    assert_true(m == n && expected);
    for (size_t i = 0; i < n; i++) {
        expected[i] = (double)without[i];
    }
    for (int k = 0; k < (way == CONV ? 1 : 4); k++) {
        penalty += apply(&with, names[k], b, before, expected);
    }
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)got[i] - expected[i]) > 1e-6) {
            fail_msg("way %d, parameter %zu: %.9g, expected %.9g; %.9g without", (int)way, i,
                     (double)got[i], expected[i], (double)without[i]);
        }
    }
    assert_true(fabs(umb_trainer_penalty(with.tr) - penalty) <= 1e-5 * penalty);
    assert_true(penalty > 0 && umb_trainer_penalty(plain.tr) == 0);
    for (int t = 0; t < T; t++) {
        assert_true(with.losses[t] == plain.losses[t]); /* the penalty is none of them */
    }
    free(expected);
    umb__free(before);
    umb__free(got);
    umb__free(without);
    session_close(&with);
    session_close(&plain);
}

static void steps_follow_the_reference(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    for (int way = 0; way < N_WAYS; way++) {
        check_step(net, (enum way)way);
    }
    umb_net_destroy(net);
}

/* Whether the update of a.dense1.weight is fused into what makes its gradient. */
static bool is_fused(const struct session *s)
{
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *n = &g->node[i];
        if (n->feeds_update && strncmp(n->name, "a.dense1", 8) == 0) { return true; }
    }
    return false;
}

/* A large parameter's update is fused into its gradient's maker, but not where it is shared: that
 * would leave the penalty out. */
static void fused_updates_do_not_pass_it_by(void **state)
{
    (void)state;
    struct umb_net *net = large_net();
    const struct umb_soft_sharing all = sharing(ALL), conv = sharing(CONV);
    struct session plain = open_soft(net, "sgd", NULL), shared = open_soft(net, "sgd", &all),
                   partly = open_soft(net, "sgd", &conv);
    const bool can = is_fused(&plain);
    assert_false(is_fused(&shared));
    assert_true(is_fused(&partly) == can);
    print_message("# updates are %s here\n", can ? "fused" : "not fused");
    session_close(&plain);
    session_close(&shared);
    session_close(&partly);
    check_step(net, ALL);
    check_step(net, CONV);
    umb_net_destroy(net);
}

/* ---- what it does ---- */

/* Σ ‖w_a − w_t‖² over the trunks' parameters. */
static double distance(const struct session *s)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    double sum = 0;
    size_t n;
    float *p = session_buffer(s, "parameters", &n);
    for (int k = 0; k < 4; k++) {
        const struct umb_value *a = parameter(s, 0, names[k]);
        for (int64_t i = 0; i < umb__shape_count(&a->type.shape); i++) {
            for (int t = 1; t < T; t++) {
                const double d = (double)p[a->base_offset / 4 + (size_t)i] -
                                 (double)p[parameter(s, t, names[k])->base_offset / 4 + (size_t)i];
                sum += d * d;
            }
        }
    }
    umb__free(p);
    return sum;
}

static void a_strong_penalty_makes_trunks_one(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    double last = INFINITY, first = 0;
    for (double alpha = 0.01; alpha < 1000; alpha *= 10) {
        struct umb_soft_sharing soft = sharing(ALL);
        soft.alpha = alpha;
        struct session s = open_soft(net, "sgd", &soft);
        first = distance(&s);
        for (int step = 0; step < 400; step++) {
            session_fill(&s, step);
            session_step(&s, fmin(0.05, 0.1 / alpha)); /* 2·α·T·rate < 2 */
        }
        const double now = distance(&s);
        if (alpha > 0.5) { assert_true(now < last); }
        last = now;
        session_close(&s);
    }
    print_message("# %g apart at first, %g under the strongest penalty\n", first, last);
    assert_true(last < 1e-4 * first);
    umb_net_destroy(net);
}

static void an_equal_start_is_one(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    struct umb_soft_sharing soft = sharing(ALL);
    soft.equal_start = true;
    struct session s = open_soft(net, "sgd", &soft), own = open_soft(net, "sgd", NULL);
    assert_true(distance(&s) == 0 && distance(&own) > 1);
    session_train(&s, 0, 1);
    assert_true(umb_trainer_penalty(s.tr) == 0 && distance(&s) > 0);
    session_close(&s);
    session_close(&own);
    umb_net_destroy(net);
}

static void no_penalty_changes_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    struct umb_soft_sharing soft = sharing(ALL), learned = sharing(LEARNED);
    soft.alpha = learned.lambda1 = learned.lambda2 = 0;
    struct session none = open_soft(net, "adam", NULL), zero = open_soft(net, "adam", &soft),
                   watched = open_soft(net, "adam", &learned);
    session_train(&none, 0, 5);
    session_train(&zero, 0, 5);
    session_train(&watched, 0, 5);
    assert_same_bits(&none, &zero, "without sharing, and with a penalty of 0");
    assert_same_bits(&none, &watched,
                     "without sharing, and with relations that are only looked at");
    double omega[T * T], first[T * T];
    assert_true(umb_trainer_relations(watched.tr, omega));
    struct session fresh = open_soft(net, "adam", &learned);
    assert_true(umb_trainer_relations(fresh.tr, first));
    assert_memory_not_equal(omega, first, sizeof omega);
    session_close(&fresh);
    session_close(&none);
    session_close(&zero);
    session_close(&watched);
    umb_net_destroy(net);
}

/* A task without a label has no gradient, and its trunk is drawn to the others all the same. */
static void a_task_without_labels_is_drawn_along(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(ALL);
    struct session s = open_soft(net, "sgd", &soft);
    session_fill(&s, 0);
    memset(s.mask_of[0], 0, 4 * sizeof(float));
    const double before = distance(&s);
    session_step(&s, RATE);
    assert_true(isnan(s.losses[0]) && isfinite(umb_trainer_penalty(s.tr)));
    const double after = distance(&s);
    assert_true(after < before); /* false for NaN */
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- MTRL ---- */

/* Ω of the parameters as a session has them. */
static void omega_of(const struct session *s, double *omega)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "dense1.weight",
                                        "dense1.bias"};
    double gram[T * T] = {0};
    size_t n;
    float *p = session_buffer(s, "parameters", &n);
    for (int k = 0; k < 4; k++) {
        const int64_t count = umb__shape_count(&parameter(s, 0, names[k])->type.shape);
        for (int i = 0; i < T * T; i++) {
            const float *x = p + parameter(s, i / T, names[k])->base_offset / sizeof(float);
            const float *y = p + parameter(s, i % T, names[k])->base_offset / sizeof(float);
            for (int64_t e = 0; e < count; e++) {
                gram[i] += (double)x[e] * (double)y[e];
            }
        }
    }
    umb__free(p);
    must(umb__mtrl_covariance(world.ctx, T, gram, 0.25, omega));
}

/* Every second step begins with a new one. */
static void relations_are_learned_when_due(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(LEARNED);
    struct session s = open_soft(net, "adam", &soft);
    double expected[T * T], got[T * T];
    assert_true(umb_trainer_relations(s.tr, expected));
    for (int i = 0; i < T * T; i++) {
        assert_true(fabs(expected[i] - (i % (T + 1) == 0 ? 1.0 / T + 0.25 : 0)) < 1e-15);
    }
    for (int step = 0; step < 6; step++) {
        if (step > 0 && step % 2 == 0) { omega_of(&s, expected); }
        session_train(&s, step, 1);
        assert_true(umb_trainer_relations(s.tr, got));
        for (int i = 0; i < T * T; i++) {
            assert_true(fabs(got[i] - expected[i]) < 1e-12);
        }
    }
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- the same bits ---- */

static struct session trained(const struct umb_net *net, const struct umb_soft_sharing *soft,
                              int queues)
{
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = 4, .queues = queues, .seed = 7, .soft = soft};
    struct session s = session_open(world.ctx, &desc);
    session_train(&s, 0, 5);
    return s;
}

static void queues_and_merging_change_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    for (int way = SOME; way <= LEARNED; way += LEARNED - SOME) {
        const struct umb_soft_sharing soft = sharing((enum way)way);
        struct session one = trained(net, &soft, 1);
        for (int queues = 2; queues <= 4; queues++) {
            struct session several = trained(net, &soft, queues);
            assert_same_bits(&one, &several, "on one queue and on several");
            session_close(&several);
        }
        assert_int_equal(setenv("UMBEL_MERGE", "0", 1), 0);
        struct session apart = trained(net, &soft, 3);
        assert_int_equal(unsetenv("UMBEL_MERGE"), 0);
        assert_same_bits(&one, &apart, "merged and not");
        session_close(&apart);
        session_close(&one);
    }
    umb_net_destroy(net);
}

/* Layers wherever they are drawn to: parameters are then drawn to those of another device. */
static void devices_change_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(LEARNED);
    struct session one = trained(net, &soft, 1);
    for (uint32_t seed = 1; seed <= 2; seed++) {
        struct umb_net *spread = small_net();
        several_put(spread, seed, 1 + N_MORE);
        const struct session_desc desc = {.device = world.device,
                                          .net = spread,
                                          .batch = 4,
                                          .seed = 7,
                                          .more = more,
                                          .n_more = N_MORE,
                                          .soft = &soft};
        struct session several = session_open(world.ctx, &desc);
        session_train(&several, 0, 5);
        assert_same_checkpoints(&one, &several, "on one device and on several");
        session_close(&several);
        umb_net_destroy(spread);
    }
    session_close(&one);
    umb_net_destroy(net);
}

/* A batch that devices share: parameters are all on the first, and drawn together there. */
static void a_batch_may_be_shared_too(void **state)
{
    (void)state;
    static const int64_t shares[1 + N_MORE] = {1, 2, 1};
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(SOME);
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 4,
                                      .seed = 7,
                                      .more = more,
                                      .n_more = N_MORE,
                                      .shares = shares,
                                      .soft = &soft};
    struct session one = open_soft(net, "adam", &soft), several = session_open(world.ctx, &desc);
    for (int step = 0; step < 3; step++) {
        session_train(&one, step, 1);
        session_train(&several, step, 1);
        const double a = umb_trainer_penalty(one.tr), b = umb_trainer_penalty(several.tr);
        assert_true(a > 0 && fabs(a - b) < (step ? 1e-3 * a : 1e-12));
    }
    session_close(&several);
    session_close(&one);
    umb_net_destroy(net);
}

/* Stopped behind each step, also where a new Ω is due next. */
static void a_resumed_run_has_the_same_bits(void **state)
{
    (void)state;
    char path[] = "/tmp/umbel-soft-XXXXXX";
    const int file = mkstemp(path);
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(LEARNED);
    assert_true(file >= 0);
    struct session straight = trained(net, &soft, 1);
    for (int stop = 1; stop < 5; stop++) {
        struct session first = open_soft(net, "adam", &soft), second = trained(net, &soft, 3);
        session_train(&first, 0, stop);
        must(umb_trainer_save(first.tr, path));
        must(umb_trainer_load(second.tr, path));
        session_train(&second, stop, 5 - stop);
        assert_same_bits(&straight, &second, "straight on, and resumed");
        double a[T * T], b[T * T];
        assert_true(umb_trainer_relations(straight.tr, a) && umb_trainer_relations(second.tr, b));
        assert_memory_equal(a, b, sizeof a);
        session_close(&first);
        session_close(&second);
    }
    close(file);
    unlink(path);
    session_close(&straight);
    umb_net_destroy(net);
}

/* A run without MTRL, and one whose Ω is damaged, leave everything as it was. */
static void runs_without_relations_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    const struct umb_soft_sharing soft = sharing(LEARNED);
    struct session plain = open_soft(net, "adam", NULL), s = trained(net, &soft, 1);
    struct umb_safetensors *file = session_collect(&plain), *own = session_collect(&s);
    double before[T * T], after[T * T];
    assert_true(umb_trainer_relations(s.tr, before));
    assert_int_equal(umb__trainer_restore(s.tr, file, "FILE"), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "FILE: share.omega is missing"));
    ((double *)(uintptr_t)umb__safetensors_find(own, "share.omega")->data)[0] = -1;
    assert_int_equal(umb__trainer_restore(s.tr, own, "FILE"), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "FILE: share.omega: "));
    assert_true(umb_trainer_relations(s.tr, after) && umb_trainer_n_steps(s.tr) == 5);
    assert_memory_equal(before, after, sizeof before);
    session_train(&s, 5, 1);
    umb__safetensors_destroy(file);
    umb__safetensors_destroy(own);
    session_close(&plain);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- wrong descriptions ---- */

static void refused(const struct umb_net *net, struct umb_soft_sharing soft, const char *words)
{
    const struct umb_trainer_desc d = {
        .device = world.device, .net = net, .batch = 4, .optimizer = "sgd", .soft = &soft};
    struct umb_trainer *tr = NULL;
    const enum umb_status st = umb_trainer_create(world.ctx, &d, &tr);
    const char *said = umb_context_error(world.ctx);
    if (st != UMB_ERR_INVALID || tr || !strstr(said, words)) {
        fail_msg("%s: '%s'; expected '%s'", umb_status_name(st), said, words);
    }
}

static void wrong_descriptions_are_refused(void **state)
{
    (void)state;
    static const char *const twice[T] = {"a", "b", "a"}, *const no_trunk[T] = {"a", "b", "x"};
    static const char *const no_layer[] = {"conv1", "conv2", NULL};
    static const double lopsided[T * T] = {0, 1, 0, 2}, negative[T * T] = {0, -1, 0, -1};
    static const double infinite[T] = {1, INFINITY, 0};
    struct umb_net *net = small_net();
    const struct umb_soft_sharing right = sharing(ALL);
    struct umb_soft_sharing s = right;
    s.n_trunks = 1;
    refused(net, s, "1 trunks; expected 2 to 64");
    s = right;
    s.trunk = twice;
    refused(net, s, "trunk a is named twice");
    s.trunk = no_trunk;
    refused(net, s, "soft sharing: no parameter is in every trunk");
    s = right;
    s.layer = no_layer;
    refused(net, s, "layer 'conv2' of the trunks has no parameters");
    s = right;
    s.alpha = NAN;
    refused(net, s, "alpha is nan");
    s = right;
    s.relations = lopsided;
    refused(net, s, "a and b are related by 1 and 2");
    s.relations = negative;
    refused(net, s, "a and b are related by -1 and -1");
    s = right;
    s.combinations = infinite;
    s.n_combinations = 1;
    refused(net, s, "a combination has inf");
    s.relations = some_relations;
    refused(net, s, "exclude one another");
    s = sharing(LEARNED);
    s.epsilon = 0;
    refused(net, s, "epsilon is 0; expected a number above 0");
    s.every = -1;
    refused(net, s, "every -1 steps");
    umb_net_destroy(net);
}

/* ---- no memory ---- */

static enum umb_status train_and_save(const struct umb_net *net,
                                      const struct umb_soft_sharing *soft,
                                      const struct session *batches)
{
    const struct umb_trainer_desc d = {
        .device = world.device, .net = net, .batch = 4, .optimizer = "sgd", .soft = soft};
    struct umb_trainer *tr = NULL;
    struct umb_safetensors *file = NULL;
    enum umb_status st = umb_trainer_create(world.ctx, &d, &tr);
    for (int i = 0; st == UMB_OK && i < 3; i++) {
        st = umb_trainer_step(tr, batches->batch, batches->labels, RATE, NULL);
    }
    if (st == UMB_OK) { st = umb__safetensors_create(world.ctx, &file); }
    if (st == UMB_OK) { st = umb__trainer_collect(tr, file); }
    if (st == UMB_OK) { st = umb__trainer_restore(tr, file, "FILE"); }
    umb__safetensors_destroy(file);
    umb_trainer_destroy(tr);
    return st;
}

/* Of the allocations of a whole run, every one at first, then ever fewer. */
static void failed_allocations_are_told(void **state)
{
    (void)state;
    struct umb_net *net = small_net();
    struct umb_soft_sharing soft = sharing(LEARNED);
    soft.equal_start = true;
    struct session s = open_soft(net, "sgd", NULL);
    enum umb_status st = UMB_ERR_NO_MEMORY;
    int n_failures = 0;
    session_fill(&s, 0);
    must(train_and_save(net, &soft, &s));
    for (uint64_t n = 1; st != UMB_OK; n += 1 + n / 24) {
        const uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(n);
        st = train_and_save(net, &soft, &s);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) { must(st); }
        assert_int_equal(umb__alloc_live(), live);
        n_failures += st != UMB_OK;
    }
    print_message("# %d failures\n", n_failures);
    assert_true(n_failures > 100);
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_follow_the_reference),
                                       cmocka_unit_test(fused_updates_do_not_pass_it_by),
                                       cmocka_unit_test(a_strong_penalty_makes_trunks_one),
                                       cmocka_unit_test(an_equal_start_is_one),
                                       cmocka_unit_test(no_penalty_changes_no_bit),
                                       cmocka_unit_test(a_task_without_labels_is_drawn_along),
                                       cmocka_unit_test(relations_are_learned_when_due),
                                       cmocka_unit_test(queues_and_merging_change_no_bit),
                                       cmocka_unit_test(devices_change_no_bit),
                                       cmocka_unit_test(a_batch_may_be_shared_too),
                                       cmocka_unit_test(a_resumed_run_has_the_same_bits),
                                       cmocka_unit_test(runs_without_relations_are_refused),
                                       cmocka_unit_test(wrong_descriptions_are_refused),
                                       cmocka_unit_test(failed_allocations_are_told)};
    return cmocka_run_group_tests_name("soft sharing", tests, open_devices, close_devices);
}

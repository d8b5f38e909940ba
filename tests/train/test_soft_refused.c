/* Soft sharing with runs of other experiments, wrong descriptions, and without memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "soft_world.h"

#define RATE 0.125

/* A run without MTRL, and one whose Ω is damaged, leave everything as it was. */
static void runs_without_relations_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing soft = soft_sharing(LEARNED);
    struct session plain = soft_open(net, "adam", NULL), s = soft_trained(net, &soft, 1);
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
    struct umb_net *net = soft_net();
    const struct umb_soft_sharing right = soft_sharing(ALL);
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
    s = soft_sharing(LEARNED);
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
    struct umb_net *net = soft_net();
    struct umb_soft_sharing soft = soft_sharing(LEARNED);
    soft.equal_start = true;
    struct session s = soft_open(net, "sgd", NULL);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_without_relations_are_refused),
                                       cmocka_unit_test(wrong_descriptions_are_refused),
                                       cmocka_unit_test(failed_allocations_are_told)};
    return cmocka_run_group_tests_name("soft refused", tests, open_devices, close_devices);
}

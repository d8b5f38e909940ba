/*
 * Every allocation of a trainer with a balancer and of its first steps fails once: it is told as
 * UMB_ERR_NO_MEMORY, and leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alloc.h"
#include "balance_nets.h"
#include "session.h"
#include "several.h"

#define ENOUGH 20 /* runs in a row that meet no failure: there are no more allocations */

struct way {
    const char *name;
    struct umb_balancing b;
    bool spread; /* over several devices */
};

/* What a run is made of; the session has the batch. */
struct trial {
    const struct way *way;
    const struct session *s;
};

static enum umb_status run(const struct trial *t)
{
    double losses[UMB_MAX_TASKS];
    struct umb_safetensors *file = NULL;
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = t->s->tr->net,
                                          .batch = BALANCE_BATCH,
                                          .optimizer = "sgd",
                                          .queues = 2,
                                          .more = more,
                                          .n_more = t->way->spread ? N_MORE : 0,
                                          .balancing = &t->way->b};
    enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    for (int step = 0; st == UMB_OK && step < (t->way->b.every > 1 ? 2 : 1); step++) {
        st = umb_trainer_step(tr, t->s->batch, t->s->labels, 0.01, losses);
    }
    if (st == UMB_OK) { st = umb__safetensors_create(world.ctx, &file); }
    if (st == UMB_OK) { st = umb__trainer_collect(tr, file); }
    umb__safetensors_destroy(file);
    umb_trainer_destroy(tr);
    return st;
}

static void each_allocation_fails(void **state)
{
    const struct way *way = *state;
    struct balance_net n = balance_net(world.ctx, 1);
    if (way->spread) { several_put(n.net, 3, 1 + N_MORE); }
    const struct session_desc desc = {.device = world.device,
                                      .net = n.net,
                                      .batch = BALANCE_BATCH,
                                      .more = more,
                                      .n_more = N_MORE};
    struct session s = session_open(world.ctx, &desc);
    const struct trial t = {way, &s};
    int failures = 0, well = 0;
    session_fill(&s, 0);
    must(run(&t));
    for (uint64_t k = 1; well < ENOUGH; k++) {
        const uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(k);
        const enum umb_status st = run(&t);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("allocation %d: %s: %s", (int)k, umb_status_name(st),
                     umb_context_error(world.ctx));
        }
        if (umb__alloc_live() != live) {
            fail_msg("allocation %d: %d blocks before, %d after (%s)", (int)k, (int)live,
                     (int)umb__alloc_live(), umb_status_name(st));
        }
        failures += st != UMB_OK;
        well = st == UMB_OK ? well + 1 : 0;
    }
    print_message("# %s: %d failures\n", way->name, failures);
    assert_true(failures > 200);
    must(run(&t));
    session_close(&s);
    umb_net_destroy(n.net);
}

int main(void)
{
    static struct way ways[] = {
        {"cagrad", {.name = "cagrad", .gradients = UMB_GRADIENTS_LAST_BLOCK, .every = 2}, false},
        {"db_mtl", {.name = "db_mtl"}, false},
        {"famo", {.name = "famo"}, false},
        {"uncertainty", {.name = "uncertainty", .heads = UMB_HEADS_UNWEIGHTED}, false},
        {"graddrop", {.name = "graddrop"}, false},
        {"famo on several devices", {.name = "famo"}, true},
        {"graddrop on several devices", {.name = "graddrop"}, true}};
    enum { WAYS = sizeof ways / sizeof *ways };
    struct CMUnitTest tests[WAYS];
    for (int k = 0; k < WAYS; k++) {
        tests[k] = (struct CMUnitTest){
            .name = ways[k].name, .test_func = each_allocation_fails, .initial_state = &ways[k]};
    }
    return cmocka_run_group_tests_name("alloc_balance", tests, open_devices, close_devices);
}

/*
 * Every allocation fails once while a trainer with parts is made, begins with a file, changes what
 * is frozen, and is saved and loaded: each reports UMB_ERR_NO_MEMORY and leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nets.h"
#include "trainer_internal.h"
#include "world.h"

#define ENOUGH 3 /* runs in which nothing failed: the numbered allocation was never made */

static struct umb_net *net;
static char path[64];

static const struct umb_frozen first[] = {{"conv1.*", false}}, later[] = {{"*.bias", false}};
static const struct umb_part parts[] = {{"dense1.*", 0.5, 0}};

static enum umb_status create(struct umb_trainer **ret_trainer)
{
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = 2,
                                          .optimizer = "adam",
                                          .queues = 1,
                                          .init = "orthogonal",
                                          .parts = parts,
                                          .n_parts = 1,
                                          .frozen = first,
                                          .n_frozen = 1,
                                          .refreezes = true};
    return umb_trainer_create(world.ctx, &desc, ret_trainer);
}

static void hear(void *user, const char *line)
{
    *(size_t *)user += strlen(line);
}

static enum umb_status everything(void)
{
    static const struct umb_init_map map[] = {{"conv1.*", "conv1.*"}};
    size_t heard = 0;
    struct umb_trainer *tr = NULL;
    const struct umb_init_desc from = {
        .path = path, .map = map, .n_map = 1, .strict = true, .listen = hear, .user = &heard};
    enum umb_status st = create(&tr);
    if (st == UMB_OK) { st = umb_trainer_init_from(tr, &from); }
    if (st == UMB_OK) { st = umb_trainer_freeze(tr, later, 1); }
    if (st == UMB_OK) { st = umb_trainer_load(tr, path); }
    if (st == UMB_OK) { assert_string_equal(tr->parts.frozen, "conv1.*\n"); }
    umb_trainer_destroy(tr);
    assert_true(st != UMB_OK || heard > 100);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    int failures = 0;
    (void)state;
    assert_int_equal(everything(), UMB_OK);
    for (uint64_t k = 1, well = 0; well < ENOUGH; k++) {
        const uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(k);
        const enum umb_status st = everything();
        umb__alloc_fail_at(0);
        if ((st != UMB_OK && st != UMB_ERR_NO_MEMORY) || umb__alloc_live() != live) {
            fail_msg("allocation %d: %s, %d blocks before, %d after: %s", (int)k,
                     umb_status_name(st), (int)live, (int)umb__alloc_live(),
                     umb_context_error(world.ctx));
        }
        failures += st != UMB_OK;
        well = st == UMB_OK ? well + 1 : 0;
    }
    print_message("# %d failures\n", failures);
    assert_true(failures > 500);
    assert_int_equal(everything(), UMB_OK);
}

static int open_all(void **state)
{
    struct umb_trainer *tr = NULL;
    const int code = open_world(state);
    int h = -1;
    snprintf(path, sizeof path, "/tmp/umbel-alloc-parts-%ld", (long)getpid());
    net = test_net(world.ctx);
    h = test_stream(world.ctx, net, "a", 5, 5, 1);
    h = test_layer(world.ctx, net, "conv", "filters=2 size=3", h);
    h = test_layer(world.ctx, net, "batch_norm", NULL, h);
    h = test_layer(world.ctx, net, "flatten", NULL, h);
    h = test_layer(world.ctx, net, "dense", "units=2", h);
    test_task(world.ctx, net, "x", h, "mse", 1);
    must(create(&tr));
    must(umb_trainer_save(tr, path));
    umb_trainer_destroy(tr);
    return code;
}

static int close_all(void **state)
{
    umb_net_destroy(net);
    unlink(path);
    return close_world(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}

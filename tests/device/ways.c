#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan_internal.h"
#include "shuffle.h"
#include "world.h"

enum { WAYS = 90, BATCHES }; /* sequences of a net's seed */

struct ways ways;
const struct way way_plain = {.name = "the plain plan", .queues = 1, .in_flight = 1};

static char folder[] = "/tmp/umbel-bits-XXXXXX", path[64];

static void switch_on(const char *variable, bool on)
{
    assert_int_equal(setenv(variable, on ? "1" : "0", 1), 0);
}

static void count_steps(const struct umb_plan *plan)
{
    ways.n_steps += plan->steps.n;
    ways.n_waits += (size_t)plan->schedule.wait_start[plan->schedule.n];
    for (size_t i = 0; i < plan->steps.n; i++) {
        ways.n_merged += plan->steps.step[i].n_members > 1;
    }
}

struct session way_session(const struct random_net *net, const struct way *way, uint64_t seed)
{
    switch_on("UMBEL_MERGE", !way->unmerged);
    switch_on("UMBEL_FUSE", net->fused);
    shuffle_plans(way->order);
    struct session s = session_open(world.ctx, &(struct session_desc){.device = world.device,
                                                                      .net = net->net,
                                                                      .batch = net->batch,
                                                                      .optimizer = net->optimizer,
                                                                      .attrs = net->attrs,
                                                                      .clip_norm = net->clip_norm,
                                                                      .queues = way->queues,
                                                                      .seed = seed});
    shuffle_plans(0);
    unsetenv("UMBEL_MERGE");
    unsetenv("UMBEL_FUSE");
    count_steps(umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN));
    return s;
}

/* Some samples without a label, some streams without all their rows. */
static void fill_batch(struct session *s, int step)
{
    uint64_t at = (uint64_t)step * 10000;
    session_fill(s, step);
    for (int t = 0; t < s->tr->n_tasks; t++) {
        for (int64_t i = 0; i < s->tr->batch; i++) {
            s->mask_of[t][i] = (float)(random_pick(ways.seed, BATCHES, &at, 4) != 0);
        }
    }
    for (int i = 0; i < s->tr->n_streams; i++) {
        if (random_pick(ways.seed, BATCHES, &at, 3) == 0) {
            s->batch[i].n = random_pick(ways.seed, BATCHES, &at, (uint32_t)s->tr->batch + 1);
        }
    }
}

static void collect(struct session *s, struct record *r, int step)
{
    const int slot = step % UMB_TRAINER_SLOTS;
    must(umb__trainer_wait(s->tr, UMB_TRAINER_TRAIN, slot, s->losses));
    record_step(r, s, slot, step);
}

/* Steps first … end−1. */
void way_train(struct session *s, const struct way *way, struct record *r, int first, int end)
{
    int waited = first;
    shuffle_delays(way->delays);
    for (int step = first; step < end; step++) {
        if (step - waited == way->in_flight) { collect(s, r, waited++); }
        fill_batch(s, step);
        session_fill_slot(s, step % UMB_TRAINER_SLOTS);
        must(umb__trainer_submit(s->tr, UMB_TRAINER_TRAIN, step % UMB_TRAINER_SLOTS, 0.01));
    }
    while (waited < end) {
        collect(s, r, waited++);
    }
    shuffle_delays(0);
}

struct record way_run(const struct random_net *net, const struct way *way)
{
    struct record r = {0};
    struct session s = way_session(net, way, ways.seed);
    int first = 0;
    for (; way->stop; way = way->resumed) {
        way_train(&s, way, &r, first, way->stop);
        first = way->stop;
        must(umb_trainer_save(s.tr, path));
        session_close(&s);
        s = way_session(net, way->resumed, ways.seed + 1); /* not the seed it is saved with */
        must(umb_trainer_load(s.tr, path));
    }
    way_train(&s, way, &r, first, WAY_STEPS);
    record_end(&r, &s);
    session_close(&s);
    return r;
}

int way_pick(uint64_t *at, int below)
{
    return (int)random_pick(ways.seed, WAYS, at, (uint32_t)below);
}

/* Any order on one to eight queues, or list scheduling's on some. */
struct way way_draw(uint64_t *at, const char *name, bool shuffled)
{
    return (struct way){.name = name,
                        .queues = shuffled ? 1 + way_pick(at, 8) : 1 << way_pick(at, 4),
                        .in_flight = 1 + way_pick(at, UMB_TRAINER_SLOTS),
                        .order = shuffled ? (uint64_t)way_pick(at, 1 << 30) + 1 : 0,
                        .delays = (uint64_t)way_pick(at, 1 << 30) + 1};
}

/* False where a difference was found, which is printed. */
bool way_agrees(const struct random_net *net, const struct record *expected, const struct way *way)
{
    char where[160];
    struct record r = way_run(net, way);
    const bool same = record_same(expected, &r, where, sizeof where);
    if (!same) {
        print_message("# seed %d, %s: %d queues, order %llu, delays %llu, stopped behind %d: %s\n",
                      (int)ways.seed, way->name, way->queues, (unsigned long long)way->order,
                      (unsigned long long)way->delays, way->stop, where);
    }
    record_finish(&r);
    return same;
}

int ways_open(void **state)
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    shuffle_open();
    return open_world(state);
}

int ways_close(void **state)
{
    unlink(path);
    rmdir(folder);
    shuffle_close();
    return close_world(state);
}

/* What fails in a helper does not know the seed. */
int ways_tell_seed(void **state)
{
    (void)state;
    if (ways.seed) { print_message("# stopped at UMBEL_TEST_SEED=%d\n", (int)ways.seed); }
    ways.seed = 0;
    return 0;
}

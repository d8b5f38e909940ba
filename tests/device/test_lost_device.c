/*
 * A device that is lost in the middle of a run on several: the step fails with an error, whatever
 * the other devices still wait for is let go, and training goes on from the last checkpoint. The
 * loss is made by the linker's --wrap: from a chosen launch on, nothing can be enqueued on the
 * second device, or what is enqueued fails.
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

#include "net_internal.h"
#include "nets.h"
#include "session.h"
#include "world.h"

__typeof__(umb__bound_step_enqueue) __real_umb__bound_step_enqueue, __wrap_umb__bound_step_enqueue;
__typeof__(umb__queue_read) __real_umb__queue_read, __wrap_umb__queue_read;

static struct umb_device *second;
static struct {
    bool on, reads; /* of launches, or of what leaves the device */
    int after;      /* so many that still work */
} loss;

static bool is_lost(struct umb_queue *q)
{
    return loss.on && umb__queue_device(q) == second && loss.after-- <= 0;
}

static enum umb_status lost(void)
{
    return umb__fail(world.ctx, UMB_ERR_DEVICE, "clEnqueue: CL_DEVICE_NOT_AVAILABLE (-2)");
}

enum umb_status __wrap_umb__bound_step_enqueue(struct umb_bound_step *bound, struct umb_queue *q,
                                               umb_event *const *waits, size_t n_waits,
                                               umb_event **ret_event)
{
    if (!loss.reads && is_lost(q)) { return lost(); }
    return __real_umb__bound_step_enqueue(bound, q, waits, n_waits, ret_event);
}

enum umb_status __wrap_umb__queue_read(struct umb_queue *q, struct umb_buffer *src, size_t offset,
                                       size_t bytes, void *dst, umb_event *const *waits,
                                       size_t n_waits, umb_event **ret_event)
{
    if (loss.reads && is_lost(q)) { return lost(); }
    return __real_umb__queue_read(q, src, offset, bytes, dst, waits, n_waits, ret_event);
}

static int open_devices(void **state)
{
    if (open_world(state) != 0) { return -1; }
    return umb_device_open(world.ctx, NULL, &second) == UMB_OK ? 0 : -1;
}

static int close_devices(void **state)
{
    umb_device_close(second);
    return close_world(state);
}

static struct session open_balanced(const struct umb_net *net, const char *balancer)
{
    const struct umb_balancing b = {.name = balancer};
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 4,
                                      .queues = 2,
                                      .seed = 3,
                                      .more = &second,
                                      .n_more = 1,
                                      .balancing = &b};
    return session_open(world.ctx, &desc);
}

static struct session open_session(const struct umb_net *net)
{
    return open_balanced(net, NULL);
}

/* Layers by turns on the one device and the other. */
static struct umb_net *spread_net(void)
{
    struct umb_net *net = test_net_two_streams(world.ctx);
    for (int l = 0; l < net->n_layers; l++) {
        net->layer[l].device = l % 2;
    }
    net->task[1].device = 1;
    return net;
}

/* Whichever command of the step is the first that fails; what the host is asked may be, too. */
static void a_step_fails_and_nothing_hangs(void **state)
{
    struct umb_net *net = spread_net();
    for (int after = 0; after < 60; after += after < 12 ? 1 : 7) {
        struct session s = open_balanced(net, *state);
        session_train(&s, 0, 2);
        session_fill(&s, 2);
        loss.on = true;
        loss.reads = after % 2;
        loss.after = after / 2;
        const enum umb_status st = umb_trainer_step(s.tr, s.batch, s.labels, 0.01, s.losses);
        const bool reached = loss.after < 0;
        loss.on = false;
        if (reached) { assert_int_equal(st, UMB_ERR_DEVICE); }
        if (reached && !strstr(umb_context_error(world.ctx), "CL_DEVICE_NOT_AVAILABLE")) {
            fail_msg("%s", umb_context_error(world.ctx));
        }
        session_close(&s);
    }
    umb_net_destroy(net);
}

static void training_goes_on_from_the_checkpoint(void **state)
{
    (void)state;
    char path[] = "/tmp/umbel-lost-device-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    struct umb_net *net = spread_net();
    struct session whole = open_session(net), first = open_session(net);
    session_train(&whole, 0, 6);
    session_train(&first, 0, 3);
    must(umb_trainer_save(first.tr, path));
    session_fill(&first, 3);
    loss.on = true;
    loss.reads = false;
    loss.after = 2;
    assert_int_equal(umb_trainer_step(first.tr, first.batch, first.labels, 0.01, first.losses),
                     UMB_ERR_DEVICE);
    loss.on = false;
    session_close(&first);
    struct session next = open_session(net);
    must(umb_trainer_load(next.tr, path));
    session_train(&next, 3, 3);
    assert_same_checkpoints(&whole, &next, "a run that lost a device");
    session_close(&next);
    session_close(&whole);
    umb_net_destroy(net);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a step fails and nothing hangs", a_step_fails_and_nothing_hangs, NULL, NULL, "equal"},
        {"a step with cagrad fails", a_step_fails_and_nothing_hangs, NULL, NULL, "cagrad"},
        {"a step with famo fails", a_step_fails_and_nothing_hangs, NULL, NULL, "famo"},
        cmocka_unit_test(training_goes_on_from_the_checkpoint),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

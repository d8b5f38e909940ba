/*
 * bridge.c: events of one device that commands of another wait for, or that the host computes
 * behind. Devices of two platforms know nothing of each other's events, so a thread waits for the
 * one and then lets a user event of the other's happen. It takes them in the order in which they
 * were given.
 */
#include "alloc.h"
#include "device_internal.h"
#include "fail.h"
#include <pthread.h>

struct crossing {
    struct umb_device *from;
    umb_event *before[UMB_BRIDGE_EVENTS], *after;
    size_t n;
    umb_bridge_fn call; /* NULL: none */
    void *user;
    int number;
    struct crossing *next;
};

struct umb_bridge {
    struct umb_context *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct crossing *first, *last;
    bool ends;
};

/* What waits for a command that failed, fails. */
static void cross(struct crossing *c)
{
    bool failed = false;
    for (size_t i = 0; i < c->n; i++) {
        failed = umb__event_wait(c->from, c->before[i]) != UMB_OK || failed;
        umb__event_release(c->before[i]);
    }
    if (c->call) { c->call(c->user, c->number, failed); }
    clSetUserEventStatus(umb__event_cl(c->after), failed ? -1 : CL_COMPLETE);
    umb__event_release(c->after);
    umb__free(c);
}

static void *work(void *user)
{
    struct umb_bridge *b = user;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        while (!b->first && !b->ends) {
            pthread_cond_wait(&b->changed, &b->lock);
        }
        struct crossing *c = b->first;
        if (!c) { break; }
        b->first = c->next;
        pthread_mutex_unlock(&b->lock);
        cross(c);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

enum umb_status umb__bridge_create(struct umb_context *ctx, struct umb_bridge **ret_bridge)
{
    struct umb_bridge *b = umb__calloc(ctx, 1, sizeof *b);
    if (!b) { return UMB_ERR_NO_MEMORY; }
    b->ctx = ctx;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (pthread_create(&b->thread, NULL, work, b) != 0) {
        pthread_cond_destroy(&b->changed);
        pthread_mutex_destroy(&b->lock);
        umb__free(b);
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "no thread for events between devices");
    }
    *ret_bridge = b;
    return UMB_OK;
}

void umb__bridge_destroy(struct umb_bridge *bridge)
{
    if (!bridge) { return; }
    pthread_mutex_lock(&bridge->lock);
    bridge->ends = true;
    pthread_cond_signal(&bridge->changed);
    pthread_mutex_unlock(&bridge->lock);
    pthread_join(bridge->thread, NULL);
    pthread_cond_destroy(&bridge->changed);
    pthread_mutex_destroy(&bridge->lock);
    umb__free(bridge);
}

/* Takes over c, which has all but `after`, an event of `to`. */
static enum umb_status hand_over(struct umb_bridge *bridge, struct crossing *c,
                                 struct umb_device *to, umb_event **ret_event)
{
    cl_int code;
    cl_event e = clCreateUserEvent(to->cl, &code);
    enum umb_status st = umb__cl_check(bridge->ctx, code, "clCreateUserEvent");
    if (st == UMB_OK) {
        c->after = umb__event_from_cl(bridge->ctx, e);
        st = c->after ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    if (st != UMB_OK) {
        umb__free(c);
        return st;
    }
    for (size_t i = 0; i < c->n; i++) {
        (void)umb__event_retain(c->before[i]);
    }
    *ret_event = umb__event_retain(c->after);
    pthread_mutex_lock(&bridge->lock);
    if (bridge->first) {
        bridge->last->next = c;
    } else {
        bridge->first = c;
    }
    bridge->last = c;
    pthread_cond_signal(&bridge->changed);
    pthread_mutex_unlock(&bridge->lock);
    return UMB_OK;
}

enum umb_status umb__bridge_event(struct umb_bridge *bridge, struct umb_device *from,
                                  umb_event *event, struct umb_device *to, umb_event **ret_event)
{
    struct crossing *c = umb__calloc(bridge->ctx, 1, sizeof *c);
    if (!c) { return UMB_ERR_NO_MEMORY; }
    c->from = from;
    c->before[c->n++] = event;
    return hand_over(bridge, c, to, ret_event);
}

enum umb_status umb__bridge_call(struct umb_bridge *bridge, struct umb_device *device,
                                 umb_event *const *events, size_t n, umb_bridge_fn call, void *user,
                                 int number, umb_event **ret_event)
{
    struct crossing *c = umb__calloc(bridge->ctx, 1, sizeof *c);
    if (!c) { return UMB_ERR_NO_MEMORY; }
    c->from = device;
    c->call = call;
    c->user = user;
    c->number = number;
    for (size_t i = 0; i < n; i++) {
        if (events[i]) { c->before[c->n++] = events[i]; }
    }
    return hand_over(bridge, c, device, ret_event);
}

/*
 * simulate_events.h: what is going to happen in a simulation, in order of time; of what happens at
 * one time, what was foreseen first comes first.
 */
#ifndef UMB_SIMULATE_EVENTS_H
#define UMB_SIMULATE_EVENTS_H

#include <umbel/context.h>

#include <stddef.h>
#include <stdint.h>

enum umb_event_kind {
    UMB_EVENT_READY,
    UMB_EVENT_LAUNCHED,
    UMB_EVENT_GROUPS_DONE,
    UMB_EVENT_SHARED_DONE
};

struct umb_sim_event {
    double at_ns;
    uint64_t number;
    enum umb_event_kind kind;
    int step;
    double units; /* that it sets free */
};

struct umb_sim_events {
    struct umb_sim_event *heap;
    size_t n, capacity;
    uint64_t made;
};

/* The event's number is given here; it is returned in *ret_number unless that is NULL. */
UMB_MUST_USE enum umb_status umb__sim_events_add(struct umb_context *ctx, struct umb_sim_events *v,
                                                 struct umb_sim_event e, uint64_t *ret_number);
struct umb_sim_event umb__sim_events_next(struct umb_sim_events *v); /* there must be one */
void umb__sim_events_finish(struct umb_sim_events *v);

#endif

/*
 * host.h: a node that the host computes while the device goes on: its input is fetched, a thread
 * calls a function, and what that wrote is delivered. For what is small and wants double, as the
 * weights of a step's losses.
 */
#ifndef UMB_HOST_H
#define UMB_HOST_H

/* slot: of the run, as umb__plan_submit was given it. in and out as long as the op's types. Called
 * by one thread at a time, runs in their order; no OpenCL in it. It cannot fail: what went wrong is
 * kept by its owner, and something is delivered. */
typedef void (*umb_host_fn)(void *user, int slot, const float *in, float *out);

/* Numbers that go in and out, together. */
#define UMB_HOST_MOST 8192

/* Attributes of the op "host": in [n] → out [n_out], both f32. */
struct umb_host_attrs {
    umb_host_fn call;
    void *user;
    int n_out;
};

#endif

/*
 * world.h: a context and a device for a whole test program, which its cases share. For programs
 * whose cases' states are their own.
 */
#ifndef UMB_TEST_WORLD_H
#define UMB_TEST_WORLD_H

#include <umbel/device.h>

struct world {
    struct umb_context *ctx;
    struct umb_device *device; /* the first of UMBEL_DEVICE */
};
extern struct world world;

/* cmocka's set-up and tear-down of a group. */
int open_world(void **state);
int close_world(void **state);
/* Fails the test that runs, with the context's message. */
void must(enum umb_status st);

#endif

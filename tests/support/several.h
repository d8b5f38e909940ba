/*
 * several.h: a world of several devices, which are one, opened several times: contexts of their own
 * that know nothing of each other's events and memory.
 */
#ifndef UMB_TEST_SEVERAL_H
#define UMB_TEST_SEVERAL_H

#include "world.h"
#include <umbel/net.h>

#define N_MORE 2
extern struct umb_device *more[N_MORE]; /* beside the world's */

/* In place of open_world and close_world. */
int open_devices(void **state);
int close_devices(void **state);
/* Device 0 is the world's. */
struct umb_device *several_device(int d);
/* Each layer and task on one of the first n devices that `seed` draws, or with seed 0 on device 0.
 */
void several_put(struct umb_net *net, uint32_t seed, int n);

#endif

/*
 * soft_world.h: a net of trunks that are drawn together, and sessions that train it, on the devices
 * of several.h.
 */
#ifndef UMB_TEST_SOFT_WORLD_H
#define UMB_TEST_SOFT_WORLD_H

#include "nets.h"
#include "session.h"
#include "several.h"
#include "trainer_soft.h"

#define T 3 /* trunks, which are called a, b, c */

/* One 8×8×3 stream, T trunks of a conv and a dense layer (a.conv1, a.dense1 …), a task each. */
struct umb_net *soft_net(void);
/* Its dense layers have 294,912 weights, which their gradients' makers update. */
struct umb_net *soft_large_net(void);

enum way { ALL, SOME, COMBINED, CONV, LEARNED, N_WAYS };
extern const double some_relations[T * T]; /* of SOME */
struct umb_soft_sharing soft_sharing(enum way way);

/* A session in batches of 4; soft may be NULL. */
struct session soft_open(const struct umb_net *net, const char *optimizer,
                         const struct umb_soft_sharing *soft);
/* The same by Adam on so many queues, behind five steps. */
struct session soft_trained(const struct umb_net *net, const struct umb_soft_sharing *soft,
                            int queues);
/* Trunk t's parameter of that name ("conv1.weight"), in the training graph. */
const struct umb_value *soft_parameter(const struct session *s, int t, const char *name);

#endif

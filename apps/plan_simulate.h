/*
 * plan_simulate.h: umbel plan --simulate: what the training step would take on other numbers of
 * queues and of compute units.
 */
#ifndef UMBEL_PLAN_SIMULATE_H
#define UMBEL_PLAN_SIMULATE_H

#include "session.h"

/* Times the kernels on batches that are held, then prints the tables, or one JSON object. */
UMB_MUST_USE enum umb_status plan_simulate(const struct session *s, const struct cli *cli,
                                           bool json);

#endif

/*
 * rig.h: a lab's graph as a plan on the device, given the lab's numbers.
 *
 * The heads' outputs, the losses and the gradients of all parameters are made outputs of the plan,
 * so that a test compares them with the lab's. Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_RIG_H
#define UMB_TEST_RIG_H

#include "lab.h"
#include "plan.h"

struct rig_desc {
    struct umb_device *device;
    int queues, slots;
    bool unmerged; /* no launch does several's work */
    bool unfused;
    bool fuse_all; /* where only naive kernels know it, too */
};
struct rig {
    struct lab *lab;
    struct umb_store *store;
    struct umb_plan *plan;
};

/* Runs the passes on the lab's graph (evaluate the lab before), compiles it, writes what the store
 * keeps and every slot's inputs. The lab must outlive the rig. */
struct rig rig_open(struct lab *lab, const struct rig_desc *desc);
void rig_close(struct rig *rig);
/* Puts the store back to the lab's numbers, and slot's inputs too. */
void rig_reset(struct rig *rig, int slot);
void rig_run(struct rig *rig, int slot);
const float *rig_output(const struct rig *rig, int slot, int value);

/* Every output of the plan against the lab's, at least two; the worst share of the tolerance. */
double rig_compare(const struct rig *rig, int slot);
/* Slot 0's, each number within that share of its size and a tenth: where rig_compare's bound, that
 * of one sum, is too strict for what passes through many. */
void rig_compare_loosely(const struct rig *rig, double tolerance);
/* States that steps wrote: running statistics and counters. */
void rig_compare_states(const struct rig *rig);

/* The first device of UMBEL_DEVICE. */
struct umb_device *rig_device(struct umb_context *ctx);

#endif

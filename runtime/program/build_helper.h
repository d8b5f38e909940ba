/*
 * build_helper.h: one process that builds for this one, seen from this one.
 *
 * It is the program that the context names (umb_context_desc.builder), with a socket for standard
 * input. It shares nothing else with this process: its output goes nowhere, a signal from the
 * keyboard does not reach it, and it ends when its socket closes. Whatever it does not do costs
 * time, never a result.
 */
#ifndef UMB_BUILD_HELPER_H
#define UMB_BUILD_HELPER_H

#include "text.h"
#include <sys/types.h>

struct umb_device;

struct umb_build_helper {
    pid_t pid;
    int fd; /* −1: none runs */
};

/* Starts one, and tells it the device. False: none runs, and nothing is to be finished. */
bool umb__build_helper_init(struct umb_build_helper *h, struct umb_device *device);
/* Ends it, at once, and takes it off the process table. */
void umb__build_helper_finish(struct umb_build_helper *h);

/* Reads the answer to a message that was sent; false: it is gone. */
bool umb__build_helper_answer(struct umb_build_helper *h);

#endif

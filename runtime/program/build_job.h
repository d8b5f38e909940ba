/*
 * build_job.h: what one process asks another to build, as bytes.
 *
 * Both ends are the same program, so numbers travel as they lie in memory; a reader still checks
 * every length, for the other end may have died in the middle. A message is its size in 4 bytes,
 * then its content; the answer to one is a single byte, 1 for done.
 *
 *   DEVICE  selector, device's name, its driver       once, first
 *   LAUNCH  a kernel and everything its launch needs  builds it, runs one work-group on zeros, and
 *                                                     puts its program's binary into the cache
 */
#ifndef UMB_BUILD_JOB_H
#define UMB_BUILD_JOB_H

#include "program.h"
#include "text.h"

enum umb_build_kind { UMB_BUILD_DEVICE, UMB_BUILD_LAUNCH };

/* Messages are built with these; umb_text notes when memory was short. */
void umb__job_put_number(struct umb_text *t, uint64_t number);
void umb__job_put_string(struct umb_text *t, const char *s); /* NULL as "" */
void umb__job_put_launch(struct umb_text *t, const struct umb_launch_desc *desc);

/* A message that is being read. `bad` stays once a read went beyond its end. */
struct umb_job {
    const char *at, *end;
    bool bad;
};
uint64_t umb__job_number(struct umb_job *job);
const char *umb__job_string(struct umb_job *job); /* within the message; "" when it is bad */

/* What a launch of another process needs here; buffers are numbers there. */
struct umb_job_launch {
    struct umb_kernel kernel;
    struct umb_launch_desc desc; /* points to kernel and args */
    struct umb_launch_arg args[UMB_MAX_KERNEL_ARGS];
    uint64_t buffer_id[UMB_MAX_KERNEL_ARGS], buffer_bytes[UMB_MAX_KERNEL_ARGS]; /* 0: none */
};
void umb__job_launch(struct umb_job *job, struct umb_job_launch *ret_launch);

/* Whole messages over a socket; false when the other end is gone. *ret_data is freed with
 * umb__free. */
UMB_MUST_USE bool umb__job_send(int fd, const struct umb_text *t);
UMB_MUST_USE bool umb__job_receive(int fd, char **ret_data, struct umb_job *ret_job);

#endif

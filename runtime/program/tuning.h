/*
 * tuning.h: the tuning database: what was measured on a device, kept from one process to the next.
 *
 * Problems and solvers are mere names here; the graph layer (tune.h) says what they mean and does
 * the measuring. One text file holds what is known of one device, its driver and these kernels:
 * other kernels have another file, so that a solver measured before an upgrade is measured again.
 * It lies in the folder of the kernel cache (kernel_cache.h). Every number in it can be measured
 * anew, so a file that is damaged, or of another version, counts as none, and `trouble` says why.
 *
 * The file, a line each; fields are separated by a blank, and the last one runs to the end:
 *   umbel tuning VERSION
 *   device NAME | VENDOR | …
 *   problem quick|full NAME           then a line for each of its solvers:
 *     right|rough|alone|wrong|failed NS SOLVER NOTE
 *   end CRC                           of everything above
 */
#ifndef UMB_TUNING_H
#define UMB_TUNING_H

#include "cache_entry.h"
#include <umbel/device.h>

enum umb_verdict {
    UMB_VERDICT_RIGHT,  /* its result was compared and its time measured */
    UMB_VERDICT_ROUGH,  /* the same, but so slow that the time is of one run, or worked out */
    UMB_VERDICT_ALONE,  /* there is no other, so its time alone was measured */
    UMB_VERDICT_WRONG,  /* it computes something else, ns is 0; the note says what */
    UMB_VERDICT_FAILED, /* it did not build or run, ns is 0; the note says why */
};

/* How one solver did. Strings are not NULL. */
struct umb_tuned_solver {
    enum umb_verdict verdict;
    uint64_t ns;
    const char *name, *note; /* a note of "" is none */
};

#define UMB_TUNED_SOLVERS 16
#define UMB_TUNED_TEXT 2048 /* the most bytes of a problem's name, and of a note */
struct umb_tuned {
    const char *problem; /* one line */
    bool full;           /* measured with care, not quickly */
    size_t n;            /* 1 to UMB_TUNED_SOLVERS */
    struct umb_tuned_solver solver[UMB_TUNED_SOLVERS];
};

struct umb_tuning;

/* Reads the device's file. Errors: UMB_ERR_INVALID (UMBEL_CACHE or UMBEL_KERNEL_DIR is nonsense),
 * UMB_ERR_NO_MEMORY, what reading kernels fails with; never the file's own state. */
UMB_MUST_USE enum umb_status umb__tuning_open(struct umb_context *ctx,
                                              const struct umb_device_caps *caps,
                                              struct umb_tuning **ret_tuning);
void umb__tuning_close(struct umb_tuning *t);

const char *umb__tuning_path(const struct umb_tuning *t);    /* NULL: there is no home for it */
const char *umb__tuning_trouble(const struct umb_tuning *t); /* one line; NULL: none */

/* NULL: not known. Valid until the problem is put again, or the tuning is closed. */
const struct umb_tuned *umb__tuning_find(const struct umb_tuning *t, const char *problem);
size_t umb__tuning_count(const struct umb_tuning *t);
/* Copies `tuned`, in place of what was known of its problem. */
UMB_MUST_USE enum umb_status umb__tuning_put(struct umb_tuning *t, const struct umb_tuned *tuned);
/* Drops what was measured of a solver beside others, so that they are measured again. */
UMB_MUST_USE enum umb_status umb__tuning_forget(struct umb_tuning *t, const char *solver);
/* The solver with the least time, of those that have one; NULL: none has. */
const struct umb_tuned_solver *umb__tuned_best(const struct umb_tuned *tuned);

/* Says now, before anything is measured, whether saving would fail. */
UMB_MUST_USE enum umb_status umb__tuning_check(struct umb_tuning *t);
/* Writes what was put, together with what other processes wrote meanwhile (under a lock, so that
 * none loses anything). Errors: UMB_ERR_IO, UMB_ERR_INVALID (no home), UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__tuning_save(struct umb_tuning *t);

/* Texts: tuning_text.c. */

struct umb_tuned_list {
    struct umb_arena *arena; /* owns the strings and entries */
    struct umb_tuned **entry;
    size_t n, capacity;
};
UMB_MUST_USE enum umb_status umb__tuned_put(struct umb_context *ctx, struct umb_tuned_list *list,
                                            const struct umb_tuned *tuned);
struct umb_tuned *umb__tuned_find(const struct umb_tuned_list *list, const char *problem);

struct umb_text;
void umb__tuning_encode(const struct umb_tuned_list *list, const char *device,
                        struct umb_text *text);
/* Adds what the file holds to list (arena made). *ret_wrong NULL: it is sound; else what is wrong,
 * a constant, and the list is as it was. Errors: UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__tuning_decode(struct umb_context *ctx, struct umb_bytes file,
                                                const char *device, struct umb_tuned_list *list,
                                                const char **ret_wrong);

#endif

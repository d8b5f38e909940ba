/*
 * program.h: kernels as table rows; building, caching and launching them.
 *
 * A kernel is one row: file in cl/, entry, argument signature. A build is (file, options); each is
 * made once per device and kept, from the on-disk cache where that pays. A launch is a kernel with
 * all its arguments set once; enqueueing it costs one OpenCL call. clSetKernelArg appears once, in
 * launch.c. OpenCL C 1.2 is what every build gets (-cl-std=CL1.2); no fast-math. The variables that
 * this layer reads are described in kernel_source.h (UMBEL_KERNEL_DIR) and kernel_cache.h.
 *
 * Signature, one letter per logical argument:
 *   r  buffer that is read       (pointer, then ulong element offset: two kernel parameters)
 *   w  buffer that is written    (the same)
 *   m  buffer that is read and written (the same)
 *   i  int        f  float        l  local memory, in bytes
 */
#ifndef UMB_PROGRAM_H
#define UMB_PROGRAM_H

#include "buffer.h"

struct umb_kernel {
    const char *name;  /* unique: "relu_forward"; what plans, traces and errors say */
    const char *file;  /* "elementwise.cl" */
    const char *entry; /* the __kernel's name */
    const char *signature;
};

#define UMB_MAX_KERNEL_ARGS 32

/*
 * A build with this, and how many dimensions its launches have (1 or more), among its options has
 * kernels that do several launches' work (kernel_many.c).
 * Their parameters are a table of 64-bit words and its offset, how many members it has, then the
 * buffers, each with an offset that means nothing, and local memory, in their order. The table has UMB_MANY_ROW words for each
 * member: its groups, those along each dimension, then an offset a buffer and a word a number.
 */
#define UMB_MANY_OPTION "-DUMB_MANY="
#define UMB_MANY_HEAD 4
#define UMB_MANY_ROW (UMB_MANY_HEAD + UMB_MAX_KERNEL_ARGS)
/* Whether the kernel can be so built. */
UMB_MUST_USE enum umb_status umb__kernel_can_be_many(struct umb_context *ctx,
                                                     const struct umb_kernel *kernel,
                                                     bool *ret_can);

struct umb_launch_arg {
    struct umb_buffer *buffer; /* r w m */
    uint64_t offset;           /* r w m: in elements of the kernel's pointer type */
    union {
        int32_t i;
        float f;
        size_t local_bytes;
    } u;
};

struct umb_launch_desc {
    const struct umb_kernel *kernel;
    const char *options;               /* "-DVW=16 -DTILE=12", NULL: none; copied */
    unsigned dimensions;               /* 1…3 */
    size_t global[3];                  /* multiples of local; an extent of 0 is UMB_ERR_INVALID */
    size_t local[3];                   /* all 0: the driver chooses */
    const struct umb_launch_arg *args; /* one per letter of the signature */
    size_t n_args;
};

struct umb_launch;

/* Builds (or finds) the program, makes a kernel object of its own and sets every argument. The
 * buffers must outlive it; desc, args and the row need not. Several threads may create launches at
 * once. Errors: UMB_ERR_INVALID (desc does not fit its row, a range or a buffer; a variable is
 * nonsense), UMB_ERR_BUILD (the head of the build log, or a row that does not fit its kernel),
 * UMB_ERR_UNSUPPORTED (work-group or local memory beyond the device), UMB_ERR_DEVICE,
 * UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__launch_create(struct umb_device *device,
                                                const struct umb_launch_desc *desc,
                                                struct umb_launch **ret_launch);
void umb__launch_destroy(struct umb_launch *launch);
/* Sets buffer argument `index` (a letter's position) anew; for values that alternate between slots.
 */
UMB_MUST_USE enum umb_status umb__launch_set_buffer(struct umb_launch *launch, size_t index,
                                                    struct umb_buffer *buffer, uint64_t offset);
UMB_MUST_USE enum umb_status umb__launch_enqueue(struct umb_launch *launch, struct umb_queue *q,
                                                 umb_event *const *waits, size_t n_waits,
                                                 umb_event **ret_event);

/* Builds a program ahead of its first launch, so that several can be built beside each other. */
UMB_MUST_USE enum umb_status umb__program_prepare(struct umb_device *device, const char *file,
                                                  const char *options);

/*
 * Builds what n launches need before they are created, in processes of the context's builder, where
 * the driver makes that worth while; without a builder, or when anything fails, the launches build
 * it themselves. Returns once all is there.
 */
void umb__build_ahead(struct umb_device *device, const struct umb_launch_desc *descs, size_t n);
/* What the builder's process does when its one argument is UMB_BUILD_COMMAND; its exit status. What
 * it made is not given back: end the process by _exit, which is faster at that than the driver. */
#define UMB_BUILD_COMMAND "serve-builds"
int umb__build_serve(void);

/* The embedded source of a file in cl/, or NULL; *ret_size without the NUL. Includes ("#include
 * "x.cl"") are resolved among these. */
const char *umb__program_source(const char *file, size_t *ret_size);

/* Counters for tests and `umbel` logs. */
struct umb_program_stats {
    uint64_t builds, cache_hits, cache_misses, cache_damaged, cache_writes, build_ns;
};
struct umb_program_stats umb__program_stats(struct umb_device *device);

#endif

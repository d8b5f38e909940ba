/*
 * program_fixture.h: a folder of kernels, an environment of its own, and a device, for the tests of
 * runtime/program. Kernels come from the folder through UMBEL_KERNEL_DIR, none from the product.
 */
#ifndef PROGRAM_FIXTURE_H
#define PROGRAM_FIXTURE_H

#include "alloc.h"
#include "program.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    char folder[512]; /* fresh, removed at the end; holds kernels/, cache/ and what a test puts
                         there */
    uint64_t live;    /* allocations held before anything was opened */
    struct umb_context *ctx;
    struct umb_device *device;
    struct umb_queue *queue;
    unsigned n_warnings; /* warnings about the kernel cache since the context was made */
    char warning[4096];  /* the last of them */
};

/* cmocka's setup and teardown: *state is a struct fixture with ctx, device and queue open. Every
 * UMBEL_ variable of this part is unset, but UMBEL_KERNEL_DIR and UMBEL_CACHE point into folder.
 * Whatever the library still holds at the end fails the test. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Closes queue, device and context, and opens them again: a new process, as far as programs go. */
void fixture_reopen(struct fixture *f);

void write_file(const char *path, const void *data, size_t size);
void *read_file(const char *path, size_t *ret_size); /* with a NUL behind it; freed with free */
/* FOLDER/name; the same buffers serve again after a few calls. */
const char *path_in(const struct fixture *f, const char *name);
/* FOLDER/kernels/name with this text. */
void write_kernel(const struct fixture *f, const char *name, const char *text);

/* umb__program_prepare must give `expected`, with `part` in a message of one line. */
void expect_prepare(struct fixture *f, const char *file, const char *options,
                    enum umb_status expected, const char *part);
/* The same check of what umb__launch_create says to desc; a launch made against expectation goes.
 */
void expect_launch(struct fixture *f, const struct umb_launch_desc *desc, enum umb_status expected,
                   const char *part);

/* Runs kernel `entry` of `file` (one buffer of n ints, written; one item an int) and returns what
 * it wrote in out. */
void run_ints(struct fixture *f, const char *file, const char *entry, const char *options, size_t n,
              int32_t *out);

/* A buffer of this size, with a copy of data if that is not NULL. */
struct umb_buffer *make_buffer(struct fixture *f, size_t bytes, const void *data);

/* A good launch of a small kernel, y[o + id] += a over ADD_ITEMS ints, for tests to change or
 * spoil: data[i] = 100·i, a = 5. add_init writes add.cl; the caller destroys buffer. */
#define ADD_ITEMS 12
#define ADD_KERNEL                                                                           \
    "__kernel void add(__global int *y, ulong o, int a)\n{\n    y[o + get_global_id(0)] += " \
    "a;\n}\n"
struct add {
    int32_t data[ADD_ITEMS];
    struct umb_buffer *buffer;
    struct umb_launch_arg args[2];
    struct umb_launch_desc desc;
};
void add_init(struct fixture *f, struct add *a);

#endif

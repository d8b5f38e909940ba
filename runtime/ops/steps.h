/*
 * steps.h: what a solver emits: kernel launches and library calls, as data.
 *
 * A step names values, not memory; the memory plan decides where they lie, and binding makes a step
 * ready to enqueue. The order of the list is its meaning: a schedule may run steps in any order
 * that keeps every read after the write it read in the list (and so for the other two hazards).
 */
#ifndef UMB_STEPS_H
#define UMB_STEPS_H

#include "op.h"
#include "program.h"

struct umb_step_arg {
    char kind;            /* the signature's letter */
    int value;            /* r w m: value id; temporaries have ids ≥ temp_base */
    size_t element_bytes; /* r w m: of the value's type, which is the kernel's pointer type */
    union {
        int32_t i;
        float f;
        size_t local_bytes;
    } u;
};

/* It names a value: r, w or m. */
static inline bool umb__names_value(const struct umb_step_arg *a)
{
    return a->kind == 'r' || a->kind == 'w' || a->kind == 'm';
}

/* A library call: enqueues on an in-order queue. views[] are the buffer arguments in order, ints[]
 * and floats[] the others. */
struct umb_call {
    const char *name;
    const char *signature; /* as a kernel's: r w m i f */
    UMB_MUST_USE enum umb_status (*run)(struct umb_queue *q, const struct umb_view *views,
                                        const int32_t *ints, const float *floats,
                                        umb_event *const *waits, size_t n_waits,
                                        umb_event **ret_event);
};

struct umb_host_attrs; /* host.h */

/* One of the launches that a step does the work of. */
struct umb_step_member {
    int node;
    size_t global[3];
};

/* Halves of a transfer between devices, or to the host and back, which whoever runs the steps does:
 * from the device to host memory, and from there to the other. Each has two arguments, "rw"; one is
 * a temporary on UMB_ON_HOST. */
enum umb_transfer { UMB_NO_TRANSFER, UMB_FETCH, UMB_DELIVER };
#define UMB_ON_HOST (-1)

struct umb_step {
    const struct umb_kernel *kernel; /* one of kernel, call; a transfer's call is but a name */
    const struct umb_call *call;
    char *options;
    unsigned dimensions;
    size_t global[3], local[3];
    size_t n_args; /* of all members, one after another */
    struct umb_step_arg *args;
    int node;   /* of the graph; −1 outside one; the first member's */
    int device; /* that runs it, of several */
    enum umb_transfer transfer;
    const struct umb_host_attrs *host; /* of a delivery: what fills the host memory before */
    int beside; /* equal for steps that touch nothing of what the others write; 0: none */
    /* Several launches of one kernel in one (umb__step_merge); NULL: one. Their letters r, w and m
     * agree in the buffer where they come to lie. */
    size_t n_members;
    struct umb_step_member *member;
    struct umb_kernel *many; /* the row that is launched */
    size_t table_at;         /* in words */
};

struct umb_steps {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct umb_step *step;
    size_t n, capacity;
    int temp_base;      /* first id of a temporary: the number of values of the graph */
    size_t *temp_bytes; /* [n_temps] */
    int *temp_device;   /* [n_temps] or UMB_ON_HOST */
    size_t n_temps, temp_capacity, temp_device_capacity;
};
UMB_MUST_USE enum umb_status umb__steps_init(struct umb_context *ctx, int temp_base,
                                             struct umb_steps *s);
void umb__steps_finish(struct umb_steps *s);
/* A step that does the work of n ≥ 2, which have equal kernels, options, local sizes and local
 * memory; it lies in the arena. */
UMB_MUST_USE enum umb_status umb__step_merge(struct umb_steps *s,
                                             const struct umb_step *const *step, size_t n,
                                             struct umb_step *ret_step);
size_t umb__step_groups(const struct umb_step *s); /* of all members */

struct umb_emit_update; /* update.h */

struct umb_emit {
    struct umb_problem p;
    const int *in, *out; /* value ids, as p.in and p.out */
    struct umb_steps *steps;
    int node;
    int device, from; /* that computes it; that holds input 0 */
    /* An optimizer to be applied in place of writing output 0; NULL, or for a solver that is among
     * `updating`. */
    const struct umb_emit_update *update;
};

struct umb_emit_launch {
    const struct umb_kernel *kernel;
    const char *options;
    unsigned dimensions;
    size_t global[3], local[3];
};
/* Appends a launch, its global sizes rounded up to multiples of the local ones (kernels guard their
 * ends); then one vararg per letter of the signature: r w m → int value id, i → int, f →
 * double, l → size_t bytes. */
UMB_MUST_USE enum umb_status umb__emit_launch(struct umb_emit *e,
                                              const struct umb_emit_launch *launch, ...);
UMB_MUST_USE enum umb_status umb__emit_call(struct umb_emit *e, const struct umb_call *call, ...);
/* Output 0 is input 0, which another device holds. */
UMB_MUST_USE enum umb_status umb__emit_transfer(struct umb_emit *e);
/* Output 0 is what the function makes of input 0; host must outlive the steps. The delivery names
 * what was fetched as a third argument. */
UMB_MUST_USE enum umb_status umb__emit_host(struct umb_emit *e, const struct umb_host_attrs *host);
/* Says that the steps from `first` on write different parts of temporaries that nothing else has
 * touched yet, so that none need wait for another. */
void umb__emit_beside(struct umb_emit *e, size_t first);
/* A temporary of this node's steps: *ret_value may be used as a value id in them. */
UMB_MUST_USE enum umb_status umb__emit_temp(struct umb_emit *e, size_t bytes, int *ret_value);
/* Formats into the steps' arena: options and the like. NULL on no memory. */
char *umb__emit_printf(struct umb_emit *e, const char *fmt, ...) UMB_PRINTF(2, 3);

/* The solver of that name, or with name NULL the applicable one of highest rank; NULL if none. */
const struct umb_solver *umb__solver_choose(const struct umb_problem *p, const char *name);
/* It can apply an update to what it makes (umb_emit.update). */
bool umb__solver_updates(const struct umb_problem *p, const struct umb_solver *s);
/* The highest rank of an applicable one, whatever is tuned; 0: none. */
int umb__solver_rank(const struct umb_problem *p);

/* A bound step. resolve gives each value's place. */
struct umb_bound_step;
typedef struct umb_view (*umb_resolve_fn)(void *user, int value);
/* The table of all merged steps' members: how long it is (numbers the steps' places in it), and
 * what a step has there. */
size_t umb__steps_table_words(struct umb_steps *s);
UMB_MUST_USE enum umb_status umb__step_fill_table(struct umb_context *ctx, const struct umb_step *s,
                                                  umb_resolve_fn resolve, void *user,
                                                  int64_t *table);
/* table: NULL where no step is merged. */
UMB_MUST_USE enum umb_status umb__step_bind(struct umb_device *device, const struct umb_step *step,
                                            struct umb_buffer *table, umb_resolve_fn resolve,
                                            void *user, struct umb_bound_step **ret_bound);
void umb__bound_step_destroy(struct umb_bound_step *bound);
/* Has the kernels of a device's steps built beside each other, where that can be
 * (umb__build_ahead); to be called before they are bound. */
void umb__steps_build_ahead(struct umb_device *device, int index, const struct umb_steps *steps,
                            struct umb_buffer *table, umb_resolve_fn resolve, void *user);
/* Points the arguments that name `value` to another place. */
UMB_MUST_USE enum umb_status umb__bound_step_move(struct umb_bound_step *bound, int value,
                                                  struct umb_view view);
UMB_MUST_USE enum umb_status umb__bound_step_enqueue(struct umb_bound_step *bound,
                                                     struct umb_queue *q, umb_event *const *waits,
                                                     size_t n_waits, umb_event **ret_event);

/*
 * Runs one op by one solver on host data, for tests, benchmarks, selftest and tuning: uploads
 * inputs (device order and types) and outputs as they are (NaN shows what nobody writes), emits,
 * binds, runs `repeats` times (≥ 1), reads outputs and 'm'-written inputs back. ret_ns[repeats] may
 * be NULL: the sum of the device times of the op's steps, per repeat. Inputs that steps write are
 * restored before each repeat.
 */
struct umb_op_run {
    struct umb_problem p; /* caps may be NULL: the device's are used */
    const struct umb_solver *solver;
    void *const *in, *const *out; /* host arrays of the types' dtypes */
    int repeats;
    uint64_t *ret_ns;
    size_t *ret_n_steps; /* may be NULL */
};
UMB_MUST_USE enum umb_status umb__op_run(struct umb_device *device, const struct umb_op_run *run);

#endif

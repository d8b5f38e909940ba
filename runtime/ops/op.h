/*
 * op.h: what an op is: a row that says how its shapes, gradient, reference and kernels come about.
 *
 * An op file (runtime/ops/NAME.c) defines rows and one family that lists them; table.c names the
 * family. Backward passes are ops too (conv_backward_data …), without UMB_OP_LAYER. The same roles
 * have the same names in every file: infer, grad, reference, flops, bytes, and solvers with emit.
 *
 * Node inputs are the data inputs first, then the parameters in the order infer gave them. Letters:
 * N batch, H W image, C channels in, P Q output image, K channels out, R S filter.
 */
#ifndef UMB_OP_H
#define UMB_OP_H

#include "alloc.h"
#include "fail.h"
#include "tensor.h"

#define UMB_OP_MAX_PARAMS 6
#define UMB_OP_MAX_OUT 4

/* Attributes. */

enum umb_attr_type {
    UMB_ATTR_INT,    /* int64_t */
    UMB_ATTR_FLOAT,  /* double */
    UMB_ATTR_BOOL,   /* bool */
    UMB_ATTR_CHOICE, /* int: index into choices */
    UMB_ATTR_PAIR,   /* int64_t[2]: one number for both, or "h,w"; with choices also a word: choice
                        i is stored as −1 − i, twice */
    UMB_ATTR_FLOATS, /* struct umb_floats */
};
struct umb_floats {
    const double *value; /* in the arena of whoever owns the attributes */
    size_t n;
};
struct umb_attr_desc {
    const char *name;
    enum umb_attr_type type;
    size_t offset; /* in the op's attribute struct */
    bool required;
    double min, max;      /* INT FLOAT PAIR FLOATS: inclusive range of each number */
    const char *fallback; /* the default as a user would write it; NULL with required, or for an
                             empty FLOATS */
    const char *const *choices; /* CHOICE, and words for a PAIR: NULL-terminated */
    const char *help;           /* one line */
};

/* Every op's linear-to-its-output activation choices, for attributes named "activation": the layer
 * builder turns it into a node of that op behind the layer; a fuse pass may put it back (enum
 * umb_activation). */
enum umb_activation {
    UMB_ACT_LINEAR,
    UMB_ACT_RELU,
    UMB_ACT_LEAKY_RELU,
    UMB_ACT_SIGMOID,
    UMB_ACT_TANH,
    UMB_ACT_GELU,
    UMB_ACT_SOFTMAX
};
extern const char *const umb__activation_names[]; /* "linear", "relu" …, NULL */

/* Inference. */

enum umb_param_kind {
    UMB_PARAM_TRAINED, /* has a gradient and is updated */
    UMB_PARAM_STATE,   /* kept and saved, written by the op itself (running statistics) */
    UMB_PARAM_FIXED,   /* kept and saved, never written: what it began with */
    UMB_PARAM_ROWS,    /* ambient: i32 [streams], how many rows of each stream's batch are real this
                          step */
    UMB_PARAM_RANDOM,  /* ambient: i32 [4]: seed low, seed high, step low, step high */
};
enum umb_init {
    UMB_INIT_ZEROS,
    UMB_INIT_ONES,
    UMB_INIT_FAN_IN, /* U(−b,b), b = 1/√fan_in: PyTorch's default for conv and linear */
    UMB_INIT_OWN,    /* `value` in piece `own` of the first axis, `rest` in the others */
    UMB_INIT_VALUES  /* `values`, one a number */
};

struct umb_param_spec {
    const char
        *name; /* "weight", "bias", "running_mean": the layer's name and a dot go before it */
    enum umb_param_kind kind;
    struct umb_type type;     /* on the device */
    struct umb_layout layout; /* in files */
    enum umb_init init;
    double fan_in;
    /* OWN, VALUES: in the order of files; values are in the arena of the attributes' owner. */
    int64_t own;
    double value, rest;
    const double *values;
};
/* What element i, in the order of files, begins with: of OWN and VALUES. */
double umb__param_given(const struct umb_param_spec *spec, int64_t i);

struct umb_infer {
    struct umb_context *ctx;
    const void *attrs;
    bool training; /* the graph is for training (dropout, batch_norm) */
    int n_streams; /* of the whole graph */
    int n_in;      /* data inputs, min_in…max_in of the row already checked */
    const struct umb_type *in;
    int n_params; /* set by infer */
    struct umb_param_spec params[UMB_OP_MAX_PARAMS];
    int n_out; /* set by infer */
    struct umb_type out[UMB_OP_MAX_OUT];
};

/* Gradient. */

/*
 * What grad works with (grad.h, from the other side). Values are ids ≥ 0; −1 is "none".
 * grad looks at dout (−1: that output does not matter), adds nodes, and hands in a gradient per
 * input with umb__grad_give; contributions are summed by the caller in a fixed order.
 */
struct umb_grad;
const void *umb__grad_attrs(const struct umb_grad *g);
int umb__grad_in(const struct umb_grad *g,
                 int index); /* forward input values (data, then parameters) */
int umb__grad_n_in(const struct umb_grad *g);
int umb__grad_out(const struct umb_grad *g, int index);  /* forward output values */
int umb__grad_dout(const struct umb_grad *g, int index); /* their gradients */
bool umb__grad_wants(const struct umb_grad *g,
                     int index); /* is input index's gradient of use to anyone? */
const struct umb_type *umb__grad_type(const struct umb_grad *g, int value);
/* Adds node `op_name` with a copy of attrs on n_in values (backward ops list all inputs as data
 * inputs); its output values go to ret_out. */
UMB_MUST_USE enum umb_status umb__grad_node(struct umb_grad *g, const char *op_name,
                                            const void *attrs, int n_in, const int *in,
                                            int *ret_out);
void umb__grad_give(struct umb_grad *g, int index, int dvalue);
/* The same for a view of some of the input's segments (`rows`): segments first … first+count−1
 * only. */
void umb__grad_give_rows(struct umb_grad *g, int index, int first, int count, int dvalue);

/* Reference. */

/* Plain, obvious C in double, whatever the device's type: integers are held exactly. Outputs arrive
 * zeroed. STATE inputs may be written (data is then the state's own). It must not fail. */
struct umb_ref_tensor {
    const struct umb_type *type;
    double *data;
};
struct umb_reference {
    const void *attrs;
    bool training;
    int n_in, n_out;
    const struct umb_ref_tensor *in;
    struct umb_ref_tensor *out;
};

/* Solvers. */

struct umb_problem {
    struct umb_context *ctx;
    const struct umb_op *op;
    const void *attrs;
    bool training;
    bool mixed;   /* operands of products may be rounded to float16 */
    bool updates; /* output 0 is wanted for an optimizer's update only (update.h) */
    const struct umb_device_caps *caps;
    int n_in, n_out;
    const struct umb_type *in, *out; /* inputs with parameters */
};

struct umb_emit; /* steps.h */

struct umb_solver {
    const char *name; /* "naive", "direct", "clblast" */
    /* 0: cannot compute this problem on this device. Else a rank: the highest is chosen where the
     * tuning database does not know the shape. By convention 1 is the naive kernel, right for every
     * shape and device. */
    int (*applicable)(const struct umb_problem *p);
    UMB_MUST_USE enum umb_status (*emit)(struct umb_emit *e);
};

/* Cases. */

/*
 * A problem worth trying: tests check it (every solver against the reference, and the gradient
 * against finite differences), `umbel selftest` checks it on the user's device, `umbel bench op`
 * times those marked for it. A forward op's rows serve its backward ops too: they come about
 * through grad.
 */
struct umb_op_case {
    const char *attrs; /* as umb__attrs_parse reads them; NULL: the defaults */
    /* The data inputs, separated by blanks, each EXTENTS[:FILL]: "8,28,28,3", "4,10 4:labels
     * 4:mask". A fill says the type and the numbers:
     *   normal (f32, the default), positive (f32 0.1…2), unit (f32 0…1), mask (f32, 0 or 1),
     *   ties (f32, few different integers, for ops that pick), labels (i32 0…C−1 of input 0),
     *   gaps (labels with some −1), bytes (u8 0…255). */
    const char *in;
    unsigned flags;
    int n_streams; /* the inputs' N is that many streams' rows; 0 means 1 */
};
#define UMB_CASE_BENCH 1u     /* timed by bench; checked too unless UMB_CASE_LARGE */
#define UMB_CASE_LARGE 2u     /* too large for a simulator or a check in double: bench only */
#define UMB_CASE_PARTIAL 4u   /* the ambient row counts are smaller than the batch */
#define UMB_CASE_NO_GRAD 8u   /* finite differences mean nothing here (ties, saturation) */
#define UMB_CASE_TRAINING 16u /* infer with training; backward is made in any case */

#define UMB_OP_LAYER 1u /* users may name it in an experiment or umb_net_layer */
#define UMB_OP_VIEW 2u  /* output 0 is input 0's memory under another type; no steps */
/* inputs: prediction, labels, mask, then what infer asks; output 0: the loss [1] */
#define UMB_OP_LOSS 4u
/* its kernels apply a relu in the attribute "activation" to output 0 themselves */
#define UMB_OP_FUSES_RELU 8u
/* output 0 is input 0 on another device */
#define UMB_OP_TRANSFER 16u
/* output 0 is the inputs one after another, and may be made of them where they are made */
#define UMB_OP_JOIN 32u
/* rows of the outputs follow from the same rows of the inputs, and grad may be shown views (`rows`)
 * of some streams' rows of them all; rows of values without streams are shown whole */
#define UMB_OP_BY_ROWS 64u
/* a UMB_OP_JOIN so small that all of it may be read by the host where it reads an input */
#define UMB_OP_SMALL 128u

struct umb_op {
    const char *name;
    const char *help; /* one line; NULL for backward ops */
    unsigned flags;
    int min_in, max_in;                /* data inputs */
    const struct umb_attr_desc *attrs; /* ends with a NULL name; NULL: none */
    /* Further ones in the same struct, which only passes set, and case rows: what an op is fused
     * with. Their defaults are zeros. */
    const struct umb_attr_desc *inner;
    size_t attrs_bytes;
    UMB_MUST_USE enum umb_status (*infer)(struct umb_infer *io);
    UMB_MUST_USE enum umb_status (*grad)(struct umb_grad *g); /* NULL: not differentiable */
    void (*reference)(const struct umb_reference *r);
    double (*flops)(
        const struct umb_problem *p); /* additions and multiplications counted one each */
    double (*bytes)(
        const struct umb_problem *p); /* least traffic; NULL: all inputs and outputs once */
    /* UMB_OP_VIEW: where output 0 begins in input 0, in bytes; NULL: where its segments do */
    size_t (*view_offset)(const void *attrs, const struct umb_type *in);
    const struct umb_solver *solvers; /* ends with a NULL name */
    const char *const *updating; /* those that know umb_emit.update, NULL-terminated; or NULL */
    /* Of an op that writes a state: the op of the same attributes that makes output 0 once more, to
     * the bit, and writes no state. Its inputs are this one's without states and ambient ones, then
     * this one's outputs behind 0. NULL: none. */
    const char *again;
    const struct umb_op_case *cases; /* ends with a NULL `in`; NULL: none */
};

/* A family is one op file's rows, NULL-terminated; the table is the list of families,
 * NULL-terminated. File NAME.c defines `const struct umb_op *const umb__ops_NAME[]` and gets one
 * row(NAME) in table.c. */
typedef const struct umb_op *const *umb_op_family;
extern const umb_op_family umb__op_table[];
const struct umb_op *umb__op_find(const char *name); /* NULL if unknown */

/* Where a UMB_OP_VIEW output begins in its input, in bytes. */
size_t umb__op_view_offset(const struct umb_op *op, const void *attrs, const struct umb_type *in,
                           const struct umb_type *out);

/* Fills attrs (zeroed, attrs_bytes) with the defaults. */
void umb__attrs_default(const struct umb_op *op, void *attrs);
/* Sets one attribute from n texts (a scalar is one). Unknown key, wrong type, out of range:
 * UMB_ERR_INVALID with "conv: filtres: unknown key; did you mean 'filters'?" and the like. FLOATS
 * go to the arena. */
UMB_MUST_USE enum umb_status umb__attrs_set(struct umb_context *ctx, struct umb_arena *arena,
                                            const struct umb_op *op, void *attrs, const char *key,
                                            const char *const *texts, size_t n);
/* Every required attribute is set: UMB_ERR_INVALID names the first that is not. */
UMB_MUST_USE enum umb_status umb__attrs_check(struct umb_context *ctx, const struct umb_op *op,
                                              const void *attrs);
/* Sets several from "filters=32 size=3 stride=2,2"; NULL or "" sets none. Then checks that the
 * required ones are there. Inner ones are known, too. */
UMB_MUST_USE enum umb_status umb__attrs_parse(struct umb_context *ctx, struct umb_arena *arena,
                                              const struct umb_op *op, void *attrs,
                                              const char *text);
/* Attributes of their own, in the arena: the defaults, then what the text sets; a user's, so that
 * inner ones are unknown. */
UMB_MUST_USE enum umb_status umb__attrs_create(struct umb_context *ctx, struct umb_arena *arena,
                                               const struct umb_op *op, const char *text,
                                               void **ret_attrs);
struct umb_text;
/* Adds "filters=32 size=3,3 …" with every attribute that differs from its default, inner ones
 * behind; a blank before the first, where the text is not empty. */
void umb__attrs_print(const struct umb_op *op, const void *attrs, struct umb_text *text);
/* The same into buffer, for people: cut where it is too long, or nothing without memory. */
const char *umb__attrs_text(const struct umb_op *op, const void *attrs, char *buffer, size_t size);

#endif

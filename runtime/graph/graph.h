/*
 * graph.h: a network as plain data: values, and nodes in topological order.
 *
 * A graph is built by layers (graph.c), differentiated (autodiff.c), rewritten by passes (one file
 * each, graph in and graph out), evaluated in double by the ops' references (interpret.c) for
 * tests, and compiled to a plan (plan.h). Everything lies in the graph's arena. Values and nodes
 * are named by index. A node's inputs precede it; in-place ops write an input, so the order of
 * nodes has meaning beyond data flow.
 */
#ifndef UMB_GRAPH_H
#define UMB_GRAPH_H

#include "names.h"
#include "op.h"

enum umb_value_kind {
    UMB_VALUE_INPUT,    /* written by the host before each run */
    UMB_VALUE_PARAM,    /* trained; kept in the store */
    UMB_VALUE_STATE,    /* kept in the store, not trained: running statistics, moments, counters */
    UMB_VALUE_TEMP,     /* made and dropped within a run: activations, gradients */
    UMB_VALUE_CONSTANT, /* `constant` in every element, set once */
};

struct umb_value {
    const char *name;
    enum umb_value_kind kind;
    struct umb_type type;
    int producer; /* node, −1: none */
    int base; /* this value is a piece of that one (which has no base itself), −1: has memory of its
                 own */
    size_t base_offset; /* bytes */
    bool output;        /* the host reads it after each run */
    bool ambient;       /* INPUT that ops ask for beside their data: rows, random */
    int spec;           /* PARAM and op states: index into specs, −1: none */
    int device;         /* which holds it, from 0; INPUT and CONSTANT are on each that reads them */
    double constant;
};

enum umb_phase { UMB_PHASE_FORWARD, UMB_PHASE_LOSS, UMB_PHASE_BACKWARD, UMB_PHASE_UPDATE };

struct umb_node {
    const struct umb_op *op;
    void *attrs;
    const char *name;
    int n_in, n_out;
    int *in, *out;
    enum umb_phase phase;
    int device;        /* which computes it */
    bool feeds_update; /* output 0 is read by the next node alone, which is an optimizer */
    /* [n_in] false: no step reads that input, only its type was wanted; found out by a draft of a
     * plan (reads.c). NULL: all are read */
    const bool *reads;
    const char *again_of; /* the node whose output it makes once more (recompute.h); NULL: none */
};

struct umb_graph {
    struct umb_context *ctx;
    struct umb_arena *arena;
    bool training;
    bool mixed;           /* products may round their operands to float16, forward */
    bool keeps_gradients; /* their buffer has all places: other plans of the store may need them */
    int n_streams;
    struct umb_value *value;
    int n_values, value_capacity;
    struct umb_node *node;
    int n_nodes, node_capacity;
    struct umb_param_spec
        *spec; /* of parameters and op states, in order of creation; names are full */
    int n_specs, spec_capacity;
    struct umb_names params;      /* values of specs */
    int rows_value, random_value; /* ambient inputs, −1 until an op asked for them */
    int device;                   /* of the nodes and values that are added from now on */
    /* Of devices 1, 2 …; NULL where there is one. Passes are given device 0's. */
    const struct umb_device_caps *const *more_caps;
};

UMB_MUST_USE enum umb_status umb__graph_create(struct umb_context *ctx, bool training,
                                               int n_streams, struct umb_graph **ret_graph);
void umb__graph_destroy(struct umb_graph *g);

/* The input that random numbers are addressed by, UMB_PARAM_RANDOM; −1: no memory. */
int umb__graph_random(struct umb_graph *g);

/* A value of its own; name is copied. Returns its id, or −1 (message set). */
int umb__graph_value(struct umb_graph *g, const char *name, enum umb_value_kind kind,
                     const struct umb_type *type);
int umb__graph_find_value(const struct umb_graph *g, const char *name); /* −1: none */

struct umb_graph_node_desc {
    const struct umb_op *op;
    const void *attrs; /* copied; NULL: defaults */
    const char *name;
    const char *param_name; /* prefix of its parameters; an existing parameter of that name and type
                               is shared. NULL: name */
    const char *state_name; /* prefix of its states, which then are nobody's else and are not saved;
                               NULL: as param_name */
    enum umb_phase phase;
    int n_in;
    const int *in; /* data inputs only; parameters and ambient inputs are added by infer */
};
/* Infers and appends; ret_out[UMB_OP_MAX_OUT] gets the output values. Errors name the node. */
UMB_MUST_USE enum umb_status umb__graph_node(struct umb_graph *g,
                                             const struct umb_graph_node_desc *desc, int *ret_out);
/* The same with every input given, parameters too; for backward and in-place ops. */
UMB_MUST_USE enum umb_status umb__graph_node_raw(struct umb_graph *g,
                                                 const struct umb_graph_node_desc *desc,
                                                 int *ret_out);
/* The latter in short: the op by its name, which must be one; ret_out has room for what it puts
 * out, or is NULL. UMB_ERR_NO_MEMORY as well where `name` is NULL, as from umb__arena_printf. */
UMB_MUST_USE enum umb_status umb__graph_add(struct umb_graph *g, enum umb_phase phase,
                                            const char *op, const void *attrs, const char *name,
                                            int n_in, const int *in, int *ret_out);

/*
 * Reverse-mode differentiation of Σ_k dseed_k·seed_k. Appends backward nodes. ret_gradient[n_values
 * at the call]: the gradient value of each value that wants_gradient and got one, else −1. seeds
 * are scalars, dseeds values of type [1].
 *
 * By rows: of each dseed_k·seed_k apart; ret_gradient[n_seeds][n_values]. Of a value of several
 * streams that is no parameter a row's gradient may be of some streams alone, as its type says.
 *
 * Where values stop, they are taken as what no node makes: they get a gradient, and nothing before
 * them does because of them. A second call with those as seeds, their gradients as dseeds (of any
 * type that the value has, or of some of its streams), goes on from there.
 */
#define UMB_AUTODIFF_ROWS 64
struct umb_autodiff_desc {
    int n_seeds;
    bool by_rows;
    const char *const *row_names; /* [n_seeds] by rows, for the nodes' names */
    const bool *stop;             /* [n_values at the call] or NULL */
    const int *seeds, *dseeds;
    const bool *frozen; /* [n_values at the call] or NULL: parameters that get no gradient */
    bool inputs_too;    /* gradients of float inputs as well (tests) */
};
UMB_MUST_USE enum umb_status umb__graph_autodiff(struct umb_graph *g,
                                                 const struct umb_autodiff_desc *desc,
                                                 int *ret_gradient);

/* border.c. ret_wants[n_values]: what differentiation would give a gradient. ret_leads[n_values]:
 * bits of the n ≤ UMB_AUTODIFF_ROWS seeds that each value leads to. */
void umb__graph_wanted(const struct umb_graph *g, const struct umb_autodiff_desc *desc,
                       bool *ret_wants);
void umb__graph_leads(const struct umb_graph *g, int n, const int *seeds, uint64_t *ret_leads);
/* Where to stop, so that before it is what several seeds share: at the values that leave it
 * (UMB_BORDER_REPRESENTATION), or before the last of its nodes that has weights (a parameter of two
 * axes or more), and behind that is whatever stands there (UMB_BORDER_LAST_BLOCK). by_device: each
 * device has a net of its own, for its rows of the batch, and so a border. ret_stop[n_values];
 * *ret_n: how many. */
enum umb_border { UMB_BORDER_REPRESENTATION, UMB_BORDER_LAST_BLOCK };
UMB_MUST_USE enum umb_status umb__graph_border(const struct umb_graph *g,
                                               const struct umb_autodiff_desc *desc,
                                               enum umb_border border, bool by_device,
                                               bool *ret_stop, int *ret_n);

/* Evaluates every node by its reference, in double. data[v] is an array of the value's count, for
 * every value that is not a TEMP; TEMP and CONSTANT values that are NULL are allocated
 * (umb__calloc) into data. */
UMB_MUST_USE enum umb_status umb__graph_interpret(const struct umb_graph *g, double **data);
void umb__graph_interpret_free(const struct umb_graph *g, double **data, const bool *keep);

/* Passes. */
/* What is read on another device than holds it, is transferred: devices.c. Before differentiation,
 * so that gradients come back the same way, and once more behind it. UMB_ERR_UNSUPPORTED: a state
 * is kept by layers on two devices. */
UMB_MUST_USE enum umb_status umb__graph_transfer(struct umb_graph *g);
/* Before differentiation: simplify.c. */
UMB_MUST_USE enum umb_status umb__graph_simplify(struct umb_graph *g);
/* Names of what each device has one of: "parameters", "parameters.1" …, in the arena; NULL: no
 * memory. */
const char *umb__graph_device_name(struct umb_graph *g, const char *name, int device);
/* The parameters of g->device: pack.c; −1 for both where they are all on other
 * devices. A gradient of UMB_GRADIENT_FROZEN has a place that nobody writes, one of −1 is zeros. */
#define UMB_GRADIENT_FROZEN (-2)
#define UMB_GRADIENT_ELSEWHERE (-3) /* the same, but that the caller has a node write there */
UMB_MUST_USE enum umb_status umb__graph_pack(struct umb_graph *g, const int *gradient,
                                             int n_gradient, int *ret_params, int *ret_gradients);
/* The same with shared ones [n_gradient] first; gradient may be NULL. */
UMB_MUST_USE enum umb_status umb__graph_pack_shared(struct umb_graph *g, const int *gradient,
                                                    int n_gradient, const bool *shared,
                                                    int *ret_params, int *ret_gradients);
/* A state [n_rows, length] of that name on g->device, with gradients of any device in their places
 * in it, the rest zeros. */
struct umb_row_piece {
    int row, gradient;
    size_t offset; /* bytes in the row */
};
UMB_MUST_USE enum umb_status umb__graph_pack_rows(struct umb_graph *g, const char *name, int n_rows,
                                                  const struct umb_row_piece *piece, int n_pieces,
                                                  int64_t length, int *ret_rows);
#define UMB_PACK_BYTES ((size_t)64) /* pieces begin at multiples: a vector of the widest device */
/*
 * Fusing. caps are the device's that the graph will run on: what has no kernel of its own there
 * stays as it is. NULL: everything that the ops' references know is fused.
 */
struct umb_device_caps;
/* The capabilities of the device that computes a node; caps are device 0's. */
static inline const struct umb_device_caps *umb__graph_caps(const struct umb_graph *g,
                                                            const struct umb_device_caps *caps,
                                                            int device)
{
    return caps && device ? g->more_caps[device - 1] : caps;
}
/* Before differentiation: fuse_norm.c, fuse_pool.c. */
UMB_MUST_USE enum umb_status umb__graph_fuse_norm(struct umb_graph *g);
UMB_MUST_USE enum umb_status umb__graph_fuse_pool(struct umb_graph *g,
                                                  const struct umb_device_caps *caps);
/* Behind differentiation: fuse.c. fuse_relu is for what is only computed forward, and added later.
 */
UMB_MUST_USE enum umb_status umb__graph_fuse_relu(struct umb_graph *g);
UMB_MUST_USE enum umb_status umb__graph_fuse(struct umb_graph *g,
                                             const struct umb_device_caps *caps);
/* Behind it, on g->device: parameters of at least so many numbers are updated beside their
 * gradient's maker: fuse_update.c. */
#define UMB_LARGE_PARAM (1 << 18)
/* From so many on, where a device's smaller ones together have UMB_MANY_PARAMS: their gradients
 * would fall out of the caches before the update reads them, as a large one's does. */
#define UMB_SMALL_PARAM (1 << 15)
#define UMB_MANY_PARAMS (1 << 20)
int64_t umb__graph_large_param(const struct umb_graph *g);
UMB_MUST_USE enum umb_status umb__graph_fuse_update(struct umb_graph *g,
                                                    const struct umb_device_caps *caps,
                                                    int64_t least);
/* What is fused into a node, " +relu +pool=max", into buffer; "" for nothing. */
const char *umb__fused_text(const struct umb_node *n, char *buffer, size_t size);
/* As far as is known: all inputs, before a plan was drafted. */
bool umb__node_reads(const struct umb_node *n, int input);
/* The problem that a node poses; its types go to in[n_in] and out[n_out]. */
struct umb_problem umb__graph_problem(const struct umb_graph *g, const struct umb_node *n,
                                      const struct umb_device_caps *caps, struct umb_type *in,
                                      struct umb_type *out);
UMB_MUST_USE enum umb_status umb__graph_alias(
    struct umb_graph *g); /* alias.c: views and joins share memory */
/* Checks every invariant above; UMB_ERR_INVALID names the first broken one. */
UMB_MUST_USE enum umb_status umb__graph_verify(const struct umb_graph *g);

#endif

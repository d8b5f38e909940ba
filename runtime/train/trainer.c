/* Making a trainer: graphs for training, evaluation and prediction, their plans, first parameters.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rng.h"
#include "system.h"
#include "text.h"
#include "trainer_internal.h"

const char *const umb__optimizer_state_names[UMB_OPTIMIZER_STATES] = {"optimizer.first",
                                                                      "optimizer.second"};

double umb__trainer_optimizer_attr(const struct umb_trainer *tr, const char *name)
{
    for (const struct umb_attr_desc *d = tr->optimizer->attrs; d && d->name; d++) {
        if (strcmp(d->name, name) == 0) {
            return *(const double *)(const void *)((const char *)tr->optimizer_attrs + d->offset);
        }
    }
    return 0;
}

/* All inputs but parameters, gradients and hyper; and sgd keeps a buffer where it has a momentum.
 */
int umb__trainer_n_optimizer_states(const struct umb_trainer *tr)
{
    return tr->optimizer->min_in - 3 + (umb__trainer_optimizer_attr(tr, "momentum") > 0);
}

/* ---- graphs ---- */

static int input_of_floats(struct umb_graph *g, const char *name, int64_t n)
{
    struct umb_type type = {.dtype = UMB_F32, .shape = {1, {n}}};
    return umb__graph_value(g, name, UMB_VALUE_INPUT, &type);
}

/* The task weights, one input; each loss is differentiated with its own number as the seed's
 * gradient. */
static enum umb_status differentiate(struct umb_trainer *tr, struct umb_trainer_side *side,
                                     int **ret_gradient)
{
    struct umb_graph *g = side->graph;
    struct umb_type one = {.dtype = UMB_F32, .shape = {1, {1}}};
    int seeds[UMB_MAX_TASKS], dseeds[UMB_MAX_TASKS];
    side->weights = input_of_floats(g, "weights", tr->n_tasks);
    if (side->weights < 0) { return UMB_ERR_NO_MEMORY; }
    for (int t = 0; t < tr->n_tasks; t++) {
        const char *name =
            umb__arena_printf(g->arena, "%s.weight", umb__net_task(tr->net, t)->name);
        dseeds[t] = name ? umb__graph_value(g, name, UMB_VALUE_INPUT, &one) : -1;
        if (dseeds[t] < 0) { return UMB_ERR_NO_MEMORY; }
        g->value[dseeds[t]].base = side->weights;
        g->value[dseeds[t]].base_offset = (size_t)t * sizeof(float);
        seeds[t] = side->task[t].loss;
    }
    *ret_gradient = umb__arena_calloc(g->arena, (size_t)g->n_values, sizeof **ret_gradient);
    if (!*ret_gradient) { return UMB_ERR_NO_MEMORY; }
    struct umb_autodiff_desc desc = {.n_seeds = tr->n_tasks, .seeds = seeds, .dseeds = dseeds};
    return umb__graph_autodiff(g, &desc, *ret_gradient);
}

static enum umb_status add_update_node(struct umb_graph *g, const struct umb_op *op,
                                       const void *attrs, const char *name, int n_in, const int *in,
                                       int *ret_out)
{
    struct umb_graph_node_desc desc = {
        .op = op, .attrs = attrs, .name = name, .phase = UMB_PHASE_UPDATE, .n_in = n_in, .in = in};
    return umb__graph_node_raw(g, &desc, ret_out);
}

/* What a device's parameters are packed into. */
struct packed {
    int params, gradients; /* −1: it has none */
};

/* The gradients of all devices as one vector. */
static enum umb_status all_gradients(struct umb_graph *g, const struct packed *packed, int n,
                                     int *ret_value)
{
    int in[UMB_MAX_DEVICES], n_in = 0, out[UMB_OP_MAX_OUT];
    for (int d = 0; d < n; d++) {
        if (packed[d].gradients >= 0) { in[n_in++] = packed[d].gradients; }
    }
    *ret_value = in[0];
    if (n_in == 1) { return UMB_OK; }
    const enum umb_status st =
        add_update_node(g, umb__op_find("concat"), NULL, "all_gradients", n_in, in, out);
    if (st == UMB_OK) { *ret_value = out[0]; }
    return st;
}

static enum umb_status add_clip(struct umb_trainer *tr, struct umb_graph *g,
                                const struct packed *packed, int *ret_scale)
{
    const struct umb_op *op = umb__op_find("clip_scale");
    char text[64];
    snprintf(text, sizeof text, "max_norm=%.17g", tr->clip_norm);
    void *attrs;
    int out[UMB_OP_MAX_OUT], gradients;
    enum umb_status st = umb__attrs_create(tr->ctx, g->arena, op, text, &attrs);
    if (st == UMB_OK) { st = all_gradients(g, packed, tr->n_devices, &gradients); }
    if (st == UMB_OK) { st = add_update_node(g, op, attrs, "clip", 1, &gradients, out); }
    if (st == UMB_OK) { *ret_scale = out[0]; }
    return st;
}

/* One update over all of a device's packed parameters. clip −1: none. */
static enum umb_status add_update(struct umb_trainer *tr, struct umb_trainer_side *side,
                                  const struct packed *packed, int clip)
{
    struct umb_graph *g = side->graph;
    int in[6] = {packed->params, packed->gradients}, n = 2, out[UMB_OP_MAX_OUT];
    struct umb_type type = g->value[packed->params].type;
    for (int s = 0; s < umb__trainer_n_optimizer_states(tr); s++) {
        const char *name = umb__graph_device_name(g, umb__optimizer_state_names[s], g->device);
        in[n] = name ? umb__graph_value(g, name, UMB_VALUE_STATE, &type) : -1;
        if (in[n] < 0) { return UMB_ERR_NO_MEMORY; }
        tr->optimizer_state[s][g->device] = umb__arena_strdup(tr->arena, name);
        if (!tr->optimizer_state[s][g->device]) { return UMB_ERR_NO_MEMORY; }
        n++;
    }
    in[n++] = side->hyper;
    if (clip >= 0) { in[n++] = clip; }
    const char *name = umb__graph_device_name(g, "update", g->device);
    return name ? add_update_node(g, tr->optimizer, tr->optimizer_attrs, name, n, in, out)
                : UMB_ERR_NO_MEMORY;
}

/* Packs each device's parameters, and in training updates them, behind the clipping where that is
 * wanted. */
static enum umb_status add_updates(struct umb_trainer *tr, int mode, struct umb_trainer_side *side,
                                   const int *gradient)
{
    struct umb_graph *g = side->graph;
    struct packed packed[UMB_MAX_DEVICES];
    const bool trains = mode == UMB_TRAINER_TRAIN;
    const int n_gradient = gradient ? side->weights : 0;
    enum umb_status st = UMB_OK;
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        struct packed *p = &packed[g->device];
        st = umb__graph_pack(g, gradient, n_gradient, &p->params, &p->gradients);
    }
    g->device = 0;
    if (st != UMB_OK || !trains) { return st; }
    if (packed[0].params >= 0) {
        tr->packed_bytes = umb__type_bytes(&g->value[packed[0].params].type);
    }
    int clip = -1;
    side->hyper = input_of_floats(g, "hyper", UMB_HYPER_COUNT);
    st = side->hyper < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
    if (st == UMB_OK && tr->clip_norm > 0) { st = add_clip(tr, g, packed, &clip); }
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        if (packed[g->device].params < 0) { continue; }
        st = add_update(tr, side, &packed[g->device], clip);
    }
    g->device = 0;
    return st;
}

/* What runs before differentiation. A relu behind a batch norm goes there rather than behind a
 * pooling. */
static enum umb_status fuse_forward(const struct umb_trainer *tr, struct umb_graph *g)
{
    enum umb_status st = tr->fuses ? umb__graph_fuse_norm(g) : UMB_OK;
    if (st == UMB_OK) { st = umb__graph_simplify(g); }
    if (st != UMB_OK || !tr->fuses) { return st; }
    return umb__graph_fuse_pool(g, umb_device_get_caps(tr->device));
}

/* What runs behind differentiation and packing. */
static enum umb_status fuse_backward(const struct umb_trainer *tr, struct umb_graph *g)
{
    const struct umb_device_caps *caps = umb_device_get_caps(tr->device);
    enum umb_status st = umb__graph_fuse(g, caps);
    for (g->device = 0; st == UMB_OK && g->device < tr->n_devices; g->device++) {
        st = umb__graph_fuse_update(g, caps, umb__graph_large_param(g));
    }
    g->device = 0;
    return st;
}

bool umb__trainer_shares(const struct umb_trainer *tr)
{
    int64_t rows = 0;
    for (int d = 0; d < tr->n_devices; d++) {
        rows += tr->share[d];
    }
    return rows > 0;
}

/* The net once for each device that takes rows, and the tasks' outputs of the whole batch. */
static enum umb_status build_parts(struct umb_trainer *tr, struct umb_trainer_side *side)
{
    struct umb_graph *g = side->graph;
    struct umb_net_values part[UMB_MAX_DEVICES];
    int n = 0;
    enum umb_status st = umb__net_build_images(tr->net, g, tr->batch, &side->net);
    int64_t first = 0;
    for (int d = 0; st == UMB_OK && d < tr->n_devices; d++) {
        const struct umb_net_part p = {n, d, first, tr->share[d]};
        first += tr->share[d];
        if (!p.count) { continue; }
        st = umb__net_build_part(tr->net, g, &p, &side->net, &part[n++]);
        side->rows_value[d] = g->rows_value;
    }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        int in[UMB_MAX_DEVICES], out[UMB_OP_MAX_OUT];
        for (int k = 0; k < n; k++) {
            in[k] = part[k].value[task->output];
        }
        const char *name = umb__arena_printf(g->arena, "%s.whole", task->name);
        const struct umb_graph_node_desc desc = {
            .op = umb__op_find("stack"), .name = name, .n_in = n, .in = in};
        g->device = task->device;
        st = name ? umb__graph_node(g, &desc, out) : UMB_ERR_NO_MEMORY;
        side->net.value[task->output] = out[0];
    }
    g->device = 0;
    return st;
}

static enum umb_status build_net(struct umb_trainer *tr, int mode, struct umb_trainer_side *side)
{
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        side->rows_value[d] = -1;
    }
    if (mode == UMB_TRAINER_TRAIN && umb__trainer_shares(tr)) { return build_parts(tr, side); }
    const enum umb_status st = umb__net_build(tr->net, side->graph, tr->batch, &side->net);
    side->rows_value[0] = side->graph->rows_value;
    return st;
}

enum umb_status umb__trainer_graph_of(struct umb_trainer *tr, int mode,
                                      struct umb_trainer_side *side)
{
    enum umb_status st =
        umb__graph_create(tr->ctx, mode == UMB_TRAINER_TRAIN, tr->n_streams, &side->graph);
    int *gradient = NULL;
    if (st != UMB_OK) { return st; }
    side->graph->mixed = tr->mixed;
    side->graph->more_caps = tr->more_caps;
    st = build_net(tr, mode, side);
    if (st == UMB_OK) {
        st = mode == UMB_TRAINER_PREDICT
                 ? umb__tasks_answers(tr->net, side->graph, &side->net, side->answer)
                 : umb__tasks_attach(tr->net, side->graph, &side->net, side->task);
    }
    if (st == UMB_OK) { st = umb__graph_transfer(side->graph); }
    if (st == UMB_OK) { st = fuse_forward(tr, side->graph); }
    if (st == UMB_OK && mode == UMB_TRAINER_TRAIN) { st = differentiate(tr, side, &gradient); }
    if (st == UMB_OK) { st = add_updates(tr, mode, side, gradient); }
    if (st == UMB_OK) { st = umb__graph_transfer(side->graph); }
    if (st == UMB_OK && tr->fuses) { st = fuse_backward(tr, side->graph); }
    return st == UMB_OK ? umb__graph_alias(side->graph) : st;
}

/* ---- first parameters ---- */

static float draw(const struct umb_param_spec *spec, uint64_t seed, uint32_t stream, int64_t i)
{
    if (spec->init != UMB_INIT_FAN_IN) { return spec->init == UMB_INIT_ONES ? 1.0f : 0.0f; }
    double bound = 1 / sqrt(spec->fan_in);
    return (float)(bound *
                   (2 * (double)umb__random_unit(seed, UMB_RNG_INIT, stream, (uint64_t)i) - 1));
}

/* Draws in the order of files, so that the numbers do not depend on a device's layout. */
static enum umb_status init_value(struct umb_trainer *tr, const struct umb_value *v)
{
    const struct umb_param_spec *spec = &tr->side[UMB_TRAINER_TRAIN].graph->spec[v->spec];
    int64_t n = umb__shape_count(&v->type.shape);
    float *file = umb__calloc(tr->ctx, (size_t)n, sizeof *file),
          *device = umb__calloc(tr->ctx, (size_t)n, sizeof *device);
    enum umb_status st = file && device ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        for (int64_t i = 0; i < n; i++) {
            file[i] = draw(spec, tr->seed, (uint32_t)v->spec, i);
        }
        umb__layout_from_file(&spec->layout, file, device);
        bool packed = v->kind == UMB_VALUE_PARAM;
        const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
        st = umb__store_write(tr->store, packed ? g->value[v->base].name : v->name,
                              packed ? v->base_offset : 0, (size_t)n * sizeof *device, device);
        if (packed) { tr->n_parameters += n; }
    }
    umb__free(file);
    umb__free(device);
    return st;
}

static enum umb_status init_parameters(struct umb_trainer *tr)
{
    const struct umb_graph *g = tr->side[UMB_TRAINER_TRAIN].graph;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].spec < 0) { continue; }
        enum umb_status st = init_value(tr, &g->value[v]);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* ---- creation ---- */

/* "adamw" is adam with decoupled weight decay, by default PyTorch's 0.01. */
static enum umb_status choose_optimizer(struct umb_trainer *tr, const struct umb_trainer_desc *desc)
{
    static const char *const known[] = {"sgd", "adam", "adamw"};
    const char *name = desc->optimizer ? desc->optimizer : "";
    bool adamw = strcmp(name, "adamw") == 0;
    if (strcmp(name, "sgd") != 0 && strcmp(name, "adam") != 0 && !adamw) {
        const char *near = umb__nearest(name, known, 3);
        return umb__fail(tr->ctx, UMB_ERR_INVALID,
                         "no optimizer is called '%s'; expected sgd, adam or adamw%s%s%s", name,
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    tr->optimizer = umb__op_find(adamw ? "adam" : name);
    tr->optimizer_name = umb__arena_strdup(tr->arena, name);
    const char *text =
        umb__arena_printf(tr->arena, "%s %s", adamw ? "decoupled=true weight_decay=0.01" : "",
                          desc->optimizer_attrs ? desc->optimizer_attrs : "");
    if (!tr->optimizer_name || !text) { return UMB_ERR_NO_MEMORY; }
    return umb__attrs_create(tr->ctx, tr->arena, tr->optimizer, text, &tr->optimizer_attrs);
}

/* Nothing of the net may name a device that is not there. */
static enum umb_status check_devices(struct umb_context *ctx, const struct umb_trainer_desc *d)
{
    const int highest = umb__net_highest_device(d->net);
    if (highest > d->n_more) {
        return umb__fail(ctx, UMB_ERR_INVALID, "the net names device %d; the trainer has %d",
                         highest, d->n_more + 1);
    }
    for (int i = 0; d->n_more && i <= d->n_more; i++) {
        const struct umb_device_caps *caps = umb_device_get_caps(i ? d->more[i - 1] : d->device);
        if (!caps->alone) { continue; }
        return umb__fail(ctx, UMB_ERR_UNSUPPORTED, "%s: %s", caps->name, caps->alone);
    }
    int64_t rows = 0;
    for (int i = 0; d->shares && i <= d->n_more; i++) {
        if (d->shares[i] < 0) {
            return umb__fail(ctx, UMB_ERR_INVALID, "shares: device %d has %lld rows", i,
                             (long long)d->shares[i]);
        }
        rows += d->shares[i];
    }
    if (d->shares && rows != d->batch) {
        return umb__fail(ctx, UMB_ERR_INVALID, "shares of %lld rows; expected the batch's %lld",
                         (long long)rows, (long long)d->batch);
    }
    return UMB_OK;
}

static enum umb_status check_desc(struct umb_context *ctx, const struct umb_trainer_desc *d)
{
    if (d->batch < 1 || d->batch > 1 << 20) {
        return umb__fail(ctx, UMB_ERR_INVALID, "batch is %lld; expected 1 to %d",
                         (long long)d->batch, 1 << 20);
    }
    if (umb_net_n_tasks(d->net) < 1) {
        return umb__fail(ctx, UMB_ERR_INVALID, "the net has no task");
    }
    if (d->queues < 0 || d->queues > UMB_MAX_QUEUES) {
        return umb__fail(ctx, UMB_ERR_INVALID, "queues is %d; expected 1 to %d", d->queues,
                         UMB_MAX_QUEUES);
    }
    if (d->n_more < 0 || d->n_more >= UMB_MAX_DEVICES) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%d more devices; expected 0 to %d", d->n_more,
                         UMB_MAX_DEVICES - 1);
    }
    if (!(d->clip_norm >= 0) || d->clip_norm > 1e30) {
        return umb__fail(ctx, UMB_ERR_INVALID, "clip_norm is %g; expected a number from 0",
                         d->clip_norm);
    }
    return check_devices(ctx, d);
}

static void take_devices(struct umb_trainer *tr, const struct umb_trainer_desc *desc)
{
    tr->device = desc->device;
    tr->n_devices = 1 + desc->n_more;
    for (int i = 0; i < desc->n_more; i++) {
        tr->more[i].device = desc->more[i];
        tr->more_caps[i] = umb_device_get_caps(desc->more[i]);
    }
    for (int d = 0; desc->shares && d < tr->n_devices; d++) {
        tr->share[d] = desc->shares[d];
    }
}

static enum umb_status create_store(struct umb_trainer *tr)
{
    enum umb_status st = umb__store_create(tr->device, &tr->store);
    for (int i = 0; st == UMB_OK && i < tr->n_devices - 1; i++) {
        st = umb__store_add_device(tr->store, tr->more[i].device);
    }
    return st;
}

/* On CPUs a second queue fills the ends of kernels that the first leaves idle (docs/scheduling.md).
 * On GPUs nobody has measured it yet. */
static int default_queues(const struct umb_trainer *tr)
{
    const struct umb_device_caps *caps = umb_device_get_caps(tr->device);
    return caps->type == UMB_DEVICE_CPU && !caps->software && caps->compute_units > 1 ? 2 : 1;
}

static enum umb_status choose_queues(struct umb_trainer *tr, int asked)
{
    int64_t queues = asked;
    enum umb_status st = asked ? UMB_OK
                               : umb__env_int(tr->ctx, "UMBEL_QUEUES", 1, UMB_MAX_QUEUES,
                                              default_queues(tr), &queues);
    tr->queues = (int)queues;
    return st;
}

static enum umb_status choose_passes(struct umb_trainer *tr)
{
    int64_t fuses = 1, merges = 1;
    enum umb_status st = umb__env_int(tr->ctx, "UMBEL_FUSE", 0, 1, 1, &fuses);
    if (st == UMB_OK) { st = umb__env_int(tr->ctx, "UMBEL_MERGE", 0, 1, 1, &merges); }
    tr->fuses = fuses != 0;
    tr->merges = merges != 0;
    return st;
}

static enum umb_status make_tallies(struct umb_trainer *tr)
{
    for (int t = 0; t < tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        struct umb_tally *y = &tr->tally[t];
        bool errors = task->judge == UMB_JUDGE_ERRORS;
        y->n_counts =
            errors ? 0 : task->n_classes * (task->judge == UMB_JUDGE_CLASSES ? task->n_classes : 4);
        y->n_values = errors ? 5 * task->n_classes : 0;
        y->counts = umb__arena_calloc(tr->arena, (size_t)y->n_counts + 1, sizeof *y->counts);
        y->errors = umb__arena_calloc(tr->arena, (size_t)y->n_values + 1, sizeof *y->errors);
        if (!y->counts || !y->errors) { return UMB_ERR_NO_MEMORY; }
    }
    return UMB_OK;
}

enum umb_status umb__trainer_create_tuned(struct umb_context *ctx,
                                          const struct umb_trainer_desc *desc,
                                          const struct umb_trainer_tuning *tuning,
                                          struct umb_trainer **ret_trainer)
{
    enum umb_status st = check_desc(ctx, desc);
    if (st != UMB_OK) { return st; }
    struct umb_trainer *tr = umb__calloc(ctx, 1, sizeof *tr);
    if (!tr) { return UMB_ERR_NO_MEMORY; }
    tr->ctx = ctx;
    take_devices(tr, desc);
    tr->net = desc->net;
    tr->batch = desc->batch;
    tr->seed = desc->seed;
    tr->memory = desc->memory;
    tr->clip_norm = desc->clip_norm;
    tr->mixed = desc->mixed_precision;
    tr->n_streams = umb_net_n_streams(desc->net);
    tr->n_tasks = umb_net_n_tasks(desc->net);
    st = umb__arena_create(ctx, &tr->arena);
    if (st == UMB_OK) { st = choose_optimizer(tr, desc); }
    if (st == UMB_OK) { st = choose_queues(tr, desc->queues); }
    if (st == UMB_OK) { st = choose_passes(tr); }
    if (st == UMB_OK && tr->mixed && !umb_device_get_caps(tr->device)->fp16_storage) {
        umb__log(ctx, UMB_LOG_WARN, "mixed precision: %s computes in float32 all the same",
                 umb_device_get_caps(tr->device)->name);
    }
    if (st == UMB_OK) { st = umb__trainer_open_tuning(tr, tuning); }
    if (st == UMB_OK) { st = make_tallies(tr); }
    if (st == UMB_OK) { st = create_store(tr); }
    if (st == UMB_OK) { st = umb__trainer_compile(tr, UMB_TRAINER_TRAIN); }
    if (st == UMB_OK) { st = init_parameters(tr); }
    if (st != UMB_OK) {
        umb_trainer_destroy(tr);
        return st;
    }
    *ret_trainer = tr;
    return UMB_OK;
}

enum umb_status umb_trainer_create(struct umb_context *ctx, const struct umb_trainer_desc *desc,
                                   struct umb_trainer **ret_trainer)
{
    return umb__trainer_create_tuned(ctx, desc, NULL, ret_trainer);
}

void umb_trainer_destroy(struct umb_trainer *tr)
{
    if (!tr) { return; }
    for (int m = 0; m < UMB_TRAINER_MODES; m++) {
        umb__trainer_drop_side(&tr->side[m]);
    }
    umb__store_destroy(tr->store);
    umb__tuning_close(tr->tuning);
    for (int i = 0; i < UMB_MAX_DEVICES - 1; i++) {
        umb__tuning_close(tr->more_tuning[i]);
    }
    umb__free(tr->choices);
    umb__arena_destroy(tr->arena);
    umb__free(tr);
}

int64_t umb_trainer_n_parameters(const struct umb_trainer *tr)
{
    return tr->n_parameters;
}

int64_t umb_trainer_n_steps(const struct umb_trainer *tr)
{
    return tr->n_steps;
}

struct umb_plan *umb__trainer_plan(const struct umb_trainer *tr, enum umb_trainer_mode mode)
{
    return tr->side[mode].plan;
}

struct umb_fit umb__trainer_fit(const struct umb_trainer *tr, enum umb_trainer_mode mode)
{
    return tr->side[mode].fit;
}

const struct umb_graph *umb__trainer_graph(const struct umb_trainer *tr, enum umb_trainer_mode mode)
{
    return tr->side[mode].graph;
}

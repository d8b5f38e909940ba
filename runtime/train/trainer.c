/* Making a trainer: its devices, its plan for training, first parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "init.h"
#include "net_params.h"
#include "rng.h"
#include "system.h"
#include "text.h"
#include "trainer_balance.h"
#include "trainer_internal.h"
#include "trainer_soft.h"

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

/* ---- first parameters ---- */

static float draw(const struct umb_param_spec *spec, uint64_t seed, uint32_t stream, int64_t i)
{
    if (spec->init == UMB_INIT_OWN || spec->init == UMB_INIT_VALUES) {
        return (float)umb__param_given(spec, i);
    }
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
        const int layers = umb__net_init(tr->net, spec->name), way = layers ? layers : tr->init;
        for (int64_t i = 0; i < n; i++) {
            file[i] = draw(spec, tr->seed, (uint32_t)v->spec, i);
        }
        if (way != UMB_INIT_USUAL && umb__init_draws(spec)) {
            st = umb__init_draw(tr->ctx, way, spec, tr->seed, (uint32_t)v->spec, file);
        }
        umb__layout_from_file(&spec->layout, file, device);
    }
    if (st == UMB_OK) {
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
    if (!(d->memory_share >= 0 && d->memory_share <= 1)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "memory_share is %g; expected 0 to 1",
                         d->memory_share);
    }
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

enum umb_status umb__trainer_make_store(const struct umb_trainer *tr, struct umb_store **ret_store)
{
    struct umb_store *store = NULL;
    enum umb_status st = umb__store_create(tr->device, &store);
    for (int i = 0; st == UMB_OK && i < tr->n_devices - 1; i++) {
        st = umb__store_add_device(store, tr->more[i].device);
    }
    if (st != UMB_OK) {
        umb__store_destroy(store);
        return st;
    }
    *ret_store = store;
    return UMB_OK;
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

/* A share is of each device's own memory. */
static void take_limits(struct umb_trainer *tr, const struct umb_trainer_desc *d)
{
    for (int i = 0; i < tr->n_devices; i++) {
        const struct umb_device *device = i ? tr->more[i - 1].device : tr->device;
        const double share = d->memory_share * (double)umb_device_get_caps(device)->global_bytes;
        tr->memory[i] = d->memory;
        if (!d->memory && share > 0) { tr->memory[i] = share < 1 ? 1 : (uint64_t)share; }
    }
}

static enum umb_status make_tallies(struct umb_trainer *tr)
{
    for (int t = 0; t < tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        struct umb_tally *y = &tr->tally[t];
        bool errors = task->judge == UMB_JUDGE_ERRORS;
        y->n_counts =
            errors ? 0 : task->n_classes * (task->judge == UMB_JUDGE_CLASSES ? task->n_classes : 4);
        y->n_values = errors ? 5 * (task->n_classes + task->landmarks) : 0;
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
    take_limits(tr, desc);
    tr->clip_norm = desc->clip_norm;
    tr->mixed = desc->mixed_precision;
    tr->n_streams = umb_net_n_streams(desc->net);
    tr->n_images = umb_net_n_images(desc->net);
    tr->n_tasks = umb_net_n_tasks(desc->net);
    st = umb__arena_create(ctx, &tr->arena);
    if (st == UMB_OK) { st = choose_optimizer(tr, desc); }
    if (st == UMB_OK) { st = umb__balancing_create(tr, desc->balancing); }
    if (st == UMB_OK) { st = umb__trainer_take_parts(tr, desc); }
    if (st == UMB_OK && desc->init) {
        tr->init = umb__init_find(ctx, desc->init);
        st = tr->init < 0 ? UMB_ERR_INVALID : UMB_OK;
    }
    if (st == UMB_OK) { st = choose_queues(tr, desc->queues); }
    if (st == UMB_OK) { st = choose_passes(tr); }
    if (st == UMB_OK && tr->mixed && !umb_device_get_caps(tr->device)->fp16_storage) {
        umb__log(ctx, UMB_LOG_WARN, "mixed precision: %s computes in float32 all the same",
                 umb_device_get_caps(tr->device)->name);
    }
    if (st == UMB_OK) { st = umb__trainer_open_tuning(tr, tuning); }
    if (st == UMB_OK) { st = umb__soft_create(tr, desc->soft); }
    if (st == UMB_OK) { st = make_tallies(tr); }
    if (st == UMB_OK) { st = umb__trainer_make_store(tr, &tr->store); }
    if (st == UMB_OK) { st = umb__trainer_compile(tr, UMB_TRAINER_TRAIN); }
    if (st == UMB_OK) { st = init_parameters(tr); }
    if (st == UMB_OK) { st = umb__soft_start(tr); }
    if (st == UMB_OK) { st = umb__balancing_begin(tr); }
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
    for (int m = 0; m < UMB_TRAINER_SIDES; m++) {
        umb__trainer_drop_side(&tr->side[m]);
    }
    umb__store_destroy(tr->store);
    umb__tuning_close(tr->tuning);
    for (int i = 0; i < UMB_MAX_DEVICES - 1; i++) {
        umb__tuning_close(tr->more_tuning[i]);
    }
    umb__free(tr->choices);
    umb__trainer_parts_finish(tr);
    umb__balancing_destroy(tr);
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

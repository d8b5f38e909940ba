/*
 * list_kernels: which kernels GPUs would get, without a GPU.
 *
 *   list_kernels TARGET EXPERIMENT [KEY=VALUE…]…
 *                                     a line for each kernel, tabs between the fields:
 *                                     file, entry, options, hot or cold, chosen or candidate
 *   list_kernels --source FILE        a kernel file's text, with its includes in place
 *   list_kernels --many FILE          the same, of kernels that do several launches' work
 *
 * The experiments are compiled for training, evaluation and prediction on a device that is nothing
 * but a made-up record. Where a plan would be made, this program takes over (the linker's --wrap):
 * it lets every solver that applies emit its steps, and notes their kernels. Hot are those of
 * convolutions and dense layers, and of what several tasks bring: balancers and sharing. Chosen is
 * what plans take where nothing was tuned. Those stand twice, for launches of one's own and of
 * several.
 */
#include "device_internal.h"
#include "experiment.h"
#include "kernel_source.h"
#include "steps.h"
#include "trainer_balance.h"
#include "trainer_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

#define AMD                                                                         \
    .vendor = "AMD", .registers = 256, .max_work_group = 256, .local_bytes = 65536, \
    .global_bytes = 16 * GIB, .max_alloc_bytes = 4 * GIB, .shuffle = "amd"
#define NVIDIA                                                                     \
    .vendor = "NVIDIA", .registers = 255, .sub_group = 32, .max_work_group = 1024, \
    .local_bytes = 49152, .global_bytes = 24 * GIB, .max_alloc_bytes = 6 * GIB,    \
    .inline_ptx = true, .shuffle = "ptx"
#define INTEL                                                                   \
    .vendor = "Intel", .registers = 128, .sub_group = 32, .local_bytes = 65536, \
    .global_bytes = 8 * GIB, .max_alloc_bytes = 2 * GIB, .fp16 = true, .shuffle = "intel"

/* A usual device of each target. */
static const struct umb_device_caps targets[] = {
    {AMD, .name = "gfx906", .compute_units = 60, .clock_mhz = 1725, .sub_group = 64},
    {AMD, .name = "gfx1030", .compute_units = 40, .clock_mhz = 2250, .sub_group = 32},
    {AMD, .name = "gfx1100", .compute_units = 48, .clock_mhz = 2500, .sub_group = 32},
    {NVIDIA, .name = "sm_75", .compute_units = 68, .clock_mhz = 1545, .compute_capability = 75},
    {NVIDIA, .name = "sm_90", .compute_units = 132, .clock_mhz = 1980, .compute_capability = 90,
     .mma_tf32 = true, .mma_fp16 = true},
    {INTEL, .name = "skl", .compute_units = 24, .clock_mhz = 1150, .max_work_group = 256},
    {INTEL, .name = "tgllp", .compute_units = 96, .clock_mhz = 1350, .max_work_group = 512},
    {INTEL, .name = "dg2", .compute_units = 512, .clock_mhz = 2400, .max_work_group = 1024},
};

static _Noreturn void stop(struct umb_context *ctx, const char *what)
{
    fprintf(stderr, "list_kernels: %s: %s\n", what, ctx ? umb_context_error(ctx) : "no memory");
    exit(1);
}

/* In place of a device. */

enum umb_status __wrap_umb__plan_fit(struct umb_context *ctx, const struct umb_plan_desc *desc,
                                     struct umb_graph *g, const uint64_t *limit,
                                     struct umb_fit *ret_fit, struct umb_plan **ret_plan);
enum umb_status __wrap_umb__store_create(struct umb_device *device, struct umb_store **ret_store);
enum umb_status __wrap_umb__store_write(struct umb_store *s, const char *name, size_t offset,
                                        size_t bytes, const void *data);
enum umb_status __wrap_umb__store_read(struct umb_store *s, const char *name, size_t offset,
                                       size_t bytes, void *data);

enum umb_status __wrap_umb__store_create(struct umb_device *device, struct umb_store **ret_store)
{
    (void)device;
    *ret_store = NULL;
    return UMB_OK;
}

enum umb_status __wrap_umb__store_write(struct umb_store *s, const char *name, size_t offset,
                                        size_t bytes, const void *data)
{
    (void)s;
    (void)name;
    (void)offset;
    (void)bytes;
    (void)data;
    return UMB_OK;
}

/* Networks that begin as one are read for it. */
enum umb_status __wrap_umb__store_read(struct umb_store *s, const char *name, size_t offset,
                                       size_t bytes, void *data)
{
    (void)s;
    (void)name;
    (void)offset;
    memset(data, 0, bytes);
    return UMB_OK;
}

/* By how the names of ops begin. */
static bool is_hot(const struct umb_op *op)
{
    static const char *const begins[] = {
        "conv",      "dense",        "gram",   "combine_rows", "mix_rows", "excess",
        "drop_rows", "loss_weights", "gather", "soft_share",   "multiply", "mixture",
        "graph_mix", "cross_stitch", "match",  "embedding",    "pick",     NULL};
    for (const char *const *b = begins; *b; b++) {
        if (strncmp(op->name, *b, strlen(*b)) == 0) { return true; }
    }
    return false;
}

static void print_steps(const struct umb_steps *steps, const struct umb_op *op, bool chosen)
{
    const bool hot = is_hot(op);
    for (size_t i = 0; i < steps->n; i++) {
        const struct umb_step *s = &steps->step[i];
        if (!s->kernel) { continue; } /* CLBlast's are its own */
        bool many = false;
        if (chosen && umb__kernel_can_be_many(steps->ctx, s->kernel, &many) != UMB_OK) {
            stop(steps->ctx, s->kernel->file);
        }
        for (int k = 0; k <= many; k++) {
            const char *options = s->options ? s->options : "";
            printf("%s\t%s\t%s", s->kernel->file, s->kernel->entry, options);
            if (k) { printf("%s" UMB_MANY_OPTION "%u", *options ? " " : "", s->dimensions); }
            printf("\t%s\t%s\n", hot ? "hot" : "cold", chosen ? "chosen" : "candidate");
        }
    }
}

static enum umb_status print_node(const struct umb_graph *g, const struct umb_node *n,
                                  const struct umb_device_caps *caps)
{
    struct umb_type *types = calloc((size_t)(n->n_in + n->n_out) + 1, sizeof *types);
    if (!types) { stop(NULL, n->name); }
    const struct umb_problem p = umb__graph_problem(g, n, caps, types, types + n->n_in);
    const struct umb_solver *best = umb__solver_choose(&p, NULL);
    enum umb_status st = UMB_OK;
    for (const struct umb_solver *s = p.op->solvers; s && s->name && st == UMB_OK; s++) {
        if (s->applicable(&p) <= 0) { continue; }
        struct umb_steps steps;
        st = umb__steps_init(g->ctx, g->n_values, &steps);
        if (st != UMB_OK) { break; }
        struct umb_emit e = {.p = p, .in = n->in, .out = n->out, .steps = &steps};
        st = s->emit(&e);
        if (st == UMB_OK) { print_steps(&steps, p.op, s == best); }
        umb__steps_finish(&steps);
    }
    free(types);
    return st;
}

enum umb_status __wrap_umb__plan_fit(struct umb_context *ctx, const struct umb_plan_desc *desc,
                                     struct umb_graph *g, const uint64_t *limit,
                                     struct umb_fit *ret_fit, struct umb_plan **ret_plan)
{
    enum umb_status st = UMB_OK;
    (void)ctx;
    (void)limit;
    *ret_fit = (struct umb_fit){.queues = 1, .queues_asked = 1};
    *ret_plan = NULL;
    for (int i = 0; i < g->n_nodes && st == UMB_OK; i++) {
        if (g->node[i].op->flags & UMB_OP_VIEW) { continue; }
        st = print_node(g, &g->node[i], desc->device->caps);
    }
    return st;
}

/* Experiments. */

/* What the data sets of the experiments look like, so that nobody needs to have them. */
#define CLASSES(name, n)                                                                       \
    "{\"name\": \"" name "\", \"kind\": 0, \"classes\": " n ", \"values\": 1, \"height\": 0, " \
    "\"width\": 0, \"class_names\": null}"
#define TEN_CLASSES "\"targets\": [" CLASSES("label", "10") "]"
#define OF_FACES                                                                     \
    "\"targets\": [" CLASSES("gender", "2") ", " CLASSES("smile", "2") ", " CLASSES( \
        "glasses", "2") ", " CLASSES("pose", "5") "]"
static const char shapes_of_data[] = "{\"digits\": {\"shape\": [28, 28, 1], " TEN_CLASSES "}, "
                                     "\"clothes\": {\"shape\": [28, 28, 1], " TEN_CLASSES "}, "
                                     "\"photos\": {\"shape\": [32, 32, 3], " TEN_CLASSES "}, "
                                     "\"faces\": {\"shape\": [40, 40, 1], " OF_FACES "}}";

/* Generated data sets are opened, others are only said to be there. */
static enum umb_status bind_data(struct umb_experiment *exp)
{
    const bool generated = exp->n_data > 0 && !exp->data[0].path;
    return generated ? umb__experiment_open(exp)
                     : umb__experiment_bind(exp, shapes_of_data, "list_kernels");
}

static bool has_side(const struct umb_trainer *tr, int mode)
{
    return mode != UMB_TRAINER_BETWEEN || tr->balance->every > 1;
}

static void list_experiment(struct umb_context *ctx, struct umb_device *device, const char *path,
                            char **sets, int n_sets)
{
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    struct umb_trainer *tr = NULL;
    enum umb_status st =
        umb__experiment_read(ctx, path, (const char *const *)sets, (size_t)n_sets, &exp);
    if (st == UMB_OK) { st = bind_data(exp); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    if (st != UMB_OK) { stop(ctx, path); }
    const struct umb_balancing balancing = umb__experiment_balancing(exp);
    const struct umb_trainer_desc desc = {.device = device,
                                          .net = net,
                                          .batch = exp->train.batch,
                                          .optimizer = exp->train.optimizer,
                                          .optimizer_attrs = exp->train.optimizer_attrs,
                                          .clip_norm = exp->train.clip_norm,
                                          .mixed_precision = true, /* more candidates */
                                          .seed = exp->train.seed,
                                          .queues = 1,
                                          .balancing = &balancing,
                                          .soft = exp->share};
    st = umb_trainer_create(ctx, &desc, &tr);
    for (int mode = 0; mode < UMB_TRAINER_SIDES && st == UMB_OK; mode++) {
        if (mode != UMB_TRAINER_TRAIN && has_side(tr, mode)) {
            st = umb__trainer_compile(tr, mode);
        }
    }
    if (st != UMB_OK) { stop(ctx, path); }
    umb_trainer_destroy(tr);
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
}

static void print_source(struct umb_context *ctx, const char *file, bool many)
{
    struct umb_text text = {0};
    if (umb__kernel_source(ctx, file, &text) != UMB_OK) { stop(ctx, file); }
    if (many) { umb__kernel_source_many(&text, 0); }
    fputs(umb__text_string(&text), stdout);
    umb__text_finish(&text);
}

int main(int argc, char **argv)
{
    struct umb_context *ctx = NULL;
    if (umb_context_create(NULL, &ctx) != UMB_OK) { stop(NULL, "context"); }
    const bool many = argc == 3 && strcmp(argv[1], "--many") == 0;
    if (many || (argc == 3 && strcmp(argv[1], "--source") == 0)) {
        print_source(ctx, argv[2], many);
        umb_context_destroy(ctx);
        return 0;
    }
    for (size_t i = 0; argc > 2 && i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].name, argv[1]) != 0) { continue; }
        struct umb_device_caps caps = targets[i];
        caps.type = UMB_DEVICE_GPU;
        caps.platform = "made up";
        caps.driver = caps.opencl_c = caps.selector = "";
        caps.float_width = 1;
        caps.local_is_real = true;
        caps.fp16_storage = true;
        struct umb_device device = {.ctx = ctx, .caps = &caps};
        for (int a = 2, n; a < argc; a += 1 + n) {
            for (n = 0; a + n + 1 < argc && strchr(argv[a + n + 1], '='); n++) {}
            list_experiment(ctx, &device, argv[a], argv + a + 1, n);
        }
        umb_context_destroy(ctx);
        return 0;
    }
    fprintf(stderr, "usage: list_kernels TARGET EXPERIMENT [KEY=VALUE…]… | list_kernels "
                    "--source|--many FILE\n");
    return 2;
}

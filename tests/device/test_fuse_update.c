/*
 * Updates beside the gradient: every solver that applies one, under every optimizer, against the
 * same graph with an optimizer of its own; and what stays with the optimizer.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "optimizer.h"
#include "plan.h"
#include "rng.h"
#include "world.h"

#define MAX_VALUES 64
#define STEPS 3

struct layer {
    const char *op, *attrs, *solver; /* of the gradient to the weights */
    struct umb_shape x;
};
struct optimizer {
    const char *op, *attrs;
    int moments;
};

/* A layer with its gradients from x and dy, packed, and an optimizer. */
struct net {
    struct umb_graph *g;
    struct umb_store *store;
    struct umb_plan *plan;
    int x, dy, hyper, weight, params, moment[2];
    const char *solver;
};

static int value_of(struct net *n, const char *name, enum umb_value_kind kind,
                    const struct umb_type *type)
{
    const int v = umb__graph_value(n->g, name, kind, type);
    assert_true(v >= 0);
    return v;
}

static struct umb_type floats(int64_t n)
{
    return (struct umb_type){.dtype = UMB_F32, .shape = {1, {n}}};
}

static void *attrs_of(struct net *n, const struct umb_op *op, const char *text)
{
    void *attrs = umb__arena_calloc(n->g->arena, op->attrs_bytes, 1);
    assert_non_null(attrs);
    umb__attrs_default(op, attrs);
    must(umb__attrs_parse(world.ctx, n->g->arena, op, attrs, text));
    return attrs;
}

/* The layer's backward nodes; *ret_gradient by value. */
static void build_layer(struct net *n, const struct layer *l, int *gradient)
{
    char name[64], text[160];
    int out[UMB_OP_MAX_OUT];
    const struct umb_type type = {.dtype = UMB_F32, .shape = l->x};
    n->x = value_of(n, "x", UMB_VALUE_INPUT, &type);
    const struct umb_op *op = umb__op_find(l->op);
    const struct umb_graph_node_desc forward = {
        .op = op, .attrs = attrs_of(n, op, l->attrs), .name = "layer", .n_in = 1, .in = &n->x};
    must(umb__graph_node(n->g, &forward, out));
    const struct umb_node *node = &n->g->node[0];
    const int weight = node->in[1], bias = node->in[2];
    n->weight = weight;
    n->dy = value_of(n, "dy", UMB_VALUE_INPUT, &n->g->value[out[0]].type);
    snprintf(name, sizeof name, "%s_backward_weights", l->op);
    snprintf(text, sizeof text, "%s dbias=true", l->attrs);
    op = umb__op_find(name);
    const struct umb_graph_node_desc weights = {.op = op,
                                                .attrs = attrs_of(n, op, text),
                                                .name = "weights",
                                                .phase = UMB_PHASE_BACKWARD,
                                                .n_in = 2,
                                                .in = (int[]){n->x, n->dy}};
    must(umb__graph_node_raw(n->g, &weights, out));
    gradient[weight] = out[0];
    gradient[bias] = out[1];
    snprintf(name, sizeof name, "%s_backward_data", l->op);
    op = umb__op_find(name);
    const struct umb_graph_node_desc data = {.op = op,
                                             .attrs = attrs_of(n, op, l->attrs),
                                             .name = "data",
                                             .phase = UMB_PHASE_BACKWARD,
                                             .n_in = 3,
                                             .in = (int[]){n->dy, weight, n->x}};
    must(umb__graph_node_raw(n->g, &data, out)); /* reads the weights behind their gradient */
    n->g->value[out[0]].output = true;
}

/* A graph of the layer alone. */
static void begin(struct net *n, const struct layer *l, int gradient[MAX_VALUES])
{
    *n = (struct net){.solver = l->solver};
    must(umb__graph_create(world.ctx, true, 1, &n->g));
    for (int i = 0; i < MAX_VALUES; i++) {
        gradient[i] = -1;
    }
    build_layer(n, l, gradient);
}

static void build_optimizer(struct net *n, const struct optimizer *o, int gradients)
{
    int in[6] = {n->params, gradients}, n_in = 2, out[UMB_OP_MAX_OUT];
    const struct umb_type type = n->g->value[n->params].type, eight = floats(UMB_HYPER_COUNT);
    for (int i = 0; i < o->moments; i++) {
        n->moment[i] = value_of(n, i ? "second" : "first", UMB_VALUE_STATE, &type);
        in[n_in++] = n->moment[i];
    }
    n->hyper = value_of(n, "hyper", UMB_VALUE_INPUT, &eight);
    in[n_in++] = n->hyper;
    const struct umb_op *op = umb__op_find(o->op);
    const struct umb_graph_node_desc update = {.op = op,
                                               .attrs = attrs_of(n, op, o->attrs),
                                               .name = "update",
                                               .phase = UMB_PHASE_UPDATE,
                                               .n_in = n_in,
                                               .in = in};
    must(umb__graph_node_raw(n->g, &update, out));
}

static void fill(float *to, int64_t n, uint32_t stream, double least)
{
    for (int64_t i = 0; i < n; i++) {
        const double u = umb__random_unit(5, UMB_RNG_TEST, stream, (uint64_t)i);
        to[i] = (float)(least + (1 - least) * u);
    }
}

/* The numbers of the parameters; the gaps between them are zeros. */
static void fill_kept(struct net *n, int value, uint32_t stream, double least)
{
    const struct umb_value *whole = &n->g->value[value];
    char *numbers = umb__calloc(world.ctx, umb__type_bytes(&whole->type), 1);
    assert_non_null(numbers);
    for (int i = 0; i < n->g->n_values; i++) {
        const struct umb_value *v = &n->g->value[i];
        if (v->base != n->params || v->spec < 0) { continue; }
        float *piece = (float *)(void *)(numbers + v->base_offset);
        fill(piece, umb__shape_count(&v->type.shape), stream, least);
    }
    must(umb__store_write(n->store, whole->name, 0, umb__type_bytes(&whole->type), numbers));
    umb__free(numbers);
}

static const char *solver_of(void *user, const char *node)
{
    return strcmp(node, "weights") == 0 ? ((struct net *)user)->solver : NULL;
}

static struct umb_problem problem_of(const struct net *n, int node, struct umb_type *in,
                                     struct umb_type *out)
{
    return umb__graph_problem(n->g, &n->g->node[node], umb_device_get_caps(world.device), in, out);
}

static bool applies(const struct net *n, const char *solver)
{
    struct umb_type in[8], out[UMB_OP_MAX_OUT];
    const struct umb_problem p = problem_of(n, 1, in, out);
    return umb__solver_choose(&p, solver) != NULL;
}

static bool open_net(struct net *n, const struct layer *l, const struct optimizer *o, bool fuses,
                     int queues)
{
    int gradient[MAX_VALUES], gradients;
    begin(n, l, gradient);
    if (!applies(n, l->solver)) {
        umb__graph_destroy(n->g);
        return false;
    }
    must(umb__graph_pack(n->g, gradient, MAX_VALUES, &n->params, &gradients));
    build_optimizer(n, o, gradients);
    if (fuses) { must(umb__graph_fuse_update(n->g, NULL, 200)); }
    must(umb__graph_alias(n->g));
    must(umb__store_create(world.device, &n->store));
    const struct umb_plan_desc desc = {.device = world.device,
                                       .graph = n->g,
                                       .store = n->store,
                                       .n_queues = queues,
                                       .n_slots = 1,
                                       .solver_of = solver_of,
                                       .solver_user = n};
    must(umb__plan_create(world.ctx, &desc, &n->plan));
    fill_kept(n, n->params, 0, -1);
    for (int i = 0; i < o->moments; i++) {
        fill_kept(n, n->moment[i], 1 + (uint32_t)i, i ? 0.1 : -1);
    }
    return true;
}

static void close_net(struct net *n)
{
    umb__plan_destroy(n->plan);
    umb__store_destroy(n->store);
    umb__graph_destroy(n->g);
}

static void run(struct net *n)
{
    for (int step = 1; step <= STEPS; step++) {
        float *hyper = umb__plan_input(n->plan, 0, n->hyper);
        const float numbers[UMB_HYPER_COUNT] = {0.01f, 1 - powf(0.9f, (float)step),
                                                1 - powf(0.999f, (float)step),
                                                step == 1 ? 1.0f : 0.0f, 1.0f};
        memcpy(hyper, numbers, sizeof numbers);
        fill(umb__plan_input(n->plan, 0, n->x), umb__shape_count(&n->g->value[n->x].type.shape),
             10 + (uint32_t)step, -1);
        fill(umb__plan_input(n->plan, 0, n->dy), umb__shape_count(&n->g->value[n->dy].type.shape),
             20 + (uint32_t)step, -1);
        must(umb__plan_submit(n->plan, 0));
        must(umb__plan_wait(n->plan, 0));
    }
}

static float *kept(const struct net *n, int value, size_t *ret_n)
{
    const struct umb_value *v = &n->g->value[value];
    const size_t bytes = umb__type_bytes(&v->type);
    float *numbers = umb__calloc(world.ctx, bytes, 1);
    assert_non_null(numbers);
    must(umb__store_read(n->store, v->name, 0, bytes, numbers));
    *ret_n = bytes / sizeof *numbers;
    return numbers;
}

/* The parameters and the moments. */
static void compare(const struct net *a, const struct net *b, const struct optimizer *o,
                    float share)
{
    const int values[] = {a->params, a->moment[0], a->moment[1]};
    for (int k = 0; k <= o->moments; k++) {
        size_t n, m;
        float *x = kept(a, values[k], &n), *y = kept(b, values[k], &m);
        assert_int_equal(n, m);
        for (size_t i = 0; i < n; i++) {
            if (!(fabsf(x[i] - y[i]) <= share * (1 + fabsf(y[i])))) {
                fail_msg("%s[%zu] is %.9g beside its gradient, %.9g apart",
                         a->g->value[values[k]].name, i, (double)x[i], (double)y[i]);
            }
        }
        umb__free(x);
        umb__free(y);
    }
}

static int steps_of(const struct net *n, const char *node)
{
    int count = 0;
    for (size_t i = 0; i < umb__plan_n_steps(n->plan); i++) {
        count += strcmp(umb__plan_step(n->plan, i).node, node) == 0;
    }
    return count;
}

static const struct layer layers[] = {
    {"conv", "filters=40 size=3 padding=1", "small", {4, {9, 2, 3, 24}}},
    {"conv", "filters=67 size=3 stride=2 padding=1", "small", {4, {8, 3, 4, 19}}},
    {"conv", "filters=33 size=3 padding=1", "direct", {4, {3, 6, 5, 17}}},
    {"conv", "filters=32 size=1", "direct", {4, {3, 6, 5, 16}}},
    {"conv", "filters=33 size=3 padding=1", "winograd4", {4, {3, 9, 10, 17}}},
    {"conv", "filters=32 size=3 padding=1", "winograd4", {4, {24, 16, 16, 16}}},
    {"conv", "filters=33 size=3 padding=1", "winograd2", {4, {3, 6, 5, 17}}},
    {"conv", "filters=16 size=5 padding=2", "winograd2", {4, {2, 8, 8, 16}}},
    {"dense", "units=70", "few", {2, {9, 41}}},
    {"dense", "units=1100", "few", {2, {64, 19}}},
    {"dense", "units=37 beside=6", "few", {2, {64, 45}}},
    {"dense", "units=1 beside=4", "few", {2, {5, 30}}},
};
#define N_LAYERS (int)(sizeof layers / sizeof *layers)
static const struct optimizer optimizers[] = {
    {"adam", "", 2},
    {"adam", "weight_decay=0.1", 2},
    {"adam", "weight_decay=0.1 decoupled=true beta1=0.8", 2},
    {"sgd", "weight_decay=0.1", 0},
    {"sgd", "momentum=0.9 dampening=0.5", 1},
    {"sgd", "momentum=0.9 nesterov=true weight_decay=0.1", 1},
};
#define N_OPTIMIZERS (int)(sizeof optimizers / sizeof *optimizers)

/* The same sums in the same order, and the same update of each number; but compilers may fuse other
 * multiplications and additions in one kernel than in the other. */
static void as_an_optimizer_of_its_own(void **state)
{
    const struct layer *l = *state;
    for (int i = 0; i < N_OPTIMIZERS; i++) {
        struct net beside, apart;
        if (!open_net(&beside, l, &optimizers[i], true, 1)) { skip(); }
        assert_true(open_net(&apart, l, &optimizers[i], false, 1));
        assert_int_equal(steps_of(&beside, "layer.weight.update"), 0);
        assert_int_equal(steps_of(&beside, "update"), 1); /* the bias */
        assert_int_equal(steps_of(&apart, "update"), 1);
        assert_int_equal(umb__plan_verify(beside.plan), UMB_OK);
        run(&beside);
        run(&apart);
        compare(&beside, &apart, &optimizers[i], 2e-6f);
        close_net(&beside);
        close_net(&apart);
    }
}

/* The update waits for the other reader of the weights. */
static void any_number_of_queues(void **state)
{
    const struct layer *l = *state;
    struct net one, four;
    if (!open_net(&one, l, &optimizers[0], true, 1)) { skip(); }
    assert_true(open_net(&four, l, &optimizers[0], true, 4));
    run(&one);
    run(&four);
    compare(&one, &four, &optimizers[0], 0);
    close_net(&one);
    close_net(&four);
}

/* A solver that knows no updates makes the gradient, and the optimizer's own step follows. */
static void by_a_solver_that_cannot(void **state)
{
    (void)state;
    const struct layer naive = {"conv", "filters=33 size=3", "naive", {4, {3, 6, 5, 17}}};
    struct net beside, apart;
    assert_true(open_net(&beside, &naive, &optimizers[0], true, 1));
    assert_true(open_net(&apart, &naive, &optimizers[0], false, 1));
    assert_int_equal(steps_of(&beside, "layer.weight.update"), 1);
    run(&beside);
    run(&apart);
    compare(&beside, &apart, &optimizers[0], 0);
    close_net(&beside);
    close_net(&apart);
}

/* Parameters that are too few, a gradient that the host reads, one that others read. */
static void what_stays(void **state)
{
    (void)state;
    const struct layer small = {"dense", "units=9", "packed", {2, {9, 20}}};
    struct net n;
    if (!open_net(&n, &small, &optimizers[0], true, 1)) { skip(); }
    assert_int_equal(umb__graph_find_value(n.g, "first(layer.weight.update)"), -1);
    close_net(&n);
    const struct layer large = layers[N_LAYERS - 2];
    for (int read = 0; read < 2; read++) {
        int gradient[MAX_VALUES], gradients;
        begin(&n, &large, gradient);
        const int d = gradient[n.weight];
        if (read) {
            const struct umb_graph_node_desc reader = {
                .op = umb__op_find("relu"), .name = "reader", .n_in = 1, .in = &d};
            int out[UMB_OP_MAX_OUT];
            must(umb__graph_node(n.g, &reader, out));
        } else {
            n.g->value[d].output = true;
        }
        must(umb__graph_pack(n.g, gradient, MAX_VALUES, &n.params, &gradients));
        build_optimizer(&n, &optimizers[0], gradients);
        const int nodes = n.g->n_nodes;
        must(umb__graph_fuse_update(n.g, NULL, 1 + 70)); /* the bias is too small */
        assert_int_equal(n.g->n_nodes, nodes);
        umb__graph_destroy(n.g);
    }
}

int main(void)
{
    struct CMUnitTest tests[2 * N_LAYERS + 2];
    char names[2 * N_LAYERS][96];
    int n = 0;
    for (int i = 0; i < N_LAYERS; i++) {
        for (int queues = 0; queues < 2; queues++, n++) {
            snprintf(names[n], sizeof names[n], "%s %s by %s%s", layers[i].op, layers[i].attrs,
                     layers[i].solver, queues ? ", queues" : "");
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = queues ? any_number_of_queues
                                                               : as_an_optimizer_of_its_own,
                                           .initial_state = (void *)(uintptr_t)&layers[i]};
        }
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(by_a_solver_that_cannot);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_stays);
    return _cmocka_run_group_tests("updates beside the gradient", tests, (size_t)n, open_world,
                                   close_world);
}

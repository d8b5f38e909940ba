/*
 * Saving and loading: a training that stops and goes on elsewhere has the bits of one that never
 * stopped; and files that do not fit are refused without a trace.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clblast.h"
#include "nets.h"
#include "rig.h"
#include "session.h"
#include "system.h"

struct world {
    struct umb_context *ctx;
    struct umb_device *device;
    char folder[64], path[96]; /* path: the file at work */
    int warnings;
};
static struct world world;

static void count_warnings(void *user, enum umb_log_level level, const char *line)
{
    (void)line;
    ((struct world *)user)->warnings += level == UMB_LOG_WARN;
}

static int open_world(void **state)
{
    (void)state;
    struct umb_context_desc desc = {
        .log = count_warnings, .log_user = &world, .log_level = UMB_LOG_WARN};
    assert_int_equal(umb_context_create(&desc, &world.ctx), UMB_OK);
    world.device = rig_device(world.ctx);
    snprintf(world.folder, sizeof world.folder, "/tmp/umbel-resume-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.path, sizeof world.path, "%s/x.safetensors", world.folder);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    unlink(world.path);
    rmdir(world.folder);
    umb_device_close(world.device);
    umb_context_destroy(world.ctx);
    return 0;
}

static void must(enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(world.ctx)); }
}

/* ---- going on ---- */

struct resume_case {
    struct umb_net *(*build)(struct umb_context *ctx);
    const char *optimizer, *attrs;
    double clip_norm;
    int queues;
};

static void a_resumed_run_has_the_same_bits(void **state)
{
    const struct resume_case *c = *state;
    struct umb_net *net = c->build(world.ctx);
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = 4,
                                .optimizer = c->optimizer,
                                .attrs = c->attrs,
                                .clip_norm = c->clip_norm,
                                .seed = UINT64_MAX - 3};
    struct session straight = session_open(world.ctx, &desc);
    struct session first = session_open(world.ctx, &desc);
    session_train(&straight, 0, 9);
    session_train(&first, 0, 4);
    must(umb_trainer_save(first.tr, world.path));
    session_train(&first, 4, 1); /* saving leaves it whole */
    session_close(&first);
    desc.seed = 1;
    desc.queues = c->queues;
    struct session second = session_open(world.ctx, &desc);
    session_train(&second, 20, 2); /* whatever it did before */
    must(umb_trainer_load(second.tr, world.path));
    assert_int_equal(umb_trainer_n_steps(second.tr), 4);
    session_train(&second, 4, 5);
    assert_same_bits(&straight, &second, "straight on, and resumed");
    struct umb_task_result x[UMB_MAX_TASKS], y[UMB_MAX_TASKS];
    must(umb_trainer_results(straight.tr, x));
    must(umb_trainer_results(second.tr, y));
    for (int t = 0; t < umb_net_n_tasks(net); t++) {
        assert_memory_equal(&straight.losses[t], &second.losses[t], sizeof(double));
        assert_memory_equal(&x[t].loss, &y[t].loss, sizeof(double));
        assert_memory_equal(&x[t].metric[0].value, &y[t].metric[0].value, sizeof(double));
    }
    session_fill(&straight, 30);
    session_fill(&second, 30);
    must(umb_trainer_evaluate(straight.tr, straight.batch, straight.labels));
    must(umb_trainer_evaluate(second.tr, second.batch, second.labels));
    must(umb_trainer_results(straight.tr, x));
    must(umb_trainer_results(second.tr, y));
    assert_memory_equal(&x[0].loss, &y[0].loss, sizeof(double)); /* running statistics */
    session_close(&straight);
    session_close(&second);
    umb_net_destroy(net);
}

/* Opened with UMBEL_FUSE set. */
static struct session fusing_session(const struct umb_net *net, const char *fuse)
{
    const struct session_desc desc = {.device = world.device, .net = net, .batch = 4, .seed = 5};
    assert_int_equal(setenv("UMBEL_FUSE", fuse, 1), 0);
    struct session s = session_open(world.ctx, &desc);
    assert_int_equal(unsetenv("UMBEL_FUSE"), 0);
    return s;
}

/* A plan made either way, and resumed where the other is asked for, is the plan that it was; so is
 * an evaluation's. */
static void a_resumed_run_fuses_as_it_did(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mnist_fashion(world.ctx);
    const char *const fuse[] = {"0", "1"};
    for (int k = 0; k < 2; k++) {
        struct session a = fusing_session(net, fuse[k]), b = fusing_session(net, fuse[1 - k]);
        session_train(&a, 0, 2);
        session_train(&b, 0, 1);
        session_fill(&b, 9);
        must(umb_trainer_evaluate(b.tr, b.batch, b.labels));
        must(umb_trainer_save(a.tr, world.path));
        must(umb_trainer_load(b.tr, world.path));
        assert_int_equal(a.tr->side[UMB_TRAINER_TRAIN].graph->n_nodes,
                         b.tr->side[UMB_TRAINER_TRAIN].graph->n_nodes);
        session_train(&a, 2, 2);
        session_train(&b, 2, 2);
        assert_same_bits(&a, &b, k ? "fused" : "not fused");
        struct umb_task_result x[UMB_MAX_TASKS], y[UMB_MAX_TASKS];
        session_fill(&a, 9);
        session_fill(&b, 9);
        must(umb_trainer_evaluate(a.tr, a.batch, a.labels));
        must(umb_trainer_evaluate(b.tr, b.batch, b.labels));
        must(umb_trainer_results(a.tr, x));
        must(umb_trainer_results(b.tr, y));
        assert_memory_equal(&x[0].loss, &y[0].loss, sizeof(double));
        session_close(&a);
        session_close(&b);
    }
    umb_net_destroy(net);
}

/* ---- what a file holds ---- */

static struct session saved_session(const struct umb_net *net, const char *optimizer, int64_t batch)
{
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = batch, .optimizer = optimizer, .seed = 5};
    struct session s = session_open(world.ctx, &desc);
    session_train(&s, 0, 2);
    return s;
}

static struct umb_safetensors *read_back(void)
{
    struct umb_safetensors *file;
    must(umb__safetensors_read(world.ctx, world.path, &file));
    return file;
}

static void assert_entry(const struct umb_safetensors *file, const char *name, const char *shape)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    if (!e) { fail_msg("no tensor %s", name); }
    char text[UMB_SHAPE_TEXT];
    assert_string_equal(umb__shape_text(&e->shape, text, sizeof text), shape);
    assert_string_equal(e->dtype, "F32");
}

static void files_have_the_shapes_of_other_tools(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session s = saved_session(net, "adam", 4);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *file = read_back();
    assert_entry(file, "conv1.weight", "[6,3,3,3]");
    assert_entry(file, "conv1.bias", "[6]");
    assert_entry(file, "conv2.weight", "[9,6,3,3]");
    assert_null(umb__safetensors_find(file, "conv2.bias"));
    assert_entry(file, "batch_norm1.running_var", "[9]");
    assert_null(umb__safetensors_find(file, "optimizer.first.batch_norm1.running_var"));
    assert_entry(file, "dense2.weight", "[2,144]");
    assert_entry(file, "optimizer.first.dense2.weight", "[2,144]");
    assert_entry(file, "optimizer.second.dense2.weight", "[2,144]");
    assert_string_equal(umb__safetensors_text(file, "umbel.step"), "2");
    assert_string_equal(umb__safetensors_text(file, "umbel.optimizer"), "adam");
    assert_non_null(strstr(umb__safetensors_text(file, "umbel.solvers"), "conv1="));
    umb__safetensors_destroy(file);
    session_close(&s);
    umb_net_destroy(net);
}

/* Dense behind a flatten: file column (c,h,w), device row (h,w,c). */
static void dense_weights_are_kept_in_channel_order(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session s = saved_session(net, "sgd", 4);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *file = read_back();
    const float *w = umb__safetensors_find(file, "dense2.weight")->data;
    const struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
    size_t n, at = g->value[umb__graph_find_value(g, "dense2.weight")].base_offset / sizeof(float);
    float *p = session_buffer(&s, "parameters", &n);
    for (size_t k = 0; k < 2; k++) {
        for (size_t c = 0; c < 9; c++) {
            for (size_t hw = 0; hw < 16; hw++) {
                assert_memory_equal(&w[k * 144 + c * 16 + hw], &p[at + (hw * 9 + c) * 2 + k], 4);
            }
        }
    }
    umb__free(p);
    umb__safetensors_destroy(file);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- files that do not fit ---- */

/* What to do to a good file. */
struct damage {
    const char *leave_out, *reshape, *retype, *text, *value;
    const char *clblast; /* CLBlast's parameters */
};

static void write_damaged(const struct umb_safetensors *good, const struct damage *d)
{
    static const char *const keys[] = {"umbel.step",      "umbel.seed",    "umbel.batch",
                                       "umbel.optimizer", "umbel.solvers", "umbel.fuse",
                                       "umbel.clblast"};
    struct umb_safetensors *bad;
    must(umb__safetensors_create(world.ctx, &bad));
    for (size_t i = 0; i < umb__safetensors_count(good); i++) {
        const struct umb_safetensors_entry *e = umb__safetensors_at(good, i);
        if (d->leave_out && strcmp(e->name, d->leave_out) == 0) { continue; }
        struct umb_shape shape = e->shape;
        const char *dtype = e->dtype;
        if (d->reshape && strcmp(e->name, d->reshape) == 0) {
            shape = (struct umb_shape){.rank = 1, .dim = {umb__shape_count(&e->shape)}};
        }
        if (d->retype && strcmp(e->name, d->retype) == 0) { dtype = "I32"; }
        must(umb__safetensors_add(bad, e->name, dtype, &shape, e->data));
    }
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *text = umb__safetensors_text(good, keys[k]);
        if (d->text && strcmp(d->text, keys[k]) == 0) { text = d->value; }
        if (d->clblast && strcmp(keys[k], "umbel.clblast") == 0) { text = d->clblast; }
        if (text) { must(umb__safetensors_add_text(bad, keys[k], text)); }
    }
    must(umb__safetensors_write(bad, world.path));
    umb__safetensors_destroy(bad);
}

/* Loading must fail with these words, and training go on as if nothing had been. */
static void assert_refused(const struct umb_net *net, enum umb_status expected, const char *words)
{
    struct session a = saved_session(net, "adam", 4), b = saved_session(net, "adam", 4);
    enum umb_status st = umb_trainer_load(b.tr, world.path);
    const char *said = umb_context_error(world.ctx);
    if (st != expected || !strstr(said, words)) {
        fail_msg("%s: '%s', expected %s: '%s'", umb_status_name(st), said,
                 umb_status_name(expected), words);
    }
    assert_int_equal(umb_trainer_n_steps(b.tr), 2);
    session_train(&a, 2, 2);
    session_train(&b, 2, 2);
    assert_same_bits(&a, &b, "before and after a refusal");
    struct umb_task_result x[2], y[2];
    must(umb_trainer_results(a.tr, x));
    must(umb_trainer_results(b.tr, y));
    assert_memory_equal(&x[0].loss, &y[0].loss, sizeof(double));
    session_close(&a);
    session_close(&b);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct damage damage;
        enum umb_status status;
        const char *words;
    } rows[] = {
        {{.leave_out = "conv1.weight"}, UMB_ERR_INVALID, "no tensor conv1.weight"},
        {{.leave_out = "optimizer.second.dense2.bias"},
         UMB_ERR_INVALID,
         "no tensor optimizer.second.dense2.bias"},
        {{.leave_out = "results.second"}, UMB_ERR_INVALID, "results.second"},
        {{.reshape = "conv1.weight"}, UMB_ERR_INVALID, "conv1.weight is F32 [90]; expected F32"},
        {{.retype = "dense1.bias"}, UMB_ERR_INVALID, "dense1.bias is I32"},
        {{.text = "umbel.batch", .value = "8"}, UMB_ERR_INVALID, "with batch 8, not 4"},
        {{.text = "umbel.optimizer", .value = "sgd"}, UMB_ERR_INVALID, "optimizer sgd, not adam"},
        {{.text = "umbel.optimizer"}, UMB_ERR_INVALID, "optimizer (none)"},
        {{.text = "umbel.step", .value = "-1"}, UMB_ERR_FORMAT, "umbel.step is -1"},
        {{.text = "umbel.step", .value = "many"}, UMB_ERR_FORMAT, "umbel.step is 'many'"},
        {{.text = "umbel.seed"}, UMB_ERR_FORMAT, "umbel.seed is 'missing'"},
        {{.text = "umbel.fuse", .value = "2"}, UMB_ERR_FORMAT, "umbel.fuse is '2'"}};
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4);
    session_train(&s, 7, 3);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *good = read_back();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_damaged(good, &rows[i].damage);
        assert_refused(net, rows[i].status, rows[i].words);
    }
    umb__safetensors_destroy(good);
    session_close(&s);
    umb_net_destroy(net);
}

static void truncated_and_foreign_files_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4);
    must(umb_trainer_save(s.tr, world.path));
    char *data;
    size_t size;
    must(umb__file_read(world.ctx, world.path, 1 << 24, &data, &size));
    const size_t cuts[] = {0, 7, 100, size / 2, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        must(umb__file_write(world.ctx, world.path, data, cuts[i]));
        assert_refused(net, UMB_ERR_FORMAT, world.path);
    }
    memset(data, 'x', size);
    must(umb__file_write(world.ctx, world.path, data, size));
    assert_refused(net, UMB_ERR_FORMAT, world.path);
    unlink(world.path);
    assert_refused(net, UMB_ERR_IO, world.path);
    umb__free(data);
    session_close(&s);
    umb_net_destroy(net);
}

static void another_net_is_refused(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx), *other = test_net_mixed(world.ctx);
    struct session s = saved_session(other, "adam", 4);
    must(umb_trainer_save(s.tr, world.path));
    assert_refused(net, UMB_ERR_INVALID, "conv1.weight");
    session_close(&s);
    umb_net_destroy(net);
    umb_net_destroy(other);
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4);
    assert_int_equal(umb_trainer_save(s.tr, "/nonexistent/x.safetensors"), UMB_ERR_IO);
    assert_non_null(strstr(umb_context_error(world.ctx), "/nonexistent/"));
    session_train(&s, 2, 1);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- solvers ---- */

/* A copy of the text with KEY's value replaced. */
static char *with_solver(const char *text, const char *key, const char *solver)
{
    const char *at = strstr(text, key), *end = strchr(at, '\n');
    size_t head = (size_t)(at - text) + strlen(key), n = strlen(text) + strlen(solver) + 1;
    char *copy = umb__calloc(world.ctx, n, 1);
    assert_non_null(copy);
    snprintf(copy, n, "%.*s%s%s", (int)head, text, solver, end);
    return copy;
}

static const char *solver_of(const struct session *s, const char *node)
{
    const struct umb_trainer_side *side = &s->tr->side[UMB_TRAINER_TRAIN];
    for (int i = 0; i < side->graph->n_nodes; i++) {
        if (strcmp(side->graph->node[i].name, node) == 0) {
            return umb__plan_solver(side->plan, i);
        }
    }
    return "";
}

static void a_run_keeps_its_solvers(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4), other = saved_session(net, "adam", 4);
    /* Where the naive one was chosen there is nothing to see, but loading must work too. */
    print_message("# conv1 is computed by %s\n", solver_of(&s, "conv1"));
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *good = read_back();
    char *solvers = with_solver(umb__safetensors_text(good, "umbel.solvers"), "conv1=", "naive");
    write_damaged(good, &(struct damage){.text = "umbel.solvers", .value = solvers});
    must(umb_trainer_load(other.tr, world.path));
    assert_string_equal(solver_of(&other, "conv1"), "naive");
    session_train(&other, 2, 2);
    session_train(&s, 2, 2);
    for (int t = 0; t < 2; t++) {
        assert_true(fabs(s.losses[t] - other.losses[t]) <= 1e-4 * s.losses[t]);
    }
    umb__free(solvers);
    umb__safetensors_destroy(good);
    session_close(&s);
    session_close(&other);
    umb_net_destroy(net);
}

static void solvers_that_are_not_here_are_a_warning(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4), other = saved_session(net, "adam", 4);
    session_train(&s, 2, 1);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *good = read_back();
    char *solvers = with_solver(umb__safetensors_text(good, "umbel.solvers"), "conv1=", "abacus");
    write_damaged(good, &(struct damage){.text = "umbel.solvers", .value = solvers});
    int before = world.warnings;
    must(umb_trainer_load(other.tr, world.path));
    assert_int_equal(world.warnings, before + 1);
    assert_string_equal(solver_of(&other, "conv1"), solver_of(&s, "conv1"));
    session_train(&s, 3, 2);
    session_train(&other, 3, 2);
    assert_same_bits(&s, &other, "the same solvers after all");
    umb__free(solvers);
    umb__safetensors_destroy(good);
    session_close(&s);
    session_close(&other);
    umb_net_destroy(net);
}

/* Loads the run with dense1 by CLBlast, and these parameters; the warnings. */
static int load_by_clblast(const struct session *s, const struct umb_safetensors *good,
                           const char *solver, const char *set)
{
    char *solvers = with_solver(umb__safetensors_text(good, "umbel.solvers"), "dense1=", solver);
    const int before = world.warnings;
    write_damaged(good,
                  &(struct damage){.text = "umbel.solvers", .value = solvers, .clblast = set});
    must(umb_trainer_load(s->tr, world.path));
    umb__free(solvers);
    return world.warnings - before;
}

/* As far as the process is free to: until its first product by CLBlast. */
static void clblast_parameters_come_with_a_run(void **state)
{
    (void)state;
    if (!umb__clblast_sets[0]) { skip(); }
    const struct umb_device *device = world.device;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = saved_session(net, "adam", 4);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *good = read_back();
    assert_string_equal(umb__safetensors_text(good, "umbel.clblast"), UMB_CLBLAST_OWN);
    assert_int_equal(load_by_clblast(&s, good, "naive", "of tomorrow"), 0);
    assert_int_equal(load_by_clblast(&s, good, "clblast", "of tomorrow"), 1);
    assert_string_equal(umb__clblast_used(device), UMB_CLBLAST_OWN);
    assert_int_equal(load_by_clblast(&s, good, "clblast", umb__clblast_sets[0]), 0);
    assert_int_equal(load_by_clblast(&s, good, "clblast", umb__clblast_sets[4]), 0);
    assert_string_equal(umb__clblast_used(device), umb__clblast_sets[4]);
    assert_string_equal(solver_of(&s, "dense1"), "clblast");
    session_train(&s, 2, 2);
    assert_int_equal(load_by_clblast(&s, good, "clblast", umb__clblast_sets[0]), 1);
    assert_string_equal(umb__clblast_used(device), umb__clblast_sets[4]);
    must(umb_trainer_save(s.tr, world.path));
    struct umb_safetensors *again = read_back();
    assert_string_equal(umb__safetensors_text(again, "umbel.clblast"), umb__clblast_sets[4]);
    umb__safetensors_destroy(again);
    umb__safetensors_destroy(good);
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    static struct resume_case cases[] = {
        {test_net_mixed, "adam", NULL, 0, 1},
        {test_net_mixed, "sgd", "momentum=0.9 nesterov=true", 0.5, 4},
        {test_net_two_streams, "adamw", "weight_decay=0.1", 0, 2},
        {test_net_two_streams, "sgd", NULL, 0, 1}};
    const struct CMUnitTest tests[] = {
        {"adam", a_resumed_run_has_the_same_bits, NULL, NULL, &cases[0]},
        {"sgd with momentum and clipping, then on four queues", a_resumed_run_has_the_same_bits,
         NULL, NULL, &cases[1]},
        {"adamw, two streams, then on two queues", a_resumed_run_has_the_same_bits, NULL, NULL,
         &cases[2]},
        {"sgd without a state", a_resumed_run_has_the_same_bits, NULL, NULL, &cases[3]},
        cmocka_unit_test(a_resumed_run_fuses_as_it_did),
        cmocka_unit_test(files_have_the_shapes_of_other_tools),
        cmocka_unit_test(dense_weights_are_kept_in_channel_order),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(truncated_and_foreign_files_are_refused),
        cmocka_unit_test(another_net_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_run_keeps_its_solvers),
        cmocka_unit_test(solvers_that_are_not_here_are_a_warning),
        cmocka_unit_test(clblast_parameters_come_with_a_run)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

/*
 * test_images.c: a stream with two images: what layers compute and learn that share parameters,
 * against a net of one image that sees first the one, then the other.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "session.h"
#include "world.h"

/* One or two images into a convolution and a dense layer, a task an image. */
static struct umb_net *make_net(struct umb_context *ctx, int n_images)
{
    static const char *const names[2][4] = {{"x", "c", "d", "first"}, {"y", "e", "f", "second"}};
    struct umb_net *net = NULL;
    assert_int_equal(umb_net_create(ctx, &net), UMB_OK);
    for (int i = 0; i < n_images; i++) {
        const struct umb_stream_desc image = {.name = names[i][0], 7, 7, 2};
        int v = -1;
        assert_int_equal(i ? umb_net_image(net, 0, &image, &v) : umb_net_stream(net, &image, &v),
                         UMB_OK);
        const struct umb_layer_desc layers[3] = {
            {"conv", "filters=3 size=3 activation=relu", names[i][1], i ? "c" : NULL, &v, 1, 0,
             NULL},
            {"flatten", NULL, NULL, NULL, &v, 1, 0, NULL},
            {"dense", "units=4", names[i][2], i ? "d" : NULL, &v, 1, 0, NULL}};
        for (int k = 0; k < 3; k++) {
            assert_int_equal(umb_net_layer(net, &layers[k], &v), UMB_OK);
        }
        const struct umb_task_desc task = {
            .name = names[i][3], .output = v, .loss = "cross_entropy", .weight = 1};
        assert_int_equal(umb_net_task(net, &task), UMB_OK);
    }
    assert_int_equal(umb_net_n_streams(net), 1);
    assert_int_equal(umb_net_n_images(net), n_images);
    return net;
}

static struct session open_net(const struct umb_net *net)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 6,
                                      .optimizer = "sgd",
                                      .attrs = "momentum=0.9",
                                      .seed = 3};
    struct session s = session_open(world.ctx, &desc);
    session_fill(&s, 0);
    return s;
}

/* The session's image and labels 0 become those that `from` has for image i. */
static void take(struct session *s, const struct session *from, int i)
{
    memcpy(s->images_of[0], from->images_of[i], 6 * 7 * 7 * 2);
    memcpy(s->labels_of[0], from->labels_of[i], 6 * sizeof(int32_t));
}

static void a_tied_branch_answers_as_the_other(void **state)
{
    (void)state;
    struct umb_net *two = make_net(world.ctx, 2), *one = make_net(world.ctx, 1);
    struct session a = open_net(two), b = open_net(one);
    float answer[2][6][4], alone[6][4];
    float *const outputs[2] = {answer[0][0], answer[1][0]}, *const output[1] = {alone[0]};
    assert_int_equal(umb_trainer_predict(a.tr, a.batch, outputs), UMB_OK);
    for (int i = 0; i < 2; i++) {
        take(&b, &a, i);
        assert_int_equal(umb_trainer_predict(b.tr, b.batch, output), UMB_OK);
        assert_memory_equal(answer[i], alone, sizeof alone);
    }
    assert_memory_not_equal(answer[0], answer[1], sizeof alone);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(two);
    umb_net_destroy(one);
}

/* The gradient at image i's loss, which is sgd's buffer after the first step. */
static float *gradient(const struct umb_net *net, const struct session *from, int i, size_t *ret_n)
{
    struct session s = open_net(net);
    if (from) { take(&s, from, i); }
    session_step(&s, 0);
    float *g = session_buffer(&s, "optimizer.first", ret_n);
    session_close(&s);
    return g;
}

static void a_shared_layer_gets_the_sum_of_both_gradients(void **state)
{
    (void)state;
    struct umb_net *two = make_net(world.ctx, 2), *one = make_net(world.ctx, 1);
    struct session source = open_net(two);
    size_t n, n_alone;
    float *both = gradient(two, NULL, 0, &n), *part[2];
    for (int i = 0; i < 2; i++) {
        part[i] = gradient(one, &source, i, &n_alone);
        assert_int_equal(n_alone, n);
    }
    double size = 0;
    for (size_t k = 0; k < n; k++) {
        const double sum = (double)part[0][k] + (double)part[1][k];
        size = fmax(size, fabs(sum));
        if (!(fabs((double)both[k] - sum) <= 1e-5)) {
            fail_msg("number %zu: %g, expected %g + %g", k, (double)both[k], (double)part[0][k],
                     (double)part[1][k]);
        }
    }
    assert_true(size > 1e-2);
    umb__free(both);
    umb__free(part[0]);
    umb__free(part[1]);
    session_close(&source);
    umb_net_destroy(two);
    umb_net_destroy(one);
}

static void batches_of_a_stream_are_of_one_size(void **state)
{
    (void)state;
    struct umb_net *net = make_net(world.ctx, 2);
    struct session s = open_net(net);
    s.batch[1].n = 4;
    assert_int_equal(umb_trainer_step(s.tr, s.batch, s.labels, 0, NULL), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "image y: a batch of 4"));
    assert_non_null(strstr(umb_context_error(world.ctx), "expected 6"));
    const struct umb_stream_desc image = {.name = "z", 7, 7, 2};
    int v;
    assert_int_equal(umb_net_image(net, 1, &image, &v), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "there is no stream 1"));
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tied_branch_answers_as_the_other),
        cmocka_unit_test(a_shared_layer_gets_the_sum_of_both_gradients),
        cmocka_unit_test(batches_of_a_stream_are_of_one_size)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

/*
 * test_threads.c: what several threads may do at once: train in contexts of their own, fill a slot
 * while another is submitted, fail and log in one context. Each is compared with what one thread
 * alone does; ./check runs it under ThreadSanitizer too, which sees what went well by luck.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fail.h"
#include "nets.h"
#include "rig.h"
#include "session.h"
#include "world.h"

#define STEPS 12
#define N_THREADS 3

static struct session open_session(struct umb_context *ctx, struct umb_device *device,
                                   const struct umb_net *net)
{
    const struct session_desc desc = {
        .device = device, .net = net, .batch = 4, .queues = 2, .seed = 9};
    return session_open(ctx, &desc);
}

/* ---- trainers side by side ---- */

/* A training from the first look at the drivers to the parameters, all its own. */
struct training {
    pthread_t thread;
    float *parameters;
    size_t n;
};

static void *train_alone(void *user)
{
    struct training *t = user;
    struct umb_context *ctx;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_device *device = rig_device(ctx);
    struct umb_net *net = test_net_mixed(ctx);
    struct session s = open_session(ctx, device, net);
    session_train(&s, 0, STEPS);
    t->parameters = session_buffer(&s, "parameters", &t->n);
    session_close(&s);
    umb_net_destroy(net);
    umb_device_close(device);
    umb_context_destroy(ctx);
    return NULL;
}

static void trainings_side_by_side(void **state)
{
    (void)state;
    struct training alone, beside[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_create(&beside[i].thread, NULL, train_alone, &beside[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(beside[i].thread, NULL);
    }
    train_alone(&alone);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(beside[i].n, alone.n);
        assert_memory_equal(beside[i].parameters, alone.parameters, alone.n * sizeof(float));
        umb__free(beside[i].parameters);
    }
    umb__free(alone.parameters);
}

/* ---- slots ---- */

/* The filling thread hands slots to the submitting one, which hands them back after a wait. */
struct handover {
    struct session *s;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int filled, free; /* steps whose slot is filled, and whose slot is free again */
};

static void wait_until(struct handover *h, const int *counter, int at_least)
{
    pthread_mutex_lock(&h->lock);
    while (*counter < at_least) {
        pthread_cond_wait(&h->changed, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
}

static void count_up(struct handover *h, int *counter)
{
    pthread_mutex_lock(&h->lock);
    ++*counter;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void *fill_slots(void *user)
{
    struct handover *h = user;
    for (int step = 0; step < STEPS; step++) {
        wait_until(h, &h->free, step - UMB_TRAINER_SLOTS + 1);
        session_fill(h->s, step);
        session_fill_slot(h->s, step % UMB_TRAINER_SLOTS);
        count_up(h, &h->filled);
    }
    return NULL;
}

static void collect(struct handover *h, int step)
{
    must(umb__trainer_wait(h->s->tr, UMB_TRAINER_TRAIN, step % UMB_TRAINER_SLOTS, h->s->losses));
    count_up(h, &h->free);
}

static void one_thread_fills_while_another_submits(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session alone = open_session(world.ctx, world.device, net),
                   s = open_session(world.ctx, world.device, net);
    struct handover h = {
        .s = &s, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t filler;
    session_train(&alone, 0, STEPS);
    assert_int_equal(pthread_create(&filler, NULL, fill_slots, &h), 0);
    for (int step = 0; step < STEPS; step++) {
        wait_until(&h, &h.filled, step + 1);
        must(umb__trainer_submit(s.tr, UMB_TRAINER_TRAIN, step % UMB_TRAINER_SLOTS, 0.01));
        if (step > 0) { collect(&h, step - 1); }
    }
    collect(&h, STEPS - 1);
    pthread_join(filler, NULL);
    assert_same_bits(&alone, &s, "one thread, and one that fills");
    session_close(&alone);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- one context ---- */

struct shared {
    struct umb_context *ctx;
    int lines; /* changed by the receiver alone, which is called once at a time */
};
struct failing {
    struct shared *shared;
    pthread_t thread;
    int number, torn;
};

static void count_line(void *user, enum umb_log_level level, const char *line)
{
    (void)level;
    (void)line;
    ((struct shared *)user)->lines++;
}

/* Whatever thread it is of, a message is whole: one digit, a hundred times. */
static bool is_whole(const char *message)
{
    return strlen(message) == 100 && strspn(message, (const char[]){message[0], 0}) == 100;
}

static void *fail_often(void *user)
{
    struct failing *f = user;
    char own[101] = "", seen[128];
    memset(own, '0' + f->number, 100);
    for (int i = 0; i < 500; i++) {
        if (umb__fail(f->shared->ctx, UMB_ERR_INVALID, "%s", own) != UMB_ERR_INVALID) { f->torn++; }
        umb__log(f->shared->ctx, UMB_LOG_WARN, "%s", own);
        umb__fail_message(f->shared->ctx, seen, sizeof seen);
        f->torn += !is_whole(seen);
    }
    return NULL;
}

static void messages_of_several_threads_are_whole(void **state)
{
    (void)state;
    struct shared shared = {0};
    const struct umb_context_desc desc = {
        .log = count_line, .log_user = &shared, .log_level = UMB_LOG_WARN};
    struct failing f[N_THREADS];
    must(umb_context_create(&desc, &shared.ctx));
    for (int i = 0; i < N_THREADS; i++) {
        f[i] = (struct failing){.shared = &shared, .number = i};
        assert_int_equal(pthread_create(&f[i].thread, NULL, fail_often, &f[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(f[i].thread, NULL);
    }
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(f[i].torn, 0);
    }
    assert_int_equal(shared.lines, 500 * N_THREADS);
    umb_context_destroy(shared.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trainings_side_by_side),
                                       cmocka_unit_test(one_thread_fills_while_another_submits),
                                       cmocka_unit_test(messages_of_several_threads_are_whole)};
    return cmocka_run_group_tests_name("threads", tests, open_world, close_world);
}

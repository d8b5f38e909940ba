/*
 * What balancers keep in checkpoints: files that hold another's, or damaged numbers, are refused
 * and change nothing; who begins with a file's parameters passes it over.
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

#include "balance_nets.h"
#include "session.h"
#include "trainer_balance.h"
#include "world.h"

static struct session trained(const struct umb_net *net, const char *balancer)
{
    const struct umb_balancing b = {.name = balancer};
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = BALANCE_BATCH, .seed = 5, .balancing = &b};
    struct session s = session_open(world.ctx, &desc);
    session_train(&s, 0, 2);
    return s;
}

static void *data_of(struct umb_safetensors *file, const char *name)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    assert_non_null(e);
    return (void *)(uintptr_t)e->data;
}

static void refused(struct session *s, const struct umb_safetensors *file, const char *words)
{
    assert_int_equal(umb__trainer_restore(s->tr, file, "FILE"), UMB_ERR_INVALID);
    const char *said = umb_context_error(world.ctx);
    if (!strstr(said, words)) { fail_msg("'%s'; expected '%s'", said, words); }
    assert_int_equal(umb_trainer_n_steps(s->tr), 2);
}

static void anothers_is_refused(void **state)
{
    (void)state;
    struct balance_net n = balance_net(world.ctx, 0);
    struct session dwa = trained(n.net, "dwa"), moco = trained(n.net, "moco");
    struct umb_safetensors *file = session_collect(&dwa);
    refused(&moco, file, "FILE: its balancer is dwa; expected moco");
    umb__safetensors_destroy(file);
    session_close(&dwa);
    session_close(&moco);
    umb_net_destroy(n.net);
}

static void damaged_numbers_are_refused(void **state)
{
    (void)state;
    const double wild[] = {NAN, INFINITY};
    struct balance_net n = balance_net(world.ctx, 0);
    struct session s = trained(n.net, "moco");
    for (int i = 0; i < 2; i++) {
        struct umb_safetensors *file = session_collect(&s);
        memcpy((double *)data_of(file, "balancer.state") + i, &wild[i], sizeof *wild);
        refused(&s, file,
                i ? "FILE: balancer.state has inf at number 1"
                  : "FILE: balancer.state has nan at number 0");
        umb__safetensors_destroy(file);
    }
    session_train(&s, 2, 1);
    session_close(&s);
    umb_net_destroy(n.net);
}

static void damaged_pairs_are_refused(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    const int64_t below = -3;
    struct balance_net n = balance_net(world.ctx, 0);
    struct session s = trained(n.net, "mgda");
    for (int i = 0; i < 2; i++) {
        struct umb_safetensors *file = session_collect(&s);
        int64_t *words = data_of(file, "balancer.pairs");
        if (i) {
            words[UMB_PAIR_WORDS + 4] = below;
        } else {
            memcpy(words, &nan, sizeof nan);
        }
        refused(&s, file,
                i ? "FILE: balancer.pairs has -3 at number 11; expected a count"
                  : "FILE: balancer.pairs has nan at number 0; expected finite numbers");
        assert_int_equal(s.tr->balance->watch.pair[1].looks, 2);
        umb__safetensors_destroy(file);
    }
    session_close(&s);
    umb_net_destroy(n.net);
}

#define NEW_PATH "/tmp/umbel-balancing-XXXXXX"

/* An empty file, whose name the path becomes. */
static void make_file(char *path)
{
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
}

/* Makes the file one that was written before there were pairs. */
static void rename_pairs(const char *path)
{
    static char bytes[1 << 20];
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(size > 32 && size < sizeof bytes);
    size_t at = 8;
    while (at + 16 < size && memcmp(bytes + at, "\"balancer.pairs\"", 16) != 0) {
        at++;
    }
    assert_true(at + 16 < size);
    memcpy(bytes + at, "\"balancer.peers\"", 16);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void without_pairs_the_watch_begins_anew(void **state)
{
    (void)state;
    char path[] = NEW_PATH;
    make_file(path);
    struct balance_net n = balance_net(world.ctx, 0);
    struct session s = trained(n.net, "mgda");
    must(umb_trainer_save(s.tr, path));
    session_train(&s, 2, 1);
    assert_int_equal(s.tr->balance->watch.pair[0].looks, 3);
    must(umb_trainer_load(s.tr, path));
    assert_int_equal(s.tr->balance->watch.pair[0].looks, 2);
    rename_pairs(path);
    must(umb_trainer_load(s.tr, path));
    assert_int_equal(umb_trainer_n_steps(s.tr), 2);
    for (int i = 0; i < 3; i++) {
        const struct umb_pair_state *p = &s.tr->balance->watch.pair[i];
        assert_true(p->looks == 0 && p->n == 0 && p->left >= 1 && !p->told);
    }
    session_train(&s, 2, 1);
    session_close(&s);
    umb_net_destroy(n.net);
    unlink(path);
}

/* The rows that moco keeps are float32 tensors, and nobody's parameters. */
static void beginning_with_a_file_passes_it_over(void **state)
{
    (void)state;
    char path[] = NEW_PATH;
    make_file(path);
    struct balance_net n = balance_net(world.ctx, 0);
    struct session moco = trained(n.net, "moco");
    must(umb_trainer_save(moco.tr, path));
    const struct session_desc desc = {
        .device = world.device, .net = n.net, .batch = BALANCE_BATCH, .seed = 6};
    struct session plain = session_open(world.ctx, &desc);
    const struct umb_init_desc from = {.path = path, .strict = true};
    must(umb_trainer_init_from(plain.tr, &from));
    session_close(&plain);
    session_close(&moco);
    umb_net_destroy(n.net);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(anothers_is_refused),
                                       cmocka_unit_test(damaged_numbers_are_refused),
                                       cmocka_unit_test(damaged_pairs_are_refused),
                                       cmocka_unit_test(without_pairs_the_watch_begins_anew),
                                       cmocka_unit_test(beginning_with_a_file_passes_it_over)};
    return cmocka_run_group_tests_name("balancing files", tests, open_world, close_world);
}

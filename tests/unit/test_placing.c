/*
 * test_placing.c: that memory is placed soundly however large the graph, and that the proof of it
 * says no exactly when looking at every pair of uses does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "int_set.h"
#include "lives.h"
#include "step_list.h"

#define N_SEEDS 150

static const int queues[] = {1, 2, 3, 4, 8};
#define N_QUEUES (sizeof queues / sizeof *queues)

static enum umb_status verify(const struct step_list *l)
{
    return umb__memory_verify(l->g, &l->steps, &l->schedule, 0, &l->memory);
}

static size_t unsigned_draw(struct step_list *l, size_t below)
{
    return step_list_draw(l, (uint32_t)below);
}

static void move_value(struct step_list *l)
{
    const int id = (int)unsigned_draw(l, (size_t)l->memory.n_ids);
    if (l->memory.bytes[id] == 0) { return; }
    const size_t room = l->memory.total - l->memory.bytes[id];
    l->memory.offset[id] = 64 * unsigned_draw(l, room / 64 + 1);
}

static void drop_wait(struct step_list *l)
{
    struct umb_schedule *s = &l->schedule;
    const int n = s->wait_start[s->n];
    if (n == 0) { return; }
    const int gone = (int)unsigned_draw(l, (size_t)n);
    memmove(&s->wait[gone], &s->wait[gone + 1], (size_t)(n - gone - 1) * sizeof *s->wait);
    for (int i = 0; i <= s->n; i++) {
        if (s->wait_start[i] > gone) { s->wait_start[i]--; }
    }
}

static void swap_queues(struct step_list *l)
{
    struct umb_schedule *s = &l->schedule;
    const size_t a = unsigned_draw(l, l->steps.n), b = unsigned_draw(l, l->steps.n);
    const int queue = s->queue[a];
    s->queue[a] = s->queue[b];
    s->queue[b] = queue;
}

static void proof_agrees_with_every_pair(void **state)
{
    (void)state;
    static void (*const spoil[])(struct step_list *) = {move_value, drop_wait, swap_queues};
    int said[2] = {0};
    for (uint64_t seed = 0; seed < 3 * N_SEEDS; seed++) {
        struct step_list l;
        step_list_open(&l, seed, 40 + (int)(seed % 50), 10 + (int)(seed % 31), seed % 2 == 0);
        step_list_plan(&l, queues[seed % N_QUEUES]);
        assert_int_equal(verify(&l), UMB_OK);
        assert_true(step_list_is_sound(&l));
        for (int n = 0; n < 4; n++) {
            spoil[seed % 3](&l);
            const bool sound = step_list_is_sound(&l);
            if ((verify(&l) == UMB_OK) != sound) {
                fail_msg("seed %llu, change %d: the pairs say %s", (unsigned long long)seed, n,
                         sound ? "yes" : "no");
            }
            said[sound]++;
        }
        step_list_close(&l);
    }
    print_message("# of the changed plans %d were sound, %d were not\n", said[1], said[0]);
    assert_true(said[0] > N_SEEDS && said[1] > N_SEEDS);
}

static void proof_wants_an_order(void **state)
{
    (void)state;
    struct step_list l;
    step_list_open(&l, 5, 50, 20, false);
    step_list_plan(&l, 4);
    struct umb_schedule *s = &l.schedule;
    const int last = s->order[s->n - 1];
    assert_true(s->wait_start[s->n] > 0);
    const int waited = s->wait[0];
    s->wait[0] = last; /* which is enqueued behind whoever waits */
    assert_int_equal(verify(&l), UMB_ERR_INVALID);
    s->wait[0] = waited;
    assert_int_equal(verify(&l), UMB_OK);
    s->order[s->n - 1] = s->order[0];
    assert_int_equal(verify(&l), UMB_ERR_INVALID);
    s->order[s->n - 1] = last;
    step_list_close(&l);
}

static void proof_wants_room(void **state)
{
    (void)state;
    struct step_list l;
    step_list_open(&l, 7, 50, 20, false);
    step_list_plan(&l, 1);
    l.memory.total -= 64;
    assert_int_equal(verify(&l), UMB_ERR_INVALID);
    step_list_close(&l);
}

/* ---- one walk ---- */

/* Places all anew by the walk; the sum of all places. */
static size_t scan(struct step_list *l)
{
    struct umb_arena *arena;
    struct umb_life *lives;
    int n;
    assert_int_equal(umb__arena_create(l->ctx, &arena), UMB_OK);
    assert_int_equal(umb__lives_find(l->g, &l->steps, &l->schedule, 0, arena, &lives, &n), UMB_OK);
    l->memory.total = 0;
    assert_int_equal(umb__memory_scan(lives, n, l->schedule.n_queues, arena, &l->memory), UMB_OK);
    umb__arena_destroy(arena);
    return l->memory.total;
}

static void walk_is_sound_and_near_the_best_fit(void **state)
{
    (void)state;
    double fitted = 0, walked = 0;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct step_list l;
        step_list_open(&l, seed, 60, 40, seed % 2 == 0);
        step_list_plan(&l, queues[seed % N_QUEUES]);
        fitted += (double)l.memory.total;
        walked += (double)scan(&l);
        if (!step_list_is_sound(&l)) {
            fail_msg("seed %llu, %d queues", (unsigned long long)seed, l.schedule.n_queues);
        }
        assert_int_equal(verify(&l), UMB_OK);
        assert_true(l.memory.total <= l.memory.unshared);
        step_list_close(&l);
    }
    print_message("# in one walk %.3f of the best fit's memory\n", walked / fitted);
    assert_true(walked < 1.3 * fitted);
}

/* From step i on, one that uses two values. */
static const struct umb_step *first_of_two(const struct step_list *l, size_t i)
{
    while (l->steps.step[i].n_args < 2 ||
           l->steps.step[i].args[0].value == l->steps.step[i].args[1].value) {
        i++;
    }
    return &l->steps.step[i];
}

static void large_lists_are_placed_soundly(void **state)
{
    (void)state;
    for (size_t q = 0; q < N_QUEUES; q++) {
        struct step_list l;
        step_list_open(&l, q, 40000, 30000, false);
        step_list_plan(&l, queues[q]);
        const size_t built = l.memory.total;
        assert_int_equal(verify(&l), UMB_OK);
        assert_int_equal(scan(&l), built); /* so the walk has placed it */
        print_message("# %d queues: %zu bytes, unshared %zu\n", queues[q], built,
                      l.memory.unshared);
        /* queues run far ahead of each other, and then little can be shared */
        assert_true(built < l.memory.unshared / (queues[q] == 1 ? 100 : 2));
        const struct umb_step *s = first_of_two(&l, 30000);
        l.memory.offset[s->args[0].value] = l.memory.offset[s->args[1].value];
        assert_int_equal(verify(&l), UMB_ERR_INVALID);
        step_list_close(&l);
    }
}

/* ---- sets of numbers ---- */

static void set_finds_neighbours(void **state)
{
    (void)state;
    enum { N = 300000 };
    struct step_list l = {.seed = 9};
    struct umb_int_set s;
    static bool in[N];
    assert_int_equal(umb__int_set_init(NULL, N, &s), UMB_OK);
    for (int round = 0; round < 3000; round++) {
        const int i = (int)step_list_draw(&l, round % 2 ? N : 500);
        (in[i] ? umb__int_set_remove : umb__int_set_add)(&s, i);
        in[i] = !in[i];
        const int at = (int)step_list_draw(&l, round % 3 ? N : 500);
        int below = at - 1, above = at + 1;
        for (; below >= 0 && !in[below]; below--) {}
        for (; above < N && !in[above]; above++) {}
        assert_int_equal(umb__int_set_below(&s, at), below);
        assert_int_equal(umb__int_set_above(&s, at), above < N ? above : -1);
    }
    umb__int_set_finish(&s);
}

/* ---- dependencies ---- */

static bool conflict(const struct step_list *l, int i, int j)
{
    const struct umb_step *a = &l->steps.step[i], *b = &l->steps.step[j];
    if (a->beside && a->beside == b->beside) { return false; }
    for (size_t x = 0; x < a->n_args; x++) {
        for (size_t y = 0; y < b->n_args; y++) {
            const struct umb_extent e = umb__extent(l->g, &l->steps, a->args[x].value);
            const struct umb_extent f = umb__extent(l->g, &l->steps, b->args[y].value);
            const bool writes = a->args[x].kind != 'r' || b->args[y].kind != 'r';
            if (writes && e.root == f.root && e.low < f.high && f.low < e.high) { return true; }
        }
    }
    return false;
}

/* Every dependency is a conflict, and every conflict follows from the dependencies. */
static void dependencies_are_the_conflicts(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct step_list l;
        step_list_open(&l, seed, 80, 24, seed % 3 > 0);
        assert_int_equal(umb__deps_build(l.g, &l.steps, &l.deps), UMB_OK);
        const int n = l.deps.n;
        bool *after = umb__calloc(l.ctx, (size_t)n * (size_t)n, sizeof *after);
        assert_non_null(after);
        for (int j = 0; j < n; j++) {
            for (int e = l.deps.start[j]; e < l.deps.start[j + 1]; e++) {
                const int i = l.deps.pred[e];
                assert_true(i < j && conflict(&l, i, j));
                for (int f = l.deps.start[j]; f < e; f++) {
                    assert_int_not_equal(l.deps.pred[f], i);
                }
                after[j * n + i] = true;
                for (int x = 0; x < n; x++) {
                    after[j * n + x] |= after[i * n + x];
                }
            }
            for (int i = 0; i < j; i++) {
                if (conflict(&l, i, j) && !after[j * n + i]) {
                    fail_msg("seed %llu: step %d may overtake step %d", (unsigned long long)seed, j,
                             i);
                }
            }
        }
        umb__free(after);
        step_list_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proof_agrees_with_every_pair),
        cmocka_unit_test(proof_wants_an_order),
        cmocka_unit_test(proof_wants_room),
        cmocka_unit_test(walk_is_sound_and_near_the_best_fit),
        cmocka_unit_test(large_lists_are_placed_soundly),
        cmocka_unit_test(set_finds_neighbours),
        cmocka_unit_test(dependencies_are_the_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

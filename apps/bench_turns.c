/* bench_turns.c: see bench_turns.h. */
#include "bench_turns.h"

#include "system.h"
#include <math.h>
#include <time.h>

#define WARM_UP 3
#define FEWEST_STEPS 5 /* of a turn */
#define ALONE_RUNS 3   /* of a turn */
#define MOST_TURNS (BENCH_MOST_TRACED / ALONE_RUNS)

struct turns {
    const struct session *s;
    const int64_t *images; /* [slots] */
    struct bench_turns *r;
    int64_t n_runs; /* so far: slots come round */
    double seen, seconds;
};

static double thread_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int slot_of(int64_t run)
{
    return (int)(run % UMB_TRAINER_SLOTS);
}

static enum umb_status submit(struct turns *t)
{
    const double rate = t->s->exp->train.schedule.rate;
    return umb__trainer_submit(t->s->trainer, UMB_TRAINER_TRAIN, slot_of(t->n_runs++), rate);
}

/* Waits for that run, and adds the tasks' losses to *sum; NaN where a task had no label. */
static enum umb_status wait(const struct turns *t, int64_t run, double *sum)
{
    double losses[UMB_MAX_TASKS];
    enum umb_status st = umb__trainer_wait(t->s->trainer, UMB_TRAINER_TRAIN, slot_of(run), losses);
    for (int k = 0; st == UMB_OK && k < umb_net_n_tasks(t->s->net); k++) {
        *sum += isnan(losses[k]) ? 0 : losses[k];
    }
    return st;
}

static enum umb_status warm_up(struct turns *t)
{
    enum umb_status st = UMB_OK;
    for (int64_t i = 0; st == UMB_OK && i < WARM_UP; i++) {
        st = submit(t);
        if (st == UMB_OK) { st = wait(t, t->n_runs - 1, &t->r->first_loss); }
        if (i == 0) { t->r->first_step_s = (double)umb__process_age_ns() * 1e-9; }
    }
    return st;
}

/* The steps from `first` to `end`, one enqueued while the one before is under way; another goes
 * before them, which the first follows without a gap. */
static enum umb_status time_steps(struct turns *t, int64_t first, int64_t end)
{
    uint64_t last = 0;
    double ignored = 0;
    const int64_t begin = t->n_runs;
    enum umb_status st = submit(t);
    for (int64_t i = first - 1; st == UMB_OK && i < end; i++) {
        const int64_t run = begin + i - (first - 1);
        const double host_began = thread_us();
        if (i + 1 < end) { st = submit(t); }
        const bool late = i >= t->r->n_steps - UMB_TRAINER_SLOTS;
        if (st == UMB_OK) { st = wait(t, run, late ? &t->r->last_loss : &ignored); }
        const uint64_t now = umb__clock_ns();
        if (i >= first) {
            t->r->ms[i] = (double)(now - last) * 1e-6;
            t->r->host_us[i] = thread_us() - host_began;
            t->seconds += (double)(now - last) * 1e-9;
            t->seen += (double)t->images[slot_of(run)];
        }
        last = now;
    }
    return st;
}

static double traced_ms(const struct turns *t)
{
    const struct umb_plan *plan = umb__trainer_plan(t->s->trainer, UMB_TRAINER_TRAIN);
    uint64_t end = 0;
    for (size_t i = 0; i < umb__plan_n_steps(plan); i++) {
        const uint64_t ns = umb__plan_step(plan, i).end_ns;
        end = ns > end ? ns : end;
    }
    return (double)end * 1e-6;
}

/* Behind a plain step, so that all is enqueued when it begins, as in a plain step. */
static enum umb_status time_kernels(struct turns *t, bool alone)
{
    const double rate = t->s->exp->train.schedule.rate;
    double ignored = 0;
    enum umb_status st = submit(t);
    const int slot = slot_of(t->n_runs++);
    if (st == UMB_OK) {
        st = alone ? umb__trainer_time_alone(t->s->trainer, slot, rate)
                   : umb__trainer_trace(t->s->trainer, slot, rate);
    }
    if (st == UMB_OK && !alone) { t->r->traced_ms[t->r->n_traced++] = traced_ms(t); }
    if (st == UMB_OK) { st = wait(t, t->n_runs - 2, &ignored); }
    return st == UMB_OK ? wait(t, t->n_runs - 1, &ignored) : st;
}

enum umb_status bench_take_turns(const struct session *s, const int64_t *images,
                                 struct bench_turns *r)
{
    struct turns t = {.s = s, .images = images, .r = r};
    int64_t n_turns = r->n_steps / FEWEST_STEPS;
    n_turns = n_turns < 1 ? 1 : n_turns > MOST_TURNS ? MOST_TURNS : n_turns;
    enum umb_status st = warm_up(&t);
    for (int64_t k = 0; st == UMB_OK && k < n_turns; k++) {
        st = time_steps(&t, r->n_steps * k / n_turns, r->n_steps * (k + 1) / n_turns);
        for (int run = 0; st == UMB_OK && run < 2 * ALONE_RUNS; run++) {
            st = time_kernels(&t, run % 2);
        }
    }
    if (st == UMB_OK) { r->images_per_s = t.seen / t.seconds; }
    return st;
}

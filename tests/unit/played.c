#include "played.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct umb_context *ctx;

int open_context(void **state)
{
    (void)state;
    return umb_context_create(NULL, &ctx) != UMB_OK;
}

int close_context(void **state)
{
    (void)state;
    umb_context_destroy(ctx);
    return 0;
}

struct played play(const struct made_up *g, int queues, struct umb_simulation_desc desc)
{
    struct played p;
    assert_int_equal(umb__schedule_build(ctx, &g->deps, g->alone, queues, &p.schedule), UMB_OK);
    desc.steps = &g->steps;
    desc.schedule = &p.schedule;
    assert_int_equal(umb__simulate(ctx, &desc, &p.sim), UMB_OK);
    return p;
}

void put_away(struct played *p)
{
    umb__simulation_finish(&p->sim);
    umb__schedule_finish(&p->schedule);
}

void expect_ns(double is, double expected, const char *what)
{
    if (fabs(is - expected) > 1e-6 * (1 + expected)) {
        fail_msg("%s: %.9g, expected %.9g", what, is, expected);
    }
}

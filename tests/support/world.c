#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rig.h"

struct world world;

int open_world(void **state)
{
    (void)state; /* the cases have their own */
    assert_int_equal(umb_context_create(NULL, &world.ctx), UMB_OK);
    world.device = rig_device(world.ctx);
    return 0;
}

int close_world(void **state)
{
    (void)state;
    umb_device_close(world.device);
    umb_context_destroy(world.ctx);
    return 0;
}

void must(enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(world.ctx)); }
}

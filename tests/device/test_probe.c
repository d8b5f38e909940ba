/*
 * test_probe.c: the probes of what devices store, on the present device, whatever its kind.
 */
#include "cl_handles.h"
#include "probe.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Each of the implementations here stores float16 rightly, without the extension too. */
static void halves_are_stored(void **state)
{
    (void)state;
    bool half = false;
    assert_int_equal(umb__probe_half(umb__device_cl_context(world.device),
                                     umb__device_cl_id(world.device), &half),
                     CL_SUCCESS);
    assert_true(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(halves_are_stored)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}

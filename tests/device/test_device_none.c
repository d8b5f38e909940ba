/* test_device_none.c: a machine without any OpenCL driver. */
#include "alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <umbel/device.h>

#include <cmocka.h>

static void the_list_is_empty(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    struct umb_device_list *list = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb_device_list_create(ctx, NULL, true, &list), UMB_OK);
    assert_int_equal(list->n, 0);
    umb_device_list_destroy(list);
    assert_int_equal(umb_device_list_create(ctx, "gpu", false, &list), UMB_OK);
    umb_device_list_destroy(list);
    umb_context_destroy(ctx);
    assert_int_equal(umb__alloc_live(), 0);
}

static void opening_says_what_to_install(void **state)
{
    const char *selector = *state;
    struct umb_context *ctx = NULL;
    struct umb_device *device = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb_device_open(ctx, selector, &device), UMB_ERR_DEVICE);
    assert_null(device);
    assert_string_equal(umb_context_error(ctx),
                        "no OpenCL device found; install an OpenCL driver, for example "
                        "pocl-opencl-icd");
    umb_context_destroy(ctx);
    assert_int_equal(umb__alloc_live(), 0);
}

int main(void)
{
    static char gpu[] = "gpu";
    /* Read by the loader at its first call. The slash says that it is a folder. */
    setenv("OCL_ICD_VENDORS", "/nonexistent/", 1);
    unsetenv("UMBEL_DEVICE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_empty),
        cmocka_unit_test(opening_says_what_to_install),
        {"opening_by_name_says_it_too", opening_says_what_to_install, NULL, NULL, gpu},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"bias", "softmax", "add",     "sum", "concat",
                                      "join", "rows",    "flatten", NULL};
    return harness_main("simple", &(struct harness){.ops = ops});
}

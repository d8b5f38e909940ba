#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"max_pool", "avg_pool", "global_avg_pool", NULL};
    return harness_main("pool", &(struct harness){.ops = ops});
}

#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"gram",      "combine_rows", "mix_rows",     "excess",
                                      "drop_rows", "gather",       "loss_weights", NULL};
    return harness_main("gradient_rows", &(struct harness){.ops = ops});
}

#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"relu", "leaky_relu", "sigmoid", "tanh", "gelu", NULL};
    return harness_main("activation", &(struct harness){.ops = ops});
}

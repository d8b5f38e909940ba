#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"normalize", "dropout", "upsample", NULL};
    return harness_main("image", &(struct harness){.ops = ops});
}

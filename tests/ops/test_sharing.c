#include "harness.h"

int main(void)
{
    static const char *const ops[] = {"multiply",  "mixture", "cross_stitch", "embedding",
                                      "graph_mix", "match",   "pick",         NULL};
    return harness_main("sharing", &(struct harness){.ops = ops});
}

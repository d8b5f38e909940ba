/*
 * group_scale.c: how long grouping takes, and how often the best cover is proved, on made-up
 * affinities of eight kinds and for every number of groups, or every STEP-th.
 *
 * Usage: group_scale TASKS [STEP]
 */
#include "group.h"

#include "rng.h"
#include "system.h"
#include "text.h"
#include <math.h>
#include <stdio.h>

static const char *const kinds[] = {"both signs", "positive", "equal",       "negative",
                                    "blocks",     "coarse",   "by distance", "plus or minus one"};
#define N_KINDS (sizeof kinds / sizeof *kinds)
#define SEEDS 5

static double draw(uint64_t seed, uint64_t i)
{
    return (double)umb__random_unit(seed, UMB_RNG_TEST, 0, i);
}

static double affinity(size_t kind, uint64_t seed, size_t T, size_t i, size_t j)
{
    const double u = draw(seed, i * T + j);
    const double x = draw(seed + 1000, i) - draw(seed + 1000, j);
    const double y = draw(seed + 2000, i) - draw(seed + 2000, j);
    switch (kind) {
    case 0:
        return 2 * u - 1;
    case 1:
        return u;
    case 2:
        return 0.1;
    case 3:
        return -u;
    case 4:
        return (i / 3 == j / 3) + 0.2 * u - 0.1;
    case 5:
        return (double)((i * 7 + j * 3) % 5) - 2;
    case 6:
        return 1 - 2 * hypot(x, y) + 0.2 * u;
    default:
        return u < 0.5 ? 1 : -1;
    }
}

/* The seeds' slowest, and how many were proved. */
static void measure(size_t kind, size_t T, size_t K)
{
    static double Z[UMB_GROUP_MOST_TASKS * UMB_GROUP_MOST_TASKS];
    double slowest_s = 0, gap = 0;
    uint64_t nodes = 0;
    int proved = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct umb_grouping g = {0};
        const struct umb_grouping_desc desc = {.T = T, .affinity = Z, .K = K};
        for (size_t i = 0; i < T * T; i++) {
            Z[i] = affinity(kind, seed, T, i / T, i % T);
        }
        const uint64_t began = umb__clock_ns();
        if (umb__group_tasks(NULL, &desc, &g) != UMB_OK) { return; }
        slowest_s = fmax(slowest_s, (double)(umb__clock_ns() - began) * 1e-9);
        nodes = g.nodes > nodes ? g.nodes : nodes;
        gap = fmax(gap, g.bound - g.mean);
        proved += g.exact;
    }
    printf("%-18s %3zu groups  %d of %d proved  %8.4f s  %8llu nodes  gap %.4f\n", kinds[kind], K,
           proved, SEEDS, slowest_s, (unsigned long long)nodes, gap);
}

int main(int argc, char **argv)
{
    int64_t T = 0, step = 1;
    const bool fine = (argc == 2 || argc == 3) &&
                      umb__parse_int(argv[1], 1, UMB_GROUP_MOST_TASKS, &T) &&
                      (argc == 2 || umb__parse_int(argv[2], 1, UMB_GROUP_MOST_TASKS, &step));
    if (!fine) {
        fprintf(stderr, "usage: group_scale TASKS [STEP]; at most %d tasks\n",
                UMB_GROUP_MOST_TASKS);
        return 2;
    }
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        for (int64_t K = 1; K <= T; K += step) {
            measure(kind, (size_t)T, (size_t)K);
        }
    }
    return 0;
}

/*
 * plan_scale.c: how long planning takes, pass by pass.
 *
 *   plan_scale SHAPE NODES QUEUES
 *
 * A small graph is planned first, so that the kernels are compiled. Prints a line a pass: seconds,
 * and the peak of the process's memory above what it was before.
 */
#include <stdio.h>
#include <string.h>

#include "planning.h"
#include "system.h"
#include "text.h"

#define FIRST_NODES 600
#define MOST_NODES 10000000
#define MOST_QUEUES 8

static void say(void *user, const char *pass, double seconds)
{
    const double *idle_mib = user;
    printf("  %-10s %8.3f s %9.1f MiB\n", pass, seconds, umb__peak_rss_mib() - *idle_mib);
}

static enum umb_status measure(struct umb_context *ctx, struct planning_desc desc)
{
    struct planning_counts c;
    struct planning_desc first = desc;
    first.n_nodes = FIRST_NODES;
    enum umb_status st = planning_run(ctx, &first, &c);
    if (st != UMB_OK) { return st; }
    double idle_mib = umb__peak_rss_mib();
    desc.passed = say;
    desc.user = &idle_mib;
    double net_seconds = 0;
    st = planning_run(ctx, &desc, &c);
    if (st == UMB_OK) { st = planning_net(ctx, c.n_layers, &net_seconds); }
    if (st != UMB_OK) { return st; }
    printf("  a net of as many layers: %.3f s\n", net_seconds);
    printf("  %d nodes of %d layers and %d heads, %d behind fusing; %zu steps, %zu launches\n",
           c.n_nodes, c.n_layers, c.n_heads, c.n_fused, c.n_steps, c.n_launches);
    printf("  scratch %zu bytes, unshared %zu\n", c.scratch_bytes, c.unshared_bytes);
    printf("%s %d on %d queues: %.3f s, %.1f MiB\n", planning_shape_names[desc.shape], desc.n_nodes,
           desc.n_queues, c.seconds, umb__peak_rss_mib() - idle_mib);
    return UMB_OK;
}

static bool read_args(char **argv, struct planning_desc *ret)
{
    int64_t n_nodes, n_queues;
    int shape = 0;
    while (shape < PLANNING_SHAPES && strcmp(planning_shape_names[shape], argv[1]) != 0) {
        shape++;
    }
    if (shape == PLANNING_SHAPES || !umb__parse_int(argv[2], 1, MOST_NODES, &n_nodes) ||
        !umb__parse_int(argv[3], 1, MOST_QUEUES, &n_queues)) {
        return false;
    }
    *ret = (struct planning_desc){.shape = (enum planning_shape)shape,
                                  .n_nodes = (int)n_nodes,
                                  .n_queues = (int)n_queues,
                                  .binds = true};
    return true;
}

int main(int argc, char **argv)
{
    struct umb_context *ctx = NULL;
    struct planning_desc desc;
    if (argc != 4 || !read_args(argv, &desc)) {
        fprintf(stderr, "usage: plan_scale chain|heads|mix NODES QUEUES\n");
        return 2;
    }
    enum umb_status st = umb_context_create(NULL, &ctx);
    if (st == UMB_OK) { st = umb_device_open(ctx, NULL, &desc.device); }
    if (st == UMB_OK) { st = measure(ctx, desc); }
    if (st != UMB_OK) { fprintf(stderr, "plan_scale: %s\n", umb_context_error(ctx)); }
    umb_device_close(desc.device);
    umb_context_destroy(ctx);
    return st == UMB_OK ? 0 : 1;
}

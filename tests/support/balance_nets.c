#include "balance_nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"

static int named(struct umb_context *ctx, struct umb_net *net, const char *name, const char *op,
                 const char *attrs, int in)
{
    const struct umb_layer_desc desc = {
        .op = op, .attrs = attrs, .name = name, .in = &in, .n_in = 1};
    int out = -1;
    if (umb_net_layer(net, &desc, &out) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return out;
}

static int join(struct umb_context *ctx, struct umb_net *net, int n)
{
    static const char *const names[3] = {"a", "b", "c"};
    int in[3], out = -1;
    for (int s = 0; s < n; s++) {
        in[s] = test_stream(ctx, net, names[s], 7, 7, 2);
    }
    const struct umb_layer_desc desc = {.op = "join", .in = in, .n_in = n};
    if (n == 1) { return in[0]; }
    if (umb_net_layer(net, &desc, &out) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return out;
}

/* *ret_early: a value in the midst of it. */
static int trunk(struct umb_context *ctx, struct umb_net *net, int n_streams, bool norm,
                 int *ret_early)
{
    int h = join(ctx, net, n_streams);
    h = named(ctx, net, "conv", "conv", "filters=5 size=3", h);
    if (norm) { h = named(ctx, net, "norm", "batch_norm", NULL, h); }
    h = named(ctx, net, "tanh", "tanh", NULL, h);
    *ret_early = h = named(ctx, net, "pool", "max_pool", "size=2", h);
    h = named(ctx, net, "flat", "flatten", NULL, h);
    return named(ctx, net, "last", "dense", "units=9 activation=tanh", h);
}

static void head(struct umb_context *ctx, struct umb_net *net, const char *name, const char *attrs,
                 int in, const char *loss, double weight)
{
    test_task(ctx, net, name, named(ctx, net, name, "dense", attrs, in), loss, weight);
}

static struct balance_net make(struct umb_context *ctx, int which, bool norm)
{
    static const char *const names[BALANCE_NETS] = {"one stream", "two streams", "three streams"};
    static const int streams[BALANCE_NETS][3] = {{0, 0, 0}, {0, 1, 1}, {0, 1, 2}};
    struct balance_net n = {.name = names[which], .net = test_net(ctx)};
    int early, in[3];
    const int h = n.representation = trunk(ctx, n.net, which + 1, norm, &early);
    for (int t = 0; t < 3; t++) {
        in[t] = which == 2 && t == 1 ? early : h;
        if (which) { in[t] = test_rows(ctx, n.net, streams[which][t], 1, in[t]); }
    }
    if (which == 2) { in[1] = test_layer(ctx, n.net, "flatten", NULL, in[1]); }
    head(ctx, n.net, "kind", "units=3", in[0], "cross_entropy", 1);
    head(ctx, n.net, "place", "units=2", in[1], "mse", which == 2 ? 0.25 : 1.5);
    head(ctx, n.net, "traits", "units=3", in[2], "binary_cross_entropy", 2);
    return n;
}

struct balance_net balance_net(struct umb_context *ctx, int which)
{
    return make(ctx, which, true);
}

struct balance_net balance_net_plain(struct umb_context *ctx, int which)
{
    return make(ctx, which, false);
}

const char *balance_options(const struct umb_balancer *row)
{
    return strcmp(row->name, "fixed") == 0 ? "weights=1,0.5,2" : NULL;
}

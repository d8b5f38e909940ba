/* bench_check.c: is what is timed right? The same problem with fewer samples, by the reference. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FLOPS 5e8 /* half a second to a second of the reference */
#define LONGEST 256

/* "32,14,14,256 32,7" with the first extents divided: "8,14,14,256 8,7"; at least 1 is left. */
static bool divide_samples(const char *in, double by, char *out, size_t size)
{
    size_t n = 0;
    for (const char *at = in; *at;) {
        char *end;
        long samples = strtol(at, &end, 10);
        size_t rest = strcspn(end, " "), blanks = strspn(end + rest, " ");
        long left = (long)((double)samples / by);
        int length =
            snprintf(out + n, size - n, "%ld%.*s", left > 1 ? left : 1, (int)(rest + blanks), end);
        if (length < 0 || (size_t)length >= size - n) { return false; }
        n += (size_t)length;
        at = end + rest + blanks;
    }
    return true;
}

enum umb_status bench_check(struct umb_context *ctx, struct umb_device *device,
                            const struct bench_line *line, struct bench_error *ret_error)
{
    const struct umb_problem *p = line->problem;
    double flops = p->op->flops ? p->op->flops(p) : 0;
    char in[LONGEST];
    struct umb_op_case small = *line->row;
    if (flops > MOST_FLOPS && divide_samples(small.in, flops / MOST_FLOPS, in, sizeof in)) {
        small.in = in;
    }
    struct umb_trial *t = NULL;
    struct umb_trial_result result = {0};
    enum umb_status st = umb__trial_create(ctx, line->op, &small, BENCH_SEED, &t);
    if (st == UMB_OK) { st = umb__trial_check(t, device, line->index, line->solver, &result); }
    umb__trial_destroy(t);
    if (st == UMB_OK) {
        *ret_error = (struct bench_error){result.score <= UMB_TRIAL_MARGIN, result.error};
    }
    return st;
}

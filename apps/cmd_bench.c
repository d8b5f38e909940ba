/* umbel bench: op or step. */
#include "bench.h"
#include <string.h>

static void print_help(FILE *out)
{
    fprintf(out, "usage: umbel bench op [FILTER] [options]\n"
                 "       umbel bench step FILE [options]\n\n"
                 "Measures single ops against the device's peak, or a whole training step.\n"
                 "umbel bench op --help and umbel bench step --help say more.\n\n"
                 "example:\n  umbel bench op conv\n");
}

int cmd_bench(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "op") == 0) { return bench_op(argc - 1, argv + 1); }
    if (strcmp(what, "step") == 0) { return bench_step(argc - 1, argv + 1); }
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    fprintf(stderr,
            "umbel bench: '%s' cannot be measured, expected op or step; see umbel bench "
            "--help\n",
            what);
    return EXIT_WRONG;
}

/* umbel relate: how related an experiment's tasks are, by their labels, by nets trained alone, and
 * by the gradients of a net of all. */
#include "alloc.h"
#include "experiment.h"
#include "label_relations.h"
#include "label_words.h"
#include "relate_gradients.h"
#include "relate_view.h"
#include "run_relations.h"
#include "system.h"

static bool json, gradients;
static const char *out;
static struct cli_list sets, runs;
static struct gradient_wishes wishes = {.features = true};

static const struct cli_option options[] = {
    {"--out", CLI_TEXT, &out, "DIR",
     "where relate.html and relate.svg go (unset: here; with --json: nowhere)"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {"--run", CLI_LIST, &runs, "RUN",
     "a run of one of the tasks alone; of several, how far apart their parameters are"},
    {"--gradients", CLI_FLAG, &gradients, NULL,
     "also by the tasks' gradients: trains for a while on a device; any option below implies it"},
    {"--epochs", CLI_INT, &wishes.epochs, "N", "of that training (unset: 1)"},
    {"--from", CLI_TEXT, &wishes.from, "RUN", "a run of FILE whose parameters are taken instead"},
    {"--batches", CLI_INT, &wishes.batches, "N", "whose gradients are compared (unset: 20)"},
    {"--rate", CLI_TEXT, &wishes.rate, "R",
     "of the steps that affinity tries (unset: the experiment's)"},
    {"--threshold", CLI_TEXT, &wishes.threshold, "S",
     "gradients conflict where their cosine is below it (unset: 0)"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON object instead of tables"},
    {0}};

static const struct cli_usage usage = {
    .command = "relate",
    .synopsis = "FILE",
    .text =
        "Reads the training labels of an experiment and says how related its tasks are by them:\n"
        "mutual information, Jensen–Shannon and KL of their distributions, and which share of the\n"
        "samples has both labels; with --run also by nets that were trained on one task each, "
        "with\n"
        "--gradients by what a step for one task does to the others: cosines, conflicts, "
        "affinity.\n"
        "Prints tables; writes a page and an SVG file of heat maps.",
    .example = "umbel relate shapes --out relations\n"
               "  umbel relate shapes --epochs 2 --batches 40 --out relations",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

struct relating {
    const struct cli *cli;
    struct session session;
    struct umb_experiment *exp; /* the session's */
    struct umb_label_set *sets;
    struct umb_relations *relations;
    struct umb_gradient_summary seen;
};

/* Data, labels, and what they say. */
static enum umb_status relate(struct relating *r)
{
    struct umb_context *ctx = r->cli->ctx;
    const char *path = r->cli->argument[0];
    enum umb_status st = gradients
                             ? session_read(&r->session, r->cli, path, &sets)
                             : umb__experiment_read(ctx, path, sets.item, sets.n, &r->session.exp);
    r->exp = r->session.exp;
    if (st == UMB_OK) { st = umb__experiment_open(r->exp); }
    if (st == UMB_OK) { st = umb__label_sets_read(r->exp, &r->sets); }
    if (st != UMB_OK) { return st; }
    const char **names = umb__calloc(ctx, r->exp->n_tasks, sizeof *names);
    for (size_t t = 0; names && t < r->exp->n_tasks; t++) {
        names[t] = r->exp->task[t].name;
    }
    st = names ? umb__relations_create(ctx, r->exp->n_tasks, names, &r->relations)
               : UMB_ERR_NO_MEMORY;
    umb__free(names);
    if (st == UMB_OK) { st = umb__label_relations(r->relations, r->sets); }
    if (st == UMB_OK && runs.n > 0) { st = umb__run_relations(r->relations, runs.item, runs.n); }
    if (st != UMB_OK || !gradients) { return st; }
    return relate_gradients(&r->session, r->cli, &wishes, r->relations, &r->seen);
}

/* What makes measures undefined, or says less than it seems. */
static void warn(const struct relating *r)
{
    for (size_t t = 0; t < r->exp->n_tasks; t++) {
        const struct umb_label_set *s = &r->sets[t];
        const bool one = s->n_classes > 0 && umb__label_classes(s) == 1;
        if (s->n_labelled > 0 && !one) { continue; }
        fprintf(stderr, "umbel relate: warn: task '%s' has %s among %zu training samples\n",
                s->task->name, one ? "one class alone" : "no label", s->n);
    }
}

static enum umb_status write_file(const struct relating *r, const struct umb_relate_page *page,
                                  const char *name, bool svg)
{
    struct umb_context *ctx = r->cli->ctx;
    char *path = out ? umb__path_join(ctx, out, name) : umb__strdup(ctx, name);
    enum umb_status st = path ? UMB_OK : UMB_ERR_NO_MEMORY;
    bool written = true;
    if (st == UMB_OK && svg) {
        st = umb__relate_svg_write(ctx, page, path, &written);
    } else if (st == UMB_OK) {
        st = umb__relate_page_write(ctx, page, path);
    }
    if (st == UMB_OK && written && !json) { printf("%s\n", path); }
    umb__free(path);
    return st;
}

static enum umb_status write_files(const struct relating *r, const struct umb_relate_page *page)
{
    if (json && !out) { return UMB_OK; }
    enum umb_status st = out ? umb__make_folders(r->cli->ctx, out) : UMB_OK;
    if (st == UMB_OK && !json) { printf("\n"); }
    if (st == UMB_OK) { st = write_file(r, page, "relate.html", false); }
    return st == UMB_OK ? write_file(r, page, "relate.svg", true) : st;
}

static int show(const struct relating *r)
{
    const struct umb_relate_page page = {.name = r->exp->name,
                                         .sets = r->sets,
                                         .relations = r->relations,
                                         .gradients = gradients ? &r->seen : NULL};
    warn(r);
    if (json) {
        relate_json(&page);
    } else {
        relate_text(&page);
    }
    const enum umb_status st = write_files(r, &page);
    return st == UMB_OK ? EXIT_DONE : cli_fail_work(r->cli, st);
}

/* Any of its options asks for the survey. */
static int take_wishes(const struct cli *cli)
{
    if (wishes.from && wishes.epochs) {
        return cli_wrong(cli, "--epochs and --from are both given, expected one of them");
    }
    gradients = gradients || wishes.epochs || wishes.from || wishes.batches || wishes.rate ||
                wishes.threshold;
    if (!wishes.epochs) { wishes.epochs = 1; }
    if (!wishes.batches) { wishes.batches = 20; }
    return EXIT_DONE;
}

static int start(struct relating *r)
{
    const int code = take_wishes(r->cli);
    if (code != EXIT_DONE) { return code; }
    const enum umb_status st = relate(r);
    if (st == UMB_ERR_INTERRUPTED) { return EXIT_INTERRUPTED; }
    return st == UMB_OK ? show(r) : cli_fail_setup(r->cli, st);
}

int cmd_relate(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct relating r = {.cli = &cli};
    code = start(&r);
    umb__relations_destroy(r.relations);
    umb__label_sets_destroy(r.sets, r.exp ? r.exp->n_tasks : 0);
    session_finish(&r.session);
    cli_finish(&cli);
    return code;
}

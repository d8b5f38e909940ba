/* A trainer's plans: solvers of a resumed run, the memory limit, what a side is compiled from. */
#include <string.h>

#include "text.h"
#include "trainer_internal.h"

/* The node's line among those from `line` to `end` or the end of the text; NULL: none. */
static const char *find_choice(const char *line, const char *end, const char *node)
{
    const size_t n = strlen(node);
    while (line != end && *line) {
        if (strncmp(line, node, n) == 0 && line[n] == '=') { return line; }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return NULL;
}

/* The solver of a resumed run's checkpoint for a node, or NULL. Lines are in the order of nodes, so
 * that of the next node comes next, as a rule. */
static const char *chosen_solver(void *user, const char *node)
{
    struct umb_trainer *tr = user;
    const char *line = find_choice(tr->next_choice, NULL, node);
    if (!line) { line = find_choice(tr->choices, tr->next_choice, node); }
    if (!line) { return NULL; }
    const char *solver = line + strlen(node) + 1;
    const size_t length = strcspn(solver, "\n");
    tr->next_choice = solver + length + (solver[length] == '\n');
    char *name = umb__arena_calloc(tr->arena, length + 1, 1);
    return name ? memcpy(name, solver, length) : NULL;
}

static void say_fit(const struct umb_trainer *tr, const struct umb_fit *fit)
{
    char limit[UMB_BYTES_TEXT], needs[UMB_BYTES_TEXT], text[UMB_FIT_TEXT];
    const struct umb_device *device = fit->device ? tr->more[fit->device - 1].device : tr->device;
    const uint64_t most = umb_device_get_caps(device)->global_bytes;
    if (!umb__fit_gave_up(fit)) { return; }
    umb__log(tr->ctx, UMB_LOG_INFO, "memory limit %s: %s; %s used%s",
             umb__bytes_text(fit->limit ? fit->limit : most, limit), umb__fit_text(fit, text),
             umb__bytes_text(fit->needs.total, needs),
             tr->n_devices > 1 ? " on the fullest device" : "");
}

enum umb_status umb__trainer_compile(struct umb_trainer *tr, int mode)
{
    struct umb_trainer_side *side = &tr->side[mode];
    if (side->plan) { return UMB_OK; }
    *side = (struct umb_trainer_side){.weights = -1};
    /* The limit is the step's. What only looks at results keeps nothing for backward, and must not
     * fail in the middle of a run; it gets no queue that the step had to give up. */
    const int given = tr->side[UMB_TRAINER_TRAIN].fit.queues;
    const int n_queues = mode != UMB_TRAINER_TRAIN && given ? given : tr->queues;
    enum umb_status st = umb__trainer_graph_of(tr, mode, side);
    tr->next_choice = tr->choices;
    struct umb_plan_desc desc = {
        .device = tr->device,
        .graph = side->graph,
        .store = tr->store,
        .n_queues = n_queues,
        .n_slots = UMB_TRAINER_SLOTS,
        .merge = tr->merges,
        .more = tr->more,
        .n_more = tr->n_devices - 1,
        .solver_of = tr->choices && mode == UMB_TRAINER_TRAIN ? chosen_solver : NULL,
        .solver_user = tr,
        .tuning = tr->tuning};
    if (st == UMB_OK) { st = umb__trainer_tune(tr, mode); }
    if (st == UMB_OK) {
        const uint64_t *limit = mode == UMB_TRAINER_TRAIN ? tr->memory : NULL;
        st = umb__plan_fit(tr->ctx, &desc, side->graph, limit, &side->fit, &side->plan);
    }
    if (st != UMB_OK) {
        umb__trainer_drop_side(side);
        return st;
    }
    say_fit(tr, &side->fit);
    return UMB_OK;
}

void umb__trainer_drop_side(struct umb_trainer_side *side)
{
    umb__plan_destroy(side->plan);
    umb__graph_destroy(side->graph);
    side->plan = NULL;
    side->graph = NULL;
}

/* timeline_trace.c: a timeline read back from a run's trace.json (trace_file.c writes it). */
#include "timeline.h"

#include <math.h>
#include <string.h>

static const char *const phases[] = {"forward", "loss", "backward", "update"};

struct reading {
    struct umb_timeline *t;
    const json_t *events, *about;
    int *step; /* [n_launches] box of a step's number, −1 */
    size_t n_steps;
};

static double number(const json_t *map, const char *key)
{
    return json_number_value(json_object_get(map, key));
}

static const char *text_of(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text ? text : "";
}

static bool is_box(const json_t *event)
{
    const double start = number(event, "ts"), length = number(event, "dur");
    const double lane = number(event, "tid");
    return strcmp(text_of(event, "ph"), "X") == 0 && start >= 0 && length >= 0 &&
           isfinite(start + length) && lane >= 0 && lane < UMB_TIMELINE_LANES;
}

static int phase_of(const json_t *event)
{
    for (int phase = 0; phase < UMB_TIMELINE_TRANSFER; phase++) {
        if (strcmp(phases[phase], text_of(event, "cat")) == 0) { return phase; }
    }
    return UMB_TIMELINE_TRANSFER;
}

static enum umb_status read_names(struct umb_arena *arena, const json_t *list,
                                  const char *const **ret_name, size_t *ret_n)
{
    const size_t n = json_array_size(list);
    const char **name = umb__arena_calloc(arena, n + 1, sizeof *name);
    if (!name) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        name[i] = text ? text : "";
    }
    *ret_name = name;
    *ret_n = n;
    return UMB_OK;
}

/* A lane's label is the name of its row, where the trace gives one. */
static enum umb_status read_lanes(struct reading *r)
{
    const char **lane = umb__arena_calloc(r->t->arena, UMB_TIMELINE_LANES, sizeof *lane);
    if (!lane) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < r->t->n_lanes; i++) {
        lane[i] = umb__arena_printf(r->t->arena, "queue %zu", i);
        if (!lane[i]) { return UMB_ERR_NO_MEMORY; }
    }
    for (size_t i = 0; i < json_array_size(r->events); i++) {
        const json_t *event = json_array_get(r->events, i);
        const double row = number(event, "tid");
        const char *name = text_of(json_object_get(event, "args"), "name");
        if (strcmp(text_of(event, "name"), "thread_name") != 0 || !*name) { continue; }
        if (row >= 0 && row < (double)r->t->n_lanes) { lane[(size_t)row] = name; }
    }
    r->t->lane = lane;
    return UMB_OK;
}

static int find_part(const struct umb_timeline *t, const char *name)
{
    for (size_t h = 0; h < t->n_heads; h++) {
        if (strcmp(t->head[h], name) == 0) { return (int)h; }
    }
    return UMB_PART_TRUNK;
}

/* Heads by name; a part that is no head's is the trunk. */
static enum umb_status read_parts(struct reading *r, const json_t *list,
                                  struct umb_timeline_box *box)
{
    const size_t n = json_array_size(list);
    int *part = umb__arena_calloc(r->t->arena, n + 1, sizeof *part);
    if (!part) { return UMB_ERR_NO_MEMORY; }
    part[0] = UMB_PART_TRUNK;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        part[i] = find_part(r->t, name ? name : "");
    }
    box->part = part;
    box->n_parts = n ? n : 1;
    return UMB_OK;
}

static enum umb_status read_box(struct reading *r, const json_t *event)
{
    struct umb_timeline_box *box = &r->t->box[r->t->n_boxes];
    const json_t *args = json_object_get(event, "args"), *nodes = json_object_get(args, "nodes");
    *box = (struct umb_timeline_box){.kernel = text_of(args, "kernel"),
                                     .solver = text_of(args, "solver"),
                                     .lane = (int)number(event, "tid"),
                                     .phase = phase_of(event),
                                     .start_ms = number(event, "ts") * 1e-3,
                                     .alone_ms = number(args, "alone_ms"),
                                     .gflop = number(args, "gflop"),
                                     .mb = number(args, "mb"),
                                     .critical = json_is_true(json_object_get(args, "critical"))};
    box->end_ms = box->start_ms + number(event, "dur") * 1e-3;
    enum umb_status st = read_names(r->t->arena, nodes, &box->node, &box->n_nodes);
    if (st == UMB_OK && box->n_nodes == 0) {
        const char **name = umb__arena_calloc(r->t->arena, 1, sizeof *name);
        if (!name) { return UMB_ERR_NO_MEMORY; }
        name[0] = text_of(event, "name");
        box->node = name;
        box->n_nodes = 1;
    }
    if (st == UMB_OK) { st = read_parts(r, json_object_get(args, "parts"), box); }
    const double step = number(args, "step");
    if (json_is_integer(json_object_get(args, "step")) && step >= 0 && step < (double)r->n_steps) {
        r->step[(size_t)step] = (int)r->t->n_boxes;
    }
    r->t->n_boxes++;
    return st;
}

/* Waits are by step; after all boxes are known. */
static enum umb_status read_waits(struct reading *r, const json_t *list,
                                  struct umb_timeline_box *box)
{
    int *wait = umb__arena_calloc(r->t->arena, json_array_size(list) + 1, sizeof *wait);
    if (!wait) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_int_t step = json_integer_value(json_array_get(list, i));
        if (step < 0 || (size_t)step >= r->n_steps || r->step[step] < 0) { continue; }
        wait[box->n_waits++] = r->step[step];
    }
    box->wait = wait;
    return UMB_OK;
}

static enum umb_status read_boxes(struct reading *r)
{
    const size_t n = json_array_size(r->events);
    enum umb_status st = UMB_OK;
    r->t->box = umb__arena_calloc(r->t->arena, n + 1, sizeof *r->t->box);
    r->step = umb__arena_calloc(r->t->arena, n + 1, sizeof *r->step);
    if (!r->t->box || !r->step) { return UMB_ERR_NO_MEMORY; }
    r->n_steps = n;
    for (size_t i = 0; i < n; i++) {
        r->step[i] = -1;
    }
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        const json_t *event = json_array_get(r->events, i);
        if (is_box(event)) { st = read_box(r, event); }
    }
    for (size_t i = 0, b = 0; st == UMB_OK && i < n; i++) {
        const json_t *event = json_array_get(r->events, i);
        if (!is_box(event)) { continue; }
        const json_t *waits = json_object_get(json_object_get(event, "args"), "waits");
        st = read_waits(r, waits, &r->t->box[b++]);
    }
    return st;
}

/* Numbers that the boxes give themselves. */
static void measure(struct umb_timeline *t, const json_t *about)
{
    double first = INFINITY, last = 0;
    for (size_t i = 0; i < t->n_boxes; i++) {
        const struct umb_timeline_box *b = &t->box[i];
        if ((size_t)b->lane >= t->n_lanes) { t->n_lanes = (size_t)b->lane + 1; }
        if (b->phase == UMB_TIMELINE_TRANSFER) { continue; }
        first = fmin(first, b->start_ms);
        last = fmax(last, b->end_ms);
        t->n_launches++;
    }
    t->origin_ms = isfinite(first) ? first : 0;
    t->makespan_ms = fmax(0, last - t->origin_ms);
    const double bound = number(about, "bound_ms");
    t->bound_ms = isfinite(bound) && bound > 0 ? bound : 0;
}

static enum umb_status read_all(struct reading *r)
{
    r->t->title = text_of(r->about, "experiment");
    r->t->device = text_of(r->about, "device");
    enum umb_status st =
        read_names(r->t->arena, json_object_get(r->about, "tasks"), &r->t->head, &r->t->n_heads);
    if (st == UMB_OK) { st = read_boxes(r); }
    if (st == UMB_OK) { measure(r->t, r->about); }
    return st == UMB_OK ? read_lanes(r) : st;
}

enum umb_status umb__timeline_of_trace(struct umb_context *ctx, const json_t *trace,
                                       struct umb_timeline **ret_timeline)
{
    struct umb_timeline *t = umb__calloc(ctx, 1, sizeof *t);
    enum umb_status st = t ? umb__arena_create(ctx, &t->arena) : UMB_ERR_NO_MEMORY;
    struct reading r = {.t = t,
                        .events = json_object_get(trace, "traceEvents"),
                        .about = json_object_get(trace, "otherData")};
    if (st == UMB_OK) { st = read_all(&r); }
    if (st != UMB_OK || !(t->makespan_ms > 0)) {
        umb__timeline_destroy(t);
        *ret_timeline = NULL;
        return st;
    }
    *ret_timeline = t;
    return UMB_OK;
}

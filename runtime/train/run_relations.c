/* run_relations.c: see run_relations.h. */
#include "run_relations.h"

#include "alloc.h"
#include "fail.h"
#include "relate.h"
#include "run_dir.h"
#include <string.h>

/* The parameters of a task's run. */
struct net {
    struct umb_safetensors *file; /* NULL: the task has no run */
    struct umb_relate_tensor *tensor;
    size_t n;
};

/* What else a checkpoint holds: the optimizer's state, counts of metrics, statistics of batches. */
static bool is_parameter(const struct umb_safetensors_entry *entry)
{
    static const char *const endings[] = {".running_mean", ".running_var", ".rows"};
    const size_t length = strlen(entry->name);
    if (strcmp(entry->dtype, "F32") != 0 || strncmp(entry->name, "optimizer.", 10) == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i]);
        if (length >= n && strcmp(entry->name + length - n, endings[i]) == 0) { return false; }
    }
    return true;
}

static enum umb_status list_parameters(struct umb_context *ctx, struct net *net)
{
    const size_t all = umb__safetensors_count(net->file);
    net->tensor = umb__calloc(ctx, all, sizeof *net->tensor);
    for (size_t i = 0; net->tensor && i < all; i++) {
        const struct umb_safetensors_entry *entry = umb__safetensors_at(net->file, i);
        if (!is_parameter(entry)) { continue; }
        net->tensor[net->n++] =
            (struct umb_relate_tensor){.name = entry->name,
                                       .n = (size_t)umb__shape_count(&entry->shape),
                                       .value = entry->data};
    }
    return net->tensor ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Which of the relations' tasks the run trained. */
static enum umb_status find_task(const struct umb_relations *r, const struct umb_run *run,
                                 const struct umb_experiment *exp, size_t *ret_task)
{
    if (exp->n_tasks != 1) {
        return umb__fail(r->ctx, UMB_ERR_INVALID,
                         "%s: has %zu tasks; expected a run of one task alone", run->path,
                         exp->n_tasks);
    }
    for (size_t t = 0; t < r->T; t++) {
        if (strcmp(r->task[t], exp->task[0].name) != 0) { continue; }
        *ret_task = t;
        return UMB_OK;
    }
    return umb__fail(r->ctx, UMB_ERR_INVALID,
                     "%s: its task '%s' is none of the experiment's; expected a run of one of them",
                     run->path, exp->task[0].name);
}

static enum umb_status read_task(const struct umb_relations *r, const struct umb_run *run,
                                 size_t *ret_task)
{
    struct umb_experiment *exp = NULL;
    char *path = umb__run_file(run, "experiment.yaml");
    enum umb_status st =
        path ? umb__experiment_read(r->ctx, path, NULL, 0, &exp) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = find_task(r, run, exp, ret_task); }
    umb__experiment_destroy(exp);
    umb__free(path);
    return st;
}

static enum umb_status read_net(const struct umb_relations *r, const char *path, struct net *nets)
{
    struct umb_run *run = NULL;
    char *checkpoint = NULL;
    size_t t = 0;
    enum umb_status st = umb__run_open(r->ctx, path, NULL, false, &run);
    if (st == UMB_OK) { st = read_task(r, run, &t); }
    if (st == UMB_OK && nets[t].file) {
        st = umb__fail(r->ctx, UMB_ERR_INVALID, "%s: another run has its task '%s' already", path,
                       r->task[t]);
    }
    if (st == UMB_OK) { st = umb__run_read_checkpoint(run, "latest", &nets[t].file, &checkpoint); }
    if (st == UMB_OK) { st = list_parameters(r->ctx, &nets[t]); }
    umb__free(checkpoint);
    umb__run_close(run);
    return st;
}

static void fill(size_t T, const struct net *nets, double *distance)
{
    for (size_t i = 0; i < T * T; i++) {
        const struct net *a = &nets[i / T], *b = &nets[i % T];
        struct umb_relate_distance d;
        if (!a->file || !b->file || a == b) { continue; }
        umb__relate_parameters(a->tensor, a->n, b->tensor, b->n, &d);
        distance[i] = d.relative;
    }
}

enum umb_status umb__run_relations(struct umb_relations *r, const char *const *runs, size_t n)
{
    double *distance = NULL;
    struct net *nets = umb__calloc(r->ctx, r->T, sizeof *nets);
    enum umb_status st = nets ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        st = read_net(r, runs[i], nets);
    }
    if (st == UMB_OK) { st = umb__relations_add(r, "parameter_distance", NULL, &distance); }
    if (st == UMB_OK) { fill(r->T, nets, distance); }
    for (size_t t = 0; nets && t < r->T; t++) {
        umb__safetensors_destroy(nets[t].file);
        umb__free(nets[t].tensor);
    }
    umb__free(nets);
    return st;
}

/* session.c: see session.h. */
#include "session.h"

#include "alloc.h"
#include <signal.h>

/* A look at the devices loads the drivers, whose libraries are large; opening one of them finds
 * them there. What goes wrong here is told by whoever opens. */
static void *wake_drivers(void *selector)
{
    struct umb_context *ctx = NULL;
    struct umb_device_list *list = NULL;
    if (umb_context_create(NULL, &ctx) != UMB_OK) { return NULL; }
    if (umb_device_list_create(ctx, selector, false, &list) == UMB_OK) {
        umb_device_list_destroy(list);
    }
    umb_context_destroy(ctx);
    return NULL;
}

/* Signals are the main thread's. */
static void start_waking(struct session *s, const struct cli *cli)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->waking = pthread_create(&s->waker, NULL, wake_drivers, (void *)(uintptr_t)cli->device) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_waking(struct session *s)
{
    if (s->waking) { pthread_join(s->waker, NULL); }
    s->waking = false;
}

enum umb_status session_read(struct session *s, const struct cli *cli, const char *path,
                             const struct cli_list *sets)
{
    start_waking(s, cli);
    return umb__experiment_read(cli->ctx, path, sets ? sets->item : NULL, sets ? sets->n : 0,
                                &s->exp);
}

/* A file of measurements that is of no use is no error, but not to be passed over either. */
static void say_trouble(const struct cli *cli, const struct umb_trainer *tr)
{
    const struct umb_tuning *tuning = umb__trainer_tuning(tr);
    const char *trouble = tuning ? umb__tuning_trouble(tuning) : NULL;
    if (trouble) {
        fprintf(stderr, "umbel %s: warn: %s; nothing measured is used; umbel tune measures anew\n",
                cli->usage->command, trouble);
    }
}

enum umb_status session_build(struct session *s, const struct cli *cli)
{
    const enum umb_status st = session_build_tuned(s, cli, NULL);
    if (st == UMB_OK) { say_trouble(cli, s->trainer); }
    return st;
}

/* What each device takes of a batch that they share. */
static enum umb_status choose_shares(const struct session *s, const struct cli *cli,
                                     const struct umb_trainer_desc *desc, int64_t *shares)
{
    enum umb_status st = UMB_OK;
    if (s->devices.equal) {
        umb__shares_even(desc->batch, s->devices.n, shares);
    } else {
        st = umb__shares_measure(cli->ctx, desc, shares);
    }
    for (int d = 0; st == UMB_OK && d < s->devices.n; d++) {
        umb__log(cli->ctx, UMB_LOG_INFO, "%s: %lld of %lld samples a step and stream",
                 umb_device_get_caps(s->devices.device[d])->name, (long long)shares[d],
                 (long long)desc->batch);
    }
    return st;
}

static enum umb_status open_devices(struct session *s, const struct cli *cli)
{
    end_waking(s);
    const enum umb_status st = umb__experiment_devices(s->exp, cli->device, &s->devices);
    if (st != UMB_OK) { return st; }
    s->device = s->devices.device[0];
    umb__exp_devices_name(&s->devices, s->device_name, sizeof s->device_name);
    return UMB_OK;
}

enum umb_status session_build_tuned(struct session *s, const struct cli *cli,
                                    const struct umb_trainer_tuning *tuning)
{
    const struct umb_exp_train *t = &s->exp->train;
    enum umb_status st = open_devices(s, cli);
    if (st == UMB_OK) { st = umb__experiment_net(s->exp, &s->net); }
    if (st != UMB_OK) { return st; }
    int64_t shares[UMB_MAX_DEVICES] = {0};
    const struct umb_balancing balancing = umb__experiment_balancing(s->exp);
    struct umb_trainer_desc desc = {.device = s->device,
                                    .net = s->net,
                                    .batch = t->batch,
                                    .optimizer = t->optimizer,
                                    .optimizer_attrs = t->optimizer_attrs,
                                    .clip_norm = t->clip_norm,
                                    .mixed_precision = t->mixed,
                                    .seed = t->seed,
                                    .soft = s->exp->share,
                                    .queues = (int)t->queues,
                                    .balancing = &balancing,
                                    .more = s->devices.device + 1,
                                    .n_more = s->devices.n - 1,
                                    .memory = t->memory_bytes,
                                    .memory_share = t->memory_share};
    st = umb__exp_trainer_parts(s->exp, &desc);
    if (st == UMB_OK && s->devices.share) {
        st = choose_shares(s, cli, &desc, shares);
        desc.shares = shares;
    }
    return st == UMB_OK ? umb__trainer_create_tuned(cli->ctx, &desc, tuning, &s->trainer) : st;
}

static enum umb_status bind(struct session *s, bool with_data)
{
    s->exp->from_checkpoint = true;
    if (with_data) { return umb__experiment_open(s->exp); }
    return umb__experiment_bind(s->exp, umb__safetensors_text(s->checkpoint, "umbel.shapes"),
                                s->checkpoint_path);
}

enum umb_status session_open_run(struct session *s, const struct cli *cli, const char *path,
                                 const char *checkpoint, bool with_data)
{
    enum umb_status st = umb__run_open(cli->ctx, path, NULL, false, &s->run);
    char *experiment = st == UMB_OK ? umb__run_file(s->run, "experiment.yaml") : NULL;
    if (st == UMB_OK && !experiment) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) { st = session_read(s, cli, experiment, NULL); }
    umb__free(experiment);
    if (st == UMB_OK) {
        st = umb__run_read_checkpoint(s->run, checkpoint, &s->checkpoint, &s->checkpoint_path);
    }
    if (st == UMB_OK) { st = bind(s, with_data); }
    if (st == UMB_OK) { st = session_build(s, cli); }
    if (st == UMB_OK) { st = umb__trainer_restore(s->trainer, s->checkpoint, s->checkpoint_path); }
    return st;
}

void session_finish(struct session *s)
{
    cli_log_to(NULL);
    end_waking(s);
    umb_trainer_destroy(s->trainer);
    umb__exp_devices_close(&s->devices);
    umb_net_destroy(s->net);
    umb__safetensors_destroy(s->checkpoint);
    umb__free(s->checkpoint_path);
    umb__text_finish(&s->start);
    umb__run_close(s->run);
    umb__experiment_destroy(s->exp);
    *s = (struct session){0};
}

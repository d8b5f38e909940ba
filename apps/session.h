/*
 * session.h: from an experiment (or a run) to a trainer, as most subcommands need it.
 *
 *   experiment ─ data ─ net ─ device ─ trainer
 */
#ifndef UMBEL_SESSION_H
#define UMBEL_SESSION_H

#include "cli.h"
#include "loop.h"
#include "text.h"
#include <pthread.h>

struct session {
    struct umb_experiment *exp;
    struct umb_run *run; /* NULL: none yet */
    struct umb_net *net;
    struct umb_exp_devices devices;
    struct umb_device *device; /* the first of them */
    char device_name[UMB_DEVICES_TEXT];
    struct umb_trainer *trainer;
    struct umb_safetensors *checkpoint; /* of a run that is only read */
    char *checkpoint_path;
    struct umb_text start; /* what training begins with, in lines; start.h */
    pthread_t waker;       /* loads the drivers while data are read */
    bool waking;
};

UMB_MUST_USE enum umb_status session_read(struct session *s, const struct cli *cli,
                                          const char *path, const struct cli_list *sets);
/* Device, net and trainer of an experiment that is bound. */
UMB_MUST_USE enum umb_status session_build(struct session *s, const struct cli *cli);
/* The same, with solvers measured as asked; NULL: as UMBEL_TUNE says. */
UMB_MUST_USE enum umb_status session_build_tuned(struct session *s, const struct cli *cli,
                                                 const struct umb_trainer_tuning *tuning);
/* A run's experiment and the named checkpoint; with_data opens its data sets, else their shapes
 * come from the checkpoint. The trainer then has the checkpoint's parameters. */
UMB_MUST_USE enum umb_status session_open_run(struct session *s, const struct cli *cli,
                                              const char *path, const char *checkpoint,
                                              bool with_data);
void session_finish(struct session *s);

#endif

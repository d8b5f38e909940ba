/* build_helper.c: see build_helper.h. */
#define _POSIX_C_SOURCE 200809L
#include "build_helper.h"
#include "build_job.h"
#include "program_table.h"
#include "system.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A group of its own keeps the keyboard's signals away; none of ours is blocked or ignored there.
 */
static int set_attributes(posix_spawnattr_t *a)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setpgroup(a, 0);
    posix_spawnattr_setsigdefault(a, &all);
    posix_spawnattr_setsigmask(a, &none);
    return posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                           POSIX_SPAWN_SETSIGMASK);
}

static int set_files(posix_spawn_file_actions_t *f, int socket)
{
    int code = posix_spawn_file_actions_adddup2(f, socket, STDIN_FILENO);
    for (int fd = STDOUT_FILENO; code == 0 && fd <= STDERR_FILENO; fd++) {
        code = posix_spawn_file_actions_addopen(f, fd, "/dev/null", O_WRONLY, 0);
    }
    return code;
}

static bool spawn(const char *program, int socket, pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    char name[] = "umbel", command[] = UMB_BUILD_COMMAND;
    char *argv[] = {name, command, NULL};
    if (posix_spawnattr_init(&attributes) != 0) { return false; }
    bool fine = posix_spawn_file_actions_init(&files) == 0;
    if (fine) {
        fine = set_attributes(&attributes) == 0 && set_files(&files, socket) == 0 &&
               posix_spawn(ret_pid, program, &files, &attributes, argv, environ) == 0;
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attributes);
    return fine;
}

static bool introduce(struct umb_build_helper *h, struct umb_device *device)
{
    const struct umb_device_caps *caps = umb_device_get_caps(device);
    struct umb_text t = {0};
    umb__job_put_number(&t, UMB_BUILD_DEVICE);
    umb__job_put_string(&t, caps->selector);
    umb__job_put_string(&t, caps->name);
    umb__job_put_string(&t, caps->driver);
    bool sent = umb__job_send(h->fd, &t);
    umb__text_finish(&t);
    return sent;
}

bool umb__build_helper_init(struct umb_build_helper *h, struct umb_device *device)
{
    const char *program = umb__context_builder(umb__device_context(device));
    int ends[2];
    *h = (struct umb_build_helper){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) { return false; }
    bool fine = spawn(program, ends[1], &h->pid);
    close(ends[1]);
    h->fd = ends[0];
    if (!fine) {
        close(h->fd);
        h->fd = -1;
        return false;
    }
    if (introduce(h, device)) { return true; }
    umb__build_helper_finish(h);
    return false;
}

void umb__build_helper_finish(struct umb_build_helper *h)
{
    if (h->fd < 0) { return; }
    close(h->fd);
    h->fd = -1;
    kill(h->pid, SIGKILL);
    while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR) {}
}

bool umb__build_helper_answer(struct umb_build_helper *h)
{
    char answer = 0;
    ssize_t n;
    do {
        n = read(h->fd, &answer, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

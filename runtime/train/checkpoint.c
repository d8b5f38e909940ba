/* checkpoint.c: the files in checkpoints/, and the link to the newest. */
#include "run_dir.h"

#include "fail.h"
#include "system.h"
#include "text.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "checkpoints"
#define ENDING ".safetensors"
#define NAME_BYTES 128

/* A relative link under another name, then renamed: a reader sees the old or the new one. */
static enum umb_status point_latest(struct umb_run *run, const char *target)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, FOLDER "/latest.tmp-%ld", (long)getpid());
    char *link = umb__run_file(run, FOLDER "/latest"), *temporary = umb__run_file(run, name);
    enum umb_status st = link && temporary ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        unlink(temporary);
        if (symlink(target, temporary) != 0 || rename(temporary, link) != 0) {
            st = umb__fail(run->ctx, UMB_ERR_IO, "%s: cannot be switched to %s: %s", link, target,
                           strerror(errno));
            unlink(temporary);
        }
    }
    umb__free(link);
    umb__free(temporary);
    return st;
}

enum umb_status umb__run_write_checkpoint(struct umb_run *run, const char *name,
                                          struct umb_safetensors *file, bool latest)
{
    char target[NAME_BYTES], relative[NAME_BYTES + 16];
    snprintf(target, sizeof target, "%.80s" ENDING, name);
    snprintf(relative, sizeof relative, FOLDER "/%s", target);
    char *path = umb__run_file(run, relative);
    enum umb_status st = path ? umb__safetensors_write(file, path) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && latest) { st = point_latest(run, target); }
    umb__free(path);
    return st;
}

enum umb_status umb__run_read_checkpoint(struct umb_run *run, const char *name,
                                         struct umb_safetensors **ret_file, char **ret_path)
{
    char relative[NAME_BYTES + 16];
    snprintf(relative, sizeof relative, FOLDER "/%.80s%s", name,
             strcmp(name, "latest") == 0 ? "" : ENDING);
    char *path = umb__run_file(run, relative);
    if (!path) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st =
        umb__is_file(path)
            ? umb__safetensors_read(run->ctx, path, ret_file)
            : umb__fail(run->ctx, UMB_ERR_INVALID,
                        "%s: is not there; expected a checkpoint, which is written after every "
                        "epoch",
                        path);
    if (st != UMB_OK) {
        umb__free(path);
        return st;
    }
    *ret_path = path;
    return UMB_OK;
}

/* "epoch-12.safetensors" → 12; −1 for another name. */
static int64_t number_of(const char *name, const char *kind)
{
    size_t n = strlen(name), front = strlen(kind), back = strlen(ENDING);
    char digits[24];
    int64_t number;
    if (n <= front + back || n - front - back >= sizeof digits || strncmp(name, kind, front) != 0 ||
        strcmp(name + n - back, ENDING) != 0) {
        return -1;
    }
    memcpy(digits, name + front, n - front - back);
    digits[n - front - back] = 0;
    return umb__parse_int(digits, 0, INT64_MAX, &number) ? number : -1;
}

/* What is left behind by a failure here costs space only: it is tried again after the next epoch.
 */
void umb__run_prune(struct umb_run *run, int64_t first_kept)
{
    char *folder = umb__run_file(run, FOLDER);
    DIR *entries = folder ? opendir(folder) : NULL;
    for (struct dirent *e; entries && (e = readdir(entries)) != NULL;) {
        int64_t epoch = number_of(e->d_name, "epoch-");
        bool old = (epoch >= 0 && epoch < first_kept) || number_of(e->d_name, "step-") >= 0;
        char *path = old ? umb__path_join(run->ctx, folder, e->d_name) : NULL;
        if (path) { unlink(path); }
        umb__free(path);
    }
    if (entries) { closedir(entries); }
    umb__free(folder);
}

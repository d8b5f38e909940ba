/*
 * file_writer.c: files that appear whole.
 *
 *   create: TEMPORARY beside PATH   add …: buffered writes   commit: flush, fsync, rename, fsync of
 *   the folder
 *
 * Invariant: until the rename, PATH is untouched; whatever fails before it, the temporary goes.
 */
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)64 << 10)
#define TEMPORARY_TRIES 1000 /* left behind by killed processes of this id, or other threads' */

struct umb_file_writer {
    struct umb_context *ctx;
    char *path, *temporary;
    int fd; /* −1: not open, and no temporary exists */
    size_t buffered;
    unsigned char buffer[BUFFER_BYTES];
};

static enum umb_status refuse(const struct umb_file_writer *w, const char *what)
{
    return umb__fail(w->ctx, UMB_ERR_IO, "%s: %s: %s", w->path, what, strerror(errno));
}

/* A rename would replace a device or pipe by a file; a folder it refuses only at the very end. */
static enum umb_status check_target(const struct umb_file_writer *w)
{
    struct stat info;
    if (lstat(w->path, &info) != 0 || S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) {
        return UMB_OK;
    }
    return umb__fail(w->ctx, UMB_ERR_INVALID, "%s: is a %s; expected a file or a free name",
                     w->path, S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
}

static enum umb_status open_temporary(struct umb_file_writer *w)
{
    size_t bytes = strlen(w->path) + 48;
    w->temporary = umb__calloc(w->ctx, bytes, 1);
    if (!w->temporary) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < TEMPORARY_TRIES && w->fd < 0; i++) {
        snprintf(w->temporary, bytes, "%s.tmp-%ld-%d", w->path, (long)getpid(), i);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd < 0 && errno != EEXIST) { break; }
    }
    return w->fd < 0 ? refuse(w, "cannot be written") : UMB_OK;
}

enum umb_status umb__file_writer_create(struct umb_context *ctx, const char *path,
                                        struct umb_file_writer **ret_writer)
{
    struct umb_file_writer *w = umb__calloc(ctx, 1, sizeof *w);
    if (!w) { return UMB_ERR_NO_MEMORY; }
    w->ctx = ctx;
    w->fd = -1;
    w->path = umb__strdup(ctx, path);
    enum umb_status st = w->path ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = check_target(w); }
    if (st == UMB_OK) { st = open_temporary(w); }
    if (st != UMB_OK) { goto fail; }
    *ret_writer = w;
    return UMB_OK;
fail:
    umb__file_writer_abort(w);
    return st;
}

void umb__file_writer_abort(struct umb_file_writer *w)
{
    if (!w) { return; }
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    umb__free(w->temporary);
    umb__free(w->path);
    umb__free(w);
}

static enum umb_status write_fully(struct umb_file_writer *w, const unsigned char *data,
                                   size_t size)
{
    while (size > 0) {
        ssize_t n = write(w->fd, data, size);
        if (n < 0 && errno == EINTR) { continue; }
        if (n < 0) { return refuse(w, "cannot be written"); }
        data += n;
        size -= (size_t)n;
    }
    return UMB_OK;
}

static enum umb_status flush_buffer(struct umb_file_writer *w)
{
    size_t n = w->buffered;
    w->buffered = 0;
    return write_fully(w, w->buffer, n);
}

enum umb_status umb__file_writer_add(struct umb_file_writer *w, const void *data, size_t size)
{
    if (size == 0) { return UMB_OK; }
    enum umb_status st = UMB_OK;
    if (size > BUFFER_BYTES - w->buffered) { st = flush_buffer(w); }
    if (st != UMB_OK) { return st; }
    if (size > BUFFER_BYTES) { return write_fully(w, data, size); }
    memcpy(w->buffer + w->buffered, data, size);
    w->buffered += size;
    return UMB_OK;
}

/* The folder of the path, open, or −1; a folder that may be written but not read is not synced. */
static int open_folder(const struct umb_file_writer *w)
{
    char *folder = umb__path_beside(NULL, w->path, ".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    umb__free(folder);
    return fd;
}

static enum umb_status rename_and_sync(struct umb_file_writer *w)
{
    if (fsync(w->fd) != 0) { return refuse(w, "cannot be synced to the disk"); }
    int folder = open_folder(w);
    enum umb_status st = UMB_OK;
    if (rename(w->temporary, w->path) != 0) { st = refuse(w, "cannot be replaced"); }
    if (st == UMB_OK) {
        close(w->fd); /* synced before: nothing is left that it could report */
        w->fd = -1;
        /* Some file systems refuse to sync a folder; the file itself is safe then. */
        if (folder >= 0 && fsync(folder) != 0 && errno == EIO) {
            st = refuse(w, "its folder cannot be synced to the disk");
        }
    }
    if (folder >= 0) { close(folder); }
    return st;
}

enum umb_status umb__file_writer_commit(struct umb_file_writer *w)
{
    enum umb_status st = flush_buffer(w);
    if (st == UMB_OK) { st = rename_and_sync(w); }
    umb__file_writer_abort(w);
    return st;
}

enum umb_status umb__file_write(struct umb_context *ctx, const char *path, const void *data,
                                size_t size)
{
    struct umb_file_writer *w = NULL;
    enum umb_status st = umb__file_writer_create(ctx, path, &w);
    if (st != UMB_OK) { return st; }
    st = umb__file_writer_add(w, data, size);
    if (st != UMB_OK) {
        umb__file_writer_abort(w);
        return st;
    }
    return umb__file_writer_commit(w);
}

/* file_lock.c: one process at a time. */
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct umb_file_lock {
    int fd;
};

static int wait_for(int fd)
{
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;
    do {
        result = fcntl(fd, F_SETLKW, &whole);
    } while (result != 0 && errno == EINTR);
    return result;
}

enum umb_status umb__file_lock(struct umb_context *ctx, const char *path,
                               struct umb_file_lock **ret_lock)
{
    struct umb_file_lock *lock = umb__calloc(ctx, 1, sizeof *lock);
    if (!lock) { return UMB_ERR_NO_MEMORY; }
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (lock->fd < 0 || wait_for(lock->fd) != 0) {
        enum umb_status st = umb__fail(ctx, UMB_ERR_IO, "%s: cannot be %s: %s", path,
                                       lock->fd < 0 ? "written" : "locked", strerror(errno));
        umb__file_unlock(lock);
        return st;
    }
    *ret_lock = lock;
    return UMB_OK;
}

void umb__file_unlock(struct umb_file_lock *lock)
{
    if (!lock) { return; }
    if (lock->fd >= 0) { close(lock->fd); }
    umb__free(lock);
}

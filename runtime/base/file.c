/* file.c: reading whole files, and asking what a path is. */
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum umb_status check_regular(struct umb_context *ctx, const char *path, int fd,
                                     size_t max_bytes, size_t *ret_size)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return umb__fail(ctx, UMB_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: is a %s; expected a file", path,
                         S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    }
    if ((uintmax_t)info.st_size > max_bytes) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: has %ju bytes; expected at most %zu", path,
                         (uintmax_t)info.st_size, max_bytes);
    }
    *ret_size = (size_t)info.st_size;
    return UMB_OK;
}

/* Reads until `size` bytes are there or the file ends, which it does early if someone cuts it. */
static enum umb_status read_fully(struct umb_context *ctx, const char *path, int fd, char *data,
                                  size_t size, size_t *ret_size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, data + n, size - n);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) {
            return umb__fail(ctx, UMB_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        }
        if (got == 0) { break; }
        n += (size_t)got;
    }
    *ret_size = n;
    return UMB_OK;
}

enum umb_status umb__file_read(struct umb_context *ctx, const char *path, size_t max_bytes,
                               char **ret_data, size_t *ret_size)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return umb__fail(ctx, UMB_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    size_t size = 0, got = 0, with_nul = 0;
    char *data = NULL;
    enum umb_status st = check_regular(ctx, path, fd, max_bytes, &size);
    if (st == UMB_OK && !umb__add_size(size, 1, &with_nul)) {
        st = umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: is too large", path);
    }
    if (st == UMB_OK) {
        data = umb__calloc(ctx, with_nul, 1);
        st = data ? read_fully(ctx, path, fd, data, size, &got) : UMB_ERR_NO_MEMORY;
    }
    close(fd);
    if (st != UMB_OK) {
        umb__free(data);
        return st;
    }
    data[got] = 0;
    *ret_data = data;
    *ret_size = got;
    return UMB_OK;
}

bool umb__is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool umb__is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

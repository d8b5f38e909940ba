/* path.c: joining paths, and making folders. */
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* folder[0…n) and name with one slash between them. */
static char *join(struct umb_context *ctx, const char *folder, size_t n, const char *name)
{
    size_t name_bytes = strlen(name) + 1, bytes;
    bool slash = n > 0 && folder[n - 1] != '/';
    if (!umb__add_size(n, name_bytes, &bytes) || !umb__add_size(bytes, slash, &bytes)) {
        bytes = SIZE_MAX;
    }
    char *path = umb__calloc(ctx, bytes, 1);
    if (!path) { return NULL; }
    memcpy(path, folder, n);
    if (slash) { path[n] = '/'; }
    memcpy(path + n + slash, name, name_bytes);
    return path;
}

char *umb__path_join(struct umb_context *ctx, const char *folder, const char *name)
{
    return join(ctx, folder, strlen(folder), name);
}

char *umb__path_beside(struct umb_context *ctx, const char *file, const char *relative)
{
    const char *slash = strrchr(file, '/');
    if (relative[0] == '/' || !slash) { return umb__strdup(ctx, relative); }
    return join(ctx, file, (size_t)(slash - file) + 1, relative);
}

static enum umb_status make_folder(struct umb_context *ctx, const char *path)
{
    if (mkdir(path, 0777) == 0) { return UMB_OK; }
    int error = errno;
    if (umb__is_folder(path)) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_IO, "%s: the folder cannot be made: %s", path,
                     error == EEXIST ? "a file of that name is there" : strerror(error));
}

enum umb_status umb__make_folders(struct umb_context *ctx, const char *path)
{
    if (path[0] == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "an empty path; expected a folder's name");
    }
    char *piece = umb__strdup(ctx, path);
    if (!piece) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = UMB_OK;
    for (char *c = piece + 1; st == UMB_OK && *c; c++) {
        if (*c != '/') { continue; }
        *c = 0;
        st = make_folder(ctx, piece);
        *c = '/';
    }
    if (st == UMB_OK) { st = make_folder(ctx, piece); }
    umb__free(piece);
    return st;
}

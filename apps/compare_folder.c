/* compare_folder.c: the folder of a comparison: found, guarded, made, and its two files. */
#include "compare.h"

#include "alloc.h"
#include "fail.h"
#include "system.h"
#include "text.h"

#define TABLE "comparison.json"

enum umb_status compare_is_there(struct umb_context *ctx, const char *folder, const char *name,
                                 bool *ret_there)
{
    char *file = umb__path_join(ctx, folder, name);
    if (!file) { return UMB_ERR_NO_MEMORY; }
    *ret_there = umb__is_file(file);
    umb__free(file);
    return UMB_OK;
}

enum umb_status compare_check_free(const struct compare *c)
{
    struct umb_context *ctx = c->cli->ctx;
    bool there = false;
    const enum umb_status st = compare_is_there(ctx, c->out, TABLE, &there);
    if (st != UMB_OK) { return st; }
    if (!there) { return umb__run_check_free(ctx, c->out); }
    return umb__fail(ctx, UMB_ERR_INVALID,
                     "%s: holds a comparison already; expected a new folder, or --resume to go on "
                     "with it",
                     c->out);
}

/* "NAME-compare", "NAME-group" into buffer, the runs/ folders' name. */
static const char *folder_name(const struct compare *c, char *buffer, size_t size)
{
    snprintf(buffer, size, "%.64s-%s", c->exp->name, c->groups ? "group" : "compare");
    return buffer;
}

enum umb_status compare_find_folder(struct compare *c)
{
    char name[80];
    struct umb_context *ctx = c->cli->ctx;
    enum umb_status st = UMB_OK;
    bool there = false;
    if (c->out) {
        c->path = umb__strdup(ctx, c->out);
        st = c->path ? UMB_OK : UMB_ERR_NO_MEMORY;
    } else {
        st = umb__runs_newest(ctx, folder_name(c, name, sizeof name), &c->path);
    }
    if (st == UMB_OK) { st = compare_is_there(ctx, c->path, TABLE, &there); }
    if (st != UMB_OK || there) { return st; }
    return umb__fail(ctx, UMB_ERR_INVALID, "%s: is no comparison; expected a folder with " TABLE,
                     c->path);
}

static enum umb_status write_table(const struct compare *c)
{
    struct umb_context *ctx = c->cli->ctx;
    struct umb_text text = {0};
    char *path = umb__path_join(ctx, c->path, TABLE);
    enum umb_status st = path ? compare_json(c->table, &text) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__file_write(ctx, path, text.data, text.length); }
    umb__text_finish(&text);
    umb__free(path);
    return st;
}

static enum umb_status write_page(const struct compare *c)
{
    char *path = umb__path_join(c->cli->ctx, c->path, "report.html");
    const enum umb_status st = path ? umb__comparison_page(c->table, path) : UMB_ERR_NO_MEMORY;
    umb__free(path);
    return st;
}

enum umb_status compare_make_folder(struct compare *c)
{
    char name[80];
    struct umb_context *ctx = c->cli->ctx;
    enum umb_status st = UMB_OK;
    if (c->path) { return UMB_OK; }
    if (c->out) {
        st = umb__make_folders(ctx, c->out);
        if (st == UMB_OK && !(c->path = umb__strdup(ctx, c->out))) { st = UMB_ERR_NO_MEMORY; }
    } else {
        st = umb__runs_make(ctx, folder_name(c, name, sizeof name), &c->path);
    }
    return st == UMB_OK ? write_table(c) : st;
}

enum umb_status compare_write(const struct compare *c)
{
    const enum umb_status st = write_table(c);
    return st == UMB_OK ? write_page(c) : st;
}

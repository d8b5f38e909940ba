/*
 * Steps that do several launches' work: merging them, and the table that tells the kernel of its
 * members (program.h, kernel_many.c).
 */
#include "many.h"
#include <string.h>

static size_t args_each(const struct umb_step *s)
{
    return s->n_args / s->n_members;
}

/* The row that is launched: table, members, and the letters that stay parameters. */
static struct umb_kernel *many_row(struct umb_steps *s, const struct umb_kernel *kernel)
{
    struct umb_kernel *row = umb__arena_calloc(s->arena, 1, sizeof *row);
    char *signature = umb__arena_calloc(s->arena, strlen(kernel->signature) + 3, 1);
    if (!row || !signature) { return NULL; }
    *row = *kernel;
    row->signature = signature;
    *signature++ = 'r';
    *signature++ = 'i';
    for (const char *c = kernel->signature; *c; c++) {
        if (*c != 'i' && *c != 'f') { *signature++ = *c; }
    }
    return row;
}

static char *many_options(struct umb_steps *s, const struct umb_step *step)
{
    return umb__arena_printf(s->arena, "%s%s" UMB_MANY_OPTION "%u",
                             step->options ? step->options : "", step->options ? " " : "",
                             step->dimensions);
}

enum umb_status umb__step_merge(struct umb_steps *s, const struct umb_step *const *step, size_t n,
                                struct umb_step *ret_step)
{
    const size_t each = step[0]->n_args;
    struct umb_step merged = *step[0];
    merged.n_members = n;
    merged.n_args = n * each;
    merged.args = umb__arena_calloc(s->arena, merged.n_args, sizeof *merged.args);
    merged.member = umb__arena_calloc(s->arena, n, sizeof *merged.member);
    merged.many = many_row(s, step[0]->kernel);
    merged.options = many_options(s, step[0]);
    if (!merged.args || !merged.member || !merged.many || !merged.options) {
        return UMB_ERR_NO_MEMORY;
    }
    for (size_t m = 0; m < n; m++) {
        memcpy(merged.args + m * each, step[m]->args, each * sizeof *merged.args);
        merged.member[m].node = step[m]->node;
        for (unsigned d = 0; d < 3; d++) {
            merged.member[m].global[d] = d < step[m]->dimensions ? step[m]->global[d] : 1;
        }
    }
    *ret_step = merged;
    const size_t groups = umb__step_groups(&merged);
    for (unsigned d = 0; d < 3; d++) {
        ret_step->local[d] = merged.local[d] ? merged.local[d] : 1;
        ret_step->global[d] = d ? ret_step->local[d] : groups * ret_step->local[d];
    }
    return UMB_OK;
}

static void count_groups(const struct umb_step *s, size_t m, size_t *ret_groups)
{
    for (unsigned d = 0; d < 3; d++) {
        ret_groups[d] = s->member[m].global[d] / (s->local[d] ? s->local[d] : 1);
    }
}

size_t umb__step_groups(const struct umb_step *s)
{
    size_t groups = 0, of[3];
    for (size_t m = 0; m < s->n_members; m++) {
        count_groups(s, m, of);
        groups += of[0] * of[1] * of[2];
    }
    return groups;
}

size_t umb__steps_table_words(struct umb_steps *s)
{
    size_t words = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->step[i].table_at = words;
        words += s->step[i].n_members * UMB_MANY_ROW;
    }
    return words;
}

static int64_t word_of(const struct umb_step_arg *a, uint64_t offset)
{
    int32_t bits = a->u.i;
    if (umb__names_value(a)) { return (int64_t)offset; }
    if (a->kind == 'f') { memcpy(&bits, &a->u.f, sizeof bits); }
    return bits;
}

enum umb_status umb__step_fill_table(struct umb_context *ctx, const struct umb_step *s,
                                     umb_resolve_fn resolve, void *user, int64_t *table)
{
    for (size_t m = 0; m < s->n_members; m++) {
        int64_t *row = table + s->table_at + m * UMB_MANY_ROW;
        size_t groups[3];
        count_groups(s, m, groups);
        *row++ = (int64_t)(groups[0] * groups[1] * groups[2]);
        for (unsigned d = 0; d < 3; d++) {
            *row++ = (int64_t)groups[d];
        }
        for (size_t k = 0; k < args_each(s); k++) {
            const struct umb_step_arg *a = &s->args[m * args_each(s) + k];
            uint64_t offset = 0;
            if (a->kind == 'l') { continue; }
            if (umb__names_value(a)) {
                const struct umb_view view = resolve(user, a->value);
                const enum umb_status st = umb__step_offset(ctx, s, a, &view, &offset);
                if (st != UMB_OK) { return st; }
            }
            *row++ = word_of(a, offset);
        }
    }
    return UMB_OK;
}

enum umb_status umb__many_describe(struct umb_context *ctx, const struct umb_step *s,
                                   struct umb_buffer *table, umb_resolve_fn resolve, void *user,
                                   struct umb_launch_arg *args, struct umb_launch_desc *ret_desc)
{
    size_t n = 0;
    args[n].buffer = table;
    args[n++].offset = s->table_at;
    args[n++].u.i = (int32_t)s->n_members;
    for (size_t k = 0; k < args_each(s); k++) {
        const struct umb_step_arg *a = &s->args[k];
        if (a->kind == 'l') {
            args[n++].u.local_bytes = a->u.local_bytes;
        } else if (umb__names_value(a)) {
            args[n++].buffer = resolve(user, a->value).buffer;
            for (size_t m = 1; m < s->n_members; m++) {
                const struct umb_step_arg *other = &s->args[m * args_each(s) + k];
                if (resolve(user, other->value).buffer == args[n - 1].buffer) { continue; }
                return umb__fail(ctx, UMB_ERR_INVALID,
                                 "%s: members of one launch lie in different buffers",
                                 s->kernel->name);
            }
        }
    }
    *ret_desc = (struct umb_launch_desc){.kernel = s->many,
                                         .options = s->options,
                                         .dimensions = s->dimensions,
                                         .args = args,
                                         .n_args = n};
    memcpy(ret_desc->global, s->global, sizeof ret_desc->global);
    memcpy(ret_desc->local, s->local, sizeof ret_desc->local);
    return UMB_OK;
}

size_t umb__many_index(const struct umb_step *s, size_t arg)
{
    size_t index = 2;
    for (size_t k = 0; k < arg % args_each(s); k++) {
        index += s->args[k].kind == 'l' || umb__names_value(&s->args[k]);
    }
    return index;
}

/*
 * kernel_many.c: kernels that do the work of several launches, their members, in one.
 *
 * Members have equal buffers and local memory; offsets, numbers and groups come from a table, a row
 * of UMB_MANY_ROW words of 64 bits for each: groups in all, groups along each dimension, then what
 * the kernel's parameters would have been, in their order, without the buffers themselves. The
 * groups of the launch are those of the first member, then those of the second …
 *
 *   __kernel ATTRIBUTES void f(            __kernel ATTRIBUTES void f(
 *       __global const float *x,               __global const long *umb_table, ulong umb_table_at,
 *       ulong x_at, int n)                     int umb_members, __global const float *x,
 *                                              ulong umb_at_0)
 *   {                              ─►      {
 *       … get_group_id(0) …                    (finds the member's row) ulong x_at = umb_row[4]; …
 *   }                                          … umb_member_group_0 …
 *                                          }
 *
 * So each member computes what it would have alone, to the bit.
 */
#include "kernel_parts.h"
#include "kernel_source.h"
#include "program.h"
#include <string.h>

#define HEAD "\n__kernel "

/* In a kernel's first line, so that lines keep their numbers; kernel_body.c knows the call. */
static const char prologue[] = "__global const long *umb_row = umb_table + umb_table_at; "
                               "size_t umb_group = get_launch_group(0); UMB_FIND_MEMBER ";

/* UMB_MANY is the number of dimensions: of one there is nothing to divide. */
static const char find_member[] =
    "#define UMB_FIND_ROW for (int umb_m = 1; umb_m < umb_members && umb_group >= "
    "(size_t)umb_row[0]; ++umb_m) { umb_group -= (size_t)umb_row[0]; umb_row += UMB_MANY_ROW; }\n"
    "#define UMB_ALL_USED (void)umb_member_groups_0; (void)umb_member_groups_1; "
    "(void)umb_member_groups_2; (void)umb_member_group_0; (void)umb_member_group_1; "
    "(void)umb_member_group_2;\n"
    "#if UMB_MANY == 1\n"
    "#define UMB_FIND_MEMBER UMB_FIND_ROW "
    "const size_t umb_member_group_0 = umb_group, umb_member_groups_0 = (size_t)umb_row[1], "
    "umb_member_group_1 = 0, umb_member_group_2 = 0, umb_member_groups_1 = 1, "
    "umb_member_groups_2 = 1; UMB_ALL_USED\n"
    "#else\n"
    "#define UMB_FIND_MEMBER UMB_FIND_ROW "
    "const size_t umb_member_groups_0 = (size_t)max(umb_row[1], 1L), "
    "umb_member_groups_1 = (size_t)max(umb_row[2], 1L), "
    "umb_member_groups_2 = (size_t)umb_row[3], umb_line = umb_group / umb_member_groups_0, "
    "umb_member_group_0 = umb_group - umb_line * umb_member_groups_0, "
    "umb_member_group_2 = umb_line / umb_member_groups_1, "
    "umb_member_group_1 = umb_line - umb_member_group_2 * umb_member_groups_1; "
    "UMB_ALL_USED\n"
    "#endif\n";

/* What kernels, and the macros that they use, ask about their place, and what they get. Functions
 * beside them cannot ask: kernels tell them. */
static const struct {
    const char *call, *text;
} places[] = {
    {"get_group_id(", "umb_member_group("},
    {"get_num_groups(", "umb_member_groups("},
    {"get_global_id(", "umb_member_id("},
    {"get_global_size(", "umb_member_size("},
};
static const char macros[] =
    "#define get_launch_group(d) get_group_id(d)\n"
    "#define umb_member_group(d) umb_member_group_##d\n"
    "#define umb_member_groups(d) umb_member_groups_##d\n"
    "#define umb_member_id(d) (umb_member_group_##d * get_local_size(d) + get_local_id(d))\n"
    "#define umb_member_size(d) (umb_member_groups_##d * get_local_size(d))\n";

static bool is_type(struct umb_kernel_param p, const char *type)
{
    return strncmp(p.type, type, strlen(type)) == 0;
}

/* Each is a buffer, local memory or a number; a macro may stand for anything. */
static bool are_plain(const struct umb_kernel_parts *k)
{
    static const char *const types[] = {"__global ", "__local ", "ulong ",
                                        "uint ",     "int ",     "float "};
    struct umb_kernel_param p;
    for (const char *c = k->params; umb__kernel_param_next(k, &c, &p);) {
        bool known = false;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            known = known || is_type(p, types[i]);
        }
        if (!known || p.name_length == 0) { return false; }
    }
    return true;
}

/* Of the definition that begins at `at`, a HEAD. */
static bool read_kernel(const char *at, struct umb_kernel_parts *k)
{
    const char *open = strstr(at, "\n{\n"), *name = strstr(at, "void ");
    return open && name && name < open && umb__kernel_parts_read(name + 5, k) && are_plain(k);
}

static void add_params(struct umb_text *t, const struct umb_kernel_parts *k)
{
    umb__text_add(t, "__global const long *umb_table, ulong umb_table_at, int umb_members");
    int n = 0;
    struct umb_kernel_param p;
    for (const char *c = k->params; umb__kernel_param_next(k, &c, &p);) {
        if (is_type(p, "__global")) {
            umb__text_printf(t, ", %.*s, ulong umb_at_%d", p.length, p.type, n++);
        } else if (is_type(p, "__local")) {
            umb__text_printf(t, ", %.*s", p.length, p.type);
        }
    }
}

static void add_members(struct umb_text *t, const struct umb_kernel_parts *k)
{
    int at = UMB_MANY_HEAD;
    struct umb_kernel_param p;
    for (const char *c = k->params; umb__kernel_param_next(k, &c, &p);) {
        if (is_type(p, "__")) { continue; }
        const char *cast = is_type(p, "float")   ? "as_float((int)"
                           : is_type(p, "ulong") ? "(ulong)("
                                                 : "(int)(";
        umb__text_printf(t, "%.*s = %sumb_row[%d]); ", p.length, p.type, cast, at);
        at++;
    }
}

/* A piece of the text, with the calls replaced. */
static void add_piece(struct umb_text *t, const char *c, const char *end)
{
    while (c < end) {
        const char *call = strstr(c, "get_");
        if (!call || call > end) { call = end; }
        umb__text_add_bytes(t, c, (size_t)(call - c));
        c = call;
        for (size_t i = 0; i < sizeof places / sizeof *places && c == call && c < end; i++) {
            const size_t n = strlen(places[i].call);
            if (strncmp(c, places[i].call, n) != 0) { continue; }
            umb__text_add(t, places[i].text);
            c += n;
        }
        if (c == call && c < end) { umb__text_add_bytes(t, c++, 1); }
    }
}

void umb__kernel_source_many(struct umb_text *text, size_t from)
{
    struct umb_text many = {0};
    const char *c = umb__text_string(text) + from;
    umb__text_add_bytes(&many, umb__text_string(text), from);
    umb__text_printf(&many, "#define UMB_MANY_ROW %d\n%s%s", UMB_MANY_ROW, find_member, macros);
    for (const char *at; (at = strstr(c, HEAD));) {
        struct umb_kernel_parts k;
        if (!read_kernel(at, &k)) {
            add_piece(&many, c, at + strlen(HEAD));
            c = at + strlen(HEAD);
            continue;
        }
        add_piece(&many, c, k.params);
        add_params(&many, &k);
        umb__text_add(&many, ")\n{\n");
        umb__text_add(&many, prologue);
        add_members(&many, &k);
        umb__text_add(&many, "\n");
        add_piece(&many, k.body, k.body_end);
        c = k.body_end;
    }
    add_piece(&many, c, c + strlen(c));
    many.failed = many.failed || text->failed;
    umb__text_finish(text);
    *text = many;
}

bool umb__kernel_source_has_many(const char *text, const char *entry)
{
    for (const char *at = text; (at = strstr(at, HEAD)); at += strlen(HEAD)) {
        struct umb_kernel_parts k;
        const size_t n = strlen(entry);
        if (read_kernel(at, &k) && strncmp(k.name, entry, n) == 0 && k.name[n] == '(') {
            return true;
        }
    }
    return false;
}

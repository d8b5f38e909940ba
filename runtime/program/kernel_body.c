/*
 * kernel_body.c: the bodies of kernels of one item a group, as functions of their own.
 *
 * PoCL copies a kernel into three functions, of which two are called by nobody here, and optimises
 * and translates each. A function that a kernel calls, it translates once, if it does not ask which
 * group it is in; so it is told. builtins.cl has the words that begin with UMB_ and umb_.
 *
 *   __kernel ONE_ITEM void f(      static UMB_ONCE void f_body(
 *       P x)                           P x, UMB_PLACE)
 *   {                        ─►    {
 *       … get_group_id(0) …            … umb_group_id(0) …
 *   }                              } __kernel ONE_ITEM void f(P x) { f_body(x, UMB_HERE); }
 *
 * Kernels of several items are left as they are, for what PoCL makes of an item's neighbours is
 * more than a call for each; so are those of ONE_ITEM_WHOLE, which are faster whole.
 */
#include "kernel_parts.h"
#include "kernel_source.h"
#include <string.h>

#define HEAD "\n__kernel ONE_ITEM void "
/* In one line, so that what comes behind keeps its number. */
static void add_params(struct umb_text *t, const struct umb_kernel_parts *k)
{
    for (const char *c = k->params; c < k->params_end;) {
        size_t n = strcspn(c, "\n");
        if (n > (size_t)(k->params_end - c)) { n = (size_t)(k->params_end - c); }
        umb__text_add_bytes(t, c, n);
        umb__text_add(t, " ");
        c += n + 1;
    }
}

static void add_names(struct umb_text *t, const struct umb_kernel_parts *k)
{
    struct umb_kernel_param p;
    for (const char *c = k->params; umb__kernel_param_next(k, &c, &p);) {
        umb__text_printf(t, "%.*s, ", p.name_length, p.name);
    }
}

/* With umb_ for get_ where a body asks which group it is, or how many there are. */
static void add_body(struct umb_text *t, const struct umb_kernel_parts *k)
{
    const char *c = k->body;
    umb__text_add(t, "\n{\n");
    for (const char *call; (call = strstr(c, "get_")) && call < k->body_end;) {
        bool place = strncmp(call, "get_group_id(", 13) == 0 ||
                     strncmp(call, "get_num_groups(", 15) == 0 ||
                     strncmp(call, "get_launch_group(", 17) == 0; /* kernel_many.c */
        umb__text_add_bytes(t, c, (size_t)(call - c));
        umb__text_add(t, place ? "umb_" : "get_");
        c = call + 4;
    }
    umb__text_add_bytes(t, c, (size_t)(k->body_end - c));
    umb__text_add(t, "}");
}

static void add_parted(struct umb_text *t, const struct umb_kernel_parts *k)
{
    const int n = k->name_length;
    umb__text_printf(t, "\nstatic UMB_ONCE void %.*s_body(", n, k->name);
    umb__text_add_bytes(t, k->params, (size_t)(k->params_end - k->params));
    umb__text_add(t, ", UMB_PLACE)");
    add_body(t, k);
    umb__text_printf(t, " __kernel ONE_ITEM void %.*s(", n, k->name);
    add_params(t, k);
    umb__text_printf(t, ") { %.*s_body(", n, k->name);
    add_names(t, k);
    umb__text_add(t, "UMB_HERE); }");
}

void umb__kernel_source_part_bodies(struct umb_text *text)
{
    struct umb_text parted = {0};
    struct umb_kernel_parts k;
    const char *c = umb__text_string(text);
    for (const char *at; (at = strstr(c, HEAD));) {
        umb__text_add_bytes(&parted, c, (size_t)(at - c));
        if (umb__kernel_parts_read(at + strlen(HEAD), &k) && k.params < k.params_end) {
            add_parted(&parted, &k);
            c = k.body_end + 1;
        } else {
            umb__text_add(&parted, HEAD);
            c = at + strlen(HEAD);
        }
    }
    umb__text_add(&parted, c);
    parted.failed = parted.failed || text->failed;
    umb__text_finish(text);
    *text = parted;
}

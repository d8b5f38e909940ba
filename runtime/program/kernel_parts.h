/*
 * kernel_parts.h: a kernel's definition in a text, taken apart; for those that rewrite kernels.
 *
 *   NAME(PARAMS)
 *   {
 *   BODY
 *   }
 *
 * Nothing is copied: parts point into the text.
 */
#ifndef UMB_KERNEL_PARTS_H
#define UMB_KERNEL_PARTS_H

#include <stdbool.h>

#define UMB_WORD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

struct umb_kernel_parts {
    const char *name, *params, *params_end; /* params_end: the closing bracket */
    const char *body, *body_end;            /* behind the opening brace's line; the closing brace */
    int name_length;
};
/* False where none begins at `name`, or there is more to it than can be taken apart: brackets or
 * directives among the parameters, braces elsewhere. */
bool umb__kernel_parts_read(const char *name, struct umb_kernel_parts *ret_parts);

/* A parameter's last word, which is its name, and all from its type on. */
struct umb_kernel_param {
    const char *type, *name;
    int name_length, length;
};
/* The parameter at *at, which begins as k->params and then is behind it; false: there is none. */
bool umb__kernel_param_next(const struct umb_kernel_parts *k, const char **at,
                            struct umb_kernel_param *ret_param);

#endif

#include "kernel_parts.h"

#include <string.h>

bool umb__kernel_parts_read(const char *name, struct umb_kernel_parts *k)
{
    k->name = name;
    k->name_length = (int)strspn(name, UMB_WORD_CHARS);
    if (k->name_length == 0 || name[k->name_length] != '(') { return false; }
    k->params = name + k->name_length + 1;
    k->params_end = k->params + strcspn(k->params, "()#[/");
    if (strncmp(k->params_end, ")\n{\n", 4) != 0) { return false; }
    k->body = k->params_end + 4;
    const char *brace = strstr(k->body - 1, "\n}\n");
    k->body_end = brace ? brace + 1 : NULL;
    return brace;
}

bool umb__kernel_param_next(const struct umb_kernel_parts *k, const char **at,
                            struct umb_kernel_param *p)
{
    if (*at >= k->params_end) { return false; }
    const char *from = *at + strspn(*at, " \n"), *end = from + strcspn(from, ",)"), *name = end;
    while (name > from && strchr(UMB_WORD_CHARS, name[-1])) {
        name--;
    }
    *p = (struct umb_kernel_param){from, name, (int)(end - name), (int)(end - from)};
    *at = end + 1;
    return true;
}

/* Attributes to text: those that differ from their defaults. */
#include "attrs_value.h"
#include "text.h"
#include <stdio.h>

static bool same(const struct umb_attr_desc *d, const union umb_attr_value *a,
                 const union umb_attr_value *b)
{
    switch (d->type) {
    case UMB_ATTR_INT:
        return a->i[0] == b->i[0];
    case UMB_ATTR_PAIR:
        return a->i[0] == b->i[0] && a->i[1] == b->i[1];
    case UMB_ATTR_FLOAT:
        return !(a->f < b->f || a->f > b->f);
    case UMB_ATTR_BOOL:
        return a->b == b->b;
    case UMB_ATTR_CHOICE:
        return a->choice == b->choice;
    case UMB_ATTR_FLOATS:
        return a->floats.n == 0;
    }
    return true;
}

static void print(const struct umb_attr_desc *d, const union umb_attr_value *v, struct umb_text *t)
{
    switch (d->type) {
    case UMB_ATTR_INT:
        umb__text_printf(t, "%lld", (long long)v->i[0]);
        break;
    case UMB_ATTR_PAIR:
        if (v->i[0] < 0) {
            umb__text_add(t, d->choices[-1 - v->i[0]]);
            break;
        }
        umb__text_printf(t, "%lld", (long long)v->i[0]);
        if (v->i[1] != v->i[0]) { umb__text_printf(t, ",%lld", (long long)v->i[1]); }
        break;
    case UMB_ATTR_FLOAT:
        umb__text_printf(t, "%.17g", v->f);
        break;
    case UMB_ATTR_BOOL:
        umb__text_add(t, v->b ? "true" : "false");
        break;
    case UMB_ATTR_CHOICE:
        umb__text_add(t, d->choices[v->choice]);
        break;
    case UMB_ATTR_FLOATS:
        for (size_t i = 0; i < v->floats.n; i++) {
            umb__text_printf(t, "%s%.17g", i ? "," : "", v->floats.value[i]);
        }
        break;
    }
}

static void print_all(const struct umb_attr_desc *list, const void *attrs, struct umb_text *t)
{
    for (const struct umb_attr_desc *d = list; d && d->name; d++) {
        const union umb_attr_value v = umb__attr_get(d, attrs), normal = umb__attr_default(d);
        if (umb__attr_is_missing(d, attrs) || same(d, &v, &normal)) { continue; }
        umb__text_printf(t, "%s%s=", t->length ? " " : "", d->name);
        print(d, &v, t);
    }
}

void umb__attrs_print(const struct umb_op *op, const void *attrs, struct umb_text *text)
{
    print_all(op->attrs, attrs, text);
    print_all(op->inner, attrs, text);
}

const char *umb__attrs_text(const struct umb_op *op, const void *attrs, char *buffer, size_t size)
{
    struct umb_text t = {0};
    umb__attrs_print(op, attrs, &t);
    snprintf(buffer, size, "%s", umb__text_string(&t));
    umb__text_finish(&t);
    return buffer;
}

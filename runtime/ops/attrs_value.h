/*
 * attrs_value.h: one attribute's value, for the files that set attributes and print them.
 */
#ifndef UMB_ATTRS_VALUE_H
#define UMB_ATTRS_VALUE_H

#include "op.h"

/* By the descriptor's type: i of INT and PAIR, f of FLOAT, and so on. */
union umb_attr_value {
    int64_t i[2];
    double f;
    bool b;
    int choice;
    struct umb_floats floats;
};

/* From an op's struct, and into it. */
union umb_attr_value umb__attr_get(const struct umb_attr_desc *d, const void *attrs);
void umb__attr_put(const struct umb_attr_desc *d, void *attrs, const union umb_attr_value *v);

/* From n texts; floats go to the arena. *ret_fine false with UMB_OK: they are none of its type or
 * range. */
UMB_MUST_USE enum umb_status umb__attr_read(struct umb_arena *arena, const struct umb_attr_desc *d,
                                            const char *const *texts, size_t n,
                                            union umb_attr_value *ret_value, bool *ret_fine);

union umb_attr_value umb__attr_default(const struct umb_attr_desc *d);
/* Required, and never set. */
bool umb__attr_is_missing(const struct umb_attr_desc *d, const void *attrs);

#endif

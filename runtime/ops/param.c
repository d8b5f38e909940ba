/* Numbers that parameters begin with, where an op says which. */
#include "op.h"

double umb__param_given(const struct umb_param_spec *spec, int64_t i)
{
    if (spec->init == UMB_INIT_VALUES) { return spec->values[i]; }
    const struct umb_shape *shape = &spec->type.shape;
    const int64_t piece = umb__shape_count(shape) / shape->dim[0];
    return i / piece == spec->own ? spec->value : spec->rest;
}

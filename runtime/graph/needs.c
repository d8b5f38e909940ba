#include "fit.h"

#include "plan_internal.h"

static size_t aligned(size_t bytes)
{
    return (bytes + UMB_MEMORY_ALIGN - 1) / UMB_MEMORY_ALIGN * UMB_MEMORY_ALIGN;
}

struct umb_needs umb__plan_needs(struct umb_plan *p)
{
    struct umb_needs needs = {.scratch = p->memory.total};
    size_t rest = umb__steps_table_words(&p->steps) * sizeof(int64_t);
    for (int v = 0; v < p->graph->n_values; v++) {
        const struct umb_value *value = &p->graph->value[v];
        const size_t bytes = umb__type_bytes(&value->type);
        if (value->base >= 0) { continue; }
        switch (umb__plan_home(p, v)) {
        case UMB_HOME_SCRATCH:
            break;
        case UMB_HOME_SLOT:
            rest += (size_t)p->n_slots * aligned(bytes);
            break;
        case UMB_HOME_CONSTANTS:
        case UMB_HOME_OUTPUTS:
            rest += aligned(bytes);
            break;
        default:
            needs.kept += bytes;
        }
    }
    needs.total = needs.scratch + needs.kept + rest;
    return needs;
}

/* plan_view.c: see plan_view.h; what the forms of output have in common. */
#include "plan_view.h"

#include <string.h>

const char *const plan_phases[] = {"forward", "loss", "backward", "update"};
const char *const plan_kinds[] = {"input", "param", "state", "temp", "constant"};
const char *const plan_sources[] = {[UMB_CHOICE_GIVEN] = "checkpoint",
                                    [UMB_CHOICE_MEASURED] = "measured",
                                    [UMB_CHOICE_BUILT_IN] = "built in",
                                    [UMB_CHOICE_RANK] = "rank"};

const char *plan_fused(const struct plan_view *v, int node, char buffer[PLAN_FUSED])
{
    umb__fused_text(&v->graph->node[node], buffer, PLAN_FUSED);
    if (umb__plan_is_joined(v->plan, node + 1)) {
        const size_t used = strlen(buffer);
        snprintf(buffer + used, PLAN_FUSED - used, " +update");
    }
    return buffer;
}

const char *plan_solver(const struct plan_view *v, int node)
{
    const char *solver = umb__plan_solver(v->plan, node);
    return *solver ? solver : umb__plan_is_joined(v->plan, node) ? "joined" : "view";
}

const char *plan_shape(const struct plan_view *v, int node, char *buffer)
{
    const struct umb_node *n = &v->graph->node[node];
    if (n->n_out == 0) { return "in place"; }
    return umb__shape_text(&v->graph->value[n->out[0]].type.shape, buffer, UMB_SHAPE_TEXT);
}

const char *plan_part(const struct plan_view *v, int node)
{
    const int part = v->node[node].part;
    return part == UMB_PART_TRUNK ? "trunk" : v->s->exp->task[part].name;
}

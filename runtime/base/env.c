/* env.c: environment variables, read strictly. */
#include "fail.h"
#include "system.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

const char *umb__env_text(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] ? value : NULL;
}

enum umb_status umb__env_int(struct umb_context *ctx, const char *variable, int64_t min,
                             int64_t max, int64_t fallback, int64_t *ret_value)
{
    const char *value = umb__env_text(variable);
    if (!value) {
        *ret_value = fallback;
        return UMB_OK;
    }
    if (umb__parse_int(value, min, max, ret_value)) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_INVALID,
                     "%s: '%.80s' is not understood; expected a whole number from %lld to %lld",
                     variable, value, (long long)min, (long long)max);
}

enum umb_status umb__env_choice(struct umb_context *ctx, const char *variable,
                                const char *const *names, size_t n, size_t fallback,
                                size_t *ret_index)
{
    const char *value = umb__env_text(variable);
    if (!value) {
        *ret_index = fallback;
        return UMB_OK;
    }
    struct umb_text known = {0};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret_index = i;
            umb__text_finish(&known);
            return UMB_OK;
        }
        umb__text_printf(&known, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
    }
    enum umb_status st = umb__text_status(ctx, &known);
    if (st == UMB_OK) {
        st = umb__fail(ctx, UMB_ERR_INVALID, "%s: '%.80s' is not understood; expected %s", variable,
                       value, umb__text_string(&known));
    }
    umb__text_finish(&known);
    return st;
}

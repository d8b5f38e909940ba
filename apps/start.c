/* start.c: see start.h. */
#include "start.h"

#include <string.h>

static void keep_line(void *user, const char *line)
{
    umb__text_printf(user, "%s\n", line);
}

enum umb_status start_take(struct session *s, const struct cli *cli)
{
    struct umb_exp_init *init = &s->exp->train.init;
    enum umb_status st = umb__exp_find_init(s->exp);
    if (st != UMB_OK || !init->from) { return st; }
    init->desc.listen = keep_line;
    init->desc.user = &s->start;
    st = umb_trainer_init_from(s->trainer, &init->desc);
    return st == UMB_OK ? st : umb__yaml_fail_prefix(cli->ctx, init->from, st);
}

void start_tell(const struct session *s)
{
    const char *lines = umb__text_string(&s->start);
    if (!*lines) { return; }
    printf("%.*s\n", (int)strcspn(lines, "\n"), lines);
    fflush(stdout);
    while (*lines) {
        char line[512];
        const size_t n = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, lines);
        umb__run_log(s->run, line);
        lines += n + (lines[n] == '\n');
    }
}

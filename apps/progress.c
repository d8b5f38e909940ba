/* progress.c: see progress.h. */
#include "progress.h"

#include "cli.h"
#include "system.h"
#include "text.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_CELLS 16
#define REDRAW_NS 100000000

struct progress progress_create(FILE *out)
{
    struct progress p = {.out = out, .terminal = isatty(fileno(out)), .columns = 80};
    struct winsize size;
    if (p.terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) {
        p.columns = size.ws_col;
    }
    return p;
}

/* Prints as much of the line as fits, without splitting a character. */
static void print_cut(struct progress *p, const char *line)
{
    int column = 0;
    size_t n = 0;
    for (; line[n]; n++) {
        bool begins = ((unsigned char)line[n] & 0xc0) != 0x80;
        if (begins && ++column >= p->columns) { break; }
    }
    fprintf(p->out, "\r%.*s\033[K", (int)n, line);
    fflush(p->out);
}

static void add_bar(struct umb_text *t, int64_t done, int64_t all)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int64_t filled = all ? done * BAR_CELLS * 8 / all : 0;
    umb__text_add(t, "▕");
    for (int64_t i = 0; i < BAR_CELLS; i++) {
        int64_t left = filled - 8 * i;
        umb__text_add(t, left >= 8 ? "█" : left <= 0 ? " " : eighths[left]);
    }
    umb__text_add(t, "▏");
}

static void show_step(struct progress *p, const struct umb_loop_report *r)
{
    char rate[CLI_NUMBER], left[CLI_NUMBER];
    struct umb_text t = {0};
    if (p->prefix) { umb__text_add(&t, p->prefix); }
    umb__text_printf(&t, "epoch %lld/%lld ", (long long)r->epoch, (long long)r->epochs);
    add_bar(&t, r->batch, r->batches);
    if (r->news == UMB_NEWS_EVALUATING) {
        umb__text_add(&t, "  evaluating");
    } else {
        umb__text_printf(&t, " %s images/s, %s left ", cli_count(r->images_per_s, rate),
                         cli_duration(r->seconds_left, left));
        for (size_t i = 0; i < r->exp->n_tasks; i++) {
            umb__text_printf(&t, " %s %.3g", r->exp->task[i].name, r->losses[i]);
        }
    }
    print_cut(p, umb__text_string(&t));
    umb__text_finish(&t);
}

/* The split that says most: test, else validation, else training. */
static enum umb_split telling_split(const struct umb_split_results *results)
{
    if (results[UMB_SPLIT_TEST].present) { return UMB_SPLIT_TEST; }
    return results[UMB_SPLIT_VALIDATION].present ? UMB_SPLIT_VALIDATION : UMB_SPLIT_TRAIN;
}

/* Of each task the first metric, or, without any, the loss: a line must stay a line. */
static void add_results(struct umb_text *t, const struct umb_experiment *exp,
                        const struct umb_split_results *r)
{
    for (size_t i = 0; i < exp->n_tasks; i++) {
        bool metric = r->task[i].n_metrics > 0;
        umb__text_printf(t, "  %s %s %.4f", exp->task[i].name,
                         metric ? r->task[i].metric[0].name : "loss",
                         metric ? r->task[i].metric[0].value : r->task[i].loss);
    }
}

static void show_epoch(struct progress *p, const struct umb_loop_report *r)
{
    char rate[CLI_NUMBER], time[CLI_NUMBER];
    enum umb_split split = telling_split(r->results);
    struct umb_text t = {0};
    umb__text_printf(&t, "epoch %lld/%lld  %s, %s images/s  %s:", (long long)r->epoch,
                     (long long)r->epochs, cli_duration(r->epoch_seconds, time),
                     cli_count(r->images_per_s, rate), umb__split_names[split]);
    add_results(&t, r->exp, &r->results[split]);
    if (r->exp->n_tasks > 1) { umb__text_printf(&t, "  score %.4f", r->results[split].score); }
    fprintf(p->out, "%s%s%s\n", p->terminal ? "\r" : "", umb__text_string(&t),
            p->terminal ? "\033[K" : "");
    fflush(p->out);
    umb__text_finish(&t);
}

void progress_break(struct progress *p)
{
    if (p->terminal) { fprintf(p->out, "\r\033[K"); }
}

static void show_end(struct progress *p, const struct umb_loop_report *r)
{
    progress_break(p);
    if (!r->results[UMB_SPLIT_TRAIN].present) { return; } /* nothing was left to do */
    if (r->stopped_early) {
        fprintf(p->out, "stopped early after epoch %lld; the best was epoch %lld\n",
                (long long)r->epoch, (long long)r->best_epoch);
    }
    for (int s = 0; s < UMB_SPLIT_COUNT; s++) {
        if (!r->results[s].present ||
            (s == UMB_SPLIT_TRAIN && (int)telling_split(r->results) != s)) {
            continue;
        }
        fprintf(p->out, "\n%s\n", umb__split_names[s]);
        print_results(p->out, r->exp, &r->results[s]);
    }
}

static void show_begin(struct progress *p, const struct umb_loop_report *r)
{
    p->began = true;
    if (r->step == 0) { return; }
    if (r->epoch > r->epochs || r->stopped_early) {
        fprintf(p->out, "the run is complete after %lld epochs; train.epochs can be raised\n",
                (long long)r->epoch - 1);
    } else {
        fprintf(p->out, "going on in epoch %lld, behind step %lld\n", (long long)r->epoch,
                (long long)r->step);
    }
}

void progress_listen(void *user, const struct umb_loop_report *r)
{
    struct progress *p = user;
    switch (r->news) {
    case UMB_NEWS_BEGIN:
        show_begin(p, r);
        break;
    case UMB_NEWS_STEP:
        if (!p->terminal || umb__clock_ns() - p->shown_ns < REDRAW_NS) { break; }
        p->shown_ns = umb__clock_ns();
        show_step(p, r);
        break;
    case UMB_NEWS_EVALUATING:
        if (p->terminal) { show_step(p, r); }
        break;
    case UMB_NEWS_EPOCH:
        show_epoch(p, r);
        break;
    case UMB_NEWS_END:
        show_end(p, r);
        break;
    }
}

/* The table. */

#define MAX_COLUMNS 24

static size_t find_column(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(names[i], name) == 0) { return i; }
    }
    if (*n < MAX_COLUMNS) { names[(*n)++] = name; }
    return *n - 1;
}

static void add_row(struct cli_table *table, const char *name, const struct umb_task_result *r,
                    const char **columns, size_t n)
{
    cli_table_add(table, "%s", name);
    cli_table_add(table, "%.4f", r->loss);
    for (size_t c = 0; c < n; c++) {
        int m = 0;
        while (m < r->n_metrics && strcmp(r->metric[m].name, columns[c]) != 0) {
            m++;
        }
        if (m == r->n_metrics) {
            cli_table_add(table, "–");
        } else {
            cli_table_add(table, "%.4f", r->metric[m].value);
        }
    }
}

void print_results(FILE *out, const struct umb_experiment *exp,
                   const struct umb_split_results *results)
{
    const char *columns[MAX_COLUMNS];
    size_t n = 0;
    for (size_t t = 0; t < exp->n_tasks; t++) {
        for (int m = 0; m < results->task[t].n_metrics; m++) {
            (void)find_column(columns, &n, results->task[t].metric[m].name);
        }
    }
    struct cli_table table = {.n_columns = n + 2};
    cli_table_add(&table, "task");
    cli_table_add(&table, "loss");
    for (size_t c = 0; c < n; c++) {
        cli_table_add(&table, "%s", columns[c]);
    }
    for (size_t t = 0; t < exp->n_tasks; t++) {
        add_row(&table, exp->task[t].name, &results->task[t], columns, n);
    }
    cli_table_print(&table, out);
    fprintf(out, "score %.4f\n", results->score);
}

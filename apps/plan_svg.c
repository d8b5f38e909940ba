/*
 * plan_svg.c: umbel plan as a picture: one step as it ran, and below it the network. One file with
 * nothing from outside.
 */
#include "plan_view.h"
#include "timeline_draw.h"

#define MARGIN 28.0
#define HEAD_H 112.0 /* above the lanes */
#define GAP 56.0     /* between the pictures, with the second one's heading */
#define WIDE 1280.0
#define WIDER 2000.0 /* for plans whose launches would else be hairs */
#define MANY_LAUNCHES 150

static void add_heading(struct umb_text *out, const struct plan_view *v)
{
    const struct umb_timeline *t = v->timeline;
    char parameters[CLI_NUMBER];
    umb__svg_text(out, "s-title", NULL, MARGIN, 42, "%s", t->title);
    umb__svg_text(
        out, "s-facts", NULL, MARGIN, 64, "%s parameters, %zu launches on %d queue%s of %s",
        cli_count((double)umb_trainer_n_parameters(v->s->trainer), parameters), t->n_launches,
        umb__plan_n_queues(v->plan), umb__plan_n_queues(v->plan) == 1 ? "" : "s", t->device);
    umb__svg_text(out, "s-section", NULL, MARGIN, 94,
                  "One training step as it ran; lower bound ÷ makespan is %.0f %%",
                  100 * t->bound_ms / t->makespan_ms);
}

static void add_picture(struct umb_text *out, const struct plan_view *v)
{
    const double wide = v->timeline->n_launches > MANY_LAUNCHES ? WIDER : WIDE;
    const double inside = wide - 2 * MARGIN;
    const double timeline_h = umb__timeline_height(v->timeline, inside);
    const double below = HEAD_H + timeline_h + GAP;
    struct umb_text umbel = {0};
    const double umbel_h = plan_draw_umbel(&umbel, v, inside);
    const double high = below + umbel_h + MARGIN;
    umb__text_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                     "width=\"%.0f\" height=\"%.0f\">\n<style>",
                     wide, high, wide, high);
    umb__text_add(out, umb__timeline_style);
    umb__text_printf(out, "</style>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", wide,
                     high);
    umb__draw_patterns(out);
    add_heading(out, v);
    umb__text_printf(out, "<g id=\"step\" transform=\"translate(%.0f %.0f)\">\n", MARGIN, HEAD_H);
    umb__draw_timeline(out, v->timeline, inside);
    umb__text_add(out, "</g>\n");
    umb__svg_text(out, "s-section", NULL, MARGIN, below - 14,
                  "The network, forward: the trunk below, a column a head");
    umb__text_printf(out, "<g id=\"network\" transform=\"translate(%.0f %.0f)\">\n", MARGIN, below);
    umb__text_add(out, umb__text_string(&umbel));
    umb__text_add(out, "</g>\n</svg>\n");
    out->failed = out->failed || umbel.failed;
    umb__text_finish(&umbel);
}

enum umb_status plan_svg(const struct plan_view *v)
{
    struct umb_text out = {0};
    add_picture(&out, v);
    enum umb_status st = umb__text_status(v->graph->ctx, &out);
    if (st == UMB_OK) { fwrite(out.data, 1, out.length, stdout); }
    umb__text_finish(&out);
    return st;
}

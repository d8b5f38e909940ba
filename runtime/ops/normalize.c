/*
 * normalize: images to numbers around zero. Bytes: (x/255 − mean[c]) / std[c]; floats, which hold
 * 0…1 already: (x − mean[c]) / std[c].
 */
#include "simple.h"

struct normalize_attrs {
    struct umb_floats mean, std; /* none, one, or one a channel */
};

#define AT_ONCE 4 /* channels a launch, where they differ */

/* y = x·scale + shift of channel c. */
struct line {
    double scale, shift;
};

static double pick(const struct umb_floats *floats, int64_t c, double fallback)
{
    return floats->n == 0 ? fallback : floats->value[floats->n == 1 ? 0 : c];
}

static struct line find_line(const struct normalize_attrs *a, enum umb_dtype dtype, int64_t c)
{
    const double mean = pick(&a->mean, c, 0), std = pick(&a->std, c, 1);
    return (struct line){1 / (std * (dtype == UMB_U8 ? 255 : 1)), -mean / std};
}

static bool fits(const struct umb_floats *floats, int64_t channels)
{
    return floats->n <= 1 || (int64_t)floats->n == channels;
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct normalize_attrs *a = io->attrs;
    const struct umb_type *in = &io->in[0];
    const int64_t channels = umb__shape_channels(&in->shape);
    if (in->dtype == UMB_I32) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "input 0 holds integers; expected bytes or f32");
    }
    if (!fits(&a->mean, channels) || !fits(&a->std, channels)) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "%zu means and %zu deviations for %lld channels; expected one or one a "
                         "channel",
                         a->mean.n, a->std.n, (long long)channels);
    }
    io->n_out = 1;
    io->out[0] = *in;
    io->out[0].dtype = UMB_F32;
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        const struct line line = find_line(r->attrs, r->in[0].type->dtype, i % channels);
        r->out[0].data[i] = r->in[0].data[i] * line.scale + line.shift;
    }
}

static const struct umb_kernel all_kernel = {"normalize", "normalize.cl", "normalize_all",
                                             "rwiiff"};
static const struct umb_kernel channels_kernel = {"normalize_channels", "normalize.cl",
                                                  "normalize_channels", "rwiiiiiffffffff"};

static const struct umb_kernel few_kernel = {"normalize_few", "normalize.cl", "normalize_few",
                                             "rwiiiffffffff"};

static enum umb_status emit_all(struct umb_emit *e, const char *input)
{
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const char *options = umb__emit_printf(e, "-DVW=%d -DINPUT=%s", s.lanes, input);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &all_kernel, options);
    const struct line line = find_line(e->p.attrs, e->p.in[0].dtype, 0);
    return umb__emit_launch(e, &launch, e->in[0], e->out[0], (int)n, s.span, line.scale,
                            line.shift);
}

static enum umb_status emit_channels(struct umb_emit *e, const char *options, int64_t first,
                                     int64_t count)
{
    const int64_t pixels = umb__shape_rows(&e->p.in[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, pixels);
    const struct umb_emit_launch launch = umb__spread_launch(&s, &channels_kernel, options);
    struct line line[AT_ONCE];
    for (int64_t i = 0; i < AT_ONCE; i++) {
        line[i] = find_line(e->p.attrs, e->p.in[0].dtype, first + (i < count ? i : 0));
    }
    return umb__emit_launch(
        e, &launch, e->in[0], e->out[0], (int)umb__shape_channels(&e->p.in[0].shape), (int)first,
        (int)count, (int)pixels, s.span, line[0].scale, line[1].scale, line[2].scale, line[3].scale,
        line[0].shift, line[1].shift, line[2].shift, line[3].shift);
}

static enum umb_status emit_few(struct umb_emit *e, const char *input)
{
    const int channels = (int)umb__shape_channels(&e->p.in[0].shape);
    const int64_t pixels = umb__shape_rows(&e->p.in[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, pixels);
    const char *options = umb__emit_printf(e, "-DVW=%d -DINPUT=%s", s.lanes, input);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &few_kernel, options);
    struct line line[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        line[i] = find_line(e->p.attrs, e->p.in[0].dtype, i < channels ? i : 0);
    }
    return umb__emit_launch(e, &launch, e->in[0], e->out[0], channels, (int)pixels, s.span,
                            line[0].scale, line[1].scale, line[2].scale, line[3].scale,
                            line[0].shift, line[1].shift, line[2].shift, line[3].shift);
}

static enum umb_status emit(struct umb_emit *e)
{
    const struct normalize_attrs *a = e->p.attrs;
    const char *input = e->p.in[0].dtype == UMB_U8 ? "uchar" : "float";
    if (a->mean.n <= 1 && a->std.n <= 1) { return emit_all(e, input); }
    const int64_t channels = umb__shape_channels(&e->p.in[0].shape);
    if (channels <= AT_ONCE && umb__spread_local(e->p.caps) == 1) { return emit_few(e, input); }
    const char *options = umb__emit_printf(e, "-DINPUT=%s", input);
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int64_t first = 0; first < channels && st == UMB_OK; first += AT_ONCE) {
        const int64_t left = channels - first;
        st = emit_channels(e, options, first, left < AT_ONCE ? left : AT_ONCE);
    }
    return st;
}

static const struct umb_solver solvers[] = {{"elementwise", umb__applies_always, emit}, {0}};

static double flops(const struct umb_problem *p)
{
    return 2 * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_attr_desc attrs[] = {
    {.name = "mean",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct normalize_attrs, mean),
     .min = -1e6,
     .max = 1e6,
     .help = "what is taken away from values of 0…1: one number, or one a channel; none: 0"},
    {.name = "std",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct normalize_attrs, std),
     .min = 1e-6,
     .max = 1e6,
     .help = "what they are then divided by: one number, or one a channel; none: 1"},
    {0}};

static const struct umb_op_case cases[] = {
    {.in = "1,1,1,1:bytes"},
    {.in = "3,5,7,1:bytes", .attrs = "mean=0.1307 std=0.3081"},
    {.in = "2,9,9,3:bytes", .attrs = "mean=0.49,0.48,0.45 std=0.25,0.24,0.26", .n_streams = 2},
    {.in = "2,5,5,3:bytes", .attrs = "mean=0.5 std=0.25,0.24,0.26"},
    {.in = "2,5,3,7:bytes", .attrs = "mean=0.1,0.2,0.3,0.4,0.5,0.6,0.7"},
    {.in = "2,5,3,7:unit", .attrs = "mean=0.5 std=0.5"},
    {.in = "64,28,28,1:bytes", .attrs = "mean=0.1307 std=0.3081", .flags = UMB_CASE_BENCH},
    {.in = "64,32,32,3:bytes",
     .attrs = "mean=0.49,0.48,0.45 std=0.25,0.24,0.26",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op normalize = {.name = "normalize",
                                        .help = "images to numbers around zero",
                                        .flags = UMB_OP_LAYER,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .attrs = attrs,
                                        .attrs_bytes = sizeof(struct normalize_attrs),
                                        .infer = infer,
                                        .reference = reference,
                                        .flops = flops,
                                        .solvers = solvers,
                                        .cases = cases};

const struct umb_op *const umb__ops_normalize[] = {&normalize, NULL};

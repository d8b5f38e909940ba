/* umbel devices: every OpenCL device, what it can do, and which one is chosen now. */
#include "cli.h"

#include "system.h"
#include <jansson.h>
#include <umbel/device.h>

static bool json;

static const struct cli_option options[] = {
    {"--json", CLI_FLAG, &json, NULL, "an array of objects instead of text"}, {0}};

static const struct cli_usage usage = {
    .command = "devices",
    .synopsis = "",
    .text = "Lists every OpenCL device with the selector that chooses it (for --device and\n"
            "UMBEL_DEVICE), what it can do and what is known of its driver. The chosen one has a "
            "star.",
    .example = "umbel devices --device cpu",
    .options = options};

static const char *const types[] = {"cpu", "gpu", "accelerator"};

static json_t *device_json(const struct umb_device_caps *d)
{
    json_t *map = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:b, s:s?, s:s?}", "selector",
                            d->selector, "name", d->name, "vendor", d->vendor, "platform",
                            d->platform, "type", types[d->type], "driver", d->driver, "chosen",
                            (int)d->chosen, "opencl_c", d->opencl_c, "software", (int)d->software,
                            "issue", d->issue, "shuffle", d->shuffle);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"compute_units", d->compute_units},
                   {"max_parts", d->max_parts},
                   {"clock_mhz", d->clock_mhz},
                   {"float_width", d->float_width},
                   {"sub_group", d->sub_group},
                   {"max_work_group", d->max_work_group},
                   {"global_bytes", d->global_bytes},
                   {"max_alloc_bytes", d->max_alloc_bytes},
                   {"cache_bytes", d->cache_bytes},
                   {"local_bytes", d->local_bytes},
                   {"compute_capability", d->compute_capability}};
    const struct {
        const char *key;
        bool value;
    } facts[] = {{"local_is_real", d->local_is_real},
                 {"fp16", d->fp16},
                 {"fp64", d->fp64},
                 {"unified_memory", d->unified_memory},
                 {"out_of_order", d->out_of_order},
                 {"caches_binaries", d->caches_binaries},
                 {"queues_overlap", d->queues_overlap},
                 {"inline_ptx", d->inline_ptx},
                 {"mma_tf32", d->mma_tf32},
                 {"mma_fp16", d->mma_fp16},
                 {"fp16_storage", d->fp16_storage}};
    for (size_t i = 0; map && i < sizeof numbers / sizeof *numbers; i++) {
        json_object_set_new(map, numbers[i].key, json_integer((json_int_t)numbers[i].value));
    }
    for (size_t i = 0; map && i < sizeof facts / sizeof *facts; i++) {
        json_object_set_new(map, facts[i].key, json_boolean(facts[i].value));
    }
    return map;
}

static void print_json(const struct umb_device_list *list)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->n; i++) {
        json_array_append_new(all, device_json(&list->caps[i]));
    }
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static void print_line(const char *label, const char *text)
{
    printf("      %-10s %s\n", label, text);
}

static void print_compute(const struct umb_device_caps *d)
{
    char text[200], clock[32] = "", parts[40] = "";
    if (d->max_parts > 1) { snprintf(parts, sizeof parts, "; in up to %u parts", d->max_parts); }
    if (d->clock_mhz) { snprintf(clock, sizeof clock, " at %.2f GHz", d->clock_mhz * 1e-3); }
    snprintf(text, sizeof text, "%u unit%s%s, %u float%s wide%s%s%s", d->compute_units,
             d->compute_units == 1 ? "" : "s", clock, d->float_width,
             d->float_width == 1 ? "" : "s", d->fp16 ? ", fp16" : "", d->fp64 ? ", fp64" : "",
             parts);
    print_line("compute", text);
}

static void print_memory(const struct umb_device_caps *d)
{
    char text[200], global[CLI_NUMBER], alloc[CLI_NUMBER], local[CLI_NUMBER];
    snprintf(text, sizeof text, "%s%s, %s at most in one piece; %s local%s",
             cli_bytes((double)d->global_bytes, global),
             d->unified_memory ? " shared with the host" : "",
             cli_bytes((double)d->max_alloc_bytes, alloc), cli_bytes((double)d->local_bytes, local),
             d->local_is_real ? "" : " (a piece of global memory)");
    print_line("memory", text);
}

static void print_probes(const struct umb_device_caps *d)
{
    char text[160];
    snprintf(text, sizeof text, "queues %s; kernels are cached by %s%s%s%s%s%s",
             d->queues_overlap ? "overlap" : "take turns",
             d->caches_binaries ? "the driver" : "umbel", d->inline_ptx ? "; inline PTX works" : "",
             d->mma_tf32 || d->mma_fp16 ? ", tensor cores too" : "",
             d->fp16_storage ? "; float16 is stored" : "",
             d->shuffle ? "; sub-groups exchange numbers, by " : "", d->shuffle ? d->shuffle : "");
    print_line("tried", d->probed ? text : "nothing (the device did not answer)");
}

static void print_device(const struct umb_device_caps *d)
{
    printf("%s %s\n", d->chosen ? "★" : " ", d->selector);
    printf("    %s\n", d->name);
    char text[400];
    snprintf(text, sizeof text, "%s%s, %s", d->software ? "software " : "", types[d->type],
             d->vendor);
    print_line("type", text);
    print_compute(d);
    print_memory(d);
    snprintf(text, sizeof text, "%s, %s", d->platform, d->opencl_c);
    print_line("platform", text);
    print_line("driver", d->driver);
    print_probes(d);
    if (d->issue) { print_line("note", d->issue); }
}

static bool any_chosen(const struct umb_device_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->caps[i].chosen) { return true; }
    }
    return false;
}

static void print_devices(const struct umb_device_list *list, const char *selector)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i) { putchar('\n'); }
        print_device(&list->caps[i]);
    }
    if (list->n == 0) {
        printf("no OpenCL device; install a driver, or PoCL for the CPU: apt install "
               "pocl-opencl-icd\n");
        return;
    }
    if (any_chosen(list)) {
        printf("\n★ chosen by %s%s\n", selector ? "" : "default: the fastest GPU, else a CPU",
               selector ? selector : "");
    }
}

int cmd_devices(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct umb_device_list *list = NULL;
    const char *selector = cli.device ? cli.device : umb__env_text("UMBEL_DEVICE");
    enum umb_status st = umb_device_list_create(cli.ctx, selector, true, &list);
    if (st != UMB_OK) {
        code = cli_fail_setup(&cli, st);
    } else if (json) {
        print_json(list);
    } else {
        print_devices(list, selector);
    }
    if (st == UMB_OK && selector && !any_chosen(list)) {
        code = cli_wrong(&cli, "nothing matches %s, expected one of the selectors above", selector);
    }
    umb_device_list_destroy(list);
    cli_finish(&cli);
    return code;
}

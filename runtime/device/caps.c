/*
 * caps.c: reading a device's capability record. The queries of OpenCL 1.2 come first; what makers
 * add is asked only where the device lists the extension.
 */
#include "device_internal.h"
#include "known_bad.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Queries of cl_nv_device_attribute_query, cl_amd_device_attribute_query and
 * cl_intel_required_subgroup_size; not every header has them. */
#define NV_COMPUTE_CAPABILITY_MAJOR 0x4000
#define NV_COMPUTE_CAPABILITY_MINOR 0x4001
#define NV_WARP_SIZE 0x4003
#define AMD_WAVEFRONT_WIDTH 0x4043
#define INTEL_SUB_GROUP_SIZES 0x4108

/* What a work-item has of the register file, as the makers document it: Intel's 128 registers of 8
 * numbers at the narrowest sub-group, the only one for kernels that need many. */
#define NV_REGISTERS 255
#define AMD_REGISTERS 256
#define INTEL_REGISTERS 128

/* A text without blanks at its ends, control bytes as blanks; "" when the query fails. */
static char *tidy(char *text)
{
    char *end = text + strlen(text);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) { *c = ' '; }
    }
    while (end > text && end[-1] == ' ') {
        *--end = 0;
    }
    while (*text == ' ') {
        text++;
    }
    return text;
}

static char *device_text(struct umb_arena *arena, cl_device_id device, cl_device_info what)
{
    size_t size = 0;
    if (clGetDeviceInfo(device, what, 0, NULL, &size) != CL_SUCCESS) { size = 0; }
    char *text = umb__arena_calloc(arena, size + 1, 1);
    if (!text) { return NULL; }
    if (size > 0 && clGetDeviceInfo(device, what, size, text, NULL) != CL_SUCCESS) { text[0] = 0; }
    return tidy(text);
}

static char *platform_text(struct umb_arena *arena, cl_platform_id platform, cl_platform_info what)
{
    size_t size = 0;
    if (clGetPlatformInfo(platform, what, 0, NULL, &size) != CL_SUCCESS) { size = 0; }
    char *text = umb__arena_calloc(arena, size + 1, 1);
    if (!text) { return NULL; }
    if (size > 0 && clGetPlatformInfo(platform, what, size, text, NULL) != CL_SUCCESS) {
        text[0] = 0;
    }
    return tidy(text);
}

/* A number of 4 or 8 bytes, whichever the query has; 0 when it fails. */
static uint64_t device_number(cl_device_id device, cl_device_info what)
{
    union {
        cl_uint narrow;
        cl_ulong wide;
    } value = {.wide = 0};
    size_t size = 0;
    if (clGetDeviceInfo(device, what, sizeof value, &value, &size) != CL_SUCCESS) { return 0; }
    return size == sizeof value.wide ? value.wide : value.narrow;
}

/* Whether the word stands in a list with blanks between. */
static bool lists(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n) {
        bool starts = at == words || at[-1] == ' ';
        if (starts && (at[n] == ' ' || at[n] == 0)) { return true; }
    }
    return false;
}

static uint32_t largest_intel_sub_group(cl_device_id device)
{
    size_t sizes[16] = {0}, bytes = 0, largest = 0;
    if (clGetDeviceInfo(device, INTEL_SUB_GROUP_SIZES, sizeof sizes, sizes, &bytes) != CL_SUCCESS) {
        return 0;
    }
    for (size_t i = 0; i < bytes / sizeof *sizes; i++) {
        if (sizes[i] > largest) { largest = sizes[i]; }
    }
    return (uint32_t)largest;
}

static void read_extensions(cl_device_id device, const char *extensions,
                            struct umb_device_caps *caps)
{
    caps->fp16 = lists(extensions, "cl_khr_fp16");
    caps->fp64 = lists(extensions, "cl_khr_fp64");
    if (lists(extensions, "cl_nv_device_attribute_query")) {
        caps->compute_capability =
            (uint32_t)(device_number(device, NV_COMPUTE_CAPABILITY_MAJOR) * 10 +
                       device_number(device, NV_COMPUTE_CAPABILITY_MINOR));
        caps->sub_group = (uint32_t)device_number(device, NV_WARP_SIZE);
        caps->registers = NV_REGISTERS;
    } else if (lists(extensions, "cl_amd_device_attribute_query")) {
        caps->sub_group = (uint32_t)device_number(device, AMD_WAVEFRONT_WIDTH);
        caps->registers = AMD_REGISTERS;
    } else if (lists(extensions, "cl_intel_required_subgroup_size")) {
        caps->sub_group = largest_intel_sub_group(device);
        caps->registers = INTEL_REGISTERS;
    }
}

/* Drivers that cut nothing may have no function for it either (rusticl), so they must be asked. */
static uint32_t largest_cut(cl_device_id device)
{
    cl_device_partition_property ways[16] = {0};
    size_t bytes = 0;
    if (clGetDeviceInfo(device, CL_DEVICE_PARTITION_PROPERTIES, sizeof ways, ways, &bytes) !=
        CL_SUCCESS) {
        return 0;
    }
    for (size_t i = 0; i < bytes / sizeof *ways; i++) {
        if (ways[i] == CL_DEVICE_PARTITION_BY_COUNTS) {
            return (uint32_t)device_number(device, CL_DEVICE_PARTITION_MAX_SUB_DEVICES);
        }
    }
    return 0;
}

static void read_numbers(cl_device_id device, struct umb_device_caps *caps)
{
    caps->compute_units = (uint32_t)device_number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    caps->max_parts = largest_cut(device);
    caps->clock_mhz = (uint32_t)device_number(device, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    caps->float_width = (uint32_t)device_number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    if (caps->float_width == 0) { caps->float_width = 1; }
    caps->max_work_group = (size_t)device_number(device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    caps->global_bytes = device_number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    caps->max_alloc_bytes = device_number(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    caps->cache_bytes = device_number(device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
    caps->local_bytes = device_number(device, CL_DEVICE_LOCAL_MEM_SIZE);
    caps->local_is_real = device_number(device, CL_DEVICE_LOCAL_MEM_TYPE) == CL_LOCAL;
    caps->unified_memory = device_number(device, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    caps->out_of_order = (device_number(device, CL_DEVICE_QUEUE_PROPERTIES) &
                          CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
}

static bool read_texts(struct umb_arena *arena, struct umb_device_handle h,
                       struct umb_device_caps *caps, struct umb_candidate *candidate)
{
    const char *driver = device_text(arena, h.device, CL_DRIVER_VERSION);
    const char *version = platform_text(arena, h.platform, CL_PLATFORM_VERSION);
    caps->name = device_text(arena, h.device, CL_DEVICE_NAME);
    caps->vendor = device_text(arena, h.device, CL_DEVICE_VENDOR);
    caps->platform = platform_text(arena, h.platform, CL_PLATFORM_NAME);
    caps->opencl_c = device_text(arena, h.device, CL_DEVICE_OPENCL_C_VERSION);
    candidate->platform_vendor = platform_text(arena, h.platform, CL_PLATFORM_VENDOR);
    caps->driver = driver && version ? umb__arena_printf(arena, "%s, %s", driver, version) : NULL;
    return caps->name && caps->vendor && caps->platform && caps->opencl_c && caps->driver &&
           candidate->platform_vendor;
}

static bool is_rasterizer(const char *name)
{
    static const char *const names[] = {"llvmpipe", "softpipe", "swiftshader", "lavapipe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (umb__selector_contains(name, names[i], strlen(names[i]))) { return true; }
    }
    return false;
}

static enum umb_device_type type_of(cl_device_id device)
{
    uint64_t type = device_number(device, CL_DEVICE_TYPE);
    if (type & CL_DEVICE_TYPE_GPU) { return UMB_DEVICE_GPU; }
    return type & CL_DEVICE_TYPE_CPU ? UMB_DEVICE_CPU : UMB_DEVICE_ACCELERATOR;
}

/* Why Umbel's kernels cannot run here at all, or NULL. */
static const char *unusable(struct umb_arena *arena, cl_device_id device)
{
    const char *version = device_text(arena, device, CL_DEVICE_VERSION); /* "OpenCL 3.0 …" */
    int major = 0, minor = 0;
    if (version && sscanf(version, "OpenCL %d.%d", &major, &minor) == 2 &&
        (major < 1 || (major == 1 && minor < 2))) {
        return umb__arena_printf(arena, "offers OpenCL %d.%d; Umbel needs 1.2", major, minor);
    }
    if (!device_number(device, CL_DEVICE_AVAILABLE)) { return "is not available just now"; }
    if (!device_number(device, CL_DEVICE_COMPILER_AVAILABLE)) { return "has no compiler"; }
    return NULL;
}

bool umb__caps_read(struct umb_arena *arena, struct umb_device_handle handle,
                    struct umb_device_caps *ret_caps, struct umb_candidate *ret_candidate)
{
    struct umb_device_caps *caps = ret_caps;
    *caps = (struct umb_device_caps){.type = type_of(handle.device)};
    *ret_candidate = (struct umb_candidate){.caps = caps};
    if (!read_texts(arena, handle, caps, ret_candidate)) { return false; }
    const char *extensions = device_text(arena, handle.device, CL_DEVICE_EXTENSIONS);
    if (!extensions) { return false; }
    read_numbers(handle.device, caps);
    read_extensions(handle.device, extensions, caps);
    caps->software = is_rasterizer(caps->name);
    caps->caches_binaries = umb__selector_contains(caps->platform, "nvidia", 6) ||
                            umb__selector_contains(caps->platform, "portable computing", 18);
    umb__known_bad(caps, &caps->issue, &ret_candidate->use);
    caps->alone = umb__known_alone(caps);
    const char *reason = unusable(arena, handle.device);
    if (reason) {
        caps->issue = reason;
        ret_candidate->use = UMB_USE_NEVER;
    }
    return true;
}

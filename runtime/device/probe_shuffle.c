/*
 * probe_shuffle.c: can the items of a sub-group hand numbers to each other, and by which spelling?
 *
 * The kernels' own way of it is cl/shuffle.cl. Each spelling is tried in turn, with everything that
 * the kernels count on: sub-groups are neighbours by local number, as many as the kernel is told,
 * and a number goes to the item whose place differs in one bit, for every such bit.
 */
#include "probe.h"
#include <stdio.h>
#include <string.h>

#define ITEMS 128
#define GROUPS 2
#define BITS 7
/* What an item writes for a bit that leads out of its sub-group. */
#define OUTSIDE (-1.0f)

enum spelling_id { BY_INTEL, BY_KHR, BY_PTX, BY_AMD, SPELLINGS };

static const struct spelling {
    const char *name, *text;
} spellings[SPELLINGS] = {
    [BY_INTEL] = {"intel",
                  "#define NEIGHBOURS ((int)get_max_sub_group_size())\n"
                  "#define SHUFFLE_XOR(v, bit) intel_sub_group_shuffle_xor(v, (uint)(bit))\n"},
    [BY_KHR] = {"khr", "#define NEIGHBOURS ((int)get_max_sub_group_size())\n"
                       "#define SHUFFLE_XOR(v, bit) sub_group_shuffle_xor(v, (uint)(bit))\n"},
    [BY_PTX] = {"ptx", "#define NEIGHBOURS 32\n"
                       "static inline float SHUFFLE_XOR(float v, int bit)\n"
                       "{\n"
                       "    float to;\n"
                       "    __asm__ volatile(\"shfl.sync.bfly.b32 %0, %1, %2, 31, -1;\"\n"
                       "                     : \"=f\"(to) : \"f\"(v), \"r\"(bit));\n"
                       "    return to;\n"
                       "}\n"},
    [BY_AMD] = {"amd",
                "#define NEIGHBOURS ((int)__builtin_amdgcn_wavefrontsize())\n"
                "static inline float SHUFFLE_XOR(float v, int bit)\n"
                "{\n"
                "    const int lane = __builtin_amdgcn_mbcnt_hi(~0u, "
                "__builtin_amdgcn_mbcnt_lo(~0u, 0u));\n"
                "    return as_float(__builtin_amdgcn_ds_bpermute((lane ^ bit) << 2, as_int(v)));\n"
                "}\n"},
};

static const char kernel_text[] =
    "__kernel void probe(__global float *out)\n"
    "{\n"
    "    const int i = (int)get_global_id(0), n = (int)get_global_size(0);\n"
    "    const float own = (float)(i * i + 1);\n"
    "    for (int at = 0, bit = 1; bit < (int)get_local_size(0); ++at, bit *= 2) {\n"
    "        float other = -1.0f;\n"
    "        if (bit < NEIGHBOURS) { other = SHUFFLE_XOR(own, bit); }\n"
    "        out[at * n + i] = other;\n"
    "    }\n"
    "}\n";

/* Right for the lowest bits, outside for all above; and for one bit at least. */
static bool right(const float *out)
{
    const int n = ITEMS * GROUPS;
    int bits = 0;
    while (bits < BITS && out[bits * n] != OUTSIDE) {
        bits++;
    }
    for (int at = 0; at < BITS; at++) {
        for (int i = 0; i < n; i++) {
            const int from = i ^ (1 << at);
            const float expected = at < bits ? (float)(from * from + 1) : OUTSIDE;
            if (out[at * n + i] != expected) { return false; }
        }
    }
    return bits > 0;
}

static cl_int run(const struct umb_probe_bench *b, cl_command_queue queue, bool *ret_right)
{
    const size_t n = ITEMS * GROUPS, local = ITEMS;
    float out[BITS * ITEMS * GROUPS] = {0};
    cl_int code = clEnqueueNDRangeKernel(queue, b->kernel, 1, NULL, &n, &local, 0, NULL, NULL);
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, b->out, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    }
    *ret_right = code == CL_SUCCESS && right(out);
    return code;
}

static cl_int try_spelling(cl_context cl, cl_device_id device, cl_command_queue queue,
                           const struct spelling *s, bool *ret_right)
{
    char source[2048];
    snprintf(source, sizeof source, "%s%s", s->text, kernel_text);
    struct umb_probe_bench b;
    cl_int code =
        umb__probe_bench_init(&b, cl, device, source, sizeof(float) * BITS * ITEMS * GROUPS);
    if (code != CL_SUCCESS) { return code; }
    code = run(&b, queue, ret_right);
    umb__probe_bench_finish(&b);
    return code;
}

static bool lists(cl_device_id device, const char *extension)
{
    char all[16384] = "";
    return clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof all, all, NULL) == CL_SUCCESS &&
           strstr(all, extension);
}

/* Only what the driver speaks of: not every compiler takes an unknown function for a mere error. */
static bool worth_trying(enum spelling_id id, cl_device_id device,
                         const struct umb_device_caps *caps)
{
    switch (id) {
    case BY_INTEL:
        return lists(device, "cl_intel_subgroups");
    case BY_KHR:
        return lists(device, "cl_khr_subgroup_shuffle");
    case BY_PTX:
        return caps->inline_ptx;
    default:
        return lists(device, "cl_amd_device_attribute_query") && lists(device, "cl_khr_subgroups");
    }
}

cl_int umb__probe_shuffle(cl_context cl, cl_device_id device, struct umb_device_caps *caps)
{
    cl_int code;
    caps->shuffle = NULL;
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    if (code != CL_SUCCESS) { return code; }
    for (int id = 0; id < SPELLINGS && !caps->shuffle; id++) {
        bool works = false;
        if (!worth_trying((enum spelling_id)id, device, caps)) { continue; }
        code = try_spelling(cl, device, queue, &spellings[id], &works);
        if (works) { caps->shuffle = spellings[id].name; }
    }
    clReleaseCommandQueue(queue);
    return caps->shuffle ? CL_SUCCESS : code;
}

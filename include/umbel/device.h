/*
 * device.h: the OpenCL devices of this machine, and choosing one.
 *
 * A device is opened once per context and owns its OpenCL context, its kernels and its memory
 * account. Selectors (UMBEL_DEVICE, --device) are a comma-separated list; each is a type (gpu, cpu,
 * accelerator, all) or a case-insensitive piece of the device's, vendor's or platform's name, with
 * an optional "platform:" in front and "#index" behind, from 0: gpu, nvidia, pocl:cpu, intel#1. A
 * type alone takes no software rasterizer and no device with a driver that works badly; a name
 * does. Behind a "/" it says into what parts the device is cut, each of them a device: cpu/2 is two
 * halves, cpu/3+1 three units and one, cpu/2#0 the first half.
 */
#ifndef UMBEL_DEVICE_H
#define UMBEL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

enum umb_device_type { UMB_DEVICE_CPU, UMB_DEVICE_GPU, UMB_DEVICE_ACCELERATOR };

/* What a device is and can do; read once. Strings live as long as their owner (list or device). */
struct umb_device_caps {
    const char *name, *vendor, *platform; /* as the driver spells them */
    const char *driver;                   /* driver and platform version */
    const char *opencl_c;                 /* "OpenCL C 1.2 …" */
    const char *selector; /* the shortest selector that chooses exactly this device */
    const char *issue;    /* what is known against this driver, one line; NULL: nothing */
    const char *alone;    /* why it cannot be one of a run's several devices; NULL: it can */
    enum umb_device_type type;
    bool software; /* a rasterizer on the CPU (llvmpipe, SwiftShader): only when named */
    bool chosen;   /* by the present selector (in a list) */
    uint32_t compute_units;
    uint32_t max_parts;   /* that a selector's "/" can cut it into; 0: none, and for a part */
    uint32_t clock_mhz;   /* 0: unknown */
    uint32_t float_width; /* native vector width for float32; ≥ 1 */
    uint32_t registers;   /* of 32 bits, that a work-item may use before it spills; 0: unknown */
    uint32_t sub_group;   /* width of a warp, wavefront or largest sub-group; 0: unknown */
    size_t max_work_group;
    uint64_t global_bytes, max_alloc_bytes, cache_bytes;
    uint64_t local_bytes;
    bool local_is_real; /* local memory is not merely a piece of global memory */
    bool fp16, fp64, unified_memory;
    bool out_of_order;
    uint32_t compute_capability; /* NVIDIA: 90 for 9.0; else 0 */
    bool caches_binaries;        /* the driver keeps built kernels itself (PoCL, NVIDIA) */
    /* Probed in a list that was asked for with probes (umbel devices), else false with `probed`
     * false. */
    bool probed;
    bool queues_overlap; /* two in-order queues really run two small kernels at once */
    /* Probed there too, and when a device that is no CPU is opened: kernels are chosen by these. */
    bool inline_ptx;     /* an asm volatile statement compiles and computes the right thing */
    const char *shuffle; /* how items of a sub-group hand each other numbers: "intel", "khr",
                            "ptx" or "amd"; NULL: not at all */
    bool mma_tf32;       /* tensor cores multiply TF32 numbers by inline PTX, and rightly */
    bool mma_fp16;       /* the same of float16 */
    bool fp16_storage; /* float16 is written and read rightly, with or without the extension; tried
                          on GPUs only */
};

struct umb_device;

struct umb_device_list {
    size_t n;
    struct umb_device_caps *caps;
};

/*
 * Lists every device of every platform, and behind them the parts that the selector cuts; `chosen`
 * marks those that the selector (NULL: UMBEL_DEVICE, else the default) takes. probe runs the small
 * test kernels. A machine without any gives n = 0 and UMB_OK. Errors: UMB_ERR_NO_MEMORY;
 * UMB_ERR_INVALID for a malformed selector, or one that cuts a device into parts that it does not
 * have.
 */
UMB_MUST_USE enum umb_status umb_device_list_create(struct umb_context *ctx, const char *selector,
                                                    bool probe, struct umb_device_list **ret_list);
void umb_device_list_destroy(struct umb_device_list *list);

/*
 * Opens the first device that the selector takes (NULL: UMBEL_DEVICE; unset: the GPU with the most
 * compute, else a CPU). No match is UMB_ERR_INVALID with a message of one line that lists every
 * device with its selector. A malformed selector, and one that cuts a device into parts that it
 * does not have, are UMB_ERR_INVALID too; no device at all, or one whose driver refuses to work, is
 * UMB_ERR_DEVICE; one that is below OpenCL 1.2 or has no compiler, UMB_ERR_UNSUPPORTED. The device
 * outlives all that is made on it.
 */
UMB_MUST_USE enum umb_status umb_device_open(struct umb_context *ctx, const char *selector,
                                             struct umb_device **ret_device);
void umb_device_close(struct umb_device *device);
/* Opens the devices of a run on several: each item of the selector gives one, the first it fits
 * that no item before gave ("gpu,cpu": a GPU and a CPU), with "#*" all it fits ("gpu#*"), with "/"
 * all parts of it ("cpu/2"); items
 * that fit nothing are passed over where others give something. Errors as above, and more than
 * UMB_MAX_DEVICES; none is open then. */
#define UMB_MAX_DEVICES 8
UMB_MUST_USE enum umb_status umb_devices_open(struct umb_context *ctx, const char *selector,
                                              struct umb_device **ret_devices, size_t *ret_n);
/* Both are the same device of the machine, or the same units of one. */
bool umb_device_is(const struct umb_device *a, const struct umb_device *b);

const struct umb_device_caps *umb_device_get_caps(const struct umb_device *device);

/* Bytes of device memory that Umbel holds now, and the most it ever held. */
uint64_t umb_device_bytes(const struct umb_device *device);
uint64_t umb_device_peak_bytes(const struct umb_device *device);

#endif

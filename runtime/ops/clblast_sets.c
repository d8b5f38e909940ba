/*
 * clblast_sets.c: the sets of parameters that CLBlast may be given, and who has which.
 *
 * Its indirect kernel multiplies matrices padded to its tiles, its direct one takes them as they
 * are; a set names one of them, for every product. The numbers are picked from the ranges that
 * CLBlast's own tuners search, with the divisibility that its kernels ask for: for GPUs tiles from
 * 128×128 to 32×32, with and without local memory; for CPUs a few items of wide vectors.
 */
#include "clblast.h"

#ifdef UMB_HAVE_CLBLAST
#include "cl_handles.h"
#include "fail.h"
#include <clblast_c.h>
#include <pthread.h>
#include <string.h>

#define INDIRECT "indirect:"
#define DIRECT "direct:"
#define MOST_NUMBERS 16
#define MOST_DEVICES 64
/* Products of fewer terms than this, cubed, go to the direct kernel. */
#define ALL_INDIRECT 0
#define ALL_DIRECT ((size_t)1 << 20)

/* Indirect, in the order of these names; 0: shares panels through local memory where SA, SB are 1;
 * 1: by registers. */
static const char *const indirect_names[] = {"GEMMK", "KREG",  "KWG",   "KWI", "MDIMA", "MDIMC",
                                             "MWG",   "NDIMB", "NDIMC", "NWG", "SA",    "SB",
                                             "STRM",  "STRN",  "VWM",   "VWN"};
static const char *const direct_names[] = {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD",
                                           "PADA", "PADB",   "VWMD",   "VWND",   "WGD"};

const char *const umb__clblast_sets[] = {INDIRECT "0.1.16.2.16.16.128.16.16.128.1.1.0.0.4.4",
                                         INDIRECT "0.1.16.2.16.16.128.8.8.64.1.1.0.0.4.4",
                                         INDIRECT "0.1.32.2.8.8.64.8.8.64.1.1.0.0.4.4",
                                         INDIRECT "0.1.32.2.16.16.64.16.16.64.1.1.0.0.4.4",
                                         INDIRECT "0.1.32.2.8.8.32.8.8.32.1.1.0.0.4.4",
                                         INDIRECT "0.1.32.2.8.8.64.8.8.64.0.0.0.0.4.4",
                                         INDIRECT "1.4.1.1.8.8.64.8.8.64.0.0.0.0.4.4",
                                         INDIRECT "1.4.1.1.8.8.32.8.8.32.0.0.0.0.4.4",
                                         INDIRECT "1.8.1.1.2.2.32.2.2.16.0.0.0.0.8.8",
                                         INDIRECT "1.8.1.1.2.2.32.2.2.32.0.0.0.0.8.8",
                                         INDIRECT "0.1.32.2.2.2.32.2.2.32.0.0.0.0.8.8",
                                         DIRECT "2.8.8.8.8.1.1.4.4.32",
                                         DIRECT "2.8.8.8.8.1.1.2.2.16",
                                         DIRECT "2.16.16.16.16.1.1.4.4.64",
                                         NULL};

/* CLBlast fills its table of parameters when it is first asked for any, for the whole process and
 * without a lock of its own (1.5.3 and 1.6.3), so the lock is the process's too. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Who has which, under the lock. */
static struct claim {
    cl_device_id device;
    const char *set;   /* what the next product goes by */
    const char *given; /* what CLBlast was told */
    bool used;         /* a product ran */
} claims[MOST_DEVICES];
static size_t n_claims;

/* NULL: too many devices, of which this one then keeps CLBlast's own. */
static struct claim *claim_of(const struct umb_device *device)
{
    const cl_device_id id = umb__device_cl_id(device);
    for (size_t i = 0; i < n_claims; i++) {
        if (claims[i].device == id) { return &claims[i]; }
    }
    if (n_claims == MOST_DEVICES) { return NULL; }
    claims[n_claims] = (struct claim){id, UMB_CLBLAST_OWN, UMB_CLBLAST_OWN, false};
    return &claims[n_claims++];
}

/* "2.8.16": the numbers, which the table above has as many of as there are names. */
static void read_numbers(const char *text, size_t n, size_t *ret_numbers)
{
    for (size_t i = 0; i < n; i++) {
        ret_numbers[i] = 0;
        for (; *text && *text != '.'; text++) {
            ret_numbers[i] = 10 * ret_numbers[i] + (size_t)(*text - '0');
        }
        text += *text == '.';
    }
}

static CLBlastStatusCode give(cl_device_id device, const char *set)
{
    const bool direct = strncmp(set, DIRECT, strlen(DIRECT)) == 0;
    const char *kernel = direct ? "XgemmDirect" : "Xgemm", *limit = "XGEMM_MIN_INDIRECT_SIZE";
    const char *names[MOST_NUMBERS];
    const size_t n = direct ? sizeof direct_names / sizeof *direct_names
                            : sizeof indirect_names / sizeof *indirect_names;
    const size_t least = direct ? ALL_DIRECT : ALL_INDIRECT;
    size_t numbers[MOST_NUMBERS];
    memcpy(names, direct ? direct_names : indirect_names, n * sizeof *names);
    read_numbers(strchr(set, ':') + 1, n, numbers);
    const CLBlastStatusCode code =
        CLBlastOverrideParameters(device, kernel, CLBlastPrecisionSingle, n, names, numbers);
    return code != CLBlastSuccess
               ? code
               : CLBlastOverrideParameters(device, "GemmRoutine", CLBlastPrecisionSingle, 1, &limit,
                                           &least);
}

/* Has CLBlast go by the claim's set. */
static enum umb_status settle(struct umb_context *ctx, struct claim *c)
{
    c->used = true;
    if (strcmp(c->given, c->set) == 0) { return UMB_OK; }
    if (strcmp(c->set, UMB_CLBLAST_OWN) == 0) {
        return umb__fail(ctx, UMB_ERR_UNSUPPORTED,
                         "CLBlast: its own parameters do not come back in a process that has had "
                         "'%s'",
                         c->given);
    }
    const CLBlastStatusCode code = give(c->device, c->set);
    if (code != CLBlastSuccess) {
        return umb__fail(ctx, UMB_ERR_UNSUPPORTED, "CLBlast: status %d for parameters '%s'",
                         (int)code, c->set);
    }
    c->given = c->set;
    return UMB_OK;
}

enum umb_status umb__clblast_begin(const struct umb_device *device)
{
    pthread_mutex_lock(&one_at_a_time);
    struct claim *c = claim_of(device);
    const enum umb_status st = c ? settle(umb__device_context(device), c) : UMB_OK;
    if (st != UMB_OK) { pthread_mutex_unlock(&one_at_a_time); }
    return st;
}

void umb__clblast_end(void)
{
    pthread_mutex_unlock(&one_at_a_time);
}

const char *umb__clblast_used(const struct umb_device *device)
{
    pthread_mutex_lock(&one_at_a_time);
    const struct claim *c = claim_of(device);
    const char *set = c ? c->set : UMB_CLBLAST_OWN;
    pthread_mutex_unlock(&one_at_a_time);
    return set;
}

/* The table's string; NULL: none of that name. */
static const char *find_set(const char *name)
{
    for (const char *const *s = umb__clblast_sets; *s; s++) {
        if (strcmp(*s, name) == 0) { return *s; }
    }
    return strcmp(name, UMB_CLBLAST_OWN) == 0 ? UMB_CLBLAST_OWN : NULL;
}

static enum umb_status use(const struct umb_device *device, const char *name, bool again)
{
    struct umb_context *ctx = umb__device_context(device);
    const char *set = find_set(name);
    enum umb_status st = UMB_OK;
    if (!set) {
        return umb__fail(ctx, UMB_ERR_UNSUPPORTED, "CLBlast: no parameters '%.64s' here", name);
    }
    pthread_mutex_lock(&one_at_a_time);
    struct claim *c = claim_of(device);
    if (!c) {
        st = umb__fail(ctx, UMB_ERR_UNSUPPORTED, "CLBlast: parameters for %d devices at most",
                       MOST_DEVICES);
    } else if (c->used && !again && strcmp(c->set, set) != 0) {
        st = umb__fail(ctx, UMB_ERR_UNSUPPORTED,
                       "CLBlast: its parameters in this process are '%s', not '%s'", c->set, set);
    } else {
        c->set = set;
    }
    pthread_mutex_unlock(&one_at_a_time);
    return st;
}

#else
#include "buffer.h"
#include "fail.h"
#include <stddef.h>
#include <string.h>

const char *const umb__clblast_sets[] = {NULL};

const char *umb__clblast_used(const struct umb_device *device)
{
    (void)device;
    return UMB_CLBLAST_OWN;
}

static enum umb_status use(const struct umb_device *device, const char *name, bool again)
{
    (void)again;
    if (strcmp(name, UMB_CLBLAST_OWN) == 0) { return UMB_OK; }
    return umb__fail(umb__device_context(device), UMB_ERR_UNSUPPORTED,
                     "this build has no CLBlast, expected one with parameters '%.64s'", name);
}
#endif

enum umb_status umb__clblast_use(const struct umb_device *device, const char *set)
{
    return use(device, set, false);
}

enum umb_status umb__clblast_try(const struct umb_device *device, const char *set)
{
    return use(device, set, true);
}

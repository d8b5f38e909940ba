/*
 * shares.c: how many rows of a batch each of several devices takes. Equal ones take equally many;
 * others are timed on a few steps of the whole batch, and take rows as they were fast.
 */
#include "trainer_internal.h"

#include "system.h"
#include "text.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WARM_UP 2
#define TIMED 3

void umb__shares_even(int64_t batch, int n, int64_t *ret_shares)
{
    for (int d = 0; d < n; d++) {
        ret_shares[d] = batch / n + (d < batch % n);
    }
}

void umb__shares_by_time(int64_t batch, int n, const uint64_t *ns, int64_t *ret_shares)
{
    double speed = 0;
    int64_t given = 0;
    int fastest = 0;
    for (int d = 0; d < n; d++) {
        speed += 1 / (double)(ns[d] ? ns[d] : 1);
        if (ns[d] < ns[fastest]) { fastest = d; }
    }
    for (int d = 0; d < n; d++) {
        ret_shares[d] = (int64_t)((double)batch / (double)(ns[d] ? ns[d] : 1) / speed);
        given += ret_shares[d];
    }
    ret_shares[fastest] += batch - given;
}

const char *umb__shares_text(const int64_t *shares, int n, char *buffer)
{
    size_t used = 0;
    int64_t all = 0;
    for (int d = 0; d < n; d++) {
        all += shares[d];
    }
    buffer[0] = 0;
    for (int d = 0; all && d < n; d++) {
        used += (size_t)snprintf(buffer + used, UMB_SHARES_TEXT - used,
                                 d ? ",%" PRId64 : "%" PRId64, shares[d]);
    }
    return buffer;
}

bool umb__shares_parse(const char *text, int64_t batch, int n, int64_t *ret_shares)
{
    int64_t all = 0;
    for (int d = 0; d < n; d++) {
        char number[24];
        const size_t length = strcspn(text, ",");
        if (length >= sizeof number) { return false; }
        memcpy(number, text, length);
        number[length] = 0;
        if (!umb__parse_int(number, 0, batch, &ret_shares[d])) { return false; }
        all += ret_shares[d];
        text += length;
        if (*text != (d + 1 < n ? ',' : 0)) { return false; }
        text += *text == ',';
    }
    return all == batch;
}

/* Every sample labelled, as class 0: a step's time does not depend on the numbers. */
static void fill(struct umb_trainer *tr)
{
    struct umb_slot_view view;
    int64_t rows[UMB_MAX_STREAMS];
    umb__trainer_slot(tr, UMB_TRAINER_TRAIN, 0, &view);
    for (int s = 0; s < tr->n_streams; s++) {
        rows[s] = tr->batch;
    }
    for (int t = 0; t < tr->n_tasks; t++) {
        for (int64_t i = 0; i < tr->batch; i++) {
            view.mask[t][i] = 1;
        }
    }
    umb__trainer_set_rows(tr, UMB_TRAINER_TRAIN, 0, rows);
}

static enum umb_status time_steps(struct umb_trainer *tr, uint64_t *ret_ns)
{
    enum umb_status st = UMB_OK;
    *ret_ns = UINT64_MAX;
    fill(tr);
    for (int i = 0; st == UMB_OK && i < WARM_UP + TIMED; i++) {
        const uint64_t start = umb__clock_ns();
        st = umb__trainer_submit(tr, UMB_TRAINER_TRAIN, 0, 0);
        if (st == UMB_OK) { st = umb__trainer_wait(tr, UMB_TRAINER_TRAIN, 0, NULL); }
        const uint64_t ns = umb__clock_ns() - start;
        if (i >= WARM_UP && ns < *ret_ns) { *ret_ns = ns; }
    }
    return st;
}

enum umb_status umb__shares_measure(struct umb_context *ctx, const struct umb_trainer_desc *desc,
                                    int64_t *ret_shares)
{
    const int n = 1 + desc->n_more;
    uint64_t ns[UMB_MAX_DEVICES];
    for (int d = 0; d < n; d++) {
        struct umb_trainer_desc alone = *desc;
        struct umb_trainer *tr = NULL;
        alone.device = d ? desc->more[d - 1] : desc->device;
        alone.more = NULL;
        alone.n_more = 0;
        alone.shares = NULL;
        enum umb_status st = umb_trainer_create(ctx, &alone, &tr);
        if (st == UMB_OK) { st = time_steps(tr, &ns[d]); }
        umb_trainer_destroy(tr);
        if (st != UMB_OK) { return st; }
        umb__log(ctx, UMB_LOG_INFO, "%s: %.3f ms for a step of %lld samples a stream",
                 umb_device_get_caps(alone.device)->name, (double)ns[d] * 1e-6,
                 (long long)desc->batch);
    }
    umb__shares_by_time(desc->batch, n, ns, ret_shares);
    return UMB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* queue_reports.h -- reports of many devices, stored together. Those that are
 * stored alone, such as NotNow, are nmdm_queue_report's (storage/queue.c). */

#ifndef NMDM_QUEUE_REPORTS_H
#define NMDM_QUEUE_REPORTS_H

#include "base/batch_queue.h"
#include "base/context.h"
#include "mdm/message.h"
#include "storage/queue.h"

/* One device's report, on its own channel. */
typedef struct {
    nmdm_batch_entry_t entry;   /* first; its key is the id of the device */
    apr_pool_t *pool;           /* of its request, for the command */
    const nmdm_msg_t *msg;
    const char *sha256;         /* of its certificate, as it came */
    int stored;                 /* as with nmdm_queue_report */
    nmdm_next_e next;
    nmdm_command_t command;
} nmdm_queue_report_t;

/* Whether a report may be one of many: on the device's own channel, not NotNow,
 * and not long. */
int nmdm_queue_reports_suit(const nmdm_msg_t *msg);

/* Stores all reports that are linked from the first on, in the order of ids,
 * so that no two batches wait for each other. `next` is of those that
 * were stored. Nothing is known after an error. To be called within a unit of
 * db/db.h that is a transaction. */
nmdm_err_t *nmdm_queue_reports(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first);

#endif /* NMDM_QUEUE_REPORTS_H */

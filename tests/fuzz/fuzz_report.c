/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_report.c -- any bytes as a report. */

#include "message.h"

static void fuzz_report(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_report_t *report;
    nmdm_msg_t msg;

    if (nmdm_message_report(&msg, p, body)) {
        return;
    }
    report = &msg.u.report;
    check_who(&msg);
    PROMISED(fits(report->status, 31));
    PROMISED(fits_or_null(report->command_uuid, 127));
    PROMISED(!strncmp(report->stored, "<?xml", 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    fuzz_report(p, body_of(p, data, size));
    apr_pool_destroy(p);
    return 0;
}

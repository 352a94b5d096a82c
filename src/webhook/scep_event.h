/* SPDX-License-Identifier: Apache-2.0 */
/* scep_event.h -- the event mdm.SCEP: a certificate was issued, or a challenge
 * was sent again with another key. */

#ifndef NMDM_SCEP_EVENT_H
#define NMDM_SCEP_EVENT_H

#include "base/context.h"
#include "storage/scep.h"

/* Pointers may be NULL but for status and purpose; the challenge itself is in
 * no event. */
typedef struct {
    const char *status;         /* issued, reused, revoked */
    const char *purpose;
    nmdm_binding_t binding;
    const char *key_sha256;     /* of the CSR */
    const char *used_key_sha256;        /* whose the challenge was before */
    const char *cert_sha256;
    const char *subject;
    apr_time_t not_after;       /* 0: not known */
    const char *transaction;
    const char *client;
} nmdm_scep_event_t;

/* Within a transaction: writes it to the outbox, where events are durable. */
nmdm_err_t *nmdm_scep_event_write(nmdm_ctx_t *ctx,
                                  const nmdm_scep_event_t *event);
/* After its commit: has it delivered, or posts it where they are not. */
void nmdm_scep_event_written(nmdm_ctx_t *ctx, const nmdm_scep_event_t *event);
/* Both, where nothing else changes. A failure is logged. */
void nmdm_scep_event_send(nmdm_ctx_t *ctx, const nmdm_scep_event_t *event);

#endif /* NMDM_SCEP_EVENT_H */

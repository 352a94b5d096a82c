/* SPDX-License-Identifier: Apache-2.0 */
/* outbox_payload.h -- the payloads of long events: in base64, in parts, so
 * that neither that text nor the event is ever in memory as a whole. */

#ifndef NMDM_OUTBOX_PAYLOAD_H
#define NMDM_OUTBOX_PAYLOAD_H

#include "base/context.h"

/* An event of so many bytes is long. */
#define NMDM_OUTBOX_LONG ((apr_size_t)256 * 1024)

/* Bytes of a payload in one part; a multiple of three, so that each is base64
 * by itself. */
#define NMDM_OUTBOX_PART ((apr_size_t)192 * 1024)

/* Whether the database has room for parts, and takes them. */
int nmdm_outbox_payload_fits(const nmdm_ctx_t *ctx);

/* Within the transaction that has put the event of this number: writes its
 * payload. */
nmdm_err_t *nmdm_outbox_payload_put(nmdm_ctx_t *ctx, const char *seq,
                                    nmdm_bytes_t payload);

/* Reads the payload of an event, `size` characters of base64, into p: in units
 * of its own. NMDM_NOT_FOUND if it is not there as a whole. */
nmdm_err_t *nmdm_outbox_payload_read(nmdm_ctx_t *ctx, nmdm_bytes_t *payload,
                                     apr_pool_t *p, const char *seq,
                                     apr_size_t size);

#endif /* NMDM_OUTBOX_PAYLOAD_H */

/* SPDX-License-Identifier: Apache-2.0 */
/* request_state.h -- what is known of a request whose client is, or says it
 * is, a device. */

#ifndef NANOMDM_REQUEST_STATE_H
#define NANOMDM_REQUEST_STATE_H

#include "base/text.h"

#include <httpd.h>

typedef struct {
    int is_ours;                /* our handler: no file */
    int asked_enrolled;         /* Require nanomdm-enrolled was asked */
    int granted;                /* and said yes */
    int status;                 /* to send instead of 401 or 403, or 0 */
    const char *text;           /* with it, or NULL for its phrase */
    const char *cert_sha256;    /* of the certificate shown, or NULL */
    const char *cert_name;      /* one for both its encodings, or NULL */
    const char *authorization;  /* the header as the client sent it, or NULL */
    nmdm_bytes_t *unread;       /* of a body read for its signature, or NULL */
    /* For NanoMDMDump; NULL is what was not there, or not ours. */
    nmdm_bytes_t body, reply;
} nanomdm_request_state_t;
nanomdm_request_state_t *nanomdm_request_state(request_rec *r);

#endif /* NANOMDM_REQUEST_STATE_H */

/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c -- the certificates of an enrollment, for operators. */

#include "api/identity.h"
#include "crypto/x509.h"

/* The state of the renewal of the certificate in use. */
static void describe_renewal(nmdm_json_t *identity, apr_pool_t *p,
                             const nmdm_cert_renewal_t *row)
{
    nmdm_json_t *part;

    /* Asked at and never tried: it came with a renewal itself. */
    if (!row->found || !row->has_asked
        || (row->asked && !row->tries && !row->error)) {
        return;
    }
    part = nmdm_json_add_object(identity, "renewal");
    nmdm_json_add_integer(part, "tries", row->tries);
    nmdm_json_add_time(part, "asked_at", p, row->asked);
    nmdm_json_add_text(part, "command_uuid", row->uuid);
    nmdm_json_add_text(part, "error", row->error);
}

static void describe_association(nmdm_json_t *entry, apr_pool_t *p,
                                 const nmdm_association_t *a)
{
    nmdm_json_add_string(entry, "sha256", a->sha256);
    nmdm_json_add_time(entry, "created_at", p, a->at);
    nmdm_json_add_text(entry, "issuer", a->issuer_sha256);
    nmdm_json_add_text(entry, "purpose", a->purpose);
    nmdm_json_add_time(entry, "not_after", p, a->not_after);
    if (a->is_revoked) {
        nmdm_json_add_bool(entry, "revoked", 1);
    }
}

void nmdm_api_identity_describe(nmdm_json_t *out, nmdm_ctx_t *ctx,
                                const nmdm_enrollment_t *e,
                                const apr_array_header_t *associations,
                                const nmdm_cert_renewal_t *renewal)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "identity"), *list;
    apr_pool_t *p = ctx->pool;
    apr_time_t not_after;
    int i;

    if (e->cert_pem && nmdm_x509_not_after(&not_after, e->cert_pem)) {
        nmdm_json_add_time(part, "not_after", p, not_after);
        if (not_after < ctx->now) {
            nmdm_json_add_bool(part, "expired", 1);
        }
    }
    list = nmdm_json_add_array(part, "associations");
    for (i = 0; i < associations->nelts; i++) {
        describe_association(nmdm_json_add_object(list, NULL), p,
                             &APR_ARRAY_IDX(associations, i,
                                            nmdm_association_t));
    }
    describe_renewal(part, p, renewal);
}

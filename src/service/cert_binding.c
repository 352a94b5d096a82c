/* SPDX-License-Identifier: Apache-2.0 */
/* cert_binding.c -- which device may use a certificate that was issued
 * here. */

#include "service/cert_binding.h"
#include "base/time.h"
#include "db/schema.h"
#include "storage/scep.h"
#include "storage/sender.h"

#include <apr_strings.h>

#include <string.h>

static int has(const char *text)
{
    return text && *text;
}

static int is_same(const char *bound, const char *said)
{
    return has(said) && !strcasecmp(bound, said);
}

static nmdm_err_t *refused(nmdm_ctx_t *ctx, const nmdm_id_t *who,
                           const nmdm_issued_row_t *row, const char *why)
{
    return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0730)
                    "%s: cert auth: certificate %.16s... (%s, bound to %s) %s",
                    who->id, row->sha256, row->purpose,
                    nmdm_binding_text(ctx->pool, &row->binding), why);
}

/* Where both are bound the serial number decides: a Mac has a provisioning
 * UDID beside the one that MDM uses (Apple, MachineInfo). */
static const char *flaw_of(nmdm_ctx_t *ctx, const nmdm_issued_row_t *row,
                           const nmdm_id_t *who, const char *serial,
                           const char *udid)
{
    const nmdm_binding_t *bound = &row->binding;

    if (has(bound->serial_number)) {
        if (!is_same(bound->serial_number, serial)) {
            return apr_psprintf(ctx->pool, "is of another device than that"
                                " with serial number %s",
                                has(serial) ? serial : "(none)");
        }
        if (has(bound->udid) && !is_same(bound->udid, udid)) {
            nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0731)
                     "%s: its certificate is bound to UDID %s as well; the"
                     " serial number decides", who->id, bound->udid);
        }
    }
    else if (has(bound->udid) && !is_same(bound->udid, udid)) {
        return apr_psprintf(ctx->pool, "is of another device than that with"
                            " UDID %s", has(udid) ? udid : "(none)");
    }
    return has(bound->enrollment_id)
        && strcmp(bound->enrollment_id, who->device_id)
        ? "is of another enrollment" : NULL;
}

/* By either form of an ECDSA signature: a client that has the one can make the
 * other. */
static nmdm_err_t *find(nmdm_ctx_t *ctx, nmdm_issued_row_t *row)
{
    memset(row, 0, sizeof(*row));
    if (nmdm_sender_lacks(ctx, NMDM_SENDER_ISSUED_CERT)) {
        return NULL;
    }
    NMDM_TRY(nmdm_issued_get(ctx, row, ctx->cert->sha256));
    return !row->found && ctx->cert->other_sha256
        ? nmdm_issued_get(ctx, row, ctx->cert->other_sha256) : NULL;
}

nmdm_err_t *nmdm_cert_binding_check(nmdm_ctx_t *ctx, const nmdm_id_t *who,
                                    const nmdm_msg_t *msg)
{
    int is_authenticate = msg && msg->type
        && !strcmp(msg->type, "Authenticate");
    nmdm_issued_row_t row;
    const char *flaw;
    int is_good;

    if (!nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(find(ctx, &row));
    if (!row.found) {
        return NULL;
    }
    if (row.revoked) {
        return refused(ctx, who, &row, "is revoked");
    }
    flaw = flaw_of(ctx, &row, who,
                   is_authenticate ? msg->u.authenticate.serial_number : NULL,
                   msg ? msg->udid : who->device_id);
    if (flaw) {
        return refused(ctx, who, &row, flaw);
    }
    NMDM_TRY(nmdm_issued_bind(ctx, &is_good, row.sha256, who->device_id));
    return is_good ? NULL : refused(ctx, who, &row, "is revoked");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* service.c -- what check-ins and reports have in common, and the device of an
 * identity. */

#include "service/service.h"
#include "db/db.h"
#include "mdm/message.h"
#include "service/certauth.h"
#include "storage/cert_associations.h"
#include "storage/enrollments.h"
#include "storage/last_seen.h"

/* ---- Check-ins ---- */

void nmdm_service_begin(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    ctx->access_log.id = msg->who.id;
    ctx->access_log.type = msg->who.type;
    ctx->access_log.message = msg->type ? msg->type : msg->u.report.status;
    if (!msg->type && msg->u.report.command_uuid) {
        ctx->access_log.command_uuid = msg->u.report.command_uuid;
    }
}

void nmdm_service_log_repair(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    if (msg->replaced) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0727) "%s: %d character%s that XML"
                 " does not allow stored as U+FFFD", msg->who.id,
                 msg->replaced, msg->replaced == 1 ? "" : "s");
    }
}

/* Within a unit, because it may write. */
nmdm_err_t *nmdm_service_see(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    if (ctx->policy->sees_at_once) {
        return nmdm_enrollments_seen_now(ctx, who->id);
    }
    if (ctx->services->seen) {
        nmdm_last_seen_note(ctx->services->seen, who->id);
    }
    return NULL;
}

/* ---- Who else asks with a device's identity ---- */

static nmdm_err_t *do_device_of_cert(nmdm_ctx_t *ctx, void *baton)
{
    const char **id = baton;

    int known;

    NMDM_TRY(nmdm_cert_associations_device_of(ctx, id));
    if (*id || !ctx->cert->other_sha256) {
        return NULL;
    }
    NMDM_TRY(nmdm_cert_associations_use_known(ctx, &known));
    return known ? nmdm_cert_associations_device_of(ctx, id) : NULL;
}

nmdm_err_t *nmdm_service_device_of_cert(nmdm_ctx_t *ctx, const char **id)
{
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_device_of_cert, id));
    if (!*id) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0709)
                        "-: certificate %.16s... belongs to no enrollment%s",
                        ctx->cert->sha256, ctx->policy->latest_only
                            ? " as its latest (NanoMDMAssociation)" : "");
    }
    ctx->access_log.id = *id;
    nmdm_certauth_log_expiry(ctx, *id);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* renewal.c -- enrollments that are renewed rather than begun.
 *
 * A device whose enrollment profile is renewed sends Authenticate as a new one
 * does. Where NanoMDMReenroll says keep, the Authenticate of an enrolled
 * device changes nothing yet; the TokenUpdate after it distinguishes a renewal
 * from a device that was erased and is being set up again. */

#include "storage/renewal.h"
#include "storage/cert_renewals.h"
#include "storage/sender.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "db/schema.h"
#include "crypto/x509.h"

#include <string.h>

static const char *pem_of(nmdm_ctx_t *ctx)
{
    return ctx->cert ? nmdm_x509_pem(ctx->pool, ctx->cert->der) : "";
}

static void log_that_nothing_is_kept(nmdm_ctx_t *ctx, const char *id)
{
    if (!ctx->services->daily
        || nmdm_once_daily_is_due(ctx->services->daily, "NanoMDMReenroll",
                                  ctx->now)) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0720)
                 "%s: NanoMDMReenroll keep needs the additive part of the"
                 " schema, which this database lacks: devices that enroll"
                 " again lose their queue and tokens. Run the scripts of"
                 " schema/upgrade, or write \"NanoMDMSchema auto\"", id);
    }
}

nmdm_err_t *nmdm_renewal_drop(nmdm_ctx_t *ctx, const char *device_id)
{
    return nmdm_schema_is_complete(ctx)
        && !nmdm_sender_lacks(ctx, NMDM_SENDER_STAGED_RENEWAL)
        ? nmdm_db_exec(ctx, NULL, STMT_RENEWAL_DROP, NMDM_ARGS(device_id))
        : NULL;
}

nmdm_err_t *nmdm_renewal_stage(nmdm_ctx_t *ctx, int *is_staged,
                               const nmdm_msg_t *msg)
{
    const char *id = msg->who.id, *serial = msg->u.authenticate.serial_number;

    *is_staged = 0;
    if (!nmdm_schema_is_complete(ctx)) {
        log_that_nothing_is_kept(ctx, id);
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, is_staged, NULL, 0, STMT_RENEWAL_SUITS,
                         NMDM_ARGS(id, id)));
    if (!*is_staged) {
        return nmdm_renewal_drop(ctx, id);
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0721)
             "%s: Authenticate of an enrolled device; nothing changes before"
             " its TokenUpdate", id);
    return nmdm_db_exec(ctx, NULL, STMT_RENEWAL_PUT,
                        NMDM_ARGS(id, pem_of(ctx), serial ? serial : "",
                                  nmdm_schema_xml(ctx, msg->text)));
}

/* Everything that Authenticate does at once without NanoMDMReenroll keep, to
 * what was there when it was received. */
static nmdm_err_t *reset(nmdm_ctx_t *ctx, const char *id)
{
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_RENEWAL_RESET, NMDM_ARGS(id, id)));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_RENEWAL_CLEAR, NMDM_ARGS(id, id)));
    return nmdm_db_exec(ctx, NULL, STMT_DEVICE_DISABLE, NMDM_ARGS(id));
}

/* *is_its is whether this request has the certificate that was staged. */
static nmdm_err_t *find(nmdm_ctx_t *ctx, int *is_staged, int *is_its,
                        const char *id)
{
    const char *same = NULL;

    *is_staged = *is_its = 0;
    if (!nmdm_schema_is_complete(ctx)
        || nmdm_sender_lacks(ctx, NMDM_SENDER_STAGED_RENEWAL)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, is_staged, &same, 1, STMT_RENEWAL_FIND,
                         NMDM_ARGS(pem_of(ctx), id)));
    *is_its = *is_staged && *same == '1';
    return NULL;
}

nmdm_err_t *nmdm_renewal_commit(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    const char *id = msg->who.id;
    int is_staged, is_its, is_enrolled;
    nmdm_used_cert_t used;

    if (msg->who.on_user_channel) {
        return NULL;
    }
    NMDM_TRY(find(ctx, &is_staged, &is_its, id));
    if (is_staged && !is_its) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0722)
                 "%s: TokenUpdate with another certificate than the renewal"
                 " has; the renewal stays open", id);
    }
    if (!is_its) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &is_enrolled, NULL, 0, STMT_RENEWAL_SUITS,
                         NMDM_ARGS(id, id)));
    NMDM_TRY(nmdm_cert_renewals_used(ctx, &used));
    if (is_enrolled && (!msg->u.token_update.is_setting_up
                        || (used.found && !strcmp(used.purpose,
                                                  NMDM_PURPOSE_RENEWAL)))) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0723)
                 "%s: enrollment renewed; its queue and tokens stay", id);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_RENEWAL_KEEP,
                              NMDM_ARGS(id, id)));
    }
    else {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0724)
                 "%s: enrolled anew; its queue and tokens are cleared", id);
        NMDM_TRY(reset(ctx, id));
    }
    return nmdm_renewal_drop(ctx, id);
}

nmdm_err_t *nmdm_renewal_abandon(nmdm_ctx_t *ctx, const char *device_id)
{
    int is_staged, is_its;

    NMDM_TRY(find(ctx, &is_staged, &is_its, device_id));
    if (!is_staged) {
        return NULL;
    }
    NMDM_TRY(reset(ctx, device_id));
    return nmdm_renewal_drop(ctx, device_id);
}

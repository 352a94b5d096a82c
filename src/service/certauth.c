/* SPDX-License-Identifier: Apache-2.0 */
/* certauth.c -- whose certificate is it? Admission of a message by the
 * identity certificate of its sender (behaviour specification 4). */

#include "service/certauth.h"
#include "base/time.h"
#include "db/db.h"
#include "mdm/message.h"
#include "service/cert_binding.h"
#include "storage/cert_associations.h"
#include "storage/enrollments.h"
#include "storage/sender.h"

#include <apr_strings.h>

nmdm_err_t *nmdm_certauth_denied(nmdm_ctx_t *ctx, const char *id,
                                 const char *why)
{
    return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS,
                    NMDMNO(0701) "%s: %s", id, why);
}

/* Only the log says whose the certificate is: Migration Assistant copies an
 * identity to a new Mac, which then is refused until it enrolls itself. */
static nmdm_err_t *denied_cert(nmdm_ctx_t *ctx, const nmdm_id_t *who,
                               const char *why)
{
    const char *owner;
    int is_known;

    NMDM_TRY(nmdm_cert_associations_owner(ctx, &owner));
    if (owner) {
        return nmdm_certauth_denied(ctx, who->id, apr_psprintf(
            ctx->pool, "cert auth: %s: certificate %s belongs to %s", why,
            ctx->cert->sha256, owner));
    }
    NMDM_TRY(nmdm_enrollments_is_known(ctx, &is_known, who->device_id));
    return is_known
        ? nmdm_certauth_denied(ctx, who->id, apr_psprintf(
              ctx->pool, "cert auth: %s: certificate %s belongs to no device",
              why, ctx->cert->sha256))
        : nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0728)
                   "%s: cert auth: %s: no device with this ID has enrolled;"
                   " certificate %s belongs to no device", who->id, why,
                   ctx->cert->sha256);
}

/* The handler has checked this already; checked again as defence in depth. */
nmdm_err_t *nmdm_certauth_has_cert(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return ctx->cert ? NULL
        : nmdm_certauth_denied(ctx, who->id, "missing MDM certificate");
}

/* What NanoMDMIdentityGrace lets through is for those whose it was before. */
static nmdm_err_t *is_in_time(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return !ctx->cert_expired ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0725)
                   "%s: identity certificate refused: it expired on %s and is"
                   " not associated with this device", who->id,
                   nmdm_time_rfc3339(ctx->pool, ctx->cert_expired));
}

void nmdm_certauth_log_expiry(nmdm_ctx_t *ctx, const char *id)
{
    if (ctx->cert_expired) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0726)
                 "%s: served although its identity certificate expired on %s"
                 " (NanoMDMIdentityGrace)", id,
                 nmdm_time_rfc3339(ctx->pool, ctx->cert_expired));
    }
}

/* NanoMDMAssociation latest; the refusal names the directive. */
static nmdm_err_t *is_not_outdated(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int was_theirs = 0;

    if (ctx->policy->latest_only) {
        NMDM_TRY(nmdm_cert_associations_has(ctx, &was_theirs,
                                            who->device_id));
    }
    return !was_theirs ? NULL
        : nmdm_certauth_denied(ctx, who->id,
                               "cert auth: the device has enrolled with"
                               " another certificate since, and"
                               " NanoMDMAssociation is latest");
}

/* Does the certificate count for this device? One question of one statement,
 * which has its answer for a known device. */
static nmdm_err_t *look(nmdm_ctx_t *ctx, int *theirs, const nmdm_id_t *who)
{
    *theirs = nmdm_sender_has(ctx, NMDM_SENDER_ASSOCIATION);
    return *theirs || nmdm_sender_lacks(ctx, NMDM_SENDER_ASSOCIATION) ? NULL
        : nmdm_cert_associations_counts(ctx, theirs, who->device_id);
}

/* Rarely asked. *known is whether it is any device's. */
static nmdm_err_t *look_again(nmdm_ctx_t *ctx, int *theirs, int *known,
                              const nmdm_id_t *who)
{
    *theirs = 0;
    NMDM_TRY(nmdm_cert_associations_use_known(ctx, known));
    return *known
        ? nmdm_cert_associations_counts(ctx, theirs, who->device_id) : NULL;
}

/* A certificate stays with the device that first enrolled with it; a device
 * may enroll again with a new one. */
nmdm_err_t *nmdm_certauth_admit_new(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    const nmdm_id_t *who = &msg->who;
    int known = 0, theirs;

    if (ctx->is_migration) {
        return NULL;
    }
    NMDM_TRY(nmdm_certauth_has_cert(ctx, who));
    NMDM_TRY(look(ctx, &theirs, who));
    if (!theirs) {
        NMDM_TRY(nmdm_cert_associations_lock(ctx, NULL));
        NMDM_TRY(look_again(ctx, &theirs, &known, who));
    }
    if (theirs) {
        /* What it says of itself may be another's all the same. */
        NMDM_TRY(nmdm_cert_binding_check(ctx, who, msg));
        ctx->is_admitted = 1;
        return NULL;
    }
    NMDM_TRY(is_not_outdated(ctx, who));
    NMDM_TRY(is_in_time(ctx, who));
    if (known) {
        return denied_cert(ctx, who, "new enrollment: cert re-use not"
                                     " permitted");
    }
    NMDM_TRY(nmdm_cert_binding_check(ctx, who, msg));
    ctx->is_admitted = 1;
    return nmdm_cert_associations_add(ctx, who->device_id);
}

nmdm_err_t *nmdm_certauth_recognize(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int theirs;

    if (ctx->is_migration || !ctx->cert) {
        return NULL;
    }
    NMDM_TRY(nmdm_cert_associations_counts(ctx, &theirs, who->device_id));
    ctx->is_admitted |= theirs;
    return NULL;
}

nmdm_err_t *nmdm_certauth_admit(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int known = 0, theirs, has_another;

    if (ctx->is_migration) {
        return NULL;
    }
    NMDM_TRY(nmdm_certauth_has_cert(ctx, who));
    NMDM_TRY(look(ctx, &theirs, who));
    if (!theirs) {
        if (ctx->policy->retroactive) {
            NMDM_TRY(nmdm_cert_associations_lock(ctx, NULL));
            NMDM_TRY(nmdm_cert_associations_lock(ctx, who->device_id));
        }
        NMDM_TRY(look_again(ctx, &theirs, &known, who));
    }
    if (theirs) {
        ctx->is_admitted = 1;
        return NULL;
    }
    NMDM_TRY(is_not_outdated(ctx, who));
    NMDM_TRY(is_in_time(ctx, who));
    if (!ctx->policy->retroactive) {
        return denied_cert(ctx, who, "existing enrollment: enrollment not"
                                     " associated with cert");
    }
    NMDM_TRY(
        nmdm_cert_associations_device_has(ctx, &has_another, who->device_id));
    if (has_another || known) {
        return denied_cert(ctx, who, "existing enrollment: cert re-use not"
                                     " permitted");
    }
    NMDM_TRY(nmdm_cert_binding_check(ctx, who, NULL));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0702)
             "%s: certificate %.16s... of no device is to be associated"
             " retroactively", who->id, ctx->cert->sha256);
    ctx->is_admitted = 1;
    return nmdm_cert_associations_add_late(ctx, who->device_id);
}

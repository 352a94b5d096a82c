/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_delivery.c -- delivers renewals of identities to devices. */

#include "service/renewal_delivery.h"
#include "base/time.h"
#include "codec/plist_tree.h"
#include "db/db.h"
#include "storage/renewal_command.h"

#include <apr_strings.h>

#include <string.h>

/* Of a report in bytes, whose reasons are looked for; a chain of errors has a
 * few hundred. A tree of thousands of keys takes libplist (2.2 to 2.7) seconds
 * where they are equal, or fall together in its table. */
#define LONGEST_REPORT (32 * 1024)

/* ---- Delivery ---- */

typedef struct {
    nmdm_command_t command, *out;
    const char *device_id;
    const char *why;
} fill_t;

static nmdm_err_t *do_fill(nmdm_ctx_t *ctx, void *baton)
{
    fill_t *fill = baton;

    fill->command = *fill->out;
    return nmdm_renewal_command_fill(ctx, &fill->why, &fill->command,
                                     fill->device_id);
}

nmdm_err_t *nmdm_renewal_delivery_fill(nmdm_ctx_t *ctx, int *is_stale,
                                       nmdm_command_t *command,
                                       const nmdm_id_t *who)
{
    fill_t fill = { .out = command, .device_id = who->id };

    *is_stale = 0;
    if (!nmdm_renewal_command_is(command)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_fill, &fill));
    *is_stale = fill.why != NULL;
    if (fill.why) {
        nmdm_log(ctx, fill.why == NMDM_RENEWAL_DONE ? NMDM_LOG_INFO
                                                    : NMDM_LOG_WARNING,
                 NMDMNO(0740)
                 "%s: the renewal %s is not delivered and is cancelled: %s",
                 who->id, command->uuid, fill.why);
        return NULL;
    }
    *command = fill.command;
    return NULL;
}

/* ---- Reports ---- */

/* What the device says of the last step of SCEP; docs/scep.md has the numbers
 * of MCSCEPErrorDomain. */
static const char *text_of_error(apr_pool_t *p, nmdm_plist_node_t *error)
{
    const char *domain = nmdm_plist_tree_string(
        nmdm_plist_tree_get(error, "ErrorDomain"));
    const char *text = nmdm_plist_tree_string(
        nmdm_plist_tree_get(error, "USEnglishDescription"));
    apr_int64_t code = 0;

    if (!text) {
        text = nmdm_plist_tree_string(
            nmdm_plist_tree_get(error, "LocalizedDescription"));
    }
    (void)nmdm_plist_tree_integer(&code, nmdm_plist_tree_get(error,
                                                             "ErrorCode"));
    return !domain ? NULL
        : apr_psprintf(p, "%s %" APR_INT64_T_FMT "%s%s%s", domain, code,
                       !strcmp(domain, "MCSCEPErrorDomain")
                           ? " (a step of SCEP)" : "",
                       text ? ": " : "", text ? text : "");
}

/* The chain, the innermost error last. */
static const char *error_chain(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    nmdm_bytes_t bytes = { msg->u.report.stored,
                           strlen(msg->u.report.stored) };
    nmdm_plist_node_t *root, *chain;
    const char *all = "";
    int i;

    if (bytes.len > LONGEST_REPORT
        || nmdm_plist_tree_read(&root, ctx->pool, bytes)) {
        return "the device reports an error";   /* or too deep for a tree */
    }
    chain = nmdm_plist_tree_get(root, "ErrorChain");
    for (i = 0; i < nmdm_plist_tree_length(chain) && i < 8; i++) {
        const char *one = text_of_error(ctx->pool,
                                        nmdm_plist_tree_item(chain, i));

        if (one) {
            all = apr_pstrcat(ctx->pool, all, *all ? "; " : "", one, NULL);
        }
    }
    return *all ? all : "the device reports an error and does not name it";
}

typedef struct {
    const nmdm_msg_t *msg;
    const char *error;
} failure_t;

static nmdm_err_t *do_fail(nmdm_ctx_t *ctx, void *baton)
{
    const failure_t *failure = baton;

    return nmdm_cert_renewals_failed(ctx, failure->msg->who.id,
                                     failure->msg->u.report.command_uuid,
                                     failure->error);
}

nmdm_err_t *nmdm_renewal_delivery_report(nmdm_ctx_t *ctx,
                                         const nmdm_msg_t *msg)
{
    const char *uuid = msg->u.report.command_uuid;
    const char *status = msg->u.report.status;
    failure_t failure = { .msg = msg };

    if (!uuid || !nmdm_renewal_command_has_uuid(uuid)
        || (strcmp(status, "Error")
            && strcmp(status, "CommandFormatError"))) {
        return NULL;
    }
    failure.error = error_chain(ctx, msg);
    nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0741)
             "%s: the device could not renew its identity certificate (%s);"
             " it is asked again in a day: %s", msg->who.id, uuid,
             failure.error);
    return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_fail, &failure);
}

/* ---- Check-ins ---- */

/* Challenges that many devices share say nothing of one of them. */
static int is_shared(const char *purpose)
{
    return !strcmp(purpose, NMDM_PURPOSE_STATIC)
        || !strcmp(purpose, NMDM_PURPOSE_EXTERNAL)
        || !strcmp(purpose, NMDM_PURPOSE_NONE);
}

nmdm_err_t *nmdm_renewal_delivery_keeps(nmdm_ctx_t *ctx, int *keeps,
                                        const char *device_id)
{
    nmdm_used_cert_t used;

    *keeps = ctx->policy->keeps_renewed;
    NMDM_TRY(nmdm_cert_renewals_used(ctx, &used));
    if (!used.found || is_shared(used.purpose)) {
        return NULL;
    }
    *keeps = !strcmp(used.purpose, NMDM_PURPOSE_RENEWAL);
    nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(0742)
             "%s: its certificate was issued for \"%s\": %s", device_id,
             used.purpose, *keeps ? "the enrollment is renewed"
                                  : "the device enrolls anew");
    return NULL;
}

nmdm_err_t *nmdm_renewal_delivery_use(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int is_new;

    if (who->on_user_channel) {
        return NULL;
    }
    NMDM_TRY(nmdm_cert_renewals_use(ctx, &is_new, who->id));
    if (is_new) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0743)
                 "%s: uses the certificate %.16s... from now on, until %s",
                 who->id, ctx->cert->sha256,
                 nmdm_time_rfc3339(ctx->pool, ctx->cert_ends));
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cert_associations.c -- which certificate belongs to which device. */

#include "storage/cert_associations.h"
#include "crypto/cert_encodings.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

static nmdm_err_t *exists(nmdm_ctx_t *ctx, int *yes, nmdm_stmt_e stmt,
                          const char **args, int nargs)
{
    return nmdm_db_row(ctx, yes, NULL, 0, stmt, args, nargs);
}

nmdm_err_t *nmdm_cert_associations_text(nmdm_ctx_t *ctx, int *nargs,
                                        const char **args)
{
    *nargs = 0;
    if (!ctx->policy->latest_only) {
        return NULL;
    }
    if (!nmdm_schema_is_complete(ctx)) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(0503)
                        "-: NanoMDMAssociation latest needs the additive part"
                        " of the schema, which this database lacks: run the"
                        " scripts of schema/upgrade, or write \"NanoMDMSchema"
                        " auto\"");
    }
    args[0] = args[1] = nmdm_x509_pem(ctx->pool, ctx->cert->der);
    *nargs = 2;
    return NULL;
}

nmdm_err_t *nmdm_cert_associations_counts(nmdm_ctx_t *ctx, int *yes,
                                          const char *device_id)
{
    const char *args[4] = { device_id, ctx->cert->sha256 };
    int more;

    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 2));
    return exists(ctx, yes, more ? STMT_CERT_IS_LATEST
                                 : STMT_CERT_IS_ASSOCIATED, args, 2 + more);
}

nmdm_err_t *nmdm_cert_associations_has(nmdm_ctx_t *ctx, int *yes,
                                       const char *device_id)
{
    return exists(ctx, yes, STMT_CERT_IS_ASSOCIATED,
                  NMDM_ARGS(device_id, ctx->cert->sha256));
}

/* In the table itself, where a row that is never committed has others wait for
 * this one: GET_LOCK holds for a session rather than a transaction, and a
 * cluster does not have it. No device can have this ID, which XML cannot
 * write. */
static nmdm_err_t *lock_by_row(nmdm_ctx_t *ctx, const char *name)
{
    static const char ID[] = "\001";

    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_CERT_ASSOCIATE,
                          NMDM_ARGS(ID, name)));
    return nmdm_db_exec(ctx, NULL, STMT_CERT_DISSOCIATE,
                        NMDM_ARGS(ID, name));
}

nmdm_err_t *nmdm_cert_associations_lock(nmdm_ctx_t *ctx,
                                        const char *device_id)
{
    nmdm_bytes_t id = { device_id, device_id ? strlen(device_id) : 0 };
    const char *name = device_id ? nmdm_digest_sha256(ctx->pool, id)
                                 : nmdm_cert_encodings_name(ctx->cert);
    int found;

    if (ctx->db->dialect->has_one_writer) {
        return NULL;
    }
    return nmdm_statement_is_for(STMT_LOCK, ctx->db->dialect->id)
        ? nmdm_db_row(ctx, &found, NULL, 0, STMT_LOCK, NMDM_ARGS(name))
        : lock_by_row(ctx, name);
}

nmdm_err_t *nmdm_cert_associations_use_known(nmdm_ctx_t *ctx, int *known)
{
    const char *shown = ctx->cert->sha256, *sha256 = NULL;
    const nmdm_cert_t *other = NULL;

    NMDM_TRY(nmdm_db_row(ctx, known, &sha256, 1, STMT_CERT_KNOWN,
                         NMDM_ARGS(shown, ctx->cert->other_sha256
                                       ? ctx->cert->other_sha256 : shown,
                                   shown)));
    if (*known && strcmp(sha256, shown)) {
        other = nmdm_cert_encodings_other(ctx->pool, ctx->cert);
        *known = other != NULL;
    }
    if (other) {
        ctx->cert = other;
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0504)
                 "%s: certificate %s is %s with its signature encoded"
                 " otherwise", *ctx->access_log.id ? ctx->access_log.id : "-",
                 shown, other->sha256);
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_associations_device_has(nmdm_ctx_t *ctx, int *yes,
                                              const char *device_id)
{
    return exists(ctx, yes, STMT_DEVICE_HAS_CERT, NMDM_ARGS(device_id));
}

nmdm_err_t *nmdm_cert_associations_add(nmdm_ctx_t *ctx, const char *device_id)
{
    return nmdm_db_exec(ctx, NULL, STMT_CERT_ASSOCIATE,
                        NMDM_ARGS(device_id, ctx->cert->sha256));
}

nmdm_err_t *nmdm_cert_associations_add_late(nmdm_ctx_t *ctx,
                                            const char *device_id)
{
    NMDM_TRY(nmdm_cert_associations_add(ctx, device_id));
    return ctx->policy->latest_only
        ? nmdm_db_exec(ctx, NULL, STMT_DEVICE_CERT,
                       NMDM_ARGS(nmdm_x509_pem(ctx->pool, ctx->cert->der),
                                 device_id))
        : NULL;
}

nmdm_err_t *nmdm_cert_associations_device_of(nmdm_ctx_t *ctx,
                                             const char **device_id)
{
    const char *args[3] = { ctx->cert->sha256 };
    int more, found;

    *device_id = NULL;
    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 1));
    return nmdm_db_row(ctx, &found, device_id, 1,
                       more ? STMT_DEVICE_OF_LATEST : STMT_DEVICE_OF_CERT,
                       args, 1 + more);
}

nmdm_err_t *nmdm_cert_associations_owner(nmdm_ctx_t *ctx,
                                         const char **device_id)
{
    int found;

    *device_id = NULL;
    return nmdm_db_row(ctx, &found, device_id, 1, STMT_DEVICE_OF_CERT,
                       NMDM_ARGS(ctx->cert->sha256));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sender.c -- what the database has of who sent a message. */

#include "storage/sender.h"
#include "db/db.h"
#include "db/schema.h"

struct nmdm_sender_t {
    int has[NMDM_SENDER_FACTS];
};

nmdm_err_t *nmdm_sender_look(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    const char *device = who->device_id, *cols[NMDM_SENDER_FACTS] = { NULL };
    const nmdm_cert_t *cert = ctx->cert;
    nmdm_sender_t *sender;
    int found, i;

    ctx->sender = NULL;
    if (!cert || ctx->policy->latest_only || !nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, NMDM_SENDER_FACTS,
                         STMT_SENDER_LOOK,
                         NMDM_ARGS(device, cert->sha256, device, device,
                                   who->id, device, cert->sha256,
                                   cert->other_sha256 ? cert->other_sha256
                                                      : cert->sha256,
                                   device)));
    sender = apr_pcalloc(ctx->pool, sizeof(*sender));
    for (i = 0; i < NMDM_SENDER_FACTS; i++) {
        sender->has[i] = cols[i] && *cols[i] == '1';
    }
    ctx->sender = sender;
    return NULL;
}

/* *is_stored stays as it is where one statement cannot tell. */
static nmdm_err_t *store(nmdm_ctx_t *ctx, int *is_stored, const nmdm_id_t *who,
                         const char *text)
{
    const nmdm_cert_t *cert = ctx->cert;
    const char *id = who->id, *shown, *other;

    if (!cert || ctx->policy->latest_only || who->on_user_channel
        || !nmdm_schema_has_scep(ctx)
        || !nmdm_statement_is_for(STMT_SENDER_TOKEN_UPDATE,
                                  ctx->db->dialect->id)) {
        return NULL;
    }
    shown = cert->sha256;
    other = cert->other_sha256 ? cert->other_sha256 : shown;
    return nmdm_db_exec(ctx, is_stored, STMT_SENDER_TOKEN_UPDATE,
                        NMDM_ARGS(text, id, id, shown, id, id, shown, other,
                                  id, shown, other));
}

nmdm_err_t *nmdm_sender_token_update(nmdm_ctx_t *ctx, int *is_stored,
                                     const nmdm_id_t *who, const char *text)
{
    nmdm_sender_t *sender;

    *is_stored = 0;
    NMDM_TRY(store(ctx, is_stored, who, text));
    if (!*is_stored) {
        return nmdm_sender_look(ctx, who);
    }
    sender = apr_pcalloc(ctx->pool, sizeof(*sender));
    sender->has[NMDM_SENDER_ASSOCIATION] = 1;
    sender->has[NMDM_SENDER_DEVICE] = 1;
    ctx->sender = sender;
    return NULL;
}

int nmdm_sender_has(const nmdm_ctx_t *ctx, nmdm_sender_e what)
{
    return ctx->sender && ctx->sender->has[what];
}

int nmdm_sender_lacks(const nmdm_ctx_t *ctx, nmdm_sender_e what)
{
    return ctx->sender && !ctx->sender->has[what];
}
